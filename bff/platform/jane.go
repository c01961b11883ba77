package platform

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"locum/bff/oauth"
	"locum/bff/throttle"
)

// JaneConfig configures one environment of the Jane Developer Platform.
type JaneConfig struct {
	ID        string // required
	Name      string // "": "Jane"
	Issuer    string // required: https://…/realms/jane or …/realms/jane_partner_sandbox
	ClientID  string // required: the partner_client_id of the registration
	PublicURL string // required: Locum's own origin
	Scopes    []string
	// MoreScopes is what a practitioner may allow later. Zero: to record and correct observations; empty: nothing more.
	MoreScopes []string
	OpenID     bool
	Clinics    []ClinicLink
	Refresh    RefreshPolicy
	Ending     string // "": EndingRevoke
	// ClinicDomains is, where nil, known for Jane's two realms: janeapp.com and jane.qa.
	ClinicDomains []string
	Limits        *throttle.Limits // nil: the limits of the guide
}

// The issuers of Jane's two realms ("Jane guide, Environment-Specific Realms").
const (
	JaneIssuer        = "https://login.id.janeapp.com/realms/jane"
	JaneSandboxIssuer = "https://login.id.janeapp.com/realms/jane_partner_sandbox"
)

// Where nothing else is configured.
var (
	// janeScopes let the app show a schedule, its patients and their observations, and write nothing.
	janeScopes = []string{
		"appointments:read", "patients:read", "staff_members:read", "treatments:read", "disciplines:read", "locations:read",
		"companies:read", "observations:read",
	}
	// janeMoreScopes let it record and correct observations, once the practitioner allows it.
	janeMoreScopes = []string{"observations:create", "observations:update"}
	// janeLimits are "Jane guide, Rate Limits".
	janeLimits = throttle.Limits{
		Endpoint: throttle.Limit{N: 100, Window: time.Minute},
		Clinic:   throttle.Limit{N: 600, Window: 5 * time.Minute},
	}
	janeDomains = map[string][]string{JaneIssuer: {"janeapp.com"}, JaneSandboxIssuer: {"jane.qa"}}
)

const (
	janeTimeout   = 20 * time.Second
	janeMaxAnswer = 4 << 20
)

// Jane makes a Jane platform. The endpoints follow from the issuer by the layout that the guide documents, so that no
// metadata document is trusted; iss is required in every authorization response, because Jane's metadata promises it.
// The error joins one *FieldError per fault.
func Jane(c JaneConfig) (*Platform, error) {
	p := &Platform{
		ID: c.ID, Kind: KindJane, Name: c.Name, ClientID: c.ClientID, OpenID: c.OpenID,
		Server:      janeServer(c.Issuer),
		RedirectURI: c.PublicURL + "/connect/" + c.ID + "/callback", LogoutURI: c.PublicURL + "/connect/" + c.ID + "/backchannel-logout",
		Scopes: slices.Clone(c.Scopes), MoreScopes: slices.Clone(c.MoreScopes),
		Clinics: slices.Clone(c.Clinics), ClinicDomains: slices.Clone(c.ClinicDomains),
		Refresh: c.Refresh, Ending: c.Ending,
		Operations: slices.Clone(janeOperations), Limits: janeLimits, Timeout: janeTimeout, MaxAnswer: janeMaxAnswer,
	}
	if p.Name == "" {
		p.Name = "Jane"
	}
	if c.MoreScopes == nil {
		p.MoreScopes = slices.Clone(janeMoreScopes)
	}
	if p.Scopes == nil {
		p.Scopes = slices.Clone(janeScopes)
	}
	if p.Ending == "" {
		p.Ending = EndingRevoke
	}
	if p.ClinicDomains == nil {
		p.ClinicDomains = janeDomains[c.Issuer]
	}
	if c.Limits != nil {
		p.Limits = *c.Limits
	}
	p.Hint = hint(p)
	if err := errors.Join(checkJane(c, p)...); err != nil {
		return nil, err
	}
	p.depth, p.ends = 2, keycloakEnds // /api/{version}/{resource}
	p.index = index(p.Operations, p.depth)
	return p, nil
}

// janeServer is Keycloak's layout ("Jane guide", Steps 2 and 3, Revoking, Introspection; Jane's saved metadata).
func janeServer(issuer string) oauth.Server {
	base := issuer + "/protocol/openid-connect"
	return oauth.Server{
		Issuer: issuer, Authorization: base + "/auth", Token: base + "/token", Revocation: base + "/revoke",
		Introspection: base + "/token/introspect", EndSession: base + "/logout", JWKS: base + "/certs", RequireIss: true,
	}
}

