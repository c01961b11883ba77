package platform_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/throttle"
)

const practice = "https://api.preview.platform.athenahealth.com/v1/195900"

func athenaConfig() platform.AthenaConfig {
	return platform.AthenaConfig{
		AppConfig:   platform.AppConfig{ID: "athena", ClientID: "0oa1", PublicURL: "https://locum.example"},
		Environment: platform.AthenaPreview, Issuer: "https://athena.okta.com/oauth2/preview",
		Practices: []platform.Practice{{ID: "195900", Name: "Sandbox practice"}, {ID: "195901"}},
	}
}

func mustAthena(t *testing.T, change func(*platform.AthenaConfig)) *platform.Platform {
	t.Helper()
	c := athenaConfig()
	if change != nil {
		change(&c)
	}
	p, err := platform.Athena(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAthenaDefaults(t *testing.T) {
	p := mustAthena(t, nil)
	at := "https://api.preview.platform.athenahealth.com/oauth2/v1"
	want := oauth.Server{
		Issuer: "https://athena.okta.com/oauth2/preview", Authorization: at + "/authorize", Token: at + "/token", JWKS: at + "/keys",
		Introspection: at + "/introspect", Revocation: at + "/revoke", KeysByClient: true, AuthorizePost: true,
	}
	if p.Server != want || p.Discover {
		t.Errorf("server %+v", p.Server)
	}
	if p.Auth != (oauth.Auth{Method: oauth.AuthBasic}) || !p.Opaque || !p.SendScope || !p.OpenID || !p.Launch {
		t.Errorf("%+v, opaque %v, scope sent %v", p.Auth, p.Opaque, p.SendScope)
	}
	if p.FHIRBase != "https://api.preview.platform.athenahealth.com/fhir/r4" || p.RedirectURI != "https://locum.example/connect/athena/callback" {
		t.Errorf("%s %s", p.FHIRBase, p.RedirectURI)
	}
	if p.Refresh.Window != 90*24*time.Hour || p.Refresh.PerMinute != 5 {
		t.Errorf("refresh %+v", p.Refresh)
	}
	asked := p.RequestScopes([]string{"launch/patient", "user/Patient.read"})
	if !slices.Equal(asked[:3], []string{"openid", "fhirUser", "offline_access"}) || !slices.Contains(asked, "launch/patient") ||
		strings.Count(strings.Join(asked, " "), "user/Patient.read") != 1 {
		t.Errorf("asked for %v", asked)
	}
	launch := p.LaunchRequest(nil)
	if !slices.Equal(launch[:3], []string{"openid", "fhirUser", "launch"}) || slices.Contains(launch, "offline_access") || !slices.Contains(launch, "patient/Observation.read") {
		t.Errorf("a launch asks for %v", launch)
	}
	production := mustAthena(t, func(c *platform.AthenaConfig) { c.Environment, c.Issuer = platform.AthenaProduction, "" })
	if production.Server.Issuer != platform.AthenaIssuer || production.Refresh.PerMinute != 50 || production.FHIRBase != "https://api.platform.athenahealth.com/fhir/r4" {
		t.Errorf("production %+v, %d a minute", production.Server, production.Refresh.PerMinute)
	}
}

// What the environment publishes of itself is what the constructor knows by heart.
func TestAthenaAgainstItsMetadata(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "platforms", "data", "athena-preview-smart-configuration.json"))
	if err != nil {
		t.Skip("the saved document is not here")
	}
	p := mustAthena(t, func(c *platform.AthenaConfig) { c.Environment, c.Issuer = platform.AthenaProduction, "" })
	known, err := oauth.ParseMetadata(p.FHIRBase, raw)
	if err != nil {
		t.Fatal(err)
	}
	said := known.Server()
	said.KeysByClient = true // of the guide, not of the document
	if said != p.Server {
		t.Errorf("the document says %+v, the constructor %+v", said, p.Server)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil || members["issuer"] != platform.AthenaIssuer {
		t.Errorf("issuer %v: %v", members["issuer"], err)
	}
}

func TestAthenaFaults(t *testing.T) {
	cases := []struct {
		name, field string
		change      func(*platform.AthenaConfig)
	}{
		{"no environment", "Environment", func(c *platform.AthenaConfig) { c.Environment = "" }},
		{"unknown environment", "Environment", func(c *platform.AthenaConfig) { c.Environment = "staging" }},
		{"environment and base", "Base", func(c *platform.AthenaConfig) { c.Base = "https://api.example" }},
		{"base with a path", "Base", func(c *platform.AthenaConfig) { c.Environment, c.Base = "", "https://api.example/v1" }},
		{"http base", "Base", func(c *platform.AthenaConfig) { c.Environment, c.Base = "", "http://api.example" }},
		{"preview without issuer", "Issuer", func(c *platform.AthenaConfig) { c.Issuer = "" }},
		{"issuer with a slash", "Issuer", func(c *platform.AthenaConfig) { c.Issuer += "/" }},
		{"no practice", "Practices", func(c *platform.AthenaConfig) { c.Practices = nil }},
		{"practice of letters", "Practices", func(c *platform.AthenaConfig) { c.Practices = []platform.Practice{{ID: "a-195900"}} }},
		{"practice twice", "Practices", func(c *platform.AthenaConfig) {
			c.Practices = []platform.Practice{{ID: "195900"}, {ID: "195900"}}
		}},
		{"id", "ID", func(c *platform.AthenaConfig) { c.ID = "Athena" }},
		{"client id", "ClientID", func(c *platform.AthenaConfig) { c.ClientID = "" }},
		{"rotation of Keycloak", "Refresh.Kind", func(c *platform.AthenaConfig) { c.Refresh.Kind = platform.KindStrict }},
		{"leeway without its kind", "Refresh.Leeway", func(c *platform.AthenaConfig) { c.Refresh.Leeway = time.Minute }},
		{"end_session", "Ending", func(c *platform.AthenaConfig) { c.Ending = platform.EndingEndSession }},
		{"unknown method", "Auth.Method", func(c *platform.AthenaConfig) { c.Auth.Method = "client_secret_jwt" }},
		{"raw and posted", "Auth.RawBasic", func(c *platform.AthenaConfig) { c.Auth = oauth.Auth{Method: oauth.AuthPost, RawBasic: true} }},
		{"raw with a colon", "Auth.RawBasic", func(c *platform.AthenaConfig) { c.ClientID, c.Auth = "a:b", oauth.Auth{RawBasic: true} }},
		{"audience without keys", "Auth.Audience", func(c *platform.AthenaConfig) { c.Auth = oauth.Auth{Audience: oauth.AudienceIssuer} }},
		{"algorithm without keys", "Auth.Algorithm", func(c *platform.AthenaConfig) { c.Auth = oauth.Auth{Method: oauth.AuthNone, Algorithm: "RS384"} }},
		{"symmetric algorithm", "Auth.Algorithm", func(c *platform.AthenaConfig) { c.Auth = oauth.Auth{Method: oauth.AuthKey, Algorithm: "HS256"} }},
		{"posted secret and GET", "IntrospectionMethod", func(c *platform.AthenaConfig) {
			c.Auth, c.IntrospectionMethod = oauth.Auth{Method: oauth.AuthPost}, "GET"
		}},
		{"cache of seconds", "JWKSCache", func(c *platform.AthenaConfig) { c.JWKSCache = time.Second }},
		{"launch among scopes", "Scopes", func(c *platform.AthenaConfig) { c.Scopes = []string{"launch", "user/Patient.read"} }},
		{"a scope of the service", "Scopes", func(c *platform.AthenaConfig) { c.Scopes = []string{"system/Patient.read"} }},
		{"two scopes in one", "Scopes", func(c *platform.AthenaConfig) { c.Scopes = []string{"user/Patient.rs?a=b user/*.cruds"} }},
		{"a misspelt scope", "Scopes", func(c *platform.AthenaConfig) { c.Scopes = []string{"user/Patient.sr"} }},
		{"a type that is not used", "MoreScopes", func(c *platform.AthenaConfig) { c.MoreScopes = []string{"user/Claim.read"} }},
		{"no scope", "Scopes", func(c *platform.AthenaConfig) { c.Scopes = []string{} }},
		{"an empty limit", "Limits", func(c *platform.AthenaConfig) { c.Limits = &throttle.Limits{} }},
		{"another context", "Standalone", func(c *platform.AthenaConfig) { c.Standalone = []string{"launch/practitioner"} }},
		{"service without authentication", "Service.Auth.Method", func(c *platform.AthenaConfig) { c.Service = service(oauth.AuthNone) }},
		{"service with the same client", "Service.ClientID", func(c *platform.AthenaConfig) { c.Service = service(""); c.ClientID = "0oa2" }},
		{"service without scope", "Service.Scopes", func(c *platform.AthenaConfig) { c.Service = service(""); c.Service.Scopes = nil }},
		{"service with an unknown operation", "Service.Operations", func(c *platform.AthenaConfig) {
			c.Service = service("")
			c.Service.Operations = []string{"athena.everything"}
		}},
		{"service without operation", "Service.Operations", func(c *platform.AthenaConfig) { c.Service = service(""); c.Service.Operations = nil }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			config := athenaConfig()
			c.change(&config)
			_, err := platform.Athena(config)
			var fault *platform.FieldError
			if !errors.As(err, &fault) || fault.Field != c.field || strings.Count(err.Error(), "\n") != 0 {
				t.Errorf("%v", err)
			}
		})
	}
}

