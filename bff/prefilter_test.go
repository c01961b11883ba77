package bff_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"locum/bff"
	"locum/bff/config"
	"locum/shared"
)

// TestT073UnsafePaths: what a router could read in two ways is refused before any router reads it, and the connection
// with it. Nothing of it reaches a platform.
func TestT073UnsafePaths(t *testing.T) {
	b := open(t, nil)
	host := b.cfg.PublicURL.Host
	for name, target := range map[string]string{
		"parent": "/api/../sign-in", "current": "/./sign-in", "empty segment": "//sign-in", "double slash inside": "/api//v1/session",
		"encoded dots": "/%2e%2e/sign-in", "encoded slash": "/api%2fv1/session", "double encoded": "/%252e%252e/x",
		"encoded backslash": "/%5c..%5cx", "backslash": `/..\sign-in`, "matrix": "/..;/sign-in", "parameter": "/sign-in;a=b",
		"encoded NUL": "/x%00", "encoded CRLF": "/x%0d%0aSet-Cookie:a=b", "fragment": "/sign-in#/../api/v1/session",
		"fragment in query": "/sign-in?a#b", "overlong UTF-8": "/\xc0\xae\xc0\xae/x", "UTF-8": "/é", "8 kB": "/" + strings.Repeat("a", 8<<10),
		"trailing slash": "/sign-in/", "proxied parent": "/proxy/v1/x/api/../../y", "proxied encoded": "/proxy/v1/x/api%2f2026",
		"tilde segment only dots": "/..", "encoded letter": "/%61pi/v1/session", "UTF-8 in query": "/sign-in?q=é",
	} {
		a, closed := b.raw("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nCookie: a=CANARY\r\n\r\n")
		if a.status != http.StatusBadRequest || a.code(t) != shared.CodeUnsafePath || !closed {
			t.Errorf("%s: %d %s, closed %v", name, a.status, a.body, closed)
		}
		if bytes.Contains(a.body, []byte("CANARY")) {
			t.Errorf("%s: the answer repeats the request", name)
		}
	}
	for name, target := range map[string]string{"space": "/a b", "NUL": "/a\x00b", "tab": "/a\tb", "DEL": "/a\x7f"} {
		a, closed := b.raw("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nCookie: a=CANARY\r\n\r\n")
		if a.status != http.StatusBadRequest || !closed || bytes.Contains(a.body, []byte("CANARY")) {
			t.Errorf("%s: %d %s, closed %v", name, a.status, a.body, closed)
		}
	}
	if n := b.sandbox.Stats(); len(n) != 0 {
		t.Errorf("the platform was reached: %v", n)
	}
	if !strings.Contains(b.log.String(), "msg=connection") {
		t.Error("what fasthttp says about connections goes past the log")
	}
	if strings.Contains(b.log.String(), "CANARY") || strings.Contains(b.log.String(), "%2e") {
		t.Error("the log repeats a request")
	}
}

// TestT074TargetsAndHosts: origin-form and the configured Host, once, and nothing else.
func TestT074TargetsAndHosts(t *testing.T) {
	b := open(t, nil)
	host := "Host: " + b.cfg.PublicURL.Host + "\r\n"
	for _, c := range []struct {
		name, request string
		status        int
	}{
		{"plain", "GET /healthz HTTP/1.1\r\n" + host + "\r\n", 200},
		{"host in other case", "GET /healthz HTTP/1.1\r\nhOsT: " + strings.ToUpper(b.cfg.PublicURL.Host) + "\r\n\r\n", 200},
		{"absolute form", "GET http://" + b.cfg.PublicURL.Host + "/healthz HTTP/1.1\r\n" + host + "\r\n", 400},
		{"absolute form, other host", "GET http://evil.test/healthz HTTP/1.1\r\n" + host + "\r\n", 400},
		{"authority in the path", "GET //evil.test/healthz HTTP/1.1\r\n" + host + "\r\n", 400},
		{"asterisk", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", 405},
		{"authority form", "CONNECT evil.test:443 HTTP/1.1\r\n" + host + "\r\n", 405},
		{"no host", "GET /healthz HTTP/1.1\r\n\r\n", 400},
		{"empty host", "GET /healthz HTTP/1.1\r\nHost:\r\n\r\n", 400},
		{"two hosts", "GET /healthz HTTP/1.1\r\n" + host + "Host: evil.test\r\n\r\n", 400},
		{"two equal hosts", "GET /healthz HTTP/1.1\r\n" + host + host + "\r\n", 400},
		{"unknown host", "GET /healthz HTTP/1.1\r\nHost: evil.test\r\n\r\n", 421},
		{"userinfo", "GET /healthz HTTP/1.1\r\nHost: evil@" + b.cfg.PublicURL.Host + "\r\n\r\n", 421},
		{"other port", "GET /healthz HTTP/1.1\r\nHost: localhost:1\r\n\r\n", 421},
		{"trailing dot", "GET /healthz HTTP/1.1\r\nHost: localhost.:" + strings.TrimPrefix(b.addr, "127.0.0.1:") + "\r\n\r\n", 421},
		{"loopback by number", "GET /healthz HTTP/1.1\r\nHost: " + b.addr + "\r\n\r\n", 421},
		{"HTTP/1.0 without host", "GET /healthz HTTP/1.0\r\n\r\n", 400},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
		{"HTTP/3.7", "GET /healthz HTTP/3.7\r\n" + host + "\r\n", 400},
	} {
		a, closed := b.raw(c.request)
		if a.status != c.status {
			t.Errorf("%s: %d, want %d: %s", c.name, a.status, c.status, a.body)
		}
		if c.status != 200 && !closed {
			t.Errorf("%s: the connection stays open", c.name)
		}
	}
}

// TestTheLogSaysWhyAProxyIsRefused: the answers to what a proxy does wrong tell a caller nothing, so the log tells the operator.
func TestTheLogSaysWhyAProxyIsRefused(t *testing.T) {
	for _, c := range []struct{ name, head, why string }{
		{"its own Host", "Host: 127.0.0.1:8080\r\n", "Host is not that of public_url"},
		{"a header twice", "Host: HERE\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n", "a header stands twice: x-forwarded-proto"},
		{"a header with underscores", "Host: HERE\r\nX_Forwarded_For: CANARY\r\n", "a header is spelt with underscores: x-forwarded-for"},
		{"chunks", "Host: HERE\r\nTransfer-Encoding: chunked\r\n", "the body comes in chunks"},
		{"Expect", "Host: HERE\r\nContent-Length: 1\r\nExpect: CANARY\r\n", "Expect is not met"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := open(t, nil)
			b.raw("POST /sign-in HTTP/1.1\r\n" + strings.ReplaceAll(c.head, "HERE", b.cfg.PublicURL.Host) + "\r\n2\r\n{}\r\n0\r\n\r\n")
			if log := b.log.String(); !strings.Contains(log, `why="`+c.why) || strings.Contains(log, "CANARY") {
				t.Errorf("the log is %s", log)
			}
		})
	}
}

