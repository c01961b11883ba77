package proxy_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"locum/bff/platform"
	"locum/bff/proxy"
	"locum/bff/throttle"
)

// wantCode checks the code of a *proxy.Error.
func wantCode(t testing.TB, err error, code string) *proxy.Error {
	t.Helper()
	var own *proxy.Error
	if !errors.As(err, &own) || own.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	return own
}

// declared says whether a request line is one of the platform's operations, by a matcher of our own: segments of the
// template, ids of letters that are safe in any reader.
func declared(line string, operations []platform.Operation) bool {
	method, rest, _ := strings.Cut(line, " ")
	target, protocol, _ := strings.Cut(rest, " ")
	if protocol != "HTTP/1.1" || strings.ContainsAny(target, "?#%\\;") {
		return false
	}
	got := strings.Split(target, "/")
	return slices.ContainsFunc(operations, func(o platform.Operation) bool {
		want := strings.Split("/api/"+o.Version+o.Path, "/")
		if o.Method != method || len(want) != len(got) {
			return false
		}
		for i := range want {
			isID := strings.HasPrefix(want[i], "{") && got[i] != "" && got[i] != "." && got[i] != ".."
			if want[i] != got[i] && !isID {
				return false
			}
		}
		return true
	})
}

// TestT072OnlyDeclaredOperations: 10,000 paths made of pieces of real ones and hostile ones, by 12 methods. The platform
// sees declared operations only, byte for byte; everything else is refused without a request.
func TestT072OnlyDeclaredOperations(t *testing.T) {
	paths := 10_000
	if testing.Short() {
		paths = 500
	}
	f := newFake(t, "127.0.0.1:7001")
	r := newRig(t, setup{fakes: []*fake{f}, scopes: everyScope()})
	live, err := r.registry.Get("jane")
	must(t, err)
	methods := []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "Post"}
	pieces := []string{"api", "2026-01-01", "2025-02-28-beta", "patients", "appointments", "medical-record", "observations", "care-plans",
		"activities", "company", "search", "webhooks", "w1", "a1-b2", "..", ".", "", "%2e%2e", "%2f", "..;", "a;b=1", "x\\y", "a?b", "a#b", "admin",
		"Patients", "patients ", "%00", "\r\nX: y", "ÿ", "history", "extensions", "catalog", "@evil", "::", "~", "$export"}
	rnd := rand.New(rand.NewPCG(7, 7))
	work := make(chan string)
	var all sync.WaitGroup
	var mu sync.Mutex
	sent := 0
	for range 64 {
		all.Go(func() {
			for raw := range work {
				path, err := platform.ParsePath(raw)
				if err != nil {
					continue
				}
				for _, method := range methods {
					_, err := r.do(&proxy.Request{Practitioner: "u1", Connection: "c0", Method: method, Path: path})
					var refused *platform.MethodError
					var own *proxy.Error
					switch {
					case err == nil:
						mu.Lock()
						sent++
						mu.Unlock()
					case errors.Is(err, platform.ErrNoOperation), errors.As(err, &refused):
					case errors.As(err, &own) && own.Code == "unsupported_media" && strings.HasSuffix(raw, "document-uploads"):
					default:
						t.Errorf("%s %q: %v", method, raw, err)
					}
				}
			}
		})
	}
	for i := range paths {
		raw := ""
		if i%2 == 0 {
			raw = "/api/2026-01-01"
		}
		for range 1 + rnd.IntN(4) {
			raw += "/" + pieces[rnd.IntN(len(pieces))]
		}
		work <- raw
	}
	close(work)
	all.Wait()
	seen := f.seen()
	if len(seen) != sent || sent < paths/50 {
		t.Fatalf("%d requests arrived, %d were sent", len(seen), sent)
	}
	for _, request := range seen {
		if line, _, _ := strings.Cut(request, "\r\n"); !declared(line, live.Operations) {
			t.Errorf("arrived: %q", line)
		}
	}
}

func everyScope() string {
	var all []string
	for _, what := range []string{"appointments", "patients", "staff_members", "treatments", "disciplines", "locations", "companies", "observations",
		"care_plans", "medications", "document_uploads", "webhooks"} {
		for _, verb := range []string{"read", "create", "update", "delete"} {
			all = append(all, what+":"+verb)
		}
	}
	return strings.Join(all, " ")
}

