package tokens_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/sandbox"
)

// TestT046SixSeconds: tokens of 6 s are used for 3 s each, and never later.
func TestT046SixSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		b.sandbox.SetRotation(false)
		id := b.connect("p1", robin, b.a)
		var answer map[string]any
		must(t, json.Unmarshal([]byte(b.behindBack(id).Body.Reveal()), &answer))
		answer["expires_in"] = 6
		body, err := json.Marshal(answer)
		must(t, err)
		b.sandbox.Answer(sandbox.EndpointRefresh, sandbox.Canned{Body: string(body)}, 99)
		before := b.refreshes()
		pass(due) // the first token's end, then a minute of short ones
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
		if n := b.refreshes() - before; n != 20 {
			t.Errorf("%d refreshes in a minute", n)
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

// TestT046MinutesOff: a clock that is off by minutes is known from the Date of the answer itself.
func TestT046MinutesOff(t *testing.T) {
	for _, off := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
		t.Run(off.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				b.sandbox.SetRotation(false)
				id := b.connect("p1", robin, b.a)
				pass(gone)
				b.sandbox.Advance(off)
				b.sandbox.Answer(sandbox.EndpointRefresh, sandbox.Canned{
					Header: map[string]string{"Date": time.Now().Add(off).UTC().Format(http.TimeFormat)},
					Body:   b.behindBack(id).Body.Reveal(),
				}, 1)
				b.fresh("p1", id)
				if fresh := b.view("p1", id).FreshFor; fresh != 300*time.Second {
					t.Errorf("fresh for %v", fresh)
				}
			})
		})
	}
}
