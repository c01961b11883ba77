package app

import (
	"cmp"
	"slices"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
)

// drawObservations is the patient's measurements: trends first, then every entry by category, with its note.
func (p *patientPage) drawObservations() part {
	w := p.shell.words.Observations
	section := tag("section.part@observations")
	if !p.record.may("observations:read") {
		return section.body(tag("h2.part-title").text(w.Title), p.drawDenied("observations:read"))
	}
	head := tag("div.part-head").body(tag("h2.part-title").text(w.Title), p.drawAdd())
	parts := []part{head, slot(when(p.form.open, p.drawForm))}
	if len(p.record.observations) == 0 {
		parts = append(parts, tag("p.quiet@observations-none").text(w.Empty))
	}
	for _, category := range p.categories() {
		parts = append(parts, p.drawCategory(category)...)
	}
	return section.body(parts...)
}

// drawAdd opens the form; where recording is not allowed yet, it leads to where it can be.
func (p *patientPage) drawAdd() part {
	w := p.shell.words.Observations
	switch {
	case p.form.open:
		return nil
	case p.record.may("observations:create"):
		return tag("button.button[type=button]@observation-add").attr("id", idAdd).body(icon(iconPlus), tag("span").text(w.Add)).
			on("click", p.shell, p.openForm, "observation-add")
	}
	var scopes []string
	for _, scope := range []string{"observations:create", "observations:update"} {
		if slices.Contains(p.record.connection.More, scope) {
			scopes = append(scopes, scope)
		}
	}
	if !slices.Contains(scopes, "observations:create") {
		return nil
	}
	return tag("button.button[type=button]@observation-allow").body(icon(iconKey), tag("span").text(w.Allow)).
		on("click", p.shell, func(ui.Context, ui.Event) { p.authorize(p.connectionID(), scopes) }, "observation-allow")
}

// categories are those in which something is recorded.
func (p *patientPage) categories() (list []string) {
	for _, o := range p.record.observations {
		if !slices.Contains(list, o.Category) {
			list = append(list, o.Category)
		}
	}
	arrange(list, func(a, b string) int { return cmp.Compare(categoryRank(a), categoryRank(b)) })
	return list
}

func (p *patientPage) drawCategory(category string) []part {
	w := p.shell.words
	var cards, entries []part
	for _, s := range seriesOf(w, p.record.observations) {
		if s.category == category {
			cards = append(cards, p.drawSeries(s))
		}
	}
	for _, o := range p.record.observations {
		if o.Category == category {
			entries = append(entries, p.drawEntry(o))
		}
	}
	parts := []part{tag("h3.part-group").text(w.Category(category))}
	if len(cards) > 0 {
		parts = append(parts, tag("div.series-all").body(cards...))
	}
	return append(parts, tag("details.grants@entries").attr("data-category", category).attr("open", p.openEntries(category, len(cards))).body(
		tag("summary").body(tag("span").text(w.N(w.Observations.Readings, len(entries))), tag("span.count")),
		tag("ul").body(entries...)))
}

// openEntries shows the entries at once where no trend tells the same, and where one was just recorded.
func (p *patientPage) openEntries(category string, trends int) string {
	if trends == 0 || category == p.opened {
		return "true"
	}
	return ""
}

func (p *patientPage) drawSeries(s series) part {
	latest, z := s.latest(), p.record.zone
	return tag("div.series@series").attr("data-code", s.code).body(
		tag("div").body(
			tag("p.series-name").text(s.name),
			tag("p").body(tag("span.series-value").text(latest.shown), text(" "), tag("span.series-unit").text(s.unit)),
			tag("p.quiet").body(timeTag(latest.at, z.say(z.day(latest.at), shapeDate)))),
		p.drawTrend(s))
}

func (p *patientPage) drawEntry(o observation) part {
	w, z := p.shell.words.Observations, p.record.zone
	var values []part
	for _, v := range o.Values {
		shown := v.Value
		if v.Type == "boolean" {
			shown = map[string]string{"true": w.Yes, "false": w.No}[v.Value]
		}
		values = append(values, tag("span").body(
			tag("span.quiet").text(p.shell.words.Measure(v.Code, v.Display)+" "), tag("strong").text(joinWords(shown, unitText(v.Unit)))))
	}
	who := ""
	if name := p.record.staff[o.Practitioner]; name != "" {
		who = " " + words.Fill(w.By, "name", name)
	}
	parts := []part{tag("div.entry-head").body(
		tag("span.quiet").body(timeTag(o.at(), z.stamp(o.at())), text(who)),
		when(p.record.may("observations:update") && o.ID != "" && p.editing != o.ID, func() part {
			return tag("button.button.button-quiet[type=button]@note-edit").attr("id", idEdit(o.ID)).body(icon(iconPen), tag("span").text(w.EditNote)).
				on("click", p.shell, func(ui.Context, ui.Event) { p.edit(o) }, "note-edit", o.ID)
		}))}
	if len(values) > 0 {
		parts = append(parts, tag("div.entry-values").body(values...))
	}
	switch {
	case o.ID != "" && p.editing == o.ID:
		parts = append(parts, p.drawNoteForm(o))
	case o.Note != "":
		parts = append(parts, tag("p.entry-note@note").text(o.Note))
	}
	return tag("li.entry@entry").attr("data-observation", o.ID).body(parts...)
}

const (
	idAdd  = "observation-add"
	idNote = "note-field"
)

// idEdit is the button that opens an observation's note.
func idEdit(observation string) string { return "note-edit-" + observation }

// closeNote gives the keyboard back to the button that opened the note.
func (p *patientPage) closeNote(observation string) {
	p.editing = ""
	p.ctx.Defer(func(ui.Context) { focus(idEdit(observation)) })
}

// edit opens the note of an observation. The field is filled once and read when it is saved.
func (p *patientPage) edit(o observation) {
	p.editing, p.form = o.ID, observationForm{}
	p.say("")
	p.ctx.Defer(func(ui.Context) {
		setField(idNote, o.Note)
		focus(idNote)
	})
}

func (p *patientPage) drawNoteForm(o observation) part {
	w := p.shell.words
	return tag("form.field[method=post][action=#]@note-form").
		on("submit", p.shell, func(_ ui.Context, e ui.Event) {
			e.PreventDefault()
			p.saveNote(o.ID, fieldValue(idNote))
		}, "note-form", o.ID).body(
		tag("label.label").attr("for", idNote).text(w.Observations.Note),
		tag("textarea").attr("id", idNote).attr("maxlength", "4000").class("input").test("note-field"),
		tag("div.card-actions").body(
			p.saveButton("note-save", w.Observations.SaveNote),
			tag("button.button.button-quiet[type=button]@note-cancel").text(w.Common.Cancel).
				on("click", p.shell, func(ui.Context, ui.Event) { p.closeNote(o.ID) }, "note-cancel", o.ID)))
}

func (p *patientPage) saveButton(test, label string) part {
	button := tag("button.button.button-main[type=submit]").test(test)
	if p.saving {
		return button.attr("disabled", "true").text(p.shell.words.Observations.Saving)
	}
	return button.text(label)
}

// saveNote sends the changed note once.
func (p *patientPage) saveNote(id, note string) {
	if p.saving {
		return
	}
	p.saving = true
	clinic := p.shell.clinic(p.connectionID())
	async(&p.page, func() (observation, error) { return clinic.changeNote(id, note) },
		func(_ observation, err error) {
			if p.saved(err, func() { p.saveNote(id, note) }) {
				p.closeNote(id)
				p.say(p.shell.words.Observations.NoteSaved)
			}
		})
}
