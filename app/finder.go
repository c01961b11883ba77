package app

import (
	"cmp"
	"net/url"
	"strings"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/shared"
)

// finder is the search for a patient at a FHIR server, by name, by date of birth or by both. Unlike Jane's list it begins
// empty: record systems refuse a search for everybody.
type finder struct {
	connection shared.Connection
	on         bool
	asked      bool // a search has been made
	complaint  bool
	list       []fhirPatient
	next       string
	searching  bool
	turn       int // counts searches: an answer to an older one is dropped
}

const (
	idFindName = "find-name"
	idFindBorn = "find-born"
	foundPages = "25"
)

// find is a click on "find".
func (p *patientsPage) find(_ ui.Context, e ui.Event) {
	e.PreventDefault()
	name, born := strings.TrimSpace(fieldValue(idFindName)), fieldValue(idFindBorn)
	p.lookFor(name, born)
}

func (p *patientsPage) lookFor(name, born string) {
	_, dated := parseDate(born)
	p.finder.complaint = len([]rune(name)) < searchFrom && !dated
	if p.finder.complaint {
		focus(idFindName)
		return
	}
	query := url.Values{"_count": {foundPages}}
	if name != "" {
		query.Set("name", name)
	}
	if dated {
		query.Set("birthdate", born)
	}
	p.finder.list, p.finder.next = nil, fhirPath(p.finder.connection, "/Patient?"+query.Encode())
	p.findOn()
}

// findOn reads the next page of what is found.
func (p *patientsPage) findOn() {
	f := &p.finder
	f.turn++
	f.searching, f.asked, p.fail = true, true, nil
	turn, at, in, clinic := f.turn, f.next, f.connection, p.shell.clinic(p.connectionID())
	type answer struct {
		list []fhirPatient
		next string
	}
	async(&p.page, func() (a answer, err error) {
		a.list, a.next, err = clinic.persons(in, at)
		return a, err
	}, func(a answer, err error) {
		if f.turn != turn {
			return
		}
		f.searching = false
		if err != nil {
			p.failedWith(err, p.findOn)
			return
		}
		f.list, f.next = append(f.list, a.list...), a.next
		p.succeeded()
	})
}

// drawFinder is the page of a FHIR server's patients.
func (p *patientsPage) drawFinder() []part {
	w, f := p.shell.words, &p.finder
	if forOne(f.connection) {
		return []part{empty("patients-one", w.Chart.Only, w.Chart.OnlyText,
			tag("a.button.button-main@patients-launched").attr("href", "/launched/"+f.connection.ID).text(w.Chart.Open))}
	}
	field := func(id, label, kind, test string) *node {
		input := tag("input.input").attr("type", kind).attr("id", id).test(test).attr("autocomplete", "off").attr("maxlength", "100")
		if f.complaint {
			input = input.attr("aria-invalid", "true").attr("aria-describedby", "find-complaint")
		}
		return tag("div.field").body(tag("label.label").attr("for", id).text(label), input)
	}
	form := []part{
		tag("div.fields").body(field(idFindName, w.Finder.Name, "search", "find-name"), field(idFindBorn, w.Finder.Born, "date", "find-born"),
			tag("div.field").body(tag("button.button.button-main[type=submit]@find").text(w.Finder.Find))),
		slot(when(f.complaint, func() part { return tag("p.complaint[role=alert][id=find-complaint]").text(w.Finder.Needed) })),
	}
	parts := []part{tag("form.card.form[role=search][method=post][action=#]@finder").on("submit", p.shell, p.find, "finder").body(form...), p.drawFailure()}
	switch {
	case p.fail != nil:
	case f.searching && len(f.list) == 0:
		parts = append(parts, p.skeletons(2))
	case !f.asked:
		parts = append(parts, tag("p.quiet").text(w.Finder.Start))
	case len(f.list) == 0:
		parts = append(parts, empty("patients-none", w.Finder.None, w.Finder.NoneText))
	default:
		parts = append(parts, p.drawFound())
	}
	if f.next != "" && len(f.list) > 0 && !f.searching {
		parts = append(parts, tag("p.more").body(tag("button.button[type=button]@find-more").text(w.Finder.More).
			on("click", p.shell, func(ui.Context, ui.Event) { p.findOn() }, "find-more")))
	}
	return parts
}

func (p *patientsPage) drawFound() part {
	w, z := p.shell.words, p.shell.zone("")
	today := z.day(time.Now())
	head := func(text string) part { return tag("th[scope=col]").text(text) }
	rows := make([]part, len(p.finder.list))
	for i, one := range p.finder.list {
		name := cmp.Or(one.name(), w.Chart.Unnamed)
		who := part(tag("strong").text(name))
		if shared.ValidID(one.ID) {
			who = tag("a.row-link[dir=auto]@patient-link").attr("href", "/patients/"+p.connectionID()+"/"+one.ID).text(name)
		}
		gender, _ := w.Chart.Genders.Find(one.Gender)
		rows[i] = tag("tr@patient-row").attr("data-patient", one.ID).body(
			tag("th[scope=row]").body(who), tag("td").body(p.page.drawBirth(z, patient{Born: one.Born}, today)...),
			tag("td.mono").text(cmp.Or(one.number(), "–")), tag("td").text(gender))
	}
	return tag("div.table-frame").body(tag("table.table@patients").body(
		tag("thead").body(tag("tr").body(head(w.Patients.Name), head(w.Patients.Born), head(w.Patients.Number), head(w.Patient.Sex))),
		tag("tbody").body(rows...)))
}
