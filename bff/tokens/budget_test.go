package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// wantBudget wants no more requests at the token endpoint within any minute than were allowed.
func (b *bench) wantBudget(perMinute int) {
	b.t.Helper()
	if w := b.sandbox.TokenWindow(sandbox.RealmSandbox); w.Worst > perMinute || w.Refused > 0 {
		b.t.Errorf("%d requests within a minute where %d are allowed; %d of %d were refused", w.Worst, perMinute, w.Refused, w.All)
	}
}

// lacking is one of a crowd's connections that has no living token and whose turn has not come.
func (b *bench) lacking(ids []string) (practitioner, id string) {
	b.t.Helper()
	for i, id := range ids {
		who := fmt.Sprint("p", i)
		if view := b.view(who, id); view.FreshFor == 0 && view.State == tokens.StateConnected {
			return who, id
		}
	}
	b.t.Fatal("nobody waits")
	return "", ""
}

// TestBudgetOrder: where the budget does not do for all, a code goes first, then a call without a token, then what nobody
// waits for; a call with a live token does not wait at all; and a caller who is sent away is told when to come, and is served
// then.
func TestBudgetOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perMinute = 10
		b, ids := newCrowd(t, 40, platform.RefreshPolicy{PerMinute: perMinute})
		pass(gone) // all have run out
		b.sandbox.SetTokenLimit(sandbox.Limit{N: perMinute, Window: time.Minute})
		b.keep()
		pass(time.Second) // the background has taken what it may
		if n := b.refreshes(); n < 5 || n > 8 {
			t.Fatalf("the background began with %d refreshes", n)
		}
		pass(5 * time.Second)
		if n := b.refreshes(); n != 8 {
			t.Errorf("the background took %d of %d", n, perMinute)
		}
		if _, err := b.keeper.Redeem(context.Background(), b.approve("new", alex, jane, b.a, nil)); err != nil {
			t.Errorf("a code found no place: %v", err)
		}
		if !b.works(b.fresh(b.lacking(ids))) {
			t.Error("a call found no place")
		}
		who, id := b.lacking(ids)
		_, err := b.keeper.Fresh(context.Background(), who, id)
		var typed *tokens.Error
		if !errors.As(err, &typed) || typed.Kind != tokens.Unavailable || typed.RetryAfter < 40*time.Second || typed.RetryAfter > 62*time.Second {
			t.Fatalf("one too many: %v, retry after %v", err, typed.RetryAfter)
		}
		wantState(t, b.view(who, id), tokens.StateConnected, "") // nothing is wrong with the platform
		pass(typed.RetryAfter)
		if !b.works(b.fresh(who, id)) {
			t.Error("not served at the time told")
		}
		pass(time.Hour)
		b.wantBudget(perMinute)
	})
}

// TestBudgetLiveToken: a call whose token is due and lives goes on with it at once when the budget is used up.
func TestBudgetLiveToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ids := newCrowd(t, 4, platform.RefreshPolicy{PerMinute: 2})
		b.sandbox.SetTokenLimit(sandbox.Limit{N: 2, Window: time.Minute})
		b.openKeeper()
		pass(due)
		for i, id := range ids {
			start := time.Now()
			if lease := b.fresh(fmt.Sprint("p", i), id); !b.works(lease) || time.Since(start) > 0 {
				t.Errorf("%d waited %v", i, time.Since(start))
			}
			wantState(t, b.view(fmt.Sprint("p", i), id), tokens.StateConnected, "")
		}
		if n := b.refreshes(); n != 1 {
			t.Errorf("%d refreshes", n)
		}
		b.wantBudget(2)
	})
}

// TestBudgetWaits: two hundred calls without a token come at once where five a second may go. Those who can be served in ten
// seconds are, the others are told when.
func TestBudgetWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ids := newCrowd(t, 200, platform.RefreshPolicy{})
		b.openKeeper()
		pass(gone)
		var calls sync.WaitGroup
		var served, sent atomic.Int32
		for i, id := range ids {
			calls.Go(func() {
				start := time.Now()
				_, err := b.keeper.Fresh(context.Background(), fmt.Sprint("p", i), id)
				var typed *tokens.Error
				switch {
				case err == nil && time.Since(start) <= 11*time.Second:
					served.Add(1)
				case errors.As(err, &typed) && typed.Kind == tokens.Unavailable && typed.RetryAfter > 9*time.Second && time.Since(start) == 0:
					sent.Add(1)
				default:
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		}
		calls.Wait()
		if served.Load() < 45 || served.Load() > 60 || served.Load()+sent.Load() != 200 {
			t.Errorf("%d served, %d sent away", served.Load(), sent.Load())
		}
		if n := most(b.arrivals(time.Time{}), time.Second); n > 5 {
			t.Errorf("%d within a second", n)
		}
	})
}

