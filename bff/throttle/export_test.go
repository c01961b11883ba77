package throttle

import "time"

// Nudge looks at a clinic's queue out of turn and answers how many of those who wait it could serve. It does nothing
// where the clinic itself is about to look.
func (l *Limiter) Nudge(clinic string) int {
	c := l.find(clinic)
	if c == nil {
		return 0
	}
	defer c.mu.Unlock()
	now, before := c.now(), c.waiting
	if c.timerFor != 0 && c.timerFor-now <= 2*time.Millisecond {
		return 0
	}
	c.dispatch(now)
	return before - c.waiting
}