// TestT073NoTraversal: each of these either is no path, or reaches the platform as no operation: never as a request.
func TestT073NoTraversal(t *testing.T) {
	f := newFake(t, "127.0.0.1:7001")
	r := newRig(t, setup{fakes: []*fake{f}})
	for _, tail := range []string{"/../company", "/./x", "//x", "/%2e%2e/x", "/..%2fx", "/%252e%252e/x", "/%5cx", "/a\\b", "/..;/x", "/a;b=c", "/%00", "/%0d%0a",
		"/a\r\nb", "/a#b", "/a?b", "/\xc0\xae\xc0\xae/x", "/" + strings.Repeat("a", 8<<10), "/", "/a/", "/..", "/.", "/a%20b", "/a b", "/{patient_id}", "/" + strings.Repeat("a", 65)} {
		path, err := platform.ParsePath(patients + tail)
		if err != nil {
			continue
		}
		if _, err := r.do(&proxy.Request{Practitioner: "u1", Connection: "c0", Method: "GET", Path: path}); !errors.Is(err, platform.ErrNoOperation) {
			t.Errorf("%q: %v", tail, err)
		}
	}
	if n := len(f.seen()); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
	for _, id := range []string{"a1", "..a", "a..b", "...", "~", "a-b_c.d"} {
		if _, err := r.do(r.request("GET", patients+"/"+id)); err != nil {
			t.Errorf("%q: %v", id, err)
			continue
		}
		if line, _, _ := strings.Cut(f.last(t), "\r\n"); line != "GET "+patients+"/"+id+" HTTP/1.1" {
			t.Errorf("%q arrived as %q", id, line)
		}
	}
}

// TestT075RequestHeaders: whatever the caller sends, the platform sees these lines and no others.
func TestT075RequestHeaders(t *testing.T) {
	f := newFake(t, "127.0.0.1:7001")
	r := newRig(t, setup{fakes: []*fake{f}})
	base := []string{"Host: 127.0.0.1:7001", "Authorization: Bearer " + token(0), "Content-Type: application/json", "Accept: application/json",
		"Accept-Encoding: identity", "User-Agent: Locum"}
	smuggle := "x\r\nAuthorization: Bearer other\r\n\r\nGET /evil HTTP/1.1\r\nHost: e"
	cases := []struct {
		name   string
		change func(*proxy.Request)
		more   []string
		line   string
	}{
		{"plain", func(*proxy.Request) {}, nil, "GET " + patients + " HTTP/1.1"},
		{"allowed", func(q *proxy.Request) { q.AcceptLanguage, q.IfNoneMatch = "fr-CA", `"v1"` },
			[]string{"Accept-Language: fr-CA", `If-None-Match: "v1"`}, "GET " + patients + " HTTP/1.1"},
		{"CRLF everywhere", func(q *proxy.Request) {
			q.AcceptLanguage, q.IfNoneMatch, q.ContentType = smuggle, smuggle, smuggle
			q.RequestID, q.Session, q.Remote = smuggle, smuggle, smuggle
		}, nil, "GET " + patients + " HTTP/1.1"},
		{"not ASCII, too long", func(q *proxy.Request) { q.AcceptLanguage, q.IfNoneMatch = "é", strings.Repeat("x", 300) }, nil, "GET " + patients + " HTTP/1.1"},
		{"query", func(q *proxy.Request) { q.Query = "page[limit]=5&updated_at%5Bgte%5D=2026-01-01T00%3A00%3A00Z" }, nil,
			"GET " + patients + "?page%5Blimit%5D=5&updated_at%5Bgte%5D=2026-01-01T00%3A00%3A00Z HTTP/1.1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			q := r.request("GET", patients)
			c.change(q)
			r.mustDo(q)
			wantRequest(t, f.last(t), c.line, append(slices.Clone(base), c.more...), "")
		})
	}
	t.Run("with a body", func(t *testing.T) {
		body := `{"data":{}}`
		r.mustDo(r.write("POST", observations, body))
		wantRequest(t, f.last(t), "POST "+observations+" HTTP/1.1", append(slices.Clone(base), fmt.Sprint("Content-Length: ", len(body))), body)
	})
	t.Run("a query that is not the operation's", func(t *testing.T) {
		n := len(f.seen())
		for _, query := range []string{"access_token=x", "page[limit]=1&page[limit]=2", "x=\r\n", "patients"} {
			q := r.request("GET", patients)
			q.Query = query
			var refused *platform.QueryError
			if _, err := r.do(q); !errors.As(err, &refused) {
				t.Errorf("%q: %v", query, err)
			}
		}
		if len(f.seen()) != n {
			t.Error("it was sent")
		}
	})
}

