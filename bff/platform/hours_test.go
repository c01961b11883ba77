package platform_test

import (
	"testing"
	"time"

	"locum/bff/platform"
)

// TestHours: the spans around a moment, over nights, weekends and the days on which clocks are set.
func TestHours(t *testing.T) {
	zone, err := time.LoadLocation("America/Vancouver")
	if err != nil {
		t.Skip(err)
	}
	week := [7]bool{time.Monday: true, time.Tuesday: true, time.Wednesday: true, time.Thursday: true, time.Friday: true}
	day := 8 * time.Hour
	cases := []struct {
		name       string
		hours      platform.Hours
		at         string
		next, last string // when it opens
		closes     string // the next one
	}{
		{"in the morning", platform.Hours{Zone: zone, Days: week, From: day, To: 17 * time.Hour}, "2026-06-03 07:59", "2026-06-03 08:00", "2026-06-02 08:00", "2026-06-03 17:00"},
		{"at the very moment", platform.Hours{Zone: zone, Days: week, From: day, To: 17 * time.Hour}, "2026-06-03 08:00", "2026-06-03 08:00", "2026-06-03 08:00", "2026-06-03 17:00"},
		{"at the end", platform.Hours{Zone: zone, Days: week, From: day, To: 17 * time.Hour}, "2026-06-03 17:00", "2026-06-04 08:00", "2026-06-03 08:00", "2026-06-04 17:00"},
		{"over a weekend", platform.Hours{Zone: zone, Days: week, From: day, To: 17 * time.Hour}, "2026-06-06 12:00", "2026-06-08 08:00", "2026-06-05 08:00", "2026-06-08 17:00"},
		{"an hour less", platform.Hours{Zone: zone, Days: [7]bool{true}, From: time.Hour, To: 12 * time.Hour}, "2026-03-08 01:30", "2026-03-08 01:00", "2026-03-08 01:00", "2026-03-08 12:00"},
		{"an hour more", platform.Hours{Zone: zone, Days: [7]bool{true}, From: day, To: 24 * time.Hour}, "2026-11-01 00:30", "2026-11-01 08:00", "2026-10-25 08:00", "2026-11-02 00:00"},
		{"one day a week", platform.Hours{Zone: zone, Days: [7]bool{time.Monday: true}, From: day, To: 9 * time.Hour}, "2026-06-01 09:00", "2026-06-08 08:00", "2026-06-01 08:00", "2026-06-08 09:00"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			read := func(text string) time.Time {
				at, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
				if err != nil {
					t.Fatal(err)
				}
				return at
			}
			opens, closes := c.hours.Next(read(c.at).UTC())
			opened, _ := c.hours.Last(read(c.at).UTC())
			if !opens.Equal(read(c.next)) || !closes.Equal(read(c.closes)) || !opened.Equal(read(c.last)) {
				t.Errorf("next %v to %v, last %v", opens, closes, opened)
			}
		})
	}
	none := platform.Hours{Zone: time.UTC, From: day, To: 9 * time.Hour}
	if opens, _ := none.Next(time.Now()); !opens.IsZero() {
		t.Errorf("no day, and hours at %v", opens)
	}
}
