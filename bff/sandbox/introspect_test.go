package sandbox_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/sandbox"
)

// TestConformanceIntrospection: RFC 7662 as Keycloak serves it.
func TestConformanceIntrospection(t *testing.T) {
	rows := []struct {
		clause string
		check  func(g *rig)
	}{
		{"RFC 7662 §2.2 a live refresh token", func(g *rig) {
			answer := g.tokens()
			got := g.inspect(answer["refresh_token"])
			who := g.People()[0]
			want := map[string]any{
				"active": true, "client_id": "locum", "azp": "locum", "username": robin, "sub": who.Subject, "iss": g.Issuer(g.realm),
				"typ": "Refresh", "token_type": "Refresh", "sid": answer["session_state"], "scope": "patients:read appointments:read",
			}
			for name, value := range want {
				equal(g, name, got.json[name], value)
			}
			issued, _ := got.json["iat"].(float64)
			expires, _ := got.json["exp"].(float64)
			equal(g, "exp - iat", expires-issued, 1800)
			equal(g, "RFC 7662 §2.2 Cache-Control", got.Header.Get("Cache-Control"), "no-store")
			if strings.Contains(got.text, g.Marker()) || got.json["_sbx"] != nil {
				g.Error("the answer carries the marker, and is no token")
			}
		}},
		{"RFC 7662 §2.2 {\"active\":false} and nothing else", func(g *rig) {
			answer := g.tokens()
			access, _ := answer["access_token"].(string)
			refresh, _ := answer["refresh_token"].(string)
			for _, token := range []string{"x", "a.b.c", refresh + "x", access[:len(access)-9], g.tokens("scope", "openid patients:read")["id_token"].(string)} {
				g.active(token, false)
			}
			g.realm = sandbox.RealmProduction
			g.active(refresh, false)
		}},
		{"Keycloak 26.6.2: a refresh token needs its hint, an access token a client in aud", func(g *rig) {
			answer := g.tokens()
			for _, hint := range []string{"-", "access_token"} {
				equal(g, "refresh token with hint "+hint, g.inspect(answer["refresh_token"], "token_type_hint", hint).json["active"], any(false))
			}
			for _, hint := range []string{"-", "access_token", "refresh_token"} {
				equal(g, "access token with hint "+hint, g.inspect(answer["access_token"], "token_type_hint", hint).json["active"], any(false))
			}
			g.WrongAudience("locum")
			ours := g.refresh(answer["refresh_token"]).json
			equal(g, "access token for us", g.inspect(ours["access_token"], "token_type_hint", "-").json["active"], any(true))
		}},
		{"Keycloak before 26.6.2: any token of the client's, hint or none", func(g *rig) {
			g.SetIntrospectAudience(false)
			answer := g.tokens()
			for _, hint := range []string{"-", "access_token", "refresh_token"} {
				equal(g, "refresh token", g.inspect(answer["refresh_token"], "token_type_hint", hint).json["active"], any(true))
				equal(g, "access token", g.inspect(answer["access_token"], "token_type_hint", hint).json["active"], any(true))
			}
			got := g.inspect(answer["access_token"])
			equal(g, "token_type", got.json["token_type"], any("Bearer"))
			equal(g, "typ", got.json["typ"], any("Bearer"))
			next := g.refresh(answer["refresh_token"]).json
			equal(g, "spent, without a hint", g.inspect(answer["refresh_token"], "token_type_hint", "-").json["active"], any(false))
			time.Sleep(5 * time.Minute)
			equal(g, "expired", g.inspect(next["access_token"]).json["active"], any(false))
		}},
		{"RFC 7662 §4 only the token's own client, and only with its secret", func(g *rig) {
			token, other := g.tokens()["refresh_token"], g.registered("other")
			equal(g, "other client", g.inspect(token, "client_id", other.ID, "client_secret", other.Secret).json["active"], any(false))
			for _, changes := range [][]string{{"client_secret", "wrong"}, {"client_secret", "-"}, {"client_id", "nobody"}, {"client_id", "-", "client_secret", "-"}} {
				g.refused(g.inspect(token, changes...), 401, "invalid_client", "Client authentication failed.")
			}
		}},
		{"Keycloak: confidential clients only", func(g *rig) {
			_, err := g.Register(sandbox.Client{ID: "public", Public: true, RedirectURIs: []string{callback}})
			must(g, err)
			token := g.tokens()["refresh_token"]
			g.refused(g.inspect(token, "client_id", "public", "client_secret", "-"), 403, "invalid_request", "Client not allowed.")
			g.refused(g.inspect(token, "client_id", "public", "client_secret", "x"), 401, "invalid_client", "Client authentication failed.")
			answer := g.redeem(g.approve(robin, "client_id", "public").Get("code"), "client_id", "public", "client_secret", "-")
			equal(g, "a public client's exchange", answer.StatusCode, 200)
		}},
		{"RFC 7662 §2.1 client_secret_basic", func(g *rig) {
			basic := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(g.client.ID) + ":" + url.QueryEscape(g.client.Secret)))
			token, _ := g.tokens()["refresh_token"].(string)
			got := g.post(g.endpoint("token/introspect"), url.Values{"token": {token}, "token_type_hint": {"refresh_token"}}, "Authorization", "Basic "+basic)
			equal(g, "active", got.json["active"], any(true))
		}},
		{"RFC 7662 §2.1 the request", func(g *rig) {
			token := g.tokens()["refresh_token"]
			g.refused(g.inspect(nil), 400, "invalid_request", "Token not provided.")
			g.refused(g.inspect(token, "token_type_hint", "urn:x"), 400, "invalid_request", "Unsupported token type.")
			equal(g, "GET", g.get(g.endpoint("token/introspect")).StatusCode, 405)
			equal(g, "JSON", g.post(g.endpoint("token/introspect"), nil, "Content-Type", "application/json").StatusCode, 400)
			form := url.Values{"token": {"x", "y"}, "client_id": {g.client.ID}, "client_secret": {g.client.Secret}}
			g.refused(g.post(g.endpoint("token/introspect"), form), 400, "invalid_request", "duplicated parameter")
		}},
		{"Keycloak: asking is read-only, it keeps no login alive", func(g *rig) {
			token := g.tokens()["refresh_token"]
			for range 29 {
				time.Sleep(time.Minute)
				g.active(token, true)
			}
			time.Sleep(time.Minute)
			g.active(token, false)
			g.denied(token, "Token is not active")
		}},
		{"Keycloak: asking about a spent token counts nothing and detaches nothing", func(g *rig) {
			first := g.tokens()["refresh_token"]
			second := g.renew(first)
			for range 10 {
				g.active(first, false)
			}
			g.renew(second)
			equal(g, "spent presented", g.SpentPresented(), 0)
			equal(g, "introspections", g.Count(sandbox.EndpointIntrospect), 10)
		}},
		{"T055 RFC 7009 §2: a revoked token is inactive", func(g *rig) {
			g.SetIntrospectAudience(false)
			answer := g.tokens()
			g.revoke(answer["access_token"])
			equal(g, "access token", g.inspect(answer["access_token"]).json["active"], any(false))
			g.active(answer["refresh_token"], true)
			g.revoke(answer["refresh_token"])
			g.active(answer["refresh_token"], false)
		}},
		{"after a logout both are inactive, and the clinic takes the access token to its end", func(g *rig) {
			g.SetIntrospectAudience(false)
			answer := g.tokens()
			equal(g, "logins", g.LogOut(robin), 1)
			g.active(answer["refresh_token"], false)
			equal(g, "access token", g.inspect(answer["access_token"]).json["active"], any(false))
			equal(g, "call", g.call(g.clinic, answer["access_token"]), 200)
		}},
	}
	for _, row := range rows {
		t.Run(row.clause, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { row.check(newRig(t)) })
		})
	}
}

