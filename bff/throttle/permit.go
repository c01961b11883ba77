package throttle

import (
	"strings"
	"time"
)

// Permit is the right to send one request: one permit of the clinic and one of the endpoint class. The first of its
// methods called counts, later calls do nothing.
type Permit struct {
	clinic  *clinic
	class   *rule
	who     *person
	taken   time.Duration
	settled bool
}

// Done says that the answer was fully received: the permits return a window and the margin from now.
func (p *Permit) Done() { p.report(0) }

// Abandon says that the request was given up and its outcome is unknown: the permits return as if the answer came at the
// last moment at which the platform may still count it.
func (p *Permit) Abandon() { p.report(p.clinic.limiter.config.Orphan) }

// Unsent says that no byte was written: the permits return at once.
func (p *Permit) Unsent() {
	c := p.clinic
	c.mu.Lock()
	defer c.mu.Unlock()
	p.unsent()
	if c.queued() > 0 {
		c.dispatch(c.now())
	}
}

func (p *Permit) unsent() {
	if p.settled {
		return
	}
	p.settled = true
	p.class.untake(p.who)
	p.clinic.all.untake(p.who)
}

func (p *Permit) report(late time.Duration) {
	c := p.clinic
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	p.give(now, late)
	if c.queued() > 0 { // what is free now may be kept for somebody whom this one serves as well
		c.dispatch(now)
	}
}

func (p *Permit) give(now, late time.Duration) {
	if p.settled {
		return
	}
	p.settled = true
	c := p.clinic
	p.class.give(now+late+p.class.window(), p.who)
	c.all.give(now+late+c.all.window(), p.who)
	if d := now - p.taken; d > c.slow {
		c.slow = d
	} else {
		c.slow -= (c.slow - d) / 16
	}
}

// Frozen says that the platform answered 429: nothing is sent for the key that match names until retryAfter and the
// margin have passed (security: RFC 6585 §4, RFC 9110 §10.2.3); other keys flow. A retryAfter <= 0 means the rule's own
// window, one above MaxRetryAfter is cut. Those who wait and can no longer be in time are refused at once. The permits
// return as by Done, since platforms count what they refuse.
//
// match is the value of X-Throttle-Match: it means the clinic when it names the clinic and nothing smaller, else the
// endpoint class. The answer is what is frozen and for how long.
func (p *Permit) Frozen(match string, retryAfter time.Duration) (whole bool, long time.Duration) {
	c := p.clinic
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	r := p.class
	if whole = namesClinic(match, p.class.name); whole {
		r = &c.all
	}
	if retryAfter <= 0 {
		retryAfter = r.limit.Window
	}
	long = min(retryAfter, MaxRetryAfter) + c.limiter.config.Margin
	p.give(now, 0)
	c.freeze(r, now, long)
	return whole, long
}

// Spent says that an answer has called a limit of the platform's own used up: nothing is sent until it is reset and the
// margin has passed, for the endpoint class where the limit's name has it, else for the clinic. It settles nothing: the
// permit is still to be reported. longer is false where that was known before.
func (p *Permit) Spent(q Quota) (whole bool, long time.Duration, longer bool) {
	c := p.clinic
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	r := &c.all
	if whole = p.class.name == "" || !strings.Contains(strings.ToLower(q.Name), strings.ToLower(p.class.name)); !whole {
		r = p.class
	}
	long = min(max(q.Reset, MinRetryAfter), day+dayMargin) + c.limiter.config.Margin
	longer = now+long > r.frozen+c.limiter.config.Margin
	c.freeze(r, now, long)
	return whole, long, longer
}

// freeze has nothing sent by a rule for so long. Those who wait and can no longer be in time are refused at once.
func (c *clinic) freeze(r *rule, now, long time.Duration) {
	r.frozen = max(r.frozen, now+long)
	if c.queued() > 0 {
		c.refuseLate(now)
		c.dispatch(now)
	}
}

// namesClinic reads a limit's name such as "marketing_api/ip/clinic" or "jdp/clinic/endpoint".
func namesClinic(match, class string) bool {
	match = strings.ToLower(match)
	if class != "" && strings.Contains(match, strings.ToLower(class)) {
		return false
	}
	for _, smaller := range []string{"endpoint", "path", "route", "/api/"} {
		if strings.Contains(match, smaller) {
			return false
		}
	}
	return strings.Contains(match, "clinic")
}
