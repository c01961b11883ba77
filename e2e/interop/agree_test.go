package interop_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"locum/bff/sandbox"
)

// server is an authorization server as it looks from outside: Keycloak, or the sandbox that stands in for it.
type server struct {
	base             string // …/protocol/openid-connect
	clinic, redirect string
	open             func(t *testing.T) func(at string) *url.URL // opens a browser, which follows an address back to the client
	said             []string
}

// said is what a server answered, in short: status, error and words, or which members there are.
func said(status int, body []byte) string {
	var m map[string]any
	if json.Unmarshal(body, &m) != nil {
		return strings.TrimSpace(fmt.Sprintf("%d %s", status, map[bool]string{true: "", false: "a body"}[len(body) == 0]))
	}
	switch code, active := m["error"], m["active"]; {
	case code != nil:
		return fmt.Sprintf("%d %v: %v", status, code, m["error_description"])
	case active != nil: // what else it tells follows from the mappers
		return fmt.Sprintf("%d active: %v", status, active)
	}
	return fmt.Sprintf("%d %s", status, strings.Join(slices.Sorted(maps.Keys(m)), " "))
}

// post sends a form with the client's credentials; fields of the form win.
func (v *server) post(t *testing.T, name, endpoint string, fields ...string) map[string]any {
	t.Helper()
	form := url.Values{"client_id": {clientID}, "client_secret": {clientSecret}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	response, err := http.PostForm(v.base+endpoint, form)
	must(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	if name != "" {
		v.said = append(v.said, name+": "+said(response.StatusCode, body))
	}
	var m map[string]any
	_ = json.Unmarshal(body, &m)
	return m
}

// grant is what a sign-in gave.
type grant struct{ code, verifier, access, refresh string }

// authorize goes through the authorization endpoint alone.
func (v *server) authorize(t *testing.T, follow func(string) *url.URL) grant {
	t.Helper()
	g := grant{verifier: newState()}
	sum := sha256.Sum256([]byte(g.verifier))
	back := follow(v.base + "/auth?" + url.Values{"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {v.redirect},
		"scope": {"appointments:read patients:read"}, "state": {newState()}, "resource": {v.clinic}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}}.Encode())
	g.code = back.Query().Get("code")
	return g
}

func (v *server) exchange(t *testing.T, name string, g grant, fields ...string) grant {
	t.Helper()
	m := v.post(t, name, "/token", append([]string{"grant_type", "authorization_code", "code", g.code, "redirect_uri", v.redirect,
		"code_verifier", g.verifier}, fields...)...)
	g.access, _ = m["access_token"].(string)
	g.refresh, _ = m["refresh_token"].(string)
	return g
}

func (v *server) signIn(t *testing.T, follow func(string) *url.URL) grant {
	t.Helper()
	return v.exchange(t, "", v.authorize(t, follow))
}

// refresh waits first, since Keycloak tells older from newer by the second.
func (v *server) refresh(t *testing.T, name, token string, fields ...string) string {
	t.Helper()
	time.Sleep(1100 * time.Millisecond)
	m := v.post(t, name, "/token", append([]string{"grant_type", "refresh_token", "refresh_token", token}, fields...)...)
	next, _ := m["refresh_token"].(string)
	return next
}

func (v *server) introspect(t *testing.T, name, token string, fields ...string) {
	t.Helper()
	v.post(t, name, "/token/introspect", append([]string{"token", token, "token_type_hint", "refresh_token"}, fields...)...)
}

// talk says the same to every server; what it answers is in said.
func (v *server) talk(t *testing.T) {
	v.talkTokens(t)
	v.talkReuse(t)
	v.talkEnds(t)
}

func (v *server) talkTokens(t *testing.T) {
	follow := v.open(t)
	g := v.authorize(t, follow)
	v.exchange(t, "wrong secret at the exchange", g, "client_secret", "wrong")
	g = v.exchange(t, "exchange", g)
	v.post(t, "unknown client", "/token", "grant_type", "refresh_token", "refresh_token", g.refresh, "client_id", "nobody")
	v.post(t, "wrong secret at a refresh", "/token", "grant_type", "refresh_token", "refresh_token", g.refresh, "client_secret", "wrong")
	v.post(t, "garbage as refresh token", "/token", "grant_type", "refresh_token", "refresh_token", "garbage")
	v.post(t, "access token as refresh token", "/token", "grant_type", "refresh_token", "refresh_token", g.access)
	v.refresh(t, "refresh for an unknown scope", g.refresh, "scope", "appointments:read nosuch:scope")
	v.refresh(t, "refresh for another clinic", g.refresh, "resource", "http://127.0.0.1:1")
	v.introspect(t, "introspect a refresh token", g.refresh)
	v.introspect(t, "introspect an access token", g.access, "token_type_hint", "access_token")
	v.introspect(t, "introspect an access token as a refresh token", g.access)
	v.introspect(t, "introspect a refresh token as an access token", g.refresh, "token_type_hint", "access_token")
	v.post(t, "introspect without a kind", "/token/introspect", "token", g.refresh)
	v.introspect(t, "introspect as another kind", g.refresh, "token_type_hint", "bogus")
	v.introspect(t, "introspect garbage", "garbage")
	v.post(t, "introspect nothing", "/token/introspect", "token_type_hint", "refresh_token")
	v.introspect(t, "introspect with a wrong secret", g.refresh, "client_secret", "wrong")
	v.refresh(t, "refresh", g.refresh)
	second := v.signIn(t, follow)
	v.exchange(t, "the code again", g)
	v.refresh(t, "after the code was used again: the sibling", second.refresh)
	for name, fields := range map[string][]string{"a wrong verifier": {"code_verifier", strings.Repeat("x", 43)}, "a wrong redirect URI": {"redirect_uri", v.redirect + "x"}} {
		g = v.authorize(t, follow)
		v.exchange(t, name, g, fields...)
		v.exchange(t, name+", then the right one", g)
	}
}

func (v *server) talkReuse(t *testing.T) {
	follow := v.open(t)
	first, sibling := v.signIn(t, follow), v.signIn(t, follow)
	next := v.refresh(t, "", first.refresh)
	v.introspect(t, "introspect what was used", first.refresh)
	v.introspect(t, "introspect what came for it", next)
	v.refresh(t, "what was used, again", first.refresh)
	v.introspect(t, "then introspect what was used", first.refresh)
	v.introspect(t, "then introspect what came first", next)
	v.refresh(t, "then what came first", next)
	v.refresh(t, "then the sibling", sibling.refresh)
	again := v.signIn(t, follow)
	v.refresh(t, "after a reconnect: what was used", first.refresh)
	v.refresh(t, "after a reconnect: the new one", again.refresh)

	g := v.signIn(t, v.open(t))
	child := v.refresh(t, "", g.refresh)
	grandchild := v.refresh(t, "", child)
	v.introspect(t, "introspect a grandparent", g.refresh)
	v.refresh(t, "a grandparent", g.refresh)
	v.refresh(t, "then the newest", grandchild)
}

func (v *server) talkEnds(t *testing.T) {
	follow := v.open(t)
	g, sibling, other := v.signIn(t, follow), v.signIn(t, follow), v.signIn(t, v.open(t))
	v.post(t, "revoke an access token", "/revoke", "token", g.access, "token_type_hint", "access_token")
	g.refresh = v.refresh(t, "then refresh", g.refresh)
	v.post(t, "revoke a refresh token", "/revoke", "token", g.refresh, "token_type_hint", "refresh_token")
	v.post(t, "revoke it again", "/revoke", "token", g.refresh, "token_type_hint", "refresh_token")
	v.post(t, "revoke garbage", "/revoke", "token", "garbage")
	v.post(t, "revoke nothing", "/revoke")
	v.post(t, "revoke with a wrong secret", "/revoke", "token", other.refresh, "client_secret", "wrong")
	v.introspect(t, "introspect what was revoked", g.refresh)
	v.refresh(t, "refresh what was revoked", g.refresh)
	v.refresh(t, "refresh its sibling", sibling.refresh)
	other.refresh = v.refresh(t, "refresh another login's", other.refresh)

	v.post(t, "end a session by garbage", "/logout", "refresh_token", "garbage")
	v.post(t, "end a session with a wrong secret", "/logout", "refresh_token", other.refresh, "client_secret", "wrong")
	v.post(t, "end a session", "/logout", "refresh_token", other.refresh)
	v.post(t, "end it again", "/logout", "refresh_token", other.refresh)
	v.refresh(t, "refresh after the end", other.refresh)
}

// agree says the same to the sandbox and to Keycloak, and holds that they answer alike.
func agree(t *testing.T, k *keycloak, r realm) string {
	r.name, r.access = r.name+"-wire", 300
	s := &site{t: t, keycloak: k, realm: r, port: "1"}
	for i := range s.clinics {
		s.clinics[i] = newClinic(t)
	}
	k.add(t, r, s)
	redirect := s.url() + "/connect/" + platformID + "/callback"
	real := &server{base: strings.TrimSuffix(k.endpoint(r, ""), "/"), clinic: s.clinics[0].url, redirect: redirect,
		open: func(t *testing.T) func(string) *url.URL {
			v := s.visitor("robin")
			return func(at string) *url.URL { return v.follow(t, at) }
		}}
	box, err := sandbox.Start(sandbox.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, box.Close()) })
	box.SetKind(map[string]sandbox.Kind{"K0": sandbox.KindK0, "K1": sandbox.KindK1, "K2": sandbox.KindK2}[r.kind()])
	box.SetAnswerScope(true)
	_, err = box.Register(sandbox.Client{ID: clientID, Secret: clientSecret, RedirectURIs: []string{redirect}})
	must(t, err)
	stand := &server{base: box.Issuer(sandbox.RealmProduction) + "/protocol/openid-connect", clinic: box.Clinics()[0].URL, redirect: redirect,
		open: func(t *testing.T) func(string) *url.URL {
			browser, err := box.NewBrowser()
			must(t, err)
			return func(at string) *url.URL {
				back, err := browser.Approve(at, "robin@example.test", false)
				must(t, err)
				u, err := url.Parse(back)
				must(t, err)
				return u
			}
		}}
	real.talk(t)
	stand.talk(t)
	slices.Sort(real.said)
	slices.Sort(stand.said)
	n := 0
	for i := range min(len(real.said), len(stand.said)) {
		if real.said[i] == stand.said[i] {
			n++
			continue
		}
		t.Errorf("%s\n  Keycloak: %s\n  sandbox:  %s", r.kind(), real.said[i], stand.said[i])
	}
	if len(real.said) != len(stand.said) {
		t.Errorf("%d answers of Keycloak's, %d of the sandbox's", len(real.said), len(stand.said))
	}
	return fmt.Sprintf("%d answers alike", n)
}