func service(method string) *platform.Service {
	return &platform.Service{ClientID: "0oa2", Auth: oauth.Auth{Method: method}, Scopes: []string{"athena/service/Athenanet.MDP.*"}, Operations: []string{"athena.ping"}}
}

func TestAthenaService(t *testing.T) {
	p := mustAthena(t, func(c *platform.AthenaConfig) { c.Service = service(oauth.AuthKey) })
	if p.Service.Auth != (oauth.Auth{Method: oauth.AuthKey, Algorithm: "RS256"}) || p.Service.Name != "athenahealth" {
		t.Errorf("%+v", p.Service)
	}
}

func TestPractices(t *testing.T) {
	p := mustAthena(t, nil)
	want := platform.Clinic{Address: practice, Origin: "https://api.preview.platform.athenahealth.com", Host: "api.preview.platform.athenahealth.com", Name: "Sandbox practice"}
	for _, input := range []string{"195900", practice} {
		if got, err := p.Clinic(input); err != nil || got != want {
			t.Errorf("%q: %+v, %v", input, got, err)
		}
	}
	for input, reason := range map[string]string{
		"": platform.ClinicEmpty, "195902": platform.ClinicNotAllowed, practice + "/": platform.ClinicNotAllowed, "0195900": platform.ClinicNotAllowed,
		"https://api.preview.platform.athenahealth.com": platform.ClinicNotAllowed, strings.Repeat("1", 3000): platform.ClinicTooLong,
	} {
		var refused *platform.ClinicError
		if _, err := p.Clinic(input); !errors.As(err, &refused) || refused.Reason != reason {
			t.Errorf("%.40q: %v", input, err)
		}
	}
	one := mustAthena(t, func(c *platform.AthenaConfig) { c.Practices = c.Practices[:1] })
	if got, err := one.Clinic(""); err != nil || got != want {
		t.Errorf("the only one: %+v, %v", got, err)
	}
	if got := platform.OriginOf(practice); got != want.Origin || p.Practice(practice) != "195900" || mustJane(t).Practice("https://north.janeapp.com") != "" {
		t.Errorf("origin %s", got)
	}
	if name, value := p.SearchParam(practice); name != "ah-practice" || value != "Organization/a-1.Practice-195900" {
		t.Errorf("%s=%s", name, value)
	}
}

