package tokens

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/vault"
)

// proof is what a token answer says and proves: whose it is, for which clinic and patient, and what it allows.
type proof struct {
	platform.Grant
	issuer, fhirUser string              // of the id_token, where access tokens are not read
	launch           vault.LaunchContext // beside the tokens, without its Kind; empty where the answer has none
}

// check verifies what a token endpoint gave for the chain c: the access token (signature, issuer, azp, lifetime), that it is
// for this clinic, and an id_token where one came. Where access tokens are opaque the id_token alone says who it is. Errors
// are of kind BadToken, WrongClinic, WrongPerson, or Unavailable when the platform's keys cannot be fetched.
//
// nonce is the one that was sent, empty if none was; nil at a refresh, whose id_token may repeat the nonce of the
// sign-in (OpenID Connect Core §12.2), which is not kept.
func check(ctx context.Context, live *platform.Live, c vault.Connection, token oauth.Token, nonce *secret.String) (proof, error) {
	if live.Opaque {
		return checkOpaque(ctx, live, c, token, nonce)
	}
	claims, err := live.OAuth.VerifyAccess(ctx, token.Access)
	if err != nil {
		return proof{}, unverified(err)
	}
	grant, err := live.Grant(claims, c.Clinic)
	if err != nil {
		return proof{}, ungranted(err)
	}
	if token.ID.Empty() {
		return proof{Grant: grant}, nil
	}
	id, err := verifyID(ctx, live, token, nonce)
	switch {
	case err != nil:
		return proof{Grant: grant}, unverified(err)
	case id.Subject != grant.Subject:
		return proof{Grant: grant}, &Error{Kind: WrongPerson, Code: CauseWrongPerson}
	case grant.SignedIn.IsZero():
		grant.SignedIn = platform.SignedIn(id)
	}
	return proof{Grant: grant}, nil
}

// checkOpaque is check where the access token means nothing to us, even if it is a JWT (RFC 6749 §1.4): the person is (iss,
// sub) of the id_token (OpenID Connect Core §5.7). A refresh answer may have none; one that is signed and names another
// issuer or client is as foreign as one for another subject (§12.2; T042).
func checkOpaque(ctx context.Context, live *platform.Live, c vault.Connection, token oauth.Token, nonce *secret.String) (proof, error) {
	p := proof{
		Grant:  platform.Grant{Subject: c.Subject, SID: c.SID, Scopes: strings.Fields(token.Scope)},
		issuer: c.Issuer, fhirUser: c.FHIRUser, launch: contextOf(token.Context),
	}
	switch {
	case !token.ID.Empty():
		id, err := verifyID(ctx, live, token, nonce)
		if nonce == nil && foreign(err) {
			return p, &Error{Kind: WrongPerson, Code: CauseWrongPerson, Err: err}
		}
		if err != nil {
			return p, unverified(err)
		}
		p.Subject, p.issuer, p.SignedIn = id.Subject, id.Issuer, platform.SignedIn(id)
		if id.SID != "" {
			p.SID = id.SID
		}
		if user := fhirUser(id); user != "" {
			p.fhirUser = user
		}
	case nonce != nil: // openid was asked for (OpenID Connect Core §3.1.3.3)
		return p, &Error{Kind: BadToken, Code: CauseBadToken, Err: errors.New("no id_token in the answer")}
	}
	for _, id := range []string{p.launch.Patient, p.launch.Encounter, p.fhirUser} {
		if !live.Belongs(c.Clinic, id) {
			return p, &Error{Kind: WrongClinic, Code: CauseWrongClinic, Err: errors.New("the launch or the person is of another practice")}
		}
	}
	return p, nil
}

func verifyID(ctx context.Context, live *platform.Live, token oauth.Token, nonce *secret.String) (oauth.Claims, error) {
	if nonce == nil {
		return live.OAuth.VerifyRenewedID(ctx, token.ID, token.Access)
	}
	return live.OAuth.VerifyID(ctx, token.ID, *nonce, token.Access)
}

// foreign says whether an id_token is properly signed, and for another client or of another issuer.
func foreign(err error) bool {
	var bad *oauth.TokenError
	return errors.As(err, &bad) && slices.Contains([]string{oauth.TokenIssuer, oauth.TokenAudience, oauth.TokenParty}, bad.Code)
}

// renews says whether an answer may renew the chain c: it is for the same person, and for the same patient where it names
// one (SMART App Launch 2.2: a refresh answer may leave the launch context out).
func (p proof) renews(c vault.Connection) error {
	switch {
	case p.Subject != c.Subject || p.issuer != c.Issuer:
		return &Error{Kind: WrongPerson, Connection: c.ID, Code: CauseWrongPerson}
	case p.launch.Patient != "" && c.Launch.Patient != "" && p.launch.Patient != c.Launch.Patient:
		return &Error{Kind: WrongPerson, Connection: c.ID, Code: CauseWrongPatient}
	}
	return nil
}

// fhirUsers are the types of resource that a person can be (SMART App Launch 2.2, fhirUser claim).
var fhirUsers = []string{"Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person"}

const maxFHIRUser = 512

// fhirUser is the person's own resource at the platform, as an absolute URL or relative to the FHIR base; "" where the
// id_token names none that can be used. Nothing depends on it but what is shown.
func fhirUser(id oauth.Claims) string {
	user, _ := id.Extra["fhirUser"].(string)
	if len(user) > maxFHIRUser || strings.ContainsFunc(user, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	at, err := url.Parse(user)
	if err != nil || at.User != nil || at.Opaque != "" || strings.ContainsAny(user, "?#%\\") {
		return ""
	}
	parts := strings.Split(at.Path, "/")
	n := len(parts)
	absolute := (at.Scheme == "https" || at.Scheme == "http") && at.Host != "" && n >= 3
	relative := at.Scheme == "" && at.Host == "" && n == 2
	if !absolute && !relative || !slices.Contains(fhirUsers, parts[n-2]) || !platform.ValidID(parts[n-1]) {
		return ""
	}
	return user
}

func ungranted(err error) *Error {
	var wrong *platform.GrantError
	if errors.As(err, &wrong) && wrong.Code == platform.GrantWrongClinic {
		return &Error{Kind: WrongClinic, Code: CauseWrongClinic, Err: err}
	}
	return &Error{Kind: BadToken, Code: CauseBadToken, Err: err}
}

func unverified(err error) *Error {
	var bad *oauth.TokenError
	if errors.As(err, &bad) && !bad.Temporary() {
		return &Error{Kind: BadToken, Code: CauseBadToken, Err: err}
	}
	return &Error{Kind: Unavailable, Code: CauseUnreachable, Err: err}
}
