package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/throttle"
)

// whole is how much of a long test is run: all where LOCUM_SATURATE is set (`make saturate`), else a part.
func whole(part, all int) int {
	if os.Getenv("LOCUM_SATURATE") != "" {
		return all
	}
	return part
}

// patient is a caller that waits as long as it must; of a hundred, it breaks off so many while it waits.
func patient(ctx context.Context, l *throttle.Limiter, r throttle.Request, rnd *rand.Rand, breaksOff int) *throttle.Permit {
	if rnd.IntN(100) < breaksOff {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer time.AfterFunc(time.Duration(rnd.Int64N(int64(4*time.Second))), cancel).Stop()
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
	}
	p, err := l.Acquire(ctx, r)
	var refused *throttle.RefusedError
	if errors.As(err, &refused) {
		time.Sleep(min(wholeSeconds(refused), 20*time.Second))
	}
	return p
}

// TestT101Long: 64 practitioners ask for more than they can have, at Jane's own limits over seven endpoints, and for
// hundreds or ten thousand windows of three seconds. The margin is a nanosecond, so the bound is tight.
func TestT101Long(t *testing.T) {
	windows := whole(300, 10_000)
	some := time.Duration(whole(12, 30)) * time.Minute
	cases := []struct {
		name    string
		limits  throttle.Limits
		classes int
		runs    time.Duration
		rtt     time.Duration // at most
	}{
		{"Jane's limits", jane, 7, some, 400 * time.Millisecond},
		{"Jane's limits, one endpoint", jane, 1, some, 400 * time.Millisecond},
		{fmt.Sprint(windows, " windows"), throttle.Limits{Endpoint: throttle.Limit{N: 5, Window: 3 * time.Second}, Clinic: throttle.Limit{N: 8, Window: 4 * time.Second}}, 7,
			time.Duration(windows) * 3 * time.Second, 40 * time.Millisecond},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := throttle.New(throttle.Config{Margin: 1})
				seen := &counter{begin: time.Now(), class: map[string][]time.Duration{}}
				ctx, cancel := context.WithTimeout(t.Context(), c.runs)
				defer cancel()
				var all sync.WaitGroup
				for user := range 64 {
					all.Go(func() {
						rnd := rand.New(rand.NewPCG(7, uint64(user)))
						for ctx.Err() == nil {
							r := throttle.Request{Clinic: "a", Class: fmt.Sprint("e", rnd.IntN(c.classes)), Practitioner: fmt.Sprint(user), Limits: c.limits}
							p := patient(ctx, l, r, rnd, 0)
							if p == nil {
								continue
							}
							time.Sleep(time.Duration(rnd.Int64N(2) * rnd.Int64N(int64(c.rtt/2))))
							seen.count(r.Class)
							time.Sleep(time.Duration(rnd.Int64N(2) * rnd.Int64N(int64(c.rtt/2))))
							p.Done()
						}
					})
				}
				all.Wait()
				checkAll(t, seen, c.limits, 95)
			})
		})
	}
}

// checkAll looks at all classes, and that so many per cent of at least one of the rules were used in a window.
func checkAll(t *testing.T, seen *counter, both throttle.Limits, used int) {
	t.Helper()
	full := false
	for class, times := range seen.class {
		limit := both.Endpoint
		if class == "clinic" {
			limit = both.Clinic
		}
		got := checkWindows(t, class, times, limit)
		full = full || got*100 >= limit.N*used
		t.Logf("%s: %d requests, at most %d of %d in any window of %s", class, len(times), got, limit.N, limit.Window)
	}
	if !full {
		t.Errorf("of no rule %d %% were used", used)
	}
}

// countAfter counts a request after a delay; it is given up before if that is longer than patience.
func (c *counter) countAfter(delay, patience time.Duration, class string, p *throttle.Permit) {
	if delay < patience {
		time.Sleep(delay)
		c.count(class)
		p.Done()
		return
	}
	time.Sleep(patience)
	p.Abandon()
	c.late.Go(func() {
		time.Sleep(delay - patience)
		c.count(class)
	})
}

// TestT102Delays: the platform counts a request long after it was sent, half of the time after we gave it up, and half of
// the callers break off while they wait. We give up after ten seconds; what is under way then may be counted for fifteen
// more, which is all that the limiter is told.
func TestT102Delays(t *testing.T) {
	const patience, orphan = 10 * time.Second, 15 * time.Second
	both := throttle.Limits{Endpoint: throttle.Limit{N: 20, Window: 6 * time.Second}, Clinic: throttle.Limit{N: 60, Window: 20 * time.Second}}
	anyTime := func(rnd *rand.Rand, _ time.Duration) time.Duration {
		return time.Duration(rnd.Int64N(int64(patience + orphan)))
	}
	soon := func(rnd *rand.Rand) time.Duration { return time.Duration(rnd.Int64N(int64(200 * time.Millisecond))) }
	cases := []struct {
		name  string
		delay func(rnd *rand.Rand, now time.Duration) time.Duration
	}{
		{"up to 25 s", anyTime},
		{"half of them up to 25 s", func(rnd *rand.Rand, now time.Duration) time.Duration {
			if rnd.IntN(2) == 0 {
				return soon(rnd)
			}
			return anyTime(rnd, now)
		}},
		{"half held and released together", func(rnd *rand.Rand, now time.Duration) time.Duration {
			if rnd.IntN(2) == 0 {
				return soon(rnd)
			}
			const gate = 25 * time.Second
			return gate - 1 - now%gate
		}},
		{"at the last moment", func(rnd *rand.Rand, _ time.Duration) time.Duration {
			if rnd.IntN(2) == 0 {
				return soon(rnd)
			}
			return patience + orphan
		}},
	}
	for _, c := range cases {
		for seed := range uint64(whole(1, 2)) {
			t.Run(fmt.Sprint(c.name, " ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := throttle.New(throttle.Config{Margin: 1, Orphan: orphan})
					seen := &counter{begin: time.Now(), class: map[string][]time.Duration{}}
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(whole(4, 15))*time.Minute)
					defer cancel()
					var all sync.WaitGroup
					for user := range 64 {
						all.Go(func() {
							rnd := rand.New(rand.NewPCG(seed, uint64(user)))
							for ctx.Err() == nil {
								r := throttle.Request{Clinic: "a", Class: fmt.Sprint("e", rnd.IntN(5)), Practitioner: fmt.Sprint(user), Limits: both}
								if p := patient(ctx, l, r, rnd, 50); p != nil {
									seen.countAfter(c.delay(rnd, time.Since(seen.begin)), patience, r.Class, p)
								}
							}
						})
					}
					all.Wait()
					seen.late.Wait()
					checkAll(t, seen, both, 70) // a permit is out for three windows, so few windows are full
				})
			})
		}
	}
}
