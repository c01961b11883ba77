package oauth_test

import (
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// TestUse: a client without a server asks for nothing; from Use on it has one, and one that is refused changes nothing.
func TestUse(t *testing.T) {
	requests := make(chan recorded, 8)
	base := newServer(t, requests, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"active":true}`) })
	w := &wire{}
	var server oauth.Server
	client := newClient(t, base, func(c *oauth.ClientConfig) {
		server, c.Dial = c.Server, w.dial
		c.Server = oauth.Server{Issuer: base} // configured, and the rest is to be discovered
		keyed("ES384", ecKey())(c)
	})
	request := oauth.AuthorizationRequest{State: "s", Challenge: oauth.Challenge(oauth.NewVerifier())}
	errs := asks(t, client)
	_, errs["metadata of nobody"] = client.AskAuthorization(t.Context(), request)
	for where, err := range errs {
		var transport *oauth.TransportError
		if !errors.As(err, &transport) || transport.Sent || !errors.Is(err, oauth.ErrUndiscovered) {
			t.Errorf("%s: %v", where, err)
		}
	}
	token := sign(t, object{"alg": "RS256", "kid": "k1"}, accessClaims(), func(string) []byte { return make([]byte, 256) })
	var verdict *oauth.TokenError
	if _, err := client.VerifyAccess(t.Context(), token); !errors.As(err, &verdict) || !verdict.Temporary() {
		t.Errorf("a token: %v", err)
	}
	endpoint, fields := client.AuthorizationForm(request)
	if client.AuthorizationURL(request) != "" || endpoint != "" || fields != nil || client.Server() != (oauth.Server{Issuer: base}) || len(w.addresses()) > 0 {
		t.Errorf("before Use: %v, dialled %v", client.Server(), w.addresses())
	}
	bad := server
	bad.Token = "http://evil.test/token"
	if client.Use(bad) == nil || client.Use(oauth.Server{}) == nil || client.Server() != (oauth.Server{Issuer: base}) {
		t.Errorf("a bad server is used: %v", client.Server())
	}
	if err := client.Use(server); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Refresh(t.Context(), secret.New("r"), nil); err != nil || (<-requests).path != "/token" {
		t.Error(err)
	}
	if client.Use(bad) == nil || client.Server() != server || !strings.HasPrefix(client.AuthorizationURL(request), base+"/auth?") {
		t.Errorf("after a bad one: %v", client.Server())
	}
}

// TestUseForgetsKeys: the keys of the server before are none of the next one's, and are asked for at once.
func TestUseForgetsKeys(t *testing.T) {
	first, second := newKey(t), newKey(t)
	var query atomic.Value
	client := newVerifier(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query.Store(r.URL.RawQuery)
		key := first
		if r.URL.Path == "/keys" {
			key = second
		}
		keys := &certs{}
		keys.keys.Store([]object{jwk(key, "k1")})
		keys.ServeHTTP(w, r)
	}))
	verify := func(issuer string, signed func(string) []byte) string {
		token := sign(t, object{"alg": "RS256", "kid": "k1"}, with(accessClaims(), object{"iss": issuer}), signed)
		_, err := client.VerifyAccess(t.Context(), token)
		return codeOf(err)
	}
	one, two := rs(t, first, crypto.SHA256), rs(t, second, crypto.SHA256)
	if code := verify(testIssuer, one); code != "" || query.Load() != "" {
		t.Fatalf("%q, asked with %q", code, query.Load())
	}
	next := client.Server()
	next.JWKS, next.Issuer, next.KeysByClient = "http://127.0.0.1:1/keys", "https://other.test", true
	if err := client.Use(next); err != nil {
		t.Fatal(err)
	}
	if a, b, c := verify("https://other.test", one), verify(testIssuer, two), verify("https://other.test", two); a != oauth.TokenSignature || b != oauth.TokenIssuer || c != "" {
		t.Errorf("a token of the server before: %q, of its name: %q, of the next: %q", a, b, c)
	}
	if query.Load() != "client_id=locum" {
		t.Errorf("the keys were asked for with %q", query.Load())
	}
}

// TestT019TwoMeanings: the iss of an authorization response is the issuer's name, wherever its endpoints are, and never the
// FHIR base URL that a launch calls iss.
func TestT019TwoMeanings(t *testing.T) {
	server := parsed(t, described(nil)).Server()
	promised := parsed(t, described(object{"authorization_response_iss_parameter_supported": true})).Server()
	for iss, accepted := range map[string]bool{
		"https://login.test/oauth2/aus1": true, fhirBase: false, "https://ehr.test": false, "https://login.test/oauth2/aus1/": false,
		"https://LOGIN.test/oauth2/aus1": false, "https://login.test:443/oauth2/aus1": false, "https://login.test/oauth2%2Faus1": false,
	} {
		if server.AcceptsIss(iss) != accepted || promised.AcceptsIss(iss) != accepted {
			t.Errorf("T019 %q", iss)
		}
	}
	if !server.AcceptsIss("") || promised.AcceptsIss("") {
		t.Error("T019 a missing iss is refused where it is promised, and only there")
	}
}

// TestAuthorizationForm: the form has the parameters of the URL, and what a SMART server needs beside Jane's.
func TestAuthorizationForm(t *testing.T) {
	client := newOffline(t)
	request := oauth.AuthorizationRequest{
		State: "browser.server", Challenge: oauth.Challenge(oauth.NewVerifier()), Nonce: "n-1", Scopes: []string{"launch", "openid", "patient/Observation.rs?category=a|b"},
		Audience: fhirBase, Launch: secret.New("xyz+ /&=é"),
	}
	endpoint, fields := client.AuthorizationForm(request)
	address, query, _ := strings.Cut(client.AuthorizationURL(request), "?")
	if endpoint == "" || endpoint != address || strings.ReplaceAll(query, "%20", "+") != ordered(fields, query) {
		t.Errorf("%s %v\n%s", endpoint, fields, query)
	}
	if fields.Get("aud") != fhirBase || fields.Get("launch") != "xyz+ /&=é" || fields.Get("code_challenge_method") != "S256" || fields.Has("resource") || fields.Has("max_age") {
		t.Errorf("%v", fields)
	}
	request.Launch, request.Audience = secret.String{}, ""
	if _, fields = client.AuthorizationForm(request); fields.Has("launch") || fields.Has("aud") {
		t.Errorf("without a launch: %v", fields)
	}
	request.Challenge = "plain"
	if endpoint, fields = client.AuthorizationForm(request); endpoint != "" || fields != nil {
		t.Errorf("without a challenge: %s %v", endpoint, fields)
	}
}

// ordered is fields in the order of query.
func ordered(fields map[string][]string, query string) string {
	var all []string
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		for _, value := range fields[name] {
			all = append(all, name+"="+url.QueryEscape(value))
		}
	}
	if len(all) != len(fields) {
		return "another number of parameters"
	}
	return strings.Join(all, "&")
}
