package bff_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"locum/bff"
	"locum/bff/config"
	"locum/shared"
)

// every gives one answer of each kind that Locum can make.
func every(b *bench, one browser) map[string]answer {
	host := "Host: " + b.cfg.PublicURL.Host + "\r\n"
	unparsed := func(request string) answer { a, _ := b.raw(request); return a }
	etag := b.get("/").header.Get("ETag")
	return map[string]answer{
		"page":              b.get("/"),
		"page unchanged":    b.get("/", [2]string{"If-None-Match", etag}),
		"page HEAD":         b.do(request{"HEAD", "/", nil, ""}),
		"sign-in page":      b.get(shared.PathSignIn),
		"sign-in failed":    b.form(shared.PathSignIn, nil, url.Values{"login": {"nobody"}, "password": {"wrong"}}),
		"sign-in cross":     b.do(request{"POST", shared.PathSignIn, nil, ""}),
		"sign-out redirect": b.form(shared.PathSignOut, nil, nil),
		"asset":             b.get("/app.js"),
		"asset unchanged":   b.get("/app.js", [2]string{"If-None-Match", b.get("/app.js").header.Get("ETag")}),
		"worker":            b.get("/app-worker.js"),
		"session":           one.read(shared.PathSession),
		"signed out":        b.get(shared.PathSession),
		"forbidden":         b.do(request{"POST", shared.PathActivity, nil, ""}),
		"no content":        one.change("POST", shared.PathActivity, nil),
		"callback refused":  b.get("/connect/jane/callback?state=x&code=y"),
		"callback prefetch": b.get("/connect/jane/callback?state=x&code=y", [2]string{"Sec-Purpose", "prefetch"}),
		"openapi":           b.get(shared.PathOpenAPI),
		"health":            b.get(shared.PathHealth),
		"ready":             b.get(shared.PathReady),
		"not found":         b.get("/nowhere"),
		"not found, person": b.get("/nowhere", [2]string{"Sec-Fetch-Dest", "document"}),
		"api not found":     b.get("/api/v1/nowhere"),
		"bad method":        b.do(request{"DELETE", "/", nil, ""}),
		"refused method":    b.do(request{"TRACE", "/", nil, ""}),
		"unsafe path":       unparsed("GET /%2e%2e HTTP/1.1\r\n" + host + "\r\n"),
		"wrong host":        unparsed("GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n"),
		"unparsable":        unparsed("GET / HTTP/1.1\r\n" + host + "Bad Header\r\n\r\n"),
		"not even HTTP":     unparsed("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
		"expectation":       unparsed("POST / HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n"),
		"body too large":    unparsed("POST /api/v1/connect HTTP/1.1\r\n" + host + "Content-Length: 70000\r\n\r\n"),
		"header too large":  unparsed("GET / HTTP/1.1\r\n" + host + "X-Long: " + strings.Repeat("a", 17<<10) + "\r\n\r\n"),
	}
}

// TestT097HeadersOnEveryAnswer, with and without TLS in front: what is sent follows from the public URL, so a proxy
// that ends TLS changes nothing.
func TestT097HeadersOnEveryAnswer(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			b := open(t, func(cfg *config.Config, _ *bff.Options) { cfg.PublicURL.Scheme = scheme })
			for name, a := range every(b, b.signIn(loginOne)) {
				checkCommon(t, name, a, scheme)
			}
		})
	}
}

func checkCommon(t *testing.T, name string, a answer, scheme string) {
	t.Helper()
	want := map[string]string{
		"X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp",
		"Server": "", "Access-Control-Allow-Origin": "", "Access-Control-Allow-Credentials": "", "X-Powered-By": "",
	}
	if scheme == "https" {
		want["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
	} else {
		want["Strict-Transport-Security"] = ""
	}
	for header, value := range want {
		if got := a.header.Values(header); strings.Join(got, "|") != value {
			t.Errorf("%s (%d): %s is %q, want %q", name, a.status, header, got, value)
		}
	}
	for header, part := range map[string]string{"Content-Security-Policy": "default-src 'none'", "Permissions-Policy": "camera=()",
		"Referrer-Policy": "", "Cache-Control": "no-"} {
		if got := a.header.Values(header); len(got) != 1 || !strings.Contains(got[0], part) {
			t.Errorf("%s (%d): %s is %q", name, a.status, header, got)
		}
	}
	if len(a.header.Get(shared.HeaderRequestID)) != 24 {
		t.Errorf("%s: request id is %q", name, a.header.Get(shared.HeaderRequestID))
	}
	if a.status >= 400 && a.header.Get("Content-Type") == "application/problem+json" && a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: a problem may be cached", name)
	}
}

