package throttle_test

import (
	"context"
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

// counter is a platform that remembers when it counted which request.
type counter struct {
	mu    sync.Mutex
	begin time.Time
	class map[string][]time.Duration
	late  sync.WaitGroup // requests still to be counted
}

func (c *counter) count(class string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := time.Since(c.begin)
	c.class[class] = append(c.class[class], at)
	c.class["clinic"] = append(c.class["clinic"], at)
}

// worst is the largest number of requests in any window [t, t+w): it is enough to begin one at each request.
func worst(times []time.Duration, w time.Duration) int {
	slices.Sort(times)
	most, end := 0, 0
	for i, t := range times {
		for end < len(times) && times[end] < t+w {
			end++
		}
		most = max(most, end-i)
	}
	return most
}

// bucketOverflows plays the requests into a token bucket of capacity n that fills at n per window.
func bucketOverflows(times []time.Duration, n int, w time.Duration) bool {
	level, last := float64(n), time.Duration(0)
	for _, t := range times {
		level = min(float64(n), level+float64(t-last)*float64(n)/float64(w)) - 1
		last = t
		if level < -1e-6 {
			return true
		}
	}
	return false
}

// checkWindows looks at a class as three kinds of platform would: every sliding window, fixed windows that begin at any of
// sixty phases, and a token bucket. It answers the largest number in one window.
func checkWindows(t *testing.T, class string, times []time.Duration, limit throttle.Limit) int {
	t.Helper()
	got := worst(times, limit.Window)
	if got > limit.N {
		t.Errorf("%s: %d requests in one window, %d allowed", class, got, limit.N)
	}
	for phase := range time.Duration(60) {
		count, current := 0, time.Duration(-1)
		for _, at := range times {
			if w := (at + phase*limit.Window/60) / limit.Window; w != current {
				count, current = 0, w
			}
			if count++; count > limit.N {
				t.Errorf("%s: %d requests in a fixed window of phase %d", class, count, phase)
				return got
			}
		}
	}
	if bucketOverflows(times, limit.N, limit.Window) {
		t.Errorf("%s: a token bucket overflows", class)
	}
	return got
}

// TestT101NoWindowOverflows saturates the rules over seven endpoints under random delays before and after the platform
// counts, with stalls, cancelled callers, requests that were never sent, requests that are counted after we gave them up,
// and refusals that freeze a key. Half of the delays are zero and the margin is one nanosecond, so the bound is tight. In
// the end every permit is back.
func TestT101NoWindowOverflows(t *testing.T) {
	cases := []struct {
		name string
		both throttle.Limits
	}{
		{"endpoint", throttle.Limits{Endpoint: throttle.Limit{N: 10, Window: 3 * time.Second}, Clinic: throttle.Limit{N: 900, Window: 11 * time.Second}}},
		{"clinic", throttle.Limits{Endpoint: throttle.Limit{N: 40, Window: 3 * time.Second}, Clinic: throttle.Limit{N: 45, Window: 11 * time.Second}}},
		{"both", throttle.Limits{Endpoint: throttle.Limit{N: 10, Window: 3 * time.Second}, Clinic: throttle.Limit{N: 150, Window: 11 * time.Second}}},
	}
	for _, c := range cases {
		for seed := range uint64(whole(2, 6)) {
			t.Run(fmt.Sprint(c.name, ", seed ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { saturate(t, c.both, seed) })
			})
		}
	}
}

func saturate(t *testing.T, both throttle.Limits, seed uint64) {
	const users, orphan = 100, 12 * time.Second
	runs := time.Duration(whole(1, 6)) * time.Minute
	l := throttle.New(throttle.Config{Margin: 1, Orphan: orphan})
	seen := &counter{begin: time.Now(), class: map[string][]time.Duration{}}
	ctx, cancel := context.WithTimeout(t.Context(), runs)
	defer cancel()
	var all sync.WaitGroup
	for user := range users {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(user)))
			for ctx.Err() == nil {
				told := call(ctx, l, seen, rnd, throttle.Request{Clinic: "a", Class: fmt.Sprint("e", rnd.IntN(7)),
					Practitioner: fmt.Sprint(user), Background: rnd.IntN(4) == 0, Limits: both}, orphan)
				time.Sleep(time.Duration(rnd.Int64N(int64(told) + 1)))
			}
		})
	}
	all.Wait()
	seen.late.Wait()
	full := false
	for class, times := range seen.class {
		limit := both.Endpoint
		if class == "clinic" {
			limit = both.Clinic
		}
		full = checkWindows(t, class, times, limit)*10 >= limit.N*9 || full
	}
	if !full {
		t.Error("no rule was nearly used up")
	}
	time.Sleep(orphan + both.Clinic.Window + time.Second)
	for i := range 7 {
		if e, c := l.Budget("a", fmt.Sprint("e", i), both); e.Remaining != e.Limit || c.Remaining != c.Limit {
			t.Errorf("at rest a permit is missing: %+v %+v", e, c)
		}
	}
}

