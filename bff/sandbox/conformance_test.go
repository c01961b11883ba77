package sandbox_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"locum/bff/sandbox"
)

// TestConformanceAuthorize: each row is one clause that the authorization endpoint keeps. "page" means an error page and
// no redirect; any other answer is the error that goes back to the client, with state and iss.
func TestConformanceAuthorize(t *testing.T) {
	g := newRig(t)
	twice := func(name, value string) string { return g.ask() + "&" + name + "=" + url.QueryEscape(value) }
	rows := []struct{ clause, ask, want string }{
		{"RFC 6749 §4.1.2.1 unknown client shows a page", g.ask("client_id", "nobody"), "page"},
		{"RFC 6749 §4.1.2.1 missing client shows a page", g.ask("client_id", "-"), "page"},
		{"RFC 6749 §3.1 client_id twice shows a page", twice("client_id", "locum"), "page"},
		{"RFC 6749 §3.1.2.4 missing redirect_uri shows a page", g.ask("redirect_uri", "-"), "page"},
		{"RFC 6749 §3.1 redirect_uri twice shows a page", twice("redirect_uri", callback), "page"},
		{"RFC 9700 §2.1 redirect_uri with a slash more", g.ask("redirect_uri", callback+"/"), "page"},
		{"RFC 9700 §2.1 redirect_uri in other case", g.ask("redirect_uri", strings.Replace(callback, "jane", "Jane", 1)), "page"},
		{"RFC 9700 §2.1 redirect_uri on another port", g.ask("redirect_uri", strings.Replace(callback, "9999", "9998", 1)), "page"},
		{"RFC 9700 §2.1 redirect_uri with a query more", g.ask("redirect_uri", callback+"?a=b"), "page"},
		{"RFC 6749 §3.1.1 missing response_type", g.ask("response_type", "-"), "invalid_request"},
		{"OAuth 2.1 §1.8 no implicit grant", g.ask("response_type", "token"), "unsupported_response_type"},
		{"OAuth 2.1 §1.8 no hybrid flow", g.ask("response_type", "code id_token"), "unsupported_response_type"},
		{"response_mode query alone", g.ask("response_mode", "form_post"), "invalid_request"},
		{"Jane guide, The State Parameter: required", g.ask("state", "-"), "invalid_request"},
		{"RFC 7636 §4.4.1 PKCE required", g.ask("code_challenge", "-", "code_challenge_method", "-"), "invalid_request"},
		{"RFC 7636 §4.3 method required", g.ask("code_challenge_method", "-"), "invalid_request"},
		{"RFC 9700 §2.1.1 plain refused", g.ask("code_challenge_method", "plain"), "invalid_request"},
		{"RFC 7636 §4.2 a challenge has 43 characters", g.ask("code_challenge", challenge(verifier)+"="), "invalid_request"},
		{"RFC 8707 §2 resource required", g.ask("resource", "-"), "invalid_target"},
		{"RFC 8707 §2 unknown resource", g.ask("resource", "https://clinic.janeapp.com"), "invalid_target"},
		{"RFC 8707 §2 resource with a slash more", g.ask("resource", g.clinic+"/"), "invalid_target"},
		{"Jane guide, Step 2: a single clinic", twice("resource", g.Clinics()[1].URL), "invalid_request"},
		{"Jane guide, Step 2: all values URL-encoded", strings.Replace(g.ask(), "patients%3Aread", "patients:read", 1), "invalid_request"},
		{"RFC 6749 §3.1 state twice", twice("state", "x"), "invalid_request"},
		{"RFC 6749 §3.3 missing scope", g.ask("scope", "-"), "invalid_scope"},
		{"RFC 6749 §3.3 unknown scope", g.ask("scope", "patients:read jane:all_access"), "invalid_scope"},
		{"RFC 6749 §3.3 two spaces", g.ask("scope", "patients:read  appointments:read"), "invalid_scope"},
		{"RFC 6749 §3.3 scope not registered for the client", g.ask("client_id", "other"), "invalid_scope"},
		{"OpenID Connect Core §3.1.2.6 prompt=none, nobody logged in", g.ask("prompt", "none"), "login_required"},
		{"RFC 6749 §4.1.2.1 unknown client shows a page, prompt=none or not", g.ask("prompt", "none", "client_id", "nobody"), "page"},
		{"RFC 9700 §2.1 unregistered redirect_uri, prompt=none or not", g.ask("prompt", "none", "redirect_uri", callback+"/"), "page"},
		{"RFC 6749 §3.3 unknown scope is found before prompt=none", g.ask("prompt", "none", "scope", "jane:all_access"), "invalid_scope"},
		{"OpenID Connect Core §3.1.2.1 prompt=none stands alone", g.ask("prompt", "none login"), "invalid_request"},
		{"OpenID Connect Core §3.1.2.6 request refused", g.ask("request", "e30.e30."), "request_not_supported"},
		{"OpenID Connect Core §3.1.2.6 request_uri refused", g.ask("request_uri", "http://localhost/x"), "request_uri_not_supported"},
	}
	for _, row := range rows {
		t.Run(row.clause, func(t *testing.T) {
			g := g.in(t)
			got := g.get(row.ask)
			if row.want == "page" {
				equal(t, "status", got.StatusCode, http.StatusBadRequest)
				equal(t, "Location", got.Header.Get("Location"), "")
				return
			}
			back := g.redirected(got)
			equal(t, "error", back.Get("error"), row.want)
			equal(t, "RFC 9207 §2 iss", back.Get("iss"), g.Issuer(g.realm))
			if !strings.Contains(row.clause, "state") && !strings.Contains(row.clause, "State") {
				equal(t, "RFC 6749 §4.1.2.1 state", back.Get("state"), "st/ä+te")
			}
		})
	}
}

