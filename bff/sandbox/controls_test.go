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

// TestControls: each row plans one fault and looks at what a client sees.
func TestControls(t *testing.T) {
	rows := []struct {
		name  string
		check func(g *rig)
	}{
		{"Fail answers n requests below the endpoint, then it is over", func(g *rig) {
			g.Fail(sandbox.EndpointToken, 503, 2)
			for _, want := range []int{503, 503, 400} {
				equal(g, "status", g.refresh("x").StatusCode, want)
			}
		}},
		{"Fail on one endpoint leaves the others", func(g *rig) {
			g.Fail("api/appointments", 500, 1)
			equal(g, "patients", g.call(g.clinic, g.tokens()["access_token"]), 200)
		}},
		{"a failed exchange does not spend the code", func(g *rig) {
			code := g.approve(robin).Get("code")
			g.Fail(sandbox.EndpointExchange, 500, 1)
			equal(g, "first", g.redeem(code).StatusCode, 500)
			equal(g, "second", g.redeem(code).StatusCode, 200)
		}},
		{"Fail with 429 carries Retry-After and X-Throttle-Match", func(g *rig) {
			g.Fail(sandbox.EndpointAPI, 429, 1)
			got := g.get(g.clinic + "/api/2026-01-01/patients")
			equal(g, "status", got.StatusCode, 429)
			equal(g, "Retry-After", got.Header.Get("Retry-After"), "60")
			equal(g, "X-Throttle-Match", got.Header.Get("X-Throttle-Match"), "sandbox/api")
		}},
		{"Answer is given as it stands", func(g *rig) {
			g.Answer(sandbox.EndpointRefresh, sandbox.Canned{Body: `{"access_token":`, Header: map[string]string{"X-Odd": "1"}}, 1)
			got := g.refresh("x")
			equal(g, "answer", got.text+got.Header.Get("X-Odd"), `{"access_token":1`)
			equal(g, "status", got.StatusCode, 200)
		}},
		{"Calm forgets what is planned", func(g *rig) {
			g.Fail(sandbox.EndpointIAM, 500, 9)
			g.DenyNext()
			g.OmitIss()
			g.Calm()
			equal(g, "iss", g.approve(robin).Get("iss"), g.Issuer(g.realm))
		}},
		{"LoseNextResponse commits the refresh and cuts the connection", func(g *rig) {
			token := g.tokens()["refresh_token"].(string)
			g.LoseNextResponse(sandbox.EndpointRefresh)
			g.cut(token)
			g.refused(g.refresh(token), 400, "invalid_grant", "Maximum allowed refresh token reuse exceeded")
		}},
		{"Cut closes the connection before anything happens", func(g *rig) {
			token := g.tokens()["refresh_token"].(string)
			g.Cut(sandbox.EndpointRefresh, 1)
			g.cut(token)
			equal(g, "refresh", g.refresh(token).StatusCode, 200)
		}},
		{"Revoke ends the tokens of one person at one clinic", func(g *rig) {
			one, two := g.tokens(), g.tokens("resource", g.Clinics()[1].URL)
			equal(g, "ended", g.Revoke(robin, g.clinic), 1)
			equal(g, "ended again", g.Revoke(robin, g.clinic), 0)
			g.refused(g.refresh(one["refresh_token"]), 400, "invalid_grant", "Session not active")
			equal(g, "call", g.call(g.clinic, one["access_token"]), 401)
			equal(g, "other clinic", g.call(g.Clinics()[1].URL, two["access_token"]), 200)
			equal(g, "other clinic's refresh", g.refresh(two["refresh_token"]).StatusCode, 200)
		}},
		{"RevokeAccess leaves the refresh token", func(g *rig) {
			got := g.tokens()
			equal(g, "met", g.RevokeAccess("", ""), 1)
			equal(g, "call", g.call(g.clinic, got["access_token"]), 401)
			equal(g, "call after a refresh", g.call(g.clinic, g.refresh(got["refresh_token"]).json["access_token"]), 200)
		}},
		{"SetRevokeAll: one revocation ends all that the person gave the client", func(g *rig) {
			g.SetRevokeAll(true)
			one, two := g.tokens(), g.tokens("resource", g.Clinics()[1].URL)
			alexs := g.redeem(g.approve(alex).Get("code")).json
			equal(g, "revoke", g.revoke(one["refresh_token"]).StatusCode, 200)
			g.refused(g.refresh(two["refresh_token"]), 400, "invalid_grant", "Session not active")
			equal(g, "another person's refresh", g.refresh(alexs["refresh_token"]).StatusCode, 200)
		}},
		{"SetIDToken: one comes though nobody asked", func(g *rig) {
			g.SetIDToken(true)
			got := g.tokens()
			equal(g, "sub", g.verify(got["id_token"])["sub"], any(g.People()[0].Subject))
			equal(g, "scope", claims(g, got["access_token"])["scope"], any("patients:read appointments:read"))
		}},
		{"RotateKeys signs with a new key and keeps the old one until RetireKeys", func(g *rig) {
			first := g.tokens()
			must(g, g.RotateKeys(g.realm))
			g.verify(first["access_token"])
			second := g.refresh(first["refresh_token"]).json
			g.verify(second["access_token"])
			g.RetireKeys(g.realm)
			equal(g, "call with the old key", g.call(g.clinic, first["access_token"]), 401)
			equal(g, "call with the new key", g.call(g.clinic, second["access_token"]), 200)
			if g.RotateKeys("nowhere") == nil {
				g.Error("rotating an unknown realm is no error")
			}
		}},
		{"DenyNext and AuthorizeError come back once", func(g *rig) {
			g.DenyNext()
			equal(g, "error", g.redirected(g.get(g.ask())).Get("error"), "access_denied")
			g.AuthorizeError("temporarily_unavailable", "authentication_expired")
			back := g.redirected(g.get(g.ask()))
			equal(g, "error", back.Get("error")+" "+back.Get("error_description"), "temporarily_unavailable authentication_expired")
			equal(g, "state", back.Get("state"), "st/ä+te")
			equal(g, "then", g.get(g.ask()).StatusCode, 200)
		}},
		{"GrantOnly grants less than asked", func(g *rig) {
			g.GrantOnly("appointments:read")
			token := g.tokens()["access_token"]
			equal(g, "scope", claims(g, token)["scope"], any("appointments:read"))
			equal(g, "call without the scope", g.call(g.clinic, token), 403)
		}},
		{"AddScope grants more than asked", func(g *rig) {
			g.AddScope("observations:read")
			equal(g, "scope", claims(g, g.tokens()["access_token"])["scope"], any("patients:read appointments:read observations:read"))
			equal(g, "scope of the next", claims(g, g.tokens()["access_token"])["scope"], any("patients:read appointments:read"))
		}},
		{"T044 WrongAudience: another clinic, two, none", func(g *rig) {
			other := g.Clinics()[1].URL
			for _, audience := range [][]string{{other}, {g.clinic, other}, {}} {
				g.WrongAudience(audience...)
				token := g.tokens()["access_token"]
				found, err := claims(g, token).GetAudience()
				must(g, err)
				equal(g, "aud", strings.Join(found, " "), strings.Join(audience, " "))
				equal(g, "call", g.call(g.clinic, token), 401)
			}
		}},
		{"AlterClaims changes the next access token and still signs it", func(g *rig) {
			g.AlterClaims(func(claims map[string]any) { claims["azp"] = "somebody-else" })
			equal(g, "azp", g.verify(g.tokens()["access_token"])["azp"], any("somebody-else"))
			equal(g, "azp of the next", g.verify(g.tokens()["access_token"])["azp"], any("locum"))
		}},
		{"T019 BadIss and OmitIss, on success and on error", func(g *rig) {
			g.BadIss("http://evil.test")
			equal(g, "iss", g.approve(robin).Get("iss"), "http://evil.test")
			g.OmitIss()
			equal(g, "has iss", g.approve(robin).Has("iss"), false)
			g.OmitIss()
			equal(g, "has iss", g.redirected(g.get(g.ask("prompt", "none"))).Has("iss"), false)
			equal(g, "iss of the next", g.approve(robin).Get("iss"), g.Issuer(g.realm))
		}},
		{"Requests and Stats tell what arrived", func(g *rig) {
			g.refresh("a-token")
			found := g.Requests(sandbox.EndpointRefresh)
			if len(found) != 1 {
				g.Fatalf("%d refreshes arrived, want 1", len(found))
			}
			equal(g, "form", found[0].Form().Get("refresh_token"), "a-token")
			equal(g, "status", found[0].Status, 400)
			equal(g, "method and path", found[0].Method+" "+found[0].Path, "POST /realms/jane_partner_sandbox/protocol/openid-connect/token")
			g.call(g.clinic, "x")
			equal(g, "stats", g.Stats()["api/patients"], 1)
			equal(g, "count", g.Count(sandbox.EndpointAPI), 1)
			equal(g, "all", len(g.Requests()), 2)
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) { row.check(newRig(t)) })
	}
}