// TestBudgetGivenBack: a permit that its flight did not need is the next one's, without a call.
func TestBudgetGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ids := newCrowd(t, 3, platform.RefreshPolicy{PerMinute: 2}) // one at a time for the background
		b.alter(ids[0], func(c *vault.Connection) { c.RefreshExpiresIn -= time.Minute })
		b.keep()
		pass(200 * time.Second)
		for i, id := range ids {
			b.fresh(fmt.Sprint("p", i), id)
		}
		must(t, b.vault.Update(func(tx *vault.Tx) error { return vault.Connections.Delete(tx, ids[0]) }))
		pass(200 * time.Second)
		for i, id := range ids[1:] {
			if view := b.view(fmt.Sprint("p", i+1), id); !view.RefreshedAt.After(view.ConnectedAt) {
				t.Errorf("%d was not refreshed", i+1)
			}
		}
	})
}

// TestRetryAfterHolds: what a 429 says holds for the whole platform: every connection, and codes too. Another platform is
// not concerned.
func TestRetryAfterHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ids := newCrowd(t, 10, platform.RefreshPolicy{})
		b.keep()
		pass(200 * time.Second) // nobody is due yet, whatever the jitter
		b.sandbox.Throttle(sandbox.EndpointRefresh, 100*time.Second, 1)
		start := time.Now()
		for n := 0; len(b.arrivals(start)) == 0 && n < 120; n++ {
			pass(time.Second)
		}
		pass(time.Second)
		_, err := b.keeper.Redeem(context.Background(), b.approve("new", alex, jane, b.a, nil))
		var typed *tokens.Error
		if !errors.As(err, &typed) || typed.Kind != tokens.Unavailable || typed.RetryAfter < 80*time.Second || typed.RetryAfter > 100*time.Second {
			t.Errorf("%v", err)
		}
		if _, err := b.keeper.Redeem(context.Background(), b.approve("new", alex, production, b.a, nil)); err != nil {
			t.Errorf("the other platform: %v", err)
		}
		pass(3 * time.Minute)
		times := b.arrivals(start)
		next := times[0]
		for _, at := range times { // those that left in the same moment did not know
			if next = at; at.Sub(times[0]) > time.Second {
				break
			}
		}
		// How many left together depends on the machine; those that nobody uses need not come back before their window ends.
		if gap := next.Sub(times[0]); len(times) < 2 || gap < 100*time.Second || gap > 111*time.Second {
			t.Errorf("%d requests, the next after %v", len(times), gap)
		}
		for i, id := range ids {
			_, err := b.keeper.Fresh(context.Background(), fmt.Sprint("p", i), id)
			must(t, err)
			wantState(t, b.view(fmt.Sprint("p", i), id), tokens.StateConnected, "")
		}
	})
}

// TestT127Halt: from the moment that Locum is told to stop nothing is begun, nobody waits for a place, and what is under way
// is finished and stored.
func TestT127Halt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ids := newCrowd(t, 30, platform.RefreshPolicy{})
		pass(gone)
		b.sandbox.Slow(sandbox.EndpointRefresh, 8*time.Second, 99)
		b.keep()
		pass(1500 * time.Millisecond)
		who, id := b.lacking(ids)
		var calls sync.WaitGroup
		calls.Go(func() {
			_, err := b.keeper.Fresh(context.Background(), who, id)
			wantKind(t, err, tokens.Unavailable, tokens.CauseClosing)
		})
		pass(time.Second)
		b.keeper.Halt()
		calls.Wait()
		begun, start := b.refreshes(), time.Now()
		if begun < 5 || begun > 11 {
			t.Fatalf("%d were under way", begun)
		}
		must(t, b.keeper.Close())
		if took := time.Since(start); took > 10*time.Second || b.refreshes() != begun {
			t.Errorf("stopped after %v, with %d begun later", took, b.refreshes()-begun)
		}
		stored := 0
		for _, id := range ids {
			if c := b.record(id); c.Phase == "" && time.Since(c.RefreshedAt) < 10*time.Second {
				stored++
			} else if c.Phase != "" {
				t.Errorf("left in phase %q", c.Phase)
			}
		}
		if stored != begun {
			t.Errorf("%d of %d were stored", stored, begun)
		}
		b.openKeeper()
	})
}

