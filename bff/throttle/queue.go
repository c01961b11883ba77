package throttle

import (
	"slices"
	"time"
)

// claim is a call that waits.
type claim struct {
	class      *rule
	who        *person
	background bool
	tag        uint64
	due        time.Duration // of the promise that it took up, or 0
	deadline   time.Duration
	ready      chan struct{} // closed once permit or refused is set, and both stay; nil while nobody waits on it
	permit     *Permit
	refused    *RefusedError
}

func (x *claim) kind() int {
	if x.background {
		return 1
	}
	return 0
}

// interactive is how many interactive claims are served for one in the background, while both wait.
const interactive = 4

// inOrder goes through the queue in the order of service.
func (c *clinic) inOrder(yield func(*claim) bool) {
	i, j, streak := 0, 0, c.streak
	for i < len(c.queue[0]) || j < len(c.queue[1]) {
		var x *claim
		if j < len(c.queue[1]) && (streak >= interactive || i == len(c.queue[0])) {
			x, streak = c.queue[1][j], 0
			j++
		} else {
			x = c.queue[0][i]
			i, streak = i+1, streak+1
		}
		if !yield(x) {
			return
		}
	}
}

func (c *clinic) queued() int { return len(c.queue[0]) + len(c.queue[1]) }

// enqueue puts a claim behind those of its kind that came before, but practitioners take turns (start-time fair queueing).
// A turn is one that was served or still waits; what was refused is none. Who took up a promise comes before all who did
// not.
func (c *clinic) enqueue(x *claim) {
	kind := x.kind()
	queue := c.queue[kind]
	x.who.waits++
	if x.due == 0 {
		x.tag = max(c.turn[kind], x.who.turn[kind])
		for _, y := range queue {
			if y.who == x.who {
				x.tag = max(x.tag, y.tag)
			}
		}
		x.tag++
	}
	i := len(queue)
	for i > 0 && x.before(queue[i-1]) {
		i--
	}
	c.queue[kind] = slices.Insert(queue, i, x)
}

func (x *claim) before(y *claim) bool {
	if x.due != 0 || y.due != 0 {
		return y.due == 0 || x.due != 0 && x.due < y.due
	}
	return x.tag < y.tag
}

func (c *clinic) remove(x *claim) {
	queue := c.queue[x.kind()]
	if i := slices.Index(queue, x); i >= 0 {
		c.queue[x.kind()] = slices.Delete(queue, i, i+1)
		x.who.waits--
	}
}
