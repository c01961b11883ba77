package proxy_test

import (
	"context"
	"encoding/json"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"locum/bff/audit"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/proxy"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/bff/throttle"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// house is a Proxy before the sandbox, with one connection made as a practitioner makes it.
type house struct {
	t          testing.TB
	sandbox    *sandbox.Sandbox
	audit      *audit.Log
	auditPath  string
	auditKey   []byte
	proxy      *proxy.Proxy
	connection string
}

func newHouse(t testing.TB, scopes ...string) *house {
	t.Helper()
	const callback = "https://locum.example/connect/jane/callback"
	s, err := sandbox.InProcess(sandbox.Options{Clients: []sandbox.Client{{ID: "locum", RedirectURIs: []string{callback}}}})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	h := &house{t: t, sandbox: s}
	dir := t.TempDir()
	must(t, vault.CreateKeyFile(filepath.Join(dir, "master.key")))
	key, err := vault.ReadKeyFile(filepath.Join(dir, "master.key"))
	must(t, err)
	v, err := vault.Open(filepath.Join(dir, "data"), key)
	must(t, err)
	t.Cleanup(func() { v.Close() })
	h.auditPath, h.auditKey = filepath.Join(dir, "audit.log"), v.DeriveKey("audit")
	h.audit, err = audit.Open(h.auditPath, h.auditKey, "boot")
	must(t, err)
	var clinics []platform.ClinicLink
	for _, c := range s.Clinics() {
		clinics = append(clinics, platform.ClinicLink{Name: c.Name, URL: c.URL})
	}
	jane, err := platform.Jane(platform.JaneConfig{ID: "jane", Issuer: s.Issuer(sandbox.RealmSandbox), ClientID: "locum",
		PublicURL: "https://locum.example", Clinics: clinics, Scopes: scopes})
	must(t, err)
	clientSecret := secret.New(s.Clients()[0].Secret)
	registry, err := platform.NewRegistry([]*platform.Platform{jane}, platform.Sources{Secret: func(string) (secret.String, error) { return clientSecret, nil }}, s.Dial)
	must(t, err)
	keeper, err := tokens.New(tokens.Config{Vault: v, Platforms: registry, Audit: h.audit})
	must(t, err)
	h.proxy = proxy.New(proxy.Config{Tokens: keeper, Limiter: throttle.New(throttle.Config{}), Platforms: registry, Audit: h.audit})
	t.Cleanup(func() {
		h.proxy.Close()
		keeper.Close()
		h.audit.Close()
		registry.Close()
	})
	h.connect(keeper, registry)
	return h
}

func (h *house) connect(keeper *tokens.Keeper, registry *platform.Registry) {
	live, err := registry.Get("jane")
	must(h.t, err)
	a := vault.Attempt{State: "state", Platform: "jane", Clinic: h.sandbox.Clinics()[0].URL, Practitioner: "u1", Verifier: oauth.NewVerifier(), Scopes: live.RequestScopes(nil)}
	callback, err := h.sandbox.Approve(live.OAuth.AuthorizationURL(oauth.AuthorizationRequest{
		State: a.State, Challenge: oauth.Challenge(a.Verifier), Scopes: a.Scopes, Resource: a.Clinic,
	}), h.sandbox.People()[0].Login, false)
	must(h.t, err)
	at, err := url.Parse(callback)
	must(h.t, err)
	params, err := oauth.ParseCallback(at.RawQuery)
	must(h.t, err)
	c, err := keeper.Redeem(context.Background(), tokens.Redemption{Attempt: a, Code: params.Code})
	must(h.t, err)
	h.connection = c.ID
}

func (h *house) do(method, path, query, body string) (*fasthttp.Response, error) {
	h.t.Helper()
	parsed, err := platform.ParsePath(path)
	must(h.t, err)
	q := &proxy.Request{RequestID: "req", Practitioner: "u1", Connection: h.connection, Method: method, Path: parsed, Query: query, Body: []byte(body)}
	if body != "" {
		q.ContentType = "application/json"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out := &fasthttp.Response{}
	return out, h.proxy.Do(ctx, q, out)
}

// list gives the first record of a collection.
func (h *house) first(path string) map[string]any {
	h.t.Helper()
	out, err := h.do("GET", path, "page%5Blimit%5D=1", "")
	must(h.t, err)
	var page struct{ Items []map[string]any }
	must(h.t, json.Unmarshal(out.Body(), &page))
	if out.StatusCode() != 200 || len(page.Items) == 0 {
		h.t.Fatalf("%d %s", out.StatusCode(), out.Body())
	}
	return page.Items[0]
}

func TestAgainstTheSandbox(t *testing.T) {
	h := newHouse(t, "appointments:read", "patients:read", "observations:read", "observations:create", "observations:update")
	h.first(appointments)
	patient := h.first(patients)["id"].(string)
	out, err := h.do("POST", observations, "", `{"data":{"patient_id":"`+patient+`","category":"exam","note":"through the proxy"}}`)
	must(t, err)
	var made struct{ ID string }
	if err := json.Unmarshal(out.Body(), &made); err != nil || out.StatusCode() != 201 || made.ID == "" {
		t.Fatalf("%d %s", out.StatusCode(), out.Body())
	}
	out, err = h.do("PATCH", observations+"/"+made.ID, "", `{"data":{"note":"changed"}}`)
	if err != nil || out.StatusCode() != 200 {
		t.Fatalf("%v %d %s", err, out.StatusCode(), out.Body())
	}
	out, err = h.do("POST", observations, "", `{"data":{"patient_id":"`+patient+`"}}`)
	if err != nil || out.StatusCode() != 400 || !strings.Contains(string(out.Body()), "/data/category") {
		t.Fatalf("%v %d %s", err, out.StatusCode(), out.Body())
	}
	for _, secret := range h.sandbox.Minted() {
		if strings.Contains(string(out.Body())+out.Header.String(), secret) {
			t.Error("a secret came through")
		}
	}
}

// TestRefusedToken: the platform refuses a token that we hold for fresh: one refresh and one repetition, of a write too,
// each request with its own permit and intent.
func TestRefusedToken(t *testing.T) {
	h := newHouse(t, "patients:read", "observations:create")
	patient := h.first(patients)["id"].(string)
	h.sandbox.RevokeAccess("", "")
	out, err := h.do("POST", observations, "", `{"data":{"patient_id":"`+patient+`","category":"exam"}}`)
	if err != nil || out.StatusCode() != 201 {
		t.Fatalf("%v %d %s", err, out.StatusCode(), out.Body())
	}
	seen := h.sandbox.Requests("api/medical-record/observations")
	if len(seen) != 2 || seen[0].Status != 401 || seen[1].Status != 201 || seen[0].Header.Get("Authorization") == seen[1].Header.Get("Authorization") {
		t.Errorf("%d requests", len(seen))
	}
	if n := h.sandbox.Count(sandbox.EndpointRefresh); n != 1 {
		t.Errorf("%d refreshes", n)
	}
	clinic, classes := h.proxy.Budgets("jane", h.sandbox.Clinics()[0].URL)
	if classes["observations"].Remaining != 98 || clinic.Remaining != 597 {
		t.Errorf("budget %+v %v", clinic, classes)
	}
	must(t, h.audit.Close())
	if report, err := audit.Verify(h.auditPath, h.auditKey); err != nil || report.Intents != 3 || report.Open != 0 {
		t.Errorf("%+v %v", report, err)
	}
}

// TestRefusedForGood: a platform that refuses fresh tokens too is asked twice and no more, and the caller is told.
func TestRefusedForGood(t *testing.T) {
	h := newHouse(t, "patients:read")
	h.sandbox.Fail(sandbox.EndpointAPI, 401, 100)
	_, err := h.do("GET", patients, "", "")
	wantCode(t, err, "platform_bad_answer")
	if n := h.sandbox.Count(sandbox.EndpointAPI); n != 2 {
		t.Errorf("%d requests", n)
	}
	_, err = h.do("GET", patients, "", "")
	if tokens.KindOf(err) != tokens.Refused || h.sandbox.Count(sandbox.EndpointAPI) != 3 || h.sandbox.Count(sandbox.EndpointRefresh) != 1 {
		t.Errorf("%v after %d requests and %d refreshes", err, h.sandbox.Count(sandbox.EndpointAPI), h.sandbox.Count(sandbox.EndpointRefresh))
	}
	h.sandbox.Calm()
	h.first(patients)
}

// TestEndedConnection: the grant is gone: the caller learns to reconnect, and the platform's API is asked once.
func TestEndedConnection(t *testing.T) {
	h := newHouse(t, "patients:read")
	h.sandbox.Revoke("", "")
	_, err := h.do("GET", patients, "", "")
	if tokens.KindOf(err) != tokens.ReconnectNeeded || h.sandbox.Count(sandbox.EndpointAPI) != 1 {
		t.Errorf("%v after %d requests", err, h.sandbox.Count(sandbox.EndpointAPI))
	}
}

// TestLostAnswer: the platform has done the write and its answer is lost: the outcome is unknown, and nothing is repeated.
func TestLostAnswer(t *testing.T) {
	h := newHouse(t, "patients:read", "observations:create")
	patient := h.first(patients)["id"].(string)
	h.sandbox.LoseNextResponse("api/medical-record/observations")
	_, err := h.do("POST", observations, "", `{"data":{"patient_id":"`+patient+`","category":"exam"}}`)
	wantCode(t, err, "outcome_unknown")
	if n := h.sandbox.Count("api/medical-record/observations"); n != 1 {
		t.Errorf("%d requests", n)
	}
}
