package platform

import (
	"slices"
	"strings"
	"time"

	"locum/bff/oauth"
	"locum/bff/throttle"
)

// Platform is one configured authorization server and the API behind it: an environment of Jane, say. It is a value,
// made by a constructor of its kind and never changed afterwards; several of one kind live side by side.
type Platform struct {
	ID   string // in paths and records: lower-case letters, digits and hyphens, at most 32
	Kind string // one of the Kind constants
	Name string // what a practitioner reads

	Server     oauth.Server // where Discover is set, only what is configured of it
	ClientID   string
	Auth       oauth.Auth
	Scopes     []string // asked for when a clinic is first connected; without openid
	MoreScopes []string // what a practitioner may allow later, on top of Scopes
	OpenID     bool     // ask for an id_token as well

	// This platform's own places at Locum (RFC 9700 §4.4.2; OpenID Connect Back-Channel Logout 1.0 §2.2; SMART App Launch 2.2,
	// "Launch App: EHR Launch"; RFC 7517 §5); the last two "" where there are none.
	RedirectURI, LogoutURI, LaunchURI, KeysURI string

	Discover bool // the endpoints come from FHIRBase's metadata document: Registry.Discover
	// MetadataSince is the day from which on a discovered document is believed: one that was pinned before is forgotten.
	MetadataSince time.Time
	FHIRBase      string        // no slash at the end; aud of authorizations and iss of launches; "" where there is no FHIR
	JWKSCache     time.Duration // how long the platform may keep our public keys
	IDAlgorithms  []string      // of id_tokens; none: RS256 alone
	Opaque        bool          // access tokens are never read: the id_token says who it is (OpenID Connect Core §2)
	Launch        bool          // EHR launches are accepted
	LaunchScopes  []string      // asked for in an EHR launch; without openid
	Standalone    []string      // of launch/patient, launch/encounter: what a practitioner may choose when connecting
	SendScope     bool          // scope stands in every refresh request
	Service       *Service      // the application's own client there; nil: none

	ClinicDomains []string     // every clinic is one label below one of these
	Clinics       []ClinicLink // known clinics; their origins are accepted exactly as they stand
	Hint          string       // an example of a clinic address

	Refresh RefreshPolicy
	Ending  string // how a grant is given back: one of the Ending constants

	Operations []Operation
	Limits     throttle.Limits
	Timeout    time.Duration // of one API call
	MaxAnswer  int           // bytes of one API answer

	index map[string][]rule // of Operations; nil: Match makes one each time
	depth int               // which segment of a path the index is by: the resource's
	ends  map[string]string // see EndOf
}

// Kinds of platform.
const (
	KindJane   = "jane"
	KindAthena = "athenahealth"
	KindSMART  = "smart"
)

// Service is the application's own client at a platform, for calls that no practitioner stands behind (RFC 6749 §4.4). Its
// secret and keys are those of the platform's id + "/service".
type Service struct {
	ClientID   string
	Auth       oauth.Auth
	Scopes     []string
	Operations []string // ids of all that may be called with it
	Name       string   // what administrators read
}

// ClinicLink names a clinic by its address: an origin such as https://clinic.janeapp.com.
type ClinicLink struct{ Name, URL string }

// Practice is the practice id in the address of a clinic of athenahealth; "" for any other kind.
func (p *Platform) Practice(address string) string {
	if p.Kind != KindAthena {
		return ""
	}
	return address[strings.LastIndexByte(address, '/')+1:]
}

// KnownScope says whether a scope means anything here: some operation needs it, or it is offline_access (OpenID Connect
// Core §11). Whether a practitioner may be asked for it is what Offers says.
func (p *Platform) KnownScope(scope string) bool {
	if p.Opaque {
		return p.knownAppScope(scope)
	}
	if scope == "offline_access" {
		return true
	}
	return scope != "" && slices.ContainsFunc(p.Operations, func(o Operation) bool { return o.Scope == scope })
}

// Offers says whether a practitioner may be asked for a scope here: now or later, and never one that the operator has not
// named, since asking for it would fail the whole request (RFC 6749 §4.1.2.1, invalid_scope).
func (p *Platform) Offers(scope string) bool {
	return slices.Contains(p.Scopes, scope) || slices.Contains(p.MoreScopes, scope)
}

// RequestScopes are the scopes of an authorization request: the platform's own and the extra ones, each once, and
// openid first where it is configured; fhirUser too where the id_token says who it is. An EHR launch has LaunchRequest.
func (p *Platform) RequestScopes(extra []string) []string {
	if p.Opaque {
		return union(always, p.Scopes, extra)
	}
	var scopes []string
	if p.OpenID {
		scopes = append(scopes, "openid")
	}
	for _, scope := range slices.Concat(p.Scopes, extra) {
		if !slices.Contains(scopes, scope) && (scope != "openid" || p.OpenID) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// scopes are all scopes that the operations need, sorted.
func (p *Platform) scopes() []string {
	var all []string
	for _, o := range p.Operations {
		if o.Scope != "" {
			all = append(all, o.Scope)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// checkEntry finds what is wrong with what every kind of platform has.
func (p *Platform) checkEntry(publicURL string) (faults []error) {
	fault := func(field, message string) { faults = append(faults, &FieldError{field, message}) }
	if !isLabel(p.ID) || len(p.ID) > 32 {
		fault("ID", "write 1 to 32 lower-case letters, digits or hyphens; it is part of the redirect URI")
	}
	if !isPrintable(p.Name) || len(p.Name) > 80 {
		fault("Name", "write at most 80 printable characters")
	}
	if _, err := ParsePublicURL(publicURL); err != nil {
		fault("PublicURL", err.Error())
	}
	if p.Limits.Endpoint.N < 1 || p.Limits.Endpoint.Window <= 0 || p.Limits.Clinic.N < 1 || p.Limits.Clinic.Window <= 0 {
		fault("Limits", "write numbers of requests and windows above zero")
	}
	return faults
}

// FieldError says what is wrong with one field of a constructor's configuration. Field is the name of the struct
// field; Message says what is wrong and what would be right.
type FieldError struct{ Field, Message string }

func (e *FieldError) Error() string { return strings.ToLower(e.Field) + ": " + e.Message }
