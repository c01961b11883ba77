package app

import (
	"fmt"
	"time"

	"locum/app/words"
)

// A clinic's wall clock is the browser's Intl with the clinic's time_zone. time.Local is never used: the WebAssembly
// half carries no zone data, and the device may stand somewhere else.

// date is a day of the calendar, in no zone at all.
type date struct {
	year  int
	month time.Month
	day   int
}

// parseDate reads "2026-11-22" (RFC 3339 full-date); a day that does not exist answers false.
func parseDate(s string) (date, bool) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return date{}, false
	}
	return dateOf(t), true
}

func dateOf(t time.Time) date { y, m, d := t.Date(); return date{y, m, d} }

func (d date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.year, int(d.month), d.day) }

func (d date) add(days int) date { return dateOf(d.midnightUTC().AddDate(0, 0, days)) }

func (d date) midnightUTC() time.Time { return time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.UTC) }

// monthsUntil counts full months from d to other; negative when other is earlier.
func (d date) monthsUntil(other date) int {
	months := (other.year-d.year)*12 + int(other.month) - int(d.month)
	if other.day < d.day {
		months--
	}
	return months
}

// age says how old someone born on d is today: months below two years, then years. A birth in the future says nothing.
func (d date) age(w *words.Words, today date) string {
	months := d.monthsUntil(today)
	switch {
	case d == date{} || months < 0:
		return ""
	case months < 24:
		return words.Fill(w.Patient.AgeMonths, "n", fmt.Sprint(months))
	default:
		return words.Fill(w.Patient.Age, "n", fmt.Sprint(months/12))
	}
}

// zone is a clinic's time zone, by its IANA name; the empty name is the device's own zone.
type zone struct {
	name string
	intl *intl
}

// wall is t as the clinic's clocks show it, dressed as UTC.
func (z zone) wall(t time.Time) time.Time { return t.UTC().Add(z.intl.offset(z.name, t)) }

// day is the clinic's day at t.
func (z zone) day(t time.Time) date { return dateOf(z.wall(t)) }

// instant is the moment at which the clinic's clocks show wall. In the hour that a clock skips it is the moment after
// the skip; in the hour that it repeats, the first of the two.
func (z zone) instant(wall time.Time) time.Time {
	wall = wall.UTC()
	earlier := wall.Add(-z.intl.offset(z.name, wall.Add(-24*time.Hour)))
	later := wall.Add(-z.intl.offset(z.name, wall.Add(24*time.Hour)))
	for _, t := range []time.Time{earlier, later} {
		if z.wall(t).Equal(wall) {
			return t
		}
	}
	// Skipped: the offset before the skip, carried over it, names a moment after it.
	return earlier
}

// start is the first moment of a day at the clinic.
func (z zone) start(d date) time.Time { return z.instant(d.midnightUTC()) }

// Shapes of dates, as Intl.DateTimeFormat understands them.
const (
	shapeClock    = "clock"    // 9:30 AM
	shapeDay      = "day"      // Sunday, November 22, 2026
	shapeShortDay = "shortday" // Sun, Nov 22
	shapeDate     = "date"     // Nov 22, 2026: the month in letters, so that nobody reads day for month
	shapeStamp    = "stamp"    // Nov 22, 2026, 9:30 AM
)

// clock says t as the time of day at the clinic.
func (z zone) clock(t time.Time) string { return z.intl.format(z.name, shapeClock, t) }

// stamp says t as day and time at the clinic.
func (z zone) stamp(t time.Time) string { return z.intl.format(z.name, shapeStamp, t) }

// say writes a date in one of the shapes without a clock.
func (z zone) say(d date, shape string) string {
	return z.intl.format("UTC", shape, d.midnightUTC().Add(12*time.Hour))
}

// span says how long something lasts, in the largest unit that still tells.
func span(w *words.Words, d time.Duration) string {
	switch {
	case d < 90*time.Second:
		return w.N(w.Common.Seconds, max(0, int((d+time.Second-1)/time.Second)))
	case d < 90*time.Minute:
		return w.N(w.Common.Minutes, int((d+30*time.Second)/time.Minute))
	case d < 36*time.Hour:
		return w.N(w.Common.Hours, int((d+30*time.Minute)/time.Hour))
	default:
		return w.N(w.Common.Days, int((d+12*time.Hour)/(24*time.Hour)))
	}
}
