package app

import (
	"slices"
	"strconv"
	"strings"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/shared"
)

// observationForm is a new observation while it is written. What is typed stays in the fields and is read when it is
// sent.
type observationForm struct {
	open      bool
	measure   int // index of measures
	category  string
	at        string // the clinic's wall clock when the form was opened, "2026-11-22T09:30"
	complaint string
	wrong     string // the id of the field that the complaint is about
}

// measure is a thing that can be recorded: its components as Jane takes them, coded by LOINC and measured in UCUM.
type measure struct {
	code, category string // code names it in words; "" is a note alone
	parts          []component
}

const loinc = "http://loinc.org"

func quantity(code, display, unit string) component {
	return component{Code: code, System: loinc, Display: display, Type: "numeric", Unit: unit}
}

// measures are offered in this order. Displays are LOINC's own names: they become part of the record.
var measures = []measure{
	{"85354-9", "vital_signs", []component{
		quantity("8480-6", "Systolic blood pressure", "mm[Hg]"), quantity("8462-4", "Diastolic blood pressure", "mm[Hg]")}},
	{"8867-4", "vital_signs", []component{quantity("8867-4", "Heart rate", "/min")}},
	{"9279-1", "vital_signs", []component{quantity("9279-1", "Respiratory rate", "/min")}},
	{"8310-5", "vital_signs", []component{quantity("8310-5", "Body temperature", "Cel")}},
	{"59408-5", "vital_signs", []component{quantity("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry", "%")}},
	{"29463-7", "vital_signs", []component{quantity("29463-7", "Body weight", "kg")}},
	{"8302-2", "vital_signs", []component{quantity("8302-2", "Body height", "cm")}},
	{"72514-3", "exam", []component{quantity("72514-3", "Pain severity - 0-10 verbal numeric rating [Score] - Reported", "{score}")}},
	{"", "exam", nil},
}

const wallLayout = "2006-01-02T15:04"

const (
	idMeasure  = "observation-measure"
	idCategory = "observation-category"
	idWhen     = "observation-when"
	idText     = "observation-note"

	idComplaint = "observation-complaint"
)

// idValue is the field of a measure's n-th value.
func idValue(n int) string { return "observation-value-" + strconv.Itoa(n) }

func (p *patientPage) openForm(ui.Context, ui.Event) {
	p.say("")
	p.editing = ""
	p.form = observationForm{open: true, category: measures[0].category, at: p.record.zone.wall(time.Now()).Format(wallLayout)}
	p.ctx.Defer(func(ui.Context) { focus(idMeasure) })
}

func (p *patientPage) closeForm(ui.Context, ui.Event) { p.endForm() }

// endForm gives the keyboard back to the button that opened the form.
func (p *patientPage) endForm() {
	p.form = observationForm{}
	p.ctx.Defer(func(ui.Context) { focus(idAdd) })
}

func (p *patientPage) pickMeasure(ctx ui.Context, _ ui.Event) {
	i, err := strconv.Atoi(ctx.JSSrc().Get("value").String())
	if err != nil || i < 0 || i >= len(measures) {
		return
	}
	for n := range 2 { // go-app re-uses a field that stays in its place: a number typed for one measure must not become another's.
		setField(idValue(n), "")
	}
	p.form.measure, p.form.category, p.form.complaint = i, measures[i].category, ""
	setField(idCategory, measures[i].category)
}

// complain says what keeps the form from being sent, and leads to the field that it is about.
func (p *patientPage) complain(complaint, id string) {
	p.form.complaint, p.form.wrong = complaint, id
	p.ctx.Defer(func(ui.Context) { focus(id) })
}

// checked marks the field that the complaint is about.
func (f observationForm) checked(id string, input *node) *node {
	if f.complaint != "" && f.wrong == id {
		input.attr("aria-invalid", "true").attr("aria-describedby", idComplaint)
	}
	return input
}

