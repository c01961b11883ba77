package config

import (
	"cmp"
	"fmt"
	"strings"

	"locum/bff/oauth"
	"locum/bff/platform"
)

// Extension is how the operator introduces Locum to a platform's people ("Jane guide, Step 1"). Each field is one line
// of printable text, "" where it is not stated.
type Extension struct {
	Name        string `json:"name"`        // practitioners read it where they consent; at most 80 bytes
	Description string `json:"description"` // what it does and why; at most 500 bytes
	Support     string `json:"support"`     // whom the platform asks, by name and address; at most 200 bytes
}

// Registration is what one platform is asked to register. What the kind of platform does not have is empty.
type Registration struct {
	Platform    string   `json:"platform"`
	Name        string   `json:"name"`
	Environment string   `json:"environment"`
	Issuer      string   `json:"issuer"`
	ClientID    string   `json:"client_id"`
	RedirectURI string   `json:"redirect_uri"`
	LogoutURI   string   `json:"backchannel_logout_uri"` // as OpenID Connect Back-Channel Logout 1.0 §2.2 names it
	Scopes      []string `json:"scopes"`
	MoreScopes  []string `json:"more_scopes"`

	FHIRBase     string               `json:"fhir_base,omitempty"`
	LaunchURI    string               `json:"launch_uri,omitempty"` // SMART App Launch 2.2, "Launch App: EHR Launch"
	LaunchScopes []string             `json:"launch_scopes,omitempty"`
	KeysURI      string               `json:"jwks_uri,omitempty"`
	Auth         string               `json:"token_endpoint_auth_method,omitempty"` // as RFC 7591 §2 names it
	Algorithm    string               `json:"token_endpoint_auth_signing_alg,omitempty"`
	Practices    []string             `json:"practices,omitempty"`
	Service      *ServiceRegistration `json:"service,omitempty"`
}

// ServiceRegistration is the application of the platform's service, which is registered by itself.
type ServiceRegistration struct {
	ClientID  string   `json:"client_id"`
	Auth      string   `json:"token_endpoint_auth_method"`
	Algorithm string   `json:"token_endpoint_auth_signing_alg,omitempty"`
	KeysURI   string   `json:"jwks_uri,omitempty"`
	Scopes    []string `json:"scopes"`
}

// Registrations are one per platform, in the order of the file.
func (c *Config) Registrations() []Registration {
	list := make([]Registration, 0, len(c.Platforms))
	for _, p := range c.Platforms {
		r := Registration{
			Platform: p.ID, Name: p.Name, Environment: environment(p), Issuer: p.Server.Issuer, ClientID: p.ClientID,
			RedirectURI: p.RedirectURI, LogoutURI: p.LogoutURI, Scopes: p.RequestScopes(nil), MoreScopes: append([]string{}, p.MoreScopes...),
		}
		if p.Kind != platform.KindJane {
			r.app(p)
		}
		list = append(list, r)
	}
	return list
}

// app adds what a SMART app is registered with.
func (r *Registration) app(p *platform.Platform) {
	r.LogoutURI, r.FHIRBase = "", p.FHIRBase
	r.Scopes = p.RequestScopes(p.Standalone)
	r.LaunchURI, r.Auth, r.Algorithm = p.LaunchURI, p.Auth.Method, p.Auth.Algorithm
	if p.Auth.Method == oauth.AuthKey {
		r.KeysURI = p.KeysURI
	}
	if p.Launch {
		r.LaunchScopes = p.LaunchRequest(nil)
	}
	if p.Kind == platform.KindAthena {
		for _, link := range p.Clinics {
			r.Practices = append(r.Practices, p.Practice(link.URL))
		}
	}
	if s := p.Service; s != nil {
		r.Service = &ServiceRegistration{ClientID: s.ClientID, Auth: s.Auth.Method, Algorithm: s.Auth.Algorithm, Scopes: s.Scopes}
		if s.Auth.Method == oauth.AuthKey {
			r.Service.KeysURI = p.KeysURI
		}
	}
}

// environment names the realm as Jane's guide does ("Environment-Specific Realms"), or athenahealth's environment.
func environment(p *platform.Platform) string {
	switch cmp.Or(p.FHIRBase, p.Server.Issuer) {
	case platform.JaneSandboxIssuer:
		return "partner development"
	case "https://api.preview.platform.athenahealth.com/fhir/r4":
		return "preview"
	case platform.JaneIssuer, "https://api.platform.athenahealth.com/fhir/r4":
		return "production"
	}
	return "of its own"
}

// RegistrationSheet is what an operator sends to a platform to be registered: the extension once, then one block per
// platform with the exact redirect URI ("Jane guide, Step 1": redirect URIs must match exactly). It asks for refresh tokens
// that a confidential client may present again (FAPI 2.0 Security Profile §5.3.2.1).
func (c *Config) RegistrationSheet() string {
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "  %-17s %s\n", name, value) }
	b.WriteString("Registration sheet\n")
	line("extension name", stated(c.Extension.Name, "name"))
	line("description", stated(c.Extension.Description, "description"))
	line("support contact", stated(c.Extension.Support, "support"))
	for _, r := range c.Registrations() {
		fmt.Fprintf(&b, "\n%s (platform %s)\n", r.Name, r.Platform)
		line("environment", r.Environment)
		if r.FHIRBase != "" {
			r.appLines(line)
			continue
		}
		line("issuer", r.Issuer)
		line("redirect URI", r.RedirectURI)
		line("logout told to", r.LogoutURI+" (back channel, with session)")
		line("refresh tokens", "please not revoked when used, or reusable once: a lost answer then costs nobody a sign-in")
		line("client id", r.ClientID)
		line("scopes", strings.Join(r.Scopes, " "))
		if len(r.MoreScopes) > 0 {
			line("scopes for later", strings.Join(r.MoreScopes, " "))
		}
	}
	return b.String()
}

// appLines are the lines of a SMART app, and of its service.
func (r Registration) appLines(line func(name, value string)) {
	some := func(name, value string) {
		if value != "" {
			line(name, value)
		}
	}
	line("FHIR base URL", r.FHIRBase)
	some("issuer", r.Issuer)
	some("practices", strings.Join(r.Practices, " "))
	line("redirect URI", r.RedirectURI)
	some("launch URL", r.LaunchURI)
	line("authentication", authentication(r.Auth, r.Algorithm))
	some("JWKS URL", r.KeysURI)
	line("client id", r.ClientID)
	line("scopes", strings.Join(r.Scopes, " "))
	some("scopes for later", strings.Join(r.MoreScopes, " "))
	some("launch scopes", strings.Join(r.LaunchScopes, " "))
	if s := r.Service; s != nil {
		line("2-legged client", s.ClientID+" (an application of its own)")
		line("its way in", authentication(s.Auth, s.Algorithm))
		some("its JWKS URL", s.KeysURI)
		line("its scopes", strings.Join(s.Scopes, " "))
	}
}

// authentication says how a client authenticates; PKCE is used whichever it is.
func authentication(method, algorithm string) string {
	if algorithm != "" {
		return method + " (" + algorithm + ")"
	}
	return method
}

func stated(value, key string) string {
	if value == "" {
		return "(not stated: write extension." + key + ")"
	}
	return value
}
