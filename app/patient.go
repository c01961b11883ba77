package app

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// patientPage is one patient of one clinic. Who it is stands on top, always in view; then the observations and the
// appointments. Every answer is checked to be of this patient before it is shown (clinic.patient and its like).
type patientPage struct {
	page
	patientState
}

type patientState struct {
	loaded  bool
	record  record
	all     map[string]bool // lists that are shown whole
	form    observationForm
	opened  string // the category whose entries are shown after one was recorded
	editing string // the observation whose note is being changed
	saving  bool
	chart   chart // where the clinic is a FHIR server
}

// record is what is loaded of one patient.
type record struct {
	connection   shared.Connection
	zone         zone
	today        date
	patient      patient
	appointments []appointment
	observations []observation
	treatments   map[string]string
	staff        map[string]string
	err          error // of the parts below the identity
}

const visitsShown = 6

// OnNav empties the page, and only then loads the patient whom the address names.
func (p *patientPage) OnNav(ctx ui.Context) {
	defer p.shell.caught()
	p.patientState = patientState{}
	if p.arrive(ctx, p.shell.words.Patient.Title) {
		p.keeps = func() bool { return p.form.open || p.editing != "" }
		p.load()
	}
}

func (p *patientPage) load() {
	connection, id := p.connectionID(), p.params["patient"]
	async(&p.page, func() (record, error) { return p.shell.loadRecord(connection, id) }, func(r record, err error) {
		if err == nil && speaksFHIR(r.connection) {
			p.openChart(&p.chart, r.connection, id, func(err error) {
				if err != nil {
					p.failedWith(err, p.load)
				}
			})
			return
		}
		if err != nil {
			p.failedWith(err, p.load)
			return
		}
		p.loaded, p.record = true, r
		p.succeeded()
		if r.err != nil {
			p.failedWith(r.err, p.load)
		}
	})
}

// loadRecord reads a patient: identity, appointments and observations side by side, then the names in them. It blocks.
func (s *shell) loadRecord(connection, id string) (r record, err error) {
	if r.connection, err = s.connection(connection); err != nil {
		return r, err
	}
	if speaksFHIR(r.connection) {
		return r, nil
	}
	clinic := s.clinic(connection)
	err = together(s,
		func() (err error) { r.patient, err = clinic.patient(id); return err },
		func() error { r.zone = s.zone(clinic.zoneName()); return nil },
	)
	if err != nil {
		return record{}, err
	}
	r.today = r.zone.day(time.Now())
	r.err = together(s,
		func() (err error) {
			if r.may("appointments:read") {
				r.appointments, err = clinic.patientAppointments(id)
			}
			return err
		},
		func() (err error) {
			if r.may("observations:read") {
				r.observations, err = clinic.observations(id)
			}
			return err
		})
	s.nameRecord(clinic, &r)
	return r, nil
}

// nameRecord resolves the names in a record; one that cannot be resolved leaves its place empty.
func (s *shell) nameRecord(c *clinic, r *record) {
	var staff, treatments []string
	for _, a := range r.appointments {
		staff, treatments = append(staff, a.Staff), append(treatments, a.Treatment)
	}
	for _, o := range r.observations {
		staff = append(staff, o.Practitioner)
	}
	_ = together(s,
		func() (err error) {
			if r.may("staff_members:read") {
				r.staff, err = c.people(kindStaff, staff)
			}
			return err
		},
		func() (err error) {
			if r.may("treatments:read") {
				r.treatments, err = c.people(kindTreatment, treatments)
			}
			return err
		})
}

// may says whether the practitioner has granted a scope. By pointer: a copy would read what is being loaded beside it.
func (r *record) may(scope string) bool { return slices.Contains(r.connection.Scopes, scope) }

// Render draws the page.
func (p *patientPage) Render() ui.UI {
	return p.frame(p.shell.words.Patient.Title, p.draw)
}

func (p *patientPage) draw() []part {
	if p.chart.known {
		return p.drawChart(&p.chart)
	}
	if !p.loaded {
		if p.fail != nil {
			return []part{p.drawFailure()}
		}
		return []part{p.skeletons(3)}
	}
	return []part{
		p.drawIdentity(),
		p.drawReach(),
		p.drawFailure(),
		tag("div.record").body(p.drawObservations(), p.drawAppointments()),
	}
}

// drawIdentity is who this is: always in view, with two identifiers at least, so that nobody reads or writes in the
// wrong record.
func (p *patientPage) drawIdentity() part {
	w, one := p.shell.words.Patient, p.record.patient
	names := []part{tag("span.identity-legal[dir=auto]@patient-name").text(cmp.Or(joinWords(one.Prefix, one.name()), w.Unnamed))}
	if one.Preferred != "" {
		names = append(names, tag("span.quiet@patient-preferred").text(w.Preferred+" “"+one.Preferred+"”"))
	}
	if one.Status != "" && one.Status != "active" {
		names = append(names, tag("span").class("chip chip-"+one.Status).test("patient-status").text(p.shell.words.PatientStatus(one.Status)))
	}
	return tag("section").class("identity identity-"+one.Status).test("identity").attr("data-patient", one.ID).attr("aria-label", w.Banner).body(
		tag("div.identity-name").body(names...),
		tag("dl.facts").body(
			fact(w.Born, "patient-born", p.page.drawBirth(p.record.zone, one, p.record.today)...),
			fact(w.Sex, "patient-sex", text(joinWith(" · ", p.shell.words.Sex(one.Sex), one.Gender))),
			fact(w.Pronouns, "patient-pronouns", text(one.Pronouns)),
			fact(w.Number, "patient-number", text(one.Number)),
		))
}

