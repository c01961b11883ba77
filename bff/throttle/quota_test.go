package throttle_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/throttle"
)

// headers reads "Name: value" lines.
func headers(lines ...string) []throttle.Header {
	var all []throttle.Header
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		all = append(all, throttle.Header{Name: name, Value: value})
	}
	return all
}

// TestT105QuotaHeaders reads the ways in which platforms say that a limit is used up. The platform's clock stands at
// 17:59:30 GMT.
func TestT105QuotaHeaders(t *testing.T) {
	now := time.Date(2026, 3, 1, 17, 59, 30, 0, time.UTC)
	const midnight = 6*time.Hour + 30*time.Second
	none := time.Duration(-1)
	for _, c := range []struct {
		name  string
		lines string
		reset time.Duration // none: nothing is used up, or nobody can tell
		daily bool
	}{
		{"nothing", "Content-Type: x", none, false},
		{"something left", "X-RateLimit-Remaining: 1|X-RateLimit-Reset: 30", none, false},
		{"nothing left", "X-RateLimit-Limit: 50|X-RateLimit-Remaining: 0|X-RateLimit-Reset: 30", 30 * time.Second, false},
		{"in any case", "x-ratelimit-remaining: 0|X-RATELIMIT-RESET: 30", 30 * time.Second, false},
		{"without the X", "RateLimit-Remaining: 0|RateLimit-Reset: 30", 30 * time.Second, false},
		{"with one more hyphen", "X-Rate-Limit-Remaining: 0|X-Rate-Limit-Reset: 30", 30 * time.Second, false},
		{"below nothing", "X-RateLimit-Remaining: -3|X-RateLimit-Reset: 30", 30 * time.Second, false},
		{"a part of one", "X-RateLimit-Remaining: 0.5|X-RateLimit-Reset: 1.5", 1500 * time.Millisecond, false},
		{"a moment in seconds", fmt.Sprint("X-RateLimit-Remaining: 0|X-RateLimit-Reset: ", now.Unix()+30), 30 * time.Second, false},
		{"a moment in milliseconds", fmt.Sprint("X-RateLimit-Remaining: 0|X-RateLimit-Reset: ", now.UnixMilli()+30_000), 30 * time.Second, false},
		{"a date", "X-RateLimit-Remaining: 0|X-RateLimit-Reset: Sun, 01 Mar 2026 18:00:00 GMT", 30 * time.Second, false},
		{"another date", "X-RateLimit-Remaining: 0|X-RateLimit-Reset: 2026-03-01T18:00:00Z", 30 * time.Second, false},
		{"a duration", "X-RateLimit-Remaining-Requests: 0|X-RateLimit-Reset-Requests: 1m30s", 90 * time.Second, false},
		{"a moment that has passed", fmt.Sprint("X-RateLimit-Remaining: 0|X-RateLimit-Reset: ", now.Unix()-30), time.Second, false},
		{"no time at all", "X-RateLimit-Remaining: 0|X-RateLimit-Reset: 0", time.Second, false},
		{"a negative time", "X-RateLimit-Remaining: 0|X-RateLimit-Reset: -30", time.Second, false},
		{"absurd: an hour", "X-RateLimit-Remaining: 0|X-RateLimit-Reset: 1000000", time.Hour, false},
		{"absurd: infinite", "X-RateLimit-Remaining: 0|X-RateLimit-Reset: 1e999", time.Hour, false},
		{"absurd: in a thousand years", "X-RateLimit-Remaining: 0|X-RateLimit-Reset: 9999999999999999", time.Hour, false},
		{"no reset", "X-RateLimit-Remaining: 0", none, false},
		{"a reset that is none", "X-RateLimit-Remaining: 0|X-RateLimit-Reset: soon", none, false},
		{"no number", "X-RateLimit-Remaining: none|X-RateLimit-Reset: 30", none, false},
		{"not a number", "X-RateLimit-Remaining: NaN|X-RateLimit-Reset: 30", none, false},
		{"a minute ends at its top", "X-RateLimit-Remaining-Minute: 0", 30 * time.Second, false},
		{"an hour likewise", "X-RateLimit-Remaining-Hour: 0", 30 * time.Second, false},
		{"a day ends at midnight GMT", "X-RateLimit-Limit-Day: 500000|X-RateLimit-Remaining-Day: 0", midnight, true},
		{"the unit in the middle", "X-RateLimit-Day-Remaining: 0", midnight, true},
		{"a day, with its reset", fmt.Sprint("X-RateLimit-Remaining-Day: 0|X-RateLimit-Reset-Day: ", int(midnight/time.Second)), midnight, true},
		{"a day that nobody calls one", fmt.Sprint("X-RateLimit-Remaining: 0|X-RateLimit-Reset: ", now.Add(midnight).Unix()), midnight, true},
		{"not quite a day", "X-RateLimit-Remaining: 0|X-RateLimit-Reset: 20000", time.Hour, false},
		{"a day of a week", "X-RateLimit-Remaining-Day: 0|X-RateLimit-Reset-Day: 604800", midnight + 5*time.Minute, true},
		{"the longest of those used up", "X-RateLimit-Remaining-Minute: 0|X-RateLimit-Remaining-Day: 0|X-RateLimit-Remaining-Month: 0", midnight, true},
		{"only the minute is", "X-RateLimit-Remaining-Minute: 0|X-RateLimit-Remaining-Day: 4711", 30 * time.Second, false},
		{"resets do not mix", "X-RateLimit-Remaining-Minute: 0|X-RateLimit-Reset-Minute: 7|X-RateLimit-Reset-Day: 20000|X-RateLimit-Remaining-Day: 9", 7 * time.Second, false},
		{"items", `RateLimit: "default";r=0;t=30`, 30 * time.Second, false},
		{"items, some left", `RateLimit: "default";r=3;t=30`, none, false},
		{"items, several", `RateLimit: "burst";r=5;t=1, "minute";r=0;t=20`, 20 * time.Second, false},
		{"items, blanks", `RateLimit:  "minute" ; r=0 ; t=20 `, 20 * time.Second, false},
		{"an item whose policy has the window", `RateLimit: "a";r=0|RateLimit-Policy: "a";q=50;w=60`, 30 * time.Second, false},
		{"an item of a day", `RateLimit: "a";r=0|RateLimit-Policy: "a";q=500000;w=86400`, midnight, true},
		{"an item whose name is a day", `RateLimit: "day";r=0`, midnight, true},
		{"a dictionary", "RateLimit: limit=100, remaining=0, reset=5", 5 * time.Second, false},
		{"an old policy beside it", `RateLimit-Limit: 100, 100;w=60|RateLimit-Remaining: 0|RateLimit-Reset: 5`, 5 * time.Second, false},
		{"garbage", `RateLimit: ;;;=,",";r=|RateLimit-Policy: =;w=x|X-RateLimit-: 0|X-RateLimit-Remaining-: `, none, false},
		{"very long", "X-RateLimit-Remaining: " + strings.Repeat("0", 600) + "|X-RateLimit-Reset: 30", none, false},
	} {
		t.Run("T105 "+c.name, func(t *testing.T) {
			quota, spent := throttle.ReadQuota(headers(strings.Split(c.lines, "|")...), now)
			switch {
			case c.reset == none && spent:
				t.Errorf("%+v is called used up", quota)
			case c.reset != none && (!spent || quota.Reset != c.reset || quota.Daily != c.daily):
				t.Errorf("%v %+v, want %s %v", spent, quota, c.reset, c.daily)
			}
		})
	}
}

