package tokens

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/throttle"
	"locum/bff/vault"
)

// Back-off of one platform. The first comes after a second, each is twice as long as the one before, less up to a quarter
// so that several Locums do not come together.
const (
	downFirst   = time.Second
	downLast    = 10 * time.Second // so that everything is fresh two minutes after the platform is back
	refusedLast = time.Minute      // while it refuses Locum itself
)

// lane is the way to one platform's token endpoint: how many requests may go, who waits, and whether it answers at all.
//
// The breaker opens with the first request that the platform fails. From then on one request at a time is let go, by
// whichever connection is next, and only after the back-off; the first answer closes it. So a platform that is down sees
// less than one request a second of all connections together, and one that is restarted is found again by the next.
type lane struct {
	policy    platform.RefreshPolicy
	perMinute int          // 0: no budget but the spread
	kick      func()       // something may go now that could not
	conns     atomic.Int64 // connections of the platform

	mu     sync.Mutex
	out    int         // permits taken, answer not heard
	under  []*permit   // those, the oldest first
	back   []time.Time // when those that were heard return, in order
	starts []time.Time // of the last second
	queue  queue
	frozen time.Time // the platform's own word (Retry-After)

	failing   bool
	probe     *permit // the one request under way since the breaker opened
	next      time.Time
	delay     time.Duration
	opened    time.Time
	kind      Kind // and cause: of the last failure
	cause     string
	recovered time.Time // when it last closed
	healed    bool      // closed, and the schedule has not heard of it
	dark      bool      // opened, and the schedule has not heard of it
	hurry     bool      // closed, and what has waited is not fresh yet
}

// outcome is what one request says about the platform, and not about its connection.
type outcome struct {
	kind   Kind   // 0: the platform works
	cause  string //
	unsent bool   // no byte of it left
	lost   bool   // no answer came: it may still be executed
	mute   bool   // it says nothing: Locum stopped
	after  time.Duration
}

// outcomeOf reads how a request went. A refusal of the grant is an answer like any other; what is malformed is none, and
// neither is what a gateway says in the platform's place.
func outcomeOf(live *platform.Live, answer oauth.Answer, err error) outcome {
	var o outcome
	if err == nil {
		if answer.Status == http.StatusTooManyRequests || answer.Status == http.StatusServiceUnavailable {
			o.after, _ = throttle.ParseRetryAfter(answer.RetryAfter, answer.ReceivedAt)
		}
		if _, err = oauth.ParseToken(answer); err == nil {
			return o
		}
	} else {
		var transport *oauth.TransportError
		sent := errors.As(err, &transport) && transport.Sent
		o.unsent, o.lost, o.mute = !sent, sent, errors.Is(err, oauth.ErrClosed)
	}
	var response *oauth.ResponseError
	one := errors.As(err, &response) && // it speaks about one clinic, or about what one person has allowed
		(response.Code == codeTarget || live.SendScope && response.Code == CauseInvalidScope)
	if v := judge(partyOf(live), err); v.kind != ReconnectNeeded && !one {
		o.kind, o.cause = v.kind, v.cause
	}
	return o
}

// ofClient are the causes that stand in the way of every request of this client.
var ofClient = []string{CauseInvalidClient, CauseUnauthorized, CausePosted, CauseAssertion, CauseClock, CauseNoKey}

// ofCode is what the same means for a code: its other refusals speak about that one request.
func (o outcome) ofCode() outcome {
	if o.kind == Misconfigured && !slices.Contains(ofClient, o.cause) {
		o.kind = 0
	}
	return o
}

// settle gives the permit back and lets the breaker know; down says that the platform failed.
func (p *permit) settle(o outcome) (down bool) {
	l, now := p.lane, time.Now()
	defer l.kick()
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.settled {
		return false
	}
	p.settled = true
	l.out--
	l.under = slices.DeleteFunc(l.under, func(other *permit) bool { return other == p })
	probe := l.probe == p
	if probe {
		l.probe = nil
	}
	if l.perMinute > 0 && !o.unsent {
		l.counted(now, o.lost)
	}
	if o.after > 0 && l.frozen.Before(now.Add(o.after)) {
		l.frozen = now.Add(o.after)
	}
	switch {
	case o.mute:
	case p.other && l.failing && l.kind == Misconfigured:
		// Another client's success heals nothing that is held against this one.
	case o.kind == 0:
		l.close(now)
	case l.failing && !probe && p.taken.Before(l.opened):
		// It left before the breaker opened: that the platform was down by then is no news.
	default:
		l.open(o, now)
	}
	return o.kind != 0 && !o.mute
}

