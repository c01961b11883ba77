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
	Kind string // "jane"
	Name string // what a practitioner reads

	Server      oauth.Server
	ClientID    string
	RedirectURI string   // this platform's own (RFC 9700 §4.4.2)
	LogoutURI   string   // where it tells of logouts (OpenID Connect Back-Channel Logout 1.0 §2.2)
	Scopes      []string // asked for when a clinic is first connected; without openid
	MoreScopes  []string // what a practitioner may allow later, on top of Scopes
	OpenID      bool     // ask for an id_token as well

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
	ends  map[string]string // see EndOf
}

// ClinicLink names a clinic by its address: an origin such as https://clinic.janeapp.com.
type ClinicLink struct{ Name, URL string }

// KnownScope says whether a scope means anything here: some operation needs it, or it is offline_access (OpenID Connect
// Core §11). Whether a practitioner may be asked for it is what Offers says.
func (p *Platform) KnownScope(scope string) bool {
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
// openid first where it is configured.
func (p *Platform) RequestScopes(extra []string) []string {
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

// FieldError says what is wrong with one field of a constructor's configuration. Field is the name of the struct
// field; Message says what is wrong and what would be right.
type FieldError struct{ Field, Message string }

func (e *FieldError) Error() string { return strings.ToLower(e.Field) + ": " + e.Message }
