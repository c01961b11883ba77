package platform

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"locum/bff/oauth"
	"locum/bff/throttle"
)

// SMARTConfig configures one FHIR server of SMART App Launch 2.2. Its metadata document says the rest.
type SMARTConfig struct {
	AppConfig
	FHIRBase string // "": the issuer is the FHIR base too
	// Issuer is that of the id_tokens, where it is pinned. "": what the first metadata document says; from then on, that.
	Issuer string
	// MetadataSince forgets what was pinned of the server before, where its operator confirms that it has moved.
	MetadataSince time.Time
	SendScope     bool // scope stands in every refresh request
}

// Where nothing else is configured; how much a server bears is nowhere said. Ten seconds let a page of a patient ask for all
// it shows at once.
var (
	smartLimits = throttle.Limits{
		Endpoint: throttle.Limit{N: 200, Window: 10 * time.Second}, Clinic: throttle.Limit{N: 400, Window: 10 * time.Second},
	}
	smartScopes       = append([]string{"offline_access"}, readScopes("user", "rs", "Practitioner", "Appointment")...)
	smartLaunchScopes = append([]string{"user/Practitioner.rs"}, readScopes("patient", "rs")...)
)

// SMART makes a platform of any SMART server. Its endpoints are discovered (Registry.Discover) and may be on other hosts than
// the FHIR base. The error joins one *FieldError per fault.
func SMART(c SMARTConfig) (*Platform, error) {
	if c.FHIRBase == "" {
		c.FHIRBase = c.Issuer
	}
	p := c.app(KindSMART)
	p.Server = oauth.Server{Issuer: c.Issuer, IntrospectionMethod: c.IntrospectionMethod}
	p.Discover, p.MetadataSince, p.FHIRBase, p.SendScope = true, c.MetadataSince, c.FHIRBase, c.SendScope
	host := strings.TrimPrefix(OriginOf(c.FHIRBase), "https://")
	if p.Name == "" {
		p.Name = host
	}
	if p.Scopes == nil {
		p.Scopes = slices.Clone(smartScopes)
	}
	if p.Launch && p.LaunchScopes == nil {
		p.LaunchScopes = slices.Clone(smartLaunchScopes)
	}
	if c.Limits == nil {
		p.Limits = smartLimits
	}
	p.Clinics, p.Hint = []ClinicLink{{Name: p.Name, URL: c.FHIRBase}}, c.FHIRBase
	p.complete(oauth.AuthKey, "RS384", c.PublicURL)
	path := basePath(c.FHIRBase)
	p.catalogue(fhirOperations(path), strings.Count(path, "/"), "rs", "cud")
	if err := errors.Join(checkSMART(c, p)...); err != nil {
		return nil, err
	}
	return p, nil
}

func checkSMART(c SMARTConfig, p *Platform) []error {
	faults := c.check(p, "the server's operator")
	fault := func(field, message string) { faults = append(faults, &FieldError{field, message}) }
	if !isBase(c.FHIRBase) {
		fault("FHIRBase", "write the exact FHIR base URL, such as https://ehr.example.org/fhir/r4: https (http on a literal loopback "+
			"address only), no slash, query or fragment at the end")
	}
	if c.Issuer != "" && c.Issuer != c.FHIRBase && !isBase(c.Issuer) {
		fault("Issuer", "write the issuer exactly as the server's SMART configuration has it, or leave it out: https, no slash, query or "+
			"fragment at the end")
	}
	return faults
}

// basePath is the path of a base URL; "" for an origin or what cannot be read.
func basePath(base string) string {
	u, err := url.Parse(base)
	if err != nil || !isBase(base) {
		return ""
	}
	return u.Path
}
