package sandbox_test

import (
	"net/url"
	"testing"
	"time"
)

// TestFaceConformanceAssertions: each row spoils a good client assertion in one way ("athenahealth guide, Token Endpoint",
// Forming the JWT Assertion; SMART App Launch 2.2, Asymmetric Authentication; RFC 7523 §3).
func TestFaceConformanceAssertions(t *testing.T) {
	set := func(name string, value any) func(h, c map[string]any) {
		return func(_, c map[string]any) { c[name] = value }
	}
	drop := func(name string) func(h, c map[string]any) {
		return func(_, c map[string]any) { delete(c, name) }
	}
	header := func(name string, value any) func(h, c map[string]any) {
		return func(h, _ map[string]any) { h[name] = value }
	}
	now := time.Now()
	const audience = "The audience claim for client_assertion must be the endpoint invoked for the request."
	const parties = "The issuer and subject claims of client_assertion must be the client_id."
	rows := []struct {
		clause, alg string
		spoil       func(h, c map[string]any)
		athena      string // what athenahealth says; "" when it takes it
		smart       string
	}{
		{"RS256 is athenahealth's alone", "RS256", nil, "", "The client_assertion signature is invalid."},
		{"RS384", "RS384", nil, "", ""},
		{"ES384", "ES384", nil, "", ""},
		{"aud of another endpoint", "RS384", set("aud", "https://api.example.test/oauth2/v1/token"), audience, audience},
		{"aud is the issuer", "RS384", set("aud", "https://athena.sandbox.invalid/oauth2/aussandbox"), audience, audience},
		{"aud as a list", "RS384", set("aud", []string{"x"}), audience, audience},
		{"no aud", "RS384", drop("aud"), audience, audience},
		{"sub of another client", "RS384", set("sub", "service"), parties, parties},
		{"no sub", "RS384", drop("sub"), parties, parties},
		{"iss of a client with a secret", "RS384", set("iss", "service"), "The client is not registered for this authentication method.", "The client is not registered for this authentication method."},
		{"iss of nobody", "RS384", set("iss", "nobody"), "The client_assertion token issuer is invalid.", "The client_assertion token issuer is invalid."},
		{"expired", "RS384", set("exp", now.Add(-time.Second).Unix()), "The client_assertion token is expired.", "The client_assertion token is expired."},
		{"half an hour is athenahealth's", "RS384", set("exp", now.Add(30*time.Minute).Unix()), "", "The client_assertion token has an expiration too far into the future."},
		{"two hours", "RS384", set("exp", now.Add(2*time.Hour).Unix()), "The client_assertion token has an expiration too far into the future.", "The client_assertion token has an expiration too far into the future."},
		{"no exp", "RS384", drop("exp"), "The client_assertion token is not valid at this time.", "The client_assertion token is not valid at this time."},
		{"issued in an hour", "RS384", set("iat", now.Add(time.Hour).Unix()), "The client_assertion token was issued in the future.", "The client_assertion token was issued in the future."},
		{"no jti", "RS384", drop("jti"), "The client_assertion token has no jti.", "The client_assertion token has no jti."},
		{"unknown kid", "RS384", header("kid", "x"), "The client_assertion JWT kid is invalid.", "The client_assertion JWT kid is invalid."},
		{"no kid", "RS384", func(h, _ map[string]any) { delete(h, "kid") }, "The client_assertion JWT kid is invalid.", "The client_assertion JWT kid is invalid."},
		{"kid of another kind of key", "RS384", header("kid", "e"), "The client_assertion JWT kid is invalid.", "The client_assertion JWT kid is invalid."},
		{"typ of another token", "RS384", header("typ", "at+jwt"), "The client_assertion JWT typ is invalid.", "The client_assertion JWT typ is invalid."},
		{"jku elsewhere", "RS384", header("jku", "https://evil.test/jwks"), "The client_assertion JWT jku is not the registered JWKS URL.", "The client_assertion JWT jku is not the registered JWKS URL."},
	}
	for _, athena := range []bool{true, false} {
		g := newFace(t, athena)
		for _, row := range rows {
			t.Run(g.Face.Name()+" "+row.clause, func(t *testing.T) {
				g := g.inTest(t)
				form := url.Values{"grant_type": {"client_credentials"}, "scope": {"system/Patient.rs"},
					"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
					"client_assertion":      {g.assertion("service-key", row.alg, row.spoil)}}
				want := row.smart
				if athena {
					want = row.athena
				}
				got := g.post(g.Endpoints().Token, form)
				status := 200
				if want != "" {
					status = 401
				}
				g.says(got, status, want)
				if want == "" {
					g.says(g.post(g.Endpoints().Token, form), 401, "The client_assertion token has already been used.")
				}
			})
		}
	}
}
