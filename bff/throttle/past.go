package throttle

import "time"

// Sent is a request that an earlier run of the process has sent.
type Sent struct {
	Clinic, Class, Practitioner string
	Limits                      Limits
	// Ago is how long ago, at least, the answer was completely received; where it is not Answered, how long ago the request
	// was given up or its sender had ended.
	Ago      time.Duration
	Answered bool
}

// Memory is how long after its end a request may count: with a window at most this long, and if nobody knows whether the
// platform has finished with it.
func (l *Limiter) Memory(window time.Duration) time.Duration {
	return window + l.config.Margin + l.config.Orphan
}

// Resume counts what earlier runs have sent, as if this one had: a permit returns a window and the margin after its answer,
// or after the last moment at which the platform may still count it. So the bound holds over the end of a process as well,
// since the proof at rule does not ask who took a permit. It is called once, before the first Acquire. The error is a
// *RefusedError where there are more keys than can be remembered; then Forget is the way to be safe.
func (l *Limiter) Resume(sent []Sent) error {
	for _, s := range sent {
		c, class, err := l.enter(Request{Clinic: s.Clinic, Class: s.Class, Limits: s.Limits})
		if err != nil {
			return err
		}
		c.resume(class, s, l.now())
		c.mu.Unlock()
	}
	return nil
}

func (c *clinic) resume(class *rule, s Sent, now time.Duration) {
	class.limit, c.all.limit = s.Limits.Endpoint, s.Limits.Clinic
	ended := now - s.Ago
	if !s.Answered {
		ended += c.limiter.config.Orphan
	}
	who := c.person(s.Practitioner, class, now)
	for _, r := range []*rule{class, &c.all} {
		if at := ended + r.window(); at > now {
			r.take(who)
			r.give(at, who)
		}
	}
}

// Refreeze freezes what an earlier run had frozen so long ago (ago), at least, for so long: the clinic as a whole or the
// class alone. The error is as Resume's.
func (l *Limiter) Refreeze(r Request, whole bool, ago, long time.Duration) error {
	c, class, err := l.enter(r)
	if err != nil {
		return err
	}
	defer c.mu.Unlock()
	if whole {
		class = &c.all
	}
	class.frozen = max(class.frozen, l.now()-ago+min(long, MaxRetryAfter+l.config.Margin))
	return nil
}

// Forget says that nobody knows what was sent, but that all of it had been given up, or its sender had ended, so long ago
// (ago) at least. All permits of all keys count as taken until none of it can count any more. It is called once, before the
// first Acquire.
func (l *Limiter) Forget(ago time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unknown = l.now() - ago + l.config.Orphan
	l.forgot = true
	for _, c := range l.clinics {
		c.mu.Lock()
		c.all.frozen = max(c.all.frozen, l.closed(c.all.limit))
		for _, r := range c.classes {
			r.frozen = max(r.frozen, l.closed(r.limit))
		}
		c.mu.Unlock()
	}
}

// closed is until when a rule has no permits, because it is not known who has them.
func (l *Limiter) closed(limit Limit) time.Duration {
	if !l.forgot || limit.N <= 0 {
		return 0
	}
	return max(0, l.unknown+limit.Window+l.config.Margin)
}
