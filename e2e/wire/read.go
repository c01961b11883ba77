package wire

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
)

// Reading is a request as one reader cuts it out of a connection's bytes. Claims are the headers asked for, one after the
// other, each followed by a bar.
type Reading struct{ Method, Target, Host, Claims, Body string }

// Read gives the requests that net/http finds in text, a connection that ends there; after the first that it refuses, no
// more. Empty lines before a request are skipped (RFC 9112 §2.2), which net/http leaves to its server.
func Read(text []byte, claims ...string) []Reading {
	var list []Reading
	in := bufio.NewReader(bytes.NewReader(text))
	for {
		skipEmptyLines(in)
		request, err := http.ReadRequest(in)
		if err != nil {
			return list
		}
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return list
		}
		one := Reading{request.Method, request.RequestURI, request.Host, "", string(body)}
		for _, name := range claims {
			one.Claims += request.Header.Get(name) + "|"
		}
		list = append(list, one)
	}
}

func skipEmptyLines(in *bufio.Reader) {
	for {
		next, _ := in.Peek(2)
		switch {
		case len(next) > 0 && next[0] == '\n':
			_, _ = in.Discard(1)
		case string(next) == "\r\n":
			_, _ = in.Discard(2)
		default:
			return
		}
	}
}
