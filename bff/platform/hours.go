package platform

import "time"

// Hours are working hours: from From to To (the clock's, as time since midnight) on Days, in Zone.
type Hours struct {
	Zone     *time.Location
	Days     [7]bool // by time.Weekday
	From, To time.Duration
}

// Next gives the first span of working hours that ends after t; t lies in it when it does not lie before opens. Zero times:
// no day is a working day.
func (h *Hours) Next(t time.Time) (opens, closes time.Time) {
	for day := -1; day <= 8; day++ {
		if opens, closes, ok := h.on(t, day); ok && closes.After(t) {
			return opens, closes
		}
	}
	return time.Time{}, time.Time{}
}

// Last gives the last span of working hours that began by t; zero times: none did for eight days.
func (h *Hours) Last(t time.Time) (opened, closed time.Time) {
	for day := 1; day >= -8; day-- {
		if opened, closed, ok := h.on(t, day); ok && !opened.After(t) {
			return opened, closed
		}
	}
	return time.Time{}, time.Time{}
}

// on gives the hours of the day that lies so many days after t's. The clock's time counts: a day on which it is set has an
// hour more or less.
func (h *Hours) on(t time.Time, days int) (opens, closes time.Time, ok bool) {
	t = t.In(h.Zone)
	midnight := time.Date(t.Year(), t.Month(), t.Day()+days, 0, 0, 0, 0, h.Zone)
	clock := func(d time.Duration) time.Time {
		return time.Date(midnight.Year(), midnight.Month(), midnight.Day(), 0, 0, int(d/time.Second), 0, h.Zone)
	}
	return clock(h.From), clock(h.To), h.Days[midnight.Weekday()]
}
