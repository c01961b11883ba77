package throttle

import "time"

// rule is one limit in force: the permits of one key.
//
// Why a permit returns at e + W, where e is the moment the answer was complete: let s <= a <= e be when a request takes
// its permit, is counted by the platform, and is answered. Take the requests counted in some window [t, t+W), and of them
// the one that took its permit last, at s'. For each other one s' <= a' < t+W <= a+W <= e+W, so at s' its permit is out
// and not yet back. There are N permits, hence at most N such requests.
type rule struct {
	limit  Limit
	margin time.Duration
	out    int           // taken, answer not reported yet
	back   ring          // times at which reported ones return
	frozen time.Duration // no request before this moment

	// What is set aside for promises and for those ahead in the queue, since the last clinic.dispatch.
	held    int // of the permits that are free
	covered int // of those that return at a known time, the first so many

	// The account of permits that lie idle for promises.
	opened  bool
	spent   bool          // nothing is set aside until it has recovered
	spare   float64       // permits times seconds that may still lie idle
	idling  int           // permits that lie idle since charged
	charged time.Duration // when the account was last written
}

// window is how long after the answer a permit returns.
func (r *rule) window() time.Duration { return r.limit.Window + r.margin }

// capacity is the number of permits. It is the one reader of N, so that a rule whose key the platform counts with other
// consumers can be lowered here after a 429 that our own count does not explain.
func (r *rule) capacity() int { return r.limit.N }

const unlimited = int(^uint(0) >> 1)

// free is how many permits can be taken now; below 0 after the limit was lowered.
func (r *rule) free(now time.Duration) int {
	r.back.dropUntil(now)
	if r.capacity() <= 0 {
		return unlimited
	}
	return r.capacity() - r.out - r.back.size
}

func (r *rule) open(now time.Duration) bool {
	return r.frozen <= now && r.free(now) > 0
}

// give returns a permit at the time given.
func (r *rule) give(at time.Duration) {
	r.out--
	if r.capacity() > 0 {
		r.back.insert(at)
	}
}

// after says when the permit number k, from 0, of those not yet taken can be had. What is known exactly is used exactly;
// a call still under way is taken to be answered within slow from now.
func (r *rule) after(k int, now, slow time.Duration) time.Duration {
	n := r.capacity()
	if n <= 0 {
		return max(now, r.frozen)
	}
	rounds := time.Duration(k / n)
	at, i := now, k%n-r.free(now)
	switch {
	case i >= r.back.size:
		at = now + slow + r.window()
	case i >= 0:
		at = r.back.at(i)
	}
	return max(at+rounds*(slow+r.window()), r.frozen)
}

// change is the first moment after now at which more can be taken than now, or forever.
func (r *rule) change(now time.Duration) time.Duration {
	r.back.dropUntil(now)
	next := forever
	switch {
	case r.frozen > now:
		return r.frozen
	case r.back.size > 0:
		next = r.back.at(0)
	}
	if at, ok := r.spentAt(now); ok {
		next = min(next, at)
	}
	return next
}

func (r *rule) idle(now time.Duration) bool {
	r.back.dropUntil(now)
	return r.out == 0 && r.back.size == 0 && r.frozen <= now
}

func (r *rule) allowance(now time.Duration) Allowance {
	n := r.capacity()
	if n <= 0 {
		return Allowance{Reset: max(0, r.frozen-now)}
	}
	a := Allowance{Limit: n, Remaining: max(0, r.free(now))}
	if r.frozen > now {
		a.Remaining = 0
	}
	if a.Remaining == 0 {
		a.Reset = max(0, r.after(0, now, 0)-now)
	}
	return a
}

// ring is a queue of times in ascending order that grows by doubling: 8 bytes a permit, none for keys at rest.
type ring struct {
	times       []time.Duration // length is 0 or a power of two
	first, size int
}

func (q *ring) slot(i int) *time.Duration { return &q.times[(q.first+i)&(len(q.times)-1)] }

func (q *ring) at(i int) time.Duration { return *q.slot(i) }

// insert keeps the order. Nearly always the new time is the last; only those of abandoned calls lie behind it.
func (q *ring) insert(at time.Duration) {
	if q.size == len(q.times) {
		q.grow()
	}
	i := q.size
	q.size++
	for ; i > 0 && q.at(i-1) > at; i-- {
		*q.slot(i) = q.at(i - 1)
	}
	*q.slot(i) = at
}

func (q *ring) grow() {
	bigger := make([]time.Duration, max(4, 2*len(q.times)))
	for i := range q.size {
		bigger[i] = q.at(i)
	}
	q.times, q.first = bigger, 0
}

// dropUntil forgets the times up to and including now.
func (q *ring) dropUntil(now time.Duration) {
	for q.size > 0 && q.times[q.first] <= now {
		q.first = (q.first + 1) & (len(q.times) - 1)
		q.size--
	}
}
