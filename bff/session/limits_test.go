package session_test

import (
	"errors"
	"testing"
	"time"

	"locum/bff/session"
	"locum/bff/vault"
)

func TestT089IdleLimit(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits session.Limits
		idle   time.Duration
	}{
		{"default", session.Limits{}, 15 * time.Minute},
		{"configured", session.Limits{Idle: 90 * time.Second}, 90 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, c.limits, func(t *testing.T, h *house) {
				cookie, s := mustStart(t, h, "ana")
				time.Sleep(c.idle - time.Nanosecond)
				wantIn(t, h, "just before the boundary", cookie)
				if err := h.Touch(s.ID); err != nil {
					t.Fatal(err)
				}
				time.Sleep(c.idle - time.Nanosecond)
				wantIn(t, h, "just before the boundary after activity", cookie)
				time.Sleep(time.Nanosecond)
				wantOut(t, h, "at the boundary", cookie)
				if h.Alive(s.ID, "ana") {
					t.Error("Alive at the boundary")
				}
				if err := h.Touch(s.ID); !errors.Is(err, session.ErrSignedOut) {
					t.Errorf("activity at the boundary: %v", err)
				}
				wantOut(t, h, "after activity that came too late", cookie)
			})
		})
	}
}

func TestT089AbsoluteLimit(t *testing.T) {
	in(t, session.Limits{}, func(t *testing.T, h *house) {
		cookie, s := mustStart(t, h, "ana")
		for range 12*60/5 - 1 { // a touch every five minutes for twelve hours
			time.Sleep(5 * time.Minute)
			if err := h.Touch(s.ID); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5*time.Minute - time.Nanosecond)
		wantIn(t, h, "just before the boundary", cookie)
		if idle, absolute := h.Remaining(s); idle != time.Nanosecond || absolute != time.Nanosecond {
			t.Errorf("remaining: %v, %v", idle, absolute)
		}
		time.Sleep(time.Nanosecond)
		wantOut(t, h, "at the boundary", cookie)
		if idle, absolute := h.Remaining(s); idle != 0 || absolute != 0 {
			t.Errorf("remaining after the end: %v, %v", idle, absolute)
		}
	})
}

func TestT089LookingIsNoActivity(t *testing.T) {
	in(t, session.Limits{}, func(t *testing.T, h *house) {
		cookie, s := mustStart(t, h, "ana")
		for range 14 {
			time.Sleep(time.Minute)
			wantIn(t, h, "while polling", cookie)
			h.Alive(s.ID, "ana")
			h.Remaining(s)
		}
		time.Sleep(time.Minute)
		wantOut(t, h, "after a quarter of an hour of polling", cookie)
	})
}

func TestT089RestartDoesNotReset(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		in(t, session.Limits{}, func(t *testing.T, h *house) {
			cookie, s := mustStart(t, h, "ana")
			time.Sleep(10 * time.Minute)
			if err := h.Touch(s.ID); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				time.Sleep(5*time.Minute - time.Nanosecond)
				h.restart(t)
				if idle, _ := h.Remaining(s); idle > 10*time.Minute+time.Nanosecond {
					t.Errorf("the restart left %v", idle)
				}
			}
			time.Sleep(3 * time.Nanosecond)
			wantOut(t, h, "15 minutes after the last activity", cookie)
		})
	})
	t.Run("activity of the last minute may be lost, never gained", func(t *testing.T) {
		in(t, session.Limits{}, func(t *testing.T, h *house) {
			cookie, s := mustStart(t, h, "ana")
			time.Sleep(59 * time.Second)
			if err := h.Touch(s.ID); err != nil { // less than a minute since it was written
				t.Fatal(err)
			}
			real, err := h.Lookup(cookie)
			if err != nil {
				t.Fatal(err)
			}
			h.restart(t)
			stored, err := h.Lookup(cookie)
			if err != nil {
				t.Fatal(err)
			}
			if stored.LastActive.After(real.LastActive) || real.LastActive.Sub(stored.LastActive) >= time.Minute {
				t.Errorf("real %v, stored %v", real.LastActive, stored.LastActive)
			}
		})
	})
	t.Run("absolute", func(t *testing.T) {
		in(t, session.Limits{Idle: 24 * time.Hour}, func(t *testing.T, h *house) {
			cookie, s := mustStart(t, h, "ana")
			time.Sleep(12*time.Hour - time.Nanosecond)
			h.restart(t)
			wantIn(t, h, "just before the boundary", cookie)
			if err := h.Touch(s.ID); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Nanosecond)
			h.restart(t)
			wantOut(t, h, "at the boundary", cookie)
		})
	})
	t.Run("a stored time of the future is not believed", func(t *testing.T) {
		in(t, session.Limits{}, func(t *testing.T, h *house) {
			cookie, s := mustStart(t, h, "ana")
			err := h.vault.Update(func(tx *vault.Tx) error {
				r, err := vault.Sessions.Get(tx, s.ID)
				if err != nil {
					return err
				}
				r.LastActive = r.LastActive.Add(time.Hour) // the clock has been set back by an hour
				return vault.Sessions.Put(tx, s.ID, &r)
			})
			if err != nil {
				t.Fatal(err)
			}
			h.restart(t)
			wantOut(t, h, "after the restart", cookie)
		})
	})
}

