package platform

import (
	"slices"
	"time"
)

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
	EndingRevoke     = "revoke"      // RFC 7009; on Keycloak it ends the login, so Locum spares one on which another connection hangs
	EndingEndSession = "end_session" // the login behind the connection is ended, with every connection that hangs on it
	EndingForget     = "forget"      // nothing is told to the platform; the tokens end by themselves
)

// RefreshPolicy is how a platform's tokens are kept alive. Kind, Reuse and Leeway are what the operator knows of the
// authorization server; KindUnknown lets Locum learn it. PerMinute bounds the requests to the token endpoint, 0 being no
// bound but the spread of five a second. SessionMax is how long a login lives at most, 0 unknown. Window is how long a
// refresh token lives that nobody uses, for servers whose answers do not say; 0: the answers say it.
type RefreshPolicy struct {
	Kind       string
	Reuse      int
	Leeway     time.Duration
	PerMinute  int
	KeepAlive  string // "": KeepAlways
	Hours      *Hours // for KeepHours
	SessionMax time.Duration
	Window     time.Duration
}

// faults says what in a policy cannot be, or does not go together.
func (r RefreshPolicy) faults() (faults []error) {
	fault := func(field, message string) { faults = append(faults, &FieldError{"Refresh." + field, message}) }
	kinds := []string{KindUnknown, KindNone, KindStrict, KindReuse, KindStatic, KindRotating}
	if !slices.Contains(kinds, r.Kind) {
		fault("Kind", "leave it out and let Locum learn it")
	}
	switch {
	case r.Kind == KindReuse && r.Reuse < 1:
		fault("Reuse", "write how often a refresh token may be presented again, as the authorization server is configured")
	case r.Kind != KindReuse && r.Reuse != 0:
		fault("Reuse", "it belongs to rotation: reuse; leave one of the two out")
	}
	switch {
	case r.Kind == KindRotating && r.Leeway < time.Second:
		fault("Leeway", "write how long a refresh token may be presented again, as the authorization server is configured")
	case r.Kind != KindRotating && r.Leeway != 0:
		fault("Leeway", "it belongs to rotation: leeway; leave one of the two out")
	}
	if r.PerMinute < 0 {
		fault("PerMinute", "write a number above zero, or leave it out")
	}
	if r.SessionMax < 0 {
		fault("SessionMax", "write a length above zero, or leave it out")
	}
	if r.Window < 0 {
		fault("Window", "write a length above zero, or leave it out")
	}
	if !slices.Contains([]string{"", KeepAlways, KeepHours, KeepSignedIn}, r.KeepAlive) {
		fault("KeepAlive", "write always, working_hours or signed_in")
	}
	switch hours := r.Hours; {
	case r.KeepAlive == KeepHours && hours == nil:
		fault("Hours", "keep_alive: working_hours needs hours with zone, days, from and to")
	case hours == nil:
	case r.KeepAlive != KeepHours:
		fault("Hours", "they need keep_alive: working_hours; leave one of the two out")
	case hours.Zone == nil:
		fault("Hours", "name the zone, such as America/Vancouver")
	case hours.Days == [7]bool{}:
		fault("Hours", "name the days, such as [mon, tue, wed, thu, fri]")
	case hours.From < 0 || hours.To > 24*time.Hour || hours.From >= hours.To:
		fault("Hours", "write a from that lies before to on the same day")
	}
	return faults
}
