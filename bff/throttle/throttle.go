// Package throttle makes calls to a platform wait their turn, so that no window of the platform's rate limits ever holds
// more requests than it allows, whatever the network does. A permit comes back one window after the answer was completely
// received, not after the request was sent; that is what makes the bound exact (proof at rule). It counts in memory only:
// it does no I/O, starts no goroutine, reads no header but those of limits, and knows platforms only as keys. It imports
// nothing of ours; platform carries its Limits, proxy takes its permits.
package throttle

import (
	"fmt"
	"time"
)

// Limit is N requests in any window of length Window. A Limit with N <= 0 is no limit.
type Limit struct {
	N      int
	Window time.Duration
}

// Limits are two rules that hold at once: one per clinic and endpoint class, one per clinic.
type Limits struct{ Endpoint, Clinic Limit }

// Config of a Limiter. A zero field means the default in brackets.
type Config struct {
	// Margin is added to each window [1 s]: clock step and skew of the platform's machines, plus a tick.
	Margin time.Duration
	// Orphan is how long a request that we gave up may still be executed and counted [60 s]. It is the only assumption
	// about time that the bound rests on.
	Orphan time.Duration
	// MaxQueue is how many calls may wait per clinic [200], a quarter of them of one practitioner. As many refused calls
	// find their place kept, a tenth of them of one practitioner.
	MaxQueue int
	// MaxKeys is how many clinics and classes are remembered [10,000]. Idle ones are forgotten, busy ones never.
	MaxKeys int
}

func (c Config) withDefaults() Config {
	if c.Margin == 0 {
		c.Margin = time.Second
	}
	if c.Orphan == 0 {
		c.Orphan = time.Minute
	}
	if c.MaxQueue == 0 {
		c.MaxQueue = 200
	}
	if c.MaxKeys == 0 {
		c.MaxKeys = 10_000
	}
	return c
}

func (c Config) ownQueue() int { return max(10, c.MaxQueue/4) }

func (c Config) ownPromises() int { return max(1, c.MaxQueue/10) }

// Request says whose turn is asked for. Clinic is unique over all platforms and Class is a fixed name of the platform's
// table, never a part of a request path: nobody outside can mint keys.
type Request struct {
	Clinic, Class, Practitioner string
	// Background work yields to interactive work, but gets every fifth turn while both wait.
	Background bool
	Limits     Limits
}

// RefusedError says that a call cannot start before its deadline, or that too many wait. A call of the same practitioner
// and class that comes back after RetryAfter finds its place kept for a few seconds.
type RefusedError struct {
	RetryAfter time.Duration
	Key        string // the clinic, or the clinic and the class, that has no permit left
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("no permit for %s, free in %s", e.Key, e.RetryAfter)
}

// Allowance is one limit: Remaining of Limit requests are free now, and where none is, one returns after Reset.
type Allowance struct {
	Limit, Remaining int
	Reset            time.Duration
}
