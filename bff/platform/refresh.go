package platform

import "time"

// Kinds of rotation: what a refresh does to the refresh token that was presented.
const (
	KindUnknown  = ""   // not learned yet: treated as KindStrict
	KindNone     = "K0" // a new one comes, the old one stays good: Keycloak's default
	KindStrict   = "K1" // the old one is spent; presenting it again ends the login's whole client session
	KindReuse    = "K2" // the old one may be presented again RefreshPolicy.Reuse times
	KindStatic   = "O0" // the same one comes back
	KindRotating = "O1" // the old one is good for RefreshPolicy.Leeway; presenting it later ends the chain
)

// Keep-alive policies: when a connection that nobody uses is refreshed.
const (
	KeepAlways   = "always"
	KeepHours    = "working_hours"
	KeepSignedIn = "signed_in" // while its practitioner has a session
)

// Ways of giving a grant back when the practitioner disconnects.
const (
	EndingRevoke     = "revoke"      // RFC 7009; on Keycloak it withdraws consent and ends the person's other connections
	EndingEndSession = "end_session" // the login behind the connection is ended, with every connection that hangs on it
	EndingForget     = "forget"      // nothing is told to the platform; the tokens end by themselves
)

// RefreshPolicy is how a platform's tokens are kept alive. Kind, Reuse and Leeway are what the operator knows of the
// authorization server; KindUnknown lets Locum learn it. PerMinute bounds the requests to the token endpoint, 0 being no
// bound but the spread of five a second. SessionMax is how long a login lives at most, 0 unknown.
type RefreshPolicy struct {
	Kind       string
	Reuse      int
	Leeway     time.Duration
	PerMinute  int
	KeepAlive  string // "": KeepAlways
	Hours      *Hours // for KeepHours
	SessionMax time.Duration
}
