package conformance_test

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"locum/bff/oauth"
	"locum/shared"
)

// discovered are those of finding a server. athenahealth's endpoints are configured, as its guide documents them.
var discovered = []requirement{
	{"@29 the SMART configuration is read", func(w *walk) error { return w.discovery() }},
	{"@226 the token endpoint is discovered", func(w *walk) error {
		s := granting(w.said, "authorization_code")
		return is("token endpoint", "http://"+s.to+s.url.Path, w.app.face.Endpoints().Token)
	}},
	{"@227 GET with an Accept header", func(w *walk) error { return w.discovery() }},
}

func (w *walk) discovery() error {
	if w.app.id == "athena" {
		return nil
	}
	base := strings.TrimPrefix(w.app.face.FHIRBase(), w.app.face.Origin())
	for _, s := range w.site.tap.since(nil) {
		if s.url.Path == base+"/.well-known/smart-configuration" {
			return ok(s.method == http.MethodGet && strings.Contains(s.header.Get("Accept"), "application/json") && s.header.Get("Authorization") == "", "%s %v", s.method, s.header)
		}
	}
	return fmt.Errorf("nobody asked")
}

// backend holds the application's own connections, and what they sign, against the requirements.
func (s *site) backend(t *testing.T) {
	from := s.tap.mark()
	smart := s.app("smart")
	base := strings.TrimPrefix(smart.face.FHIRBase(), smart.face.Origin())
	patient := smart.face.Patients()[0].ID
	if a := s.call(http.MethodGet, shared.PathProxy+"/service.smart"+base+"/Patient/"+patient, nil, nil); a.StatusCode != http.StatusOK {
		t.Fatalf("a service's read: %s %s", a.Status, a.body)
	}
	heard := s.tap.since(from)
	asked, read := granting(heard, "client_credentials"), at(heard, "/Patient/"+patient)
	check := func(name string, err error) {
		s.run(t, name, func(t *testing.T) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	check("@229 a service is confidential", ok(asked.form.Get("client_assertion") != "", "%v", asked.form))
	check("@234 a posted form", ok(asked.method == http.MethodPost && asked.url.RawQuery == "" &&
		asked.header.Get("Content-Type") == "application/x-www-form-urlencoded", "%s %s %v", asked.method, asked.url, asked.header))
	check("@143 system scopes begin so", ok(strings.HasPrefix(asked.form.Get("scope"), "system/"), "%v", asked.form))
	check("@235 scope", is("scope", asked.form.Get("scope"), "system/Patient.rs"))
	check("@236 grant_type", is("grant_type", asked.form.Get("grant_type"), "client_credentials"))
	check("@237 client_assertion_type", is("type", asked.form.Get("client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"))
	check("@238 client_assertion", is("parts", strings.Count(asked.form.Get("client_assertion"), "."), 2))
	check("@264 Bearer at the FHIR API", ok(strings.HasPrefix(read.header.Get("Authorization"), "Bearer "), "%v", read.header))
	s.assertions(t)
	s.keySet(t)
}

// assertion is one that was heard, and what it authenticated.
type assertion struct {
	said
	header map[string]any
	claims jwt.MapClaims
	client string // who should have made it
}

// assertions holds every one that was heard against the requirements; the key set is Locum's own, asked for as an EHR asks.
func (s *site) assertions(t *testing.T) {
	keys := s.keysOf(t)
	var all []assertion
	for _, said := range s.tap.since(nil) {
		raw := said.form.Get("client_assertion")
		if raw == "" {
			continue
		}
		a := assertion{said: said, claims: jwt.MapClaims{}, client: "smart-client"}
		if said.form.Get("grant_type") == "client_credentials" {
			a.client = "smart-service"
		}
		token, err := jwt.NewParser(jwt.WithValidMethods([]string{"RS384"})).ParseWithClaims(raw, a.claims, func(token *jwt.Token) (any, error) {
			kid, _ := token.Header["kid"].(string)
			return keys[kid], nil
		})
		if err != nil {
			t.Fatalf("an assertion is refused: %v", err)
		}
		a.header = token.Header
		all = append(all, a)
	}
	for name, holds := range assertionRules {
		s.run(t, name, func(t *testing.T) {
			for _, a := range all {
				if err := holds(a); err != nil {
					t.Errorf("%s: %v", a.url, err)
				}
			}
		})
	}
	s.run(t, "@319 each assertion is used once", func(t *testing.T) {
		ids := map[any]bool{}
		for _, a := range all {
			ids[a.claims["jti"]] = true
		}
		if len(ids) != len(all) || len(all) < 6 {
			t.Errorf("%d ids of %d assertions", len(ids), len(all))
		}
	})
}

// assertionRules are those of one assertion.
var assertionRules = map[string]func(a assertion) error{
	"@233 a JWT authenticates a service": func(a assertion) error { return is("typ", a.header["typ"], any("JWT")) },
	"@317 the assigned client_id":        func(a assertion) error { return is("iss", a.claims["iss"], any(a.client)) },
	"@320 signed with the private key":   func(a assertion) error { return is("alg", a.header["alg"], any("RS384")) },
	"@321 alg":                           func(a assertion) error { return is("alg", a.header["alg"], any("RS384")) },
	"@322 kid":                           func(a assertion) error { return ok(a.header["kid"] != "" && a.header["kid"] != nil, "no kid") },
	"@323 typ is JWT":                    func(a assertion) error { return is("typ", a.header["typ"], any("JWT")) },
	"@325 no jku that could be wrong":    func(a assertion) error { return is("jku", a.header["jku"], nil) },
	"@327 iss is the client":             func(a assertion) error { return is("iss", a.claims["iss"], any(a.client)) },
	"@328 sub is the client":             func(a assertion) error { return is("sub", a.claims["sub"], any(a.client)) },
	"@329 aud is the token URL": func(a assertion) error {
		aud, _ := a.claims["aud"].(string)
		return ok(aud == "http://"+a.to+"/sim/abc/auth/token", "aud is %v", a.claims["aud"])
	},
	"@330 exp is a date": func(a assertion) error {
		_, isNumber := a.claims["exp"].(float64)
		return ok(isNumber, "%v", a.claims["exp"])
	},
	"@331 exp within five minutes": func(a assertion) error {
		exp, _ := a.claims["exp"].(float64)
		return ok(exp <= float64(time.Now().Add(5*time.Minute).Unix()), "exp is %v", exp)
	},
	"@332 jti": func(a assertion) error { id, _ := a.claims["jti"].(string); return ok(len(id) >= 22, "jti is %q", id) },
	"@333 client_assertion_type": func(a assertion) error {
		return is("type", a.form.Get("client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	},
	"@334 client_assertion alone authenticates": func(a assertion) error {
		return ok(!a.form.Has("client_id") && !a.form.Has("client_secret") && a.said.header.Get("Authorization") == "", "%v", a.form)
	},
}

// published is one key of the set.
type published map[string]any

// set asks for Locum's key set as an EHR does: with nothing.
func (s *site) set(t *testing.T) (answer, []published) {
	t.Helper()
	kept := s.cookies
	s.cookies = map[string]string{}
	defer func() { s.cookies = kept }()
	a := s.ask(http.MethodGet, shared.KeysPath("smart"), "")
	var body struct {
		Keys []published `json:"keys"`
	}
	must(t, json.Unmarshal(a.body, &body))
	return a, body.Keys
}

func (s *site) keysOf(t *testing.T) map[string]crypto.PublicKey {
	t.Helper()
	_, set := s.set(t)
	keys := map[string]crypto.PublicKey{}
	for _, key := range set {
		keys[key["kid"].(string)] = publicKey(t, key)
	}
	return keys
}

// keySet holds what an EHR reads of Locum's keys against the requirements.
func (s *site) keySet(t *testing.T) {
	a, keys := s.set(t)
	check := func(name string, holds bool) {
		s.run(t, name, func(t *testing.T) {
			if !holds {
				t.Errorf("%s %v %s", a.Status, a.Header, a.body)
			}
		})
	}
	every := func(members ...string) bool {
		return len(keys) == 2 && !slices.ContainsFunc(keys, func(k published) bool {
			return slices.ContainsFunc(members, func(m string) bool { text, _ := k[m].(string); return text == "" })
		})
	}
	check("@302 without authentication", a.StatusCode == http.StatusOK)
	check("@303 Cache-Control", strings.Contains(a.Header.Get("Cache-Control"), "max-age="))
	check("@313 kty and kid", every("kty", "kid"))
	check("@314 n and e", every("n", "e"))
	check("@322 kid is unique", every("kid") && keys[0]["kid"] != keys[1]["kid"])
	check("@295 no private half", !slices.ContainsFunc(keys, func(k published) bool { return k["d"] != nil || k["p"] != nil || k["k"] != nil }))
	if s.app("smart").method != oauth.AuthKey {
		t.Error("the app does not sign")
	}
}

// publicKey reads an RSA entry.
func publicKey(t *testing.T, key published) crypto.PublicKey {
	t.Helper()
	number := func(member string) *big.Int {
		raw, err := base64.RawURLEncoding.DecodeString(key[member].(string))
		must(t, err)
		return new(big.Int).SetBytes(raw)
	}
	return &rsa.PublicKey{N: number("n"), E: int(number("e").Int64())}
}
