// Package throttle makes upstream calls wait their turn, so that a platform's rate limits are never exceeded.
package throttle

import (
	"context"
	"time"
)

// Limit is N requests in any window of length Window.
type Limit struct {
	N      int
	Window time.Duration
}

// Limits are the two rules that hold at once: one per clinic and endpoint class, one per clinic.
type Limits struct{ Endpoint, Clinic Limit }

// Config of a Limiter. A zero field means the default in brackets.
type Config struct {
	Margin   time.Duration // added to every window [1 s]
	Orphan   time.Duration // how long an abandoned request may still be counted [60 s]
	MaxQueue int           // calls waiting per clinic [200]
	MaxKeys  int           // keys remembered [10,000]
}

// Limiter hands out permits.
type Limiter struct{}

// New makes a Limiter.
func New(c Config) *Limiter { panic("todo") }

// Request says whose turn is asked for. Clinic is the key of the clinic, unique over all platforms.
type Request struct {
	Clinic, Class, Practitioner string
	Background                  bool
	Limits                      Limits
}

// Permit is the right to send one request.
type Permit struct{}

// RefusedError says that a call cannot start before its deadline.
type RefusedError struct {
	RetryAfter time.Duration
	Key        string
}

func (e *RefusedError) Error() string { panic("todo") }

// Acquire takes both permits in one step.
func (l *Limiter) Acquire(ctx context.Context, r Request) (*Permit, error) { panic("todo") }

// Done returns the permit W + Margin from now: the answer was fully received.
func (p *Permit) Done() { panic("todo") }

// Unsent returns the permit at once: no byte was written.
func (p *Permit) Unsent() { panic("todo") }

// Abandon returns the permit Orphan + W + Margin from now: the outcome is unknown.
func (p *Permit) Abandon() { panic("todo") }

// Frozen freezes the key that a 429 names, then works as Done.
func (p *Permit) Frozen(match string, retryAfter time.Duration) { panic("todo") }

// Allowance is one limit: Remaining of Limit requests are free now, the next one returns after Reset (0 if one is free).
type Allowance struct {
	Limit, Remaining int
	Reset            time.Duration
}

// Budget reads both rules for one endpoint class.
func (l *Limiter) Budget(clinic, class string, limits Limits) (endpoint, clinicLeft Allowance) {
	panic("todo")
}

// Budgets reads the clinic's rule and those of its endpoint classes in use.
func (l *Limiter) Budgets(clinic string, limits Limits) (clinicLeft Allowance, byClass map[string]Allowance) {
	panic("todo")
}

// ParseRetryAfter reads a Retry-After header.
func ParseRetryAfter(value string, now time.Time) (d time.Duration, ok bool) { panic("todo") }