// TestConformanceUserinfo: OpenID Connect Core §5.3.
func TestConformanceUserinfo(t *testing.T) {
	rows := []struct {
		clause string
		check  func(g *rig)
	}{
		{"§5.3.2 sub is that of the ID token", func(g *rig) {
			answer := g.tokens("scope", "openid patients:read")
			got := g.userinfo("Authorization", "Bearer "+answer["access_token"].(string))
			equal(g, "status", got.StatusCode, 200)
			equal(g, "sub", got.json["sub"], claims(g, answer["id_token"])["sub"])
			equal(g, "preferred_username", got.json["preferred_username"], any(robin))
			posted := g.post(g.endpoint("userinfo"), url.Values{"access_token": {answer["access_token"].(string)}})
			equal(g, "sub by POST", posted.json["sub"], got.json["sub"])
		}},
		{"RFC 6750 §3.1 no token, two tokens, no valid one", func(g *rig) {
			answer := g.tokens("scope", "openid patients:read")
			access, _ := answer["access_token"].(string)
			got := g.userinfo()
			equal(g, "status", got.StatusCode, 401)
			equal(g, "no code without a token", got.Header.Get("WWW-Authenticate"), `Bearer realm="jane_partner_sandbox"`)
			equal(g, "two", g.post(g.endpoint("userinfo"), url.Values{"access_token": {access}}, "Authorization", "Bearer "+access).StatusCode, 401)
			for _, token := range []any{"x", answer["refresh_token"], answer["id_token"]} {
				g.refused(g.userinfo("Authorization", "Bearer "+token.(string)), 401, "invalid_token", "Token verification failed")
			}
		}},
		{"Keycloak: a token without openid", func(g *rig) {
			got := g.userinfo("Authorization", "Bearer "+g.tokens()["access_token"].(string))
			equal(g, "status", got.StatusCode, 403)
			equal(g, "body", got.text, "")
			equal(g, "WWW-Authenticate", got.Header.Get("WWW-Authenticate"),
				`Bearer realm="jane_partner_sandbox", error="insufficient_scope", error_description="Missing openid scope"`)
		}},
		{"Keycloak: a login that is over", func(g *rig) {
			access, _ := g.tokens("scope", "openid patients:read")["access_token"].(string)
			g.LogOut(robin)
			g.refused(g.userinfo("Authorization", "Bearer "+access), 401, "invalid_token", "User session not found or doesn't have client attached on it")
		}},
		{"the request log knows it", func(g *rig) {
			g.userinfo()
			equal(g, "count", g.Count(sandbox.EndpointUserinfo), 1)
		}},
	}
	for _, row := range rows {
		t.Run(row.clause, func(t *testing.T) { row.check(newRig(t)) })
	}
}

func (g *rig) userinfo(headers ...string) reply {
	g.Helper()
	return g.post(g.endpoint("userinfo"), nil, headers...)
}
