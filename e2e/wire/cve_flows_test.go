package wire_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"locum/bff/sandbox"
	"locum/shared"
)

var flowPasts = []past{
	{ids: "CVE-2026-40574", product: "oauth2-proxy", class: "identity by the end of a malformed address", again: func(t *testing.T, h *house) {
		for _, sub := range []any{"", "robin@evil.test\nrobin@example.test", "robin\u0000", 7, []string{"robin", "evil"}, strings.Repeat("x", 5000)} {
			h.wantNoConnection(t, func(claims map[string]any) { claims["sub"] = sub })
		}
		h.demo.Sandbox.AlterClaims(func(claims map[string]any) { claims["email"] = "noor@evil.test@example.test" })
		if o := h.connectAs(t, h.people[0], "robin@example.test"); o.Connection != h.connection {
			t.Errorf("the same person with another address in the token is %s, %s", o.Code, o.Connection)
		}
	}},
	{ids: "CVE-2021-21291", product: "oauth2-proxy", class: "a host allowed by its end, without the dot", again: func(t *testing.T, h *house) {
		own, _ := url.Parse(h.demo.Sandbox.Clinics()[0].URL)
		for _, clinic := range []string{"https://eviljaneapp.com", "https://a.janeapp.com.evil.test", "https://evil.test/.janeapp.com", "https://a.janeapp.com@evil.test",
			"http://" + own.Host + ".evil.test", "http://evil.test@" + own.Host, own.String() + "/../x", own.String() + "?x", "HTTP://" + own.Host, "http://localhost:" + own.Port()} {
			if _, _, status := h.begin(t, h.people[0], "jane", clinic); status != http.StatusBadRequest {
				t.Errorf("clinic %q: %d", clinic, status)
			}
		}
	}},
	{ids: "CVE-2020-5233, CVE-2020-11053, CVE-2020-4037, GHSA-qqxw, GHSA-j7px, GHSA-5m6c", product: "oauth2-proxy", class: "open redirect", again: func(t *testing.T, h *house) {
		for _, page := range []string{"//evil.test", `/\evil.test`, "/%09/evil.test", "https:evil.test", "javascript:alert(1)", "/@evil.test", "home/../x", "home\r\nLocation: http://evil.test"} {
			h.wantNoReturn(t, shared.Context{Page: page})
			h.wantNoReturn(t, shared.Context{Page: shared.PageSchedule, Params: map[string]string{"connection": page}})
		}
	}},
	{ids: "CVE-2022-31093", product: "next-auth", class: "a malformed return address", again: func(t *testing.T, h *house) {
		for _, page := range []string{"%", "http://[", "\x00", strings.Repeat("%", 3000), "home\x00", "{connection}"} {
			h.wantNoReturn(t, shared.Context{Page: page})
		}
		for _, query := range []string{"?state=%", "?code=%zz&state=http://[", "?state=%00&code=%00", "?" + strings.Repeat("&", 3000), "?state[]=x&code[]=y"} {
			if a := h.send(t, "GET", shared.CallbackPath("jane")+query); a.status/100 != 4 {
				t.Errorf("callback %.30q: %d", query, a.status)
			}
		}
	}},
	{ids: "CVE-2021-29651, CVE-2021-29652", product: "Pomerium", class: "a token whose signature nobody checks", again: func(t *testing.T, h *house) {
		token := h.seenToken()
		for _, at := range []int{0, len(token) / 2, strings.LastIndex(token, ".") + 1, strings.LastIndex(token, ".") - 2} {
			h.wantTokenRefused(t, flip(token, at))
		}
		claims := token[strings.Index(token, ".")+1 : strings.LastIndex(token, ".")]
		h.wantTokenRefused(t, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))+"."+claims+".")
	}},
	{ids: "CVE-2024-51744", product: "golang-jwt", class: "the wrong one of two errors is looked at", again: func(t *testing.T, h *house) {
		parts := strings.Split(h.seenToken(), ".")
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		must(t, err)
		var claims map[string]any
		must(t, json.Unmarshal(payload, &claims))
		claims["exp"] = 1000
		payload, err = json.Marshal(claims)
		must(t, err)
		h.wantTokenRefused(t, parts[0]+"."+base64.RawURLEncoding.EncodeToString(payload)+"."+parts[2])
	}},
	{ids: "CVE-2020-26160", product: "dgrijalva/jwt-go", class: "an array of audiences skips the check", again: func(t *testing.T, h *house) {
		for _, aud := range []any{"https://evil.test", []string{"https://evil.test"}, []string{}, "", 7, []any{7}, map[string]any{}, nil} {
			h.wantNoConnection(t, func(claims map[string]any) { claims["aud"] = aud })
		}
		h.wantNoConnection(t, func(claims map[string]any) { delete(claims, "aud") })
	}},
	{ids: "CVE-2025-22868", product: "x/oauth2", class: "memory in reading a token", again: func(t *testing.T, h *house) {
		h.wantTokenRefused(t, strings.Repeat(".", 60_000))
		h.wantTokenRefused(t, "eyJhbGciOiJSUzI1NiJ9."+strings.Repeat("eyJ9.", 10_000))
		h.wantTokenRefused(t, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"dir","enc":"A128GCM","zip":"DEF"}`))+"....")
	}},
	{ids: "CVE-2023-27490", product: "next-auth", class: "a path on which a check is missing", again: func(t *testing.T, h *house) {
		for _, drop := range []string{"state", "iss", "code", "cookie"} {
			p := h.people[0]
			_, at, _ := h.begin(t, p, "jane", h.demo.Sandbox.Clinics()[0].URL)
			back := h.approve(t, at)
			before := h.demo.Sandbox.Count(sandbox.EndpointToken)
			query := back.Query()
			cookies := "locum-dev-flow=" + h.cookie(p, "locum-dev-flow")
			if query.Del(drop); drop == "cookie" {
				cookies = ""
			}
			a := h.send(t, "GET", back.Path+"?"+query.Encode(), "Cookie: "+cookies)
			if n := h.demo.Sandbox.Count(sandbox.EndpointToken) - before; n != 0 {
				t.Errorf("without %s: %d, and %d token requests", drop, a.status, n)
			}
		}
	}},
	{ids: "CVE-2022-39263", product: "next-auth", class: "looked up by one of two keys", again: func(t *testing.T, h *house) {
		_, at, _ := h.begin(t, h.people[0], "jane", h.demo.Sandbox.Clinics()[0].URL)
		back := h.approve(t, at)
		h.wantNoExchange(t, h.people[0], shared.CallbackPath("jane-sandbox")+"?"+back.RawQuery)
		_, other, _ := h.begin(t, h.people[0], "jane-sandbox", h.demo.Sandbox.Clinics()[0].URL)
		query := back.Query()
		query.Set("state", h.approve(t, other).Query().Get("state"))
		h.wantNoExchange(t, h.people[0], back.Path+"?"+query.Encode())
	}},
	{ids: "CVE-2025-68158, CVE-2025-68481, CVE-2025-14546", product: "Authlib, fastapi-users, fastapi-sso", class: "state in no browser's keeping: login CSRF", again: func(t *testing.T, h *house) {
		attacker := h.signIn(h.demo.People[1])
		_, at, _ := h.begin(t, attacker, "jane", h.demo.Sandbox.Clinics()[0].URL)
		h.wantNoExchange(t, h.people[0], h.approve(t, at).RequestURI())
	}},
	{ids: "CVE-2026-33757, CVE-2026-33758", product: "OpenBao", class: "a callback nobody confirmed; script in its error", again: func(t *testing.T, h *house) {
		const script = `<script>alert(1)</script>`
		for _, query := range []url.Values{
			{"error": {"access_denied"}, "error_description": {script}, "state": {"x"}},
			{"error": {script}, "error_uri": {"javascript:alert(1)"}, "state": {"x"}},
			{"code": {script}, "state": {script}, "iss": {script}},
		} {
			a := h.send(t, "GET", shared.CallbackPath("jane")+"?"+query.Encode())
			if strings.Contains(a.body+a.header.Get("Location"), "script") || a.status/100 != 4 {
				t.Errorf("%v: %d %s", query, a.status, a.body)
			}
		}
	}},
	{ids: "CVE-2026-1035, CVE-2026-9802, keycloak#50999", product: "Keycloak", class: "one refresh token used twice at once", again: func(t *testing.T, h *house) {
		before := h.demo.Sandbox.Count(sandbox.EndpointRefresh)
		h.demo.Sandbox.RevokeAccess("robin@example.test", h.demo.Sandbox.Clinics()[0].URL)
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() { h.send(t, "GET", h.proxyPrefix()+patients, "Cookie: "+h.people[0].cookies) })
		}
		calls.Wait()
		used := map[string]int{}
		for _, r := range h.demo.Sandbox.Requests(sandbox.EndpointRefresh)[before:] {
			used[r.Form().Get("refresh_token")]++
		}
		for _, n := range used {
			if n != 1 {
				t.Errorf("one refresh token was sent %d times", n)
			}
		}
	}},
}

// wantNoConnection: a token with such claims, well signed, makes no connection.
func (h *house) wantNoConnection(t *testing.T, alter func(map[string]any)) {
	t.Helper()
	before := len(h.connections(t))
	h.demo.Sandbox.AlterClaims(alter)
	o := h.flow(t, h.people[0], "jane-sandbox", h.demo.Sandbox.Clinics()[1].URL, "robin@example.test")
	if o.Code == shared.OutcomeConnected || o.Connection != "" || len(h.connections(t)) != before {
		t.Errorf("the outcome is %s", o.Code)
	}
}

// wantTokenRefused: such an access token makes no connection.
func (h *house) wantTokenRefused(t *testing.T, token string) {
	t.Helper()
	before := len(h.connections(t))
	h.demo.Sandbox.Answer(sandbox.EndpointExchange, sandbox.Canned{Header: map[string]string{"Content-Type": "application/json"},
		Body: h.json(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 300, "refresh_token": "r", "refresh_expires_in": 1800})}, 1)
	o := h.flow(t, h.people[0], "jane-sandbox", h.demo.Sandbox.Clinics()[1].URL, "robin@example.test")
	if o.Code != shared.OutcomeBadToken && o.Code != shared.OutcomeExchangeFailed || len(h.connections(t)) != before {
		t.Errorf("token %.30q: %s", token, o.Code)
	}
}

// wantNoReturn: nobody can be sent to such a place.
func (h *house) wantNoReturn(t *testing.T, from shared.Context) {
	t.Helper()
	if _, _, status := h.beginFrom(t, h.people[0], "jane", h.demo.Sandbox.Clinics()[0].URL, from); status != http.StatusBadRequest {
		t.Errorf("%.60q: %d", from, status)
	}
}

// wantNoExchange opens a callback in the browser of p: the code goes nowhere, and p has no connection more.
func (h *house) wantNoExchange(t *testing.T, p person, target string) {
	t.Helper()
	tokens, before := h.demo.Sandbox.Count(sandbox.EndpointToken), len(h.connections(t))
	response, err := p.client.Get(h.demo.URL + target)
	must(t, err)
	must(t, response.Body.Close())
	if n := h.demo.Sandbox.Count(sandbox.EndpointToken) - tokens; n != 0 || len(h.connections(t)) != before {
		t.Errorf("%d token requests, %d connections more", n, len(h.connections(t))-before)
	}
}

func (h *house) connections(t *testing.T) (list []json.RawMessage) {
	t.Helper()
	status, body := h.ask(h.people[0], "GET", shared.PathConnections, "", "")
	if status != http.StatusOK {
		t.Fatalf("connections: %d", status)
	}
	var answer map[string]json.RawMessage
	must(t, json.Unmarshal(body, &answer))
	for _, value := range answer {
		_ = json.Unmarshal(value, &list)
	}
	return list
}

// seenToken is an access token that a clinic was shown.
func (h *house) seenToken() string {
	h.ask(h.people[0], "GET", h.proxyPrefix()+patients, "", "")
	requests := h.demo.Sandbox.Requests(sandbox.EndpointAPI)
	return strings.TrimPrefix(requests[len(requests)-1].Header.Get("Authorization"), "Bearer ")
}

func flip(token string, at int) string {
	other := byte('A')
	if token[at] == other {
		other = 'B'
	}
	return token[:at] + string(other) + token[at+1:]
}

func (h *house) trail(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.demo.Dir, "data", "audit.log"))
	must(t, err)
	if len(text) == 0 {
		t.Fatal("there is no audit trail")
	}
	return string(text)
}
