package sandbox_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"locum/bff/sandbox"
)

const (
	verifier = "a-verifier-of-forty-three-characters-or-more"
	callback = "http://localhost:9999/connect/jane/callback"
	robin    = "robin@example.test" // works at both clinics
	alex     = "alex@example.test"  // works at the first
)

// rig is a sandbox in process with one client and a way to speak HTTP to it.
type rig struct {
	*testing.T
	*sandbox.Sandbox
	client sandbox.Client
	http   *http.Client
	clinic string
	realm  string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	client := sandbox.Client{ID: "locum", Name: "Locum", RedirectURIs: []string{callback, callback + "?kept=1"}}
	s, err := sandbox.InProcess(sandbox.Options{Clients: []sandbox.Client{
		client, {ID: "other", RedirectURIs: []string{callback}, Scopes: []string{"patients:read"}, Realms: []string{sandbox.RealmSandbox}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: s.Dial, DisableKeepAlives: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, c := range s.Clients() {
		if c.ID == "locum" {
			client = c
		}
	}
	return &rig{
		T: t, Sandbox: s, client: client, clinic: s.Clinics()[0].URL, realm: sandbox.RealmSandbox,
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

func (g *rig) endpoint(leaf string) string {
	return g.Issuer(g.realm) + "/protocol/openid-connect/" + leaf
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ask is an authorization URL; changes are name, value pairs, and the value "-" removes a parameter.
func (g *rig) ask(changes ...string) string {
	query := url.Values{
		"client_id": {g.client.ID}, "scope": {"patients:read appointments:read"}, "resource": {g.clinic}, "redirect_uri": {callback},
		"response_type": {"code"}, "code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"}, "state": {"st/ä+te"},
	}
	return g.endpoint("auth") + "?" + change(query, changes).Encode()
}

func change(values url.Values, changes []string) url.Values {
	for i := 0; i+1 < len(changes); i += 2 {
		if changes[i+1] == "-" {
			values.Del(changes[i])
			continue
		}
		values.Set(changes[i], changes[i+1])
	}
	return values
}

// reply is what came back over HTTP, the body read as JSON where it is.
type reply struct {
	*http.Response
	text string
	json map[string]any
}

func (g *rig) do(r *http.Request, err error) reply {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
	response, err := g.http.Do(r)
	if err != nil {
		g.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		g.Fatal(err)
	}
	got := reply{Response: response, text: string(body)}
	_ = json.Unmarshal(body, &got.json)
	return got
}

func (g *rig) get(at string) reply {
	g.Helper()
	return g.do(http.NewRequestWithContext(g.Context(), http.MethodGet, at, nil))
}

func (g *rig) post(at string, form url.Values, headers ...string) reply {
	g.Helper()
	r, err := http.NewRequestWithContext(g.Context(), http.MethodPost, at, strings.NewReader(form.Encode()))
	if err == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	return g.do(r, err)
}

// redirected is the query of an answer that redirects to the client, and fails the test for any other.
func (g *rig) redirected(a reply) url.Values {
	g.Helper()
	at, found := strings.CutPrefix(a.Header.Get("Location"), callback+"?")
	if a.StatusCode != http.StatusSeeOther || !found {
		g.Fatalf("answer %d to %q, want a redirect to the client; body %s", a.StatusCode, a.Header.Get("Location"), a.text)
	}
	query, err := url.ParseQuery(at)
	if err != nil {
		g.Fatal(err)
	}
	return query
}

// approve has somebody allow everything and returns the callback's query.
func (g *rig) approve(login string, changes ...string) url.Values {
	g.Helper()
	back, err := g.Approve(g.ask(changes...), login, false)
	if err != nil {
		g.Fatal(err)
	}
	at, err := url.Parse(back)
	if err != nil {
		g.Fatal(err)
	}
	return at.Query()
}

// redeem exchanges a code.
func (g *rig) redeem(code string, changes ...string) reply {
	g.Helper()
	return g.post(g.endpoint("token"), change(url.Values{
		"grant_type": {"authorization_code"}, "client_id": {g.client.ID}, "client_secret": {g.client.Secret}, "code": {code},
		"code_verifier": {verifier}, "redirect_uri": {callback},
	}, changes))
}

// tokens connects robin and returns the token answer.
func (g *rig) tokens(changes ...string) map[string]any {
	g.Helper()
	got := g.redeem(g.approve(robin, changes...).Get("code"))
	if got.StatusCode != http.StatusOK {
		g.Fatalf("token endpoint answered %d %s", got.StatusCode, got.text)
	}
	return got.json
}

func (g *rig) refresh(token any, changes ...string) reply {
	g.Helper()
	text, _ := token.(string)
	return g.post(g.endpoint("token"), change(url.Values{
		"grant_type": {"refresh_token"}, "client_id": {g.client.ID}, "client_secret": {g.client.Secret}, "refresh_token": {text},
	}, changes))
}

func (g *rig) revoke(token any, changes ...string) reply {
	g.Helper()
	text, _ := token.(string)
	return g.post(g.endpoint("revoke"), change(url.Values{
		"token": {text}, "client_id": {g.client.ID}, "client_secret": {g.client.Secret}, "token_type_hint": {"refresh_token"},
	}, changes))
}

// call asks the clinic's API for its company with an access token and returns the status.
func (g *rig) call(clinic string, token any) int {
	g.Helper()
	text, _ := token.(string)
	r, err := http.NewRequestWithContext(g.Context(), http.MethodGet, clinic+"/api/2026-01-01/patients", nil)
	if err == nil {
		r.Header.Set("Authorization", "Bearer "+text)
		r.Header.Set("Content-Type", "application/json")
	}
	return g.do(r, err).StatusCode
}

// refused checks an error of the token or revocation endpoint.
func (g *rig) refused(a reply, status int, code, description string) {
	g.Helper()
	if a.StatusCode != status || a.json["error"] != code || a.json["error_description"] != description {
		g.Errorf("answer %d %s, want %d %s %q", a.StatusCode, strings.TrimSpace(a.text), status, code, description)
	}
}

// equal compares two printable values.
func equal[V comparable](t interface {
	Helper()
	Errorf(format string, args ...any)
}, what string, got, want V) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}
