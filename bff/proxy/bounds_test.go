package proxy_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/audit"
)

const (
	jsonHead = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	chunked  = jsonHead + "Transfer-Encoding: chunked\r\n\r\n"
	gigabyte = 1 << 30
)

// flood writes head and then piece after piece, up to a gigabyte, with a pause between them.
func flood(head, piece string, pause time.Duration) func(io.Writer) {
	return func(w io.Writer) {
		_, err := io.WriteString(w, head)
		for n := 0; err == nil && n < gigabyte; n += len(piece) {
			time.Sleep(pause)
			_, err = io.WriteString(w, piece)
		}
	}
}

// slowly writes text byte by byte, one a second, and then nothing more.
func slowly(head, text string) func(io.Writer) {
	return func(w io.Writer) {
		_, err := io.WriteString(w, head)
		for i := 0; err == nil && i < len(text); i++ {
			time.Sleep(time.Second)
			_, err = io.WriteString(w, text[i:i+1])
		}
		hang(w)
	}
}

// hang says nothing until the other end has gone.
func hang(w io.Writer) { _, _ = io.Copy(io.Discard, w.(io.Reader)) }

// taken counts what the other end of a connection takes.
type taken struct {
	io.ReadWriter
	n int
}

func (c *taken) Write(b []byte) (int, error) {
	n, err := c.ReadWriter.Write(b)
	c.n += n
	return n, err
}

// TestT085PlatformBounded: whatever the platform sends and however long it takes over it, the call ends by the time and the
// size that it may have, as an error, and nothing is left of it: no goroutine (synctest would not end), no connection, no
// permit. The rig takes answers of 1 MiB.
func TestT085PlatformBounded(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, err := z.Write(bytes.Repeat([]byte("["), 8<<20))
	must(t, err)
	must(t, z.Close())
	long := strings.Repeat("x", 64<<10)
	const deadline = 20 * time.Second
	for _, c := range []struct {
		name   string
		stream func(io.Writer)
		code   string
		took   time.Duration
		most   int // bytes that may be taken
	}{
		{"1 GB with a length", flood(jsonHead+fmt.Sprintf("Content-Length: %d\r\n\r\n", gigabyte), long, 0), "platform_bad_answer", 0, 32 << 10},
		{"1 GB in chunks", flood(chunked, "10000\r\n"+long+"\r\n", 0), "platform_bad_answer", 0, 1<<20 + 128<<10},
		{"1 GB in one chunk", flood(chunked+"40000000\r\n", long, 0), "platform_bad_answer", 0, 32 << 10},
		{"1 GB until close", flood(jsonHead+"\r\n", long, 0), "platform_bad_answer", 0, 1<<20 + 128<<10},
		{"1 GB of headers", flood(jsonHead, "X-Y: z\r\n", 0), "platform_bad_answer", 0, 32 << 10},
		{"1 GB of one header", flood(jsonHead+"X: ", long, 0), "platform_bad_answer", 0, 32 << 10},
		{"1 GB of reason", flood("HTTP/1.1 200 ", long, 0), "platform_bad_answer", 0, 32 << 10},
		{"1 GB of anything", flood("", "SSH-2.0-CANARY\r\n", 0), "platform_bad_answer", 0, 32 << 10},
		{"1 GB of interim answers", flood("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 0), "platform_bad_answer", 0, 32 << 10},
		{"1 GB of one extension", flood(chunked+"1;", long, 0), "platform_bad_answer", 0, 3 << 20},
		{"1 GB of extensions", flood(chunked, "1;"+long+"\r\nx\r\n", 0), "platform_bad_answer", 0, 3 << 20},
		{"1 GB of trailers", flood(chunked+"0\r\n", "X-Y: z\r\n", 0), "platform_bad_answer", 0, 64 << 10},
		{"a gzip bomb", slowly(jsonHead+fmt.Sprintf("Connection: close\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", bomb.Len())+bomb.String(), ""), "platform_bad_answer", 0, 128 << 10},
		{"a gzip bomb in the transfer", flood(jsonHead+"Transfer-Encoding: gzip, chunked\r\n\r\n", bomb.String(), 0), "platform_bad_answer", 0, 128 << 10},
		{"nothing", hang, "platform_unavailable", deadline, 0},
		{"nothing after the status", slowly("HTTP/1.1 200 OK\r\n", ""), "platform_unavailable", deadline, 100},
		{"nothing after the head", slowly(jsonHead+"Content-Length: 11\r\n\r\n", ""), "platform_unavailable", deadline, 100},
		{"nothing after a chunk", slowly(chunked+"1\r\n{\r\n", ""), "platform_unavailable", deadline, 100},
		{"nothing in a chunk's size", slowly(chunked+"1", ""), "platform_unavailable", deadline, 100},
		{"nothing in the trailers", slowly(chunked+"1\r\n1\r\n0\r\nX: y\r\n", ""), "platform_unavailable", deadline, 120},
		{"nothing before the close", slowly(jsonHead+"\r\n[]", ""), "platform_unavailable", deadline, 100},
		{"1 byte a second in the status line", slowly("", jsonHead+"Content-Length: 2\r\n\r\n[]"), "platform_unavailable", deadline, 20},
		{"1 byte a second in the head", slowly("HTTP/1.1 200 OK\r\n", strings.Repeat("X: y\r\n", 100)), "platform_unavailable", deadline, 40},
		{"1 byte a second in the body", slowly(jsonHead+"Content-Length: 50\r\n\r\n", strings.Repeat(" ", 50)), "platform_unavailable", deadline, 120},
		{"1 byte a second in chunks", slowly(chunked, strings.Repeat("1\r\n \r\n", 50)), "platform_unavailable", deadline, 120},
		{"1 byte a second until close", slowly(jsonHead+"\r\n", strings.Repeat(" ", 50)), "platform_unavailable", deadline, 100},
		{"an interim answer now and then", flood("", "HTTP/1.1 102 Processing\r\n\r\n", 3*time.Second), "platform_unavailable", deadline, 400},
		{"a header now and then", flood(jsonHead, "X: y\r\n", 3*time.Second), "platform_unavailable", deadline, 200},
	} {
		t.Run("T085 "+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var most atomic.Int64
				took := refusedAnswer(t, func(f *fake) {
					f.streams(func(w io.Writer) {
						counted := &taken{ReadWriter: w.(io.ReadWriter)}
						c.stream(counted)
						most.Store(max(most.Load(), int64(counted.n))) // one request at a time
					})
				}, c.code)
				synctest.Wait()
				if n := most.Load(); took != c.took || n > int64(c.most) {
					t.Errorf("after %s and %d bytes, want %s and at most %d", took, n, c.took, c.most)
				}
			})
		})
	}
}

