package proxy_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"locum/bff/proxy"
)

// wantHeaders checks that out has these headers and no others but the budget's.
func wantHeaders(t *testing.T, out *fasthttp.Response, want map[string]string) {
	t.Helper()
	for name, value := range out.Header.All() {
		switch n := string(name); {
		case n == proxy.HeaderBudgetClinic || n == proxy.HeaderBudgetEndpoint || n == "Content-Length":
		case want[n] != string(value):
			t.Errorf("header %s: %s", n, value)
		default:
			delete(want, n)
		}
	}
	if len(want) > 0 {
		t.Errorf("missing headers %v", want)
	}
}

const hostile = "Set-Cookie: a=b\r\nLocation: http://e.example/\r\nRefresh: 0;url=http://e.example\r\nWWW-Authenticate: Basic\r\n" +
	"Access-Control-Allow-Origin: *\r\nContent-Security-Policy: default-src *\r\nStrict-Transport-Security: max-age=0\r\n" +
	"Clear-Site-Data: \"*\"\r\nAlt-Svc: h3=\":443\"\r\nLink: <http://e.example>; rel=preload\r\nService-Worker-Allowed: /\r\nServer: nginx\r\n" +
	"X-Powered-By: x\r\nContent-Disposition: attachment\r\nCache-Control: public\r\nX-Content-Type-Options: no\r\nX-Throttle-Match: y\r\n" +
	"Locum-Budget-Clinic: limit=9\r\nLocum-Request-Id: z\r\nConnection: close\r\nContent-Language: fr\r\nVary: Cookie"

// TestT076ResponseHeaders: of what the platform sends, status, body and a printable ETag come through.
func TestT076ResponseHeaders(t *testing.T) {
	f := newFake(t, "127.0.0.1:7001")
	r := newRig(t, setup{fakes: []*fake{f}})
	plain := map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"}
	cases := []struct {
		name, reply string
		want        map[string]string
		body        string
	}{
		{"hostile", reply(200, hostile+"\r\nContent-Type: application/json; charset=utf-8", ok), plain, ok},
		{"etag", reply(200, "ETag: \"v1\"\r\nContent-Type: application/vnd.api+json", ok),
			map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "Etag": `"v1"`}, ok},
		{"long etag", reply(200, "ETag: "+strings.Repeat("x", 400)+"\r\nContent-Type: application/json", ok), plain, ok},
		{"trailer", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: X-Evil\r\n\r\n" +
			fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Evil: 1\r\n\r\n", len(ok), ok), plain, ok},
		{"interim", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + reply(200, "Content-Type: application/json", ok), plain, ok},
		{"no content", "HTTP/1.1 204 No Content\r\n" + hostile + "\r\n\r\n", map[string]string{"Cache-Control": "no-store"}, ""},
		{"empty", reply(201, hostile, ""), map[string]string{"Cache-Control": "no-store"}, ""},
		{"refusal", reply(404, hostile+"\r\nContent-Type: application/json", `{"error":"no"}`), map[string]string{"Cache-Control": "no-store"}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f.always(c.reply)
			out := r.mustDo(r.request("GET", patients))
			wantHeaders(t, out, maps.Clone(c.want))
			if string(out.Body()) != c.body {
				t.Errorf("body %q", out.Body())
			}
		})
	}
	t.Run("not modified", func(t *testing.T) {
		f.always("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n" + hostile + "\r\n\r\n")
		q := r.request("GET", patients)
		q.IfNoneMatch = `"v1"`
		out := r.mustDo(q)
		wantHeaders(t, out, map[string]string{"Cache-Control": "no-store", "Etag": `"v1"`})
		if out.StatusCode() != 304 {
			t.Errorf("status %d", out.StatusCode())
		}
		_, err := r.do(r.request("GET", patients)) // nobody asked
		wantCode(t, err, "platform_bad_answer")
	})
}