func TestClinicOfReferences(t *testing.T) {
	p := mustAthena(t, nil)
	cases := []struct {
		references []string
		practice   string // "" refused
	}{
		{[]string{"a-195900.E-60178"}, "195900"},
		{[]string{"", "https://api.preview.platform.athenahealth.com/fhir/r4/Practitioner/a-195901.Provider-31"}, "195901"},
		{[]string{"Practitioner/a-195900.Provider-11", "a-195900.E-1"}, "195900"},
		{[]string{"Organization/a-1.Practice-195900"}, "195900"},
		{[]string{"a-195900.E-60178", "Practitioner/a-195901.Provider-31"}, ""},
		{[]string{"Practitioner/a-195901.Provider-31/_history/1"}, "195901"},
		{[]string{"a-777.E-1"}, ""},
		{[]string{"pat-1"}, ""},
		{nil, ""},
	}
	for _, c := range cases {
		got, err := p.ClinicOf(c.references...)
		if (err == nil) != (c.practice != "") || p.Practice(got.Address) != c.practice {
			t.Errorf("%v: %+v, %v", c.references, got, err)
		}
	}
	for reference, want := range map[string]bool{
		"a-195900.E-60178": true, "Patient/a-195901.E-60178": false, "pat-1": true, "": true, "a-1.Practice-195901": false, "a-x.E-1": true,
		"Patient/a-195901.E-1/_history/2": false, "https://x.example/Patient/a-195901.E-1?a=b": false, "Patient/a-195900.E-1/_history/a-195901.E-1": false,
		"Patient/a-195900.E-1/_history/2": true,
	} {
		if p.Belongs(practice, reference) != want {
			t.Errorf("%q belongs: %v", reference, !want)
		}
	}
}
