package platform

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"locum/bff/oauth"
	"locum/bff/throttle"
)

// AthenaConfig configures one environment of athenahealth. Preview and production have applications, credentials and keys
// of their own (athenahealth guide, Environment URLs).
type AthenaConfig struct {
	AppConfig
	Environment string // AthenaPreview or AthenaProduction; "" where Base says where it is
	Base        string // the API's origin, where it is neither
	// Issuer is that of the id_tokens, on another host than every endpoint. "": known for production.
	Issuer    string
	Practices []Practice // at least one
}

// Practice is a practice that uses the application, by its number.
type Practice struct{ ID, Name string }

// The environments of athenahealth.
const (
	AthenaPreview    = "preview"
	AthenaProduction = "production"
)

// AthenaIssuer is the issuer of production, as its SMART configuration says. That of preview could not be found.
const AthenaIssuer = "https://athena.okta.com/oauth2/aus2hff5eqFb7Wqfh297"

var athenaBases = map[string]string{
	AthenaPreview: "https://api.preview.platform.athenahealth.com", AthenaProduction: "https://api.platform.athenahealth.com",
}

const (
	athenaFHIR    = "/fhir/r4"
	athenaWindow  = 90 * 24 * time.Hour // of a refresh token, from its last use (athenahealth guide, Token Endpoint)
	practiceParam = "practiceid"
)

// Where nothing else is configured. The limits of the API and preview's token requests are what has been told of the
// platform's predecessor; the 50 a minute are athenahealth's own (guide, Migration).
var (
	athenaLimits = throttle.Limits{
		Endpoint: throttle.Limit{N: 100, Window: time.Second}, Clinic: throttle.Limit{N: 100, Window: time.Second},
	}
	athenaPerMinute    = map[string]int{AthenaPreview: 5, AthenaProduction: 50, "": 50}
	athenaScopes       = append([]string{"offline_access"}, readScopes("user", "read", "Practitioner", "Appointment")...)
	athenaLaunchScopes = append([]string{"user/Practitioner.read"}, readScopes("patient", "read")...)
)

// readScopes are scopes to read a patient's record, and further types.
func readScopes(level, letters string, more ...string) []string {
	var scopes []string
	for _, resource := range append([]string{"Patient", "Encounter", "Observation", "Condition", "MedicationRequest", "AllergyIntolerance"}, more...) {
		scopes = append(scopes, level+"/"+resource+"."+letters)
	}
	return scopes
}

// Athena makes an athenahealth platform. Its endpoints follow from the environment by the layout that the guide documents,
// so no metadata document is trusted. The error joins one *FieldError per fault.
func Athena(c AthenaConfig) (*Platform, error) {
	base := athenaBases[c.Environment]
	if c.Environment == "" {
		base = c.Base
	}
	if c.Issuer == "" && c.Environment == AthenaProduction {
		c.Issuer = AthenaIssuer
	}
	p := c.app(KindAthena)
	p.Server = athenaServer(base, c.Issuer, c.IntrospectionMethod)
	p.FHIRBase, p.SendScope = base+athenaFHIR, true
	if p.Name == "" {
		p.Name = "athenahealth"
	}
	if p.Scopes == nil {
		p.Scopes = slices.Clone(athenaScopes)
	}
	if p.Launch && p.LaunchScopes == nil {
		p.LaunchScopes = slices.Clone(athenaLaunchScopes)
	}
	if c.Limits == nil {
		p.Limits = athenaLimits
	}
	if p.Refresh.Window == 0 {
		p.Refresh.Window = athenaWindow
	}
	if p.Refresh.PerMinute == 0 {
		p.Refresh.PerMinute = athenaPerMinute[c.Environment]
	}
	for _, practice := range c.Practices {
		link := ClinicLink{Name: practice.Name, URL: base + "/v1/" + practice.ID}
		if link.Name == "" {
			link.Name = "Practice " + practice.ID
		}
		p.Clinics = append(p.Clinics, link)
		p.Hint = cmp.Or(p.Hint, practice.ID)
	}
	p.complete(oauth.AuthBasic, "RS256", c.PublicURL)
	p.catalogue(slices.Concat(fhirOperations(athenaFHIR), athenaOperations), 2, "read", "write")
	if err := errors.Join(checkAthena(c, p, base)...); err != nil {
		return nil, err
	}
	return p, nil
}

// athenaServer is the layout of athenahealth (guide, Token Endpoint and Additional OAuth Endpoints; its SMART configuration).
func athenaServer(base, issuer, introspection string) oauth.Server {
	at := base + "/oauth2/v1"
	return oauth.Server{
		Issuer: issuer, Authorization: at + "/authorize", Token: at + "/token", Revocation: at + "/revoke", Introspection: at + "/introspect",
		JWKS: at + "/keys", KeysByClient: true, AuthorizePost: true, IntrospectionMethod: introspection,
	}
}

func checkAthena(c AthenaConfig, p *Platform, base string) []error {
	faults := c.check(p, "athenahealth")
	fault := func(field, message string) { faults = append(faults, &FieldError{field, message}) }
	switch {
	case c.Environment == "" && c.Base == "":
		fault("Environment", "write preview or production")
	case c.Environment != "" && c.Base != "":
		fault("Base", "the environment says where the API is; leave one of the two out")
	case c.Environment != "" && athenaBases[c.Environment] == "":
		fault("Environment", "write preview or production")
	case c.Environment == "" && !IsOrigin(c.Base):
		fault("Base", "write the API's exact lower-case origin: https (http on a literal loopback address only), no path, no slash at the end")
	}
	switch {
	case base == "": // found already
	case c.Issuer == "":
		fault("Issuer", "write the issuer that stands in this environment's SMART configuration ("+p.FHIRBase+
			"/.well-known/smart-configuration, member issuer); it is known for production only")
	case !isBase(c.Issuer):
		fault("Issuer", "write the issuer exactly as the SMART configuration has it: https, no slash, query or fragment at the end")
	}
	seen := map[string]bool{}
	for _, practice := range c.Practices {
		if !isPracticeID(practice.ID) || seen[practice.ID] || !isPrintable(practice.Name) || len(practice.Name) > 80 {
			fault("Practices", "give each practice its number, once, such as 195900, and a name of at most 80 printable characters")
			break
		}
		seen[practice.ID] = true
	}
	if len(c.Practices) == 0 {
		fault("Practices", "list at least one practice; athenahealth's sandbox is 195900")
	}
	switch p.Refresh.Kind {
	case KindUnknown, KindStatic, KindRotating:
	default:
		fault("Refresh.Kind", "athenahealth's refresh tokens are static, or rotate with a leeway; write learn, static or leeway")
	}
	return faults
}

// isPracticeID says whether s is a practice's number.
func isPracticeID(s string) bool {
	return s != "" && len(s) <= 12 && strings.Trim(s, "0123456789") == "" && s[0] != '0'
}
