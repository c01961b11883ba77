package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/sandbox"
)

// signed is a browser in which robin has connected the first clinic, with openid.
type signed struct {
	*rig
	browser *sandbox.Browser
	answer  map[string]any
}

func newSigned(g *rig) *signed {
	g.Helper()
	browser, err := g.NewBrowser()
	must(g, err)
	return &signed{g, browser, g.within(browser, g.clinic, "scope", "openid patients:read")}
}

// leaving is an end_session address with these parameters.
func (g *rig) leaving(parameters ...string) string {
	return g.endpoint("logout") + "?" + change(url.Values{}, parameters).Encode()
}

// refuses wants an error page with these words, and the login untouched.
func (s *signed) refuses(words string, parameters ...string) {
	s.Helper()
	got := s.get(s.leaving(parameters...))
	if got.StatusCode != http.StatusBadRequest || !strings.Contains(got.text, words) || got.Header.Get("Location") != "" {
		s.Errorf("answer %d to %q, want a page with %q", got.StatusCode, got.Header.Get("Location"), words)
	}
	s.answer["refresh_token"] = s.renew(s.answer["refresh_token"])
}

// TestConformanceLogout: OpenID Connect RP-Initiated Logout 1.0, and Keycloak's logout with a refresh token.
func TestConformanceLogout(t *testing.T) {
	const left = callback + "?kept=1"
	rows := []struct {
		clause string
		check  func(g *signed)
	}{
		{"§2 with a hint the login ends at once, §3 the browser goes where it was asked for, with state", func(g *signed) {
			to, err := g.browser.LogOut(g.leaving("id_token_hint", g.id(), "post_logout_redirect_uri", callback, "state", "s/ä+1"))
			must(g, err)
			equal(g, "sent to", to, callback+"?"+url.Values{"state": {"s/ä+1"}}.Encode())
			g.denied(g.answer["refresh_token"], "Session not active")
			back, err := g.browser.Approve(g.ask("prompt", "none"), robin, false)
			must(g, err)
			equal(g, "login_required", strings.Contains(back, "error=login_required"), true)
		}},
		{"§3 without state none comes back, and a query of its own is kept", func(g *signed) {
			to, err := g.browser.LogOut(g.leaving("id_token_hint", g.id(), "post_logout_redirect_uri", left))
			must(g, err)
			equal(g, "sent to", to, left)
		}},
		{"§3 a query of its own, and state", func(g *signed) {
			to, err := g.browser.LogOut(g.leaving("id_token_hint", g.id(), "post_logout_redirect_uri", left, "state", "x"))
			must(g, err)
			equal(g, "sent to", to, left+"&state=x")
		}},
		{"§2 by POST", func(g *signed) {
			got := g.post(g.endpoint("logout"), url.Values{"id_token_hint": {g.id()}, "post_logout_redirect_uri": {callback}, "state": {"x"}})
			equal(g, "status", got.StatusCode, http.StatusFound)
			equal(g, "Location", got.Header.Get("Location"), callback+"?state=x")
			g.denied(g.answer["refresh_token"], "Session not active")
		}},
		{"§2 without an address a page says that it is done", func(g *signed) {
			got := g.get(g.leaving("id_token_hint", g.id()))
			equal(g, "status", got.StatusCode, 200)
			equal(g, "page", strings.Contains(got.text, "You are logged out"), true)
			g.denied(g.answer["refresh_token"], "Session not active")
		}},
		{"§2 without a hint the person is asked, and nothing ends before", func(g *signed) {
			step := g.get(g.leaving("client_id", "locum"))
			equal(g, "page", strings.Contains(step.text, "Do you want to log out?"), true)
			equal(g, "form-action", strings.HasSuffix(step.Header.Get("Content-Security-Policy"), "form-action 'self'"), true)
			g.answer["refresh_token"] = g.renew(g.answer["refresh_token"])
			to, err := g.browser.LogOut(g.leaving("client_id", "locum", "post_logout_redirect_uri", callback))
			must(g, err)
			equal(g, "sent to", to, callback)
			g.denied(g.answer["refresh_token"], "Session not active")
		}},
		{"§2 without any parameter, too", func(g *signed) {
			to, err := g.browser.LogOut(g.leaving())
			must(g, err)
			equal(g, "sent to", to, "")
			g.denied(g.answer["refresh_token"], "Session not active")
		}},
		{"§2 the browser forgets the login that it has ended", func(g *signed) {
			b := newTab(g.rig)
			b.send(b.open(b.ask()), url.Values{"hint": {robin}})
			before := len(b.cookies)
			page := b.open(g.leaving())
			b.shows(page, "You are logged in as")
			b.see(b.post(g.endpoint("logout/logout-confirm"), url.Values{"attempt": {inputValue(page.text, "attempt")}}, "Cookie", b.cookie()))
			equal(g, "cookies", len(b.cookies), before-1)
			b.shows(b.open(b.ask()), "Log in to")
		}},
		{"§2 a hint for another login than the browser's asks, and ends the hint's", func(g *signed) {
			other := newTab(g.rig)
			page := other.send(other.open(other.ask("scope", "openid patients:read")), url.Values{"hint": {robin}})
			back := other.redirected(other.send(page, url.Values{"decision": {"allow"}, "scope": {"patients:read"}}))
			theirs := other.redeem(back.Get("code")).json
			page = other.open(g.leaving("id_token_hint", g.id(), "post_logout_redirect_uri", callback))
			other.shows(page, "Do you want to log out?")
			g.answer["refresh_token"] = g.renew(g.answer["refresh_token"])
			confirmed := other.post(g.endpoint("logout/logout-confirm"), url.Values{"attempt": {inputValue(page.text, "attempt")}}, "Cookie", other.cookie())
			equal(g, "sent to", confirmed.Header.Get("Location"), callback)
			g.denied(g.answer["refresh_token"], "Session not active")
			g.renew(theirs["refresh_token"])
		}},
		{"§2 the confirmation belongs to one browser, one click and this site", func(g *signed) {
			page := g.get(g.leaving("client_id", "locum"))
			form := url.Values{"attempt": {inputValue(page.text, "attempt")}}
			confirm := g.endpoint("logout/logout-confirm")
			cookie := strings.Split(page.Header.Get("Set-Cookie"), ";")[0]
			equal(g, "another browser", g.post(confirm, form).StatusCode, 400)
			equal(g, "another site", g.post(confirm, form, "Cookie", cookie, "Origin", "http://evil.test").StatusCode, 403)
			equal(g, "first click", g.post(confirm, form, "Cookie", cookie).StatusCode, 200)
			equal(g, "second click", g.post(confirm, form, "Cookie", cookie).StatusCode, 400)
		}},
		{"§2 and §3 an expired ID token is a hint all the same", func(g *signed) {
			time.Sleep(20 * time.Minute)
			equal(g, "status", g.get(g.leaving("id_token_hint", g.id(), "post_logout_redirect_uri", callback)).StatusCode, 302)
			g.denied(g.answer["refresh_token"], "Session not active")
		}},
		{"§2 a login that is over already sends on as well", func(g *signed) {
			g.LogOut(robin)
			equal(g, "status", g.get(g.leaving("id_token_hint", g.id(), "post_logout_redirect_uri", callback)).StatusCode, 302)
			equal(g, "without a hint", g.get(g.leaving("client_id", "locum", "post_logout_redirect_uri", callback)).StatusCode, 302)
		}},
		{"§4 what is no ID token of the realm is no hint", func(g *signed) {
			id := g.id()
			g.RetireKeys(g.realm)
			for _, hint := range []any{"x", id[:len(id)-9], g.answer["access_token"], g.answer["refresh_token"]} {
				g.refuses("Invalid parameter: id_token_hint", "id_token_hint", hint.(string), "post_logout_redirect_uri", callback)
			}
			must(g, g.RotateKeys(g.realm))
			g.RetireKeys(g.realm)
			g.refuses("Invalid parameter: id_token_hint", "id_token_hint", id)
		}},
		{"§2 client_id and the hint must name the same client", func(g *signed) {
			g.refuses("Invalid parameter: id_token_hint", "id_token_hint", g.id(), "client_id", "other")
			equal(g, "the same", g.get(g.leaving("id_token_hint", g.id(), "client_id", "locum")).StatusCode, 200)
		}},
		{"§3 only a registered address, exactly, and only with a client", func(g *signed) {
			g.refuses("Missing parameters: id_token_hint", "post_logout_redirect_uri", callback)
			for _, to := range []string{callback + "/", "http://evil.test/", strings.ToUpper(callback)} {
				g.refuses("Invalid redirect uri", "id_token_hint", g.id(), "post_logout_redirect_uri", to)
				g.refuses("Invalid redirect uri", "client_id", "locum", "post_logout_redirect_uri", to)
			}
			g.refuses("Invalid redirect uri", "client_id", "nobody", "post_logout_redirect_uri", callback)
			changed := g.client
			changed.PostLogoutRedirectURIs = []string{"http://localhost:9999/bye"}
			_, err := g.Register(changed)
			must(g, err)
			g.refuses("Invalid redirect uri", "id_token_hint", g.id(), "post_logout_redirect_uri", callback)
			equal(g, "its own", g.get(g.leaving("id_token_hint", g.id(), "post_logout_redirect_uri", "http://localhost:9999/bye")).StatusCode, 302)
		}},
		{"a login ends in one realm", func(g *signed) {
			g.realm = sandbox.RealmProduction
			equal(g, "status", g.get(g.leaving("id_token_hint", g.id())).StatusCode, 400)
			g.realm = sandbox.RealmSandbox
			g.renew(g.answer["refresh_token"])
		}},
		{"Keycloak: credentials and a refresh token, 204, and the login is over with all its clients", func(g *signed) {
			sibling := g.within(g.browser, g.Clinics()[1].URL)
			got := g.leave(g.answer["refresh_token"])
			equal(g, "status", got.StatusCode, 204)
			equal(g, "body", got.text, "")
			g.denied(g.answer["refresh_token"], "Session not active")
			g.denied(sibling["refresh_token"], "Session not active")
			equal(g, "again", g.leave(g.answer["refresh_token"]).StatusCode, 204)
		}},
		{"Keycloak: a spent or expired refresh token logs out as well", func(g *signed) {
			next := g.renew(g.answer["refresh_token"])
			equal(g, "spent", g.leave(g.answer["refresh_token"]).StatusCode, 204)
			g.denied(next, "Session not active")
			other := newSigned(g.rig)
			time.Sleep(31 * time.Minute)
			equal(g, "expired", g.leave(other.answer["refresh_token"]).StatusCode, 204)
		}},
		{"Keycloak: logging out with what is no refresh token of the client's", func(g *signed) {
			other := g.registered("other")
			for _, token := range []any{"x", g.answer["access_token"], ""} {
				g.refused(g.leave(token), 400, "invalid_grant", "Invalid refresh token")
			}
			g.refused(g.leave(g.answer["refresh_token"], "client_id", other.ID, "client_secret", other.Secret), 400, "invalid_grant",
				"Invalid refresh token. Token client and authorized client don't match")
			g.refused(g.leave(g.answer["refresh_token"], "client_secret", "wrong"), 401, "unauthorized_client", "Invalid client or Invalid client credentials")
			g.renew(g.answer["refresh_token"])
		}},
		{"Keycloak: an opaque refresh token logs out too", func(g *signed) {
			g.SetKind(sandbox.KindO1)
			answer := g.tokens()
			equal(g, "status", g.leave(answer["refresh_token"]).StatusCode, 204)
			g.denied(answer["refresh_token"], "Session not active")
		}},
		{"the request log knows it", func(g *signed) {
			g.leave("x")
			g.get(g.leaving())
			g.post(g.endpoint("logout/logout-confirm"), nil)
			equal(g, "count", g.Count(sandbox.EndpointLogout), 3)
		}},
	}
	for _, row := range rows {
		t.Run(row.clause, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { row.check(newSigned(newRig(t))) })
		})
	}
}