// cut refreshes and wants no answer at all.
func (g *rig) cut(token string) {
	g.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {g.client.ID}, "client_secret": {g.client.Secret}, "refresh_token": {token}}
	r, err := http.NewRequestWithContext(g.Context(), http.MethodPost, g.endpoint("token"), strings.NewReader(form.Encode()))
	must(g, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := g.http.Do(r)
	if err == nil {
		response.Body.Close()
		g.Errorf("answer %d, want none", response.StatusCode)
	}
	found := g.Requests(sandbox.EndpointRefresh)
	equal(g, "status in the log", found[len(found)-1].Status, 0)
}

func must(t interface {
	Helper()
	Fatal(args ...any)
}, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSlow: in a bubble a delay costs nothing, and Close ends it.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.Slow(sandbox.EndpointRefresh, 10*time.Minute, 1)
		before := time.Now()
		equal(g, "status", g.refresh("x").StatusCode, 400)
		equal(g, "delay", time.Since(before), 10*time.Minute)
		before = time.Now()
		equal(g, "status", g.refresh("x").StatusCode, 400)
		equal(g, "delay of the next", time.Since(before), 0)
	})
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.Slow(sandbox.EndpointRefresh, 24*time.Hour, 1)
		before := time.Now()
		done := make(chan bool)
		go func() { g.cut("x"); close(done) }()
		synctest.Wait()
		must(g, g.Close())
		<-done
		equal(g, "waited for Close", time.Since(before), 0)
	})
}

// TestSlowProcessesAfterTheCallerLeft: the request has arrived, so the token is spent.
func TestSlowProcessesAfterTheCallerLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		token := g.tokens()["refresh_token"].(string)
		g.Slow(sandbox.EndpointRefresh, time.Minute, 1)
		g.http.Timeout = 10 * time.Second
		g.cut(token)
		g.http.Timeout = 0
		time.Sleep(time.Minute)
		synctest.Wait()
		g.refused(g.refresh(token), 400, "invalid_grant", "Maximum allowed refresh token reuse exceeded")
	})
}
