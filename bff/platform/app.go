package platform

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"locum/bff/oauth"
	"locum/bff/throttle"
)

// AppConfig is what one registration as a SMART app is configured by, whatever the kind of platform.
type AppConfig struct {
	ID        string // required
	Name      string
	ClientID  string // required
	PublicURL string // required: Locum's own origin
	// Auth is how the application authenticates; a zero Method is client_secret_basic. JWKSCache is how long the platform may
	// keep our public keys; zero: 15 minutes.
	Auth      oauth.Auth
	JWKSCache time.Duration
	// IDAlgorithms are the signature algorithms of id_tokens, among RS256, RS384 and ES384; none: RS256 alone.
	IDAlgorithms []string
	// Scopes are asked for when a practitioner connects, MoreScopes is what may be allowed later; openid and fhirUser are
	// always asked for. nil Scopes: to read what the schedule and the record show.
	Scopes, MoreScopes []string
	// NoLaunch refuses EHR launches. LaunchScopes are asked for in one; nil: to read the patient's record.
	NoLaunch     bool
	LaunchScopes []string
	Standalone   []string // nil: launch/patient
	Service      *Service
	Refresh      RefreshPolicy
	Ending       string           // "": EndingRevoke
	Limits       *throttle.Limits // nil: the kind's
	// IntrospectionMethod is GET or POST; "": POST, and GET where the server has no POST.
	IntrospectionMethod string
}

const (
	defaultJWKSCache = 15 * time.Minute
	longestJWKSCache = 48 * time.Hour
	fhirMaxAnswer    = 4 << 20
	fhirTimeout      = 20 * time.Second
)

// The launch contexts that a practitioner may ask for (SMART App Launch 2.2, "Requesting context with scopes").
var standaloneContexts = []string{"launch/patient", "launch/encounter"}

// app makes what both kinds have in common. The access token is never read: the id_token says who it is.
func (c AppConfig) app(kind string) *Platform {
	p := &Platform{
		ID: c.ID, Kind: kind, Name: c.Name, ClientID: c.ClientID, OpenID: true, Opaque: true,
		RedirectURI: c.PublicURL + "/connect/" + c.ID + "/callback", LogoutURI: c.PublicURL + "/connect/" + c.ID + "/backchannel-logout",
		Auth: c.Auth, JWKSCache: c.JWKSCache, IDAlgorithms: slices.Clone(c.IDAlgorithms), Launch: !c.NoLaunch,
		Scopes: asked(c.Scopes), MoreScopes: asked(c.MoreScopes), LaunchScopes: asked(c.LaunchScopes), Standalone: slices.Clone(c.Standalone),
		Refresh: c.Refresh, Ending: c.Ending, Timeout: fhirTimeout, MaxAnswer: fhirMaxAnswer,
	}
	if p.Auth.Method == "" {
		p.Auth.Method = oauth.AuthBasic
	}
	if p.JWKSCache == 0 {
		p.JWKSCache = defaultJWKSCache
	}
	if c.Standalone == nil {
		p.Standalone = []string{"launch/patient"}
	}
	if p.Launch {
		p.LaunchURI = c.PublicURL + "/connect/" + c.ID + "/launch"
	} else {
		p.LaunchScopes = nil
	}
	if p.Ending == "" {
		p.Ending = EndingRevoke
	}
	if c.Limits != nil {
		p.Limits = *c.Limits
	}
	if c.Service != nil {
		service := *c.Service
		service.Scopes, service.Operations = slices.Clone(service.Scopes), slices.Clone(service.Operations)
		p.Service = &service
	}
	return p
}

// asked are scopes without those that are asked for in any case; nil stays nil.
func asked(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return slices.Contains(always, PlainScope(scope)) })
}

// always are asked for at every platform whose access tokens are opaque: they are who it is.
var always = []string{"openid", "fhirUser"}

// complete fills in what a client's keys and the application's own client leave out: method is the latter's, algorithm that
// of both's assertions.
func (p *Platform) complete(method, algorithm, publicURL string) {
	if p.Auth.Method == oauth.AuthKey && p.Auth.Algorithm == "" {
		p.Auth.Algorithm = algorithm
	}
	signs := p.Auth.Method == oauth.AuthKey
	if s := p.Service; s != nil {
		if s.Auth.Method == "" {
			s.Auth.Method = method
		}
		if s.Auth.Method == oauth.AuthKey && s.Auth.Algorithm == "" {
			s.Auth.Algorithm = algorithm
		}
		if s.Name == "" {
			s.Name = p.Name
		}
		signs = signs || s.Auth.Method == oauth.AuthKey
	}
	if signs {
		p.KeysURI = publicURL + "/connect/" + p.ID + "/jwks.json"
	}
}

