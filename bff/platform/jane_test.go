package platform_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/throttle"
)

// janeConfig is a Jane of two environments' making: production, with a clinic of its own address and one on loopback.
func janeConfig() platform.JaneConfig {
	return platform.JaneConfig{
		ID: "jane", Issuer: "https://login.id.janeapp.com/realms/jane", ClientID: "locum",
		PublicURL: "https://locum.example.org",
		Clinics: []platform.ClinicLink{
			{Name: "Own address", URL: "https://book.clinic.example"},
			{Name: "Own port", URL: "https://intra.clinic.example:8443"},
			{Name: "Sandbox", URL: "http://127.0.0.1:8123"},
		},
	}
}

func mustJane(t testing.TB) *platform.Platform {
	t.Helper()
	p, err := platform.Jane(janeConfig())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestJane(t *testing.T) {
	p := mustJane(t)
	base := "https://login.id.janeapp.com/realms/jane/protocol/openid-connect"
	want := oauth.Server{Issuer: "https://login.id.janeapp.com/realms/jane", Authorization: base + "/auth", Token: base + "/token",
		Revocation: base + "/revoke", Introspection: base + "/token/introspect", EndSession: base + "/logout",
		JWKS: base + "/certs", RequireIss: true}
	if p.Server != want {
		t.Errorf("server %+v", p.Server)
	}
	if p.RedirectURI != "https://locum.example.org/connect/jane/callback" {
		t.Errorf("redirect URI %s", p.RedirectURI)
	}
	if p.Limits.Endpoint != (throttle.Limit{N: 100, Window: time.Minute}) || p.Limits.Clinic != (throttle.Limit{N: 600, Window: 5 * time.Minute}) {
		t.Errorf("limits %+v", p.Limits)
	}
	if p.Name != "Jane" || p.Kind != "jane" || p.Hint != "https://clinic.janeapp.com" || p.Timeout <= 0 || p.MaxAnswer <= 0 {
		t.Errorf("%s %s %s %v %d", p.Name, p.Kind, p.Hint, p.Timeout, p.MaxAnswer)
	}
	for _, scope := range p.Scopes {
		if strings.HasSuffix(scope, ":create") || strings.HasSuffix(scope, ":update") || strings.HasSuffix(scope, ":delete") {
			t.Errorf("T008 the default asks for more than reading: %s", scope)
		}
	}
}

func TestRequestScopes(t *testing.T) {
	c := janeConfig()
	c.Scopes = []string{"appointments:read"}
	p, err := platform.Jane(c)
	if err != nil {
		t.Fatal(err)
	}
	extra := []string{"observations:create", "appointments:read", "openid", "observations:create"}
	if got := p.RequestScopes(extra); !slices.Equal(got, []string{"appointments:read", "observations:create"}) {
		t.Errorf("without openid: %v", got)
	}
	c.OpenID = true
	if p, err = platform.Jane(c); err != nil {
		t.Fatal(err)
	}
	if got := p.RequestScopes(extra); !slices.Equal(got, []string{"openid", "appointments:read", "observations:create"}) {
		t.Errorf("with openid: %v", got)
	}
	for scope, known := range map[string]bool{"observations:create": true, "offline_access": true, "openid": false, "": false,
		"jane:all_access": false, "appointments:create": false} {
		if p.KnownScope(scope) != known {
			t.Errorf("KnownScope(%q) is %v", scope, !known)
		}
	}
}

func TestJaneRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*platform.JaneConfig)
		fields string // of the faults
	}{
		{"nothing wrong", func(*platform.JaneConfig) {}, ""},
		{"loopback issuer", func(c *platform.JaneConfig) { c.Issuer = "http://127.0.0.1:9000/realms/jane" }, "ClinicDomainsOnly"},
		{"IPv6 loopback issuer", func(c *platform.JaneConfig) { c.Issuer = "http://[::1]:9000/realms/jane" }, "ClinicDomainsOnly"},
		{"id empty", func(c *platform.JaneConfig) { c.ID = "" }, "ID"},
		{"id with a slash", func(c *platform.JaneConfig) { c.ID = "a/b" }, "ID"},
		{"id upper case", func(c *platform.JaneConfig) { c.ID = "Jane" }, "ID"},
		{"id too long", func(c *platform.JaneConfig) { c.ID = strings.Repeat("a", 33) }, "ID"},
		{"name with a control", func(c *platform.JaneConfig) { c.Name = "a\x1b" }, "Name"},
		{"issuer http", func(c *platform.JaneConfig) { c.Issuer = "http://login.id.janeapp.com/realms/jane" }, "Issuer"},
		{"issuer on localhost", func(c *platform.JaneConfig) { c.Issuer = "http://localhost:9000/realms/jane" }, "Issuer"},
		{"issuer on a private address", func(c *platform.JaneConfig) { c.Issuer = "https://10.0.0.1/realms/jane" }, "Issuer"},
		{"issuer with a slash", func(c *platform.JaneConfig) { c.Issuer += "/" }, "Issuer"},
		{"issuer with a query", func(c *platform.JaneConfig) { c.Issuer += "?" }, "Issuer"},
		{"issuer with userinfo", func(c *platform.JaneConfig) { c.Issuer = "https://a@login.id.janeapp.com/realms/jane" }, "Issuer"},
		{"issuer upper case", func(c *platform.JaneConfig) { c.Issuer = "https://LOGIN.id.janeapp.com/realms/jane" }, "Issuer"},
		{"issuer without a realm", func(c *platform.JaneConfig) { c.Issuer = "https://login.id.janeapp.com" }, "Issuer"},
		{"issuer dotted", func(c *platform.JaneConfig) { c.Issuer = "https://login.id.janeapp.com/realms/../jane" }, "Issuer"},
		{"issuer empty", func(c *platform.JaneConfig) { c.Issuer = "" }, "Issuer"},
		{"client id empty", func(c *platform.JaneConfig) { c.ClientID = "" }, "ClientID"},
		{"client id with a space", func(c *platform.JaneConfig) { c.ClientID = "a b" }, "ClientID"},
		{"public URL http", func(c *platform.JaneConfig) { c.PublicURL = "http://locum.example.org" }, "PublicURL"},
		{"domain with a star", func(c *platform.JaneConfig) { c.ClinicDomains = []string{"*.janeapp.com"} }, "ClinicDomains"},
		{"domain with a dot", func(c *platform.JaneConfig) { c.ClinicDomains = []string{".janeapp.com"} }, "ClinicDomains"},
		{"domain of one label", func(c *platform.JaneConfig) { c.ClinicDomains = []string{"com"} }, "ClinicDomains"},
		{"domain an address", func(c *platform.JaneConfig) { c.ClinicDomains = []string{"10.0.0.1"} }, "ClinicDomains"},
		{"clinic http", func(c *platform.JaneConfig) { c.Clinics[0].URL = "http://clinic.example" }, "Clinics"},
		{"clinic on a private address", func(c *platform.JaneConfig) { c.Clinics[0].URL = "https://192.168.0.9" }, "Clinics"},
		{"clinic with a path", func(c *platform.JaneConfig) { c.Clinics[0].URL += "/" }, "Clinics"},
		{"clinic with the usual port", func(c *platform.JaneConfig) { c.Clinics[0].URL += ":443" }, "Clinics"},
		{"clinic with an odd port", func(c *platform.JaneConfig) { c.Clinics[0].URL += ":08443" }, "Clinics"},
		{"clinic v4-mapped", func(c *platform.JaneConfig) { c.Clinics[0].URL = "http://[::ffff:127.0.0.1]:80" }, "Clinics"},
		{"clinic without a name", func(c *platform.JaneConfig) { c.Clinics[0].Name = "" }, "Clinics"},
		{"no clinic at all", func(c *platform.JaneConfig) { c.ClinicDomains, c.Clinics = []string{}, nil }, "ClinicDomains"},
		{"limit of nothing", func(c *platform.JaneConfig) { c.Limits = &throttle.Limits{} }, "Limits"},
		{"no scope at all", func(c *platform.JaneConfig) { c.Scopes = []string{} }, "Scopes"},
		{"openid among the scopes", func(c *platform.JaneConfig) { c.Scopes = []string{"openid"} }, "Scopes"},
		{"scope of no operation", func(c *platform.JaneConfig) { c.Scopes = []string{"jane:all_access"} }, "Scopes"},
		{"several at once", func(c *platform.JaneConfig) { c.ID, c.Issuer, c.ClientID = "", "", "" }, "ID Issuer ClientID"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := janeConfig()
			c.change(&config)
			p, err := platform.Jane(config)
			if c.fields == "" || c.fields == "ClinicDomainsOnly" {
				if err != nil {
					t.Fatal(err)
				}
				if known := len(p.ClinicDomains) == 1; known != (c.fields == "") {
					t.Errorf("clinic domains %v", p.ClinicDomains)
				}
				return
			}
			var fields []string
			if joined, ok := err.(interface{ Unwrap() []error }); ok {
				for _, err := range joined.Unwrap() {
					var fault *platform.FieldError
					if errors.As(err, &fault) && fault.Message != "" {
						fields = append(fields, fault.Field)
					}
				}
			}
			if got := strings.Join(fields, " "); got != c.fields {
				t.Errorf("faults in %q: %v", got, err)
			}
		})
	}
}

