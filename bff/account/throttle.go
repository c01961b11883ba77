package account

import (
	"net/netip"
	"sync"
	"time"
)

const (
	tableSize = 10_000

	// A remote address may fail remoteBurst times at once and once per remoteEvery thereafter; successes do not count, for
	// a whole clinic may stand behind one address.
	remoteBurst = 20
	remoteEvery = 6 * time.Second
)

// rates is a token bucket per remote address, kept as the moment when the bucket will be full again (GCRA).
type rates struct {
	mu   sync.Mutex
	full map[string]time.Time
}

func newRates() *rates { return &rates{full: map[string]time.Time{}} }

// take takes a token, or says how long until there is one.
func (r *rates) take(key string, now time.Time) (wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, known := r.full[key]
	if !known {
		makeRoom(r.full, now, func(at time.Time) time.Time { return at })
	}
	if at.Before(now) {
		at = now
	}
	if wait := at.Sub(now) - (remoteBurst-1)*remoteEvery; wait > 0 {
		return wait
	}
	r.full[key] = at.Add(remoteEvery)
	return 0
}

func (r *rates) giveBack(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.full[key]; ok {
		r.full[key] = at.Add(-remoteEvery)
	}
}

// remoteKey is the address that counts as one: of IPv6 the /64, which one subscriber has at least.
func remoteKey(remote string) string {
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		return remote[:min(len(remote), 64)]
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if prefix, err := addr.Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return addr.String()
}

// tallies counts failures per login that does not exist, as an account's record does for one that does.
type tallies struct {
	mu    sync.Mutex
	count map[string]tally
}

type tally struct {
	failures int
	last     time.Time
}

func newTallies() *tallies { return &tallies{count: map[string]tally{}} }

// waiting is nil, or *ThrottledError, as fail would say.
func (t *tallies) waiting(login string, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.count[login]
	return delayed(c.failures, c.last, now)
}

// fail counts a failure, or says *ThrottledError instead.
func (t *tallies) fail(login string, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, known := t.count[login]
	if err := delayed(c.failures, c.last, now); err != nil {
		return err
	}
	if !known {
		makeRoom(t.count, now, func(c tally) time.Time { return c.last.Add(24 * time.Hour) })
	}
	t.count[login] = tally{c.failures + 1, now}
	return nil
}

// makeRoom drops from a full table what is over, and where that is nothing, what is over first.
func makeRoom[T any](table map[string]T, now time.Time, over func(T) time.Time) {
	if len(table) < tableSize {
		return
	}
	first, found := "", false
	for key, entry := range table {
		if !over(entry).After(now) {
			delete(table, key)
		} else if !found || over(entry).Before(over(table[first])) {
			first, found = key, true
		}
	}
	if len(table) >= tableSize {
		delete(table, first)
	}
}