// drawReach is how to reach the patient. It does not stay in view: on a phone it would leave no room for the record.
func (p *patientPage) drawReach() part {
	w, one := p.shell.words.Patient, p.record.patient
	return slot(when(one.Guardian+one.reachable()+one.Email != "", func() part {
		return tag("dl.facts.reach").body(
			fact(w.Guardian, "patient-guardian", text(one.Guardian)),
			fact(w.Contact, "patient-contact", text(joinWith(" · ", one.reachable(), one.Email))))
	}))
}

// fact is one named value; without a value it is left out.
func fact(name, test string, value ...part) part {
	if len(value) == 1 && value[0] == text("") {
		return nil
	}
	return tag("div.fact").body(tag("dt").text(name), tag("dd").test(test).body(value...))
}

// joinWith joins what is not empty.
func joinWith(between string, parts ...string) (joined string) {
	for _, part := range parts {
		if part != "" && joined != "" {
			joined += between
		}
		joined += part
	}
	return joined
}

// visits splits a patient's appointments by time alone: those that are not over, the next first; and all others, the last
// first. What is cancelled says so by its state.
func visits(list []appointment, now time.Time) (upcoming, past []appointment) {
	for _, a := range list {
		if a.EndAt.After(now) {
			upcoming = append(upcoming, a)
		} else {
			past = append(past, a)
		}
	}
	byStart := func(a, b appointment) int { return cmp.Or(a.StartAt.Compare(b.StartAt), cmp.Compare(a.ID, b.ID)) }
	arrange(upcoming, byStart)
	arrange(past, func(a, b appointment) int { return byStart(b, a) })
	return upcoming, past
}

func (p *patientPage) drawAppointments() part {
	w := p.shell.words.Patient
	if !p.record.may("appointments:read") {
		return tag("section.part").body(p.drawDenied("appointments:read"))
	}
	upcoming, past := visits(p.record.appointments, time.Now())
	return tag("section.part@patient-appointments").body(
		tag("h2.part-title").text(w.Upcoming), p.drawVisits("upcoming", upcoming, w.NoUpcoming),
		tag("h2.part-title").text(w.Past), p.drawVisits("past", past, w.NoPast))
}

// idVisit is the link of a list's n-th appointment.
func idVisit(list string, n int) string { return list + "-" + strconv.Itoa(n) }

func (p *patientPage) drawVisits(test string, list []appointment, none string) part {
	if len(list) == 0 {
		return tag("p.quiet").test(test + "-none").text(none)
	}
	z, w, shown := p.record.zone, p.shell.words, list
	if !p.all[test] {
		shown = list[:min(len(list), visitsShown)]
	}
	items := make([]part, len(shown))
	for i, a := range shown {
		day := z.day(a.StartAt)
		items[i] = tag("li.visit").test(test).attr("data-appointment", a.ID).body(
			tag("div.visit-head").body(
				tag("a").attr("id", idVisit(test, i)).attr("href", p.scheduleHref(day)).body(timeTag(a.StartAt, z.say(day, shapeDate)+", "+z.clock(a.StartAt))),
				tag("span").class("chip chip-"+a.State).text(w.AppointmentState(a.State))),
			tag("span.quiet").text(joinWith(" · ", p.record.treatments[a.Treatment], p.record.staff[a.Staff])))
	}
	if len(shown) == len(list) {
		return tag("div.slot").body(tag("ul.visits").body(items...))
	}
	more := tag("button.button.button-quiet[type=button]").test(test+"-all").text(words.Fill(w.Patient.AllPast, "n", strconv.Itoa(len(list)))).
		on("click", p.shell, func(ui.Context, ui.Event) {
			if p.all == nil {
				p.all = map[string]bool{}
			}
			p.all[test] = true
			p.ctx.Defer(func(ui.Context) { focus(idVisit(test, visitsShown)) })
		}, "all", test)
	return tag("div.slot").body(tag("ul.visits").body(items...), tag("p").body(more))
}

func (p *patientPage) scheduleHref(day date) string {
	href := "/schedule/" + p.connectionID()
	if day != p.record.today {
		href += "?day=" + day.String()
	}
	return href
}

// drawDenied stands where something would be that the practitioner has not allowed yet.
func (p *patientPage) drawDenied(scope string) part {
	say := p.shell.words.Problem(shared.CodeScopeMissing)
	return tag("div.notice.notice-warn@denied").attr("data-scope", scope).body(
		tag("div.notice-words").body(
			tag("strong").text(say.Title),
			tag("p").text(words.Fill(say.Text, "scope", p.shell.words.Scope(scope)))),
		tag("button.button[type=button]@allow").text(say.Next).
			on("click", p.shell, func(ui.Context, ui.Event) { p.authorize(p.connectionID(), []string{scope}) }, "allow", scope))
}
