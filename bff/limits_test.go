package bff_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"locum/bff"
	"locum/bff/config"
	"locum/bff/sandbox"
	"locum/shared"
)

// served counts the connections that fasthttp is serving now. Its workers without a connection stay a while, by design.
func served() int {
	stacks := make([]byte, 8<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "fasthttp.(*Server).serveConnCounted(")
}

// nobody waits until no connection is served any more.
func nobody(t *testing.T, what string) {
	t.Helper()
	left := served()
	for end := time.Now().Add(longest); left > 0 && time.Now().Before(end); left = served() {
		runtime.Gosched()
	}
	if left > 0 {
		t.Errorf("%s: %d connections are still served", what, left)
	}
}

// TestT085TooLargeIsRefusedUnread: a length over the limit is 413 before a byte of the body has come, in chunks too, and
// a body in chunks is none of Locum's business at any size.
func TestT085TooLargeIsRefusedUnread(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	own := [][2]string{one.cookies(), {"Origin", b.origin}, {shared.HeaderClient, shared.ClientApp}, {"Content-Type", "application/json"}}
	var lines strings.Builder
	for _, h := range own {
		lines.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	before := b.sandbox.Count(sandbox.EndpointAPI)
	for _, target := range []string{shared.PathConnect, shared.PathSignIn, "/csp-reports", "/proxy/v1/" + id + "/api/2026-01-01/patients", "/nowhere", "/"} {
		head := "POST " + target + " HTTP/1.1\r\nHost: " + b.cfg.PublicURL.Host + "\r\n" + lines.String()
		for _, c := range []struct {
			name, rest string
			status     int
		}{
			{"one byte over", "Content-Length: 65537\r\n\r\n", 413},
			{"a gigabyte", "Content-Length: 1073741824\r\n\r\n", 413},
			{"as long as a number can be", "Content-Length: 9223372036854775807\r\n\r\n", 413},
			{"one chunk over", "Transfer-Encoding: chunked\r\n\r\n10001\r\n", 413},
			{"the second chunk over", "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\nffff\r\n" + strings.Repeat("y", 0xffff) + "\r\n1\r\n", 413},
			{"the largest chunk", "Transfer-Encoding: chunked\r\n\r\n7fffffffffffff0\r\n", 413},
			{"small chunks", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 411},
			{"packed", "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08", 415},
			{"packed in its coding", "Transfer-Encoding: gzip, chunked\r\n\r\n", 400},
		} {
			a, closed := b.raw(head + c.rest)
			if a.status != c.status || !closed {
				t.Errorf("%s, %s: %d, closed %v", target, c.name, a.status, closed)
			}
			checkCommon(t, c.name, a, "http")
		}
	}
	if n := b.sandbox.Count(sandbox.EndpointAPI) - before; n != 0 {
		t.Errorf("the platform was called %d times", n)
	}
	exact := `{"client_state":"` + strings.Repeat("a", 64<<10-len(`{"client_state":""}`)) + `"}`
	if a := b.do(request{"POST", shared.PathConnect, own, exact}); a.status != http.StatusBadRequest || a.code(t) != shared.CodeBadRequest {
		t.Errorf("exactly the limit: %d %s", a.status, a.body)
	}
}

// TestT085SlowCallersAreDropped: whoever is slow in head, body, handshake, between two requests or in taking the answer
// loses the connection, and nothing of it stays.
func TestT085SlowCallersAreDropped(t *testing.T) {
	certificate, key := writeCertificate(t)
	const short = 200 * time.Millisecond
	plain := open(t, func(_ *config.Config, o *bff.Options) { o.Bound(short, short, short, 64) })
	overTLS := open(t, func(cfg *config.Config, o *bff.Options) {
		o.Bound(short, short, short, 64)
		cfg.PublicURL.Scheme, cfg.TLS = "https", &config.TLS{CertFile: certificate, KeyFile: key}
	})
	host := "Host: " + plain.cfg.PublicURL.Host + "\r\n"
	good := "GET /healthz HTTP/1.1\r\n" + host + "\r\n"
	for _, c := range []struct {
		name, sent, drip string
		status           int // of the answer before the end; 0: none
	}{
		{"silence", "", "", 408},
		{"half a request line", "GET /hea", "", 408},
		{"half a head", "GET /healthz HTTP/1.1\r\n" + host, "", 408},
		{"a head byte by byte", "GET /healthz HTTP/1.1\r\n" + host + "X: ", "y", 408},
		{"empty lines without end", "", "\r\n", 0},
		{"no body", "POST /sign-in HTTP/1.1\r\n" + host + "Content-Length: 9\r\n\r\n", "", 408},
		{"a body byte by byte", "POST /sign-in HTTP/1.1\r\n" + host + "Content-Length: 60000\r\n\r\n", "y", 408},
		{"a chunk byte by byte", "POST /sign-in HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nffff\r\n", "y", 408},
		{"idle after an answer", good, "", 200},
		{"half a head after an answer", good + "GET /", "", 200},
	} {
		conn := plain.dial(c.sent)
		answers := make(chan string, 1)
		go func() {
			all, _ := io.ReadAll(conn) // to the end, which may be a reset
			answers <- string(all)
		}()
		got := ""
		for tick := time.NewTicker(5 * time.Millisecond); got == ""; {
			select {
			case got = <-answers:
				got += " "
			case <-tick.C:
				_, _ = io.WriteString(conn, c.drip)
			}
		}
		if want := fmt.Sprintf("HTTP/1.1 %d ", c.status); !strings.HasPrefix(got, want) && (c.status != 0 || got != " ") {
			t.Errorf("%s: %.40q, want %s", c.name, got, want)
		}
		nobody(t, c.name)
	}

	conn := overTLS.dial("")
	if _, err := conn.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("a silent handshake: %v", err)
	}
	nobody(t, "a silent handshake")
	secure, err := tls.Dial("tcp", overTLS.addr, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"})
	must(t, err)
	must(t, secure.SetDeadline(time.Now().Add(longest)))
	_, err = io.WriteString(secure, "GET /")
	must(t, err)
	if a := next(t, bufio.NewReader(secure)); a.status != http.StatusRequestTimeout {
		t.Errorf("half a head over TLS: %d", a.status)
	}
	must(t, secure.Close())
	nobody(t, "half a head over TLS")
}

// TestT086ARefusalComesThrough on a connection that has been idle for longer than an answer may take.
func TestT086ARefusalComesThrough(t *testing.T) {
	const short = 50 * time.Millisecond
	b := open(t, func(_ *config.Config, o *bff.Options) { o.Bound(longest, short, longest, 64) })
	conn := b.dial("GET /healthz HTTP/1.1\r\nHost: " + b.cfg.PublicURL.Host + "\r\n\r\n")
	in := bufio.NewReader(conn)
	next(t, in)
	must(t, conn.SetReadDeadline(time.Now().Add(4*short)))
	if _, err := in.ReadByte(); !isTimeout(err) {
		t.Fatalf("the connection says %v", err)
	}
	must(t, conn.SetDeadline(time.Now().Add(longest)))
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nCookie: CANARY\r\nBad Header\r\n\r\n")
	must(t, err)
	a := next(t, in)
	checkCommon(t, "unreadable", a, "http")
	if a.status != http.StatusBadRequest || strings.Contains(string(a.body), "CANARY") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

// TestT085WhoTakesNoAnswerIsDropped: a caller who asks for much and reads nothing holds neither connection nor memory.
func TestT085WhoTakesNoAnswerIsDropped(t *testing.T) {
	b := open(t, func(_ *config.Config, o *bff.Options) { o.Bound(longest, 200*time.Millisecond, longest, 64) })
	page := b.get("/")
	_, hashed, found := strings.Cut(string(page.body), "/web/")
	if !found {
		t.Fatal("the page names no asset")
	}
	hash, _, _ := strings.Cut(hashed, "/")
	asset := "GET /web/" + hash + "/wasm_exec.js HTTP/1.1\r\nHost: " + b.cfg.PublicURL.Host + "\r\n\r\n"
	if a, _ := b.raw(asset); a.status != http.StatusOK || len(a.body) < 10_000 {
		t.Fatalf("%d, %d bytes", a.status, len(a.body))
	}
	for range 8 {
		conn := b.dial("")
		must(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
		_, _ = io.WriteString(conn, strings.Repeat(asset, 1000)) // 16 MB of answers; sending may be cut short
	}
	nobody(t, "eight callers who read nothing")
}

// TestT085WhoLeavesDoesNotCancel: a call that has begun upstream is finished, recorded and answered into the void when
// its caller is gone (requirements 0.2, point 12), and nothing of it stays.
func TestT085WhoLeavesDoesNotCancel(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	one.read("/proxy/v1/" + id + "/api/2026-01-01/patients") // so that whatever is opened once is open
	nobody(t, "the first call")
	base, before := runtime.NumGoroutine(), b.sandbox.Count(sandbox.EndpointAPI)
	const calls = 5
	b.sandbox.Slow(sandbox.EndpointAPI, 200*time.Millisecond, calls)
	cookies := one.cookies()
	for range calls {
		conn := b.dial("GET /proxy/v1/" + id + "/api/2026-01-01/patients HTTP/1.1\r\nHost: " + b.cfg.PublicURL.Host + "\r\n" + cookies[0] + ": " + cookies[1] + "\r\n\r\n")
		for sent := b.sandbox.Count(sandbox.EndpointAPI); sent == before; sent = b.sandbox.Count(sandbox.EndpointAPI) {
			runtime.Gosched() // until the first has arrived; the others leave at once
		}
		must(t, conn.Close())
	}
	nobody(t, "callers who left")
	if n := b.sandbox.Count(sandbox.EndpointAPI) - before; n != calls {
		t.Errorf("the platform was called %d times, want %d", n, calls)
	}
	if n := strings.Count(b.log.String(), "status=200"); strings.Count(b.log.String(), "route=/proxy/v1/{connection}/* status=200") != calls+1 {
		t.Errorf("%d answers in the log: %s", n, b.log.String())
	}
	// fasthttp keeps a worker for ten seconds after its last connection: one for each call, and no more.
	if now := runtime.NumGoroutine(); now > base+2*calls {
		t.Errorf("%d goroutines, %d before", now, base)
	}
}
