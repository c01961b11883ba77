package tokens

import (
	"context"
	"errors"
	"net/http"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/vault"
)

// phaseRestored is the phase of a record out of a backup: whether its refresh token is still the newest is not known.
const phaseRestored = "restored"

const (
	// settles is how long after its deadline a request may still be processed (refresh-protocol D4, step 6; D5, P2).
	settles = 5 * time.Second
	// leewayMargin is how long before the end of a leeway a token is presented again at the latest, and how long after it
	// one is asked about at the earliest: what is in between may be good when it leaves and spent when it arrives.
	leewayMargin = 5 * time.Second
	// probeDeadline bounds one introspection.
	probeDeadline = 5 * time.Second
)

var (
	errUnproven = errors.New("introspection knows no token of this platform, not even one that works")
	errNoProbe  = errors.New("the platform has no introspection endpoint, and presenting the token again could end other connections")
	errUnsure   = errors.New("the last request may still be under way")
)

// doubts is what a connection's flights remember of what is in doubt. Only touched in turn.
type doubts struct {
	trigger string    // of the flight under way
	sent    time.Time // when this process last presented the refresh token
	doubted time.Time // when this process first presented it without a settled answer
	lost    bool      // the attempt just made was sent, and no answer came
	suspect bool      // found at a start, and older than this Locum would have left it
}

// move is what may be done with a refresh token.
type move int

const (
	present move = iota // it may be presented
	replay              // it may be presented again, though an earlier presentation has no settled answer
	wait                // nothing yet
	ask                 // only if introspection calls it active
	stay                // nothing: it cannot be asked about
)

// move says what may be done with a connection's refresh token now, and how long to wait (refresh-protocol D2 and D4, step
// 6). A replay that the platform's kind does not forgive is never made without asking; where nobody can be asked, it is
// made only by the last live connection of its login, which it can hurt alone, and only while the kind is not known to be
// strict. A replay of a token that may be reused waits as well: if the platform came to the first request after the second,
// the token that it gave for the second would be the stale one.
func (k *Keeper) move(h *held, c vault.Connection, live *platform.Live, now time.Time) (move, time.Duration) {
	r, mute := k.rotation(live), live.OAuth.Server().Introspection == ""
	switch {
	case c.Phase == phaseRestored && !mute:
		return ask, 0
	case c.Phase == phaseRestored && safety(r.Kind) == safety(platform.KindNone):
		return replay, 0
	case c.Phase == phaseRestored:
		return stay, 0
	case c.Phase != phaseInflight && h.suspect && !mute && safety(r.Kind) < safety(platform.KindNone):
		return ask, 0
	case c.Phase != phaseInflight:
		return present, 0
	}
	since := h.since(c.DoubtSince, now)
	left := h.settlesIn(c, now)
	switch {
	case safety(r.Kind) == safety(platform.KindNone):
		return replay, 0
	case r.Kind == platform.KindRotating && since >= 0 && since < r.Leeway-leewayMargin:
		if left > 0 && since >= wireDeadline && since+left < r.Leeway-leewayMargin { // it is slow, and there is time
			return wait, left
		}
		return replay, 0
	case r.Kind == platform.KindRotating && since >= 0:
		left = max(left, r.Leeway+leewayMargin-since)
	}
	switch {
	case left > 0:
		return wait, left
	case r.Kind == platform.KindReuse && c.Reuses <= r.Reuse:
		return replay, 0
	case !mute:
		return ask, 0
	case r.Kind == platform.KindUnknown && len(k.liveSiblings(h)) == 0:
		return replay, 0
	}
	return stay, 0
}

// pressing says whether what an earlier process left can be repeated safely only now: within a leeway.
func (k *Keeper) pressing(c vault.Connection) bool {
	live, err := k.platforms.Get(c.Platform)
	if err != nil || c.Phase != phaseInflight {
		return false
	}
	r, since := k.rotation(live), time.Now().Round(0).Sub(c.DoubtSince)
	return r.Kind == platform.KindRotating && since >= 0 && since < r.Leeway-leewayMargin
}

// since is how long ago the doubt began: by the wall clock, which alone outlives a process and goes on while a machine
// sleeps, and no less than the monotonic clock says. It is negative when the wall clock was set back over a restart.
func (h *held) since(began, now time.Time) time.Duration {
	since := now.Round(0).Sub(began.Round(0))
	if !h.doubted.IsZero() {
		since = max(since, now.Sub(h.doubted))
	}
	return since
}

