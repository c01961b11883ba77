package throttle_test

import (
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"locum/bff/throttle"
)

// FuzzParseRetryAfter: what is believed is never shorter than a second nor longer than an hour. A whole number means that
// many seconds, however long it is; anything else is believed only if it is an HTTP-date, and then means the time from now
// until then; spaces around it mean nothing. A later date or a larger number never means an earlier return.
func FuzzParseRetryAfter(f *testing.F) {
	for _, seed := range []string{"", " ", "-", "0", "-0", "-1", "60", "060", "+60", "1e9", "3599", "3600", "3601", "99999999999999999999", "60\r\n", "6 0", "60,70", "６０",
		"Sun, 22 Nov 2026 08:00:30 GMT", "Sunday, 22-Nov-26 08:00:30 GMT", "Sun Nov 22 08:00:30 2026", "Sun, 22 Nov 2026 08:00:30 UTC",
		"Sun, 22 Nov 2026 08:00:30.5 GMT", "Sun, 31 Feb 2026 08:00:30 GMT", "Sun, 22 Nov 0001 08:00:30 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		f.Add(seed, int64(1_795_334_400))
	}
	f.Fuzz(func(t *testing.T, value string, unix int64) {
		now := time.Unix(unix%(1<<40), 0)
		d, ok := throttle.ParseRetryAfter(value, now)
		if ok && (d < throttle.MinRetryAfter || d > throttle.MaxRetryAfter) || !ok && d != 0 {
			t.Fatalf("%q: %s %v", value, d, ok)
		}
		if again, ok2 := throttle.ParseRetryAfter(" \t"+value+" ", now); again != d || ok2 != ok {
			t.Fatalf("%q: %s %v, with spaces %s %v", value, d, ok, again, ok2)
		}
		trimmed := strings.Trim(value, " \t")
		want, believed := number(trimmed)
		if at, err := http.ParseTime(trimmed); !believed && ok {
			if err != nil {
				t.Fatalf("%q is neither a number nor a date, and is believed: %s", value, d)
			}
			want, believed = between(at.Sub(now)), true
		} else if !believed && err == nil && strings.HasSuffix(trimmed, " GMT") {
			t.Fatalf("%q is a date, and is not believed", value)
		}
		if believed != ok || want != d {
			t.Fatalf("%q: %s %v, want %s %v", value, d, ok, want, believed)
		}
		if later, _ := throttle.ParseRetryAfter(value, now.Add(-time.Minute)); ok && later < d {
			t.Fatalf("%q: %s, and a minute earlier %s", value, d, later)
		}
	})
}

// number is [-]digits as seconds, by arithmetic without a bound.
func number(value string) (time.Duration, bool) {
	digits := strings.TrimPrefix(value, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, _ := new(big.Int).SetString(value, 10)
	switch {
	case n.Cmp(big.NewInt(3600)) > 0:
		return throttle.MaxRetryAfter, true
	case n.Sign() <= 0:
		return throttle.MinRetryAfter, true
	}
	return between(time.Duration(n.Int64()) * time.Second), true
}

func between(d time.Duration) time.Duration {
	return min(max(d, throttle.MinRetryAfter), throttle.MaxRetryAfter)
}