// TestT105Spent: nothing is sent to a clinic whose limit is used up until it is reset, or to the class alone that the limit is
// named after; others flow. It never ends a freeze that lasts longer, and what is reported of the permit still counts.
func TestT105Spent(t *testing.T) {
	const margin = time.Second
	for _, c := range []struct {
		name   string
		quota  throttle.Quota
		frozen time.Duration
		clinic bool
	}{
		{"no name", throttle.Quota{Reset: 30 * time.Second}, 31 * time.Second, true},
		{"another's name", throttle.Quota{Name: "default", Reset: 30 * time.Second}, 31 * time.Second, true},
		{"the class's name", throttle.Quota{Name: "api-Patients", Reset: 30 * time.Second}, 31 * time.Second, false},
		{"no time", throttle.Quota{}, 2 * time.Second, true},
		{"a day", throttle.Quota{Reset: 23 * time.Hour, Daily: true}, 23*time.Hour + margin, true},
		{"a year", throttle.Quota{Reset: 8760 * time.Hour, Daily: true}, 24*time.Hour + 5*time.Minute + margin, true},
	} {
		t.Run("T105 "+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := throttle.New(throttle.Config{Margin: margin})
				same, other := request("patients", jane), request("company", jane)
				elsewhere := throttle.Request{Clinic: "b", Class: "patients", Limits: jane}
				p := mustAcquire(t, l, same)
				begin := time.Now()
				whole, long, longer := p.Spent(c.quota)
				if whole != c.clinic || long != c.frozen || !longer {
					t.Errorf("%v %s %v", whole, long, longer)
				}
				if _, _, longer := p.Spent(throttle.Quota{Name: c.quota.Name, Reset: time.Second}); longer {
					t.Error("a shorter one is taken for a longer one")
				}
				p.Done()
				if refused := wantRefused(t, second(within(l, time.Second, same))); refused.RetryAfter < c.frozen {
					t.Errorf("told to come back in %s, want %s", refused.RetryAfter, c.frozen)
				}
				if _, err := within(l, time.Second, other); (err != nil) != c.clinic {
					t.Errorf("other endpoint: %v", err)
				}
				if _, err := within(l, time.Second, elsewhere); err != nil {
					t.Errorf("other clinic: %v", err)
				}
				mustAcquire(t, l, same)
				if got := time.Since(begin); got != c.frozen {
					t.Errorf("served after %s, want exactly %s", got, c.frozen)
				}
			})
		})
	}
	t.Run("T105 it takes nothing away from our own count", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := throttle.New(throttle.Config{Margin: margin})
			limits := throttle.Limits{Endpoint: throttle.Limit{N: 1, Window: time.Minute}, Clinic: throttle.Limit{N: 9, Window: time.Minute}}
			p := mustAcquire(t, l, request("patients", limits))
			p.Spent(throttle.Quota{Reset: 2 * time.Second})
			p.Done()
			begin := time.Now()
			mustAcquire(t, l, request("patients", limits))
			if got := time.Since(begin); got != time.Minute+margin {
				t.Errorf("served after %s", got)
			}
		})
	})
}

