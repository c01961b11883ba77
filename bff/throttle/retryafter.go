package throttle

import (
	"strings"
	"time"
)

// Bounds of a Retry-After that is believed.
const (
	MinRetryAfter = time.Second
	MaxRetryAfter = time.Hour
)

// ParseRetryAfter reads a Retry-After header, whole seconds or an HTTP-date in any of the three forms (RFC 9110 §10.2.3,
// §5.6.7). Zero, a negative number and a date in the past count as MinRetryAfter, absurd values as MaxRetryAfter. Where
// the value is absent or neither of both, ok is false and the caller takes the window of the limit.
func ParseRetryAfter(value string, now time.Time) (d time.Duration, ok bool) {
	value = strings.Trim(value, " \t")
	if d, ok := seconds(value); ok {
		return clamp(d), true
	}
	if d, ok := date(value, now); ok {
		return clamp(d), true
	}
	return 0, false
}

// date reads an HTTP-date and answers how far from now it is.
func date(value string, now time.Time) (time.Duration, bool) {
	for _, layout := range []string{"Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
		if at, err := time.Parse(layout, value); err == nil {
			return at.Sub(now), true
		}
	}
	return 0, false
}

func clamp(d time.Duration) time.Duration { return min(max(d, MinRetryAfter), MaxRetryAfter) }

// seconds reads [-]digits of any length; numbers that are too large to matter become one hour and more.
func seconds(value string) (time.Duration, bool) {
	digits, negative := strings.CutPrefix(value, "-")
	if digits == "" {
		return 0, false
	}
	var n time.Duration
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = min(n*10+time.Duration(c-'0'), 1_000_000)
	}
	if negative {
		n = -n
	}
	return n * time.Second, true
}
