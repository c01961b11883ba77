package platform

import (
	"encoding/json"
	"slices"
	"time"

	"locum/bff/oauth"
)

// Grant is what a verified access token says about one person at one clinic.
type Grant struct {
	Subject      string   // the person, at this issuer
	SID          string   // the login session at the authorization server, where the token names it
	Scopes       []string // granted, which may be fewer or more than asked for
	Roles        []string // at this clinic
	StaffMembers []string // ids of the person's own staff records at this clinic
	// SignedIn is when the person signed in, by the server's clock; zero where the token does not say (OpenID Connect
	// Core §2, auth_time).
	SignedIn time.Time
}

// Codes of a GrantError; the same words as the outcome codes of the connect page.
const (
	GrantWrongClinic = "wrong_clinic"
	GrantBadToken    = "bad_token"
)

// GrantError says why a verified token is no grant for the clinic. Reason is for the operator's log and holds nothing
// from the token.
type GrantError struct{ Code, Reason string }

func (e *GrantError) Error() string { return "no grant (" + e.Code + "): " + e.Reason }

const maxGrantValues = 100

// Grant reads the claims of a verified access token for the clinic with this origin. The audience must be exactly
// that clinic and nothing else ("Jane guide, Resource Matching"): a token for two clinics is refused, since Locum
// could not keep it from being used at the other. Of resource_access and resource_owner only this clinic's entries are
// read. The error is a *GrantError.
func (p *Platform) Grant(claims oauth.Claims, clinic string) (Grant, error) {
	switch {
	case clinic == "" || len(claims.Audience) == 0:
		return Grant{}, &GrantError{GrantWrongClinic, "the token names no clinic"}
	case !slices.Contains(claims.Audience, clinic):
		return Grant{}, &GrantError{GrantWrongClinic, "the token is for another clinic"}
	case len(claims.Audience) > 1:
		return Grant{}, &GrantError{GrantWrongClinic, "the token is for several clinics"}
	case claims.Subject == "":
		return Grant{}, &GrantError{GrantBadToken, "the token names no subject"}
	}
	roles, ok := clinicClaim(claims.Extra["resource_access"], clinic, "roles")
	if !ok {
		return Grant{}, &GrantError{GrantBadToken, "resource_access has another shape"}
	}
	staff, ok := clinicClaim(claims.Extra["resource_owner"], clinic, "staff_members")
	if !ok || slices.ContainsFunc(staff, func(id string) bool { return !ValidID(id) }) {
		return Grant{}, &GrantError{GrantBadToken, "resource_owner has another shape"}
	}
	return Grant{
		Subject: claims.Subject, SID: claims.SID, Scopes: slices.Clone(claims.Scopes), Roles: roles, StaffMembers: staff,
		SignedIn: SignedIn(claims),
	}, nil
}

// SignedIn reads auth_time; zero where it is absent or no date. Nothing but a forecast depends on it.
func SignedIn(claims oauth.Claims) time.Time {
	number, _ := claims.Extra["auth_time"].(json.Number)
	seconds, err := number.Int64()
	if err != nil || seconds <= 0 || seconds > claims.Expiry.Unix() {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// clinicClaim reads claim[clinic][name] as a list of strings. Absent at any level is an empty list; another type at any
// level, or more than 100 values, is not ok.
func clinicClaim(claim any, clinic, name string) ([]string, bool) {
	for _, key := range []string{clinic, name} {
		if claim == nil {
			return nil, true
		}
		object, ok := claim.(map[string]any)
		if !ok {
			return nil, false
		}
		claim = object[key]
	}
	if claim == nil {
		return nil, true
	}
	list, ok := claim.([]any)
	if !ok || len(list) > maxGrantValues {
		return nil, false
	}
	values := make([]string, 0, len(list))
	for _, item := range list {
		value, ok := item.(string)
		if !ok || value == "" || len(value) > 256 {
			return nil, false
		}
		values = append(values, value)
	}
	return values, true
}