// TestConformanceExchange: each row spoils the exchange of a good code in one way.
func TestConformanceExchange(t *testing.T) {
	const badClient = "Invalid client or Invalid client credentials"
	rows := []struct {
		clause      string
		changes     []string
		status      int
		code, words string
	}{
		{"RFC 6749 §4.1.3 unknown code", []string{"code", "x"}, 400, "invalid_grant", "Code not valid"},
		{"RFC 6749 §4.1.3 missing code", []string{"code", "-"}, 400, "invalid_request", "Missing parameter: code"},
		{"RFC 6749 §4.1.3 other redirect_uri", []string{"redirect_uri", callback + "?kept=1"}, 400, "invalid_grant", "Incorrect redirect_uri"},
		{"RFC 6749 §4.1.3 missing redirect_uri", []string{"redirect_uri", "-"}, 400, "invalid_grant", "Incorrect redirect_uri"},
		{"RFC 7636 §4.6 wrong verifier", []string{"code_verifier", verifier + "x"}, 400, "invalid_grant", "PKCE verification failed: Code mismatch"},
		{"RFC 7636 §4.5 missing verifier", []string{"code_verifier", "-"}, 400, "invalid_grant", "PKCE code verifier not specified"},
		{"RFC 7636 §4.1 verifier too short", []string{"code_verifier", "short"}, 400, "invalid_grant", "PKCE verification failed: Invalid code verifier"},
		{"RFC 7636 §4.6 the challenge is not the verifier", []string{"code_verifier", challenge(verifier)}, 400, "invalid_grant", "PKCE verification failed: Code mismatch"},
		{"Keycloak: wrong secret", []string{"client_secret", "wrong"}, 401, "unauthorized_client", badClient},
		{"Keycloak: missing secret", []string{"client_secret", "-"}, 401, "unauthorized_client", badClient},
		{"RFC 6749 §5.2 unknown client", []string{"client_id", "nobody"}, 401, "invalid_client", badClient},
		{"RFC 6749 §5.2 missing grant_type", []string{"grant_type", "-"}, 400, "invalid_request", "Missing form parameter: grant_type"},
		{"RFC 9700 §2.4 no password grant", []string{"grant_type", "password"}, 400, "unsupported_grant_type", "Unsupported grant_type"},
	}
	g := newRig(t)
	for _, row := range rows {
		t.Run(row.clause, func(t *testing.T) {
			g := g.in(t)
			g.refused(g.redeem(g.approve(robin).Get("code"), row.changes...), row.status, row.code, row.words)
		})
	}
}