// TestT096ContentSecurityPolicy: no escape hatch anywhere, and what is data can neither run nor be framed.
func TestT096ContentSecurityPolicy(t *testing.T) {
	b := open(t, nil)
	answers := every(b, b.signIn(loginOne))
	for name, a := range answers {
		csp := a.header.Get("Content-Security-Policy")
		if strings.Contains(csp, "unsafe-inline") || strings.Contains(csp, "'unsafe-eval'") || strings.Contains(csp, "*") ||
			!strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: %s", name, csp)
		}
	}
	page := answers["page"].header.Get("Content-Security-Policy")
	for _, part := range []string{"script-src 'self' 'wasm-unsafe-eval';", "style-src 'self';", "connect-src 'self';",
		"form-action 'self';", "base-uri 'none';", "object-src 'none';", "require-trusted-types-for 'script'", "trusted-types 'none'",
		"report-to csp"} {
		if !strings.Contains(page+";", part) {
			t.Errorf("the page's policy lacks %s: %s", part, page)
		}
	}
	for _, name := range []string{"session", "signed out", "not found", "unparsable", "openapi", "callback prefetch", "body too large"} {
		if csp := answers[name].header.Get("Content-Security-Policy"); csp != "default-src 'none'; frame-ancestors 'none'; sandbox" {
			t.Errorf("%s: %s", name, csp)
		}
	}
	if csp := answers["worker"].header.Get("Content-Security-Policy"); strings.Contains(csp, "sandbox") {
		t.Errorf("the worker that is to end itself may not start: %s", csp)
	}
	if strings.Contains(answers["sign-in page"].header.Get("Content-Security-Policy"), "script-src") {
		t.Error("the sign-in page may run script")
	}
	for name, want := range map[string]string{"page": "same-origin", "session": "same-origin", "callback refused": "no-referrer",
		"callback prefetch": "no-referrer", "not found": "same-origin"} {
		if got := answers[name].header.Get("Referrer-Policy"); got != want {
			t.Errorf("%s: Referrer-Policy %s, want %s", name, got, want)
		}
	}
}

// TestStatusOfEveryKind holds what each kind of answer is.
func TestStatusOfEveryKind(t *testing.T) {
	b := open(t, nil)
	want := map[string]int{
		"page": 200, "page unchanged": 304, "page HEAD": 200, "sign-in page": 200, "sign-in failed": 401, "sign-in cross": 403,
		"sign-out redirect": 303, "asset": 200, "asset unchanged": 304, "worker": 200, "session": 200, "signed out": 401,
		"forbidden": 403, "no content": 204, "callback refused": 400, "callback prefetch": 503, "openapi": 200, "health": 200,
		"ready": 200, "not found": 404, "not found, person": 404, "api not found": 404, "bad method": 405, "refused method": 405,
		"unsafe path": 400, "wrong host": 421, "unparsable": 400, "not even HTTP": 400, "expectation": 417,
		"body too large": 413, "header too large": 431,
	}
	for name, a := range every(b, b.signIn(loginOne)) {
		if a.status != want[name] {
			t.Errorf("%s: %d, want %d: %s", name, a.status, want[name], a.body)
		}
		plain := strings.HasPrefix(a.header.Get("Content-Type"), "text/html")
		if a.status >= 400 && !plain && name != "callback prefetch" {
			if code := a.code(t); code == "" {
				t.Errorf("%s has no code", name)
			}
		}
	}
}