func (s *signed) id() string {
	text, _ := s.answer["id_token"].(string)
	return text
}

// leave logs out with a refresh token.
func (g *rig) leave(token any, changes ...string) reply {
	g.Helper()
	text, _ := token.(string)
	return g.post(g.endpoint("logout"), change(url.Values{
		"client_id": {g.client.ID}, "client_secret": {g.client.Secret}, "refresh_token": {text},
	}, changes))
}

// TestRevokeReach: how far one revocation goes.
func TestRevokeReach(t *testing.T) {
	const over = "Session not active"
	rows := []struct {
		clause string
		check  func(g *rig)
	}{
		{"Keycloak 26.7: siblings and the login end, other logins do not", func(g *rig) {
			a, b := g.siblings()
			elsewhere := g.tokens()["refresh_token"]
			equal(g, "revoke", g.revoke(a["refresh_token"]).StatusCode, 200)
			g.denied(a["refresh_token"], over)
			g.denied(b["refresh_token"], over)
			g.renew(elsewhere)
			equal(g, "call", g.call(g.clinic, a["access_token"]), 200)
		}},
		{"Keycloak 26.7: another client keeps the login", func(g *rig) {
			s := newSigned(g)
			other := g.registered("other")
			back, err := s.browser.Approve(g.ask("client_id", "other", "scope", "patients:read"), robin, false)
			must(g, err)
			at, err := url.Parse(back)
			must(g, err)
			theirs := g.redeem(at.Query().Get("code"), "client_id", other.ID, "client_secret", other.Secret).json
			g.revoke(s.answer["refresh_token"])
			g.denied(s.answer["refresh_token"], detached)
			got := g.refresh(theirs["refresh_token"], "client_id", other.ID, "client_secret", other.Secret)
			equal(g, "the other client's refresh", got.StatusCode, 200)
		}},
		{"Keycloak 26.7: a spent token revokes like any other, and a second time is invalid_token with 200", func(g *rig) {
			first := g.tokens()["refresh_token"]
			second := g.renew(first)
			equal(g, "body", g.revoke(first, "token_type_hint", "access_token").text, "")
			g.denied(second, over)
			g.refused(g.revoke(first), 200, "invalid_token", "Invalid token")
		}},
		{"Keycloak 26.7: revoking a chain that was replaced in the same login ends its successor", func(g *rig) {
			s := newSigned(g)
			again := g.within(s.browser, g.clinic)
			g.revoke(s.answer["refresh_token"])
			g.denied(again["refresh_token"], over)
		}},
		{"ReachPerson: every login of the person", func(g *rig) {
			g.SetRevokeReach(sandbox.ReachPerson)
			one, two := g.tokens(), g.tokens("resource", g.Clinics()[1].URL)
			g.revoke(one["refresh_token"])
			g.denied(two["refresh_token"], over)
		}},
		{"ReachChain: one authorization alone", func(g *rig) {
			g.SetRevokeReach(sandbox.ReachChain)
			a, b := g.siblings()
			g.revoke(a["refresh_token"])
			g.denied(a["refresh_token"], over)
			g.renew(b["refresh_token"])
		}},
		{"no logout token is sent", func(g *rig) {
			g.SetBackchannel("", "http://127.0.0.1:1/")
			g.revoke(g.tokens()["refresh_token"])
			equal(g, "deliveries", len(g.Deliveries()), 0)
		}},
	}
	for _, row := range rows {
		t.Run(row.clause, func(t *testing.T) { row.check(newRig(t)) })
	}
}
