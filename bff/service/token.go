package service

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"locum/bff/oauth"
	"locum/bff/tokens"
)

// params is everything that a token was asked for with: two callers share one only where all of it is the same (CVE-2025-26620,
// T034). Scopes are sorted and each there once, so that their order makes no difference (RFC 6749 §3.3).
type params struct{ platform, client, scopes string }

func paramsOf(a *account, scopes []string) params {
	sorted := slices.Clone(scopes)
	slices.Sort(sorted)
	return params{a.live.ID, a.service.ClientID, strings.Join(slices.Compact(sorted), " ")}
}

// Bounds of what is kept and of the back-off.
const (
	mostEntries  = 256
	backoffFirst = time.Second
	backoffLast  = time.Minute
	forcedEvery  = 30 * time.Second // between two tokens that a 401 of the platform's API asks for
)

// entry is the one token of one set of parameters.
type entry struct {
	params
	account *account
	serial  uint32

	mu      sync.Mutex // never held across I/O
	token   *token     // nil: none that works
	issued  uint32     // how many there were
	flight  *flight
	failure *tokens.Error // of the last request; nil: it went well, or there was none
	since   time.Time     // when requests began to fail
	next    time.Time     // no request before
	delay   time.Duration
	forced  time.Time // when a 401 last asked for another
	used    time.Time
	told    string // the last code on record
}

// token is what an answer has given.
type token struct {
	lease                 tokens.Lease
	freshUntil, liveUntil time.Time
}

// flight is one request under way; err may be read once done is closed.
type flight struct {
	done chan struct{}
	err  error
}

// fresh goes by both clocks, as the tokens of connections do: a machine that has slept asks anew.
func (t *token) fresh(now time.Time) bool {
	return t != nil && now.Before(t.freshUntil) && now.Round(0).Before(t.freshUntil.Round(0))
}

func (t *token) live(now time.Time) bool { return t != nil && now.Before(t.liveUntil) }

// Fresh gives a token for one call by a service, with all the scopes that it is configured with. While it is not due, that is a
// look into memory; once it is, the first who comes has another asked for, and it is handed out as long as it works. Without one
// that works all callers share one request, and a caller who leaves (ctx) does not cancel it.
//
// Errors are *tokens.Error of kind NotFound, Misconfigured, Unavailable, BadToken.
func (k *Keeper) Fresh(ctx context.Context, id string) (tokens.Lease, error) {
	a := k.find(id)
	if a == nil {
		return tokens.Lease{}, notFound(id)
	}
	return k.lease(ctx, a, a.service.Scopes)
}

// FreshFor is Fresh for a part of the scopes.
func (k *Keeper) FreshFor(ctx context.Context, id string, scopes []string) (tokens.Lease, error) {
	a := k.find(id)
	if a == nil {
		return tokens.Lease{}, notFound(id)
	}
	for _, scope := range scopes {
		if !slices.Contains(a.service.Scopes, scope) {
			return tokens.Lease{}, &tokens.Error{Kind: tokens.Misconfigured, Connection: id, Code: tokens.CauseInvalidScope}
		}
	}
	return k.lease(ctx, a, scopes)
}

func (k *Keeper) lease(ctx context.Context, a *account, scopes []string) (tokens.Lease, error) {
	e, err := k.entry(a, scopes)
	if err != nil {
		return tokens.Lease{}, err
	}
	now := time.Now()
	e.mu.Lock()
	e.used = now
	cur := e.token
	if cur.fresh(now) {
		e.mu.Unlock()
		return cur.lease, nil
	}
	f, err := k.fly(e, now)
	e.mu.Unlock()
	if cur.live(now) {
		return cur.lease, nil
	}
	if err != nil {
		return tokens.Lease{}, err
	}
	return k.await(ctx, e, f)
}

