package throttle_test

import (
	"testing"
	"time"

	"locum/bff/throttle"
)

// FuzzParseRetryAfter: what is believed is never shorter than a second nor longer than an hour.
func FuzzParseRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "-1", "60", "1e9", "99999999999999999999", "Sun, 22 Nov 2026 08:00:30 GMT", "Sunday, 22-Nov-26 08:00:30 GMT", "Sun Nov 22 08:00:30 2026"} {
		f.Add(seed, int64(1_795_334_400))
	}
	f.Fuzz(func(t *testing.T, value string, now int64) {
		d, ok := throttle.ParseRetryAfter(value, time.Unix(now, 0))
		if ok && (d < throttle.MinRetryAfter || d > throttle.MaxRetryAfter) || !ok && d != 0 {
			t.Fatalf("%q: %s %v", value, d, ok)
		}
	})
}