func wantRequest(t *testing.T, request, line string, headers []string, body string) {
	t.Helper()
	head, gotBody, _ := strings.Cut(request, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	got := lines[1:]
	slices.Sort(got)
	slices.Sort(headers)
	if lines[0] != line || !slices.Equal(got, headers) || gotBody != body {
		t.Errorf("arrived:\n%q\nwant\n%s %q %q", request, line, headers, body)
	}
}

// TestT035MissingScope: 403 without a request, naming the scope; nothing is spent.
func TestT035MissingScope(t *testing.T) {
	f := newFake(t, "127.0.0.1:7001")
	r := newRig(t, setup{fakes: []*fake{f}, scopes: "patients:read"})
	_, err := r.do(r.request("GET", appointments))
	if own := wantCode(t, err, "scope_missing"); own.Params["scope"] != "appointments:read" {
		t.Errorf("params %v", own.Params)
	}
	if clinic, _ := r.proxy.Budgets("jane", f.origin); len(f.seen()) != 0 || clinic.Remaining != clinic.Limit {
		t.Errorf("%d requests, budget %+v", len(f.seen()), clinic)
	}
	r.mustDo(r.request("GET", patients))
}

func TestT080AnothersConnectionIsNotFound(t *testing.T) {
	f := newFake(t, "127.0.0.1:7001")
	r := newRig(t, setup{fakes: []*fake{f}})
	var texts []string
	for _, change := range []func(*proxy.Request){
		func(q *proxy.Request) { q.Practitioner = "u2" },
		func(q *proxy.Request) { q.Connection = "random" },
		func(q *proxy.Request) { q.Practitioner, q.Connection = "u2", "random" },
	} {
		q := r.request("GET", patients)
		change(q)
		_, err := r.do(q)
		if err == nil {
			t.Fatal("answered")
		}
		texts = append(texts, strings.ReplaceAll(err.Error(), q.Connection, ""))
	}
	if texts[0] != texts[1] || texts[1] != texts[2] || len(f.seen()) != 0 {
		t.Errorf("told apart: %q, %d requests", texts, len(f.seen()))
	}
	for _, record := range r.records() {
		if record["kind"] != "refused" || record["code"] != "not_found" {
			t.Errorf("%v", record)
		}
	}
}

// TestT081CrossClinic: each connection's token reaches its own clinic alone, and none when that is no clinic any more.
func TestT081CrossClinic(t *testing.T) {
	a, b := newFake(t, "127.0.0.1:7001"), newFake(t, "127.0.0.1:7002")
	r := newRig(t, setup{fakes: []*fake{a, b}})
	r.mustDo(r.request("GET", patients))
	q := r.request("GET", patients+"/id-of-b")
	q.Connection = "c1"
	r.mustDo(q)
	for i, f := range []*fake{a, b} {
		if seen := f.seen(); len(seen) != 1 || !strings.Contains(seen[0], token(i)+"\r\n") || strings.Contains(seen[0], token(1-i)) {
			t.Errorf("clinic %d saw %q", i, seen)
		}
	}
	gone := newRig(t, setup{fakes: []*fake{newFake(t, "127.0.0.1:7003"), b}, only: []*fake{b}})
	_, err := gone.do(gone.request("GET", patients))
	wantCode(t, err, "clinic_mismatch")
	if len(gone.fakes[0].seen()) != 0 {
		t.Error("a clinic that is not configured was called")
	}
}

func TestBodies(t *testing.T) {
	f := newFake(t, "127.0.0.1:7001")
	r := newRig(t, setup{fakes: []*fake{f}, scopes: everyScope()})
	cases := []struct {
		name, method, path, contentType, body, code string
	}{
		{"form", "POST", observations, "application/x-www-form-urlencoded", "a=b", "unsupported_media"},
		{"no type", "POST", observations, "", "{}", "unsupported_media"},
		{"text", "POST", observations, "text/plain", "{}", "unsupported_media"},
		{"UTF-7", "POST", observations, "application/json; charset=utf-7", "{}", "unsupported_media"},
		{"GET with a body", "GET", patients, "application/json", "{}", "bad_request"},
		{"DELETE with a body", "DELETE", webhook, "application/json", "{}", "bad_request"},
		{"document", "POST", "/api/2026-01-01/document-uploads", "multipart/form-data; boundary=x", "--x--", "unsupported_media"},
		{"JSON", "POST", observations, "application/json; charset=UTF-8", "{}", ""},
		{"none", "DELETE", webhook, "", "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			q := r.request(c.method, c.path)
			q.ContentType, q.Body = c.contentType, []byte(c.body)
			_, err := r.do(q)
			if c.code == "" {
				must(t, err)
				return
			}
			wantCode(t, err, c.code)
		})
	}
	if n := len(f.seen()); n != 2 {
		t.Errorf("%d requests arrived", n)
	}
}

func TestBudgetHeaders(t *testing.T) {
	f := newFake(t, "127.0.0.1:7001")
	r := newRig(t, setup{fakes: []*fake{f}, limits: throttle.Limits{Endpoint: throttle.Limit{N: 2, Window: plenty.Endpoint.Window}, Clinic: throttle.Limit{N: 5, Window: plenty.Clinic.Window}}})
	for _, want := range []string{"limit=2, remaining=1, reset=0", "limit=2, remaining=0, reset=61"} {
		out := r.mustDo(r.request("GET", patients))
		if got := string(out.Header.Peek(proxy.HeaderBudgetEndpoint)); got != want {
			t.Errorf("endpoint %q, want %q", got, want)
		}
	}
	out, err := r.do(r.request("GET", patients))
	var refused *throttle.RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v", err)
	}
	if got := string(out.Header.Peek(proxy.HeaderBudgetClinic)); got != "limit=5, remaining=3, reset=0" || len(f.seen()) != 2 {
		t.Errorf("clinic %q after %d requests", got, len(f.seen()))
	}
	if _, byClass := r.proxy.Budgets("jane", f.origin); byClass["patients"].Remaining != 0 {
		t.Errorf("budgets %v", byClass)
	}
}
