package check

import (
	"net/url"
	"slices"
	"strings"

	"locum/bff/oauth"
	"locum/bff/platform"
)

// app judges an entry of athenahealth or of another SMART server.
func (c *checker) app(i int, p *platform.Platform) {
	if p.Kind == platform.KindAthena {
		c.environment(i, p)
	} else if u, err := url.Parse(p.FHIRBase); err == nil && isReserved(u.Hostname()) {
		c.setting(Error, "settings.placeholder", entry(i)+".fhir_base", "it leads to a name for examples", "write the server's own FHIR base URL")
	}
	if strings.Contains(p.Server.Issuer, "/your-") {
		c.setting(Error, "settings.placeholder", entry(i)+".issuer", "this stands for the issuer of the environment's id_tokens",
			"write the member issuer of "+p.FHIRBase+"/.well-known/smart-configuration")
	}
	if !slices.Contains(p.Scopes, "offline_access") {
		c.setting(Warning, "settings.no-offline", entry(i)+".scopes", "without offline_access a connection ends with its first access token, mostly after an hour",
			"add offline_access, if the application is registered for it")
	}
	if p.Auth.Method == oauth.AuthPost && p.Kind == platform.KindAthena {
		c.setting(Note, "settings.secret-posted", entry(i)+".auth.method", "athenahealth takes a posted secret only of applications that are set up for it "+
			"(athenahealth guide, Token Endpoint, Troubleshooting)", "write client_secret_basic, unless this one is")
	}
	if p.Auth.Method == oauth.AuthKey && p.Auth.Audience == oauth.AudienceIssuer && p.Kind == platform.KindAthena {
		c.setting(Warning, "settings.audience", entry(i)+".auth.audience", "athenahealth expects its token URL as audience of assertions "+
			"(athenahealth guide, Forming the JWT Assertion)", "write token_endpoint, or leave the key out")
	}
	if p.KeysURI != "" && c.cfg.PublicURL.Scheme == "http" && !onLoopback(home(p)) {
		c.setting(Error, "settings.keys-http", "public_url", "nobody but this machine can read the public keys at "+p.KeysURI,
			"write the https address under which Locum is reached, or register the keys by hand: "+c.command("keys export "+p.ID))
	}
	c.kept(i, p)
}

// environment compares what an entry is called with the environment that it is for.
func (c *checker) environment(i int, p *platform.Platform) {
	production := p.FHIRBase == "https://api.platform.athenahealth.com/fhir/r4"
	preview := p.FHIRBase == "https://api.preview.platform.athenahealth.com/fhir/r4"
	tests := hasWord(p.ID, "sandbox", "preview", "staging", "dev", "test") || hasWord(p.Name, "sandbox", "preview", "staging", "test")
	switch {
	case production && tests:
		c.setting(Error, "settings.realm-id", entry(i)+".id", "it reads as a place for tests, but the environment is production: real patients",
			"write environment: preview, or an id and a name that say production")
	case preview && !tests && (hasWord(p.ID, "production", "live") || hasWord(p.Name, "production", "live")):
		c.setting(Error, "settings.realm-id", entry(i)+".id", "it reads as production, but the environment is preview",
			"write environment: production, or an id and a name that say preview")
	}
	if preview && p.Server.Issuer == platform.AthenaIssuer {
		c.setting(Warning, "settings.issuer-environment", entry(i)+".issuer", "this is the issuer that production's documents name", "compare it with the member issuer of "+
			p.FHIRBase+"/.well-known/smart-configuration")
	}
	if sandbox := p.FHIRBase[:len(p.FHIRBase)-len("/fhir/r4")] + "/v1/195900"; production &&
		slices.ContainsFunc(p.Clinics, func(l platform.ClinicLink) bool { return l.URL == sandbox }) {
		c.setting(Warning, "settings.practice-sandbox", entry(i)+".practices", "195900 is athenahealth's sandbox, which is no practice of production",
			"write the number of your own practice")
	}
}

// kept judges how connections are kept alive where refresh tokens live for weeks.
func (c *checker) kept(i int, p *platform.Platform) {
	if p.Refresh.Kind == platform.KindRotating && p.Refresh.Leeway < shortLeeway {
		c.setting(Warning, "settings.leeway-short", entry(i)+".refresh.leeway", "Locum stays five seconds away from both its ends, so nothing is left of it",
			"ask the platform for a longer one")
	}
	if most, known := athenaTokens[p.FHIRBase]; known && p.Refresh.PerMinute > most {
		c.setting(Warning, "settings.refresh-budget", entry(i)+".refresh.per_minute", "it is more than the 50 requests a minute that athenahealth allows in production: "+
			"it would refuse refreshes", "write 50 or less")
	}
	if p.Ending == platform.EndingForget {
		c.setting(Warning, "settings.on-disconnect", entry(i)+".on_disconnect", "the tokens of a connection that a practitioner ends work on until they run out",
			"write revoke, unless the platform cannot do it")
	}
}

// athenaTokens is how many requests a minute athenahealth's token endpoint takes in production (guide, Migration).
var athenaTokens = map[string]int{"https://api.platform.athenahealth.com/fhir/r4": 50}

// serviceSeen compares service connections with those who may see them.
func (c *checker) serviceSeen() {
	for i, p := range c.cfg.Platforms {
		if p.Service != nil && len(c.cfg.Administrators) == 0 {
			c.setting(Warning, "settings.service-unseen", entry(i)+".service", "nobody may see or use this service connection", "name a login under administrators")
		}
	}
}
