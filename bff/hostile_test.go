package bff_test

import (
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"locum/bff/sandbox"
	"locum/shared"
)

// most is what one hostile request may allocate in all, so its memory never grows by more: 16 MB.
const most = 16 << 20

// hash is what one password costs (argon2id, 19 MiB), known account or not; how many at once is bounded elsewhere.
const hash = 19456 << 10

// allocated is what do allocates, here and in the server: both are this process.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// kinds are one route of each kind, as requests of a signed-in browser.
func kinds(t *testing.T, b *bench) map[string]request {
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	own := [][2]string{one.cookies(), {"Origin", b.origin}, {"Sec-Fetch-Site", "same-origin"}, {shared.HeaderClient, shared.ClientApp},
		{"Content-Type", "application/json"}}
	form := [][2]string{{"Origin", b.origin}, {"Content-Type", "application/x-www-form-urlencoded"}}
	reader := [][2]string{one.cookies(), {"Sec-Fetch-Site", "same-origin"}}
	var wasm string
	for _, r := range b.server.Routes() {
		if strings.HasSuffix(r[1], "/app.wasm") {
			wasm = r[1]
		}
	}
	if wasm == "" {
		t.Log("web/static/app.wasm.br is not built: its route is left out")
		wasm = "/app.js"
	}
	return map[string]request{
		"page": {"GET", "/", nil, ""}, "page of a connection": {"GET", "/schedule/" + id, nil, ""}, "asset": {"GET", "/app.js", nil, ""},
		"wasm": {"GET", wasm, [][2]string{{"Accept-Encoding", "br"}}, ""}, "api": {"GET", shared.PathSession, reader, ""}, "connect": {"POST", shared.PathConnect, own, "{}"},
		"outcome": {"POST", shared.PathOutcome, own, "{}"}, "sign-in form": {"POST", shared.PathSignIn, form, "password=y&login=" + strings.Repeat("x", 300)},
		"sign-in page": {"GET", shared.PathSignIn, nil, ""}, "callback": {"GET", "/connect/jane/callback", nil, ""},
		"proxied GET":  {"GET", "/proxy/v1/" + id + "/api/2026-01-01/patients", reader, ""},
		"proxied POST": {"POST", "/proxy/v1/" + id + "/api/2026-01-01/observations", own, "{}"}, "reports": {"POST", "/csp-reports", own, "[]"},
		"unknown": {"GET", "/nowhere", nil, ""}, "unknown API": {"POST", "/api/v1/nowhere", own, "{}"},
	}
}