// TestT077ContentCannotRun: what is not JSON does not come through, whatever it says it is.
func TestT077ContentCannotRun(t *testing.T) {
	f := newFake(t, "127.0.0.1:7001")
	r := newRig(t, setup{fakes: []*fake{f}})
	const script = "<script>alert(1)</script>"
	for name, header := range map[string]string{
		"HTML": "Content-Type: text/html", "SVG": "Content-Type: image/svg+xml", "JS": "Content-Type: text/javascript", "no type": "",
		"XML": "Content-Type: application/xhtml+xml", "UTF-7": "Content-Type: application/json; charset=utf-7", "two types": "Content-Type: application/json, text/html",
		"odd parameter": "Content-Type: application/json; profile=x", "JSON-like": "Content-Type: application/json-seq", "text": "Content-Type: text/json",
		"gzip": "Content-Type: application/json\r\nContent-Encoding: gzip", "br": "Content-Type: application/json\r\nContent-Encoding: br",
	} {
		t.Run(name, func(t *testing.T) {
			f.always(reply(200, header, script))
			out, err := r.do(r.request("GET", patients))
			wantCode(t, err, "platform_bad_answer")
			if len(out.Body()) > 0 {
				t.Errorf("body %q", out.Body())
			}
			wantHeaders(t, out, map[string]string{"Content-Type": "text/plain; charset=utf-8"}) // fasthttp's default; bff writes the problem
		})
	}
}

// TestT078NothingFollowed: no redirect and no link of an answer is followed, and the target is not told to the caller.
func TestT078NothingFollowed(t *testing.T) {
	f, other := newFake(t, "127.0.0.1:7001"), newFake(t, "127.0.0.1:7002")
	r := newRig(t, setup{fakes: []*fake{f, other}})
	for _, status := range []int{300, 301, 302, 303, 305, 307, 308} {
		for _, target := range []string{"http://e.example/", other.origin + patients, f.origin + company, "/api/2026-01-01/company", "//e.example/x"} {
			f.always(reply(status, "Location: "+target+"\r\nContent-Type: application/json", ok))
			before := len(f.seen())
			for q, code := range map[*proxy.Request]string{
				r.request("GET", patients): "platform_bad_answer", r.write("POST", observations, "{}"): "outcome_unknown",
			} {
				out, err := r.do(q)
				wantCode(t, err, code)
				if len(out.Header.Peek("Location")) > 0 || strings.Contains(err.Error(), "e.example") {
					t.Errorf("%d told where: %v", status, err)
				}
			}
			if n := len(f.seen()) - before; n != 2 {
				t.Errorf("%d to %s: %d requests", status, target, n)
			}
		}
	}
	f.always(jsonReply(200, `{"resourceType":"Bundle","link":[{"relation":"next","url":"http://e.example/next"}],"poll":"http://e.example/job"}`))
	r.mustDo(r.request("GET", patients))
	r.strangers.Range(func(addr, _ any) bool { t.Errorf("dialled %v", addr); return true })
	if len(other.seen()) > 0 {
		t.Error("another clinic was called")
	}
}

