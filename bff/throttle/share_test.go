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

// TestT106EqualShares: ten practitioners ask without end. Whether all ask as much or one of them twenty times as much, they
// get about the same, nothing is left over, and nobody goes without for three windows.
func TestT106EqualShares(t *testing.T) {
	const rtt, windows = 200 * time.Millisecond, 20
	cases := []struct {
		name    string
		callers func(practitioner int) int
		jain    float64
	}{
		{"equal demand", func(int) int { return 20 }, 0.95},
		{"one asks for much more", func(p int) int { return []int{200, 10}[min(p, 1)] }, 0.7},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := throttle.New(throttle.Config{})
				limits := throttle.Limits{Endpoint: jane.Endpoint}
				cycle := limits.Endpoint.Window + time.Second + rtt
				begin := time.Now().Add(2 * cycle)
				end := begin.Add(windows * cycle)
				var all sync.WaitGroup
				var mu sync.Mutex
				var got [10]float64
				var last [10]time.Time
				longest := time.Duration(0)
				for p := range got {
					last[p] = begin
					for caller := range c.callers(p) {
						all.Go(func() {
							rnd := rand.New(rand.NewPCG(uint64(p), uint64(caller)))
							for time.Now().Before(end) {
								if !serve(l, throttle.Request{Clinic: "a", Class: "x", Practitioner: fmt.Sprint(p), Limits: limits}, rtt, rnd) {
									continue
								}
								mu.Lock()
								if now := time.Now(); now.After(begin) && now.Before(end) {
									longest = max(longest, now.Sub(last[p]))
									last[p] = now
									got[p]++
								}
								mu.Unlock()
							}
						})
					}
				}
				all.Wait()
				sum, squares := 0.0, 0.0
				for _, n := range got {
					sum, squares = sum+n, squares+n*n
				}
				jain := sum * sum / (squares * float64(len(got)))
				used := sum / windows / float64(limits.Endpoint.N)
				t.Logf("%v: Jain's index %.3f, %.1f %% of the safe bound used, nobody without for longer than %s", got, jain, 100*used, longest)
				if jain < c.jain || used < 0.97 || longest > 3*cycle {
					t.Errorf("Jain's index %.3f, want %.2f; %.1f %% used; %s without", jain, c.jain, 100*used, longest)
				}
				if least := slices.Min(got[:]) / windows; least < 7 {
					t.Errorf("somebody had %.1f in each window, less than seven tenths of an equal share", least)
				}
			})
		})
	}
}

// serve makes one call or waits as told, and says which.
func serve(l *throttle.Limiter, r throttle.Request, rtt time.Duration, rnd *rand.Rand) bool {
	p, err := within(l, 15*time.Second, r)
	var refused *throttle.RefusedError
	if errors.As(err, &refused) {
		time.Sleep(wholeSeconds(refused) + time.Duration(rnd.Int64N(int64(time.Second))))
		return false
	}
	time.Sleep(rtt)
	p.Done()
	return true
}

// TestT106TurnsAreForThoseServed: calls that were refused or broken off are no turns. Who made a thousand of them waits no
// longer than others who ask as much from then on.
func TestT106TurnsAreForThoseServed(t *testing.T) {
	for _, brokenOff := range []bool{false, true} {
		t.Run(fmt.Sprint("broken off ", brokenOff), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := throttle.New(throttle.Config{})
				r := request("x", limits(10, 10*time.Second))
				ctx, cancel := context.WithCancel(t.Context())
				var all sync.WaitGroup
				for p := range 5 {
					for range 10 {
						all.Go(func() {
							r := r
							r.Practitioner = fmt.Sprint(p)
							for {
								permit, err := l.Acquire(ctx, r)
								if err != nil {
									return
								}
								permit.Done()
							}
						})
					}
				}
				for range 1000 {
					time.Sleep(50 * time.Millisecond)
					if brokenOff {
						ctx, cancel := context.WithCancel(ctx)
						time.AfterFunc(time.Millisecond, cancel)
						l.Acquire(ctx, r)
					} else {
						within(l, time.Millisecond, r)
					}
				}
				time.Sleep(time.Minute) // places that were kept are not meant here
				began := time.Now()
				mustAcquire(t, l, r).Done()
				if waited := time.Since(began); waited > 22*time.Second {
					t.Errorf("waited %s for one of ten permits in eleven seconds, beside five others", waited)
				}
				cancel()
				all.Wait()
			})
		})
	}
}

// TestT106QueueOfOne: one practitioner may fill a quarter of the queue and no more; another one still finds a place, and
// its turn is next.
func TestT106QueueOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(throttle.Config{Margin: 1})
		r := request("x", limits(1, time.Second))
		mustAcquire(t, l, r)
		waiting, refused := 0, make(chan error, 100)
		ctx, cancel := context.WithCancel(t.Context())
		for range 100 {
			go func() {
				if _, err := l.Acquire(ctx, r); err != nil && ctx.Err() == nil {
					refused <- err
				}
			}()
		}
		synctest.Wait()
		for waiting = 100; len(refused) > 0; waiting-- {
			wantRefused(t, <-refused)
		}
		if waiting != 50 {
			t.Errorf("%d calls of one practitioner wait, want 50 of 200", waiting)
		}
		cancel()
	})
}

// TestT106Turns: while others wait, the calls of one practitioner do not follow each other; interactive calls come before
// those in the background, four to one.
func TestT106Turns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(throttle.Config{Margin: 1})
		one := limits(1, time.Second)
		mustAcquire(t, l, request("x", one)).Done()
		var got []string
		start := func(who string, background bool, n int) {
			for range n {
				go func() {
					p, err := l.Acquire(context.Background(), throttle.Request{Clinic: "jane https://a", Class: "x", Practitioner: who, Background: background, Limits: one})
					if err != nil {
						t.Error(err)
						return
					}
					got = append(got, who)
					p.Done()
				}()
				synctest.Wait()
			}
		}
		start("sync", true, 3)
		start("greedy", false, 6)
		start("ada", false, 2)
		start("bea", false, 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []string{"greedy", "ada", "bea", "greedy", "sync", "ada", "greedy", "greedy", "greedy", "sync", "greedy", "sync"}
		if !slices.Equal(got, want) {
			t.Fatalf("order %v, want %v", got, want)
		}
	})
}
