package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// tap hears everything that Locum says to anybody.
type tap struct {
	mu    sync.Mutex
	lines []*line
}

// line is one connection: where it leads, and what was sent on it.
type line struct {
	net.Conn
	tap  *tap
	to   string
	sent bytes.Buffer // guarded by the tap
}

func (l *line) Write(p []byte) (int, error) {
	l.tap.mu.Lock()
	l.sent.Write(p)
	l.tap.mu.Unlock()
	return l.Conn.Write(p)
}

func (t *tap) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	l := &line{Conn: conn, tap: t, to: addr}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, l)
	return l, nil
}

// said is one request of Locum's.
type said struct {
	to, method string
	url        *url.URL
	header     http.Header
	form       url.Values // of a form body
}

// mark is a moment: how much had been sent on each connection.
type mark map[*line]int

func (t *tap) mark() mark {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := mark{}
	for _, l := range t.lines {
		m[l] = l.sent.Len()
	}
	return m
}

// since are the requests from a moment on, nil for all, in the order of their connections.
func (t *tap) since(m mark) []said {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []said
	for _, l := range t.lines {
		for reader := bufio.NewReader(bytes.NewReader(l.sent.Bytes()[m[l]:])); ; {
			request, err := http.ReadRequest(reader)
			if err != nil {
				break
			}
			body, _ := io.ReadAll(request.Body)
			s := said{to: l.to, method: request.Method, url: request.URL, header: request.Header}
			if strings.HasPrefix(request.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
				s.form, _ = url.ParseQuery(string(body))
			}
			all = append(all, s)
		}
	}
	return all
}

// that finds the first request of those that fits.
func that(all []said, fits func(said) bool) said {
	for _, s := range all {
		if fits(s) {
			return s
		}
	}
	return said{url: &url.URL{}, header: http.Header{}, form: url.Values{}}
}

// granting finds a token request by its grant type.
func granting(all []said, grant string) said {
	return that(all, func(s said) bool { return s.form.Get("grant_type") == grant })
}

// at finds a request whose path ends so.
func at(all []said, end string) said {
	return that(all, func(s said) bool { return strings.HasSuffix(s.url.Path, end) })
}
