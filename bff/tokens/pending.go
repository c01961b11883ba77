package tokens

import (
	"context"
	"sync"
	"time"

	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/vault"
)

const (
	// pendingLife is how long a chain waits for somebody to say whose it is.
	pendingLife = 10 * time.Minute
	// maxPending bounds how many chains wait.
	maxPending = 256
)

// LaunchResult is a chain that is checked and nobody's yet: who came back from which platform, and what they were launched for.
// Pending is its id, which no browser needs to know.
type LaunchResult struct {
	Pending, Platform, Clinic string
	Issuer, Subject, FHIRUser string // of the verified id_token
	Launch                    vault.LaunchContext
	ExpiresAt                 time.Time
}

// waiting are the chains that nobody has adopted. Their records are sealed in the vault like any other, in state pending; who
// finds one at a start revokes and deletes it, since the browser that could have adopted it was told nothing.
type waiting struct {
	mu   sync.Mutex
	all  map[string]*foundling // by the id of the record
	room int                   // redemptions under way that will need a place
}

// foundling is one of them.
type foundling struct {
	c       vault.Connection
	r       Redemption // without its secrets, which have served
	signIn  *signIn    // hears of logouts meanwhile
	expires time.Time  // with a monotonic reading
}

func (f *foundling) result() LaunchResult {
	return LaunchResult{
		Pending: f.c.ID, Platform: f.c.Platform, Clinic: f.c.Clinic, Issuer: f.c.Issuer, Subject: f.c.Subject,
		FHIRUser: f.c.FHIRUser, Launch: f.c.Launch, ExpiresAt: f.expires,
	}
}

// RedeemLaunch exchanges the code of an attempt of which it is not known, or not confirmed, who here began it: the chain is
// checked like Redeem's and then waits, sealed, for Adopt. It is revoked when it is abandoned, after ten minutes, and at the
// next start. Attempt.Practitioner may be empty; Attempt.Connection is not looked at. Errors as Redeem.
func (k *Keeper) RedeemLaunch(ctx context.Context, r Redemption) (LaunchResult, error) {
	if !k.enter() {
		return LaunchResult{}, closing("")
	}
	defer k.working.Done()
	ctx = context.WithoutCancel(ctx)
	live, err := k.platforms.Get(r.Attempt.Platform)
	switch {
	case err != nil:
		return LaunchResult{}, &Error{Kind: Misconfigured, Code: CauseUnknownSystem, Err: err}
	case !k.waiting.reserve():
		return LaunchResult{}, &Error{Kind: Unavailable, Code: CauseUnavailable, RetryAfter: time.Minute}
	}
	defer k.waiting.release()
	s := k.signIns.begin(live.ID, "")
	c, err := k.redeemPending(ctx, live, r)
	if err != nil {
		k.signIns.end(s)
		return LaunchResult{}, err
	}
	r.Code, r.Attempt.Verifier, r.Attempt.Nonce, r.Attempt.Launch = secret.String{}, secret.String{}, secret.String{}, secret.String{}
	f := &foundling{c: c, r: r, signIn: s, expires: time.Now().Add(pendingLife)}
	k.waiting.add(f)
	k.kick()
	return f.result(), nil
}

// redeemPending gives the checked chain, stored as a pending record.
func (k *Keeper) redeemPending(ctx context.Context, live *platform.Live, r Redemption) (vault.Connection, error) {
	pending, answer, err := k.exchange(ctx, live, r)
	if err != nil {
		return pending, err
	}
	c, err := k.examine(ctx, live, pending, answer, r.Attempt.Nonce)
	if err == nil {
		received := c.ReceivedAt
		c.State = statePending
		if failed := k.put(&c); failed != nil {
			err = &Error{Kind: Storage, Code: CauseStorage, Err: failed}
		}
		c.ReceivedAt = received // with its monotonic reading
	}
	if err != nil {
		k.discard(pending)
	}
	return c, err
}

// Pending gives a chain that waits; not found is one that was adopted or abandoned, has lapsed, or is from before a restart.
func (k *Keeper) Pending(id string) (LaunchResult, bool) {
	f := k.waiting.get(id)
	if f == nil || !time.Now().Before(f.expires) {
		return LaunchResult{}, false
	}
	return f.result(), true
}