func TestParsePublicURL(t *testing.T) {
	for raw, ok := range map[string]bool{
		"https://locum.example.org": true, "https://locum.example.org:8443": true, "https://10.0.0.5": true, "https://intranet": true,
		"http://localhost:8080": true, "http://127.0.0.1:8080": true, "http://127.8.0.1": true, "http://[::1]:8080": true,
		"https://xn--mnchen-3ya.example": true, "http://localhost": true,
		"http://locum.example.org": false, "http://10.0.0.5": false, "http://localhost.example": false, "http://0.0.0.0:8080": false,
		"http://[::ffff:127.0.0.1]:80": false, "http://[fe80::1%25eth0]": false, "": false, "locum.example.org": false,
		"https://locum.example.org/": false, "https://locum.example.org/x": false, "https://locum.example.org?": false,
		"https://locum.example.org#": false, "https://a@locum.example.org": false, "https://Locum.example.org": false,
		"HTTPS://locum.example.org": false, "https://locum.example.org:443": false, "https://locum.example.org:": false,
		"http://localhost:80": false, "https://locum.example.org:0": false, "https://locum.example.org:99999": false,
		"https://münchen.example": false, "https://locum.example.org.": false, "ftp://locum.example.org": false,
		"javascript:alert(1)": false, "https://": false, "https:// ": false, "//locum.example.org": false,
	} {
		u, err := platform.ParsePublicURL(raw)
		if (err == nil) != ok {
			t.Errorf("%q: %v", raw, err)
		}
		if err == nil && u.String() != raw {
			t.Errorf("%q became %s", raw, u)
		}
	}
}
