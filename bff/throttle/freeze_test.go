package throttle_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/throttle"
)

func TestT105Freeze(t *testing.T) {
	const margin = time.Second
	cases := []struct {
		name, match string
		retryAfter  time.Duration
		frozen      time.Duration
		clinic      bool
	}{
		{"no match", "", 30 * time.Second, 31 * time.Second, false},
		{"endpoint", "jdp/clinic/endpoint", 30 * time.Second, 31 * time.Second, false},
		{"class", "clinic-a:Patients", 30 * time.Second, 31 * time.Second, false},
		{"path", "/api/2025-02-28-beta/patients clinic", 30 * time.Second, 31 * time.Second, false},
		{"clinic", "marketing_api/ip/clinic", 30 * time.Second, 31 * time.Second, true},
		{"clinic, no time", "jdp/clinic", 0, 5*time.Minute + margin, true},
		{"unknown word", "burst", 30 * time.Second, 31 * time.Second, false},
		{"no time: the window", "", 0, time.Minute + margin, false},
		{"negative: the window", "", -time.Second, time.Minute + margin, false},
		{"absurd: an hour", "", 1e9 * time.Second, time.Hour + margin, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := throttle.New(throttle.Config{Margin: margin})
				same, other := request("patients", jane), request("company", jane)
				elsewhere := throttle.Request{Clinic: "b", Class: "patients", Limits: jane}
				mustAcquire(t, l, same).Frozen(c.match, c.retryAfter)

				refused := wantRefused(t, second(within(l, time.Second, same)))
				if refused.RetryAfter != c.frozen {
					t.Errorf("told to come back in %s, want %s", refused.RetryAfter, c.frozen)
				}
				if _, err := within(l, time.Second, other); (err != nil) != c.clinic {
					t.Errorf("other endpoint: %v", err)
				}
				if _, err := within(l, time.Second, elsewhere); err != nil {
					t.Errorf("other clinic: %v", err)
				}
				endpoint, clinic := l.Budget(same.Clinic, same.Class, jane)
				if c.clinic && (clinic.Remaining != 0 || clinic.Reset != c.frozen) || !c.clinic && (endpoint.Remaining != 0 || endpoint.Reset != c.frozen) {
					t.Errorf("budget: %+v %+v", endpoint, clinic)
				}
				begin := time.Now()
				mustAcquire(t, l, same)
				if got := time.Since(begin); got != c.frozen {
					t.Errorf("served after %s, want exactly %s", got, c.frozen)
				}
			})
		})
	}
}

// TestT105FreezeRefusesThoseWhoWait: who can no longer be in time learns so at once, who has time is served after it.
func TestT105FreezeRefusesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(throttle.Config{})
		r := request("patients", limits(1, 5*time.Second))
		p := mustAcquire(t, l, r)
		short, long := make(chan error, 1), make(chan time.Time, 1)
		go func() { short <- second(within(l, 20*time.Second, r)) }()
		go func() {
			if _, err := l.Acquire(context.Background(), r); err == nil {
				long <- time.Now()
			}
		}()
		synctest.Wait()
		begin := time.Now()
		p.Frozen("", 40*time.Second)
		if refused := wantRefused(t, <-short); refused.RetryAfter != 41*time.Second || time.Since(begin) != 0 {
			t.Fatalf("%+v after %s", refused, time.Since(begin))
		}
		if at := <-long; at.Sub(begin) < 41*time.Second || at.Sub(begin) > 41*time.Second+10*time.Second {
			t.Fatalf("served after %s", at.Sub(begin))
		}
	})
}

// TestT105RejectedRequestsCount: a platform that counts what it refuses sees no window overflow.
func TestT105RejectedRequestsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(throttle.Config{})
		r := request("patients", limits(2, time.Minute))
		mustAcquire(t, l, r).Frozen("", time.Second)
		time.Sleep(2 * time.Second)
		mustAcquire(t, l, r).Done()
		wantRefused(t, second(within(l, time.Second, r)))
	})
}

func TestT105ParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	cases := []struct {
		name, value string
		want        time.Duration
		ok          bool
	}{
		{"seconds", "60", time.Minute, true},
		{"spaces", " 60\t", time.Minute, true},
		{"zero", "0", time.Second, true},
		{"negative", "-5", time.Second, true},
		{"absurd", "1000000000", time.Hour, true},
		{"beyond any integer", "99999999999999999999999999", time.Hour, true},
		{"IMF-fixdate", "Sun, 22 Nov 2026 08:00:30 GMT", 30 * time.Second, true},
		{"rfc850", "Sunday, 22-Nov-26 08:00:30 GMT", 30 * time.Second, true},
		{"asctime", "Sun Nov 22 08:00:30 2026", 30 * time.Second, true},
		{"date in the past", "Sun, 22 Nov 2020 08:00:30 GMT", time.Second, true},
		{"date far away", "Sun, 22 Nov 2099 08:00:30 GMT", time.Hour, true},
		{"absent", "", 0, false},
		{"fraction", "1.5", 0, false},
		{"word", "soon", 0, false},
		{"minus alone", "-", 0, false},
		{"two values", "60, 70", 0, false},
		{"plus", "+60", 0, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := throttle.ParseRetryAfter(c.value, now); got != c.want || ok != c.ok {
				t.Fatalf("got %s %v, want %s %v", got, ok, c.want, c.ok)
			}
		})
	}
}