// LinkPending is Link for the person whose chain waits, in a transaction of its own. Errors are of kind NotFound, WrongPerson
// and Storage.
func (k *Keeper) LinkPending(pending, practitioner string) error {
	f, found := k.Pending(pending)
	if !found {
		return notFound(pending)
	}
	err := k.vault.Update(func(tx *vault.Tx) error {
		return k.Link(tx, vault.Link{
			Platform: f.Platform, Issuer: f.Issuer, Subject: f.Subject, Practitioner: practitioner, FHIRUser: f.FHIRUser,
		})
	})
	if err != nil && KindOf(err) == 0 {
		err = &Error{Kind: Storage, Code: CauseStorage, Err: err}
	}
	return err
}

// Adopt makes a chain that waits the practitioner's connection, once: in place of their own for the same person, launched in
// the same way for the same patient, otherwise as a new one. What nobody may have is revoked. Errors are of kind NotFound (it
// does not wait any more), WrongPerson (whoever signed in there is another practitioner here), ReconnectNeeded (logged out
// there meanwhile), Storage and Unavailable (it waits on, and may be adopted later), Misconfigured.
func (k *Keeper) Adopt(ctx context.Context, pending, practitioner string) (vault.Connection, error) {
	if practitioner == "" {
		return vault.Connection{}, notFound(pending)
	}
	if !k.enter() {
		return vault.Connection{}, closing(pending)
	}
	defer k.working.Done()
	f := k.waiting.take(pending)
	switch {
	case f == nil:
		return vault.Connection{}, notFound(pending)
	case !time.Now().Before(f.expires):
		k.abandon(f)
		return vault.Connection{}, notFound(pending)
	}
	c, err := k.adopt(context.WithoutCancel(ctx), f, practitioner)
	switch KindOf(err) {
	case 0:
		return c, k.survives(c, k.signIns.end(f.signIn))
	case Storage:
		k.waiting.add(f)
		k.kick()
	default:
		k.abandon(f)
	}
	return vault.Connection{}, err
}

func (k *Keeper) adopt(ctx context.Context, f *foundling, practitioner string) (vault.Connection, error) {
	c, r := f.c, f.r
	c.Practitioner, c.State = practitioner, StateConnected
	r.Attempt.Practitioner, r.Attempt.Connection = practitioner, ""
	if err := k.announce(ctx, c, r); err != nil {
		return c, err
	}
	return k.settle(c, "")
}

// Abandon revokes a chain that waits. For one that does not, nothing happens.
func (k *Keeper) Abandon(pending string) {
	if !k.enter() { // the next start does
		return
	}
	defer k.working.Done()
	if f := k.waiting.take(pending); f != nil {
		k.abandon(f)
	}
}

func (k *Keeper) abandon(f *foundling) {
	k.signIns.end(f.signIn)
	k.discard(f.c)
}

// lapse abandons the chains that have waited too long, and says when the next one will have; zero: none waits.
func (k *Keeper) lapse(now time.Time) (next time.Time) {
	lapsed, next := k.waiting.lapsed(now)
	for _, f := range lapsed {
		if !k.enter() {
			return next
		}
		go func() {
			defer k.working.Done()
			k.abandon(f)
		}()
	}
	return next
}

// reserve keeps a place free for a chain that is about to come; false where there is none.
func (w *waiting) reserve() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.all)+w.room >= maxPending {
		return false
	}
	w.room++
	return true
}

func (w *waiting) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.room--
}

func (w *waiting) add(f *foundling) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[string]*foundling{}
	}
	w.all[f.c.ID] = f
}

func (w *waiting) get(id string) *foundling {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all[id]
}

// take gives a chain to one caller.
func (w *waiting) take(id string) *foundling {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.all[id]
	delete(w.all, id)
	return f
}

// lapsed takes out what has waited too long by now, by either clock.
func (w *waiting) lapsed(now time.Time) (list []*foundling, next time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, f := range w.all {
		if left(f.expires, now) > 0 {
			next = sooner(next, f.expires)
			continue
		}
		list = append(list, f)
		delete(w.all, id)
	}
	return list, next
}
