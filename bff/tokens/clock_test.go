package tokens_test

import (
	"testing"
	"time"

	"locum/bff/sandbox"
	"locum/bff/tokens"
)

// The times of a bubble have no monotonic reading, so these tests are in real time, and nothing in them takes any.

// TestT046Slept: the monotonic clock stands still while a machine sleeps. What ran out meanwhile is found when it wakes,
// without a call, and a call gets no token that is dead.
func TestT046Slept(t *testing.T) {
	b := newBench(t, options{keep: true})
	id := b.connect("p1", robin, b.a)
	sleep := func(d time.Duration) {
		b.sandbox.Advance(d)
		b.keeper.Clock(d)
	}
	b.keeper.Tick()
	sleep(8 * time.Minute)
	b.keeper.Tick()
	eventually(t, "a refresh behind the sleep", func() bool { return b.refreshes() == 1 && b.view("p1", id).KeptFor > 29*time.Minute })
	wantState(t, b.view("p1", id), tokens.StateConnected, "")
	pass(1100 * time.Millisecond) // no flight follows another sooner
	sleep(6 * time.Minute)
	if lease := b.fresh("p1", id); !b.works(lease) || b.refreshes() != 2 {
		t.Error("a token that ran out while the machine slept was handed out")
	}
}

// TestT046ClockStep: the wall clock is set by ten minutes. Forward, it costs a request, and a living token is handed out even
// while the platform is down; back, it changes nothing.
func TestT046ClockStep(t *testing.T) {
	b := newBench(t, options{})
	id := b.connect("p1", robin, b.a)
	old := b.fresh("p1", id)
	b.keeper.Clock(-10 * time.Minute)
	if lease := b.fresh("p1", id); lease.Generation != old.Generation || b.refreshes() != 0 || b.view("p1", id).FreshFor < 4*time.Minute {
		t.Errorf("a step back: %d refreshes, fresh for %v", b.refreshes(), b.view("p1", id).FreshFor)
	}
	b.keeper.Clock(20 * time.Minute)
	b.sandbox.Fail(sandbox.EndpointToken, 503, 1)
	if lease := b.fresh("p1", id); lease.Generation != old.Generation || !b.works(lease) {
		t.Error("a step forward took a living token away")
	}
	eventually(t, "another token", func() bool { return b.fresh("p1", id).Generation != old.Generation })
	wantState(t, b.view("p1", id), tokens.StateConnected, "")
}

// eventually polls until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
