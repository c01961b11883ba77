package sandbox

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// How far the schedule reaches around the clinic's today.
const (
	daysBack  = 21
	daysAhead = 21
)

// visit is everything that happens to one appointment, past and future. What
// the API shows of it depends on the clock: an event that has not happened yet
// is not told, and a visit not yet booked does not exist.
type visit struct {
	id                                   string
	start, end                           time.Time
	staff, patient, location, treatment  string
	first                                bool
	made                                 time.Time // when it appeared
	booked                               time.Time // made, or later if it was held first
	checkedIn, arrived, missed, archived time.Time // zero: never
	cancelled                            time.Time
	reason                               string
}

// appointment is the reference's appointment.
type appointment struct {
	ID          string  `json:"id"`
	StartAt     string  `json:"start_at"`
	EndAt       string  `json:"end_at"`
	StaffID     string  `json:"staff_member_id"`
	PatientID   string  `json:"patient_id"`
	LocationID  string  `json:"location_id"`
	TreatmentID string  `json:"treatment_id"`
	FirstVisit  bool    `json:"first_visit"`
	CancelledAt *string `json:"cancelled_at"`
	Reason      *string `json:"cancelled_reason"`
	BookedAt    string  `json:"booked_at,omitempty"`
	NoShowAt    *string `json:"no_show_at"`
	ArrivedAt   *string `json:"arrived_at"`
	ArchivedAt  *string `json:"archived_at"`
	CheckedInAt *string `json:"checked_in_at"`
	State       string  `json:"state"`
}

// show renders the visit as it is known at now.
func (v *visit) show(now time.Time) appointment {
	past := func(t time.Time) *string {
		if t.After(now) {
			return nil
		}
		return stampOr(t)
	}
	a := appointment{
		ID: v.id, StartAt: stamp(v.start), EndAt: stamp(v.end), StaffID: v.staff, PatientID: v.patient,
		LocationID: v.location, TreatmentID: v.treatment, FirstVisit: v.first,
		CancelledAt: past(v.cancelled), NoShowAt: past(v.missed), ArrivedAt: past(v.arrived),
		ArchivedAt: past(v.archived), CheckedInAt: past(v.checkedIn), State: "booked",
	}
	if booked := past(v.booked); booked != nil {
		a.BookedAt = *booked
	} else {
		a.State = "reserved"
	}
	switch {
	case a.ArchivedAt != nil:
		a.State = "archived"
	case a.CancelledAt != nil:
		a.State, a.Reason = "cancelled", &v.reason
	case a.NoShowAt != nil:
		a.State = "no_show"
	case a.ArrivedAt != nil:
		a.State = "arrived"
	}
	return a
}

// updated is the last thing that happened to the visit by now.
func (v *visit) updated(now time.Time) time.Time {
	last := v.made
	for _, t := range []time.Time{v.booked, v.checkedIn, v.arrived, v.missed, v.archived, v.cancelled} {
		if t.After(last) && !t.After(now) {
			last = t
		}
	}
	return last
}

// schedule lists the visits that exist at now, from three weeks back to three
// weeks ahead, by start.
func (d *clinicData) schedule(now time.Time) []*visit {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settle(now)
	if today := d.midnight(now); !today.Equal(d.today) {
		d.today, d.visits = today, d.plan(today)
	}
	out := make([]*visit, 0, len(d.visits))
	for _, v := range d.visits {
		if !v.made.After(now) {
			out = append(out, v)
		}
	}
	return out
}

