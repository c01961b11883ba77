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
	made    time.Duration

	mu       sync.Mutex
	gone     bool // dropped from the Limiter: look it up again
	all      rule
	classes  map[string]*rule
	people   map[string]*person
	peopleAt int           // number of people at which those who left are looked for
	queue    [2][]*claim   // interactive, background; each in the order of service
	streak   int           // interactive claims served since the last in the background, while both waited
	turn     [2]uint64     // tag of the last claim served
	waiting  int           // how many of the queue have been told to wait
	promises []*promise    // in the order in which they are due
	missed   float64       // the part of the promises for which nobody came, lately
	slow     time.Duration // a high estimate of how long an answer takes
	timer    *time.Timer
	timerFor time.Duration // when the timer fires; 0 when it is not set
}

const forever = time.Duration(1<<63 - 1)

func (c *clinic) now() time.Duration { return c.limiter.now() }

// take hands out both permits; the caller has seen that both are free.
func (c *clinic) take(class *rule, who *person, now time.Duration) *Permit {
	c.all.take(who)
	class.take(who)
	return &Permit{clinic: c, class: class, who: who, taken: now}
}

// dispatch serves every claim that can be served without delaying one that is ahead or promised: for each of those ahead a
// permit of its class is set aside, and one of the clinic for the moment at which it can have that. Then it sets the timer
// for the next change.
func (c *clinic) dispatch(now time.Duration) {
	c.keep(now)
	served := false
	for x := range c.inOrder {
		switch {
		case x.class.frozen > now || c.all.frozen > now:
		case c.may(x.who, x.class, now):
			c.serve(x, now)
			served = true
		case !c.restrained(x.who, x.class, now):
			c.all.keep(x.class.after(x.class.held, now, c.slow), now+c.slow)
			x.class.held++
		}
	}
	if served {
		for kind, queue := range c.queue {
			c.queue[kind] = slices.DeleteFunc(queue, func(x *claim) bool { return x.permit != nil })
		}
	}
	c.arm(now)
}

func (c *clinic) serve(x *claim, now time.Duration) {
	kind := x.kind()
	c.turn[kind], x.who.turn[kind] = max(c.turn[kind], x.tag), max(x.who.turn[kind], x.tag)
	switch {
	case x.background:
		c.streak = 0
	case len(c.queue[1]) > 0:
		c.streak++
	}
	x.permit = c.take(x.class, x.who, now)
	x.who.waits--
	c.wake(x)
}

func (c *clinic) wake(x *claim) {
	if x.ready != nil {
		close(x.ready)
		c.waiting--
	}
}

// start estimates when a claim of the queue can be served, and names the key it waits for longest.
func (c *clinic) start(x *claim, now time.Duration) (time.Duration, string) {
	var promised, ahead places
	for _, p := range c.promises {
		if x.due != 0 && p.due >= x.due {
			break
		}
		promised.add(x, p.class, p.who, now)
	}
	for y := range c.inOrder {
		if y == x {
			break
		}
		ahead.add(x, y.class, y.who, now)
	}
	all := c.all.after(c.expected(promised.all)+ahead.all, now, c.slow)
	all = max(all, c.afterOwn(&c.all, x.who, promised.own+ahead.own, now))
	class := x.class.after(c.expected(promised.class)+ahead.class, now, c.slow)
	class = max(class, c.afterOwn(x.class, x.who, promised.ownInClass+ahead.ownInClass, now))
	if class >= all {
		return class, c.key + " " + x.class.name
	}
	return all, c.key
}

// places counts who is before a claim: in the clinic, in its class, and of those the same practitioner's.
type places struct{ all, class, own, ownInClass int }

// add counts one of the class and practitioner given. Those of a frozen class are passed by others.
func (n *places) add(x *claim, class *rule, who *person, now time.Duration) {
	if class.frozen > now && x.class.frozen <= now {
		return
	}
	n.all++
	if class == x.class {
		n.class++
	}
	if who == x.who {
		n.own++
		if class == x.class {
			n.ownInClass++
		}
	}
}

// refuse takes a claim out of the queue and promises it a place.
func (c *clinic) refuse(x *claim, now time.Duration) *RefusedError {
	at, key := c.start(x, now)
	c.remove(x)
	return &RefusedError{RetryAfter: max(c.promise(x, at, now)-now, time.Millisecond), Key: key}
}

// refuseLate refuses those that wait and can no longer be served before their deadline.
func (c *clinic) refuseLate(now time.Duration) {
	for _, x := range slices.Collect(c.inOrder) {
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
	for x := range c.inOrder {
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
