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

// drawChart is a patient's record: who it is on top, always in view, then the sections.
func (p *page) drawChart(c *chart) []part {
	left, right := []part{}, []part{p.drawSection(c, "AllergyIntolerance")}
	for _, kind := range []string{"Condition", "MedicationRequest", "Observation"} {
		left = append(left, p.drawSection(c, kind))
	}
	if c.section("Encounter") != nil {
		right = append(right, p.drawSection(c, "Encounter"))
	}
	left = append(left, tag("p.quiet").text(p.shell.words.Chart.Device))
	return []part{
		p.drawPerson(c), p.drawFailure(),
		tag("div.record@chart").body(tag("div.record-side.record-beside").body(right...), tag("div.record-side").body(left...)),
	}
}

// drawPerson is the banner: name and date of birth at least. Where the EHR shows one of its own it is small, and still there
// (SMART App Launch 2.2, need_patient_banner): somebody who reads here must see whose record it is here.
func (p *page) drawPerson(c *chart) part {
	w, class := p.shell.words, "identity"
	if c.connection.Launch != nil && c.connection.Launch.Banner == "no" {
		class += " identity-small"
	}
	name := []part{tag("span.identity-legal[dir=auto]@patient-name").text(cmp.Or(c.who.name(), w.Chart.Unnamed))}
	if c.who.Deceased || c.who.DeceasedAt != "" {
		class += " identity-deceased"
		name = append(name, tag("span.chip.chip-deceased@patient-deceased").text(joinWords(w.Chart.Deceased, c.zone.fhirDate(c.who.DeceasedAt))))
	}
	gender, _ := w.Chart.Genders.Find(c.who.Gender)
	return tag("section").class(class).test("identity").attr("data-patient", c.id).attr("aria-label", w.Patient.Banner).body(
		tag("div.identity-name").body(name...),
		tag("dl.facts").body(
			fact(w.Patient.Born, "patient-born", p.drawBirth(c.zone, patient{Born: c.who.Born}, c.today)...),
			fact(w.Patient.Sex, "patient-sex", text(gender)),
			fact(w.Patient.Number, "patient-number", text(c.who.number())),
		))
}

// sectionWords are a section's title and what it says when it is empty.
func (p *page) sectionWords(kind string) (title, none string) {
	w := p.shell.words.Chart
	switch kind {
	case "Condition":
		return w.Problems, w.NoProblems
	case "MedicationRequest":
		return w.Medications, w.NoMedications
	case "AllergyIntolerance":
		return w.Allergies, w.NoAllergies
	case "Encounter":
		return w.Visit, w.NoVisit
	}
	return w.Measurements, w.NoMeasurements
}

func (p *page) drawSection(c *chart, kind string) part {
	s := c.section(kind)
	if s == nil {
		return nil
	}
	w := p.shell.words
	title, none := p.sectionWords(kind)
	parts := []part{tag("h2.part-title").text(title)}
	switch {
	case s.scope != "":
		parts = append(parts, p.drawNotGranted(c, s))
	case s.busy && !s.loaded:
		parts = append(parts, tag("div@section-loading").body(skeleton("long"), tag("span.hidden").text(w.Common.Loading)))
	case s.loaded && len(s.list) == 0 && s.fail == nil:
		parts = append(parts, tag("p.quiet@section-none").text(none))
	case kind == "Observation":
		parts = append(parts, p.drawMeasurements(c, s)...)
	case len(s.list) > 0:
		parts = append(parts, p.drawResources(c, s))
	}
	if s.unread > 0 {
		parts = append(parts, tag("p.notice.notice-warn[role=alert]@section-unread").text(w.N(w.Chart.Unread, s.unread)))
	}
	if s.fail != nil {
		parts = append(parts, p.drawSectionFailure(c, s))
	} else if s.loaded && s.next != "" {
		more := tag("button.button[type=button]@section-more").text(w.Chart.More).
			on("click", p.shell, func(ui.Context, ui.Event) { p.readOn(c, s) }, "section-more", kind)
		if s.busy {
			more = more.attr("disabled", "true")
		}
		parts = append(parts, tag("div.notice.notice-warn@section-incomplete").body(tag("div.notice-words").body(tag("p").text(w.Chart.Incomplete)), more))
	}
	return tag("section.part").test("section-"+kind).attr("aria-label", title).body(parts...)
}

// drawNotGranted stands where a section would be that was not allowed; a launch of the EHR cannot be widened from here.
func (p *page) drawNotGranted(c *chart, s *section) part {
	w := p.shell.words
	said := tag("div.notice-words").body(tag("p").text(words.Fill(w.Chart.NotHere, "scope", w.Scope(s.scope))))
	notice := tag("div.notice.notice-warn@denied").attr("data-scope", s.scope)
	if byEHR(c.connection) || !slices.Contains(c.connection.More, s.scope) {
		return notice.body(said)
	}
	return notice.body(said, tag("button.button[type=button]@allow").text(w.Connections.AllowMore).
		on("click", p.shell, func(ui.Context, ui.Event) { p.authorize(c.connection.ID, []string{s.scope}) }, "allow", s.scope))
}

