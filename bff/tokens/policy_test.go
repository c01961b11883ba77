package tokens_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/platform"
	"locum/bff/tokens"
)

// TestKeepHours: working hours from 8 to 17 UTC, Monday to Friday; a bubble begins on a Saturday at midnight. What nobody uses
// is refreshed in them alone, a last time before they end, and again in the morning where the refresh token lives to see it.
func TestKeepHours(t *testing.T) {
	cases := []struct {
		name        string
		window      time.Duration // of a refresh token
		lost        bool          // over the first night
		night, noon int           // refreshes at most: from 17 to 8, and at least: from 8 to 17
	}{
		{"a refresh token that lives for half an hour", 30 * time.Minute, true, 0, 20},
		{"one that lives through the night", 20 * time.Hour, false, 0, 1},
		{"one that lives for a week", 7 * 24 * time.Hour, false, 0, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hours := &platform.Hours{
					Zone: time.UTC, From: 8 * time.Hour, To: 17 * time.Hour,
					Days: [7]bool{time.Monday: true, time.Tuesday: true, time.Wednesday: true, time.Thursday: true, time.Friday: true},
				}
				b := newBench(t, options{keep: true, refresh: platform.RefreshPolicy{KeepAlive: platform.KeepHours, Hours: hours}})
				b.sandbox.SetSession(c.window, 30*24*time.Hour)
				opens, closes := hours.Next(time.Now())
				pass(time.Until(opens) + time.Second)
				id := b.connect("p1", robin, b.a)
				pass(10 * time.Minute) // it counts as used for five
				morning := b.refreshes()
				pass(time.Until(closes))
				if n := b.refreshes() - morning; n < c.noon || n > c.noon+6 {
					t.Errorf("%d refreshes in working hours", n)
				}
				wantState(t, b.view("p1", id), tokens.StateConnected, "")
				if kept := b.view("p1", id).KeptFor; kept < min(c.window-10*time.Minute, 15*time.Hour) {
					t.Errorf("kept for %v when working hours end", kept)
				}
				evening := b.refreshes()
				opens, _ = hours.Next(time.Now())
				pass(time.Until(opens) - time.Second)
				if n := b.refreshes() - evening; n > c.night {
					t.Errorf("%d refreshes in the night", n)
				}
				if lost := b.view("p1", id).State == tokens.StateReconnect; lost != c.lost {
					t.Errorf("lost is %v in the morning", lost)
				}
				if c.lost {
					return
				}
				pass(48 * time.Hour)
				wantState(t, b.view("p1", id), tokens.StateConnected, "")
			})
		})
	}
}

// TestKeepHoursInUse: who works at night has a fresh token at night.
func TestKeepHoursInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hours := &platform.Hours{Zone: time.UTC, From: 8 * time.Hour, To: 17 * time.Hour, Days: [7]bool{time.Monday: true}}
		b := newBench(t, options{keep: true, refresh: platform.RefreshPolicy{KeepAlive: platform.KeepHours, Hours: hours}})
		id := b.connect("p1", robin, b.a)
		for range 60 {
			pass(time.Minute)
			if b.fresh("p1", id); b.view("p1", id).FreshFor < 29*time.Second {
				t.Fatalf("fresh for %v", b.view("p1", id).FreshFor)
			}
		}
	})
}

// TestKeepSignedIn: what nobody uses is kept alive while its practitioner is signed in, and no longer; who comes back in time
// loses nothing.
func TestKeepSignedIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var present atomic.Bool
		b := newBench(t, options{
			keep: true, refresh: platform.RefreshPolicy{KeepAlive: platform.KeepSignedIn},
			signedIn: func(practitioner string) bool { return practitioner == "p1" && present.Load() },
		})
		present.Store(true)
		id, other := b.connect("p1", robin, b.a), b.connect("p2", alex, b.a)
		pass(3 * time.Hour)
		wantState(t, b.view("p1", id), tokens.StateConnected, "")
		wantState(t, b.view("p2", other), tokens.StateReconnect, tokens.CauseExpired)
		for b.view("p1", id).KeptFor < 28*time.Minute {
			pass(time.Minute)
		}
		present.Store(false)
		pass(24 * time.Minute)
		present.Store(true) // back before it ends
		pass(time.Hour)
		wantState(t, b.view("p1", id), tokens.StateConnected, "")
		present.Store(false)
		pass(time.Hour)
		wantState(t, b.view("p1", id), tokens.StateReconnect, tokens.CauseExpired)
		before := b.refreshes()
		pass(24 * time.Hour)
		if n := b.refreshes() - before; n != 0 {
			t.Errorf("%d refreshes of what has ended", n)
		}
	})
}