// TestT085ConnectBounded: a clinic that cannot be reached, or does not finish TLS, is given up after five seconds, before a
// byte of the request has left: the permit is back, a write is certain not to be done, and nothing is left open.
func TestT085ConnectBounded(t *testing.T) {
	pipe := func(server func(net.Conn)) func(context.Context) (net.Conn, error) {
		return func(context.Context) (net.Conn, error) {
			client, other := net.Pipe()
			go func() { server(other); _ = other.Close() }()
			return client, nil
		}
	}
	for _, c := range []struct {
		name string
		dial func(context.Context) (net.Conn, error)
		took time.Duration
	}{
		{"a connection that is never accepted", func(ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }, 5 * time.Second},
		{"TLS that nobody reads", pipe(func(c net.Conn) { time.Sleep(time.Minute) }), 5 * time.Second},
		{"TLS without an answer", pipe(func(c net.Conn) { hang(c) }), 5 * time.Second},
		{"TLS, 1 byte a second", pipe(func(c net.Conn) {
			go hang(c)
			slowly("", "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03"+strings.Repeat("x", 60))(struct{ net.Conn }{c})
		}), 5 * time.Second},
		{"no TLS at all", pipe(func(c net.Conn) {
			go hang(c)
			_, _ = io.WriteString(c, jsonReply(200, ok))
		}), 0},
		{"an alert", pipe(func(c net.Conn) {
			go hang(c)
			_, _ = io.WriteString(c, "\x15\x03\x03\x00\x02\x02\x28")
		}), 0},
	} {
		t.Run("T085 "+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, "clinic.janeapp.example:443")
				f.origin = "https://clinic.janeapp.example"
				r := newRig(t, setup{fakes: []*fake{f}, only: []*fake{}, dial: func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) }})
				began := time.Now()
				_, err := r.do(r.write("POST", observations, "{}"))
				wantCode(t, err, "platform_unavailable")
				if took := time.Since(began); took != c.took {
					t.Errorf("after %s, want %s", took, c.took)
				}
				if clinic, _ := r.proxy.Budgets("jane", f.origin); r.proxy.Lines() != 0 || clinic.Remaining != clinic.Limit {
					t.Errorf("%d connections, budget %+v", r.proxy.Lines(), clinic)
				}
				if records := r.records(); len(records) != 2 || records[1]["result"] != audit.ResultUnsent {
					t.Errorf("audit: %v", records)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}
