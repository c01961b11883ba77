package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// crowd is how many connections the tests of outages have: a thousand with LOCUM_LONG set, as T052 says, and otherwise as many
// as a test may cost.
func crowd() int {
	if os.Getenv("LOCUM_LONG") != "" {
		return 1000
	}
	return 120
}

// newCrowd is a bench with n connections of p0 … whose tokens all came at the same moment. They are copies of one, so the
// platform does not rotate.
func newCrowd(t *testing.T, n int, policy platform.RefreshPolicy) (*bench, []string) {
	t.Helper()
	policy.Kind = platform.KindNone
	b := newBench(t, options{refresh: policy})
	b.sandbox.SetKind(sandbox.KindK0)
	id := b.connect("p", robin, b.a)
	must(t, b.keeper.Close())
	return b, b.copies(id, n)
}

// keep opens the keeper again, with its background.
func (b *bench) keep() {
	b.t.Helper()
	b.options.keep = true
	b.openKeeper()
}

// arrivals are the times of the refresh requests since then, in order.
func (b *bench) arrivals(since time.Time) (times []time.Time) {
	for _, r := range b.sandbox.Requests(sandbox.EndpointRefresh) {
		if !r.Time.Before(since) {
			times = append(times, r.Time)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return times
}

// most is the largest number of times within any window of that length.
func most(times []time.Time, window time.Duration) (n int) {
	first := 0
	for i, at := range times {
		for at.Sub(times[first]) >= window {
			first++
		}
		n = max(n, i-first+1)
	}
	return n
}

// TestT052Outage: the identity server is away for ten minutes. Calls with a live token notice nothing, it is asked less than
// once a second by all connections together, whoever has no live token learns at once when to come again, and two minutes
// after its return every token is fresh, without a call.
func TestT052Outage(t *testing.T) {
	cases := []struct {
		name  string
		fault func(s *sandbox.Sandbox)
		code  string
		asked int // at most
	}{
		{"T052 503", func(s *sandbox.Sandbox) { s.Fail(sandbox.EndpointToken, 503, 9999) }, tokens.CauseUnavailable, 90},
		{"T052 down", func(s *sandbox.Sandbox) { s.Cut(sandbox.EndpointToken, 9999) }, tokens.CauseNoAnswer, 90},
		{"T052 hangs", func(s *sandbox.Sandbox) { s.Hang(sandbox.EndpointToken, 9999) }, tokens.CauseNoAnswer, 60},
		{"T052 slow", func(s *sandbox.Sandbox) { s.Slow(sandbox.EndpointToken, time.Minute, 9999) }, tokens.CauseNoAnswer, 60},
		{"T052 429 with Retry-After", func(s *sandbox.Sandbox) { s.Throttle(sandbox.EndpointToken, 30*time.Second, 9999) }, tokens.CauseUnavailable, 30},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, ids := newCrowd(t, crowd(), platform.RefreshPolicy{})
				b.keep()
				pass(250 * time.Second)
				c.fault(b.sandbox)
				start := time.Now()
				live, dead, slow := 0, 0, 0
				for time.Since(start) < 10*time.Minute {
					pass(15 * time.Second)
					for i, id := range ids {
						asked := time.Now()
						had := b.view(fmt.Sprint("p", i), id).FreshFor > 0
						_, err := b.keeper.Fresh(context.Background(), fmt.Sprint("p", i), id)
						var typed *tokens.Error
						switch took := time.Since(asked); {
						case had && err != nil:
							t.Fatalf("a call with a live token failed: %v", err)
						case had && took == 0:
							live++
						case had:
							slow++
						case !errors.As(err, &typed) || typed.Kind != tokens.Unavailable || typed.Code != c.code || typed.RetryAfter <= 0:
							t.Fatalf("%v after %v", err, took)
						default:
							dead++
						}
					}
				}
				times := b.arrivals(start)
				if n := len(times); n < 5 || n > c.asked || most(times[min(n, 12):], time.Second) > 1 {
					t.Errorf("%d attempts, up to %d in a second", n, most(times, time.Second))
				}
				if live == 0 || dead == 0 || slow > 10 {
					t.Errorf("%d calls with a live token at once, %d not at once, %d without one", live, slow, dead)
				}
				b.sandbox.Calm()
				back := time.Now()
				pass(2 * time.Minute)
				for i, id := range ids {
					if view := b.view(fmt.Sprint("p", i), id); view.FreshFor <= 0 || view.State != tokens.StateConnected {
						t.Fatalf("%d: fresh for %v, %s (%s)", i, view.FreshFor, view.State, view.Cause)
					}
				}
				times = b.arrivals(back)
				if n := most(times, time.Second); n > max(12, crowd()/80) {
					t.Errorf("%d requests within a second after the return", n)
				}
				t.Logf("%d calls waited; %d attempts in ten minutes, all fresh %v after the return", slow, len(b.arrivals(start))-len(times), times[len(times)-1].Sub(back))
			})
		})
	}
}

