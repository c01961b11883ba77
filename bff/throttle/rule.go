package throttle

import "time"

// rule is one limit in force: the permits of one key.
//
// Why a permit returns at e + W, where e is the moment the answer was complete: let s <= a <= e be when a request takes
// its permit, is counted by the platform, and is answered. Take the requests counted in some window [t, t+W), and of them
// the one that took its permit last, at s'. For each other one s' <= a' < t+W <= a+W <= e+W, so at s' its permit is out
// and not yet back. There are N permits, hence at most N such requests.
type rule struct {
	name   string // of the endpoint class
	number int    // index of person.own; 0 is the clinic's rule
	limit  Limit
	margin time.Duration
	out    int           // taken, answer not reported yet
	back   ring          // times at which reported ones return
	frozen time.Duration // no request before this moment

	// What is set aside for promises and for those ahead in the queue, since the last clinic.dispatch.
	held    int // of the permits that are free
	covered int // of those that return at a known time, the first so many

	// As clinic.count has found them.
	counted time.Duration
	fair    int // permits; who holds more of them leaves some to the others
	left    int // how many that is

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
	r.drop(now)
	if r.capacity() <= 0 {
		return unlimited
	}
	return r.capacity() - r.out - r.back.size
}

// drop takes back the permits that have returned until now.
func (r *rule) drop(now time.Duration) {
	for r.back.size > 0 && r.back.at(0) <= now {
		r.back.pop().own[r.number]--
	}
}

func (r *rule) take(who *person) {
	r.out++
	who.own[r.number]++
}

// give returns a permit of who at the time given.
func (r *rule) give(at time.Duration, who *person) {
	if r.capacity() > 0 {
		r.out--
		r.back.insert(returning{at, who})
	} else {
		r.untake(who)
	}
}

func (r *rule) untake(who *person) {
	r.out--
	who.own[r.number]--
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
	r.drop(now)
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
	r.drop(now)
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
