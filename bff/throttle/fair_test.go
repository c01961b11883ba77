package throttle_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/throttle"
)

// TestT106GreedyAndPolite: one practitioner asks without end, from the first moment, nine others once in half a minute. The
// nine hardly wait, and what they leave over is used.
func TestT106GreedyAndPolite(t *testing.T) {
	cases := []struct {
		name    string
		limits  throttle.Limits
		classes int           // that the greedy one asks for
		every   time.Duration // the polite ones ask
	}{
		{"the endpoint is scarce", jane, 1, 30 * time.Second},
		{"the clinic is scarce", jane, 7, 30 * time.Second},
	}
	for _, c := range cases {
		for seed := range uint64(whole(1, 3)) {
			t.Run(fmt.Sprint(c.name, " ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { greedyAndPolite(t, c.limits, c.classes, c.every, seed) })
			})
		}
	}
}

func greedyAndPolite(t *testing.T, both throttle.Limits, classes int, every time.Duration, seed uint64) {
	const runs, rtt = 30 * time.Minute, 200 * time.Millisecond
	l := throttle.New(throttle.Config{})
	end := time.Now().Add(runs)
	var all sync.WaitGroup
	var mu sync.Mutex
	var waits []time.Duration
	greedy := 0
	for i := range 1000 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(i)))
			for time.Now().Before(end) {
				r := throttle.Request{Clinic: "a", Class: fmt.Sprint("e", rnd.IntN(classes)), Practitioner: "greedy", Limits: both}
				p, err := within(l, 15*time.Second, r)
				var refused *throttle.RefusedError
				if errors.As(err, &refused) {
					time.Sleep(wholeSeconds(refused) + time.Duration(rnd.Int64N(int64(time.Second))))
					continue
				}
				mu.Lock()
				greedy++
				mu.Unlock()
				time.Sleep(rtt)
				p.Done()
			}
		})
	}
	for i := range 9 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, 1000+uint64(i)))
			time.Sleep(time.Duration(rnd.Int64N(int64(every))))
			for time.Now().Before(end) {
				began := time.Now()
				r := throttle.Request{Clinic: "a", Class: fmt.Sprint("e", rnd.IntN(classes)), Practitioner: fmt.Sprint("polite ", i), Limits: both}
				p, err := within(l, time.Hour, r)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				waits = append(waits, time.Since(began))
				mu.Unlock()
				time.Sleep(rtt)
				p.Done()
				time.Sleep(time.Until(began.Add(every)))
			}
		})
	}
	all.Wait()
	slices.Sort(waits)
	p99 := waits[len(waits)*99/100]
	t.Logf("%d polite calls waited p99 %s, at most %s; the greedy one had %d", len(waits), p99, waits[len(waits)-1], greedy)
	if p99 > 2*time.Second {
		t.Errorf("the polite ones waited %s (p99)", p99)
	}
}
