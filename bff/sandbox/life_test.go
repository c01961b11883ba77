package sandbox_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/sandbox"
)

// TestLife: how a connection can end, and what the token endpoint says of it then; each row is a cause that a client has to
// tell from the others.
func TestLife(t *testing.T) {
	const badClient = "Invalid client or Invalid client credentials"
	rows := []struct {
		cause       string
		happens     func(g *rig, token any)
		status      int
		code, words string
	}{
		{"the login idled out", func(*rig, any) { time.Sleep(30 * time.Minute) }, 400, "invalid_grant", "Token is not active"},
		{"the login reached its end", func(g *rig, _ any) { g.SetSession(0, time.Hour); time.Sleep(time.Hour) }, 400, "invalid_grant", "Session not active"},
		{"an administrator logged the person out", func(g *rig, _ any) { g.LogOut(robin) }, 400, "invalid_grant", "Session not active"},
		{"an administrator revoked the authorization", func(g *rig, _ any) { g.Revoke(robin, "") }, 400, "invalid_grant", "Session not active"},
		{"the client revoked it", func(g *rig, token any) { g.revoke(token) }, 400, "invalid_grant", "Session not active"},
		{"the token was spent", func(g *rig, token any) { g.renew(token) }, 400, "invalid_grant", tooOften},
		{"an older one was spent", func(g *rig, token any) { g.renew(g.renew(token)) }, 400, "invalid_grant", stale},
		{"somebody spent a sibling twice", func(g *rig, _ any) { g.Detach(robin, "locum") }, 400, "invalid_grant", detached},
		{"everything before now was revoked", func(g *rig, _ any) { g.PushNotBefore(g.realm) }, 400, "invalid_grant", stale},
		{"the account was disabled", func(g *rig, _ any) { g.SetDisabled(robin, true) }, 400, "invalid_grant", "User disabled"},
		{"the consent was withdrawn", func(g *rig, _ any) { g.WithdrawConsent(robin, "locum") }, 400, "invalid_grant", detached},
		{"the consent no longer covers it", func(g *rig, _ any) { g.LoseConsent(robin, "locum") }, 400, "invalid_scope", "Client no longer has requested consent from user"},
		{"the client was disabled", func(g *rig, _ any) { g.SetClientDisabled("locum", true) }, 401, "invalid_client", badClient},
		{"the client's secret was changed", func(g *rig, _ any) { _, err := g.ChangeSecret("locum"); must(g, err) }, 401, "unauthorized_client", badClient},
		{"the limit of the token endpoint is reached", func(g *rig, _ any) {
			g.SetTokenLimit(sandbox.Limit{N: 1, Window: time.Minute})
			g.refresh("x")
		}, 429, "temporarily_unavailable", "Too many requests"},
	}
	for _, row := range rows {
		t.Run(row.cause, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t)
				token := g.tokens()["refresh_token"]
				row.happens(g, token)
				g.refused(g.refresh(token), row.status, row.code, row.words)
			})
		})
	}
}

