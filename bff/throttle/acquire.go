package throttle

import (
	"context"
	"errors"
	"time"
)

// Acquire takes a permit of the endpoint class and one of the clinic, in one step or none. It waits, in order, until
// ctx's deadline. A call that cannot start before it, or that finds the queue full, is refused at once with a
// *RefusedError; one whose ctx is cancelled leaves its place to the next and gets ctx's error.
//
// The caller must report what became of the permit by exactly one of its methods.
func (l *Limiter) Acquire(ctx context.Context, r Request) (*Permit, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, class, err := l.enter(r)
	if err != nil {
		return nil, err
	}
	now := l.now()
	class.limit, c.all.limit = r.Limits.Endpoint, r.Limits.Clinic
	who := c.person(r.Practitioner, class, now)
	if c.queued()+len(c.promises) == 0 {
		class.held, c.all.held = 0, 0
		if c.may(who, class, now) {
			p := c.take(class, who, now)
			c.mu.Unlock()
			return p, nil
		}
	}
	x, err := c.claim(ctx, &claim{class: class, who: who, background: r.Background}, now)
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if x.ready == nil {
		return x.permit, nil
	}
	return c.wait(ctx, x)
}

// claim asks for a place in the queue. The claim it answers is either served (ready is nil) or waits.
func (c *clinic) claim(ctx context.Context, x *claim, now time.Duration) (*claim, error) {
	x.deadline = forever
	if deadline, ok := ctx.Deadline(); ok {
		x.deadline = deadline.Sub(c.limiter.epoch)
	}
	x.due = c.takeUp(x, now)
	c.enqueue(x)
	c.dispatch(now)
	if x.permit != nil {
		return x, nil
	}
	full := c.waiting >= c.limiter.config.MaxQueue || x.who.waits > c.limiter.config.ownQueue()
	if at, _ := c.start(x, now); at > x.deadline || full {
		refused := c.refuse(x, now)
		if c.queued() > 0 { // for others, what was set aside for it
			c.dispatch(now)
		}
		return nil, refused
	}
	x.ready = make(chan struct{})
	c.waiting++
	c.arm(now)
	return x, nil
}

func (c *clinic) wait(ctx context.Context, x *claim) (*Permit, error) {
	ready := x.ready
	select {
	case <-ready:
		if x.refused != nil {
			return nil, x.refused
		}
		return x.permit, nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leave(x, c.now(), ctx.Err())
}

// leave gives up a place, why is ctx's error. Whoever ran out of time is refused with the time at which to come back, or
// has the permit that came in the same moment.
func (c *clinic) leave(x *claim, now time.Duration, why error) (*Permit, error) {
	defer c.dispatch(now)
	late := errors.Is(why, context.DeadlineExceeded)
	switch {
	case x.permit != nil && late:
		return x.permit, nil
	case x.permit != nil:
		x.permit.unsent()
		return nil, why
	case x.refused != nil:
		return nil, x.refused
	}
	c.waiting--
	if late {
		return nil, c.refuse(x, now)
	}
	c.remove(x)
	return nil, why
}

// Budget reads both rules of one endpoint class without taking anything.
func (l *Limiter) Budget(clinic, class string, limits Limits) (endpoint, clinicLeft Allowance) {
	endpoint, clinicLeft = l.untouched(limits.Endpoint), l.untouched(limits.Clinic)
	c := l.find(clinic)
	if c == nil {
		return endpoint, clinicLeft
	}
	defer c.mu.Unlock()
	now := l.now()
	c.all.limit = limits.Clinic
	if r := c.classes[class]; r != nil {
		endpoint = r.allowance(now)
	}
	return endpoint, c.all.allowance(now)
}

// Budgets reads the clinic's rule and those of its endpoint classes in use.
func (l *Limiter) Budgets(clinic string, limits Limits) (clinicLeft Allowance, byClass map[string]Allowance) {
	byClass = map[string]Allowance{}
	c := l.find(clinic)
	if c == nil {
		return l.untouched(limits.Clinic), byClass
	}
	defer c.mu.Unlock()
	now := l.now()
	for name, r := range c.classes {
		if !r.idle(now) {
			byClass[name] = r.allowance(now)
		}
	}
	c.all.limit = limits.Clinic
	return c.all.allowance(now), byClass
}

func (l *Limiter) untouched(limit Limit) Allowance {
	n := max(0, limit.N)
	if wait := l.closed(limit) - l.now(); wait > 0 {
		return Allowance{Limit: n, Reset: wait}
	}
	return Allowance{Limit: n, Remaining: n}
}
