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
	queue    []*claim // in the order of service
	waiting  int      // claims of the queue that somebody waits for; the others are promises
	turn     uint64   // tag of the last claim served
	last     [2]uint64
	slow     time.Duration // a high estimate of how long an answer takes
	timer    *time.Timer
	timerFor time.Duration // when the timer fires; 0 when it is not set
}

// claim is one place in the queue: a call that waits, or the promise made to one that was refused.
type claim struct {
	class        *rule
	name         string // of the class
	practitioner string
	background   bool
	tag          uint64
	promised     bool
	due, expires time.Duration // of a promise
	deadline     time.Duration // of a call that waits
	ready        chan struct{} // closed once permit or refused is set, and both stay; nil while nobody waits on it
	permit       *Permit
	refused      *RefusedError
}

// keptFor is how long a promised place is kept: Retry-After is rounded up to a second, and the way here takes time.
const keptFor = 5 * time.Second

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

// enqueue puts a claim behind those of its kind, interactive ones before background ones of the same tag.
func (c *clinic) enqueue(x *claim) {
	kind, step := 0, uint64(stepInteractive)
	if x.background {
		kind, step = 1, stepBackground
	}
	x.tag = max(c.turn, c.last[kind]) + step
	c.last[kind] = x.tag
	i := len(c.queue)
	for i > 0 && x.before(c.queue[i-1]) {
		i--
	}
	c.queue = slices.Insert(c.queue, i, x)
}

func (x *claim) before(y *claim) bool {
	return x.tag < y.tag || x.tag == y.tag && !x.background && y.background
}

// kept finds the place that was promised to this practitioner for now.
func (c *clinic) kept(r Request, class *rule, now time.Duration) *claim {
	for _, x := range c.queue {
		if x.promised && x.due <= now && x.class == class && x.practitioner == r.Practitioner && x.background == r.Background {
			x.promised = false
			return x
		}
	}
	return nil
}

// dispatch serves every claim that can be served without delaying one that is ahead: those ahead hold a permit of the
// clinic and of their class each, unless their class is frozen. Then it sets the timer for the next change.
func (c *clinic) dispatch(now time.Duration) {
	c.all.held = 0
	for _, x := range c.queue {
		x.class.held = 0
	}
	left := c.queue[:0]
	for _, x := range c.queue {
		switch {
		case x.promised && x.expires <= now:
			continue
		case x.class.frozen > now || c.all.frozen > now:
		case !x.promised && c.all.free(now) > c.all.held && x.class.free(now) > x.class.held:
			c.serve(x, now)
			continue
		default:
			c.all.held++
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
	ahead, aheadInClass := 0, 0
	frozen := x.class.frozen > now
	for _, y := range c.queue {
		if y == x {
			break
		}
		if y.class == x.class {
			aheadInClass++
		}
		if frozen || y.class.frozen <= now {
			ahead++
		}
	}
	all, class := c.all.after(ahead, now, c.slow), x.class.after(aheadInClass, now, c.slow)
	if class >= all {
		return class, c.key + " " + x.name
	}
	return all, c.key
}

// refuse takes a claim out of the queue, and where not too many are promised puts a promise in its place: whoever comes
// back at the time told finds it. It never lets one practitioner hold more than an eighth of the promises. The promise is
// a claim of its own, because whoever waited on x may not have read its refusal yet.
func (c *clinic) refuse(x *claim, now time.Duration) *RefusedError {
	at, key := c.start(x, now)
	promises, own := 0, 0
	for _, y := range c.queue {
		if y.promised {
			promises++
			if y.practitioner == x.practitioner {
				own++
			}
		}
	}
	if promises < c.limiter.config.MaxQueue && own < max(1, c.limiter.config.MaxQueue/8) {
		c.queue[slices.Index(c.queue, x)] = &claim{
			class: x.class, name: x.name, practitioner: x.practitioner, background: x.background, tag: x.tag,
			promised: true, due: at, expires: at + keptFor,
		}
	} else {
		c.remove(x)
	}
	return &RefusedError{RetryAfter: max(at-now, time.Millisecond), Key: key}
}

// refuseLate refuses those that wait and can no longer be served before their deadline.
func (c *clinic) refuseLate(now time.Duration) {
	for _, x := range slices.Clone(c.queue) {
		if x.promised {
			continue
		}
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
	next := forever
	if at, ok := c.all.next(now); ok {
		next = at
	}
	for _, x := range c.queue {
		if at, ok := x.class.next(now); ok {
			next = min(next, at)
		}
		if x.promised {
			next = min(next, x.expires)
		}
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
