package tokens

import (
	"errors"
	"time"
)

// Kind says what a caller may do about an Error.
type Kind int

// The kinds of errors.
const (
	// NotFound: no such connection, or another practitioner's; the two are not told apart.
	NotFound Kind = iota + 1
	// ReconnectNeeded: the connection has ended; Code says why. Only the practitioner can repair it.
	ReconnectNeeded
	// Misconfigured: the platform refuses Locum itself. Nothing is lost; it heals when the operator has repaired it.
	Misconfigured
	// Unavailable: the platform cannot be reached or cannot be understood just now. RetryAfter says when to ask again.
	Unavailable
	// Storage: the vault or the audit trail cannot be written. Nothing was sent, or what came is kept in memory.
	Storage
	// BadToken: the platform's token does not verify.
	BadToken
	// WrongClinic: the token, or the connection named, is for another clinic.
	WrongClinic
	// WrongPerson: the token is another subject's than the connection's.
	WrongPerson
	// Refused: the token endpoint refused the code, or the platform refused a token that is fresh; Code says which.
	Refused
	// Unknown: the code was sent and no whole answer came. It is never sent again (RFC 6749 §4.1.2).
	Unknown
)

var kindNames = map[Kind]string{
	NotFound: "not found", ReconnectNeeded: "reconnect needed", Misconfigured: "misconfigured", Unavailable: "unavailable",
	Storage: "storage", BadToken: "bad token", WrongClinic: "wrong clinic", WrongPerson: "wrong person", Refused: "refused",
	Unknown: "unknown outcome",
}

// String names the kind for a log.
func (k Kind) String() string { return kindNames[k] }

// Error is what every method of a Keeper answers with. Code is one of the Cause constants and never text of the
// platform's; RetryAfter is 0 when waiting does not help.
type Error struct {
	Kind       Kind
	Connection string
	Code       string
	RetryAfter time.Duration
	Err        error

	down bool // the platform itself failed, or is known to: when it is back, there is nothing to wait for
}

// Error says kind, connection, code and cause.
func (e *Error) Error() string {
	text := "tokens: " + e.Kind.String()
	if e.Connection != "" {
		text += ": connection " + e.Connection
	}
	if e.Code != "" {
		text += ": " + e.Code
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf finds the kind of an error that a Keeper gave, 0 for any other error.
func KindOf(err error) Kind {
	var typed *Error
	if errors.As(err, &typed) {
		return typed.Kind
	}
	return 0
}

// Causes: the closed list of what stands in Error.Code, View.Cause and the audit trail.
const (
	CauseInvalidGrant    = "invalid_grant"       // RFC 6749 §5.2: expired, revoked or used up
	CauseExpired         = "expired"             // not used for as long as its refresh token lived; in a View alone
	CauseSessionEnded    = "session_ended"       // the login behind it is over
	CauseSessionMax      = "session_max"         // that login has reached its absolute end
	CauseLoggedOut       = "logged_out"          // the platform said by itself that the login was ended
	CauseDetached        = "detached"            // another connection of the same login broke the rules of rotation, or lost its end
	CauseSuperseded      = "superseded"          // a newer refresh token than the one here was used
	CauseUserDisabled    = "user_disabled"       // the person may not sign in there any more
	CauseConsent         = "consent_withdrawn"   // the person has taken back what they allowed
	CauseOtherClient     = "other_client"        // the token was another client's
	CauseLostAnswer      = "lost_answer"         // a refresh was sent, its answer never came, and the token it spent was the only one
	CauseRestored        = "restored"            // out of a backup: whether its token is still the newest is not known, or it is not
	CauseNoRefresh       = "no_refresh_token"    // the access token ran out and the platform gave nothing to renew it with
	CauseWrongPerson     = "wrong_person"        // an answer for another subject
	CauseWrongPatient    = "wrong_patient"       // an answer for another patient than the one it was launched for
	CauseLinkedElsewhere = "linked_elsewhere"    // the person at the platform is another practitioner here
	CauseLaunchEnded     = "launch_ended"        // launched from an EHR, for as long as one access token lives
	CauseWrongClinic     = "wrong_clinic"        // an answer for another clinic
	CauseBadToken        = "bad_token"           // a token that does not verify
	CauseInvalidClient   = "invalid_client"      // RFC 6749 §5.2, and the four below: Locum's own registration
	CauseUnauthorized    = "unauthorized_client" //
	CauseInvalidScope    = "invalid_scope"       //
	CauseInvalidRequest  = "invalid_request"     //
	CauseGrantType       = "unsupported_grant_type"
	CausePolicy          = "policy_refused"    // athenahealth's gateway: "Policy evaluation failed"
	CausePosted          = "secret_posted"     // the secret was posted where only Basic works
	CauseAssertion       = "assertion_refused" // the signed assertion does not authenticate Locum
	CauseClock           = "clock_off"         // the same, and the two clocks are minutes apart
	CauseMetadata        = "metadata"          // what the server says of itself is not usable, or contradicts what it said before
	CauseNoKey           = "no_signing_key"    // there is nothing to sign an assertion with
	CauseUnreachable     = "unreachable"       // nothing was sent
	CauseUnavailable     = "unavailable"       // 429, 503 or another refusal that says nothing about the token
	CauseNoAnswer        = "no_answer"         // sent, and the answer is lost, a 5xx, or malformed: the outcome is unknown
	CauseStorage         = "storage"           // the vault or the audit trail cannot be written
	CauseDamaged         = "damaged"           // the vault's record of it does not authenticate
	CauseInvalidToken    = "invalid_token"     // RFC 6750 §3.1: the platform refuses an access token that is fresh
	CauseNotOurs         = "not_found"         // no such connection, or another practitioner's
	CauseClosing         = "closing"           // Locum is stopping
	CauseUnknownSystem   = "unknown_platform"  // the connection's platform is not configured any more
)