// settlesIn is how long the last request may still be processed. It is bounded whatever the clocks say.
func (h *held) settlesIn(c vault.Connection, now time.Time) time.Duration {
	const whole = wireDeadline + settles
	if h.sent.IsZero() {
		since := now.Round(0).Sub(c.Attempt.SentAt)
		if since >= 0 {
			return whole - since
		}
		h.sent = now
	}
	return whole - now.Sub(h.sent)
}

// outlived says whether a record that was found at a start is older than this Locum would have left it: it was stopped for
// long, or the record comes out of a backup, so that its refresh token may have been used since by another one.
func outlived(c vault.Connection, now time.Time) bool {
	left := max(2*c.RefreshExpiresIn/3, c.ExpiresIn)
	if c.RefreshExpiresIn == 0 {
		left = max(time.Hour, left)
	}
	return !c.Refresh.Empty() && now.Sub(c.RefreshedAt) > left
}

// resolve sees to it that c's refresh token may be presented, and gives the steps that led to it. The error is the
// flight's: the connection waits, stays as it is, or has ended.
func (k *Keeper) resolve(h *held, c *vault.Connection, live *platform.Live, m move, left time.Duration) ([]vault.Step, error) {
	parent := k.fingerprint(c.Refresh)
	switch m {
	case present:
		return nil, nil
	case replay:
		return []vault.Step{{What: StepReplayed, Trigger: h.trigger, Parent: parent}}, nil
	case wait:
		return nil, k.postponed(h, *c, left)
	case stay:
		return nil, k.failed(h, *c, verdict{Unavailable, doubtCause(*c), c.Phase}, errNoProbe)
	}
	probed := vault.Step{What: StepProbed, Trigger: h.trigger, Code: ProbeActive, Parent: parent}
	active, err := k.probe(h, live, c.Refresh, false)
	switch {
	case err == nil && active:
		h.doubt, h.suspect, h.doubted = false, false, time.Time{}
		c.DoubtSince, c.Phase = time.Time{}, "" // Reuses stays: that it may be used says not how often
		return []vault.Step{probed}, nil
	case err == nil:
		probed.Code = ProbeInactive
		err := k.end(h, *c, k.spentCause(*c, live, time.Now()), probed)
		if c.Phase == phaseInflight { // or the login is over, which its other connections tell
			k.askSiblings(h, live, CauseSessionEnded)
		}
		return nil, err
	case h.suspect && c.Phase == "" && unusable(err): // no more than a suspicion, and nobody to ask
		h.suspect = false
		return nil, nil
	}
	return nil, k.unprobed(h, *c, err)
}

// doubtCause is what is shown while nothing can be done about a doubt.
func doubtCause(c vault.Connection) string {
	if c.Phase == phaseRestored {
		return CauseRestored
	}
	return CauseLostAnswer
}

// spentCause says why a token is inactive, as far as Locum knows by itself.
func (k *Keeper) spentCause(c vault.Connection, live *platform.Live, now time.Time) string {
	forgives := safety(k.rotation(live).Kind) >= safety(platform.KindReuse)
	switch {
	case reached(c, now):
		return CauseSessionMax
	case c.Phase == phaseInflight && !(forgives && unused(c, now)):
		return CauseLostAnswer
	case unused(c, now):
		return CauseExpired
	case c.Phase == phaseRestored:
		return CauseRestored
	}
	return CauseSuperseded
}

// reached says whether the login's absolute end has come, to the minute.
func reached(c vault.Connection, now time.Time) bool {
	return !c.EndsAt.IsZero() && now.After(c.EndsAt.Add(-time.Minute))
}

// unused says whether the refresh token was not used for as long as it lived.
func unused(c vault.Connection, now time.Time) bool {
	return c.RefreshExpiresIn > 0 && now.After(c.ReceivedAt.Add(c.RefreshExpiresIn))
}

// postponed is the answer while a request may still be under way: the keeper comes again when it is not. The practitioner
// sees that something is wrong, and the token they have works.
func (k *Keeper) postponed(h *held, c vault.Connection, left time.Duration) error {
	if cur := h.now.Load(); cur.view.State == StateConnected {
		k.show(h, cur.in(StateDegraded, CauseNoAnswer))
	}
	return &Error{Kind: Unavailable, Connection: c.ID, Code: CauseNoAnswer, RetryAfter: left, Err: errUnsure}
}

