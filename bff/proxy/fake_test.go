package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is a platform's API that records the bytes it receives and answers what a test says: the R of the requirements.
type fake struct {
	origin, addr string
	listener     net.Listener // nil: reached by pipe only
	tls          *tls.Config  // nil: plain

	mu       sync.Mutex
	requests []string
	times    []time.Time
	answer   func(request string) (reply string) // "" closes the connection without a byte
	stream   func(w io.Writer)                   // in the place of answer; the connection ends after it
	conns    []net.Conn
	serving  sync.WaitGroup
}

// andClose at the end of a reply closes the connection behind it.
const andClose = "\x00close"

// andThen stands between two pieces that are written for themselves, each its own record of TLS, and sent together.
const andThen = "\x00then"

const ok = `{"data":[]}`

// reply puts an answer together.
func reply(status int, header, body string) string {
	if header != "" {
		header += "\r\n"
	}
	return fmt.Sprintf("HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s", status, header, len(body), body)
}

func jsonReply(status int, body string) string {
	return reply(status, "Content-Type: application/json", body)
}

func newFake(t testing.TB, addr string) *fake {
	f := &fake{addr: addr, answer: func(string) string { return jsonReply(200, ok) }}
	if addr == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		f.listener, f.addr = l, l.Addr().String()
		f.serving.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				f.serve(conn)
			}
		})
	}
	f.origin = "http://" + f.addr
	t.Cleanup(func() {
		if f.listener != nil {
			f.listener.Close()
		}
		f.hangUp()
		f.serving.Wait()
	})
	return f
}

func (f *fake) hangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
	f.conns = nil
}

func (f *fake) serve(conn net.Conn) {
	f.mu.Lock()
	gathered := &gather{Conn: conn}
	if conn = gathered; f.tls != nil {
		conn = tls.Server(gathered, f.tls)
	}
	f.conns = append(f.conns, conn)
	f.mu.Unlock()
	f.serving.Go(func() {
		defer conn.Close()
		in := bufio.NewReader(conn)
		for {
			request, err := readRequest(in)
			if err != nil {
				return
			}
			f.mu.Lock()
			f.requests = append(f.requests, request)
			f.times = append(f.times, time.Now())
			answer, stream := f.answer, f.stream
			f.mu.Unlock()
			if stream != nil {
				stream(conn)
				return
			}
			text := answer(request)
			if text == "" {
				return
			}
			text, ends := strings.CutSuffix(text, andClose)
			if err := gathered.together(conn, strings.Split(text, andThen)); err != nil || ends {
				return
			}
		}
	})
}

// gather is a connection that can hold back what is written, and send it in one piece.
type gather struct {
	net.Conn
	holding bool
	held    []byte
}

func (g *gather) Write(b []byte) (int, error) {
	if g.holding {
		g.held = append(g.held, b...)
		return len(b), nil
	}
	return g.Conn.Write(b)
}

// together writes the pieces to conn, which is g or TLS on it.
func (g *gather) together(conn net.Conn, pieces []string) error {
	if len(pieces) == 1 {
		_, err := io.WriteString(conn, pieces[0])
		return err
	}
	g.holding, g.held = true, nil
	for _, piece := range pieces {
		if _, err := io.WriteString(conn, piece); err != nil {
			return err
		}
	}
	g.holding = false
	_, err := g.Conn.Write(g.held)
	return err
}

func readRequest(in *bufio.Reader) (string, error) {
	var all strings.Builder
	length := 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		all.WriteString(line)
		if name, value, found := strings.Cut(line, ":"); found && strings.EqualFold(name, "Content-Length") {
			length, _ = strconv.Atoi(strings.TrimSpace(value))
		}
		if line == "\r\n" {
			break
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(in, body); err != nil {
		return "", err
	}
	all.Write(body)
	return all.String(), nil
}

func (f *fake) answers(answer func(request string) string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer, f.stream = answer, nil
}

func (f *fake) streams(stream func(w io.Writer)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stream = stream
}

func (f *fake) secured(config *tls.Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tls = config
}

func (f *fake) always(text string) { f.answers(func(string) string { return text }) }

func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.requests...)
}

func (f *fake) last(t testing.TB) string {
	t.Helper()
	seen := f.seen()
	if len(seen) == 0 {
		t.Fatal("nothing arrived")
	}
	return seen[len(seen)-1]
}