// FuzzReadQuota: whatever stands there, a limit that is used up lasts between a second and a day, and more than an hour only
// where it is a day's.
func FuzzReadQuota(f *testing.F) {
	for _, seed := range []string{"X-RateLimit-Remaining: 0|X-RateLimit-Reset: 30", `RateLimit: "a";r=0;t=1|RateLimit-Policy: "a";q=1;w=86400`,
		"RateLimit: limit=1, remaining=0, reset=1e300", "X-RateLimit-Remaining-Day: -0", "X-RateLimit-Remaining: 0|X-RateLimit-Reset: -9223372036855h",
		"X-RateLimit-Remaining: 0|X-RateLimit-Reset: 0001-01-01T00:00:00Z", "RateLimit: a;r=0;w=1e-9"} {
		f.Add(seed, int64(1_772_000_000))
	}
	f.Fuzz(func(t *testing.T, lines string, at int64) {
		now := time.Unix(at%math.MaxInt32, 0)
		quota, spent := throttle.ReadQuota(headers(strings.Split(lines, "|")...), now)
		if !spent && quota != (throttle.Quota{}) {
			t.Errorf("%+v of nothing", quota)
		}
		if spent && (quota.Reset < throttle.MinRetryAfter || quota.Reset > 24*time.Hour+5*time.Minute || !quota.Daily && quota.Reset > throttle.MaxRetryAfter) {
			t.Errorf("%+v", quota)
		}
	})
}
