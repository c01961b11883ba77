package oauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// awkward is a secret that is changed by form-encoding.
const awkward = "a:b+c%d é/"

// ecKey is one key for all tests that do not care which.
var ecKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
})

// keyed makes a client sign its assertions.
func keyed(algorithm string, private crypto.Signer) func(*oauth.ClientConfig) {
	return func(c *oauth.ClientConfig) {
		c.Auth, c.Secret = oauth.Auth{Method: oauth.AuthKey}, nil
		c.Key = func() (oauth.SigningKey, error) {
			return oauth.SigningKey{ID: "key-1", Algorithm: algorithm, Private: private}, nil
		}
	}
}

func by(method string) func(*oauth.ClientConfig) {
	return func(c *oauth.ClientConfig) {
		c.Auth.Method, c.Secret = method, func() (secret.String, error) { return secret.New(awkward), nil }
	}
}

// fourWays are the ways to authenticate, each with what a request then has beside its own parameters.
func fourWays() map[string]struct {
	change        func(*oauth.ClientConfig)
	authorization string
	form          url.Values // "*" is an assertion
} {
	return map[string]struct {
		change        func(*oauth.ClientConfig)
		authorization string
		form          url.Values
	}{
		oauth.AuthPost:  {by(oauth.AuthPost), "", url.Values{"client_id": {"locum"}, "client_secret": {awkward}}},
		oauth.AuthBasic: {by(oauth.AuthBasic), basicHeader("locum:a%3Ab%2Bc%25d+%C3%A9%2F"), nil},
		oauth.AuthKey: {keyed("ES384", ecKey()), "", url.Values{
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {"*"}}},
		oauth.AuthNone: {by(oauth.AuthNone), "", url.Values{"client_id": {"locum"}}},
	}
}

func basicHeader(text string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(text))
}