// LaunchRequest are the scopes of an authorization request that answers an EHR launch: the platform's own for launches and
// the extra ones, each once.
func (p *Platform) LaunchRequest(extra []string) []string {
	return union(always, []string{"launch"}, p.LaunchScopes, extra)
}

func union(lists ...[]string) []string {
	var all []string
	for _, scope := range slices.Concat(lists...) {
		if !slices.Contains(all, scope) {
			all = append(all, scope)
		}
	}
	return all
}

// check finds what is wrong with the fields that both kinds share.
func (c AppConfig) check(p *Platform, secretFrom string) []error {
	faults := p.checkEntry(c.PublicURL)
	fault := func(field, message string) { faults = append(faults, &FieldError{field, message}) }
	if !isClientID(c.ClientID) {
		fault("ClientID", "write the client id that "+secretFrom+" gave at registration")
	}
	switch {
	case p.JWKSCache < time.Minute || p.JWKSCache > longestJWKSCache:
		fault("JWKSCache", "write how long the platform keeps our keys, from 1m to 48h")
	case c.JWKSCache != 0 && p.KeysURI == "":
		fault("JWKSCache", "it belongs to method: private_key_jwt; leave one of the two out")
	}
	if p.Ending != EndingRevoke && p.Ending != EndingForget {
		fault("Ending", "write revoke or forget: this platform ends no sign-in of its own for an application")
	}
	for _, context := range p.Standalone {
		if !slices.Contains(standaloneContexts, context) {
			fault("Standalone", "write launch/patient, launch/encounter, both or an empty list")
			break
		}
	}
	switch {
	case !slices.Contains([]string{"", "GET", "POST"}, c.IntrospectionMethod):
		fault("IntrospectionMethod", "write GET or POST, or leave it out")
	case c.IntrospectionMethod == "GET" && p.Auth.Method == oauth.AuthPost:
		fault("IntrospectionMethod", "a GET has no body to post the secret in; authenticate by client_secret_basic, or write POST")
	}
	for _, name := range p.IDAlgorithms {
		if !slices.Contains(algorithms, name) {
			fault("IDAlgorithms", "write one or more of: "+strings.Join(algorithms, ", "))
			break
		}
	}
	faults = append(faults, authFaults("Auth", p.Auth, p.ClientID)...)
	faults = append(faults, p.Refresh.faults()...)
	faults = append(faults, p.checkAppScopes()...)
	return append(faults, p.checkService()...)
}

func isClientID(id string) bool { return id != "" && len(id) <= 256 && isVisible(id) }

// authFaults says what in a way to authenticate contradicts itself: one way at a time, and no option of another.
func authFaults(field string, a oauth.Auth, clientID string) (faults []error) {
	fault := func(name, message string) { faults = append(faults, &FieldError{field + "." + name, message}) }
	methods := []string{oauth.AuthBasic, oauth.AuthPost, oauth.AuthKey, oauth.AuthNone}
	if !slices.Contains(methods, a.Method) {
		fault("Method", "write one of: "+strings.Join(methods, ", "))
		return faults
	}
	if a.RawBasic && a.Method != oauth.AuthBasic {
		fault("RawBasic", "encoding belongs to method: client_secret_basic; leave one of the two out")
	}
	if a.RawBasic && strings.Contains(clientID, ":") {
		fault("RawBasic", "a client id with a colon cannot be sent raw; write encoding: form")
	}
	if a.Method != oauth.AuthKey {
		if a.Audience != "" {
			fault("Audience", "audience belongs to method: private_key_jwt; leave one of the two out")
		}
		if a.Algorithm != "" {
			fault("Algorithm", "algorithm belongs to method: private_key_jwt; leave one of the two out")
		}
		return faults
	}
	if !slices.Contains([]string{"", oauth.AudienceToken, oauth.AudienceIssuer}, a.Audience) {
		fault("Audience", "write token_endpoint or issuer")
	}
	if !slices.Contains(append([]string{""}, algorithms...), a.Algorithm) {
		fault("Algorithm", "write one of: "+strings.Join(algorithms, ", "))
	}
	return faults
}

// algorithms are those of assertions and id_tokens: SMART App Launch 2.2 signs assertions with the last two, athenahealth's
// guide with the first.
var algorithms = []string{"RS256", "RS384", "ES384"}

// checkAppScopes refuses scopes that cannot mean anything here; asking for one fails the whole request at some platforms.
func (p *Platform) checkAppScopes() []error {
	var faults []error
	for _, list := range []struct {
		field  string
		scopes []string
	}{{"Scopes", p.Scopes}, {"MoreScopes", p.MoreScopes}, {"LaunchScopes", p.LaunchScopes}} {
		for _, scope := range list.scopes {
			if message := p.scopeFault(scope); message != "" {
				faults = append(faults, &FieldError{list.field, message})
				break
			}
		}
	}
	if len(p.Scopes) == 0 {
		faults = append(faults, &FieldError{"Scopes", "name at least one scope, or leave the key out for the default"})
	}
	return faults
}