// TestT091NoCORS: no origin is ever allowed, and no preflight answered.
func TestT091NoCORS(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	for _, origin := range []string{"null", "https://evil.test", "http://localhost", b.origin, b.origin + ".evil.test"} {
		for _, path := range []string{"/", shared.PathSession, shared.PathOpenAPI, "/app.js", shared.PathConnections} {
			for _, method := range []string{"GET", "OPTIONS"} {
				a := b.do(request{method, path, [][2]string{one.cookies(), {"Origin", origin},
					{"Access-Control-Request-Method", "POST"}, {"Access-Control-Request-Headers", "locum-client"}}, ""})
				for header := range a.header {
					if strings.HasPrefix(header, "Access-Control-") {
						t.Errorf("%s %s from %s: %s", method, path, origin, header)
					}
				}
			}
		}
	}
	if a := b.do(request{"GET", shared.PathSession, [][2]string{one.cookies(), {"Origin", "https://evil.test"}}, ""}); a.status != http.StatusForbidden {
		t.Errorf("a foreign origin may read: %d", a.status)
	}
}

// TestT098NothingFallsThroughToAPage: what is not a route is a 404 problem, and no answer of the API may be cached.
func TestT098NothingFallsThroughToAPage(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	for _, path := range []string{"/api/x", "/api", "/api/v1", "/api/v1/sessions", "/api/v1/session/x", "/proxy", "/proxy/v1", "/proxy/v1/x",
		"/proxy/v2/x/y", "/.git/config", "/.env", "/debug/pprof", "/debug/vars", "/metrics", "/web", "/web/app.css", "/web/x/app.wasm",
		"/static", "/index.html", "/sitemap.xml", "/ads.txt", "/manifest.webmanifest", "/app.css", "/wasm_exec.js", "/goapp.js", "/app.wasm",
		"/patients", "/Sign-In", "/SIGN-IN", "/connect/jane", "/connections/x", "/schedule", "/patients/x/y/z"} {
		for _, accept := range []string{"*/*", "text/html,application/xhtml+xml", "application/json"} {
			a := b.get(path, one.cookies(), [2]string{"Accept", accept})
			if a.status != http.StatusNotFound || a.code(t) != shared.CodeNotFound || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %s", path, a.status, short(string(a.body)))
			}
		}
	}
	for _, path := range []string{shared.PathSession, shared.PathPlatforms, shared.PathConnections, shared.PathOpenAPI, "/api/v1/connections/x"} {
		if a := one.read(path); a.header.Get("Cache-Control") != "no-store" || a.header.Get("ETag") != "" {
			t.Errorf("%s: Cache-Control %q, ETag %q", path, a.header.Get("Cache-Control"), a.header.Get("ETag"))
		}
	}
}

// TestT096ReportsAreHeard, bounded, from our own pages alone, and without the addresses in them.
func TestT096ReportsAreHeard(t *testing.T) {
	b := open(t, nil)
	if got := b.get("/").header.Get("Reporting-Endpoints"); got != `csp="/csp-reports"` {
		t.Errorf("Reporting-Endpoints is %s", got)
	}
	report := `{"type":"csp-violation","url":"/patients/CANARY","body":{"documentURL":"CANARY","blockedURL":"https://evil.test/CANARY","effectiveDirective":"img-src"}}`
	send := func(origin, media, body string) int {
		return b.do(request{"POST", "/csp-reports", [][2]string{{"Origin", origin}, {"Content-Type", media}}, body}).status
	}
	for range 40 {
		if status := send(b.origin, "application/reports+json", "["+report+","+report+"]"); status != http.StatusNoContent {
			t.Fatalf("%d", status)
		}
	}
	if status := send("https://evil.test", "application/reports+json", "["+report+"]"); status != http.StatusForbidden {
		t.Errorf("from elsewhere: %d", status)
	}
	if status := send(b.origin, "text/plain", "["+report+"]"); status != http.StatusForbidden {
		t.Errorf("as text: %d", status)
	}
	if status := send(b.origin, "application/reports+json", "x"); status != http.StatusBadRequest {
		t.Errorf("no JSON: %d", status)
	}
	log := b.log.String()
	if n := strings.Count(log, "directive=img-src blocked=\"another origin\""); n != 20 {
		t.Errorf("%d reports are logged, want 20", n)
	}
	if strings.Contains(log, "CANARY") {
		t.Error("the log holds an address")
	}
}
