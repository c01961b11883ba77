package app

import (
	"cmp"
	"slices"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// schedulePage is one day of one clinic. Day and column stand in the address ("?day=2026-11-22&who=all"), so that every
// navigation begins with an empty page.
type schedulePage struct {
	page
	scheduleState
}

type scheduleState struct {
	loaded        bool
	day           schedule
	showCancelled bool
}

// schedule is a loaded day.
type schedule struct {
	day, today   date
	zone         zone
	everyone     bool // all columns are shown
	own          bool // the practitioner's own column is known
	appointments []appointment
	patients     map[string]string
	staff        map[string]string
	treatments   map[string]string
	locations    map[string]string
}

// OnNav empties the page and loads the day.
func (p *schedulePage) OnNav(ctx ui.Context) {
	defer p.shell.caught()
	p.scheduleState = scheduleState{}
	if p.arrive(ctx, p.shell.words.Schedule.Title) {
		p.load()
	}
}

func (p *schedulePage) load() {
	id, wanted, everyone := p.connectionID(), p.query.Get("day"), p.query.Get("who") == "all"
	async(&p.page, func() (schedule, error) { return p.shell.loadSchedule(id, wanted, everyone) },
		func(s schedule, err error) {
			p.day = s
			if err != nil {
				p.failedWith(err, p.load)
				return
			}
			p.loaded = true
			p.succeeded()
		})
}

// loadSchedule reads one day: the clinic's zone, the appointments, then all names at once. It blocks.
func (s *shell) loadSchedule(id, wanted string, everyone bool) (schedule, error) {
	connection, err := s.connection(id)
	if err != nil {
		return schedule{}, err
	}
	clinic := s.clinic(id)
	z := s.zone(clinic.zoneName())
	d := schedule{zone: z, today: z.day(time.Now()), own: len(connection.StaffMembers) > 0}
	d.everyone = everyone || !d.own
	d.day = d.today
	if day, ok := parseDate(wanted); ok {
		d.day = day
	}
	var staff []string
	if !d.everyone {
		staff = connection.StaffMembers
	}
	if d.appointments, err = clinic.appointments(z.start(d.day), z.start(d.day.add(1)), staff); err != nil {
		return d, err
	}
	arrange(d.appointments, func(a, b appointment) int {
		return cmp.Or(a.StartAt.Compare(b.StartAt), cmp.Compare(a.ID, b.ID))
	})
	return d, s.nameSchedule(clinic, connection.Scopes, &d)
}

// nameSchedule resolves the names of a day: one request per kind that is not remembered. Only the patients' names are
// needed; a missing permission for the others leaves their place empty.
func (s *shell) nameSchedule(c *clinic, scopes []string, d *schedule) error {
	ids := func(of func(appointment) string) (all []string) {
		for _, a := range d.appointments {
			all = append(all, of(a))
		}
		return all
	}
	var patients error
	resolve := func(kind, scope string, list []string, into *map[string]string, failure *error) func() error {
		return func() error {
			if !slices.Contains(scopes, scope) {
				return nil
			}
			names, err := c.people(kind, list)
			*into = names
			if failure != nil {
				*failure = err
			}
			return nil
		}
	}
	err := together(s,
		resolve(kindPatient, "patients:read", ids(func(a appointment) string { return a.Patient }), &d.patients, &patients),
		resolve(kindStaff, "staff_members:read", ids(func(a appointment) string { return a.Staff }), &d.staff, nil),
		resolve(kindTreatment, "treatments:read", ids(func(a appointment) string { return a.Treatment }), &d.treatments, nil),
		resolve(kindLocation, "locations:read", ids(func(a appointment) string { return a.Location }), &d.locations, nil),
	)
	return cmp.Or(patients, err)
}

// Render draws the page.
func (p *schedulePage) Render() ui.UI { return p.frame(p.shell.words.Schedule.Title, p.draw) }

func (p *schedulePage) draw() []part {
	switch {
	case p.fail != nil && !p.loaded && p.day.day == date{}:
		return []part{p.drawFailure()}
	case p.fail != nil:
		return []part{p.drawTools(), p.drawFailure()}
	case !p.loaded:
		return []part{p.skeletons(4)}
	}
	return []part{p.drawTools(), p.drawZone(), p.drawDay()}
}

// drawTools is the bar above the day: which day, whose column.
func (p *schedulePage) drawTools() part {
	w, d := p.shell.words.Schedule, p.day
	arrow := func(test, path, label string, day date) part {
		return tag("a.icon-button").test(test).attr("href", p.href(day, d.everyone && d.own)).attr("aria-label", label).attr("title", label).body(icon(path))
	}
	tools := []part{
		tag("div.day-nav").body(
			arrow("day-previous", iconLeft, w.Previous, d.day.add(-1)),
			arrow("day-next", iconRight, w.Next, d.day.add(1)),
			tag("h2.day-title@day-title").attr("data-day", d.day.String()).text(d.zone.say(d.day, shapeDay)),
			when(d.day != d.today, func() part {
				return tag("a.button.button-quiet@day-today").attr("href", p.href(d.today, d.everyone && d.own)).text(w.Today)
			}),
		),
	}
	if d.own {
		tools = append(tools, tag("nav.switch").attr("aria-label", w.Whose).body(
			p.drawWho("who-mine", w.Mine, false), p.drawWho("who-all", w.Everyone, true)))
	}
	return tag("div.tools").body(tools...)
}

func (p *schedulePage) drawWho(test, text string, everyone bool) part {
	link := tag("a.switch-option").test(test).attr("href", p.href(p.day.day, everyone)).text(text)
	if everyone == p.day.everyone {
		link = link.attr("aria-current", "true")
	}
	return link
}

// href is the address of a day and column of this clinic; today and the own column need no words.
func (p *schedulePage) href(day date, everyone bool) string {
	href, mark := "/schedule/"+p.connectionID(), "?"
	if day != p.day.today {
		href, mark = href+mark+"day="+day.String(), "&"
	}
	if everyone {
		href += mark + "who=all"
	}
	return href
}

func (p *schedulePage) drawZone() part {
	w, d := p.shell.words.Schedule, p.day
	text := w.ZoneDevice
	if d.zone.name != "" {
		text = words.Fill(w.Zone, "zone", d.zone.name)
	}
	if !d.own {
		text += " · " + w.NoColumn
	}
	return tag("p.quiet.zone@zone").text(text)
}

// drawDay is the day's list, in one column per staff member when everyone is shown.
func (p *schedulePage) drawDay() part {
	w, d := p.shell.words.Schedule, p.day
	shown, off := d.shown(p.showCancelled)
	var parts []part
	switch {
	case len(d.appointments) == 0 && d.everyone:
		parts = append(parts, empty("day-empty", w.EmptyAll, w.EmptyText))
	case len(d.appointments) == 0:
		parts = append(parts, empty("day-empty", w.Empty, w.EmptyText))
	case d.everyone:
		parts = append(parts, p.drawColumns(shown))
	default:
		parts = append(parts, p.drawList(shown))
	}
	if off > 0 {
		text := w.ShowCancelled
		if p.showCancelled {
			text = w.HideCancelled
		}
		parts = append(parts, tag("p.more").body(
			tag("span.quiet").text(p.shell.words.N(w.Cancelled, off)),
			tag("button.button.button-quiet[type=button]@toggle-cancelled").text(text).
				on("click", p.shell, p.toggleCancelled, "toggle-cancelled")))
	}
	return tag("div.day@day").body(parts...)
}

func (p *schedulePage) toggleCancelled(ui.Context, ui.Event) { p.showCancelled = !p.showCancelled }

// shown leaves out what does not take place, unless it is asked for, and counts it.
func (d schedule) shown(cancelled bool) (list []appointment, off int) {
	for _, a := range d.appointments {
		if a.off() {
			off++
		}
		if cancelled || !a.off() {
			list = append(list, a)
		}
	}
	return list, off
}

// columns groups appointments by staff member, in the order of their names; the appointments keep theirs.
func (d schedule) columns(list []appointment) (staff []string, by map[string][]appointment) {
	by = map[string][]appointment{}
	for _, a := range list {
		if _, ok := by[a.Staff]; !ok {
			staff = append(staff, a.Staff)
		}
		by[a.Staff] = append(by[a.Staff], a)
	}
	arrange(staff, func(a, b string) int { return cmp.Or(cmp.Compare(d.staff[a], d.staff[b]), cmp.Compare(a, b)) })
	return staff, by
}

func (p *schedulePage) drawColumns(list []appointment) part {
	staff, by := p.day.columns(list)
	columns := make([]part, len(staff))
	for i, id := range staff {
		name := cmp.Or(p.day.staff[id], p.shell.words.Schedule.UnknownStaff)
		columns[i] = tag("section.column@column").attr("data-staff", id).attr("aria-label", name).body(
			tag("header.column-head").body(
				tag("h3.column-title").text(name),
				tag("span.quiet").text(p.shell.words.N(p.shell.words.Schedule.Count, len(by[id])))),
			p.drawList(by[id]))
	}
	return tag("div.columns").body(columns...)
}

// drawList is one column of the day, with a line where the day stands now.
func (p *schedulePage) drawList(list []appointment) part {
	now, drawn := time.Now(), p.day.day != p.day.today
	var rows []part
	line := func() part {
		drawn = true
		return tag("li.now@now").body(
			tag("span.now-label").text(p.shell.words.Schedule.Now + " " + p.day.zone.clock(now)))
	}
	for _, a := range list {
		if !drawn && a.StartAt.After(now) {
			rows = append(rows, line())
		}
		rows = append(rows, p.drawAppointment(a, now))
	}
	if !drawn && len(rows) > 0 {
		rows = append(rows, line())
	}
	return tag("ol.appointments").body(rows...)
}

func (p *schedulePage) drawAppointment(a appointment, now time.Time) part {
	w, d := p.shell.words, p.day
	class := "appointment state-" + a.State
	switch {
	case a.off():
		class += " is-off"
	case !a.StartAt.After(now) && a.EndAt.After(now):
		class += " is-now"
	case !a.EndAt.After(now):
		class += " is-past"
	}
	who := part(tag("strong.who-patient[dir=auto]@appointment-patient").text(cmp.Or(d.patients[a.Patient], w.Schedule.Unnamed)))
	if shared.ValidID(a.Patient) {
		who = tag("a.who-patient[dir=auto]@appointment-patient").attr("href", "/patients/"+p.connectionID()+"/"+a.Patient).
			text(cmp.Or(d.patients[a.Patient], w.Schedule.Unnamed))
	}
	return tag("li").class(class).test("appointment").attr("data-appointment", a.ID).attr("data-state", a.State).body(
		tag("div.when").body(
			timeTag(a.StartAt, d.zone.clock(a.StartAt)),
			tag("span.quiet").text(d.zone.clock(a.EndAt))),
		tag("div.what").body(who, tag("span.quiet").text(d.describe(a))),
		tag("div.chips").body(
			when(a.First, func() part { return tag("span.chip.chip-first").text(w.Schedule.First) }),
			tag("span").class("chip chip-"+a.State).test("appointment-state").text(w.AppointmentState(a.State))),
	)
}

// describe names treatment and place, as far as they are known.
func (d schedule) describe(a appointment) string {
	place := d.locations[a.Location]
	if len(d.locations) < 2 {
		place = "" // One place needs no name.
	}
	treatment := d.treatments[a.Treatment]
	if treatment != "" && place != "" {
		return treatment + " · " + place
	}
	return treatment + place
}
