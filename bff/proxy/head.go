package proxy

import (
	"bufio"
	"bytes"
	"strings"

	"github.com/valyala/fasthttp"
)

// maxInterim is how many interim answers may come before the one that counts (RFC 9110 §15.2).
const maxInterim = 8

// readAnswer reads one answer and says whether the connection may carry another. What an answer is stands in RFC 9112;
// fasthttp by itself takes more for one (a status of 000 for 200, HTTP/9.9, a length beside chunks), puts trailers among
// the headers, and forgets a "close" when another Connection line follows.
func readAnswer(in *bufio.Reader, resp *fasthttp.Response, maxBody int) (stays bool, err error) {
	stays = true
	var f framing
	for interim := 0; ; interim++ {
		head, err := peekHead(in)
		if err != nil {
			return false, err
		}
		if f = readFraming(head); f.faulty || interim > maxInterim {
			return false, errMalformed
		}
		if err := resp.Header.Read(in); err != nil {
			return false, err
		}
		stays = stays && !f.closes && !resp.ConnectionClose()
		if status := resp.StatusCode(); status == fasthttp.StatusSwitchingProtocols {
			return false, nil // nobody asked for it
		} else if status >= 200 {
			break
		}
	}
	switch resp.StatusCode() {
	case fasthttp.StatusNoContent:
		return stays && !f.framed, nil // a body announced where there is none may follow all the same
	case fasthttp.StatusNotModified:
		return stays, nil
	}
	if err := resp.ReadBody(in, maxBody); err != nil || !f.chunked {
		return stays, err
	}
	return stays, new(fasthttp.ResponseHeader).ReadTrailer(in) // read, and forgotten (RFC 9110 §6.5.1)
}

// peekHead gives the next head, with the empty line at its end, without taking it. What cannot become a status line is
// refused at its first wrong byte.
func peekHead(in *bufio.Reader) ([]byte, error) {
	for n, searched := 1, 0; ; {
		if _, err := in.Peek(n); err != nil {
			if err == bufio.ErrBufferFull {
				return nil, errMalformed
			}
			return nil, err
		}
		held, _ := in.Peek(in.Buffered())
		if !startsStatusLine(held) {
			return nil, errMalformed
		}
		if i := bytes.Index(held[searched:], []byte("\r\n\r\n")); i >= 0 {
			return held[:searched+i+4], nil
		}
		n, searched = len(held)+1, max(0, len(held)-3)
	}
}

// startsStatusLine says whether b is a status line as RFC 9112 §4 has it, or the beginning of one: HTTP/1.1 or HTTP/1.0, a
// space, a code from 100 to 599, and a space; or the end of the line, as some write it where no reason follows.
func startsStatusLine(b []byte) bool {
	const form = "HTTP/1.x 5dd "
	for i := range min(len(b), len(form)) {
		fits := b[i] == form[i]
		switch i {
		case 7:
			fits = b[i] == '0' || b[i] == '1'
		case 9:
			fits = b[i] >= '1' && b[i] <= '5'
		case 10, 11:
			fits = b[i] >= '0' && b[i] <= '9'
		case 12:
			fits = b[i] == ' ' || b[i] == '\r'
		}
		if !fits {
			return false
		}
	}
	return true
}

// framing is what a head says of the answer's end and of the connection's.
type framing struct {
	framed  bool // by a length other than 0, or chunks
	chunked bool
	closes  bool
	faulty  bool // both, or chunks in HTTP/1.0: where such an answer ends is a matter of taste (RFC 9112 §6.1, §6.3)
}

func readFraming(head []byte) (f framing) {
	length := false
	line, rest, _ := bytes.Cut(head, []byte("\n"))
	old := bytes.HasPrefix(line, []byte("HTTP/1.0"))
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch name, value := trim(name), trim(value); {
		case isName(name, fasthttp.HeaderContentLength):
			length = true
			f.framed = f.framed || string(value) != "0"
		case isName(name, fasthttp.HeaderTransferEncoding):
			f.chunked, f.framed = true, true
		case isName(name, fasthttp.HeaderConnection):
			f.closes = f.closes || !strings.EqualFold(string(value), "keep-alive")
		}
	}
	f.faulty = f.chunked && (length || old)
	return f
}

func trim(b []byte) []byte { return bytes.Trim(b, " \t\r") }

func isName(b []byte, name string) bool {
	return len(b) == len(name) && strings.EqualFold(string(b), name)
}