// hint is an example of a clinic address.
func hint(p *Platform) string {
	switch {
	case len(p.ClinicDomains) > 0:
		return "https://clinic." + p.ClinicDomains[0]
	case len(p.Clinics) > 0:
		return p.Clinics[0].URL
	}
	return ""
}

func checkJane(c JaneConfig, p *Platform) []error {
	faults := p.checkEntry(c.PublicURL)
	fault := func(field, message string) { faults = append(faults, &FieldError{field, message}) }
	if !isIssuer(c.Issuer) {
		fault("Issuer", "write the realm's exact issuer, such as https://login.id.janeapp.com/realms/jane: https "+
			"(http on a literal loopback address only), no slash, query or fragment at the end")
	}
	if !isClientID(c.ClientID) {
		fault("ClientID", "write the partner_client_id that Jane gave at registration")
	}
	for _, domain := range p.ClinicDomains {
		if hostFault(domain) != "" || !strings.Contains(domain, ".") {
			fault("ClinicDomains", "write lower-case domains such as janeapp.com, without a dot or * in front")
			break
		}
	}
	for _, link := range p.Clinics {
		if !IsOrigin(link.URL) || !isPrintable(link.Name) || link.Name == "" || len(link.Name) > 80 {
			fault("Clinics", "give each clinic a name and its exact lower-case origin, such as https://clinic.example.org: "+
				"https (http on a literal loopback address only), no path")
			break
		}
	}
	if len(p.ClinicDomains) == 0 && len(p.Clinics) == 0 {
		fault("ClinicDomains", "name the domain that the clinics' addresses end in, such as janeapp.com, or list clinics")
	}
	if len(p.Scopes) == 0 {
		fault("Scopes", "name at least one scope, or leave the key out for the default")
	}
	if !slices.Contains([]string{EndingRevoke, EndingEndSession, EndingForget}, p.Ending) {
		fault("Ending", "write revoke, end_session or forget")
	}
	faults = append(faults, p.Refresh.faults()...)
	faults = append(faults, p.checkScopes("Scopes", p.Scopes)...)
	return append(faults, p.checkScopes("MoreScopes", p.MoreScopes)...)
}

// checkScopes refuses scopes that no operation needs: asking for more than is used is against RFC 6749 §3.3's spirit
// and Jane's review.
func (p *Platform) checkScopes(field string, scopes []string) []error {
	for _, scope := range scopes {
		switch {
		case scope == "openid":
			return []error{&FieldError{field, "leave openid out and set openid: true"}}
		case !p.KnownScope(scope):
			return []error{&FieldError{field, strconv.Quote(printableStart(scope)) + " is no scope that this API uses; it uses " +
				strings.Join(p.scopes(), ", ")}}
		}
	}
	return nil
}

func printableStart(s string) string { return s[:min(len(s), 40)] }

// isIssuer says whether s is an issuer URL in canonical form (OpenID Connect Discovery §3), with a realm.
func isIssuer(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.User != nil || strings.ContainsAny(s, "?#%\\") || !IsOrigin(u.Scheme+"://"+u.Host) {
		return false
	}
	path, err := ParsePath(u.Path)
	return err == nil && path.String() != "/" && u.Scheme+"://"+u.Host+u.Path == s
}

// IsOrigin says whether s is a lower-case https origin with a host name, or the http origin of a literal loopback
// address; a port is a plain number and not the scheme's own.
func IsOrigin(s string) bool {
	scheme, authority, ok := strings.Cut(s, "://")
	if !ok || scheme != "https" && scheme != "http" {
		return false
	}
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		host, port = authority[:i], authority[i+1:]
		if !portNumber(port) || port == schemePorts[scheme] {
			return false
		}
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	if err == nil {
		return addr.IsLoopback() && !addr.Is4In6() && addr.Zone() == "" && strings.HasPrefix(host, "[") == addr.Is6()
	}
	return scheme == "https" && hostFault(host) == "" && strings.Contains(host, ".")
}

// portNumber says whether s is a port number as it is written.
func portNumber(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

// isVisible says whether s is visible ASCII.
func isVisible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x21 || r > 0x7e })
}
