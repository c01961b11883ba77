package tokens

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"locum/bff/vault"
)

// Pauses of the outbox: after an attempt that failed, doubling, and between two requests to one platform.
const (
	errandFirst = 2 * time.Second
	errandLast  = 10 * time.Minute
	errandPace  = 200 * time.Millisecond
)

// outbox knows which revocations wait, and until when. What they hold is in the vault alone. One goroutine works them off,
// one after another, while there are any.
type outbox struct {
	mu      sync.Mutex
	errands map[string]errand    // by the revocation's id
	quiet   map[string]time.Time // by platform: until then it is asked nothing
	running bool
	wake    chan struct{} // holds one word
}

// errand is one revocation that waits.
type errand struct {
	id, platform string
	at           time.Time
}

// resume finds what an earlier process still had to revoke, and has it worked off.
func (k *Keeper) resume() error {
	var left []vault.Revocation
	err := k.vault.View(func(tx *vault.Tx) error {
		left = nil
		return vault.Revocations.Each(tx, func(r vault.Revocation) error {
			left = append(left, vault.Revocation{ID: r.ID, Platform: r.Platform, NotBefore: r.NotBefore})
			return nil
		})
	})
	now := time.Now()
	for _, r := range left {
		if r.NotBefore.After(now.Add(errandLast)) { // the clock was set back
			r.NotBefore = now
		}
		k.enqueue(errand{r.ID, r.Platform, r.NotBefore})
	}
	return err
}

// enqueue adds an errand, or changes when it is due, and sees to it that somebody works them off. When the Keeper is closing
// the next start does.
func (k *Keeper) enqueue(e errand) {
	o := &k.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.errands == nil {
		o.errands, o.quiet, o.wake = map[string]errand{}, map[string]time.Time{}, make(chan struct{}, 1)
	}
	o.errands[e.id] = e
	if o.running {
		select {
		case o.wake <- struct{}{}:
		default:
		}
		return
	}
	if k.enter() {
		o.running = true
		go k.workOff()
	}
}

// workOff makes one attempt after another until nothing waits, or the Keeper closes.
func (k *Keeper) workOff() {
	defer k.working.Done()
	for {
		id, pause, more := k.outbox.next(time.Now())
		switch {
		case !more:
			return
		case pause <= 0:
			k.attempt(id, false)
		case !k.rest(pause):
			return
		}
	}
}

// rest waits until something may be due; false when the Keeper closes.
func (k *Keeper) rest(pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-k.outbox.wake:
	case <-k.ctx.Done():
		return false
	}
	return k.ctx.Err() == nil
}

// next gives the errand that is due first, and how long that is from now. Without any the worker ends.
func (o *outbox) next(now time.Time) (id string, pause time.Duration, more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var first errand
	for _, e := range o.errands {
		if quiet := o.quiet[e.platform]; quiet.After(e.at) {
			e.at = quiet
		}
		if first.id == "" || e.at.Before(first.at) || e.at.Equal(first.at) && e.id < first.id {
			first = e
		}
	}
	if first.id == "" {
		o.running, o.quiet = false, map[string]time.Time{}
		return "", 0, false
	}
	pause = first.at.Sub(now)
	if pause <= 0 {
		o.quiet[first.platform] = now.Add(errandPace)
	}
	return first.id, pause, true
}

func (o *outbox) drop(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.errands, id)
}

// hush lets a platform be for a while: what it did not do for one token it will not do for the next.
func (o *outbox) hush(platform string, until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.quiet != nil && until.After(o.quiet[platform]) {
		o.quiet[platform] = until
	}
}