// TestConformanceToken: the rows that need more than one request.
func TestConformanceToken(t *testing.T) {
	rows := []struct {
		clause string
		check  func(g *rig)
	}{
		{"RFC 6749 §4.1.2 and RFC 9207 §2: code, state, session_state and iss come back", func(g *rig) {
			back := g.approve(robin)
			equal(g, "state", back.Get("state"), "st/ä+te")
			equal(g, "iss", back.Get("iss"), g.Issuer(g.realm))
			if back.Get("code") == "" || back.Get("session_state") == "" {
				g.Errorf("callback %v lacks code or session_state", back)
			}
		}},
		{"RFC 6749 §3.1.2 a redirect URI keeps its own query", func(g *rig) {
			equal(g, "kept", g.approve(robin, "redirect_uri", callback+"?kept=1").Get("kept"), "1")
		}},
		{"RFC 6749 §4.1.2 a replayed code ends what it gave", func(g *rig) {
			code := g.approve(robin).Get("code")
			first := g.redeem(code).json
			equal(g, "first call", g.call(g.clinic, first["access_token"]), 200)
			g.refused(g.redeem(code), 400, "invalid_grant", "Code not valid")
			g.refused(g.refresh(first["refresh_token"]), 400, "invalid_grant", "Session doesn't have required client")
			equal(g, "call after the replay", g.call(g.clinic, first["access_token"]), 401)
		}},
		{"RFC 6749 §4.1.3 a spoiled exchange spends the code", func(g *rig) {
			code := g.approve(robin).Get("code")
			g.refused(g.redeem(code, "code_verifier", verifier+"x"), 400, "invalid_grant", "PKCE verification failed: Code mismatch")
			g.refused(g.redeem(code), 400, "invalid_grant", "Code not valid")
		}},
		{"RFC 6749 §4.1.3 a code belongs to one client", func(g *rig) {
			other := g.registered("other")
			g.refused(g.redeem(g.approve(robin).Get("code"), "client_id", other.ID, "client_secret", other.Secret), 400, "invalid_grant", "Auth error")
		}},
		{"a code belongs to one realm", func(g *rig) {
			code := g.approve(robin).Get("code")
			g.realm = sandbox.RealmProduction
			g.refused(g.redeem(code), 400, "invalid_grant", "Code not valid")
		}},
		{"a client registered in one realm is unknown in the other", func(g *rig) {
			g.realm = sandbox.RealmProduction
			equal(g, "status", g.get(g.ask("client_id", "other")).StatusCode, 400)
			other := g.registered("other")
			g.refused(g.redeem("x", "client_id", "other", "client_secret", other.Secret), 401, "invalid_client", "Invalid client or Invalid client credentials")
		}},
		{"RFC 6749 §2.3.1 client_secret_basic", func(g *rig) {
			basic := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(g.client.ID) + ":" + url.QueryEscape(g.client.Secret)))
			form := url.Values{"grant_type": {"authorization_code"}, "code": {g.approve(robin).Get("code")}, "code_verifier": {verifier}, "redirect_uri": {callback}}
			equal(g, "status", g.post(g.endpoint("token"), form, "Authorization", "Basic "+basic).StatusCode, 200)
			form.Set("client_secret", g.client.Secret)
			g.refused(g.post(g.endpoint("token"), form, "Authorization", "Basic "+basic), 400, "invalid_request", "more than one way of client authentication")
			form.Del("client_secret")
			got := g.post(g.endpoint("token"), form, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("locum:no")))
			equal(g, "status", got.StatusCode, 401)
			equal(g, "RFC 6749 §5.2 WWW-Authenticate", got.Header.Get("WWW-Authenticate"), `Basic realm="sandbox"`)
		}},
		{"RFC 6749 §2.3.1 no secrets in the URL", func(g *rig) {
			got := g.post(g.endpoint("token")+"?client_secret="+g.client.Secret, url.Values{"grant_type": {"refresh_token"}})
			equal(g, "error", got.json["error"], any("invalid_request"))
		}},
		{"RFC 6749 §3.2 POST only, a form only", func(g *rig) {
			equal(g, "GET", g.get(g.endpoint("token")).StatusCode, 405)
			equal(g, "JSON", g.post(g.endpoint("token"), nil, "Content-Type", "application/json").StatusCode, 400)
		}},
		{"RFC 6749 §3.2 parameters once", func(g *rig) {
			got := g.post(g.endpoint("token"), url.Values{"grant_type": {"refresh_token", "refresh_token"}, "client_id": {g.client.ID}, "client_secret": {g.client.Secret}})
			g.refused(got, 400, "invalid_request", "duplicated parameter")
		}},
		{"Jane guide, Step 3: the token answer has Keycloak's layout", checkAnswer},
		{"Jane guide, Understanding the JWT: the claims", checkClaims},
		{"OpenID Connect Core §3.1.3.3 id_token only with openid", checkIDToken},
		{"Jane guide, Resource Matching: a token is for one clinic", func(g *rig) {
			token := g.tokens()["access_token"]
			equal(g, "own clinic", g.call(g.clinic, token), 200)
			equal(g, "other clinic", g.call(g.Clinics()[1].URL, token), 401)
		}},
		{"RFC 8725 §3.11 only an access token opens a clinic", func(g *rig) {
			got := g.tokens("scope", "openid patients:read")
			access, _ := got["access_token"].(string)
			payload := strings.Split(access, ".")[1]
			none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
			foreign := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"http://evil.test","exp":9999999999}`))
			for _, token := range []any{"", "x", got["id_token"], got["refresh_token"], access[:len(access)-8], none + "." + payload + ".", none + "." + foreign + "."} {
				equal(g, "call", g.call(g.clinic, token), 401)
			}
			equal(g, "call with the access token", g.call(g.clinic, access), 200)
		}},
		{"RFC 9700 §4.14.2 rotation: a spent refresh token ends its successor too", func(g *rig) {
			first := g.tokens()
			second := g.refresh(first["refresh_token"])
			equal(g, "refresh", second.StatusCode, 200)
			if second.json["refresh_token"] == first["refresh_token"] {
				g.Error("the same refresh token came back")
			}
			g.refused(g.refresh(first["refresh_token"]), 400, "invalid_grant", "Maximum allowed refresh token reuse exceeded")
			g.refused(g.refresh(second.json["refresh_token"]), 400, "invalid_grant", "Session doesn't have required client")
			equal(g, "the access token lives on", g.call(g.clinic, second.json["access_token"]), 200)
		}},
		{"Keycloak: four refreshes at once, one succeeds and the session is gone", func(g *rig) {
			token := g.tokens()["refresh_token"]
			answers := make(chan reply, 4)
			for range cap(answers) {
				go func() { answers <- g.refresh(token) }()
			}
			var won []any
			for range cap(answers) {
				if got := <-answers; got.StatusCode == http.StatusOK {
					won = append(won, got.json["refresh_token"])
				} else {
					equal(g, "error", got.json["error"], any("invalid_grant"))
				}
			}
			if len(won) != 1 {
				g.Fatalf("%d of 4 succeeded, want 1", len(won))
			}
			g.refused(g.refresh(won[0]), 400, "invalid_grant", "Session doesn't have required client")
		}},
		{"Keycloak: without rotation a new refresh token comes and the old one works", func(g *rig) {
			g.SetRotation(false)
			first := g.tokens()
			for range 3 {
				equal(g, "refresh", g.refresh(first["refresh_token"]).StatusCode, 200)
			}
		}},
		{"RFC 6749 §6 a refreshed token keeps audience, subject and scope", checkRefreshed},
		{"RFC 6749 §6 scope narrows the access token alone", func(g *rig) {
			got := g.refresh(g.tokens()["refresh_token"], "scope", "patients:read")
			equal(g, "scope", claims(g, got.json["access_token"])["scope"], any("patients:read"))
			g.refused(g.refresh(got.json["refresh_token"], "scope", "patients:read observations:create"), 400, "invalid_scope", "Invalid scopes: patients:read observations:create")
			got = g.refresh(got.json["refresh_token"])
			equal(g, "scope", claims(g, got.json["access_token"])["scope"], any("patients:read appointments:read"))
		}},
		{"RFC 8707 §2.2 no token for another clinic", func(g *rig) {
			const words = "The requested resource is not matching the original request."
			other := g.Clinics()[1].URL
			g.refused(g.redeem(g.approve(robin).Get("code"), "resource", other), 400, "invalid_target", words)
			got := g.redeem(g.approve(robin).Get("code"), "resource", g.clinic).json
			equal(g, "same clinic", g.refresh(got["refresh_token"], "resource", g.clinic).StatusCode, 200)
			got = g.tokens()
			g.refused(g.refresh(got["refresh_token"], "resource", other), 400, "invalid_target", words)
			g.refused(g.refresh(got["refresh_token"]), 400, "invalid_grant", tooOften) // as in Keycloak, the refusal has spent it
		}},
		{"OpenID Connect Core §12.2 a refreshed ID token has no nonce", func(g *rig) {
			got := g.tokens("scope", "openid patients:read", "nonce", "n-1")
			equal(g, "nonce", claims(g, got["id_token"])["nonce"], any("n-1"))
			again := g.refresh(got["refresh_token"]).json
			equal(g, "nonce after a refresh", g.verify(again["id_token"])["nonce"], nil)
			equal(g, "sub", g.verify(again["id_token"])["sub"], claims(g, got["id_token"])["sub"])
		}},
		{"RFC 6749 §6 a refresh token belongs to one client", func(g *rig) {
			other := g.registered("other")
			g.refused(g.refresh(g.tokens()["refresh_token"], "client_id", other.ID, "client_secret", other.Secret), 400, "invalid_grant", "Invalid refresh token. Token client and authorized client don't match")
		}},
		{"Keycloak: an access token is no refresh token", func(g *rig) {
			g.refused(g.refresh(g.tokens()["access_token"]), 400, "invalid_grant", "Invalid refresh token")
			g.refused(g.refresh(nil), 400, "invalid_request", "No refresh token")
		}},
		{"Jane guide, Revoking: the chain ends, the access token lives on", func(g *rig) {
			got := g.tokens()
			equal(g, "revoke", g.revoke(got["refresh_token"]).StatusCode, 200)
			g.refused(g.refresh(got["refresh_token"]), 400, "invalid_grant", "Session not active")
			equal(g, "call", g.call(g.clinic, got["access_token"]), 200)
		}},
		{"RFC 7009 §2.2 an unknown token is 200 all the same", func(g *rig) {
			g.refused(g.revoke("nothing"), 200, "invalid_token", "Invalid token")
			token := g.tokens()["refresh_token"]
			g.revoke(token)
			g.refused(g.revoke(token), 200, "invalid_token", "Invalid token")
		}},
		{"RFC 7009 §2.1 only the token's own client, and only with its secret", func(g *rig) {
			token, other := g.tokens()["refresh_token"], g.registered("other")
			g.refused(g.revoke(token, "client_id", other.ID, "client_secret", other.Secret), 400, "invalid_request", "Unmatching clients")
			g.refused(g.revoke(token, "client_secret", "wrong"), 401, "unauthorized_client", "Invalid client or Invalid client credentials")
			g.refused(g.revoke(nil), 400, "invalid_request", "Token not provided")
			equal(g, "refresh", g.refresh(token).StatusCode, 200)
		}},
		{"RFC 7009 §2.1 an access token ends alone, whatever the hint", func(g *rig) {
			got := g.tokens()
			equal(g, "revoke", g.revoke(got["access_token"]).StatusCode, 200)
			equal(g, "call", g.call(g.clinic, got["access_token"]), 401)
			equal(g, "refresh", g.refresh(got["refresh_token"]).StatusCode, 200)
		}},
	}
	for _, row := range rows {
		t.Run(row.clause, func(t *testing.T) { row.check(newRig(t)) })
	}
}

// TestConformanceTime: what ends by itself, on a clock that only a bubble has.
func TestConformanceTime(t *testing.T) {
	rows := []struct {
		clause string
		check  func(g *rig)
	}{
		{"RFC 6749 §4.1.2 a code lives a minute", func(g *rig) {
			code := g.approve(robin).Get("code")
			time.Sleep(time.Minute)
			g.refused(g.redeem(code), 400, "invalid_grant", "Code is expired")
		}},
		{"Jane guide, Step 3: an access token lives 5 minutes", func(g *rig) {
			token := g.tokens()["access_token"]
			time.Sleep(299 * time.Second)
			equal(g, "just before", g.call(g.clinic, token), 200)
			time.Sleep(time.Second)
			equal(g, "at expiry", g.call(g.clinic, token), 401)
		}},
		{"Keycloak: an idle refresh token dies after 30 minutes", func(g *rig) {
			token := g.tokens()["refresh_token"]
			time.Sleep(30 * time.Minute)
			g.refused(g.refresh(token), 400, "invalid_grant", "Token is not active")
		}},
		{"Keycloak: refreshing keeps a session alive, SSO Session Max ends it", func(g *rig) {
			got := g.tokens()
			for range 20 {
				time.Sleep(29 * time.Minute)
				got = g.refresh(got["refresh_token"]).json
			}
			equal(g, "refresh_expires_in is capped", got["refresh_expires_in"], any(float64(1200)))
			time.Sleep(20 * time.Minute)
			g.refused(g.refresh(got["refresh_token"]), 400, "invalid_grant", "Session not active")
		}},
		{"Keycloak: a login that takes too long comes back as authentication_expired", func(g *rig) {
			page := g.get(g.ask())
			time.Sleep(31 * time.Minute)
			form := url.Values{"attempt": {inputValue(page.text, "attempt")}, "hint": {robin}}
			cookie := strings.Split(page.Header.Get("Set-Cookie"), ";")[0]
			back := g.redirected(g.post(g.Issuer(g.realm)+"/login-actions/authenticate", form, "Cookie", cookie))
			equal(g, "error", back.Get("error"), "temporarily_unavailable")
			equal(g, "error_description", back.Get("error_description"), "authentication_expired")
		}},
		{"SetLifetimes: expires_in, refresh_expires_in and exp follow, and time does", checkLifetimes},
		{"SetLifetimes: a login lives as long as its refresh tokens, 0 is the default again", func(g *rig) {
			g.SetLifetimes(0, 48*time.Hour)
			first := g.tokens("scope", "openid patients:read")
			equal(g, "refresh_expires_in", first["refresh_expires_in"], any(48*3600.0))
			time.Sleep(47 * time.Hour)
			g.SetLifetimes(0, 0)
			second := g.refresh(first["refresh_token"])
			equal(g, "expires_in", second.json["expires_in"], any(300.0))
			equal(g, "refresh_expires_in", second.json["refresh_expires_in"], any(1800.0))
		}},
		{"RFC 9110 §6.6.1 Date is the sandbox's own, on every answer", func(g *rig) {
			for _, off := range []time.Duration{0, 10 * time.Minute, -20 * time.Minute} {
				g.Advance(off)
				now := time.Now().Add(off).UTC()
				if off < 0 {
					now = now.Add(10 * time.Minute)
				}
				g.Fail(sandbox.EndpointRevoke, 503, 1)
				g.Slow(sandbox.EndpointCerts, 3*time.Second, 1)
				for name, got := range map[string]reply{
					"an authorization": g.get(g.ask()), "a redirect": g.get(g.ask("prompt", "none")), "a token answer": g.refresh("x"),
					"a planned fault": g.revoke("x"), "an unknown path": g.get(g.endpoint("nowhere")), "a clinic": g.get(g.clinic + "/api/x"),
					"too long a body": g.refresh(strings.Repeat("x", 2<<20)),
				} {
					equal(g, name, got.Header.Get("Date"), now.Format(http.TimeFormat))
				}
				equal(g, "a slow answer", g.get(g.endpoint("certs")).Header.Get("Date"), now.Add(3*time.Second).Format(http.TimeFormat))
			}
		}},
		{"Advance moves the sandbox's clock alone", func(g *rig) {
			token := g.tokens()["access_token"]
			before := time.Now()
			g.Advance(5 * time.Minute)
			equal(g, "call", g.call(g.clinic, token), 401)
			equal(g, "our clock", time.Since(before) < time.Second, true)
		}},
	}
	for _, row := range rows {
		t.Run(row.clause, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { row.check(newRig(t)) })
		})
	}
}

// claims reads a token's payload without checking it.
func claims(g *rig, token any) jwt.MapClaims {
	g.Helper()
	text, _ := token.(string)
	found := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(text, found); err != nil {
		g.Fatal(err)
	}
	return found
}
