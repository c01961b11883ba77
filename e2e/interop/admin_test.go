package interop_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// admin is Keycloak's administrator, at its REST interface.
type admin struct {
	at, password string

	mu    sync.Mutex
	token string
	until time.Time
}

// do makes one request; path begins after /admin/realms. answer may be nil.
func (a *admin) do(t testing.TB, method, path string, body, answer any) {
	t.Helper()
	var form io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		must(t, err)
		form = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, a.at+"/admin/realms"+path, form)
	must(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+a.bearer(t))
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	if response.StatusCode >= 300 {
		t.Fatalf("Keycloak's administrator: %s %s: %s %s", method, path, response.Status, text)
	}
	if answer != nil {
		must(t, json.Unmarshal(text, answer))
	}
}

// bearer signs the administrator in, for less than the minute that the token lives.
func (a *admin) bearer(t testing.TB) string {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Now().Before(a.until) {
		return a.token
	}
	response, err := http.PostForm(a.at+"/realms/master/protocol/openid-connect/token",
		url.Values{"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {"admin"}, "password": {a.password}})
	must(t, err)
	defer response.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	must(t, json.NewDecoder(response.Body).Decode(&answer))
	if a.token, a.until = answer.Token, time.Now().Add(30*time.Second); a.token == "" {
		t.Fatalf("Keycloak's administrator cannot sign in: %s", response.Status)
	}
	return a.token
}

// realm is one way in which Keycloak can be set up.
type realm struct {
	name    string
	rotate  bool // "Revoke Refresh Token"
	reuse   int  // "Refresh Token Max Reuse"
	access  int  // seconds that an access token lives
	idle    int  // seconds that an unused login lives
	most    int  // seconds that a login lives in any case
	consent bool // "Consent Required"
}

// kind is the realm's rotation by the names that Locum gives it.
func (r realm) kind() string {
	switch {
	case !r.rotate:
		return "K0"
	case r.reuse == 0:
		return "K1"
	}
	return "K2"
}

// staff is the practitioner's own record at each clinic.
const staff = "3fa85f64-5717-4562-b3fc-2c963f66afa6"

// add imports the realm from testdata/realm.json, with the addresses of a site in it.
func (k *keycloak) add(t testing.TB, r realm, s *site) {
	t.Helper()
	text, err := os.ReadFile("testdata/realm.json")
	must(t, err)
	filled := strings.NewReplacer("@REALM@", r.name, "@ROTATE@", fmt.Sprint(r.rotate), "@REUSE@", fmt.Sprint(r.reuse),
		"@ACCESS@", fmt.Sprint(r.access), "@IDLE@", fmt.Sprint(r.idle), "@MAX@", fmt.Sprint(r.most),
		"@CONSENT@", fmt.Sprint(r.consent), "@CLINIC1@", s.clinics[0].url, "@CLINIC2@", s.clinics[1].url, "@STAFF@", staff,
		"@SECRET@", clientSecret, "@LOCUM@", s.url(), "@PLATFORM@", platformID, "@PASSWORD@", password).Replace(string(text))
	if left := regexp.MustCompile(`@[A-Z]+[0-9]?@`).FindString(filled); left != "" {
		t.Fatalf("nothing fills %s of the realm file", left)
	}
	k.admin.do(t, "POST", "", json.RawMessage(filled), nil)
}

// issuer of a realm, as its tokens say it.
func (k *keycloak) issuer(r realm) string { return k.public + "/realms/" + r.name }

// endpoint of a realm, past the proxy.
func (k *keycloak) endpoint(r realm, name string) string {
	return k.own + "/realms/" + r.name + "/protocol/openid-connect/" + name
}

// ask posts a form with Locum's credentials to an endpoint, as whoever has them could.
func (k *keycloak) ask(t testing.TB, r realm, name string, form url.Values) (status int, answer map[string]any) {
	t.Helper()
	form.Set("client_id", clientID)
	form.Set("client_secret", clientSecret)
	response, err := http.PostForm(k.endpoint(r, name), form)
	must(t, err)
	defer response.Body.Close()
	_ = json.NewDecoder(response.Body).Decode(&answer)
	return response.StatusCode, answer
}

// active asks Keycloak whether a refresh token still works.
func (k *keycloak) active(t testing.TB, r realm, refresh string) bool {
	t.Helper()
	_, answer := k.ask(t, r, "token/introspect", url.Values{"token": {refresh}, "token_type_hint": {"refresh_token"}})
	active, _ := answer["active"].(bool)
	return active
}

// present presents a refresh token, as a thief would; the text is Keycloak's error_description.
func (k *keycloak) present(t testing.TB, r realm, refresh string) (status int, text string) {
	t.Helper()
	status, answer := k.ask(t, r, "token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
	text, _ = answer["error_description"].(string)
	return status, text
}