// attempt makes one attempt at a revocation, stores what is left of it and says when the next one is. told says that the
// practitioner is ending the connection just now and knows what ends with it. It gives the Ending and Reason of a Parting.
func (k *Keeper) attempt(id string, told bool) (ending, reason string) {
	var r vault.Revocation
	err := k.vault.View(func(tx *vault.Tx) (err error) {
		r, err = vault.Revocations.Get(tx, id)
		return err
	})
	now := time.Now()
	switch {
	case errors.Is(err, vault.ErrNotFound):
		k.outbox.drop(id)
		return EndedExpires, ""
	case errors.Is(err, vault.ErrIntegrity), errors.Is(err, vault.ErrVersion): // nobody can read the tokens any more
		k.outbox.drop(id)
		k.log.Error("revocation cannot be read", "error", err)
		return EndedExpires, ""
	case err != nil:
		k.enqueue(errand{id, r.Platform, now.Add(errandLast)})
		return EndedPending, ""
	}
	if !r.Refresh.Empty() && k.signIns.underWay(r.Platform, r.Practitioner) { // it may be the same login
		k.enqueue(errand{id, r.Platform, now.Add(errandFirst)})
		return EndedPending, ""
	}
	before := r
	p := progress{left: true, code: NotRevokedExpired, ending: EndedExpires}
	if r.Tries == 0 || now.Before(r.GiveUpAt) {
		live, err := k.platforms.Get(r.Platform)
		var away *Error
		if err == nil {
			away = k.reach(live)
		}
		switch {
		case err != nil:
			p.code, p.ending = CauseUnknownSystem, EndedPending
		case away != nil:
			p.code, p.ending = away.Code, EndedPending
		default:
			p = k.giveBack(live, &r, told)
		}
	}
	k.settleErrand(before, r, p)
	return p.ending, p.reason
}

// settleErrand stores what an attempt came to: the revocation is done, given up, or waits. What cannot be stored is done
// again, which harms nothing.
func (k *Keeper) settleErrand(before, r vault.Revocation, p progress) {
	now := time.Now()
	r.Tries++
	r.NotBefore = now.Add(max(pauseAfter(r.Tries), p.after))
	over := p.left && !r.NotBefore.Before(r.GiveUpAt) && !now.Before(r.GiveUpAt)
	if p.left && !over && r.NotBefore.After(r.GiveUpAt) { // the last one
		r.NotBefore = r.GiveUpAt
	}
	steps := p.steps
	if over {
		steps = append(steps, notRevoked(NotRevokedExpired))
	}
	err := k.vault.Update(func(tx *vault.Tx) error {
		if err := k.epilogue(tx, r.Connection, steps...); err != nil {
			return err
		}
		if !p.left || over {
			return vault.Revocations.Delete(tx, r.ID)
		}
		next := r
		return vault.Revocations.Put(tx, next.ID, &next)
	})
	if err != nil && !errors.Is(err, vault.ErrConflict) {
		k.log.Warn("progress of a revocation not stored", "connection", r.Connection, "platform", r.Platform, "error", err)
		k.enqueue(errand{r.ID, r.Platform, r.NotBefore})
		return
	}
	for _, s := range p.steps {
		k.noteRevocation(s.What, s.Code, r)
	}
	switch {
	case over:
		k.noteRevocation("not_revoked", NotRevokedExpired, r)
		k.log.Warn("revocation given up", "connection", r.Connection, "platform", r.Platform, "cause", p.code, "tries", r.Tries)
	case p.left:
		if before.Tries == 0 {
			k.noteRevocation("revocation_waits", p.code, r)
		}
		k.log.Warn("not revoked yet", "connection", r.Connection, "platform", r.Platform, "cause", p.code, "tries", r.Tries)
		k.outbox.hush(r.Platform, now.Add(min(max(pauseAfter(1), p.after), r.NotBefore.Sub(now))))
		k.enqueue(errand{r.ID, r.Platform, r.NotBefore})
		return
	}
	k.outbox.drop(r.ID)
}

// pauseAfter is how long after the nth attempt the next one is, a quarter of it by chance.
func pauseAfter(n int) time.Duration {
	pause := errandLast
	if n < 10 {
		pause = min(errandFirst<<(n-1), errandLast)
	}
	return pause - time.Duration(rand.Int64N(int64(pause)/4))
}
