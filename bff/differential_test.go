package bff_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"locum/bff"
	"locum/bff/config"
	"locum/e2e/wire"
	"locum/shared"
)

// claimed are the headers that handlers believe.
var claimed = []string{"Origin", shared.HeaderClient, "Sec-Fetch-Site", "Content-Type", "If-None-Match"}

// readers are the two: Locum up to its router, and net/http.
type readers struct {
	server *bff.Server
	host   string
	got    []wire.Reading // what reached the router, of the connection being served
	heads  []string
}

func openReaders(t testing.TB) *readers {
	t.Helper()
	dir := t.TempDir()
	cfg := &config.Config{PublicURL: &url.URL{Scheme: "http", Host: "localhost:8080"}, DataDir: filepath.Join(dir, "data"),
		MasterKeyFile: filepath.Join(dir, "key")}
	ok := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	ok(bff.EnsureKeyFile(cfg.MasterKeyFile))
	server, err := bff.Open(cfg, bff.Options{Log: slog.New(slog.DiscardHandler)})
	ok(err)
	t.Cleanup(func() { ok(server.Close()) })
	r := &readers{server: server, host: cfg.PublicURL.Host}
	server.Route(func(ctx *fasthttp.RequestCtx) {
		header := &ctx.Request.Header
		claims := ""
		for _, name := range claimed {
			claims += string(header.Peek(name)) + "|"
		}
		r.got = append(r.got, wire.Reading{Method: string(header.Method()), Target: string(header.RequestURI()),
			Host: string(header.Host()), Claims: claims, Body: string(ctx.Request.Body())})
		r.heads = append(r.heads, string(header.RawHeaders()))
	})
	return r
}

// locum gives what reached the router of a connection that holds text and ends there.
func (r *readers) locum(t testing.TB, text []byte) []wire.Reading {
	t.Helper()
	r.got, r.heads = nil, nil
	if err := r.server.ServeConn(&bytesConn{in: bytes.NewReader(text)}); err != nil && strings.Contains(err.Error(), "panic") {
		t.Fatal(err)
	}
	return r.got
}

// disagreement is the first request that reached the router and is not what net/http reads in its place; "" when there
// is none.
func disagreement(ours, theirs []wire.Reading) string {
	for i, got := range ours {
		if i >= len(theirs) {
			return fmt.Sprintf("request %d, %q, is none to net/http", i, got)
		}
		if got != theirs[i] {
			return fmt.Sprintf("request %d is %q here and %q there", i, got, theirs[i])
		}
	}
	return ""
}