// counted notes when the platform has forgotten a request that was heard of then. The caller holds mu.
func (l *lane) counted(heard time.Time, lost bool) {
	at := heard.Add(budgetWindow + budgetMargin)
	if lost {
		at = at.Add(budgetOrphan)
	}
	i, _ := slices.BinarySearchFunc(l.back, at, time.Time.Compare)
	l.back = slices.Insert(l.back, i, at)
}

// recall counts what an earlier process has sent, as far as a record tells: its connection's last request. The lane is not in
// use yet.
func (l *lane) recall(c vault.Connection, now time.Time) {
	heard := c.ReceivedAt
	if sent := c.Attempt.SentAt; !heard.After(sent) {
		heard = sent.Add(wireDeadline)
	}
	ago := now.Sub(heard)
	if l.perMinute > 0 && ago >= -wireDeadline && ago < budgetWindow+budgetMargin+budgetOrphan {
		l.counted(now.Add(-ago), c.Phase == phaseInflight)
	}
}

// open begins the back-off, or doubles it. The caller holds mu.
func (l *lane) open(o outcome, now time.Time) {
	last := downLast
	if o.kind == Misconfigured {
		last = refusedLast
	}
	if !l.failing {
		l.failing, l.opened, l.delay, l.dark = true, now, 0, true
	}
	l.delay = min(max(downFirst, 2*l.delay), last)
	l.next = now.Add(l.delay - rand.N(l.delay/4))
	l.kind, l.cause = o.kind, o.cause
}

// close ends the back-off. The caller holds mu.
func (l *lane) close(now time.Time) {
	if l.failing {
		l.failing, l.recovered, l.healed, l.hurry = false, now, true, true
	}
}

// unsent gives back a permit that nothing was sent with; after settle it does nothing.
func (p *permit) unsent() { p.settle(outcome{unsent: true, mute: true}) }

func (l *lane) isFailing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failing
}

// drags says whether waiting for the platform is not worth a call's time: it is down, or has not answered for a while.
func (l *lane) drags(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failing || len(l.under) > 0 && now.Sub(l.under[0].taken) >= patience
}

// came says whether the platform has come back since then.
func (l *lane) came(since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.failing && l.recovered.After(since)
}

// heals says once that the platform has come back.
func (l *lane) heals() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	healed := l.healed
	l.healed = false
	return healed
}

// darkens says once that the platform has gone.
func (l *lane) darkens() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	dark := l.failing && l.dark
	l.dark = false
	return dark
}

// calm says that nothing waits any more.
func (l *lane) calm() {
	l.mu.Lock()
	l.hurry = false
	l.mu.Unlock()
}

// refusal is what a caller is told who gets no permit. wait is how long until asking makes sense; 0: it is estimated.
func (l *lane) refusal(wait time.Duration) *Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); wait <= 0 {
		wait = max(l.estimate(classCall, now).Sub(now), backoffFirst)
	}
	e := &Error{Kind: Unavailable, Code: CauseUnavailable, RetryAfter: wait}
	if l.failing {
		e.Kind, e.Code = l.kind, l.cause
	}
	return e
}

// showDown shows a connection as what its platform is. It is not stored and not recorded: nothing was asked for it, and the
// platform's failures stand in the records of those that were.
func (k *Keeper) showDown(h *held, l *lane) {
	l.mu.Lock()
	failing, kind, cause := l.failing, l.kind, l.cause
	l.mu.Unlock()
	before := h.now.Load()
	if !failing || before.view.State == StateReconnect {
		return
	}
	state := StateDegraded
	if kind == Misconfigured {
		state = StateMisconfigured
	}
	if before.view.State != state || before.view.Cause != cause {
		k.swap(h, before, before.in(state, cause))
	}
}
