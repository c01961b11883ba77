package tokens

import (
	"time"

	"locum/bff/platform"
)

// Keeping connections alive that nobody uses, where the operator wants it only at times. What is in use is refreshed in any
// case: somebody works with it.
const (
	leadMost     = 10 * time.Minute // before working hours end
	morningRound = 5 * time.Minute  // after they begin
)

// span is the life of a refresh token: from its receipt to its end, and where in a round of refreshes its connection has its
// place (0 to 1), so that no two rounds are a herd.
type span struct {
	from, to time.Time
	share    float64
}

func (s span) part(d time.Duration) time.Duration { return time.Duration(s.share * float64(d)) }

// allowed is when the platform's policy lets a connection that nobody uses be refreshed, which is due at the time given, or
// that it does not: then it ends unless a call comes.
func (k *Keeper) allowed(h *held, l *lane, s span, at, now time.Time) (time.Time, bool) {
	present := l.policy.KeepAlive == platform.KeepSignedIn || h.now.Load().online
	switch {
	case l.policy.KeepAlive == platform.KeepHours && l.policy.Hours != nil && !present:
		return inHours(l.policy.Hours, s, at, now)
	case present && k.signedIn != nil && !now.Before(at) && !k.signedIn(h.practitioner):
		again := now.Add(max(s.to.Sub(s.from)/12, time.Second)) // perhaps they come back in time
		return again, again.Before(s.to)
	}
	return at, true
}

// inHours moves a refresh into working hours: to their end, so that the connection lasts as far into the night as its
// refresh token allows; and to their next beginning, if it lives to see it. A connection whose refresh token is shorter than
// the night is lost every evening.
func inHours(hours *platform.Hours, s span, at, now time.Time) (time.Time, bool) {
	if at.Before(now) {
		at = now
	}
	opens, _ := hours.Next(at)
	if !at.Before(opens) {
		return at, true
	}
	lead := min(leadMost, s.to.Sub(s.from)/3)
	_, closed := hours.Last(at)
	if evening := closed.Add(-lead); now.Before(closed) && s.from.Before(evening) {
		if at = evening.Add(s.part(lead * 9 / 10)); at.Before(now) {
			at = now
		}
		return at, true
	}
	return opens.Add(s.part(morningRound)), !opens.IsZero() && opens.Before(s.to.Add(forgiven))
}