// await gives what a flight brings.
func (k *Keeper) await(ctx context.Context, e *entry, f *flight) (tokens.Lease, error) {
	select {
	case <-f.done:
	case <-ctx.Done():
		return tokens.Lease{}, &tokens.Error{Kind: tokens.Unavailable, Connection: e.account.id, Code: tokens.CauseUnavailable,
			RetryAfter: backoffFirst, Err: ctx.Err()}
	}
	if f.err != nil {
		return tokens.Lease{}, f.err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.token.live(time.Now()) { // it lives for less than its journey
		return tokens.Lease{}, &tokens.Error{Kind: tokens.Unavailable, Connection: e.account.id, Code: tokens.CauseUnavailable, RetryAfter: backoffFirst}
	}
	return e.token.lease, nil
}

// Refused gives another token after the platform answered 401 to this one (RFC 6750 §3.1): the one that has replaced it
// meanwhile, or a new one, at most each 30 seconds; otherwise an error of kind Refused.
func (k *Keeper) Refused(ctx context.Context, lease tokens.Lease) (tokens.Lease, error) {
	e := k.issuer(lease)
	if e == nil {
		return k.Fresh(ctx, lease.Connection)
	}
	now := time.Now()
	e.mu.Lock()
	if e.token != nil && e.token.lease.Generation == lease.Generation {
		if wait := e.forced.Add(forcedEvery).Sub(now); wait > 0 {
			e.mu.Unlock()
			return tokens.Lease{}, &tokens.Error{Kind: tokens.Refused, Connection: lease.Connection, Code: tokens.CauseInvalidToken, RetryAfter: wait}
		}
		e.forced, e.token = now, nil
	}
	if cur := e.token; cur.live(now) {
		e.mu.Unlock()
		return cur.lease, nil
	}
	f, err := k.fly(e, now)
	e.mu.Unlock()
	if err != nil {
		return tokens.Lease{}, err
	}
	return k.await(ctx, e, f)
}

// Rejected notes that the platform refused a token that was fresh, twice; Worked that it takes them.
func (k *Keeper) Rejected(lease tokens.Lease) {
	if e := k.issuer(lease); e != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.fail(&tokens.Error{Kind: tokens.Unavailable, Connection: lease.Connection, Code: tokens.CauseInvalidToken}, time.Now())
	}
}

// Worked takes back what Rejected has noted.
func (k *Keeper) Worked(lease tokens.Lease) {
	if e := k.issuer(lease); e != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.failure != nil && e.failure.Code == tokens.CauseInvalidToken {
			e.failure = nil
		}
	}
}

// entry finds the entry of a set of parameters, or makes it. There are no more than so many; the one that was not asked for
// longest gives way.
func (k *Keeper) entry(a *account, scopes []string) (*entry, error) {
	p := paramsOf(a, scopes)
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.entries[p]; e != nil {
		return e, nil
	}
	if len(k.entries) >= mostEntries && !k.evict() {
		return nil, &tokens.Error{Kind: tokens.Unavailable, Connection: a.id, Code: tokens.CauseUnavailable, RetryAfter: backoffFirst}
	}
	e := &entry{params: p, account: a, serial: k.serial.Add(1), used: time.Now()}
	k.entries[p] = e
	return e, nil
}

// evict forgets the entry that was not asked for longest and for which nothing is under way. The caller holds mu.
func (k *Keeper) evict() bool {
	var oldest *entry
	var since time.Time
	for _, e := range k.entries {
		e.mu.Lock()
		if e.flight == nil && (oldest == nil || e.used.Before(since)) {
			oldest, since = e, e.used
		}
		e.mu.Unlock()
	}
	if oldest == nil {
		return false
	}
	delete(k.entries, oldest.params)
	return true
}

// issuer finds the entry that a lease came from: the upper half of its generation says which.
func (k *Keeper) issuer(lease tokens.Lease) *entry {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.entries {
		if e.serial == uint32(lease.Generation>>32) && e.account.id == lease.Connection {
			return e
		}
	}
	return nil
}

// Retry forgets the back-off of a platform's service, after its credentials were set.
func (k *Keeper) Retry(platform string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for p, e := range k.entries {
		if p.platform == platform {
			e.mu.Lock()
			e.next, e.delay = time.Time{}, 0
			e.mu.Unlock()
		}
	}
}

// margin is how long before its end a token is renewed: max(30 s, 10 %), never more than half its lifetime, and up to a quarter
// of that more, so that what came together does not go together.
func margin(lifetime time.Duration) time.Duration {
	m := min(max(30*time.Second, lifetime/10), lifetime/2)
	return m + rand.N(m/4+1)
}

// receive makes a token of an answer. An answer without a scope has granted what was asked for (RFC 6749 §5.1).
func (e *entry) receive(answer oauth.Answer, t oauth.Token) {
	scopes := strings.Fields(t.Scope)
	if len(scopes) == 0 {
		scopes = strings.Fields(e.scopes)
	}
	e.issued++
	live := answer.ReceivedAt.Add(t.ExpiresIn)
	e.token = &token{liveUntil: live, freshUntil: live.Add(-margin(t.ExpiresIn)), lease: tokens.Lease{
		Access: t.Access.Clone(), Connection: e.account.id, Platform: e.account.live.ID, Scopes: scopes,
		Generation: uint64(e.serial)<<32 | uint64(e.issued),
	}}
	e.failure, e.delay, e.next = nil, 0, time.Time{}
}

// fail begins the back-off, or doubles it; what the platform asks for itself is obeyed.
func (e *entry) fail(err *tokens.Error, now time.Time) {
	if e.failure == nil {
		e.since = now
	}
	e.failure = err
	e.delay = min(max(backoffFirst, 2*e.delay), backoffLast)
	wait := e.delay - rand.N(e.delay/4)
	if err.RetryAfter > wait {
		wait = err.RetryAfter
	}
	err.RetryAfter = wait
	e.next = now.Add(wait)
}