// TestT123HostileSizes: on every kind of route, what is too big, too many or too deep is refused with 4xx, or is inert
// where nothing reads it; the process lives and its memory does not follow.
func TestT123HostileSizes(t *testing.T) {
	b := open(t, nil)
	routes := kinds(t, b)
	header := func(n int) (list [][2]string) {
		for i := range n {
			list = append(list, [2]string{"X-" + strconv.Itoa(i), "y"})
		}
		return list
	}
	inHeader := func(list [][2]string) func(*request) {
		return func(r *request) { r.header = append(r.header[:len(r.header):len(r.header)], list...) }
	}
	inPath := func(more string) func(*request) { return func(r *request) { r.path += more } }
	inBody := func(body string) func(*request) {
		return func(r *request) {
			if r.method != "GET" {
				r.body = body
			} else {
				r.path += "?" + body[:min(len(body), 8<<10)]
			}
		}
	}
	jsonIn := func(r *request) bool { return r.method == "POST" }
	dots := strings.Repeat(".", 12<<10)
	before := b.sandbox.Count(sandbox.EndpointAPI)
	for name, c := range map[string]struct {
		change func(*request)
		inert  func(*request) bool // where nothing reads it, and any answer but a 5xx is right
	}{
		"10,000 headers":              {inHeader(header(10_000)), nil},
		"a header of 1 MB":            {inHeader([][2]string{{"X", strings.Repeat("x", 1<<20)}}), nil},
		"1,500 headers":               {inHeader(header(1_500)), func(*request) bool { return true }},
		"a URL of 1 MB":               {inPath("/" + strings.Repeat("a", 1<<20)), nil},
		"a query of 1 MB":             {inPath("?" + strings.Repeat("a", 1<<20)), nil},
		"10,000 parameters":           {inPath("?" + strings.Repeat("a=1&", 10_000)), nil},
		"2,000 parameters":            {inPath("?" + strings.Repeat("a=1&", 2_000)), func(r *request) bool { return true }},
		"10,000 slashes":              {inPath(strings.Repeat("/", 10_000)), nil},
		"2,000 slashes":               {inPath(strings.Repeat("/", 2_000)), nil},
		"40 segments":                 {inPath(strings.Repeat("/x", 40)), nil},
		"1,000 segments":              {inPath(strings.Repeat("/x", 1_000)), nil},
		"a[999999999]":                {inPath("?a[999999999]=1&a[-1]=1&a[]=&a[[[[=1&a.b.c=1"), func(r *request) bool { return true }},
		"a[999999999] in the body":    {inBody("a[999999999]=1&a[-1]=1"), nil},
		"a deep array":                {inBody(strings.Repeat("[", 60_000)), nil},
		"a deep object":               {inBody(strings.Repeat(`{"a":`, 13_000)), nil},
		"a deep value of a known key": {inBody(`{"context":` + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000) + `}`), nil},
		"20,000 keys":                 {inBody("{" + strings.Repeat(`"a":1,`, 10_000) + `"b":1}`), nil},
		"a long number":               {inBody(`{"client_state":1` + strings.Repeat("0", 60_000) + `}`), nil},
		"20,000 form fields":          {inBody(strings.Repeat("a&", 20_000)), nil},
		"dots in a cookie":            {inHeader([][2]string{{"Cookie", "locum-dev-session=" + dots}}), nil},
		"dots in Authorization":       {inHeader([][2]string{{"Authorization", "Bearer " + dots}}), func(*request) bool { return true }},
		"1,000 languages":             {inHeader([][2]string{{"Accept-Language", strings.Repeat("fr;q=0.1,", 1_000)}}), func(*request) bool { return true }},
		"3,000 encodings":             {inHeader([][2]string{{"Accept-Encoding", strings.Repeat("gz,", 3_000)}}), func(*request) bool { return true }},
		"3,000 entity tags":           {inHeader([][2]string{{"If-None-Match", strings.Repeat(`"a",`, 3_000)}}), func(*request) bool { return true }},
	} {
		for kind, r := range routes {
			c.change(&r)
			inert := c.inert != nil && c.inert(&r) || r.method == "GET" && strings.Contains(name, "cookie") ||
				!jsonIn(&r) && len(r.path) < 8<<10+100 && strings.Contains(r.path, "?")
			bound := uint64(most)
			if kind == "sign-in form" {
				bound += hash
			}
			var a answer
			if n := allocated(func() { a = b.do(r) }); n > bound {
				t.Errorf("%s on %s: %d bytes allocated", name, kind, n)
			}
			if a.status >= 500 || a.status < 400 && !inert {
				t.Errorf("%s on %s: %d %s", name, kind, a.status, short(string(a.body)))
			}
		}
	}
	t.Logf("the platform was called %d times", b.sandbox.Count(sandbox.EndpointAPI)-before)
	if strings.Contains(b.log.String(), "msg=panic") {
		t.Error("a handler panicked")
	}
}

// TestT123RangeBombs: Range may be ignored (RFC 9110 §14.2), and is: however many are asked for, the whole is sent once.
func TestT123RangeBombs(t *testing.T) {
	b := open(t, nil)
	routes := kinds(t, b)
	for _, kind := range []string{"wasm", "asset", "page", "api", "sign-in page"} {
		r := routes[kind]
		whole := b.do(r)
		for _, ranges := range []string{strings.Repeat("0-,", 3_000) + "0-", strings.Repeat("0-0,2-2,", 1_500) + "9-9", "-1", "5-1", "99999999999999999999-", "0-18446744073709551615"} {
			bomb := r
			bomb.header = append(r.header[:len(r.header):len(r.header)], [2]string{"Range", "bytes=" + ranges}, [2]string{"If-Range", whole.header.Get("ETag")})
			var a answer
			if n := allocated(func() { a = b.do(bomb) }); n > most {
				t.Errorf("%s: %d bytes allocated", kind, n)
			}
			if a.status != http.StatusOK || len(a.body) != len(whole.body) || a.header.Get("Content-Range") != "" {
				t.Errorf("%s, %s: %d, %d bytes of %d", kind, short(ranges), a.status, len(a.body), len(whole.body))
			}
		}
	}
}