// TestT074ForwardedHeadersChangeNothing: links, cookies and the redirect URI come from the public URL alone.
func TestT074ForwardedHeadersChangeNothing(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	a := b.do(request{"POST", shared.PathConnect, [][2]string{one.cookies(), {"Origin", b.origin}, {shared.HeaderClient, shared.ClientApp},
		{"Content-Type", "application/json"}, {"X-Forwarded-Host", "evil.test"}, {"X-Forwarded-Proto", "https"},
		{"X-Forwarded-Scheme", "https"}, {"X-Original-URL", "/sign-in"}, {"X-Rewrite-URL", "/sign-in"},
		{"X-HTTP-Method-Override", "GET"}, {"Forwarded", "host=evil.test;proto=https"}},
		`{"platform":"jane","clinic":"` + b.sandbox.Clinics()[0].URL + `","client_state":"` + clientState() + `","context":{"page":"home"}}`})
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if bytes.Contains(a.body, []byte("evil.test")) || !bytes.Contains(a.body, []byte("redirect_uri=http%3A%2F%2Flocalhost")) {
		t.Errorf("the redirect URI follows the request: %s", a.body)
	}
	if line := a.setCookie("locum-dev-flow"); line == "" || strings.Contains(strings.ToLower(line), "secure") {
		t.Errorf("the cookie follows the request: %q", line)
	}
}

// TestFraming: what two servers could cut into requests differently is refused, and what follows it on the connection
// is never read as a request.
func TestFraming(t *testing.T) {
	b := open(t, nil)
	head := "POST /api/v1/activity HTTP/1.1\r\nHost: " + b.cfg.PublicURL.Host + "\r\n"
	get := strings.Replace(head, "POST", "GET", 1)
	smuggled := "GET /healthz HTTP/1.1\r\nHost: " + b.cfg.PublicURL.Host + "\r\n\r\n"
	for name, text := range map[string]string{
		"length and chunked":   head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunked and length":   head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		"identity":             head + "Transfer-Encoding: identity\r\n\r\n",
		"identity and length":  head + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
		"unknown coding":       head + "Transfer-Encoding: xchunked\r\n\r\n",
		"two codings":          head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"two lengths":          head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
		"two equal lengths":    head + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
		"signed length":        head + "Content-Length: +2\r\n\r\n{}",
		"length by underscore": head + "Content_Length: 2\r\n\r\n",
		"coding by underscore": head + "Transfer_Encoding: chunked\r\n\r\n",
		"obs-fold":             head + "X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
		"tab fold":             head + "X-A: b\r\n\tc\r\nContent-Length: 0\r\n\r\n",
		"space before colon":   head + "X-A : b\r\nContent-Length: 0\r\n\r\n",
		"space in a name":      head + "X A: b\r\nContent-Length: 0\r\n\r\n",
		"empty name":           head + ": b\r\nContent-Length: 0\r\n\r\n",
		"no colon":             head + "X-A\r\nContent-Length: 0\r\n\r\n",
		"bare LF":              head + "X-A: b\nContent-Length: 0\r\n\r\n",
		"bare CR":              head + "X-A: b\rX-B: c\r\nContent-Length: 0\r\n\r\n",
		"NUL in a value":       head + "X-A: b\x00c\r\nContent-Length: 0\r\n\r\n",
		"GET with a length":    get + "Content-Length: 2\r\n\r\n{}",
		"GET with chunks":      get + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"coding on HTTP/1.0":   strings.Replace(head, "1.1", "1.0", 1) + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two origins":          head + "Origin: " + b.origin + "\r\nOrigin: https://evil.test\r\nContent-Length: 0\r\n\r\n",
		"two media types":      head + "Content-Type: text/plain\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n",
		"two client headers":   head + "Locum-Client: x\r\nLocum-Client: app\r\nContent-Length: 0\r\n\r\n",
		"client by underscore": head + "Locum_Client: app\r\nContent-Length: 0\r\n\r\n",
	} {
		a, closed := b.raw(text + smuggled)
		if a.status != http.StatusBadRequest || !closed {
			t.Errorf("%s: %d, closed %v: %s", name, a.status, closed, a.body)
		}
	}
	if a, _ := b.raw(head + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"); a.status != http.StatusExpectationFailed {
		t.Errorf("Expect: %d", a.status)
	}
}