// TestAdministrator: what the controls of an administrator reach, and what heals.
func TestAdministrator(t *testing.T) {
	rows := []struct {
		name  string
		check func(g *rig)
	}{
		{"PushNotBefore names its time, spares what comes later, and can be taken back", func(g *rig) {
			g.SetIntrospectAudience(false)
			answer := g.tokens()
			other := g.in(g.T)
			other.realm = sandbox.RealmProduction
			there := other.tokens()["refresh_token"]
			g.PushNotBefore(g.realm)
			pushed := time.Now().Unix()
			g.denied(answer["refresh_token"], stale)
			g.active(answer["refresh_token"], false)
			equal(g, "access token", g.inspect(answer["access_token"]).json["active"], any(false))
			equal(g, "call", g.call(g.clinic, answer["access_token"]), 401)
			other.renew(there)
			later := g.tokens()
			equal(g, "not-before-policy", later["not-before-policy"], any(float64(pushed)))
			g.renew(later["refresh_token"])
			g.TakeNotBeforeBack()
			equal(g, "call", g.call(g.clinic, answer["access_token"]), 200)
			equal(g, "not-before-policy", g.refresh(answer["refresh_token"]).json["not-before-policy"], any(0.0))
		}},
		{"SetDisabled keeps somebody out, and heals", func(g *rig) {
			answer := g.tokens("scope", "openid patients:read")
			browser, err := g.NewBrowser()
			must(g, err)
			g.within(browser, g.clinic)
			code := g.approve(robin).Get("code")
			g.SetDisabled(strings.ToUpper(robin), true)
			g.active(answer["refresh_token"], false)
			g.refused(g.userinfo("Authorization", "Bearer "+answer["access_token"].(string)), 401, "invalid_token", "User disabled")
			g.refused(g.redeem(code), 400, "invalid_grant", "User disabled")
			if _, err := g.Approve(g.ask(), robin, false); err == nil || !strings.Contains(err.Error(), "was refused") {
				g.Errorf("logging in: %v", err)
			}
			if _, err := browser.Approve(g.ask(), robin, false); err == nil {
				g.Error("the browser's login is taken")
			}
			g.tokensOf(alex)
			g.SetDisabled(robin, false)
			g.SetDisabled("nobody", true)
			g.renew(answer["refresh_token"])
			g.within(browser, g.clinic)
		}},
		{"SetClientDisabled and ChangeSecret heal", func(g *rig) {
			token := g.tokens()["refresh_token"]
			g.SetClientDisabled("locum", true)
			equal(g, "authorization", g.get(g.ask()).StatusCode, 400)
			g.refused(g.revoke(token), 401, "invalid_client", "Invalid client or Invalid client credentials")
			g.SetClientDisabled("locum", false)
			changed, err := g.ChangeSecret("locum")
			must(g, err)
			equal(g, "another secret", changed.Secret != g.client.Secret && strings.Contains(changed.Secret, g.Marker()), true)
			g.client = changed
			g.renew(token)
			if _, err := g.ChangeSecret("nobody"); err == nil {
				g.Error("nobody has a secret")
			}
		}},
		{"WithdrawConsent and LoseConsent end with the next consent", func(g *rig) {
			browser, err := g.NewBrowser()
			must(g, err)
			first := g.within(browser, g.clinic)["refresh_token"]
			g.LoseConsent(robin, "locum")
			g.LoseConsent("nobody", "locum")
			g.active(first, false)
			second := g.within(browser, g.Clinics()[1].URL)["refresh_token"]
			first = g.renew(first)
			equal(g, "logins", g.WithdrawConsent(robin, "locum"), 1)
			equal(g, "again", g.WithdrawConsent(robin, "locum"), 0)
			g.denied(second, detached)
			third := g.within(browser, g.clinic)["refresh_token"]
			g.renew(third)
			g.denied(first, "refresh token issued before the client session started")
		}},
		{"LogOut and LogOutSession end what they name", func(g *rig) {
			one, two := g.tokens(), g.tokens()
			others := g.tokensOf(alex)
			equal(g, "by sid", g.LogOutSession(one["session_state"].(string)), 1)
			g.denied(one["refresh_token"], "Session not active")
			two["refresh_token"] = g.renew(two["refresh_token"])
			equal(g, "by login", g.LogOut(strings.ToUpper(robin)), 1)
			g.denied(two["refresh_token"], "Session not active")
			g.renew(others["refresh_token"])
			equal(g, "nobody", g.LogOut("nobody"), 0)
		}},
		{"Revoke counts what still lived", func(g *rig) {
			a, _ := g.siblings()
			g.renew(a["refresh_token"])
			g.denied(a["refresh_token"], tooOften)
			equal(g, "ended", g.Revoke("", ""), 0)
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { row.check(newRig(t)) })
		})
	}
}

// tokensOf connects somebody.
func (g *rig) tokensOf(login string) map[string]any {
	g.Helper()
	got := g.redeem(g.approve(login).Get("code"))
	equal(g, "status", got.StatusCode, http.StatusOK)
	return got.json
}

