package tokens_test

import (
	"context"
	"errors"
	"os/signal"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/tokens"
	"locum/bff/vault"
)

// TestT054KeptAfterAFailedDisconnect: the vault does not take a disconnection. The connection is still there, and is kept alive
// although the background has looked at it in between, when it was gone.
func TestT054KeptAfterAFailedDisconnect(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ) // see noWrites
	b := newBench(t, options{keep: true})
	b.sandbox.SetLifetimes(2*time.Second, time.Hour)
	id := b.connect("p1", robin, b.a)
	held, let := make(chan struct{}), make(chan struct{})
	go func() { // keeps the disconnection waiting for the vault
		_ = b.vault.Update(func(*vault.Tx) error {
			close(held)
			<-let
			return errors.New("nothing")
		})
	}()
	<-held
	done := make(chan error, 1)
	go func() {
		_, err := b.keeper.Disconnect(context.Background(), "p1", id)
		done <- err
	}()
	eventually(t, "the connection is gone", func() bool {
		_, err := b.keeper.Get("p1", id)
		return tokens.KindOf(err) == tokens.NotFound
	})
	looked := b.keeper.Ticks()
	eventually(t, "the background looks", func() bool { return b.keeper.Ticks() > looked })
	writable := noWrites(t)
	close(let)
	err := <-done
	writable()
	wantKind(t, err, tokens.Storage, tokens.CauseStorage)
	eventually(t, "it is refreshed", func() bool { return b.refreshes() > 0 && b.view("p1", id).State == tokens.StateConnected })
}

// TestT058KeptAndRefused is TestT058Refused with the background running: it adds nothing to what the calls ask for.
func TestT058KeptAndRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{keep: true})
		id := b.connect("p1", robin, b.a)
		for start := time.Now(); time.Since(start) < 10*time.Minute; pass(10 * time.Millisecond) { // 100 calls a second
			lease, err := b.keeper.Refused(context.Background(), b.fresh("p1", id))
			if err == nil {
				b.keeper.Rejected(lease) // the second request of the call, refused too
			}
		}
		times := b.arrivals(time.Time{})
		if n := most(times, 29*time.Second); len(times) != 20 || n != 1 {
			t.Errorf("%d refreshes, %d of them within 30 s", len(times), n)
		}
	})
}

// TestT054KeptAfterAMomentsDoubt: whether an account is active cannot be read for a while, just when its connection is due.
// Nothing is renewed meanwhile, and nothing is lost by it.
func TestT054KeptAfterAMomentsDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var unreadable atomic.Bool
		b := newBench(t, options{keep: true, active: func(string) bool { return !unreadable.Load() }})
		id := b.connect("p1", robin, b.a)
		pass(4 * time.Minute)
		unreadable.Store(true)
		pass(10 * time.Minute)
		if n := b.refreshes(); n != 0 {
			t.Errorf("%d refreshes for an account that is not active", n)
		}
		unreadable.Store(false)
		pass(time.Hour)
		wantState(t, b.view("p1", id), tokens.StateConnected, "")
		if n := b.refreshes(); n < 2 || n > 4 {
			t.Errorf("%d refreshes in an hour", n)
		}
	})
}