// TestPackedBodiesAreRefused: 64 KiB on the wire are never more in memory.
func TestPackedBodiesAreRefused(t *testing.T) {
	b := open(t, nil)
	for _, encoding := range []string{"gzip", "br", "deflate", "zstd", "identity", "gzip, gzip"} {
		r := request{"POST", shared.PathSignIn, [][2]string{{"Origin", b.origin}, {"Content-Encoding", encoding},
			{"Content-Type", "application/x-www-form-urlencoded"}}, "login=a"}
		if a := b.do(r); a.status != http.StatusUnsupportedMediaType || a.code(t) != shared.CodeUnsupportedMedia {
			t.Errorf("%s: %d %s", encoding, a.status, a.body)
		}
	}
}

// TestT072Methods: six methods in capitals, and each only where the table has it.
func TestT072Methods(t *testing.T) {
	b := open(t, nil)
	for _, method := range []string{"TRACE", "OPTIONS", "PROPFIND", "get", "GeT", "POSTS", "QUERY", "PURGE"} {
		a := b.do(request{method, shared.PathSession, nil, ""})
		if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") == "" {
			t.Errorf("%s: %d %s", method, a.status, a.body)
		}
	}
	for _, c := range []struct{ method, path, allow string }{
		{"HEAD", shared.PathSession, "GET"}, {"POST", shared.PathSession, "GET"}, {"DELETE", "/", "GET, HEAD"}, {"POST", "/schedule/x", "GET, HEAD"},
		{"GET", shared.PathSignOut, "POST"}, {"PUT", "/connect/jane/callback", "GET"}, {"POST", "/connect/jane/callback", "GET"},
		{"HEAD", "/connect/jane/callback", "GET"}, {"GET", shared.PathConnect, "POST"}, {"PATCH", shared.PathHealth, "GET, HEAD"},
		{"HEAD", "/proxy/v1/x/api/y", "GET, POST, PUT, PATCH, DELETE"},
	} {
		a := b.do(request{c.method, c.path, nil, ""})
		if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q, want %q", c.method, c.path, a.status, a.header.Get("Allow"), c.allow)
		}
	}
}

// TestT092CallerBehindProxies: a caller cannot choose the address that the sign-in throttle counts by.
func TestT092CallerBehindProxies(t *testing.T) {
	benches := map[bool]*bench{false: open(t, nil), true: open(t, func(cfg *config.Config, _ *bff.Options) { trust(cfg, true) })}
	for _, c := range []struct {
		name      string
		trusted   bool
		forwarded string
		want      string
	}{
		{"untrusted peer", false, "198.51.100.7", "remote=127.0.0.1"},
		{"trusted peer", true, "198.51.100.7", "remote=198.51.100.7"},
		{"forged in front", true, "203.0.113.9, 198.51.100.7", "remote=198.51.100.7"},
		{"trusted hop at the end", true, "203.0.113.9, 198.51.100.7, 127.0.0.1", "remote=198.51.100.7"},
		{"forged zone", true, "fe80::1%CANARY", "remote=fe80::1"},
		{"nonsense", true, "203.0.113.9, unknown", "remote=127.0.0.1"},
		{"trusted hops alone", true, "127.0.0.3, 127.0.0.2", "remote=127.0.0.3"},
		{"none", true, "", "remote=127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := benches[c.trusted]
			before := len(b.log.String())
			var header [][2]string
			if c.forwarded != "" {
				header = append(header, [2]string{"X-Forwarded-For", c.forwarded})
			}
			b.get(shared.PathHealth, header...)
			if line := b.log.String()[before:]; !strings.Contains(line, c.want+"\n") {
				t.Errorf("want %s in %s", c.want, line)
			}
		})
	}
}
