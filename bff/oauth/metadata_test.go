package oauth_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"locum/bff/oauth"
)

const fhirBase = "https://ehr.test/fhir/r4"

// described is a SMART configuration, with changes; a nil value removes a member. Its issuer is on another host than its
// endpoints, as athenahealth's is.
func described(changes object) string {
	body, err := json.Marshal(with(object{
		"issuer": "https://login.test/oauth2/aus1", "jwks_uri": "https://ehr.test/oauth2/v1/keys",
		"authorization_endpoint": "https://ehr.test/oauth2/v1/authorize", "token_endpoint": "https://ehr.test/oauth2/v1/token",
		"introspection_endpoint": "https://ehr.test/oauth2/v1/introspect", "revocation_endpoint": "https://ehr.test/oauth2/v1/revoke",
		"code_challenge_methods_supported": []string{"S256"}, "grant_types_supported": []string{"authorization_code"},
		"capabilities": []string{"launch-ehr", "sso-openid-connect", "authorize-post"},
	}, changes))
	if err != nil {
		panic(err)
	}
	return string(body)
}

// TestT015Parse: what a SMART configuration has to hold, and what in it makes it useless.
func TestT015Parse(t *testing.T) {
	m, err := oauth.ParseMetadata(fhirBase, []byte(described(object{"code_challenge_methods_supported": []string{"plain", "S256"}})))
	want := oauth.Server{Issuer: "https://login.test/oauth2/aus1", JWKS: "https://ehr.test/oauth2/v1/keys",
		Authorization: "https://ehr.test/oauth2/v1/authorize", Token: "https://ehr.test/oauth2/v1/token",
		Introspection: "https://ehr.test/oauth2/v1/introspect", Revocation: "https://ehr.test/oauth2/v1/revoke", AuthorizePost: true}
	if err != nil || m.Server() != want || !m.Can("sso-openid-connect") || m.Can("launch-standalone") || !slices.Equal(m.GrantTypes, []string{"authorization_code"}) {
		t.Errorf("%+v, %v", m, err)
	}
	for _, member := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri", "introspection_endpoint", "revocation_endpoint", "end_session_endpoint", "issuer"} {
		for _, bad := range []any{
			"http://ehr.test/x", "javascript:alert(1)", "ftp://ehr.test/x", "data:,x", "https://a:b@ehr.test/x", "https://ehr.test/x?a=b", "https://ehr.test/x?",
			"https://ehr.test/x#f", "https://", "https:x", "http://10.0.0.1/x", "https://ehr.test:0/x", "https://ehr.test:x/", "\x00", 7, []string{"https://ehr.test/x"}, true,
		} {
			m, err := oauth.ParseMetadata(fhirBase, []byte(described(object{member: bad})))
			wantRefusedDocument(t, fmt.Sprintf("%s is %v", member, bad), member, m, err)
		}
	}
	for name, c := range map[string]struct{ body, member string }{
		"T015 no authorization endpoint": {described(object{"authorization_endpoint": nil}), "authorization_endpoint"},
		"T015 no token endpoint":         {described(object{"token_endpoint": nil}), "token_endpoint"},
		"T015 an empty token endpoint":   {described(object{"token_endpoint": ""}), "token_endpoint"},
		"T015 no challenge methods":      {described(object{"code_challenge_methods_supported": nil}), "code_challenge_methods_supported"},
		"T015 plain alone":               {described(object{"code_challenge_methods_supported": []string{"plain"}}), "code_challenge_methods_supported"},
		"T015 s256":                      {described(object{"code_challenge_methods_supported": []string{"s256"}}), "code_challenge_methods_supported"},
		"T015 S256 as a text":            {described(object{"code_challenge_methods_supported": "S256"}), "document"},
		"T015 no capabilities":           {described(object{"capabilities": nil}), "capabilities"},
		"T015 a page":                    {"<!doctype html><title>Sign in</title>", "document"},
		"T015 a list":                    {"[" + described(nil) + "]", "document"},
		"T015 two documents":             {described(nil) + described(nil), "document"},
		"T015 a member twice":            {strings.TrimSuffix(described(nil), "}") + `,"token_endpoint":"https://evil.test/"}`, "document"},
		"T015 nothing":                   {"", "document"},
		"T015 70 kB":                     {described(object{"x": strings.Repeat("x", 70<<10)}), "document"},
		"T015 too deep":                  {strings.TrimSuffix(described(nil), "}") + `,"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}", "document"},
	} {
		m, err := oauth.ParseMetadata(fhirBase, []byte(c.body))
		wantRefusedDocument(t, name, c.member, m, err)
	}
	if _, err := oauth.ParseMetadata(fhirBase, []byte(described(object{"issuer": nil, "jwks_uri": nil}))); err != nil {
		t.Errorf("a server without OpenID Connect: %v", err)
	}
}

func wantRefusedDocument(t *testing.T, name, member string, m oauth.Metadata, err error) {
	t.Helper()
	var refused *oauth.MetadataError
	if !errors.As(err, &refused) || !errors.Is(err, oauth.ErrMalformed) || refused.Member != member && refused.Member != "document" ||
		member == "document" && refused.Member != member || m.Server() != (oauth.Server{}) {
		t.Errorf("%s: %v, %+v", name, err, m)
	}
}

// TestRelativeEndpoints: those of legacy servers are taken from the FHIR base, with or without the slash behind it.
func TestRelativeEndpoints(t *testing.T) {
	for _, base := range []string{fhirBase, fhirBase + "/"} {
		for given, want := range map[string]string{
			"/oauth2/token": "https://ehr.test/oauth2/token", "auth/token": fhirBase + "/auth/token", "./token": fhirBase + "/token",
			"../token": "https://ehr.test/fhir/token", "//ehr.test:8443/token": "https://ehr.test:8443/token",
		} {
			m, err := oauth.ParseMetadata(base, []byte(described(object{"token_endpoint": given})))
			if err != nil || m.Server().Token != want {
				t.Errorf("%s from %s: %s, %v", given, base, m.Server().Token, err)
			}
		}
	}
	if m, err := oauth.ParseMetadata("http://ehr.test/fhir", []byte(described(object{"token_endpoint": "token"}))); err == nil {
		t.Errorf("an endpoint without TLS: %+v", m)
	}
}

// TestT015Pinned: what a fresh document may change, and what keeps the one before it in force.
func TestT015Pinned(t *testing.T) {
	before := parsed(t, described(nil))
	for name, c := range map[string]struct {
		changes object
		want    []string // members named
	}{
		"the same":                     {nil, nil},
		"another path":                 {object{"token_endpoint": "https://ehr.test/oauth2/v2/token"}, nil},
		"the port written out":         {object{"token_endpoint": "https://EHR.test:443/oauth2/v1/token"}, nil},
		"more capabilities":            {object{"capabilities": []string{"launch-ehr", "context-style"}}, nil},
		"an endpoint less":             {object{"revocation_endpoint": nil}, nil},
		"an endpoint more":             {object{"end_session_endpoint": "https://ehr.test/logout"}, nil},
		"one more, elsewhere":          {object{"end_session_endpoint": "https://evil.test/logout"}, []string{"end_session_endpoint"}},
		"another issuer":               {object{"issuer": "https://evil.test"}, []string{"issuer"}},
		"the issuer with a slash":      {object{"issuer": "https://login.test/oauth2/aus1/"}, []string{"issuer"}},
		"the issuer in another case":   {object{"issuer": "https://LOGIN.test/oauth2/aus1"}, []string{"issuer"}},
		"no issuer":                    {object{"issuer": nil}, []string{"issuer"}},
		"another host":                 {object{"token_endpoint": "https://evil.test/token"}, []string{"token_endpoint"}},
		"a host below":                 {object{"token_endpoint": "https://x.ehr.test/token"}, []string{"token_endpoint"}},
		"another port":                 {object{"introspection_endpoint": "https://ehr.test:8443/i"}, []string{"introspection_endpoint"}},
		"loopback":                     {object{"revocation_endpoint": "http://127.0.0.1/r"}, []string{"revocation_endpoint"}},
		"keys of another host":         {object{"jwks_uri": "https://evil.test/keys"}, []string{"jwks_uri"}},
		"an authorization page of E":   {object{"authorization_endpoint": "https://evil.test/auth"}, []string{"authorization_endpoint"}},
		"several":                      {object{"issuer": "https://evil.test", "token_endpoint": "https://evil.test/t"}, []string{"issuer", "token_endpoint"}},
		"a promise of iss that is new": {object{"authorization_response_iss_parameter_supported": true}, nil},
	} {
		t.Run("T015 "+name, func(t *testing.T) {
			now := parsed(t, described(c.changes))
			err := oauth.Pinned(before, now)
			var moved *oauth.PinError
			var got []string
			if errors.As(err, &moved) {
				for _, change := range moved.Changes {
					got = append(got, change.Member)
				}
			}
			if !slices.Equal(got, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("%v", err)
			}
			for _, member := range c.want {
				if !strings.Contains(err.Error(), member) {
					t.Errorf("%v does not name %s", err, member)
				}
			}
		})
	}
	promised := parsed(t, described(object{"authorization_response_iss_parameter_supported": true}))
	if err := oauth.Pinned(promised, before); err == nil {
		t.Error("T015 the promise of iss can be taken back")
	}
	if err := oauth.Pinned(before, oauth.Metadata{}); err == nil || !strings.Contains(err.Error(), "code_challenge_methods_supported") {
		t.Errorf("T015 S256 can be lost: %v", err)
	}
}

func parsed(t *testing.T, document string) oauth.Metadata {
	t.Helper()
	m, err := oauth.ParseMetadata(fhirBase, []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestT015Athena: the document that athenahealth's preview has published is one that can be used.
func TestT015Athena(t *testing.T) {
	body, err := os.ReadFile("../../../shared/platforms/data/athena-preview-smart-configuration.json")
	if err != nil {
		t.Skip("the document is not here")
	}
	m, err := oauth.ParseMetadata("https://api.preview.platform.athenahealth.com/fhir/r4", body)
	s := m.Server()
	if err != nil || s.Issuer != "https://athena.okta.com/oauth2/aus2hff5eqFb7Wqfh297" || s.Token != "https://api.platform.athenahealth.com/oauth2/v1/token" ||
		!s.AuthorizePost || !m.Can("sso-openid-connect") || !m.Can("permission-v2") {
		t.Errorf("%+v, %v", m, err)
	}
	if err := newClient(t, "https://iam.test", nil).Use(s); err != nil {
		t.Error(err)
	}
}

// TestFetchMetadata: one question at the right place over TLS, with the ETag of last time; nothing is followed, and a
// hostile answer costs little.
func TestFetchMetadata(t *testing.T) {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		t.Skip("this system verifies certificates itself and cannot be given an authority")
	}
	e := newEvil(t)
	requests := make(chan *http.Request, 16)
	w := &wire{to: secure(t, &tls.Config{Certificates: []tls.Certificate{authority.issue(nil)}}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r
		w.Header().Set("ETag", `"v1"`)
		switch r.URL.Path {
		case "/moved/.well-known/smart-configuration":
			w.Header().Set("Location", e.url)
			w.WriteHeader(http.StatusFound)
		case "/page/.well-known/smart-configuration":
			fmt.Fprint(w, "<html>")
		case "/gone/.well-known/smart-configuration":
			w.WriteHeader(http.StatusNotFound)
		case "/odd/.well-known/smart-configuration":
			w.WriteHeader(http.StatusNotModified)
		case "/large/.well-known/smart-configuration":
			_, _ = io.CopyN(w, zeros{}, 1<<20)
		default:
			if w.Header().Set("Date", time.Now().Add(10*time.Minute).UTC().Format(http.TimeFormat)); r.Header.Get("If-None-Match") == `"v1"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			fmt.Fprint(w, described(nil))
		}
	}))}
	fetch := func(base, etag string) (oauth.Document, error) {
		d, err := oauth.FetchMetadata(t.Context(), w.dial, base, etag)
		return d, err
	}
	for _, base := range []string{"https://iam.test/fhir/r4", "https://iam.test/fhir/r4/"} {
		d, err := fetch(base, "")
		r := <-requests
		if err != nil || d.Raw != described(nil) || d.ETag != `"v1"` || d.Unchanged || !d.ClockSaid || (d.ClockAhead-10*time.Minute).Abs() > time.Minute {
			t.Errorf("%+v, %v", d, err)
		}
		if r.Method != http.MethodGet || r.URL.String() != "/fhir/r4/.well-known/smart-configuration" || !strings.Contains(r.Header.Get("Accept"), "application/json") ||
			r.Header.Get("Authorization") != "" || r.Header.Get("If-None-Match") != "" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
	}
	if d, err := fetch("https://iam.test/fhir/r4", `"v1"`); err != nil || !d.Unchanged || d.Raw != "" || d.ETag != `"v1"` {
		t.Errorf("with the ETag: %+v, %v", d, err)
	}
	for base, status := range map[string]int{"https://iam.test/moved": 302, "https://iam.test/gone": 404, "https://iam.test/odd": 304} {
		var refused *oauth.ResponseError
		if d, err := fetch(base, ""); !errors.As(err, &refused) || refused.Status != status || d != (oauth.Document{}) {
			t.Errorf("%s: %+v, %v", base, d, err)
		}
	}
	var transport *oauth.TransportError
	if _, err := fetch("https://iam.test/large", ""); !errors.As(err, &transport) || !errors.Is(err, oauth.ErrTooLarge) {
		t.Errorf("a megabyte: %v", err)
	}
	if d, err := fetch("https://iam.test/page", ""); err != nil {
		t.Error(err)
	} else if _, err = oauth.ParseMetadata(fhirBase, []byte(d.Raw)); !errors.Is(err, oauth.ErrMalformed) {
		t.Errorf("a page: %v", err)
	}
	for _, base := range []string{"http://iam.test/fhir", "javascript:alert(1)", "https://a@iam.test/fhir", "https://iam.test/fhir?x=y", "", "fhir"} {
		if _, err := fetch(base, ""); !errors.As(err, &transport) || transport.Sent {
			t.Errorf("%q: %v", base, err)
		}
	}
	if _, err := oauth.FetchMetadata(t.Context(), w.dial, "https://evil.test/fhir", ""); !errors.Is(err, oauth.ErrCertificate) {
		t.Errorf("another host's certificate: %v", err)
	}
	e.untouched(t)
}
