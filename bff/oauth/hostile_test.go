package oauth_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// wire dials for a client: it keeps the addresses that were asked for and counts the bytes read. To, where set, is dialled
// instead.
type wire struct {
	to   string
	read atomic.Int64

	mu      sync.Mutex
	dialled []string
}

func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	w.dialled = append(w.dialled, addr)
	w.mu.Unlock()
	if w.to != "" {
		addr = w.to
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	return &countedConn{Conn: conn, read: &w.read}, err
}

// addresses are those dialled, each once.
func (w *wire) addresses() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	set := map[string]bool{}
	for _, addr := range w.dialled {
		set[addr] = true
	}
	return set
}

type countedConn struct {
	net.Conn
	read *atomic.Int64
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// stranger makes a request at each endpoint that the client reads answers from, and gives the error of each. The token is
// signed by a key that nobody has published.
func stranger(t *testing.T, client *oauth.Client) map[string]error {
	t.Helper()
	unknown := sign(t, object{"alg": "RS256", "kid": "k1"}, accessClaims(), func(string) []byte { return make([]byte, 256) })
	type ended struct {
		where string
		err   error
	}
	all := make(chan ended, 3)
	go func() {
		answer, err := client.Refresh(t.Context(), secret.New("refresh-token-value"), nil)
		if err == nil {
			_, err = oauth.ParseToken(answer)
		}
		all <- ended{"token", err}
	}()
	go func() {
		all <- ended{"revoke", client.Revoke(t.Context(), secret.New("refresh-token-value"), "")}
	}()
	go func() {
		_, err := client.VerifyAccess(t.Context(), unknown)
		all <- ended{"certs", err}
	}()
	errs := map[string]error{}
	for range cap(all) {
		e := <-all
		errs[e.where] = e.err
	}
	return errs
}

// endless writes chunk again and again until the other side has left, at most limit bytes.
func endless(conn net.Conn, head, chunk string, limit int) {
	_, err := io.WriteString(conn, head)
	for n := 0; err == nil && n < limit; n += len(chunk) {
		_, err = io.WriteString(conn, chunk)
	}
}

// drip writes chunk every few milliseconds until the other side has left.
func drip(conn net.Conn, head, chunk string) {
	_, err := io.WriteString(conn, head)
	for ticks := time.Tick(5 * time.Millisecond); err == nil; <-ticks {
		_, err = io.WriteString(conn, chunk)
	}
}

func gzipped(t *testing.T, n int64) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err1 := io.CopyN(w, zeros{}, n)
	if err := errors.Join(err1, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

const ok = "HTTP/1.1 200 OK\r\n"

// TestT032HostileAnswers: whatever a server sends, each request to it ends as an error within the client's deadline, has
// read no more than 128 kB and cost less than 32 MB.
func TestT032HostileAnswers(t *testing.T) {
	const much = 200 << 20
	block := strings.Repeat("x", 64<<10)
	bomb := gzipped(t, 32<<20)
	say := func(text string) func(net.Conn) { return func(c net.Conn) { _, _ = io.WriteString(c, text) } }
	whole := func(header, body string) func(net.Conn) {
		return say(fmt.Sprintf("%s%sContent-Length: %d\r\n\r\n%s", ok, header, len(body), body))
	}
	cases := []struct {
		name  string
		serve func(net.Conn)
		whole bool // a complete answer that is no token answer and no key set; a revocation does not read it (RFC 7009 §2.2)
	}{
		{"200 MB by length", func(c net.Conn) { endless(c, fmt.Sprintf(ok+"Content-Length: %d\r\n\r\n", much), block, much) }, false},
		{"200 MB in chunks", func(c net.Conn) {
			endless(c, ok+"Transfer-Encoding: chunked\r\n\r\n", "10000\r\n"+block+"\r\n", much)
		}, false},
		{"200 MB until the end", func(c net.Conn) { endless(c, ok+"\r\n", block, much) }, false},
		{"200 MB of blanks before the object", func(c net.Conn) { endless(c, ok+"\r\n", strings.Repeat(" ", 64<<10), much) }, false},
		{"a byte at a time for ever, in the body", func(c net.Conn) { drip(c, ok+"\r\n", "x") }, false},
		{"a byte at a time for ever, in a chunk", func(c net.Conn) { drip(c, ok+"Transfer-Encoding: chunked\r\n\r\nFFFFF\r\n", "x") }, false},
		{"a byte at a time for ever, in chunks of one", func(c net.Conn) { drip(c, ok+"Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n") }, false},
		{"a byte at a time for ever, in the size of a chunk", func(c net.Conn) { drip(c, ok+"Transfer-Encoding: chunked\r\n\r\n", "0") }, false},
		{"a byte at a time for ever, in the headers", func(c net.Conn) { drip(c, ok+"X: ", "x") }, false},
		{"a byte at a time for ever, in the status line", func(c net.Conn) { drip(c, "HTTP/1.1 200 ", "x") }, false},
		{"nothing for ever", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, false},
		{"a length of 2^63-1 and then nothing", func(c net.Conn) {
			_, _ = io.WriteString(c, ok+"Content-Length: 9223372036854775807\r\n\r\n{")
			_, _ = io.Copy(io.Discard, c)
		}, false},
		{"a length beyond 2^63", say(ok + "Content-Length: 9223372036854775808\r\n\r\n{}"), false},
		{"a negative length", say(ok + "Content-Length: -1\r\n\r\n{}"), false},
		{"two lengths", say(ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} "), false},
		{"gzip bomb as content", whole("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", bomb), true},
		{"gzip bomb as transfer", say(ok + fmt.Sprintf("Transfer-Encoding: gzip, chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(bomb), bomb)), false},
		{"gzip bomb as transfer alone", say(ok + "Transfer-Encoding: gzip\r\n\r\n" + bomb), false},
		{"100,000 levels of arrays", whole("", strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)), false},
		{"30,000 levels of arrays", whole("", strings.Repeat("[", 30_000)+strings.Repeat("]", 30_000)), true},
		{"5,000 levels in a member", whole("", `{"access_token":"a","expires_in":300,"x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+"}"), true},
		{"5,000 levels of objects", whole("", strings.Repeat(`{"keys":`, 5000)+"1"+strings.Repeat("}", 5000)), true},
		{"text/html", whole("Content-Type: text/html\r\n", "<!doctype html><title>Sign in</title>"), true},
		{"text/html without a length", say(ok + "Content-Type: text/html\r\n\r\n<html>"), true},
		{"nothing at all", whole("", ""), true},
		{"cut chunk", say(ok + "Transfer-Encoding: chunked\r\n\r\n14\r\n{\"access_token\""), false},
		{"chunks without an end", say(ok + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"), false},
		{"a chunk of another size than it says", say(ok + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}xxxx\r\n0\r\n\r\n"), false},
		{"a chunk of 2^64-1 bytes", say(ok + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n{}"), false},
		{"a chunk of 2^64 bytes", say(ok + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n{}"), false},
		{"an endless chunk extension", func(c net.Conn) { endless(c, ok+"Transfer-Encoding: chunked\r\n\r\n2;x=", block, much) }, false},
		{"a chunk extension on every byte", func(c net.Conn) {
			endless(c, ok+"Transfer-Encoding: chunked\r\n\r\n", "1;"+strings.Repeat("x", 1000)+"\r\nx\r\n", much)
		}, false},
		{"one header of 1 MB", say(ok + "X: " + strings.Repeat("x", 1<<20) + "\r\n\r\n{}"), false},
		{"100,000 headers", say(ok + strings.Repeat("X: y\r\n", 100_000) + "\r\n{}"), false},
		{"headers for ever", func(c net.Conn) { endless(c, ok, "X: y\r\n", much) }, false},
		{"a status line for ever", func(c net.Conn) { endless(c, "HTTP/1.1 200 ", block, much) }, false},
		{"no line at all for ever", func(c net.Conn) { endless(c, "", block, much) }, false},
		{"a flood of 100", func(c net.Conn) { endless(c, "", "HTTP/1.1 100 Continue\r\n\r\n", much) }, false},
		{"a flood of 103", func(c net.Conn) {
			endless(c, "", "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n", much)
		}, false},
		{"a slow flood of 102", func(c net.Conn) { drip(c, "", "HTTP/1.1 102 Processing\r\n\r\n") }, false},
		{"101 and then nothing", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
		}, false},
		{"101 and then a byte at a time", func(c net.Conn) {
			drip(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", " ")
		}, false},
		{"101 without an upgrade", func(c net.Conn) { drip(c, "HTTP/1.1 101 x\r\n\r\n", " ") }, false},
		{"trailers for ever", func(c net.Conn) {
			endless(c, ok+"Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\n{}\r\n0\r\n", "X: y\r\n", much)
		}, false},
		{"a trailer for ever", func(c net.Conn) {
			endless(c, ok+"Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\n{}\r\n0\r\nX: ", block, much)
		}, false},
		{"a slow trailer", func(c net.Conn) { drip(c, ok+"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: ", "x") }, false},
		{"HTTP/2", say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), false},
		{"HTTP/0.9", say(`{"access_token":"a","expires_in":300}`), false},
	}
	for _, c := range cases {
		t.Run("T032 "+c.name, func(t *testing.T) {
			base := rawServer(t, func(_ int, conn net.Conn) {
				if readRequest(conn) == nil {
					c.serve(conn)
				}
			})
			w := &wire{}
			var before, after runtime.MemStats
			var errs map[string]error
			var took, timeout time.Duration
			for timeout = 250 * time.Millisecond; ; timeout *= 4 {
				client := newClient(t, base, func(c *oauth.ClientConfig) { c.Timeout, c.Dial, c.Server.Issuer = timeout, w.dial, testIssuer })
				w.read.Store(0)
				runtime.ReadMemStats(&before)
				begun := time.Now()
				errs = stranger(t, client)
				took = time.Since(begun)
				runtime.ReadMemStats(&after)
				if client.Close(); !unsent(errs) || timeout > 10*time.Second {
					break
				}
			}
			for where, err := range errs {
				wantUnusable(t, where, err, c.whole)
			}
			if took > 40*timeout { // it has not held
				t.Errorf("took %v", took)
			}
			if n := w.read.Load(); n > 3*128<<10 {
				t.Errorf("%d bytes read by three requests", n)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 32<<20 {
				t.Errorf("%d bytes allocated", n)
			}
		})
	}
}

// unsent says whether a request did not even leave within its deadline: the machine was busy, and nothing is shown.
func unsent(errs map[string]error) bool {
	for _, err := range errs {
		var transport *oauth.TransportError
		if errors.As(err, &transport) && !transport.Sent && errors.Is(err, context.DeadlineExceeded) {
			return true
		}
	}
	return false
}

// wantUnusable wants the error that an answer like this is at an endpoint, with no word of what was sent.
func wantUnusable(t *testing.T, where string, err error, whole bool) {
	t.Helper()
	var transport *oauth.TransportError
	var refusal *oauth.TokenError
	switch {
	case where == "revoke" && whole:
		if err != nil {
			t.Errorf("revoke: %v", err)
		}
		return
	case where == "certs":
		if !errors.As(err, &refusal) || !refusal.Temporary() {
			t.Errorf("certs: %v", err)
		}
	case where == "token" && whole:
		if !errors.Is(err, oauth.ErrMalformed) {
			t.Errorf("token: %v", err)
		}
	case !errors.As(err, &transport) || !transport.Sent:
		t.Errorf("%s: %v", where, err)
	}
	if err != nil && (strings.Contains(err.Error(), "refresh-token-value") || len(err.Error()) > 200) {
		t.Errorf("%s: the error is %.300s", where, err)
	}
}

// TestT032AfterAHostileAnswer: the client is as good as new once the server is.
func TestT032AfterAHostileAnswer(t *testing.T) {
	key := newKey(t)
	var hostile atomic.Bool
	hostile.Store(true)
	keys := fmt.Sprintf(`{"keys":[{"kty":"RSA","kid":"k1","use":"sig","n":%q,"e":"AQAB"}]}`, b64.EncodeToString(key.N.Bytes()))
	base := rawServer(t, func(_ int, conn net.Conn) {
		switch {
		case readRequest(conn) != nil:
		case hostile.Load():
			_, _ = io.WriteString(conn, "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			_, _ = io.Copy(io.Discard, conn)
		default:
			_, _ = io.WriteString(conn, ok+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(keys), keys))
		}
	})
	client := newClient(t, base, func(c *oauth.ClientConfig) { c.Server.Issuer, c.Timeout = testIssuer, 250*time.Millisecond })
	for range 40 { // more than there may be connections to one host
		if _, err := client.Refresh(t.Context(), secret.New("r"), nil); err == nil {
			t.Fatal("no error")
		}
	}
	hostile.Store(false)
	token := sign(t, object{"alg": "RS256", "kid": "k1"}, accessClaims(), rs(t, key, crypto.SHA256))
	if _, err := client.VerifyAccess(t.Context(), token); err != nil {
		t.Error(err)
	}
}