// TestT086OpaqueErrors: nothing that a platform writes into an error comes through or is logged, but what it says about
// the fields of the caller's own request.
func TestT086OpaqueErrors(t *testing.T) {
	f := newFake(t, "127.0.0.1:7001")
	r := newRig(t, setup{fakes: []*fake{f}})
	canary := `Stack CANARY at db.go:17 ` + token(0)
	stack := `{"error":"` + canary + `","stack":"CANARY\n at x","host":"CANARY.internal","trace":{"CANARY":1}}`
	kinds := map[string]string{"json": "application/json", "html": "text/html"}
	for _, status := range []int{400, 401, 403, 404, 409, 422, 429, 500, 501, 502, 503, 504, 599} {
		for kind, contentType := range kinds {
			for _, q := range []*proxy.Request{r.request("GET", appointments), r.write("POST", observations, "{}")} {
				r = newRigLike(r) // a 401 or 429 leaves traces
				f.always(reply(status, "Retry-After: 1\r\nX-Debug: CANARY\r\nWWW-Authenticate: CANARY\r\nContent-Type: "+contentType, stack))
				out, err := r.do(q)
				text := fmt.Sprint(err, out.Header.String(), string(out.Body()), r.logged.String())
				if strings.Contains(text, "CANARY") {
					t.Errorf("%d %s: %s", status, kind, text)
				}
				if status >= 500 && err == nil || status < 500 && status != 401 && status != 429 && out.StatusCode() != status {
					t.Errorf("%d %s: status %d, %v", status, kind, out.StatusCode(), err)
				}
			}
		}
	}
	for _, malformed := range []string{"CANARY\r\n\r\n", "HTTP/1.1 CANARY X\r\n\r\n", "HTTP/1.1 200 OK\r\nCANARY\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: CANARY\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: CANARY\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nCANARY\r\n", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("CANARY", 9000) + "\r\n\r\n"} {
		r = newRigLike(r)
		f.always(malformed + andClose)
		out, err := r.do(r.request("GET", appointments))
		if text := fmt.Sprint(err, out.Header.String(), string(out.Body()), r.logged.String()); err == nil || strings.Contains(text, "CANARY") {
			t.Errorf("%.40q: %.300s", malformed, text)
		}
	}
	cases := []struct{ name, body, want string }{
		{"JSON pointer", `{"errors":[{"id":"blank","path":"/data/note","message":"can't be blank","debug":"CANARY"}],"meta":"CANARY"}`,
			`{"errors":[{"id":"blank","path":"/data/note","message":"can't be blank"}]}`},
		{"error", `{"error":"Patient is archived"}`, `{"error":"Patient is archived"}`},
		{"messages", `{"error":"invalid","messages":["a","b"]}`, `{"error":"invalid","messages":["a","b"]}`},
		{"object", `{"object":"error","code":"invalid","message":"no"}`, `{"object":"error","code":"invalid","message":"no"}`},
		{"host", `{"error":"no route to 127.0.0.1:7001"}`, ``},
		{"URL", `{"error":"see https://internal.example/x"}`, ``},
		{"stack", `{"error":"panic\n at db.go:17"}`, ``},
		{"a JWT", `{"error":"bad token eyJhbGciOiJSUzI1NiJ9"}`, ``},
		{"long", `{"error":"` + strings.Repeat("x", 400) + `"}`, ``},
		{"wrong shape", `{"error":{"deep":"CANARY"}}`, ``},
		{"too large", `{"error":"x","pad":"` + strings.Repeat("x", 70<<10) + `"}`, ``},
		{"cut", `{"error":"x`, ``},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f.always(jsonReply(422, c.body))
			out := r.mustDo(r.write("POST", observations, "{}"))
			if out.StatusCode() != 422 || string(out.Body()) != c.want {
				t.Errorf("%d %s", out.StatusCode(), out.Body())
			}
		})
	}
}

// newRigLike is a fresh rig on the same fakes.
func newRigLike(r *rig) *rig { return newRig(r.t, setup{fakes: r.fakes}) }

func TestCodesOfFailures(t *testing.T) {
	cases := []struct{ reply, read, write string }{
		{reply(500, "", ""), "platform_unavailable", "outcome_unknown"},
		{reply(502, "", ""), "platform_unavailable", "outcome_unknown"},
		{reply(503, "Retry-After: 5", ""), "platform_unavailable", "outcome_unknown"}, // a router that lost patience says so too
		{reply(504, "", ""), "platform_unavailable", "outcome_unknown"},
		{"", "platform_unavailable", "outcome_unknown"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 50\r\nContent-Type: application/json\r\n\r\n{" + andClose, "platform_unavailable", "outcome_unknown"},
		{"nonsense\r\n\r\n", "platform_bad_answer", "outcome_unknown"},
		{reply(200, "Content-Type: application/json", strings.Repeat(" ", 2<<20)), "platform_bad_answer", "outcome_unknown"},
		{reply(201, "Content-Type: text/html", "<p>saved"), "platform_bad_answer", "outcome_unknown"},
		{reply(303, "Location: /saved", ""), "platform_bad_answer", "outcome_unknown"},
		{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "platform_bad_answer", "outcome_unknown"},
	}
	for _, c := range cases {
		t.Run(c.reply[:min(len(c.reply), 12)], func(t *testing.T) {
			f := newFake(t, "127.0.0.1:7001")
			r := newRig(t, setup{fakes: []*fake{f}})
			f.always(c.reply)
			_, err := r.do(r.request("GET", patients))
			wantCode(t, err, c.read)
			_, err = r.do(r.write("POST", observations, "{}"))
			wantCode(t, err, c.write)
			if n := len(f.seen()); n != 2 {
				t.Errorf("%d requests", n)
			}
			var own *proxy.Error
			if _, err = r.do(r.write("POST", "/api/2026-01-01/patients/search", "{}")); !errors.As(err, &own) || own.Code != c.read {
				t.Errorf("a search is a read: %v", err)
			}
		})
	}
}
