package throttle_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/throttle"
)

// TestT107NobodyIsForgotten: whoever can be served is served at once. Under every kind of call, with promises and freezes,
// somebody looks at the queue at odd moments, and never finds anybody to serve. Nobody holds enough permits to have to leave
// some to others, which changes with time alone.
func TestT107NobodyIsForgotten(t *testing.T) {
	both := throttle.Limits{Endpoint: throttle.Limit{N: 6, Window: 3 * time.Second}, Clinic: throttle.Limit{N: 12, Window: 7 * time.Second}}
	for seed := range uint64(whole(2, 20)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := throttle.New(throttle.Config{Margin: 1, Orphan: 5 * time.Second, MaxQueue: 40})
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
				defer cancel()
				seen := &counter{begin: time.Now(), class: map[string][]time.Duration{}}
				var names atomic.Int64
				var all sync.WaitGroup
				for user := range 30 {
					all.Go(func() {
						rnd := rand.New(rand.NewPCG(seed, uint64(user)))
						for ctx.Err() == nil {
							r := throttle.Request{Clinic: "a", Class: fmt.Sprint("e", rnd.IntN(4)), Practitioner: fmt.Sprint(names.Add(1)), Background: rnd.IntN(4) == 0, Limits: both}
							for range 3 {
								if told := call(ctx, l, seen, rnd, r, 5*time.Second); told == 0 {
									break
								} else if rnd.IntN(3) > 0 {
									time.Sleep(told + time.Duration(rnd.Int64N(int64(2*time.Second))))
								}
							}
						}
					})
				}
				rnd := rand.New(rand.NewPCG(seed, 1000))
				looked, forgotten := 0, 0
				for ctx.Err() == nil {
					time.Sleep(time.Duration(rnd.Int64N(int64(20 * time.Millisecond))))
					synctest.Wait()
					looked++
					forgotten += l.Nudge("a")
				}
				all.Wait()
				seen.late.Wait()
				if forgotten > 0 {
					t.Errorf("looked %d times, found %d calls that could have been served before", looked, forgotten)
				}
			})
		})
	}
}

// TestT107ServedWhenAnAnswerMakesRoom: a free permit is kept for a place that is due later, as long as nothing else is known to
// return by then. An answer in time is such a return: whoever waits gets the free permit in that moment.
func TestT107ServedWhenAnAnswerMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(throttle.Config{})
		r := request("patients", limits(2, 10*time.Second))
		slow := mustAcquire(t, l, r)
		time.Sleep(5 * time.Second)
		slow.Done()
		time.Sleep(11 * time.Second)
		one, other := mustAcquire(t, l, r), mustAcquire(t, l, r)
		if told := wantRefused(t, second(within(l, time.Second, r))).RetryAfter; told != 16*time.Second {
			t.Fatalf("told %s", told)
		}
		time.Sleep(time.Second)
		one.Unsent()
		time.Sleep(500 * time.Millisecond)
		served := make(chan time.Time, 1)
		go func() {
			mustAcquire(t, l, r)
			served <- time.Now()
		}()
		time.Sleep(500 * time.Millisecond)
		if len(served) > 0 {
			t.Fatal("nothing is kept for the promise")
		}
		begin := time.Now()
		other.Done()
		if waited := (<-served).Sub(begin); waited != 0 {
			t.Errorf("served %s after there was room", waited)
		}
	})
}

// TestT108PlacesAreKeptAfterALull: what lies idle while nobody asks costs nobody anything. When a place was kept and then nobody
// came for an hour, the next place is kept as well.
func TestT108PlacesAreKeptAfterALull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(throttle.Config{})
		r := request("patients", limits(10, time.Minute))
		hasty := r
		hasty.Practitioner = "hasty"
		use := func() { // all permits, five seconds after each other, and a place is kept
			for i := range 10 {
				other := r
				other.Practitioner = fmt.Sprint(i)
				mustAcquire(t, l, other).Done()
				time.Sleep(5 * time.Second)
			}
			told := wholeSeconds(wantRefused(t, second(within(l, time.Second, r))))
			time.Sleep(told + 500*time.Millisecond)
			wantRefused(t, second(within(l, time.Second, hasty)))
		}
		use()
		time.Sleep(time.Hour) // the one that the place was kept for does not come
		use()
		p, err := within(l, time.Second, r)
		if err != nil {
			t.Fatalf("came back half a second after the time told: %v", err)
		}
		p.Done()
	})
}
