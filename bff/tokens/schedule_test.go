package tokens_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/sandbox"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// TestT046KeptFresh: a connection in use has its next token before the last one is due, so that no call waits.
func TestT046KeptFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{keep: true})
		id := b.connect("p1", robin, b.a)
		for range 40 {
			pass(29 * time.Second)
			b.sandbox.Hang(sandbox.EndpointRefresh, 1) // who waited now would wait for ever
			if fresh := b.view("p1", id).FreshFor; fresh < 30*time.Second || !b.works(b.fresh("p1", id)) {
				t.Fatalf("fresh for %v", fresh)
			}
			b.sandbox.Calm()
		}
		if n := b.refreshes(); n != 4 { // at 270, 540, 810, 1,080 s
			t.Errorf("%d refreshes in 20 minutes", n)
		}
	})
}

// TestT046KeptShort: tokens of six seconds, no call: none is ever older than its half.
func TestT046KeptShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{keep: true})
		b.sandbox.SetLifetimes(6*time.Second, 0)
		id := b.connect("p1", robin, b.a)
		for range 60 {
			pass(time.Second)
			if b.fresh("p1", id); b.view("p1", id).FreshFor < 3*time.Second {
				t.Fatalf("fresh for %v", b.view("p1", id).FreshFor)
			}
		}
		if n := b.refreshes(); n < 19 || n > 20 {
			t.Errorf("%d refreshes in a minute", n)
		}
	})
}

// TestT054KeptWithoutTraffic: nobody calls, and the connection outlives its refresh token's first end many times, with as
// few refreshes as that takes.
func TestT054KeptWithoutTraffic(t *testing.T) {
	cases := []struct {
		name            string
		access, refresh time.Duration
		length          time.Duration
		least, most     int
	}{
		{"T054 six seconds", 3 * time.Second, 6 * time.Second, time.Minute, 12, 20},
		{"T054 Jane's half hour", 0, 0, 9 * time.Hour, 21, 29},
		{"T054 the access token outlives it", 2 * time.Hour, time.Minute, 10 * time.Minute, 12, 16},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{keep: true})
				b.sandbox.SetLifetimes(c.access, c.refresh)
				id := b.connect("p1", robin, b.a)
				for start := time.Now(); time.Since(start) < c.length; pass(c.length / 600) {
					wantState(t, b.view("p1", id), tokens.StateConnected, "")
				}
				if n := b.refreshes(); n < c.least || n > c.most {
					t.Errorf("%d refreshes", n)
				}
				if !b.works(b.fresh("p1", id)) {
					t.Error("the connection does not work")
				}
			})
		})
	}
}

// TestT054AbsoluteEnd: a login that ends however it is used. Its end is known before it comes, nothing is asked for in vain,
// and afterwards it is told why.
func TestT054AbsoluteEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{keep: true})
		b.sandbox.SetSession(30*time.Minute, 2*time.Hour)
		id := b.connect("p1", robin, b.a)
		start := time.Now()
		var known time.Duration
		for time.Since(start) < 2*time.Hour-time.Second {
			wantState(t, b.view("p1", id), tokens.StateConnected, "")
			if ends := b.view("p1", id).EndsAt; !ends.IsZero() && known == 0 {
				known = time.Since(start)
				if off := ends.Sub(start.Add(2 * time.Hour)).Abs(); off > 2*time.Second {
					t.Errorf("the end is off by %v", off)
				}
			}
			pass(time.Second)
		}
		if known == 0 || known > 2*time.Hour-5*time.Minute {
			t.Errorf("the end was known after %v", known)
		}
		if n := b.refreshes(); n > 9 {
			t.Errorf("%d refreshes", n)
		}
		pass(time.Minute)
		if view := b.view("p1", id); view.State != tokens.StateReconnect {
			t.Errorf("shown as %s (%s)", view.State, view.Cause)
		}
	})
}