func (p *Platform) scopeFault(scope string) string {
	if PlainScope(scope) == "launch" {
		return "leave launch out: it is asked for in an EHR launch and nowhere else"
	}
	if s, ok := parseResourceScope(scope); ok && s.level == "system" {
		return "scopes of level system are for the application itself, which service configures; write user/ or patient/"
	}
	if p.KnownScope(scope) {
		return ""
	}
	quoted := fmt.Sprintf("%q", printableStart(scope))
	if _, ok := parseResourceScope(scope); ok && isScopeToken(scope) {
		return quoted + " is on a type of resource that Locum does not use; it uses " + strings.Join(p.resources(), ", ")
	}
	return quoted + " is no scope that Locum can use: write such as user/Patient.read (version 1) or user/Patient.rs " +
		"(version 2, letters in the order cruds), offline_access, launch/patient"
}

// resources are the FHIR types that operations are about, in the order of the catalogue.
func (p *Platform) resources() []string {
	var all []string
	for _, o := range p.Operations {
		if o.Resource != "" && !slices.Contains(all, o.Resource) {
			all = append(all, o.Resource)
		}
	}
	return all
}

// knownAppScope is KnownScope for platforms with SMART scopes.
func (p *Platform) knownAppScope(scope string) bool {
	scope = PlainScope(scope)
	if slices.Contains(plainAppScopes, scope) {
		return true
	}
	s, ok := parseResourceScope(scope)
	return ok && isScopeToken(scope) && (s.resource == "*" || slices.Contains(p.resources(), s.resource))
}

// plainAppScopes are the scopes of SMART App Launch 2.2 that are on no resource.
var plainAppScopes = []string{"openid", "fhirUser", "profile", "offline_access", "online_access", "launch", "launch/patient", "launch/encounter"}

// checkService finds what is wrong with the application's own client.
func (p *Platform) checkService() []error {
	s := p.Service
	if s == nil {
		return nil
	}
	var faults []error
	fault := func(field, message string) { faults = append(faults, &FieldError{"Service." + field, message}) }
	if !isClientID(s.ClientID) {
		fault("ClientID", "write the client id of the application that was registered for client_credentials")
	}
	if s.ClientID == p.ClientID {
		fault("ClientID", "it is the platform's own; 2-legged and 3-legged access need an application and credentials each")
	}
	if !isPrintable(s.Name) || len(s.Name) > 80 {
		fault("Name", "write at most 80 printable characters")
	}
	if s.Auth.Method == oauth.AuthNone {
		fault("Auth.Method", "client_credentials needs an authenticated client: write client_secret_basic or private_key_jwt")
	} else {
		faults = append(faults, authFaults("Service.Auth", s.Auth, s.ClientID)...)
	}
	if len(s.Scopes) == 0 {
		fault("Scopes", "name at least one scope: client_credentials is refused without")
	}
	for _, scope := range s.Scopes {
		if !isScopeToken(scope) {
			fault("Scopes", fmt.Sprintf("%q is no scope", printableStart(scope)))
			break
		}
	}
	if len(s.Operations) == 0 {
		fault("Operations", "name at least one operation that may be called with it")
	}
	for _, id := range s.Operations {
		if !slices.ContainsFunc(p.Operations, func(o Operation) bool { return o.ID == id }) {
			fault("Operations", fmt.Sprintf("%q is no operation; there are %s", printableStart(id), strings.Join(p.operationIDs(), ", ")))
			break
		}
	}
	return faults
}

func (p *Platform) operationIDs() []string {
	ids := make([]string, len(p.Operations))
	for i, o := range p.Operations {
		ids[i] = o.ID
	}
	return ids
}

// isScopeToken says whether s is one scope (RFC 6749 §3.3).
func isScopeToken(s string) bool {
	return s != "" && len(s) <= 256 && isVisible(s) && !strings.ContainsAny(s, `"\`)
}

// isBase says whether s is a base URL: an origin, or one with a canonical path and no slash at the end.
func isBase(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.User != nil || strings.ContainsAny(s, "?#%\\") || !IsOrigin(u.Scheme+"://"+u.Host) {
		return false
	}
	if u.Path == "" {
		return u.Scheme+"://"+u.Host == s
	}
	path, err := ParsePath(u.Path)
	return err == nil && path.String() != "/" && u.Scheme+"://"+u.Host+u.Path == s
}
