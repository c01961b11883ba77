package throttle

import (
	"slices"
	"sync"
	"time"
)

// clinic is the rules of one clinic and the calls that wait for them.
type clinic struct {
	limiter *Limiter
	key     string

	mu       sync.Mutex
	gone     bool // dropped from the Limiter: look it up again
	all      rule
	classes  map[string]*rule
	queue    []*claim   // in the order of service: those who took up a promise, then the others
	waiting  int        // how many of them have been told to wait
	promises []*promise // in the order in which they are due
	missed   float64    // the part of the promises for which nobody came, lately
	turn     uint64     // tag of the last claim served
	last     [2]uint64
	slow     time.Duration // a high estimate of how long an answer takes
	timer    *time.Timer
	timerFor time.Duration // when the timer fires; 0 when it is not set
}

// claim is a call that waits.
type claim struct {
	class        *rule
	name         string // of the class
	practitioner string
	background   bool
	tag          uint64
	due          time.Duration // of the promise that it took up, or 0
	deadline     time.Duration
	ready        chan struct{} // closed once permit or refused is set, and both stay; nil while nobody waits on it
	permit       *Permit
	refused      *RefusedError
}

const forever = time.Duration(1<<63 - 1)

// Steps of the tags by which claims are ordered (start-time fair queueing): while both kinds wait, four interactive calls
// are served for one in the background, whenever each came.
const (
	stepInteractive = 1
	stepBackground  = 4
)

func (c *clinic) now() time.Duration { return c.limiter.now() }

// take hands out both permits; the caller has seen that both are free.
func (c *clinic) take(class *rule, name string, now time.Duration) *Permit {
	c.all.out++
	class.out++
	return &Permit{clinic: c, class: class, name: name, taken: now}
}

// enqueue puts a claim behind those of its kind, interactive ones before background ones of the same tag. Who took up a
// promise comes before all who did not.
func (c *clinic) enqueue(x *claim) {
	kind, step := 0, uint64(stepInteractive)
	if x.background {
		kind, step = 1, stepBackground
	}
	if x.due == 0 {
		x.tag = max(c.turn, c.last[kind]) + step
		c.last[kind] = x.tag
	}
	i := len(c.queue)
	for i > 0 && x.before(c.queue[i-1]) {
		i--
	}
	c.queue = slices.Insert(c.queue, i, x)
}

func (x *claim) before(y *claim) bool {
	switch {
	case x.due != 0 || y.due != 0:
		return y.due == 0 || x.due != 0 && x.due < y.due
	case x.tag == y.tag:
		return !x.background && y.background
	}
	return x.tag < y.tag
}

// dispatch serves every claim that can be served without delaying one that is ahead or promised: for each of those ahead a
// permit of its class is set aside, and one of the clinic for the moment at which it can have that. Then it sets the timer
// for the next change.
func (c *clinic) dispatch(now time.Duration) {
	c.keep(now)
	left := c.queue[:0]
	for _, x := range c.queue {
		switch {
		case x.class.frozen > now || c.all.frozen > now:
		case c.all.free(now) > c.all.held && x.class.free(now) > x.class.held:
			c.serve(x, now)
			continue
		default:
			c.all.keep(x.class.after(x.class.held, now, c.slow), now+c.slow)
			x.class.held++
		}
		left = append(left, x)
	}
	clear(c.queue[len(left):])
	c.queue = left
	if len(left) == 0 {
		c.turn, c.last = 0, [2]uint64{}
	}
	c.arm(now)
}

func (c *clinic) serve(x *claim, now time.Duration) {
	c.turn = max(c.turn, x.tag)
	x.permit = c.take(x.class, x.name, now)
	c.wake(x)
}

func (c *clinic) wake(x *claim) {
	if x.ready != nil {
		close(x.ready)
		c.waiting--
	}
}

func (c *clinic) remove(x *claim) {
	if i := slices.Index(c.queue, x); i >= 0 {
		c.queue = slices.Delete(c.queue, i, i+1)
	}
}

// start estimates when a claim of the queue can be served, and names the key it waits for longest.
func (c *clinic) start(x *claim, now time.Duration) (time.Duration, string) {
	ahead, aheadInClass := c.promisedBefore(x, now)
	for _, y := range c.queue {
		if y == x {
			break
		}
		if y.class == x.class {
			aheadInClass++
		}
		if x.class.frozen > now || y.class.frozen <= now {
			ahead++
		}
	}
	all, class := c.all.after(ahead, now, c.slow), x.class.after(aheadInClass, now, c.slow)
	if class >= all {
		return class, c.key + " " + x.name
	}
	return all, c.key
}

// promisedBefore is how many are expected to come and go before x, in the clinic and in its class.
func (c *clinic) promisedBefore(x *claim, now time.Duration) (all, class int) {
	for _, p := range c.promises {
		if x.due != 0 && p.due >= x.due {
			break
		}
		if p.class == x.class {
			class++
		}
		if x.class.frozen > now || p.class.frozen <= now {
			all++
		}
	}
	return c.expected(all), c.expected(class)
}

// refuse takes a claim out of the queue and promises it a place.
func (c *clinic) refuse(x *claim, now time.Duration) *RefusedError {
	at, key := c.start(x, now)
	c.remove(x)
	return &RefusedError{RetryAfter: max(c.promise(x, at)-now, time.Millisecond), Key: key}
}

// refuseLate refuses those that wait and can no longer be served before their deadline.
func (c *clinic) refuseLate(now time.Duration) {
	for _, x := range slices.Clone(c.queue) {
		if at, _ := c.start(x, now); at > x.deadline {
			x.refused = c.refuse(x, now)
			c.wake(x)
		}
	}
}

// arm sets the one timer of the clinic to the next moment at which somebody who waits may be served.
func (c *clinic) arm(now time.Duration) {
	at := c.nextChange(now)
	if at == c.timerFor {
		return
	}
	c.timerFor = at
	switch {
	case at == 0:
		c.timer.Stop()
	case c.timer == nil:
		c.timer = time.AfterFunc(at-now, c.tick)
	default:
		c.timer.Reset(at - now)
	}
}

// nextChange is 0 when nobody waits, or when only an answer still under way can change anything.
func (c *clinic) nextChange(now time.Duration) time.Duration {
	if c.waiting == 0 {
		return 0
	}
	next := c.all.change(now)
	for _, x := range c.queue {
		next = min(next, x.class.change(now))
	}
	if len(c.promises) > 0 {
		next = min(next, c.promises[0].expires)
	}
	if next == forever {
		return 0
	}
	return next
}

func (c *clinic) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timerFor = 0
	c.dispatch(c.now())
}