// call answers after which time to come back, or 0.
func call(ctx context.Context, l *throttle.Limiter, seen *counter, rnd *rand.Rand, r throttle.Request, orphan time.Duration) time.Duration {
	wait, cancel := context.WithTimeout(ctx, time.Duration(rnd.Int64N(int64(8*time.Second))))
	defer cancel()
	p, err := l.Acquire(wait, r)
	var refused *throttle.RefusedError
	switch {
	case errors.As(err, &refused):
		return refused.RetryAfter
	case err != nil:
		return 0
	}
	delay := func(most time.Duration) {
		if rnd.IntN(2) == 0 {
			time.Sleep(time.Duration(rnd.Int64N(int64(most))))
		}
	}
	switch kind := rnd.IntN(100); {
	case kind < 5: // not sent
		delay(time.Second)
		p.Unsent()
	case kind < 8: // given up, counted later
		delay(time.Second)
		p.Abandon()
		late := time.Duration(rnd.Int64N(int64(orphan)))
		seen.late.Go(func() {
			time.Sleep(late)
			seen.count(r.Class)
		})
	case kind < 12: // a stall
		delay(5 * time.Second)
		seen.count(r.Class)
		delay(5 * time.Second)
		p.Done()
	case kind < 13: // refused, and counted all the same
		seen.count(r.Class)
		p.Frozen([]string{"", "", "", "clinic"}[rnd.IntN(4)], time.Duration(1+rnd.Int64N(int64(2*time.Second))))
	default:
		delay(300 * time.Millisecond)
		seen.count(r.Class)
		delay(100 * time.Millisecond)
		p.Done()
	}
	return 0
}

// TestT107UsesTheQuota: waiting for the answer costs a round trip per window, no more.
func TestT107UsesTheQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(throttle.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var all sync.WaitGroup
		served := 0
		var mu sync.Mutex
		for range 150 {
			all.Go(func() {
				for {
					p, err := l.Acquire(ctx, request("patients", throttle.Limits{Endpoint: jane.Endpoint}))
					if err != nil {
						return
					}
					mu.Lock()
					served++
					mu.Unlock()
					time.Sleep(200 * time.Millisecond)
					p.Done()
				}
			})
		}
		all.Wait()
		if perMinute := float64(served) / 60; perMinute < 97 || perMinute > 102 {
			t.Fatalf("%.1f requests a minute of 100", perMinute)
		}
	})
}

// TestT108HonestRetryAfter: 64 practitioners ask for one and a half times what the clinic may have. Who is refused comes
// back once, after the time told in whole seconds and a little of their own, and is served.
func TestT108HonestRetryAfter(t *testing.T) {
	cases := []struct {
		name   string
		limits throttle.Limits
	}{
		{"the endpoint is scarce", throttle.Limits{Endpoint: throttle.Limit{N: 100, Window: time.Minute}, Clinic: throttle.Limit{N: 6000, Window: 5 * time.Minute}}},
		{"the clinic is scarce", throttle.Limits{Endpoint: throttle.Limit{N: 100, Window: time.Minute}, Clinic: throttle.Limit{N: 200, Window: 2 * time.Minute}}},
	}
	for _, c := range cases {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint(c.name, " ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { comeBack(t, c.limits, seed) })
			})
		}
	}
}

// wholeSeconds is the Retry-After that a browser gets.
func wholeSeconds(refused *throttle.RefusedError) time.Duration {
	return (refused.RetryAfter + time.Second - 1).Truncate(time.Second)
}

func comeBack(t *testing.T, both throttle.Limits, seed uint64) {
	l := throttle.New(throttle.Config{})
	var all sync.WaitGroup
	var mu sync.Mutex
	refusals, failed := 0, 0
	end := time.Now().Add(30 * time.Minute)
	for user := range 64 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(user)))
			r := throttle.Request{Clinic: "a", Practitioner: fmt.Sprint(user), Limits: both}
			once := func() error {
				p, err := within(l, 2*time.Second, r)
				if err == nil {
					time.Sleep(time.Duration(rnd.Int64N(int64(400 * time.Millisecond))))
					p.Done()
				}
				return err
			}
			for time.Now().Before(end) {
				time.Sleep(time.Duration(rnd.ExpFloat64() * 25 * float64(time.Second)))
				r.Class = []string{"patients", "patients", "patients", "company"}[rnd.IntN(4)]
				var refused *throttle.RefusedError
				if !errors.As(once(), &refused) {
					continue
				}
				time.Sleep(wholeSeconds(refused) + time.Duration(rnd.Int64N(int64(500*time.Millisecond))))
				err := once()
				mu.Lock()
				refusals++
				if err != nil {
					failed++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	t.Logf("%d refused, %d of them again", refusals, failed)
	if refusals < 100 || failed*100 > refusals {
		t.Errorf("%d refused, %d of them again at the time they were told", refusals, failed)
	}
}

// TestT108RefusedAtOnce: a call that cannot start in time does not wait for its deadline.
func TestT108RefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(throttle.Config{})
		r := request("patients", limits(3, time.Minute))
		for range 3 {
			mustAcquire(t, l, r).Done()
			time.Sleep(10 * time.Second)
		}
		begin := time.Now()
		for i, want := range []time.Duration{31 * time.Second, 41 * time.Second, 51 * time.Second, 92 * time.Second} {
			refused := wantRefused(t, second(within(l, 20*time.Second, r)))
			if refused.RetryAfter < want || refused.RetryAfter > want+time.Second || refused.Key != "jane https://a patients" {
				t.Errorf("refusal %d: %+v, want %s", i, refused, want)
			}
		}
		if time.Since(begin) != 0 {
			t.Fatalf("the refusals took %s", time.Since(begin))
		}
	})
}