// TestSessions: idle and absolute ends as Keycloak has them, and the clock that a client sees.
func TestSessions(t *testing.T) {
	expires := func(g *rig, answer map[string]any, access, refresh float64) {
		g.Helper()
		equal(g, "expires_in", answer["expires_in"], any(access))
		equal(g, "refresh_expires_in", answer["refresh_expires_in"], any(refresh))
	}
	rows := []struct {
		name  string
		check func(g *rig)
	}{
		{"near the end both lifetimes shrink to what is left, and after it only a login helps", func(g *rig) {
			g.SetSession(10*time.Minute, 24*time.Minute)
			answer := g.tokens()
			expires(g, answer, 300, 600)
			for range 2 {
				time.Sleep(9 * time.Minute)
				answer = g.refresh(answer["refresh_token"]).json
			}
			expires(g, answer, 300, 360)
			time.Sleep(4 * time.Minute)
			answer = g.refresh(answer["refresh_token"]).json
			expires(g, answer, 120, 120)
			time.Sleep(119 * time.Second)
			equal(g, "call just before", g.call(g.clinic, answer["access_token"]), 200)
			answer = g.refresh(answer["refresh_token"]).json
			expires(g, answer, 1, 1)
			time.Sleep(time.Second)
			g.denied(answer["refresh_token"], "Session not active")
			g.active(answer["refresh_token"], false)
			equal(g, "call at the end", g.call(g.clinic, answer["access_token"]), 401)
			expires(g, g.tokens(), 300, 600)
		}},
		{"SetSession reaches the logins there are, and 0 is the default again", func(g *rig) {
			answer := g.tokens()
			time.Sleep(10 * time.Minute)
			g.SetSession(0, 15*time.Minute)
			answer = g.refresh(answer["refresh_token"]).json
			expires(g, answer, 300, 300)
			g.SetSession(0, 0)
			expires(g, g.refresh(answer["refresh_token"]).json, 300, 1800)
		}},
		{"Keycloak: an idle login lives two minutes longer, its refresh token does not", func(g *rig) {
			browser, err := g.NewBrowser()
			must(g, err)
			answer := g.within(browser, g.clinic)
			time.Sleep(31 * time.Minute)
			g.denied(answer["refresh_token"], "Token is not active")
			again := g.within(browser, g.clinic)
			equal(g, "the same login", again["session_state"], answer["session_state"])
			time.Sleep(32 * time.Minute)
			equal(g, "another login", g.within(browser, g.clinic)["session_state"] == answer["session_state"], false)
		}},
		{"SetStated(false) leaves refresh_expires_in out, and the token dies all the same", func(g *rig) {
			g.SetStated(false)
			answer := g.tokens()
			_, said := answer["refresh_expires_in"]
			equal(g, "said", said, false)
			time.Sleep(30 * time.Minute)
			g.denied(answer["refresh_token"], "Token is not active")
		}},
		{"SetAnswerScope adds what was granted", func(g *rig) {
			g.SetAnswerScope(true)
			answer := g.tokens()
			equal(g, "scope", answer["scope"], any("patients:read appointments:read"))
			equal(g, "narrowed", g.refresh(answer["refresh_token"], "scope", "patients:read").json["scope"], any("patients:read"))
		}},
		{"SetDate(false): Keycloak's own answers have no Date, a clinic's do", func(g *rig) {
			g.SetDate(false)
			got := g.refresh("x")
			_, has := got.Header["Date"]
			equal(g, "Date", has, false)
			equal(g, "a clinic's", g.get(g.clinic+"/api/x").Header.Get("Date"), time.Now().UTC().Format(http.TimeFormat))
			g.SetDate(true)
			equal(g, "again", g.refresh("x").Header.Get("Date") != "", true)
		}},
		{"SetSkew shifts Date, iat and exp, and no lifetime", func(g *rig) {
			for _, off := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
				g.SetSkew(off)
				before := time.Now()
				answer := g.tokens("scope", "openid patients:read")
				expires(g, answer, 300, 1800)
				for _, name := range []string{"access_token", "id_token", "refresh_token"} {
					issued, err := claims(g, answer[name]).GetIssuedAt()
					must(g, err)
					equal(g, "iat of the "+name, issued.Sub(before.Truncate(time.Second)), off)
				}
				until, err := claims(g, answer["access_token"]).GetExpirationTime()
				must(g, err)
				equal(g, "exp", until.Sub(before.Truncate(time.Second)), off+5*time.Minute)
				equal(g, "Date", g.refresh("x").Header.Get("Date"), before.Add(off).UTC().Format(http.TimeFormat))
				time.Sleep(299 * time.Second)
				equal(g, "call just before", g.call(g.clinic, answer["access_token"]), 200)
				time.Sleep(time.Second)
				equal(g, "call at expiry", g.call(g.clinic, answer["access_token"]), 401)
				time.Sleep(24 * time.Minute)
				next := g.renew(answer["refresh_token"])
				time.Sleep(30 * time.Minute)
				g.denied(next, "Token is not active")
			}
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { row.check(newRig(t)) })
		})
	}
}