// TestT052Restart: everything has run out while Locum was away. The start is spread, and a budget holds.
func TestT052Restart(t *testing.T) {
	cases := []struct {
		name      string
		perMinute int
		window    time.Duration
		most      int
		done      time.Duration // all fresh, or as many as may be
	}{
		{"T052 five a second", 0, time.Second, 5, time.Duration(crowd()/5+2) * time.Second},
		{"T052 five a minute", 5, time.Minute, 5, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, ids := newCrowd(t, crowd(), platform.RefreshPolicy{PerMinute: c.perMinute})
				// Those that come last in every other order end first.
				for i, id := range ids {
					b.alter(id, func(record *vault.Connection) { record.RefreshExpiresIn -= time.Duration(i) * time.Second })
				}
				pass(gone)
				start := time.Now()
				b.keep()
				pass(max(c.done, 5*time.Minute))
				times := b.arrivals(start)
				if n := most(times, c.window); n > c.most || n < c.most-1 {
					t.Errorf("%d requests within %v", n, c.window)
				}
				fresh := 0
				for i := range ids {
					view := b.view(fmt.Sprint("p", i), ids[i])
					if !view.RefreshedAt.Before(start) {
						fresh++
					} else if i == len(ids)-1 {
						t.Error("the one that ends first was not refreshed first")
					}
				}
				if c.done > 0 && fresh < len(ids) || fresh < 3*c.perMinute {
					t.Errorf("%d of %d were refreshed", fresh, len(ids))
				}
			})
		})
	}
}

// TestT051MisconfiguredAsksOnce: a platform that refuses Locum itself is asked by one connection at a time, now and then, and
// when it is repaired all heal at once and by themselves.
func TestT051MisconfiguredAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ids := newCrowd(t, crowd(), platform.RefreshPolicy{})
		b.keep()
		right := b.secret.Load().Reveal()
		b.setSecret("wrong")
		start := time.Now()
		pass(time.Hour / 3)
		times := b.arrivals(start)
		if n := len(times); n < 10 || n > 40 {
			t.Errorf("%d attempts in twenty minutes", n)
		}
		for i, id := range ids {
			if view := b.view(fmt.Sprint("p", i), id); view.State != tokens.StateMisconfigured {
				t.Fatalf("%d: %s (%s)", i, view.State, view.Cause)
			}
		}
		b.setSecret(right)
		pass(time.Minute + time.Duration(crowd()/10+2)*time.Second)
		for i, id := range ids {
			wantState(t, b.view(fmt.Sprint("p", i), id), tokens.StateConnected, "")
		}
	})
}

// TestOneFailureIsNoOutage: one lost answer, or one connection's end, does not keep the others waiting.
func TestOneFailureIsNoOutage(t *testing.T) {
	for name, fault := range map[string]func(b *bench){
		"a lost answer": func(b *bench) { b.sandbox.LoseNextResponse(sandbox.EndpointRefresh) },
		"an invalid_grant": func(b *bench) {
			b.sandbox.Answer(sandbox.EndpointRefresh, sandbox.Canned{Status: 400, Body: `{"error":"invalid_grant"}`}, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, ids := newCrowd(t, 20, platform.RefreshPolicy{})
				b.keep()
				pass(100 * time.Second)
				fault(b)
				start := time.Now()
				pass(180 * time.Second)
				fresh := 0
				for i, id := range ids {
					if b.view(fmt.Sprint("p", i), id).FreshFor > 250*time.Second {
						fresh++
					}
				}
				times := b.arrivals(start)
				if fresh < 19 || times[len(times)-1].Sub(times[0]) > 8*time.Second {
					t.Errorf("%d are fresh, the last after %v", fresh, times[len(times)-1].Sub(times[0]))
				}
			})
		})
	}
}

// TestT052HangsUnnoticed: while the platform hangs, and nobody knows yet that it is down, calls with a live token wait for it
// once, and not each of them.
func TestT052HangsUnnoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ids := newCrowd(t, 5, platform.RefreshPolicy{})
		b.openKeeper()
		pass(due)
		b.sandbox.Hang(sandbox.EndpointToken, 99)
		start := time.Now()
		for i, id := range ids {
			if !b.works(b.fresh(fmt.Sprint("p", i), id)) {
				t.Error("a live token was not handed out")
			}
		}
		if waited := time.Since(start); waited == 0 || waited > 2*time.Second {
			t.Errorf("five calls waited for %v", waited)
		}
	})
}