// TestDay: a day of many connections whose refresh tokens live for half an hour, some of them used, while now and then the
// platform fails. None is lost, no refresh token is presented twice, and the budget of the token endpoint is never exceeded:
// with as many connecting all the time as a third of it, and with a budget of fifty a minute for five hundred. By default it
// is a part of that day; LOCUM_LONG is all of it: 500 connections, 24 hours, or as many as it says (LOCUM_LONG=4h).
func TestDay(t *testing.T) {
	scale, length := 40, 2*time.Hour
	if text := os.Getenv("LOCUM_LONG"); text != "" {
		scale, length = 500, 24*time.Hour
		if d, err := time.ParseDuration(text); err == nil {
			length = d
		}
	}
	t.Run("others connect all the time", func(t *testing.T) { day(t, scale, scale/10, 3*scale/10, length) })
	t.Run("a tenth of the connections a minute", func(t *testing.T) { day(t, scale, 0, scale/10, length) })
}

// day lives through length with so many connections, codes redeemed each minute beside them, and requests allowed.
func day(t *testing.T, connections, codes, perMinute int, length time.Duration) {
	began, spent := time.Now(), cpu(t)
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{keep: true, refresh: platform.RefreshPolicy{PerMinute: perMinute}})
		b.sandbox.SetSession(30*time.Minute, 48*time.Hour)
		b.sandbox.SetTokenLimit(sandbox.Limit{N: perMinute, Window: time.Minute})
		ids := make([]string, connections)
		for i := range ids {
			ids[i] = b.connect(fmt.Sprint("p", i), robin, b.a)
			pass(3 * time.Minute / time.Duration(perMinute))
		}
		start, redeemed, served, refused := time.Now(), 0, 0, 0
		for minute := 0; time.Since(start) < length; minute++ {
			for range codes {
				if b.wrongCode() {
					redeemed++
				}
				pass(time.Minute / time.Duration(codes))
			}
			if codes == 0 {
				pass(time.Minute)
			}
			for i, id := range ids { // a tenth works, each for an hour
				if (i+minute/60)%10 != 0 {
					continue
				}
				if _, err := b.keeper.Fresh(context.Background(), fmt.Sprint("p", i), id); err == nil {
					served++
				} else {
					refused++
				}
			}
			if minute%97 == 96 { // a short failure now and then, of one request
				b.sandbox.Fail(sandbox.EndpointRefresh, 503, 1)
			}
		}
		lost := 0
		for i, id := range ids {
			if view := b.view(fmt.Sprint("p", i), id); view.State == tokens.StateReconnect {
				lost++
			}
		}
		w := b.sandbox.TokenWindow(sandbox.RealmSandbox)
		if lost > 0 || b.sandbox.SpentPresented() > 0 {
			t.Errorf("%d connections were lost, %d spent tokens presented", lost, b.sandbox.SpentPresented())
		}
		if refused > served/50 || redeemed < codes*int(length/time.Minute)*99/100 {
			t.Errorf("%d calls served, %d not; %d codes", served, refused, redeemed)
		}
		b.wantBudget(perMinute)
		t.Logf("%v: %d connections, %d lost; %d refreshes, %d codes; at most %d of %d requests within a minute; %d calls served, %d not",
			length, connections, lost, b.refreshes(), redeemed, w.Worst, perMinute, served, refused)
	})
	t.Logf("took %v, %v of CPU", time.Since(began).Round(time.Millisecond), cpu(t)-spent)
}

// wrongCode redeems a code that the platform has not given, which costs a request like any other, and says whether the platform
// was asked.
func (b *bench) wrongCode() bool {
	_, err := b.keeper.Redeem(context.Background(), tokens.Redemption{
		Attempt: vault.Attempt{State: "state", Platform: jane, Clinic: b.a, Practitioner: "new", Verifier: oauth.NewVerifier()},
		Code:    secret.New("no-such-code"),
	})
	return tokens.KindOf(err) == tokens.Refused
}

// cpu is what the process has used.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// TestT054BudgetOverARestart: what the process before has sent counts: no minute sees more than the budget, whoever sent it.
func TestT054BudgetOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := newCrowd(t, 60, platform.RefreshPolicy{PerMinute: 20})
		pass(gone)
		b.keep()
		pass(12 * time.Second)
		b.restart()
		pass(10 * time.Minute)
		times := b.arrivals(time.Time{})
		if n := most(times, time.Minute); n > 20 || len(times) < 60 {
			t.Errorf("%d refreshes, %d of them within a minute", len(times), n)
		}
	})
}