// TestT047KeeperAndCalls: the background and 500 calls come at the same instant, and the identity server sees one refresh.
func TestT047KeeperAndCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{keep: true})
		id := b.connect("p1", robin, b.a)
		b.sandbox.Slow(sandbox.EndpointRefresh, 5*time.Second, 1)
		pass(270 * time.Second)
		var calls sync.WaitGroup
		for range 500 {
			calls.Go(func() { b.fresh("p1", id) })
		}
		calls.Wait()
		pass(10 * time.Second)
		if n := b.refreshes(); n != 1 || b.sandbox.SpentPresented() != 0 {
			t.Errorf("%d refreshes", n)
		}
	})
}

// TestKeeperRests: with nothing to keep there is no timer at all, and with something to keep for long it looks up once a
// minute, which is what a machine that sleeps needs.
func TestKeeperRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{keep: true})
		synctest.Wait()
		before := b.keeper.Ticks()
		pass(24 * time.Hour)
		if n := b.keeper.Ticks() - before; n != 0 {
			t.Errorf("%d ticks with nothing to do", n)
		}
		b.sandbox.SetStated(false)
		id := b.connect("p1", robin, b.a)
		pass(10 * time.Minute)
		before, asked := b.keeper.Ticks(), b.refreshes()
		pass(10 * time.Hour)
		if n := b.keeper.Ticks() - before; n > 601 || n < 500 {
			t.Errorf("%d ticks in ten hours", n)
		}
		if n := b.refreshes() - asked; n != 0 {
			t.Errorf("%d refreshes", n)
		}
		if _, err := b.keeper.Disconnect(context.Background(), "p1", id); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		before = b.keeper.Ticks()
		pass(24 * time.Hour)
		if n := b.keeper.Ticks() - before; n > 1 {
			t.Errorf("%d ticks after the last connection went", n)
		}
	})
}

// TestKeeperLeavesTheEndedAlone: needs_reconnect is never asked about again.
func TestKeeperLeavesTheEndedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{keep: true})
		id, other := b.connect("p1", robin, b.a), b.connect("p1", robin, b.b)
		b.sandbox.Revoke("", b.a)
		pass(time.Hour)
		wantState(t, b.view("p1", other), tokens.StateConnected, "")
		if view := b.view("p1", id); view.State != tokens.StateReconnect {
			t.Errorf("%s (%s)", view.State, view.Cause)
		}
		asked := 0
		for _, r := range b.sandbox.Requests(sandbox.EndpointRefresh) {
			if r.Status == 400 {
				asked++
			}
		}
		if asked != 1 {
			t.Errorf("the dead connection was asked for %d times", asked)
		}
	})
}

// TestRefreshingIsShown: while a call waits for a new token in the place of a dead one, the state says so, and whoever
// listens hears of both changes.
func TestRefreshingIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string
		b := newBench(t, options{notify: func(_, _, state, _ string) {
			mu.Lock()
			told = append(told, state)
			mu.Unlock()
		}})
		id := b.connect("p1", robin, b.a)
		pass(gone)
		b.sandbox.Slow(sandbox.EndpointRefresh, 5*time.Second, 1)
		var calls sync.WaitGroup
		calls.Go(func() { b.fresh("p1", id) })
		pass(time.Second)
		wantState(t, b.view("p1", id), tokens.StateRefreshing, "")
		if c := b.record(id); c.State != tokens.StateConnected {
			t.Errorf("stored as %s", c.State)
		}
		calls.Wait()
		wantState(t, b.view("p1", id), tokens.StateConnected, "")
		if want := []string{tokens.StateRefreshing, tokens.StateConnected}; !slices.Equal(told, want) {
			t.Errorf("told %v", told)
		}
	})
}

// copies makes n connections of the practitioners p0 … of the one that is there, in the vault, while no keeper is open. The
// platform must not rotate: they share a refresh token to begin with.
func (b *bench) copies(id string, n int) (ids []string) {
	b.t.Helper()
	c := b.record(id)
	must(b.t, b.vault.Update(func(tx *vault.Tx) error {
		for i := range n {
			next := c
			next.ID, next.Practitioner, next.Generation = fmt.Sprintf("%s-%d", id, i), fmt.Sprintf("p%d", i), 0
			ids = append(ids, next.ID)
			if err := vault.Connections.Put(tx, next.ID, &next); err != nil {
				return err
			}
		}
		return vault.Connections.Delete(tx, id)
	}))
	return ids
}