// mutants is how many generated requests a test reads: LOCUM_MUTANTS, or few enough for every day.
func mutants(t *testing.T, few int) uint64 {
	t.Helper()
	text := os.Getenv("LOCUM_MUTANTS")
	if text == "" {
		return uint64(few)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	must(t, err)
	return n
}

var posts = []string{shared.PathActivity, shared.PathSignIn, "/proxy/v1/x/api/2026-01-01/patients"}

// TestT083Differential: whatever of a connection's bytes reaches a route, net/http reads in the same place, as the same
// method, target, host, body and claims. A smuggled request is one that only one of them sees.
func TestT083Differential(t *testing.T) {
	r := openReaders(t)
	smuggled := wire.Head("GET", "/smuggled", r.host) + "\r\n"
	n, began := mutants(t, 8_000), time.Now()
	counts := map[string]int{}
	for seed := range n {
		text := []byte(wire.Mutant(seed, r.host, posts) + smuggled)
		ours, theirs := r.locum(t, text), wire.Read(text, claimed...)
		if what := disagreement(ours, theirs); what != "" {
			t.Fatalf("seed %d: %s\n%q", seed, what, text)
		}
		counts[fmt.Sprintf("%d by Locum, %d by net/http", len(ours), len(theirs))]++
		counts["reached a route"] += len(ours)
	}
	t.Logf("%d connections in %v, 0 disagreements that reach a route; requests read: %v", n, time.Since(began).Round(time.Millisecond), counts)
	for _, both := range []string{"2 by Locum, 2 by net/http", "0 by Locum, 0 by net/http", "0 by Locum, 2 by net/http"} {
		if counts[both]*50 < int(n) {
			t.Errorf("the generator makes hardly any of: %s", both)
		}
	}
}

// TestT083ProbesReachNothing: of the named probes and what follows them, not one request reaches a route.
func TestT083ProbesReachNothing(t *testing.T) {
	r := openReaders(t)
	for _, probe := range wire.Probes(r.host, shared.PathActivity) {
		if got := r.locum(t, []byte(probe.Text+wire.Head("GET", "/smuggled", r.host)+"\r\n")); len(got) != 0 {
			t.Errorf("%s: %q reached the router", probe.Name, got)
		}
	}
	text := wire.Head("GET", "/healthz", r.host) + "\r\n"
	if got := r.locum(t, []byte(text+text)); len(got) != 2 {
		t.Errorf("two good requests are read as %q", got)
	}
}

// FuzzRequestHead: what passes the header filter has one Host, ours, one way to tell its length, lines that end in CRLF
// and names that are tokens; and net/http reads the same.
func FuzzRequestHead(f *testing.F) {
	r := openReaders(f)
	for _, seed := range []string{"Host: " + r.host + "\r\n\r\n", "Host: " + r.host + "\r\nContent-Length: 2\r\n\r\n{}", "Host: " + r.host + "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"Host: " + r.host + "\r\nX: a\r\n b\r\n\r\n", "hOST:" + r.host + "\r\nCookie: a=b\r\n\r\nGET / HTTP/1.1\r\nHost: " + r.host + "\r\n\r\n", "Host : x\r\n\r\n", "\r\n\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, rest []byte) {
		text := append([]byte("POST "+shared.PathActivity+" HTTP/1.1\r\n"), bytes.ReplaceAll(rest, []byte("HOST"), []byte(r.host))...)
		ours := r.locum(t, text)
		if what := disagreement(ours, wire.Read(text, claimed...)); what != "" {
			t.Fatalf("%s: %q", what, text)
		}
		for _, head := range r.heads {
			checkHead(t, head, r.host)
		}
	})
}

// checkHead reads a head that was let through by the letter of RFC 9112 §5 and §6.
func checkHead(t *testing.T, head, host string) {
	t.Helper()
	count := map[string]int{}
	for _, line := range strings.SplitAfter(strings.TrimSuffix(head, "\r\n"), "\r\n") {
		name, value, colon := strings.Cut(strings.TrimSuffix(line, "\r\n"), ":")
		if line == "" {
			continue
		}
		if !colon || name == "" || strings.ContainsAny(name, " \t\"(),/;<=>?@[\\]{}") || !strings.HasSuffix(line, "\r\n") || strings.ContainsAny(name+value, "\r\n\x00") {
			t.Fatalf("the line %q passed in %q", line, head)
		}
		count[strings.ToLower(strings.ReplaceAll(name, "_", "-"))]++
		if strings.EqualFold(name, "Host") && strings.ToLower(strings.Trim(value, " \t")) != host {
			t.Fatalf("the host %q passed", value)
		}
	}
	if count["host"] != 1 || count["content-length"] > 1 || count["transfer-encoding"] > 0 || count["expect"] > 0 {
		t.Fatalf("%v passed in %q", count, head)
	}
}

// bytesConn is a connection whose other end has sent all it will.
type bytesConn struct {
	net.Conn
	in *bytes.Reader
}

func (c *bytesConn) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *bytesConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *bytesConn) Close() error                     { return nil }
func (c *bytesConn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *bytesConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *bytesConn) SetDeadline(time.Time) error      { return nil }
func (c *bytesConn) SetReadDeadline(time.Time) error  { return nil }
func (c *bytesConn) SetWriteDeadline(time.Time) error { return nil }