func (p *patientPage) drawForm() part {
	w := p.shell.words
	chosen := measures[p.form.measure]
	var options, kinds []part
	for i, m := range measures {
		name := w.Observations.NoteOnly
		if m.code != "" {
			name = w.Measure(m.code, "")
		}
		options = append(options, option(strconv.Itoa(i), name, i == p.form.measure))
	}
	for _, category := range categories {
		kinds = append(kinds, option(category, w.Category(category), category == p.form.category))
	}
	fields := []part{field(idMeasure, w.Observations.Measure, tag("select@observation-measure").body(options...).
		on("change", p.shell, p.pickMeasure, "measure"))}
	fields = append(fields,
		field(idWhen, w.Observations.When, p.form.checked(idWhen, tag("input[type=datetime-local]").attr("value", p.form.at).test("observation-when"))),
		field(idCategory, w.Observations.Category, tag("select@observation-category").body(kinds...)))
	for n, part := range chosen.parts {
		label := w.Observations.Value
		if len(chosen.parts) > 1 {
			label = w.Measure(part.Code, part.Display)
		}
		if unit := unitText(part.Unit); unit != "" {
			label += " (" + unit + ")"
		}
		fields = append(fields, field(idValue(n), label,
			p.form.checked(idValue(n), tag("input[type=text][inputmode=decimal][autocomplete=off][maxlength=12]@observation-value"))))
	}
	form := tag("form.card.form[method=post][action=#]@observation-form").
		on("submit", p.shell, p.submit, "observation-form")
	var complaint part
	if p.form.complaint != "" {
		complaint = tag("p.complaint[role=alert]@observation-complaint").attr("id", idComplaint).text(p.form.complaint)
	}
	return form.body(
		tag("div.fields").body(fields...),
		field(idText, w.Observations.Note, p.form.checked(idText, tag("textarea[maxlength=4000]@observation-note"))),
		complaint,
		tag("div.card-actions").body(
			p.saveButton("observation-save", w.Observations.Save),
			tag("button.button.button-quiet[type=button]@observation-cancel").text(w.Common.Cancel).
				on("click", p.shell, p.closeForm, "observation-cancel")))
}

func option(value, label string, chosen bool) part {
	o := tag("option").attr("value", value).text(label)
	if chosen {
		o.attr("selected", "true")
	}
	return o
}

func field(id, label string, input *node) part {
	return tag("div.field").body(tag("label.label").attr("for", id).text(label), input.attr("id", id).class("input"))
}

// submit reads the fields and sends what they hold.
func (p *patientPage) submit(_ ui.Context, e ui.Event) {
	e.PreventDefault()
	chosen := measures[p.form.measure]
	values := make([]string, len(chosen.parts))
	for n := range values {
		values[n] = fieldValue(idValue(n))
	}
	wall, err := time.Parse(wallLayout, fieldValue(idWhen))
	if err != nil {
		p.complain(p.shell.words.Observations.TimeNeeded, idWhen)
		return
	}
	o, wrong := chosen.observe(values, fieldValue(idText))
	if wrong != nil {
		switch {
		case *wrong >= 0:
			p.complain(p.shell.words.Observations.NotNumber, idValue(*wrong))
		case len(chosen.parts) == 0:
			p.complain(p.shell.words.Observations.Needed, idText)
		default:
			p.complain(p.shell.words.Observations.Needed, idValue(0))
		}
		return
	}
	at := p.record.zone.instant(wall).UTC()
	o.IssuedAt, o.Patient, o.Category = &at, p.record.patient.ID, p.form.category
	if picked := fieldValue(idCategory); slices.Contains(categories, picked) {
		o.Category = picked
	}
	if staff := p.record.connection.StaffMembers; len(staff) == 1 {
		o.Practitioner = staff[0]
	}
	p.form.complaint = ""
	p.send(o)
}

// observe makes an observation of typed values and a note. What is wrong is the index of a value that is no number, or
// -1 when there is neither value nor note. A decimal comma is a decimal point.
func (m measure) observe(values []string, note string) (o observation, wrong *int) {
	o.Note = strings.TrimSpace(note)
	empty := 0
	for n, part := range m.parts {
		typed := strings.Replace(strings.TrimSpace(values[n]), ",", ".", 1)
		if typed == "" {
			empty++
		}
		part.Value = typed
		if _, ok := numeric(part); !ok && typed != "" {
			return observation{}, &n
		}
		o.Values = append(o.Values, part)
	}
	switch {
	case empty == len(m.parts) && o.Note == "":
		none := -1
		return observation{}, &none
	case empty == len(m.parts):
		o.Values = nil
	case empty > 0: // One of two is not a measurement.
		for n := range values {
			if strings.TrimSpace(values[n]) == "" {
				return observation{}, &n
			}
		}
	}
	return o, nil
}

// send sends an observation once.
func (p *patientPage) send(o observation) {
	if p.saving {
		return
	}
	p.saving = true
	clinic := p.shell.clinic(p.connectionID())
	async(&p.page, func() (observation, error) { return clinic.record(o) }, func(_ observation, err error) {
		if p.saved(err, func() { p.send(o) }) {
			p.endForm()
			p.opened = o.Category
			p.say(p.shell.words.Observations.Saved)
		}
	})
}

// saved ends a write. After an unknown outcome it offers to look again, never to send again.
func (p *patientPage) saved(err error, again func()) bool {
	p.saving = false
	if err == nil {
		p.succeeded()
		p.load()
		return true
	}
	if failed(err).Code == shared.CodeOutcomeUnknown {
		again = p.load
	}
	p.failedWith(err, again)
	p.ctx.Defer(func(ui.Context) { focus(idProblem) })
	return false
}
