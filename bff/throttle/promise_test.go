package throttle_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/throttle"
)

// TestPromiseIsAPlaceOfItsOwn: who was refused while waiting comes back in time, waits once more, and is served: the
// first refusal is not told again, and the permit is not lost.
func TestPromiseIsAPlaceOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(throttle.Config{})
		r := request("patients", limits(1, 5*time.Second))
		p := mustAcquire(t, l, r)
		told := make(chan time.Duration, 2)
		for range 2 {
			go func() { told <- wantRefused(t, second(within(l, 20*time.Second, r))).RetryAfter }()
		}
		synctest.Wait()
		p.Frozen("", 40*time.Second)
		first, later := <-told, <-told
		first, later = min(first, later), max(first, later)
		time.Sleep(first)
		slow := mustAcquire(t, l, r)
		time.Sleep(later - first)
		served := make(chan *throttle.Permit, 1)
		go func() {
			again, err := within(l, time.Minute, r)
			if err != nil {
				t.Error(err)
			}
			served <- again
		}()
		synctest.Wait()
		slow.Unsent()
		again := <-served
		if again == nil {
			t.Fatal("no permit")
		}
		again.Unsent()
		if a, _ := l.Budget(r.Clinic, r.Class, r.Limits); a.Remaining != 1 {
			t.Errorf("a permit is lost: %+v", a)
		}
	})
}

// TestFrozenWhileOthersQueue: a freeze meets callers at every step of their way into the queue. Each gets a permit or an
// error, never both and never neither.
func TestFrozenWhileOthersQueue(t *testing.T) {
	for range 500 {
		l := throttle.New(throttle.Config{})
		r := request("patients", limits(1, time.Minute))
		held := mustAcquire(t, l, r)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				p, err := within(l, 10*time.Minute, r)
				if (p == nil) == (err == nil) {
					t.Errorf("permit %v, error %v", p, err)
				}
			})
		}
		held.Frozen("", time.Hour)
		all.Wait()
	}
}