// TestT027FourWays: every request authenticates in its client's one way and in no other, in a form, with nothing in the URL.
func TestT027FourWays(t *testing.T) {
	requests := make(chan recorded, 1)
	base := newServer(t, requests, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"active":true}`) })
	for method, way := range fourWays() {
		client := newClient(t, base, func(c *oauth.ClientConfig) {
			way.change(c)
			c.Server.Introspection = base + "/introspect"
		})
		second := func(_ any, err error) error { return err }
		for name, c := range map[string]struct {
			call func() error
			path string
			form url.Values
		}{
			"exchange": {func() error { return second(client.Exchange(t.Context(), secret.New("c&d"), secret.New("v"))) }, "/token", url.Values{
				"grant_type": {"authorization_code"}, "code": {"c&d"}, "code_verifier": {"v"}, "redirect_uri": {"https://locum.example.org/connect/jane/callback"}}},
			"refresh": {func() error {
				return second(client.Refresh(t.Context(), secret.New("r"), []string{"openid", "patient/Patient.r"}))
			}, "/token", url.Values{
				"grant_type": {"refresh_token"}, "refresh_token": {"r"}, "scope": {"openid patient/Patient.r"}}},
			"refresh without scope": {func() error { return second(client.Refresh(t.Context(), secret.New("r"), nil)) }, "/token", url.Values{
				"grant_type": {"refresh_token"}, "refresh_token": {"r"}}},
			"client credentials": {func() error {
				return second(client.ClientCredentials(t.Context(), []string{"athena/service/Athenanet.MDP.*"}))
			}, "/token", url.Values{
				"grant_type": {"client_credentials"}, "scope": {"athena/service/Athenanet.MDP.*"}}},
			"revoke": {func() error { return client.Revoke(t.Context(), secret.New("r"), "refresh_token") }, "/revoke", url.Values{
				"token": {"r"}, "token_type_hint": {"refresh_token"}}},
			"introspect": {func() error { return second(client.Introspect(t.Context(), secret.New("r"), "access_token")) }, "/introspect", url.Values{
				"token": {"r"}, "token_type_hint": {"access_token"}}},
		} {
			t.Run("T027 "+method+" "+name, func(t *testing.T) {
				err := c.call()
				if method == oauth.AuthNone && name == "client credentials" {
					if !errors.Is(err, oauth.ErrSecret) || len(requests) > 0 {
						t.Errorf("a public client: %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				got := <-requests
				for name, value := range way.form {
					c.form[name] = value
				}
				if c.form.Get("client_assertion") == "*" && strings.Count(got.form.Get("client_assertion"), ".") == 2 {
					got.form.Set("client_assertion", "*")
				}
				if got.method != "POST" || got.path != c.path || got.query != "" || got.form.Encode() != c.form.Encode() {
					t.Errorf("%s %s?%s %s", got.method, got.path, got.query, got.form.Encode())
				}
				if got.header.Get("Authorization") != way.authorization || got.header.Get("Content-Type") != "application/x-www-form-urlencoded" ||
					!strings.Contains(got.header.Get("Accept"), "application/json") {
					t.Errorf("headers %v", got.header)
				}
			})
		}
	}
}

// TestT027Basic: id and secret are form-encoded before they are joined (RFC 6749 §2.3.1), or left as they are where the
// configuration says so.
func TestT027Basic(t *testing.T) {
	requests := make(chan recorded, 1)
	base := newServer(t, requests, func(http.ResponseWriter, *http.Request) {})
	for name, c := range map[string]struct {
		id, secret string
		raw        bool
		want       string
	}{
		"T027 a:b+c%d é/":            {"locum", awkward, false, "locum:a%3Ab%2Bc%25d+%C3%A9%2F"},
		"T027 a:b+c%d é/ raw":        {"locum", awkward, true, "locum:" + awkward},
		"T027 an id with a colon":    {"urn:app", "s", false, "urn%3Aapp:s"},
		"T027 unreserved characters": {"a-b_c.d~e", "0-9_A.Z~", false, "a-b_c.d~e:0-9_A.Z~"},
		"T027 line breaks":           {"locum", "a\r\nX: y", false, "locum:a%0D%0AX%3A+y"},
		"T027 line breaks raw":       {"locum", "a\r\nX: y", true, "locum:a\r\nX: y"},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, base, func(config *oauth.ClientConfig) {
				config.ID, config.Auth = c.id, oauth.Auth{Method: oauth.AuthBasic, RawBasic: c.raw}
				config.Secret = func() (secret.String, error) { return secret.New(c.secret), nil }
			})
			if _, err := client.Refresh(t.Context(), secret.New("r"), nil); err != nil {
				t.Fatal(err)
			}
			if got := <-requests; got.header.Get("Authorization") != basicHeader(c.want) || got.form.Has("client_id") || got.form.Has("client_secret") {
				t.Errorf("%s %v", got.header.Get("Authorization"), got.form)
			}
		})
	}
}

// TestT027Contradictions: a client whose settings do not say how it authenticates is none.
func TestT027Contradictions(t *testing.T) {
	for name, change := range map[string]func(*oauth.ClientConfig){
		"post without a secret":  func(c *oauth.ClientConfig) { c.Secret = nil },
		"basic without a secret": func(c *oauth.ClientConfig) { c.Auth.Method, c.Secret = oauth.AuthBasic, nil },
		"a raw id with a colon":  func(c *oauth.ClientConfig) { c.Auth, c.ID = oauth.Auth{Method: oauth.AuthBasic, RawBasic: true}, "a:b" },
		"no key":                 func(c *oauth.ClientConfig) { c.Auth.Method = oauth.AuthKey },
		"client_secret_jwt":      func(c *oauth.ClientConfig) { c.Auth.Method = "client_secret_jwt" },
		"another audience":       func(c *oauth.ClientConfig) { c.Auth.Audience = "https://iam.test" },
		"HS256":                  func(c *oauth.ClientConfig) { c.Auth.Algorithm = "HS256" },
		"id_tokens by none":      func(c *oauth.ClientConfig) { c.IDAlgorithms = []string{"RS256", "none"} },
		"introspection by PUT":   func(c *oauth.ClientConfig) { c.Server.IntrospectionMethod = "PUT" },
	} {
		config := oauth.ClientConfig{
			Server: oauth.Server{Issuer: testIssuer, Authorization: "https://iam.test/a", Token: "https://iam.test/t", JWKS: "https://iam.test/k"},
			ID:     "locum", RedirectURI: "https://locum.example.org/cb", Dial: (&wire{}).dial,
			Secret: func() (secret.String, error) { return secret.New("s"), nil },
		}
		if client, err := oauth.NewClient(config); err != nil {
			t.Fatal(err)
		} else {
			client.Close()
		}
		change(&config)
		if client, err := oauth.NewClient(config); err == nil {
			client.Close()
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestNoCredentialNothingSent: without what it authenticates with, a client asks for nothing; one that needs no secret does
// not ask for it.
func TestNoCredentialNothingSent(t *testing.T) {
	requests := make(chan recorded, 4)
	base := newServer(t, requests, func(http.ResponseWriter, *http.Request) {})
	small, other := newKey(t), ecKey()
	for name, key := range map[string]func() (oauth.SigningKey, error){
		"unreadable":   func() (oauth.SigningKey, error) { return oauth.SigningKey{}, errors.New("vault is closed") },
		"none":         func() (oauth.SigningKey, error) { return oauth.SigningKey{}, nil },
		"no id":        func() (oauth.SigningKey, error) { return oauth.SigningKey{Algorithm: "ES384", Private: other}, nil },
		"no algorithm": func() (oauth.SigningKey, error) { return oauth.SigningKey{ID: "k", Private: other}, nil },
		"RSA for ES384": func() (oauth.SigningKey, error) {
			return oauth.SigningKey{ID: "k", Algorithm: "ES384", Private: small}, nil
		},
		"P-384 as RS384": func() (oauth.SigningKey, error) {
			return oauth.SigningKey{ID: "k", Algorithm: "RS384", Private: other}, nil
		},
		"PS384": func() (oauth.SigningKey, error) {
			return oauth.SigningKey{ID: "k", Algorithm: "PS384", Private: small}, nil
		},
	} {
		client := newClient(t, base, func(c *oauth.ClientConfig) { c.Auth.Method, c.Key = oauth.AuthKey, key })
		if _, err := client.ClientCredentials(t.Context(), []string{"x"}); !errors.Is(err, oauth.ErrSecret) || !strings.Contains(err.Error(), "signing key") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(requests) > 0 {
		t.Error("a request was sent")
	}
	client := newClient(t, base, func(c *oauth.ClientConfig) {
		keyed("ES384", other)(c)
		c.Secret = func() (secret.String, error) {
			t.Error("the secret was asked for")
			return secret.String{}, nil
		}
	})
	var transport *oauth.TransportError
	if _, err := client.ClientCredentials(t.Context(), nil); !errors.As(err, &transport) || transport.Sent {
		t.Errorf("without a scope: %v", err)
	}
	if _, err := client.ClientCredentials(t.Context(), []string{"x"}); err != nil {
		t.Error(err)
	}
}
