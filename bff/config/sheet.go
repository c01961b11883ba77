package config

import (
	"fmt"
	"strings"

	"locum/bff/platform"
)

// Extension is how the operator introduces Locum to a platform's people ("Jane guide, Step 1"). Each field is one line
// of printable text, "" where it is not stated.
type Extension struct {
	Name        string `json:"name"`        // practitioners read it where they consent; at most 80 bytes
	Description string `json:"description"` // what it does and why; at most 500 bytes
	Support     string `json:"support"`     // whom the platform asks, by name and address; at most 200 bytes
}

// Registration is what one platform is asked to register.
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
}

// Registrations are one per platform, in the order of the file.
func (c *Config) Registrations() []Registration {
	list := make([]Registration, 0, len(c.Platforms))
	for _, p := range c.Platforms {
		list = append(list, Registration{
			Platform: p.ID, Name: p.Name, Environment: environment(p), Issuer: p.Server.Issuer, ClientID: p.ClientID,
			RedirectURI: p.RedirectURI, LogoutURI: p.LogoutURI, Scopes: p.RequestScopes(nil), MoreScopes: p.MoreScopes,
		})
	}
	return list
}

// environment names the realm as Jane's guide does ("Environment-Specific Realms").
func environment(p *platform.Platform) string {
	switch p.Server.Issuer {
	case platform.JaneSandboxIssuer:
		return "partner development"
	case platform.JaneIssuer:
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

func stated(value, key string) string {
	if value == "" {
		return "(not stated: write extension." + key + ")"
	}
	return value
}