// unprobed keeps the connection as it is: introspection said nothing about its token.
func (k *Keeper) unprobed(h *held, c vault.Connection, err error) error {
	v := verdict{Unavailable, CauseNoAnswer, c.Phase}
	var transport *oauth.TransportError
	var response *oauth.ResponseError
	switch {
	case errors.As(err, &transport):
		v.cause = CauseUnreachable
	case errors.Is(err, oauth.ErrSecret), errors.As(err, &response) && response.Status == http.StatusUnauthorized:
		v.kind, v.cause = Misconfigured, CauseInvalidClient
	case c.Phase == phaseRestored:
		v.cause = CauseRestored
	}
	k.jot(c, vault.Step{What: StepProbed, Trigger: h.trigger, Code: ProbeUnusable, Parent: k.fingerprint(c.Refresh)})
	return k.failed(h, c, v, err)
}

// unusable says whether introspection is of no use, rather than not to be had just now.
func unusable(err error) bool {
	var response *oauth.ResponseError
	refused := errors.As(err, &response) && response.Status < 500 && response.Status != http.StatusTooManyRequests
	return refused || errors.Is(err, errUnproven) || errors.Is(err, oauth.ErrMalformed)
}

// introspect asks about one refresh token. It changes nothing at the platform.
func (k *Keeper) introspect(ctx context.Context, live *platform.Live, token secret.String) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, probeDeadline)
	defer cancel()
	found, err := live.OAuth.Introspect(ctx, token, "refresh_token")
	if err == nil && found.Active {
		k.kinds.prove(live.ID, time.Now())
	}
	return found.Active, err
}

// probe says whether a refresh token is good. That it is not is believed only of a platform whose introspection knew a live
// token lately, or knows another connection's now: one that is misconfigured calls every token inactive. Where there is
// nobody to compare with, it is believed; if strict, only of one that has ever known any.
func (k *Keeper) probe(h *held, live *platform.Live, token secret.String, strict bool) (bool, error) {
	active, err := k.introspect(context.Background(), live, token)
	if err != nil || active || k.kinds.isProven(live.ID, time.Now()) {
		return active, err
	}
	other, found := k.witness(h)
	switch {
	case !found && strict && !k.kinds.everProven(live.ID):
		return false, errUnproven
	case !found:
		return false, nil
	}
	known, err := k.introspect(context.Background(), live, other)
	if err == nil && !known {
		err = errUnproven
	}
	return false, err
}

// witness gives the refresh token of another connection of the platform, of another login, that is good as far as Locum
// knows.
func (k *Keeper) witness(h *held) (secret.String, bool) {
	now, sid := time.Now(), h.now.Load().sid
	for _, other := range k.others(h) {
		cur := other.now.Load()
		if !cur.renewable || cur.unsettled || cur.view.State != StateConnected || sid != "" && cur.sid == sid ||
			!cur.keptUntil.IsZero() && left(cur.keptUntil, now) <= 0 {
			continue
		}
		if c, err := k.read(other); err == nil && c.Phase == "" && !c.Refresh.Empty() {
			return c.Refresh, true
		}
	}
	return secret.String{}, false
}

// MarkRestored puts every connection of a vault that comes out of a backup into probe-first, and counts them: whether its
// refresh token is the newest is asked before it is presented, since presenting one that the original has used since ends
// the chain there (refresh-protocol D4, step 8). No Keeper may be open, and the original must have been stopped for good.
func MarkRestored(v *vault.Vault) (n int, err error) {
	k := &Keeper{vault: v}
	err = v.Update(func(tx *vault.Tx) error {
		n = 0
		return vault.Connections.Each(tx, func(c vault.Connection) error {
			if c.State == statePending {
				return nil
			}
			if c.Phase == phaseAnswered { // its refresh token is the newest that this record knows
				token, _ := oauth.ParseToken(oauth.Answer{Status: c.RawStatus, Body: c.Raw, ReceivedAt: c.Attempt.SentAt})
				c.Refresh, c.Raw, c.RawStatus = kept(token.Refresh, c.Refresh), secret.String{}, 0
			}
			if c.Refresh.Empty() {
				return nil
			}
			n++
			c.Phase = phaseRestored
			if err := vault.Connections.Put(tx, c.ID, &c); err != nil {
				return err
			}
			return k.step(tx, c, vault.Step{What: StepRestored, Trigger: triggerOperator})
		})
	})
	return n, err
}
