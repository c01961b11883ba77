package throttle

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Quota is what an answer says of a limit of the platform's own that is used up.
type Quota struct {
	Name  string        // of the limit, as the platform writes it; often ""
	Reset time.Duration // until there is something left again
	Daily bool          // it is counted by days of GMT
}

// Header is one header line of an answer.
type Header struct{ Name, Value string }

// limit is what is known of one of them.
type limit struct {
	name      string
	unit      time.Duration // that it counts by; 0 where nobody says
	left      float64
	said      bool // left was
	reset     time.Duration
	resetSaid bool
}

// ReadQuota finds the limits that an answer calls used up, and gives the one that lasts longest. It knows no platform, only
// how such headers are commonly written: RateLimit and RateLimit-Policy as structured fields
// (draft-ietf-httpapi-ratelimit-headers, the items of its later versions and the dictionary of its earlier ones), and
// (X-)RateLimit-Limit, -Remaining and -Reset with the unit or name of the limit anywhere behind. now is the platform's clock.
//
// A limit without a reset ends with its unit: a minute at its top, a day at midnight GMT. Nothing longer than
// MaxRetryAfter is believed, but for a limit that is counted by days. It only ever says that there is less than we think.
func ReadQuota(headers []Header, now time.Time) (Quota, bool) {
	var all limits
	for _, h := range headers {
		all.read(strings.ToLower(h.Name), h.Value, now)
	}
	var longest Quota
	found := false
	for _, l := range all {
		q, spent := l.spent(now)
		if spent && (!found || q.Reset > longest.Reset) {
			longest, found = q, true
		}
	}
	return longest, found
}

// maxLimits is how many limits of one answer are told apart.
const maxLimits = 16

type limits []*limit

// of finds or makes the limit of a name.
func (all *limits) of(name string) *limit {
	for _, l := range *all {
		if l.name == name {
			return l
		}
	}
	l := &limit{name: name}
	if len(*all) < maxLimits {
		*all = append(*all, l)
	}
	return l
}

// units are the words for what a limit counts by.
var units = map[string]time.Duration{
	"second": time.Second, "sec": time.Second, "s": time.Second, "minute": time.Minute, "min": time.Minute,
	"hour": time.Hour, "day": day, "daily": day,
}

const day = 24 * time.Hour

func (all *limits) read(name, value string, now time.Time) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(name, "x-"), "ratelimit")
	if !ok {
		rest, ok = strings.CutPrefix(strings.TrimPrefix(name, "x-"), "rate-limit")
	}
	if !ok || len(value) > 512 {
		return
	}
	if rest == "" || rest == "-policy" {
		all.structured(value)
		return
	}
	what, of, unit := "", "", time.Duration(0)
	for part := range strings.SplitSeq(strings.TrimPrefix(rest, "-"), "-") {
		switch part {
		case "limit", "remaining", "reset":
			what = part
		case "after", "requests", "request", "quota":
		default:
			of += part
			unit = units[part]
		}
	}
	l := all.of(of)
	if l.unit == 0 {
		l.unit = unit
	}
	first, _, _ := strings.Cut(value, ",")
	switch what {
	case "remaining":
		l.left, l.said = number(first)
	case "reset":
		if l.reset, l.resetSaid = until(first, now); !l.resetSaid {
			l.reset, l.resetSaid = until(value, now) // a date has a comma
		}
	}
}

// structured reads a field such as `"day";r=0;t=3600`, `"day";q=100;w=60`, or `limit=100, remaining=0, reset=5` (RFC 9651 in
// the part that these fields use).
func (all *limits) structured(value string) {
	for item := range strings.SplitSeq(value, ",") {
		name, params, _ := strings.Cut(item, ";")
		name = strings.TrimSpace(name)
		if key, v, keyed := strings.Cut(name, "="); keyed {
			all.of("").set(key, v)
			continue
		}
		l := all.of(strings.ToLower(strings.Trim(name, `"`)))
		if l.unit == 0 {
			l.unit = units[l.name]
		}
		for param := range strings.SplitSeq(params, ";") {
			key, v, _ := strings.Cut(strings.TrimSpace(param), "=")
			l.set(key, v)
		}
	}
}

func (l *limit) set(key, value string) {
	n, ok := number(value)
	if !ok {
		return
	}
	switch key {
	case "r", "remaining":
		l.left, l.said = n, true
	case "t", "reset":
		l.reset, l.resetSaid = seconds64(n), true
	case "w":
		l.unit = max(seconds64(n), 0)
	}
}

// number reads a number that is one; so large ones that they mean nothing become the largest that can be counted.
func number(value string) (float64, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil && !math.IsInf(n, 0) || math.IsNaN(n) {
		return 0, false
	}
	return n, true
}

func seconds64(n float64) time.Duration {
	return time.Duration(min(max(n, -1e9), 1e9) * float64(time.Second))
}

// until reads a reset: seconds from now, a moment as seconds or milliseconds since 1970, a date (RFC 9110 §5.6.7, RFC 3339),
// or a duration such as 6m0s.
func until(value string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if n, ok := number(value); ok {
		switch {
		case n >= 1e14:
			return seconds64(n), true // no moment that anybody means
		case n >= 1e12:
			n /= 1e3
			fallthrough
		case n >= 1e9:
			return time.Unix(int64(n), 0).Sub(now), true
		}
		return seconds64(n), true
	}
	if d, err := time.ParseDuration(value); err == nil {
		return d, true
	}
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return at.Sub(now), true
	}
	return date(value, now)
}

// dayMargin is how far from midnight GMT a reset may be that means it.
const dayMargin = 5 * time.Minute

// spent says whether nothing is left, and until when.
func (l *limit) spent(now time.Time) (Quota, bool) {
	if !l.said || l.left >= 1 {
		return Quota{}, false
	}
	reset := l.reset
	switch {
	case l.resetSaid:
	case l.unit <= 0:
		return Quota{}, false // for how long, nobody says
	default:
		reset = now.Truncate(l.unit).Add(l.unit).Sub(now) // in absolute time, which begins at a midnight GMT
	}
	q := Quota{Name: l.name, Reset: clamp(reset)}
	midnight := now.Truncate(day).Add(day).Sub(now)
	if q.Daily = l.unit == day || reset > MaxRetryAfter && (reset-midnight).Abs() <= dayMargin; q.Daily {
		q.Reset = min(max(reset, MinRetryAfter), midnight+dayMargin)
	}
	return q, true
}
