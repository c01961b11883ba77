package sandbox_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/sandbox"
)

const (
	testClient   = "api-test"
	testRedirect = "http://127.0.0.1:9/callback"
	testVerifier = "a-verifier-of-the-tests-that-is-long-enough-0123"
	testScopes   = "appointments:read patients:read staff_members:read treatments:read disciplines:read locations:read " +
		"companies:read observations:read observations:create observations:update care_plans:read care_plans:create " +
		"care_plans:update medications:read medications:create medications:update document_uploads:read " +
		"document_uploads:create webhooks:read webhooks:create webhooks:delete"
	version = "/api/2026-01-01/"
	noID    = "0195fda7-9a43-7bbf-ad74-647e521c3cab"
)

// api speaks to one clinic of a sandbox as one person.
type api struct {
	t     *testing.T
	s     *sandbox.Sandbox
	http  *http.Client
	url   string // the clinic's origin
	token string
}

// answer is one answer with its JSON decoded.
type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

// newAPI starts a sandbox in process and signs Robin in at the first clinic.
func newAPI(t *testing.T) *api {
	t.Helper()
	s, err := sandbox.InProcess(sandbox.Options{Clients: []sandbox.Client{
		{ID: testClient, Secret: "api-test-secret", RedirectURIs: []string{testRedirect}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: s.Dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	a := &api{t: t, s: s, http: &http.Client{Transport: transport}, url: s.Clinics()[0].URL}
	a.signIn("robin@example.test", testScopes)
	return a
}

// at is the same person at another clinic.
func (a *api) at(clinic int) *api {
	other := *a
	other.url = a.s.Clinics()[clinic].URL
	other.signIn("robin@example.test", testScopes)
	return &other
}

// signIn takes the whole way to an access token: authorize, approve, exchange.
func (a *api) signIn(login, scopes string) {
	a.t.Helper()
	endpoint := a.s.Issuer(sandbox.RealmSandbox) + "/protocol/openid-connect/"
	challenge := s256(testVerifier)
	callback, err := a.s.Approve(endpoint+"auth?"+url.Values{
		"client_id": {testClient}, "redirect_uri": {testRedirect}, "response_type": {"code"}, "scope": {scopes},
		"resource": {a.url}, "state": {"state"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}.Encode(), login, false)
	if err != nil {
		a.t.Fatal(err)
	}
	back, err := url.Parse(callback)
	if err != nil {
		a.t.Fatal(err)
	}
	answer, err := a.http.PostForm(endpoint+"token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {testClient}, "client_secret": {"api-test-secret"},
		"code": {back.Query().Get("code")}, "code_verifier": {testVerifier}, "redirect_uri": {testRedirect},
	})
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&token); err != nil || token.AccessToken == "" {
		a.t.Fatalf("no token from %s: status %d, %v", callback, answer.StatusCode, err)
	}
	a.token = token.AccessToken
}

// send makes one request; body "" sends none. Path begins with /.
func (a *api) send(method, path, body string, change ...func(*http.Request)) answer {
	a.t.Helper()
	r, err := http.NewRequest(method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	r.Header.Set("Content-Type", "application/json")
	for _, f := range change {
		f(r)
	}
	res, err := a.http.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	out := answer{status: res.StatusCode, header: res.Header, raw: string(raw)}
	if len(raw) > 0 && raw[0] == '{' {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&out.body); err != nil {
			a.t.Fatalf("%s %s: %v in %q", method, path, err, raw)
		}
	}
	return out
}

// get reads a path of the current version and expects 200.
func (a *api) get(path string) map[string]any {
	a.t.Helper()
	got := a.send("GET", version+path, "")
	if got.status != http.StatusOK {
		a.t.Fatalf("GET %s: status %d %s", path, got.status, got.raw)
	}
	return got.body
}

// all reads a list to its end by cursors.
func (a *api) all(path, query string) []map[string]any {
	a.t.Helper()
	var out []map[string]any
	for cursor := ""; ; {
		q := query
		if cursor != "" {
			q += "&page[cursor]=" + url.QueryEscape(cursor)
		}
		body := a.get(path + "?" + strings.TrimPrefix(q, "&"))
		out = append(out, items(body)...)
		if more := body["hasNextPage"].(bool); !more {
			return out
		}
		cursor = body["cursor"].(string)
	}
}

func items(body map[string]any) []map[string]any {
	var out []map[string]any
	for _, item := range body["items"].([]any) {
		out = append(out, item.(map[string]any))
	}
	return out
}

func without(header string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Del(header) }
}

func with(header, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(header, value) }
}

func TestAdmission(t *testing.T) {
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	other := a.at(1)
	poor := *a
	poor.signIn("alex@example.test", "appointments:read")
	for _, c := range []struct {
		name, path string
		from       *api
		change     func(*http.Request)
		status     int
		challenge  string
		body       string
	}{
		{"fine", "patients", a, with("Accept", "*/*"), 200, "", ""},
		{"charset", "patients", a, with("Content-Type", "application/json; charset=utf-8"), 200, "", ""},
		{"no token, appointments", "appointments", a, without("Authorization"), 401, `Bearer`, ``},
		{"no token, patients", "patients", a, without("Authorization"), 401, `Bearer`, `{"error":"Unauthorized"}`},
		{"no token, locations", "locations", a, without("Authorization"), 401, `Bearer`, `{"object":"error","code":"UNAUTHORIZED","message":"Unauthorized"}`},
		{"no token, webhooks", "webhooks", a, without("Authorization"), 401, `Bearer`, `{"errors":[{"id":"UNAUTHORIZED","message":"Unauthorized"}]}`},
		{"no token, company", "company", a, without("Authorization"), 401, `Bearer`, `{"error":"Unauthorized"}`},
		{"no token, observations", "medical-record/observations", a, without("Authorization"), 401, `Bearer`, ``},
		{"another scheme", "patients", a, with("Authorization", "Basic "+a.token), 401, `Bearer`, `{"error":"Unauthorized"}`},
		{"garbage", "patients", a, with("Authorization", "Bearer x.y.z"), 401, `Bearer error="invalid_token"`, `{"error":"Unauthorized"}`},
		{"cut token", "patients", a, with("Authorization", "Bearer "+a.token[:len(a.token)-9]), 401, `Bearer error="invalid_token"`, `{"error":"Unauthorized"}`},
		{"the other clinic's token", "patients", a, with("Authorization", "Bearer "+other.token), 401, `Bearer error="invalid_token"`, `{"error":"Unauthorized"}`},
		{"scope missing, patients", "patients", &poor, with("Accept", "*/*"), 403, `Bearer error="insufficient_scope", scope="patients:read"`, `{"error":"Forbidden"}`},
		{"scope missing, locations", "locations", &poor, with("Accept", "*/*"), 403, `Bearer error="insufficient_scope", scope="locations:read"`, `{"object":"error","code":"FORBIDDEN","message":"Forbidden"}`},
		{"scope missing, observations", "medical-record/observations", &poor, with("Accept", "*/*"), 403, `Bearer error="insufficient_scope", scope="observations:read"`, ``},
		{"no content type", "patients", a, without("Content-Type"), 415, "", `{"error":"Content-Type must be application/json"}`},
		{"another content type", "appointments", a, with("Content-Type", "text/plain"), 415, "", `{"errors":[{"id":"UNSUPPORTED_MEDIA_TYPE","message":"Content-Type must be application/json"}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.from.send("GET", version+c.path, "", c.change)
			if got.status != c.status || got.header.Get("WWW-Authenticate") != c.challenge {
				t.Errorf("status %d, challenge %q; want %d, %q", got.status, got.header.Get("WWW-Authenticate"), c.status, c.challenge)
			}
			if c.status != 200 && got.raw != c.body {
				t.Errorf("body %s; want %s", got.raw, c.body)
			}
		})
	}
	a.s.Advance(301 * time.Second)
	if got := a.send("GET", version+"patients", ""); got.status != 401 {
		t.Errorf("expired token: status %d", got.status)
	}
}

func TestErrorShapes(t *testing.T) {
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string // members of the answer, "" for an empty body
	}{
		{"GET", "appointments?nonsense=1", "", 400, "errors"},
		{"GET", "appointments/1", "", 400, "errors"},
		{"GET", "appointments/" + noID, "", 404, "errors"},
		{"GET", "staff_members?sort=name", "", 400, "errors"},
		{"GET", "treatments/" + noID, "", 404, "errors"},
		{"GET", "patients?first_name[eq]=Ada", "", 400, "error"},
		{"GET", "patients/" + noID, "", 404, "error"},
		{"POST", "patients/search", "{", 400, "error"},
		{"GET", "disciplines?sort=title", "", 400, "errors"},
		{"GET", "disciplines/" + noID, "", 404, "{}"},
		{"GET", "locations?sort=nonsense", "", 400, "error"},
		{"GET", "locations/1", "", 400, "code,message,object"},
		{"GET", "locations/" + noID, "", 404, "code,message,object"},
		{"GET", "company?x=1", "", 400, "error,messages"},
		{"GET", "medical-record/observations/abc", "", 404, "{}"},
		{"PATCH", "medical-record/observations/" + noID, `{"data":{}}`, 404, "{}"},
		{"POST", "medical-record/observations", `{"data":{}}`, 400, "errors"},
		{"POST", "medical-record/care-plans", `{"data":{}}`, 400, "errors"},
		{"GET", "medical-record/care-plans/" + noID + "/activities/" + noID, "", 404, "{}"},
		{"GET", "medical-record/medications/" + noID + "/history", "", 404, "{}"},
		{"DELETE", "webhooks/" + noID, "", 404, "errors"},
		{"POST", "webhooks", `{}`, 403, "errors"},
		{"GET", "extensions", "", 404, "error"}, // still beta
		{"DELETE", "patients/" + noID, "", 405, "error"},
		{"GET", "patients/search", "", 405, "error"},
		{"GET", "patients/", "", 404, "error"},
		{"GET", "patients//" + noID, "", 404, "error"},
		{"GET", "patients/%2e%2e/company", "", 404, "error"},
		{"GET", "nonsense", "", 404, "error"},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			got := a.send(c.method, version+c.path, c.body)
			if got.status != c.status || members(got) != c.want {
				t.Errorf("status %d, %s; want %d, %s", got.status, got.raw, c.status, c.want)
			}
		})
	}
	if got := a.send("GET", "/api/2025-02-28-beta/catalog/extensions", ""); got.raw != `{"items":[]}` {
		t.Errorf("catalogue: status %d %s", got.status, got.raw)
	}
	if got := a.send("DELETE", version+"patients/"+noID, ""); got.header.Get("Allow") != "GET" {
		t.Errorf("Allow %q", got.header.Get("Allow"))
	}
}

// members lists an answer's top-level members in order of the alphabet.
func members(got answer) string {
	if got.raw == "" || got.raw == "{}" {
		return got.raw
	}
	var names []string
	for _, name := range []string{"code", "error", "errors", "message", "messages", "object"} {
		if _, ok := got.body[name]; ok {
			names = append(names, name)
		}
	}
	if len(names) != len(got.body) {
		names = append(names, "and more")
	}
	return strings.Join(names, ",")
}

// TestBothVersions reads the guide's endpoints under the guide's version.
func TestBothVersions(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{"treatments", "appointments", "locations", "disciplines", "patients", "staff_members", "company", "medical-record/observations"} {
		old, now := a.send("GET", "/api/2025-02-28-beta/"+path, ""), a.send("GET", version+path, "")
		if old.status != 200 || now.status != 200 {
			t.Errorf("%s: status %d and %d", path, old.status, now.status)
		}
		if strings.ReplaceAll(old.raw, "2025-02-28-beta", "2026-01-01") != now.raw {
			t.Errorf("%s: the versions differ", path)
		}
	}
	if got := a.send("GET", "/api/2024-01-01/patients", ""); got.status != 404 {
		t.Errorf("unknown version: status %d", got.status)
	}
}

func s256(verifier string) string {
	return base64.RawURLEncoding.EncodeToString(sum256(verifier))
}

func ids(list []map[string]any) string {
	var out []string
	for _, item := range list {
		out = append(out, fmt.Sprint(item["id"]))
	}
	return strings.Join(out, " ")
}

// quote writes text as a JSON string.
func quote(text string) string {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// TestInABubble reads today's appointments inside a synctest bubble, whose
// clock starts in the year 2000, and lets the sandbox's limits pass by it.
func TestInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t)
		day := time.Now().UTC().Format(time.DateOnly)
		if got := a.all("appointments", "start_at[gte]="+day+"T00:00:00Z"); len(got) < 10 {
			t.Errorf("%d appointments from %s", len(got), day)
		}
		a.s.SetLimits(sandbox.JaneLimits)
		for range 101 {
			a.send("GET", version+"company", "")
		}
		if got := a.send("GET", version+"company", ""); got.status != 429 || got.header.Get("Retry-After") != "60" {
			t.Errorf("status %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
		}
		time.Sleep(time.Minute)
		if got := a.send("GET", version+"company", ""); got.status != 200 {
			t.Errorf("a minute later: status %d", got.status)
		}
	})
}
