package tokens

import (
	"context"
	"errors"
	"time"
)

// patience is how long a call waits for a refresh while its token still works: it has until the token's end, and a
// platform that answers at all answers sooner.
const patience = 2 * time.Second

// errNotDone says that a flight is still under way.
var errNotDone = errors.New("the refresh is still under way")

// Fresh gives the practitioner's token for one call. While the token is not due it is one look into memory; then all
// callers share one refresh, and a caller who leaves (ctx) does not cancel it. A token that is due but still works is
// handed out when the refresh fails or takes long: the practitioner goes on working while the platform recovers.
//
// Errors are of kind NotFound, ReconnectNeeded, Misconfigured, Unavailable, BadToken, Storage.
func (k *Keeper) Fresh(ctx context.Context, practitioner, connection string) (Lease, error) {
	h, ok := k.find(practitioner, connection)
	if !ok {
		return Lease{}, notFound(connection)
	}
	now := time.Now()
	k.use(h, now)
	cur := h.now.Load()
	if cur.fresh(now) {
		return cur.lease, nil
	}
	return k.renewed(ctx, h, reason{trigger: triggerCall})
}

// use notes that a call needs the connection, so that the background keeps its token fresh.
func (k *Keeper) use(h *held, now time.Time) {
	if at := int64(now.Sub(k.born)); at-h.used.Load() >= int64(time.Second) {
		h.used.Store(at)
	}
	if h.idle.Load() && h.idle.CompareAndSwap(true, false) {
		k.plan(h)
	}
}

// Refused gives another token after the platform answered 401 to this one. If it has been replaced meanwhile, the new
// one; otherwise one forced refresh, at most one per connection in 30 s: a platform that refuses even fresh tokens is
// not asked for more of them (Error of kind Refused, code invalid_token). Jane guide, Token Management; RFC 6750 §3.1.
func (k *Keeper) Refused(ctx context.Context, lease Lease) (Lease, error) {
	k.mu.RLock()
	h, ok := k.conns[lease.Connection]
	k.mu.RUnlock()
	if !ok || h.gone.Load() {
		return Lease{}, notFound(lease.Connection)
	}
	cur := h.now.Load()
	if cur.lease.Generation != lease.Generation {
		if cur.live(time.Now()) {
			return cur.lease, nil
		}
		return k.renewed(ctx, h, reason{trigger: triggerCall})
	}
	if !cur.renewable {
		k.Rejected(lease) // nothing can replace it, and it may be the API's whim: it is shown, and one good answer heals it
		return Lease{}, ended(h.id, cur)
	}
	return k.renewed(ctx, h, reason{refused: true, seen: lease.Generation, trigger: triggerRefused})
}

// renewed joins or starts the connection's flight and gives what comes of it. A refused token is never given again.
func (k *Keeper) renewed(ctx context.Context, h *held, why reason) (Lease, error) {
	cur := h.now.Load()
	if cur.view.State == StateReconnect && !cur.live(time.Now()) {
		return Lease{}, ended(h.id, cur)
	}
	err := k.await(ctx, h, why, cur)
	if cur = h.now.Load(); err == nil && cur.renewable && why.needed(cur, time.Now()) { // the flight only asked about the connection
		err = k.await(ctx, h, why, cur)
		cur = h.now.Load()
	}
	switch {
	case h.gone.Load():
		return Lease{}, notFound(h.id)
	case why.refused && cur.lease.Generation == why.seen && err == nil:
		return Lease{}, &Error{Kind: Refused, Connection: h.id, Code: CauseInvalidToken}
	case why.refused && cur.lease.Generation == why.seen:
		return Lease{}, err
	case cur.live(time.Now()):
		return cur.lease, nil
	case err == nil: // a token that ran out while it was on its way
		return Lease{}, waited(h, errNotDone)
	}
	return Lease{}, err
}

// await waits for the flight as long as it is worth it: to its end when there is no token to go on with, for a moment
// when there is one, not at all when there is one and the platform fails or has not answered for as long.
func (k *Keeper) await(ctx context.Context, h *held, why reason, cur *current) error {
	f, err := k.fly(h, why)
	if err != nil {
		return err
	}
	usable := cur.live(time.Now()) && !why.refused
	l := k.lanes[h.platform]
	if usable && (cur.view.State != StateConnected || l != nil && l.drags(time.Now())) {
		return waited(h, errNotDone)
	}
	var enough <-chan time.Time
	if usable && time.Until(cur.liveUntil) > patience {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-f.done:
		return f.err
	case <-enough:
		return waited(h, errNotDone)
	case <-ctx.Done():
		return waited(h, ctx.Err())
	}
}

// waited is the answer of a caller whose flight goes on without them.
func waited(h *held, cause error) *Error {
	return &Error{Kind: Unavailable, Connection: h.id, Code: CauseUnavailable, RetryAfter: backoffFirst, Err: cause}
}

// ended says why a connection that cannot be renewed has no token to give.
func ended(connection string, cur *current) *Error {
	code := cur.view.Cause
	if code == "" {
		code = CauseNoRefresh
	}
	return &Error{Kind: ReconnectNeeded, Connection: connection, Code: code}
}
