package throttle

import (
	"math"
	"slices"
	"time"
)

// promise is the place kept for a call that was refused: whoever comes back at the time told goes to the head of the
// queue, and a permit is kept for them as far as rule.spare allows.
type promise struct {
	class        *rule
	who          *person
	background   bool
	due, expires time.Duration
}

// keptFor is how long a place is kept: Retry-After is rounded up to a second, and the way here takes time.
const keptFor = 5 * time.Second

// grace is how long somebody who came back in time may have to wait: a permit that returns until then serves them as
// well, so that none has to be kept idle for them.
const grace = time.Second

// takeUp finds the place that is kept for such a call now, and answers when it was due, or 0. Who comes early finds
// nothing: the place is kept for its time.
func (c *clinic) takeUp(x *claim, now time.Duration) time.Duration {
	for i, p := range c.promises {
		if p.due > now {
			break
		}
		if p.class == x.class && p.who == x.who && p.background == x.background {
			c.forgetPromise(i)
			c.missed -= c.missed / 8
			return p.due
		}
	}
	return 0
}

// lapse drops the places for which nobody came.
func (c *clinic) lapse(now time.Duration) {
	for len(c.promises) > 0 && c.promises[0].expires <= now {
		c.forgetPromise(0)
		c.missed += (1 - c.missed) / 8
	}
}

func (c *clinic) forgetPromise(i int) {
	c.promises[i].who.kept--
	c.promises = slices.Delete(c.promises, i, i+1)
}

// expected is how many of n promises will be taken up, as far as the last ones tell.
func (c *clinic) expected(n int) int { return int(math.Ceil(float64(n) * (1 - c.missed))) }

// promise keeps a place for x at the time given and answers when to come back. Of the places there are MaxQueue, and for
// one practitioner a tenth of them: who has those already is told the time of one of them, so that a caller who
// asks again and again gathers none.
func (c *clinic) promise(x *claim, at, now time.Duration) time.Duration {
	switch {
	case x.who.kept >= c.limiter.config.ownPromises():
		for _, p := range c.promises {
			if p.class == x.class && p.who == x.who && p.background == x.background && p.due > now {
				return p.due
			}
		}
	case len(c.promises) < c.limiter.config.MaxQueue:
		x.who.kept++
		p := &promise{class: x.class, who: x.who, background: x.background, due: at, expires: at + keptFor}
		i := len(c.promises)
		for i > 0 && c.promises[i-1].due > at {
			i--
		}
		c.promises = slices.Insert(c.promises, i, p)
	}
	return at
}

// keep sets aside what the promises need, in both rules. It comes before anybody is served.
func (c *clinic) keep(now time.Duration) {
	c.lapse(now)
	c.all.begin(now)
	for _, r := range c.classes {
		r.begin(now)
	}
	for _, p := range c.promises {
		if c.all.frozen <= now && p.class.frozen <= now && !c.restrained(p.who, p.class, now) {
			p.class.keep(p.due+grace, now+c.slow)
			c.all.keep(p.due+grace, now+c.slow)
		}
	}
	c.all.afford(now)
	for _, r := range c.classes {
		r.afford(now)
	}
}

// idleShare is the part of a rule's permits that may lie idle for promises: one in fifty. A permit kept for somebody who
// comes a second late costs a sixtieth of a minute's permit; what those cost who never come is bounded by this alone.
const idleShare = 50

// begin charges what lay idle since the last time and starts to set aside anew.
func (r *rule) begin(now time.Duration) {
	n, most := float64(max(0, r.capacity())), r.mostSpare()
	if !r.opened {
		r.opened, r.spare = true, most
	}
	r.spare += (n/idleShare - float64(r.idling)) * (now - r.charged).Seconds()
	r.spare = max(0, min(most, r.spare)) // below 0 only where nobody waited, whom it would have cost something
	r.charged, r.held, r.covered, r.idling = now, 0, 0, 0
	r.drop(now)
}

// mostSpare is what a rule may let lie idle at once, in permits times seconds: the share of one window, or one permit for
// as long as a place is kept.
func (r *rule) mostSpare() float64 {
	return max(keptFor.Seconds(), float64(max(0, r.capacity()))*r.window().Seconds()/idleShare)
}

// keep sets a permit aside for the time given: one that returns by then, if not all of those are set aside, else one that
// is free now. None is needed for a time at which even what is taken now, and answered at the time given, is back.
func (r *rule) keep(at, answered time.Duration) {
	switch {
	case at >= answered+r.window():
	case r.covered < r.back.size && r.back.at(r.covered) <= at:
		r.covered++
	default:
		r.held++
	}
}

// afford gives up what is set aside when too much of it lay idle lately, until a quarter of the allowance is back.
func (r *rule) afford(now time.Duration) {
	switch {
	case r.spare <= 0:
		r.spent = true
	case r.spare >= r.mostSpare()/4:
		r.spent = false
	}
	if r.spent {
		r.held, r.covered = 0, 0
	}
	r.idling = max(0, min(r.held, r.free(now)))
}

// spentAt is when what lies idle will have been too much, or false.
func (r *rule) spentAt(now time.Duration) (time.Duration, bool) {
	rate := float64(r.idling) - float64(max(0, r.capacity()))/idleShare
	if rate <= 0 {
		return 0, false
	}
	return now + time.Duration(max(0, r.spare)/rate*float64(time.Second)) + time.Millisecond, true
}
