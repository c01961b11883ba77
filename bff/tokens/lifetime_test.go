package tokens_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestT046SixSeconds: tokens of 6 s are used for 3 s each, and never later.
func TestT046SixSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		b.sandbox.SetLifetimes(6*time.Second, 0)
		id := b.connect("p1", robin, b.a)
		before := b.refreshes()
		last, born := b.fresh("p1", id), time.Now()
		for start := time.Now(); time.Since(start) < time.Minute; pass(100 * time.Millisecond) {
			lease := b.fresh("p1", id)
			if lease.Generation != last.Generation {
				last, born = lease, time.Now()
			}
			if age := time.Since(born); age >= 3*time.Second {
				t.Fatalf("a token of age %v was handed out", age)
			}
		}
		if n := b.refreshes() - before; n != 19 { // at 3 s, 6 s … 57 s
			t.Errorf("%d refreshes in a minute, want 19", n)
		}
	})
}

// TestT046OtherClock: the platform's clock is off; lifetimes are counted from the receipt of the answer.
func TestT046OtherClock(t *testing.T) {
	for _, off := range []time.Duration{50 * time.Second, -50 * time.Second} {
		t.Run(off.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				b.sandbox.Advance(off)
				id := b.connect("p1", robin, b.a)
				for range 4 {
					if fresh := b.view("p1", id).FreshFor; fresh != 300*time.Second {
						t.Errorf("fresh for %v", fresh)
					}
					old := b.fresh("p1", id)
					pass(269 * time.Second)
					if lease := b.fresh("p1", id); lease.Generation != old.Generation {
						t.Error("refreshed too early")
					}
					pass(2 * time.Second)
					if lease := b.fresh("p1", id); lease.Generation == old.Generation {
						t.Error("not refreshed")
					}
				}
			})
		})
	}
}

// TestT046MinutesOff: the platform's wall clock is ten minutes off. Redeeming and refreshing work, over a whole series of
// tokens, because the Date of each answer tells the platform's time; so they do when the clock is set right in between.
func TestT046MinutesOff(t *testing.T) {
	for _, off := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
		t.Run(off.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{openID: true})
				b.sandbox.Advance(off)
				id := b.connect("p1", robin, b.a)
				b.usable(id)
				for range 4 {
					pass(due)
					b.usable(id)
				}
				b.sandbox.Advance(-off)
				// What was issued under the wrong clock may be over by the right one, or not yet begun; the next is good.
				pass(due)
				b.usable(id)
				if n := b.refreshes(); n != 5 {
					t.Errorf("%d refreshes", n)
				}
				other := b.connect("p1", robin, b.b)
				b.usable(other)
			})
		})
	}
}

// usable wants a full token that the clinic itself accepts.
func (b *bench) usable(id string) {
	b.t.Helper()
	lease := b.fresh("p1", id)
	if view := b.view("p1", id); view.FreshFor != 300*time.Second || view.KeptFor != 1800*time.Second {
		b.t.Errorf("fresh for %v, kept for %v", view.FreshFor, view.KeptFor)
	}
	client := http.Client{Transport: &http.Transport{DialContext: b.sandbox.Dial, DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, lease.Clinic+"/api/2026-01-01/company", nil)
	must(b.t, err)
	r.Header.Set("Authorization", "Bearer "+lease.Access.Reveal())
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	must(b.t, err)
	must(b.t, answer.Body.Close())
	if answer.StatusCode != http.StatusOK {
		b.t.Errorf("the clinic answers %d", answer.StatusCode)
	}
}
