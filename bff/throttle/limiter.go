package throttle

import (
	"slices"
	"sync"
	"time"
)

// Limiter hands out permits. All its methods may be called at once from many goroutines. Locks are taken in the order
// Limiter, clinic; a call that finds its clinic known takes only the clinic's, so that clinics do not disturb each other.
type Limiter struct {
	config  Config
	epoch   time.Time     // times are kept as the monotonic distance from here
	unknown time.Duration // until when the platforms may count what nobody knows of
	forgot  bool          // there may be such

	mu      sync.RWMutex
	clinics map[string]*clinic
	keys    int           // clinics and their classes
	sweepAt int           // number of keys at which idle ones are looked for
	swept   time.Duration // when that was last done
}

const firstSweep = 64

// New makes a Limiter.
func New(c Config) *Limiter {
	return &Limiter{config: c.withDefaults(), epoch: time.Now(), clinics: map[string]*clinic{}, sweepAt: firstSweep}
}

func (l *Limiter) now() time.Duration { return time.Since(l.epoch) }

// enter finds or makes the clinic and the class, and answers the clinic locked.
func (l *Limiter) enter(r Request) (*clinic, *rule, error) {
	for {
		if c := l.find(r.Clinic); c != nil {
			if class := c.classes[r.Class]; class != nil {
				return c, class, nil
			}
			c.mu.Unlock()
		}
		if err := l.add(r); err != nil {
			return nil, nil, err
		}
	}
}

// find answers a known clinic, locked, or nil.
func (l *Limiter) find(key string) *clinic {
	for {
		l.mu.RLock()
		c := l.clinics[key]
		l.mu.RUnlock()
		if c == nil {
			return nil
		}
		c.mu.Lock()
		if !c.gone {
			return c
		}
		c.mu.Unlock()
	}
}

// add makes the keys of r. When they would be too many and none is idle, it refuses: a key is idle one window after its
// last answer.
func (l *Limiter) add(r Request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys+2 > min(l.sweepAt, l.config.MaxKeys) {
		l.sweep()
	}
	if l.keys+2 > l.config.MaxKeys {
		return &RefusedError{RetryAfter: max(r.Limits.Endpoint.Window, time.Second), Key: "keys"}
	}
	c := l.clinics[r.Clinic]
	if c == nil {
		c = &clinic{limiter: l, key: r.Clinic, made: l.now(), classes: map[string]*rule{}, people: map[string]*person{}, peopleAt: firstPeople}
		c.all.margin, c.all.limit, c.all.frozen = l.config.Margin, r.Limits.Clinic, l.closed(r.Limits.Clinic)
		l.clinics[r.Clinic] = c
		l.keys++
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.classes[r.Class] == nil {
		c.classes[r.Class] = &rule{name: r.Class, number: c.unused(), margin: l.config.Margin,
			limit: r.Limits.Endpoint, frozen: l.closed(r.Limits.Endpoint)}
		l.keys++
	}
	return nil
}

// unused is a number that no rule of the clinic has.
func (c *clinic) unused() int {
	taken := make([]bool, len(c.classes)+2)
	for _, r := range c.classes {
		if r.number < len(taken) {
			taken[r.number] = true
		}
	}
	return 1 + slices.Index(taken[1:], false)
}

// sweep forgets keys that have no permit out, none on its way back, no freeze and nobody waiting; at most once a second.
func (l *Limiter) sweep() {
	now := l.now()
	if l.swept != 0 && now-l.swept < time.Second {
		return
	}
	l.swept = now
	for key, c := range l.clinics {
		c.mu.Lock()
		l.keys -= c.forgetIdle(now)
		if len(c.classes) == 0 && c.all.idle(now) {
			c.gone = true
			delete(l.clinics, key)
			l.keys--
		}
		c.mu.Unlock()
	}
	l.sweepAt = max(firstSweep, 2*l.keys)
}

// forgetIdle drops idle classes and says how many.
func (c *clinic) forgetIdle(now time.Duration) (dropped int) {
	c.lapse(now)
	if c.queued()+len(c.promises) > 0 {
		return 0
	}
	for name, r := range c.classes {
		if r.idle(now) {
			delete(c.classes, name)
			dropped++
		}
	}
	return dropped
}