// plan makes the visits of all days around today. The caller holds d.mu.
func (d *clinicData) plan(today time.Time) []*visit {
	var all []*visit
	oldest := today.AddDate(0, 0, -daysBack)
	for day := -daysBack; day <= daysAhead; day++ {
		all = append(all, d.planDay(today.AddDate(0, 0, day))...)
	}
	slices.SortFunc(all, func(a, b *visit) int {
		if c := a.start.Compare(b.start); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
	met := map[string]bool{}
	for _, p := range d.patients {
		met[p.ID] = p.arrived.Before(oldest)
	}
	for _, v := range all {
		if held := v.cancelled.IsZero() && v.archived.IsZero(); held && !met[v.patient] {
			v.first, met[v.patient] = true, true
		}
	}
	return all
}

// planDay fills one day's columns. It depends on the day alone, so the same
// day looks the same from every today. Nobody comes twice on a day.
func (d *clinicData) planDay(day time.Time) []*visit {
	throw := dice(d.spec.key, "day", day.Format(time.DateOnly))
	var waiting []*patient
	for _, i := range throw.Perm(len(d.patients)) {
		p := d.patients[i]
		if stays := throw.IntN(4); p.coming(day) && (stays == 0 || !p.rare) {
			waiting = append(waiting, p)
		}
	}
	var out []*visit
	for i := range d.staff {
		member := &d.staff[i]
		if slices.Contains(member.spec.off, day.Weekday()) {
			continue
		}
		column := d.planColumn(throw, day, member, &waiting)
		out = append(out, column...)
	}
	return out
}

// planColumn is one staff member's day, with a break at noon. Columns of those
// who can log in are full, the others half empty.
func (d *clinicData) planColumn(throw *rand.Rand, day time.Time, member *staffMember, waiting *[]*patient) []*visit {
	from, to, free := 9*60, 16*60+30, 90
	if member.spec.everyDay {
		from, to, free = 8*60+30, 17*60+30, 20
	}
	if wd := day.Weekday(); wd == time.Saturday || wd == time.Sunday {
		to = 16 * 60
	}
	var out []*visit
	idle := true // no gap before the first visit, nor two in a row
	for at := from; at < to && len(*waiting) > 0; {
		t := d.pick(throw, member)
		minutes := t.Scheduled / 60
		if at < 13*60 && at+minutes > 12*60 {
			at = 13 * 60
			continue
		}
		if !idle && throw.IntN(100) < free {
			at += 15 * (1 + throw.IntN(3))
			idle = true
			continue
		}
		if at+minutes > to {
			break
		}
		start := clock(day, at)
		out = append(out, d.book(throw, start, member, (*waiting)[0], t))
		*waiting, idle = (*waiting)[1:], false
		at += minutes
	}
	return out
}

// clock is a wall-clock time of a day, in minutes after midnight.
func clock(day time.Time, minutes int) time.Time {
	y, m, dd := day.Date()
	return time.Date(y, m, dd, minutes/60, minutes%60, 0, 0, day.Location())
}

func (d *clinicData) pick(throw *rand.Rand, member *staffMember) treatment {
	var own []treatment
	for _, t := range d.treatments {
		if t.kind == member.spec.kind {
			own = append(own, t)
		}
	}
	return own[throw.IntN(len(own))]
}

var reasons = [...]string{"Feeling unwell", "Schedule conflict", "Transportation", "Other"}

// book makes the visit and decides its fate.
func (d *clinicData) book(throw *rand.Rand, start time.Time, member *staffMember, p *patient, t treatment) *visit {
	minute := func(low, high int) time.Duration {
		return time.Duration(low+throw.IntN(high-low))*time.Minute + time.Duration(throw.IntN(60))*time.Second
	}
	v := &visit{
		start: start, end: start.Add(time.Duration(t.Duration) * time.Second), staff: member.ID, patient: p.ID,
		location: d.locations[member.spec.site].ID, treatment: t.ID,
	}
	v.made = start.Add(-minute(26*60, 35*24*60))
	if v.made.Before(p.created) {
		v.made = p.created
	}
	v.booked = v.made
	v.id = uuid7(v.made, d.spec.key, start.Format(time.RFC3339), member.ID)
	switch fate := throw.IntN(100); {
	case fate < 8:
		v.cancelled = v.made.Add(start.Sub(v.made) / 100 * time.Duration(40+throw.IntN(59))).Truncate(time.Second)
		v.reason = reasons[throw.IntN(len(reasons))]
	case fate < 15:
		v.missed = start.Add(minute(12, 20))
	case fate < 18:
		v.archived = v.made.Add(start.Sub(v.made) / 2).Truncate(time.Second)
	default:
		if fate < 30 { // held on the web, confirmed in the last two days
			v.booked = start.Add(-minute(30, 48*60))
			if v.booked.Before(v.made) {
				v.booked = v.made
			}
		}
		v.arrived = start.Add(-minute(1, 12))
		if fate%2 == 0 {
			v.checkedIn = v.arrived.Add(-minute(1, 20))
		}
	}
	return v
}
