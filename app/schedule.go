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
	slices.SortStableFunc(d.appointments, func(a, b appointment) int {
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

func (p *schedulePage) draw() []ui.UI {
	switch {
	case p.fail != nil && !p.loaded && p.day.day == date{}:
		return []ui.UI{p.drawFailure()}
	case p.fail != nil:
		return []ui.UI{p.drawTools(), p.drawFailure()}
	case !p.loaded:
		return []ui.UI{p.skeletons(4)}
	}
	return []ui.UI{p.drawTools(), p.drawZone(), p.drawDay()}
}

// drawTools is the bar above the day: which day, whose column.
func (p *schedulePage) drawTools() ui.UI {
	w, d := p.shell.words.Schedule, p.day
	arrow := func(test, path, label string, day date) ui.UI {
		return ui.A().Class("icon-button").DataSet("test", test).Href(p.href(day, d.everyone && d.own)).Aria("label", label).Title(label).Body(icon(path))
	}
	tools := []ui.UI{
		ui.Div().Class("day-nav").Body(
			arrow("day-previous", iconLeft, w.Previous, d.day.add(-1)),
			arrow("day-next", iconRight, w.Next, d.day.add(1)),
			ui.H2().Class("day-title").DataSet("test", "day-title").DataSet("day", d.day.String()).Text(d.zone.say(d.day, shapeDay)),
			ui.If(d.day != d.today, func() ui.UI {
				return ui.A().Class("button button-quiet").DataSet("test", "day-today").Href(p.href(d.today, d.everyone && d.own)).Text(w.Today)
			}),
		),
	}
	if d.own {
		tools = append(tools, ui.Nav().Class("switch").Aria("label", w.Whose).Body(
			p.drawWho("who-mine", w.Mine, false), p.drawWho("who-all", w.Everyone, true)))
	}
	return ui.Div().Class("tools").Body(tools...)
}

func (p *schedulePage) drawWho(test, text string, everyone bool) ui.UI {
	link := ui.A().Class("switch-option").DataSet("test", test).Href(p.href(p.day.day, everyone)).Text(text)
	if everyone == p.day.everyone {
		link = link.Aria("current", "true")
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

func (p *schedulePage) drawZone() ui.UI {
	w, d := p.shell.words.Schedule, p.day
	text := w.ZoneDevice
	if d.zone.name != "" {
		text = words.Fill(w.Zone, "zone", d.zone.name)
	}
	if !d.own {
		text += " · " + w.NoColumn
	}
	return ui.P().Class("quiet zone").DataSet("test", "zone").Text(text)
}

// drawDay is the day's list, in one column per staff member when everyone is shown.
func (p *schedulePage) drawDay() ui.UI {
	w, d := p.shell.words.Schedule, p.day
	shown, off := d.shown(p.showCancelled)
	var parts []ui.UI
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
		parts = append(parts, ui.P().Class("more").Body(
			ui.Span().Class("quiet").Text(p.shell.words.N(w.Cancelled, off)),
			ui.Button().Type("button").Class("button button-quiet").DataSet("test", "toggle-cancelled").Text(text).
				OnClick(p.shell.safe(p.toggleCancelled), ui.EventScope("toggle-cancelled"))))
	}
	return ui.Div().Class("day").DataSet("test", "day").Body(parts...)
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
	slices.SortStableFunc(staff, func(a, b string) int { return cmp.Or(cmp.Compare(d.staff[a], d.staff[b]), cmp.Compare(a, b)) })
	return staff, by
}

func (p *schedulePage) drawColumns(list []appointment) ui.UI {
	staff, by := p.day.columns(list)
	columns := make([]ui.UI, len(staff))
	for i, id := range staff {
		name := cmp.Or(p.day.staff[id], p.shell.words.Schedule.UnknownStaff)
		columns[i] = ui.Section().Class("column").DataSet("test", "column").DataSet("staff", id).Aria("label", name).Body(
			ui.Header().Class("column-head").Body(
				ui.H3().Class("column-title").Text(name),
				ui.Span().Class("quiet").Text(p.shell.words.N(p.shell.words.Schedule.Count, len(by[id])))),
			p.drawList(by[id]))
	}
	return ui.Div().Class("columns").Body(columns...)
}

// drawList is one column of the day, with a line where the day stands now.
func (p *schedulePage) drawList(list []appointment) ui.UI {
	now, drawn := time.Now(), p.day.day != p.day.today
	var rows []ui.UI
	line := func() ui.UI {
		drawn = true
		return ui.Li().Class("now").DataSet("test", "now").Body(
			ui.Span().Class("now-label").Text(p.shell.words.Schedule.Now + " " + p.day.zone.clock(now)))
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
	return ui.Ol().Class("appointments").Body(rows...)
}

func (p *schedulePage) drawAppointment(a appointment, now time.Time) ui.UI {
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
	who := ui.UI(ui.Strong().Class("who-patient").DataSet("test", "appointment-patient").Text(cmp.Or(d.patients[a.Patient], w.Schedule.Unnamed)))
	if shared.ValidID(a.Patient) {
		who = ui.A().Class("who-patient").DataSet("test", "appointment-patient").Href("/patients/" + p.connectionID() + "/" + a.Patient).
			Text(cmp.Or(d.patients[a.Patient], w.Schedule.Unnamed))
	}
	return ui.Li().Class(class).DataSet("test", "appointment").DataSet("appointment", a.ID).DataSet("state", a.State).Body(
		ui.Div().Class("when").Body(
			timeTag(a.StartAt, d.zone.clock(a.StartAt)),
			ui.Span().Class("quiet").Text(d.zone.clock(a.EndAt))),
		ui.Div().Class("what").Body(who, ui.Span().Class("quiet").Text(d.describe(a))),
		ui.Div().Class("chips").Body(
			ui.If(a.First, func() ui.UI { return ui.Span().Class("chip chip-first").Text(w.Schedule.First) }),
			ui.Span().Class("chip chip-"+a.State).DataSet("test", "appointment-state").Text(w.AppointmentState(a.State))),
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
