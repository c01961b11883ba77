package proxy

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"locum/bff/audit"
)

// Each refused call has a record of its own in the audit trail, but that is a durable write which a caller gets for
// nothing: a program in a loop could fill the disk, and without room in the trail nobody is served. So one practitioner's
// refusals are recorded singly up to refusalsSingly in refusalsFor, which no person reaches; further ones are counted,
// with a record where the counting begins ("refusals_counted") and one of their number when it ends ("refusals_total").
// What was answered is always recorded singly.
const (
	refusalsSingly = 100
	refusalsFor    = time.Minute
)

// refusals counts the refused calls of each practitioner in the current period.
type refusals struct {
	mu    sync.Mutex
	since time.Time
	of    map[string]int
}

// add counts one more and says how many there are. When a period has ended before, it also gives the practitioners whose
// calls were counted only, and how many those were.
func (f *refusals) add(practitioner string, now time.Time) (n int, ended map[string]int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.since) >= refusalsFor {
		ended = f.end()
		f.since, f.of = now, map[string]int{}
	}
	f.of[practitioner]++
	return f.of[practitioner], ended
}

func (f *refusals) end() map[string]int {
	counted := map[string]int{}
	for practitioner, n := range f.of {
		if n > refusalsSingly {
			counted[practitioner] = n - refusalsSingly
		}
	}
	f.of = nil
	return counted
}

// refused records a call that never got as far as an intent. Where that fails, the missing record is the error.
func (c *call) refused(err error) error {
	if errors.Is(err, audit.ErrUnavailable) {
		return err
	}
	ctx := c.proxy.recorder.recording()
	n, ended := c.proxy.refusals.add(c.request.Practitioner, time.Now())
	c.proxy.recordTotals(ctx, ended)
	var failure error
	switch {
	case n <= refusalsSingly:
		failure = c.proxy.audit.Refuse(ctx, c.intent(), codeOf(err))
	case n == refusalsSingly+1:
		failure = c.proxy.audit.Event(ctx, c.event("refusals_counted", codeOf(err)))
	}
	if failure != nil {
		return failure
	}
	return err
}

// Refused records an access to a connection that was refused before it became a call, within the same bounds, and gives
// err back, or why there is no record. Of r it reads who, whose connection and the method.
func (p *Proxy) Refused(r *Request, err error) error {
	if !p.enter() {
		return err
	}
	defer p.calls.Done()
	c := call{proxy: p, request: r}
	return c.refused(err)
}

// recordTotals writes the numbers of refused calls without a record of their own.
func (p *Proxy) recordTotals(ctx context.Context, counted map[string]int) {
	for practitioner, n := range counted {
		event := audit.Event{Kind: "refusals_total", Practitioner: practitioner, Code: strconv.Itoa(n)}
		if err := p.audit.Event(ctx, event); err != nil {
			p.log.Error("refused calls not recorded", "practitioner", practitioner, "calls", n, "error", err)
		}
	}
}

// endRefusals is for Close.
func (p *Proxy) endRefusals() {
	ctx := p.recorder.recording()
	p.refusals.mu.Lock()
	counted := p.refusals.end()
	p.refusals.since = time.Time{}
	p.refusals.mu.Unlock()
	p.recordTotals(ctx, counted)
}