// drawSectionFailure says why one part is missing, while the others stand.
func (p *page) drawSectionFailure(c *chart, s *section) part {
	w := p.shell.words
	say := w.Problem(s.fail.Code)
	if reason, ok := w.Refusals.Find(s.fail.Params["reason"]); ok {
		say.Text = reason
	}
	if s.fail.Code == shared.CodeReconnectNeeded && byEHR(c.connection) {
		say = words.Say{Title: w.Chart.Ended, Text: w.Chart.EndedText}
	}
	said := words.Fill(say.Text, "time", span(w, time.Duration(max(1, s.fail.RetryAfter))*time.Second), "scope", w.Scope(s.fail.Params["scope"]))
	notice := tag("div").class("notice notice-"+tone(s.fail.Code)).attr("role", "alert").test("section-problem").attr("data-code", string(s.fail.Code)).
		attr("data-reason", s.fail.Params["reason"])
	lines := tag("div.notice-words").body(tag("strong").text(joinWith(" · ", w.Chart.Unreadable, say.Title)), tag("p").text(said))
	if s.fail.Code == shared.CodeReconnectNeeded && byEHR(c.connection) {
		return notice.body(lines)
	}
	return notice.body(lines, tag("button.button[type=button]@section-retry").text(w.Problem(shared.CodePlatformUnavailable).Next).
		on("click", p.shell, func(ui.Context, ui.Event) { p.readOn(c, s) }, "section-retry", s.kind))
}

func (p *page) drawResources(c *chart, s *section) part {
	items := make([]part, len(s.list))
	for i, r := range s.list {
		class := "visit"
		if over(r) {
			class += " is-over"
		}
		items[i] = tag("li").class(class).test("resource").attr("data-id", r.ID).body(p.drawResource(c, r)...)
	}
	return tag("ul.visits").body(items...)
}

// drawResource is one line: what it is, how it stands, since when, and what belongs to it.
func (p *page) drawResource(c *chart, r resource) []part {
	w, z := p.shell.words, c.zone
	what, chips, rest := r.Code.say(), []string{}, []string{}
	chip := func(table words.Table, code string) {
		if code == "" {
			return
		}
		if said, ok := table.Find(code); ok {
			chips = append(chips, said)
		}
	}
	since := ""
	switch r.Type {
	case "Condition":
		chip(w.Chart.Statuses, r.Clinical.code())
		since = cmp.Or(r.Onset, r.Recorded)
	case "AllergyIntolerance":
		chip(w.Chart.Criticalities, r.Criticality)
		if c := r.Clinical.code(); c != "active" {
			chip(w.Chart.Statuses, c)
		}
		for _, reaction := range r.Reaction {
			rest = append(rest, reaction.Manifestation.say())
		}
		since = cmp.Or(r.Onset, r.Recorded)
	case "MedicationRequest":
		what = cmp.Or(r.Medicine.say(), clip(r.MedicineRef.Display, 300))
		chip(w.Chart.MedicationStates, r.Status)
		for _, dose := range r.Dosage {
			rest = append(rest, clip(dose.Text, 500))
		}
		since = r.Authored
	case "Encounter":
		what = cmp.Or(r.Kinds.say(), r.Class.Display, r.Class.Code)
		chip(w.Chart.Encounters, r.Status)
		rest = append(rest, z.fhirMoment(r.Period.Start), r.Reasons.say())
	}
	chip(w.Chart.Verifications, r.Verification.code())
	var marks []part
	for _, one := range chips {
		marks = append(marks, tag("span.chip").text(one))
	}
	head := append([]part{tag("strong[dir=auto]").text(cmp.Or(what, w.Common.Unknown))}, tag("span.chips").body(marks...))
	if said := z.fhirDate(since); said != "" {
		rest = append(rest, words.Fill(w.Chart.Since, "date", said))
	}
	return []part{tag("div.visit-head").body(head...), tag("span.quiet[dir=auto]").text(joinWith(" · ", rest...))}
}

// drawMeasurements are the trends, then every value in a table.
func (p *page) drawMeasurements(c *chart, s *section) []part {
	w := p.shell.words
	var cards, rows []part
	for _, one := range chartSeries(w, s.list) {
		cards = append(cards, p.drawMeasure(c, one))
	}
	for _, r := range s.list {
		state, _ := w.Chart.Preliminary.Find(r.Status)
		rows = append(rows, tag("tr@measurement").attr("data-id", r.ID).body(
			tag("td").body(timeTag(r.at(), c.zone.fhirMoment(cmp.Or(r.Effective, r.EffectivePeriod.Start, r.Issued)))),
			tag("th[scope=row]").text(cmp.Or(w.Measure(r.Code.code(), r.Code.say()), w.Common.Unknown)),
			tag("td[dir=auto]").text(joinWith(" · ", r.value(w), r.Interpretation.say(), state))))
	}
	parts := []part{}
	if len(cards) > 0 {
		parts = append(parts, tag("div.series-all").body(cards...))
	}
	return append(parts, tag("details.grants@measurements").attr("open", map[bool]string{true: "true"}[len(cards) == 0]).body(
		tag("summary").body(tag("span").text(w.Chart.Table), tag("span.count").text(strconv.Itoa(len(rows)))),
		p.drawTable(rows, w.Chart.Day, w.Chart.Measure, w.Chart.Value)))
}

func (p *page) drawTable(rows []part, heads ...string) part {
	var cells []part
	for _, head := range heads {
		cells = append(cells, tag("th[scope=col]").text(head))
	}
	return tag("div.values-frame[tabindex=0]").attr("role", "group").attr("aria-label", p.shell.words.Chart.Table).body(tag("table.values").body(tag("thead").body(tag("tr").body(cells...)), tag("tbody").body(rows...)))
}