// TestTouchIsPersistedOnceAMinute counts the generations of the stored record.
func TestTouchIsPersistedOnceAMinute(t *testing.T) {
	in(t, session.Limits{}, func(t *testing.T, h *house) {
		_, s := mustStart(t, h, "ana")
		for range 10 * 60 { // ten minutes, a touch per second
			time.Sleep(time.Second)
			if err := h.Touch(s.ID); err != nil {
				t.Fatal(err)
			}
		}
		var r vault.Session
		err := h.vault.View(func(tx *vault.Tx) (err error) { r, err = vault.Sessions.Get(tx, s.ID); return err })
		if err != nil || r.Generation != 11 {
			t.Errorf("written %d times, want 11 (%v)", r.Generation, err)
		}
	})
}

func TestLookupNeverTouchesTheDisk(t *testing.T) {
	h := newHouse(t, session.Limits{})
	cookie, s := mustStart(t, h, "ana")
	if err := h.vault.Close(); err != nil {
		t.Fatal(err)
	}
	wantIn(t, h, "with the vault closed", cookie)
	if !h.Alive(s.ID, "ana") {
		t.Error("not alive with the vault closed")
	}
	if err := h.End(s.ID); err == nil {
		t.Error("End succeeded without a disk")
	}
	wantOut(t, h, "after an End that could not be stored", cookie)
}

func TestSweep(t *testing.T) {
	in(t, session.Limits{}, func(t *testing.T, h *house) {
		_, _ = mustStart(t, h, "ana")
		time.Sleep(10 * time.Minute)
		young, _ := mustStart(t, h, "ben")
		if n, err := h.Sweep(); n != 0 || err != nil {
			t.Errorf("too early: %d, %v", n, err)
		}
		time.Sleep(5 * time.Minute)
		if n, err := h.Sweep(); n != 1 || err != nil {
			t.Errorf("swept %d, %v", n, err)
		}
		wantIn(t, h, "the younger one", young)
		if n := h.stored(t); n != 1 {
			t.Errorf("%d are stored", n)
		}
		time.Sleep(time.Hour)
		h.restart(t)
		if n := h.stored(t); n != 0 {
			t.Errorf("a restart left %d dead ones", n)
		}
	})
}

func TestNegativeLimits(t *testing.T) {
	h := newHouse(t, session.Limits{})
	for _, limits := range []session.Limits{{Idle: -1}, {Absolute: -1}} {
		if _, err := session.New(h.vault, limits); err == nil {
			t.Errorf("%+v accepted", limits)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	h := newHouse(b, session.Limits{})
	cookie, _ := mustStart(b, h, "ana")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Lookup(cookie); err != nil {
			b.Fatal(err)
		}
	}
}
