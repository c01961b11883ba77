package app

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// patientsPage is a clinic's patients, a page at a time, and the search in them. What is typed travels in a body and
// stands in no address.
type patientsPage struct {
	page
	patientsState
}

type patientsState struct {
	loaded bool
	zone   zone
	text   string // what is searched; "" lists all
	wanted string // what will be searched once nobody types any more
	typed  int    // counts keystrokes: an answer to an older one is dropped
	pager  pager
	list   listing[patient]
	finder finder // where the clinic is a FHIR server
}

// pager remembers the cursors of the pages before: Jane's lists know the way forward only.
type pager struct{ cursors []string }

// cursor is the current page's, "" for the first.
func (p pager) cursor() string {
	if len(p.cursors) == 0 {
		return ""
	}
	return p.cursors[len(p.cursors)-1]
}

// number is the current page's, from 1.
func (p pager) number() int { return len(p.cursors) + 1 }

func (p pager) forward(cursor string) pager {
	return pager{append(p.cursors[:len(p.cursors):len(p.cursors)], cursor)}
}

func (p pager) backward() pager {
	if len(p.cursors) == 0 {
		return p
	}
	return pager{p.cursors[:len(p.cursors)-1]}
}

const (
	patientsPerPage = 25
	searchFrom      = 2 // characters
	searchPause     = 300 * time.Millisecond
	idSearch        = "patient-search"
)

// OnNav empties the page and loads the first patients.
func (p *patientsPage) OnNav(ctx ui.Context) {
	defer p.shell.caught()
	before := p.shell.page
	p.patientsState = patientsState{}
	if p.arrive(ctx, p.shell.words.Patients.Title) {
		p.restore(before)
		p.load()
	}
}

// place is where somebody was in a clinic's patients: in memory only, since what is searched may be a person's name.
type place struct {
	connection, text string
	pager            pager
}

// restore takes up the search again for whoever comes back from one of its patients; from anywhere else it begins anew.
func (p *patientsPage) restore(before *page) {
	kept := p.shell.place
	if before == nil || before.name != shared.PagePatient || before.connectionID() != p.connectionID() || kept.connection != p.connectionID() {
		return
	}
	p.text, p.wanted, p.pager = kept.text, kept.text, kept.pager
	p.ctx.Defer(func(ui.Context) { setField(idSearch, kept.text) })
}

func (p *patientsPage) load() {
	p.shell.place = place{p.connectionID(), p.text, p.pager}
	id, text, cursor, typed := p.connectionID(), p.text, p.pager.cursor(), p.typed
	type answer struct {
		list       listing[patient]
		zone       zone
		connection shared.Connection
	}
	async(&p.page, func() (a answer, err error) {
		if a.connection, err = p.shell.connection(id); err != nil || speaksFHIR(a.connection) {
			return a, err
		}
		clinic := p.shell.clinic(id)
		err = together(p.shell,
			func() error { a.zone = p.shell.zone(clinic.zoneName()); return nil },
			func() (err error) {
				if text == "" {
					a.list, err = clinic.patients(cursor, patientsPerPage)
				} else {
					a.list, err = clinic.search(text, cursor, patientsPerPage)
				}
				return err
			})
		return a, err
	}, func(a answer, err error) {
		if p.typed != typed {
			return
		}
		if err != nil {
			p.failedWith(err, p.load)
			return
		}
		p.loaded, p.list, p.zone = true, a.list, a.zone
		p.finder.on, p.finder.connection = speaksFHIR(a.connection), a.connection
		p.succeeded()
	})
}

// search waits until nobody types any more, then asks.
func (p *patientsPage) search(ctx ui.Context, _ ui.Event) {
	text := strings.TrimSpace(ctx.JSSrc().Get("value").String())
	if len([]rune(text)) < searchFrom {
		text = ""
	}
	if text == p.wanted {
		return
	}
	p.wanted = text
	p.typed++
	typed := p.typed
	p.await(func() error { time.Sleep(searchPause); return nil }, func(error) {
		if p.typed == typed {
			p.text, p.pager, p.loaded, p.list = text, pager{}, false, listing[patient]{}
			p.load()
		}
	})
}

// submit keeps Return from sending the form: the search is under way already.
func (p *patientsPage) submit(_ ui.Context, e ui.Event) { e.PreventDefault() }

func (p *patientsPage) turn(to pager) {
	p.pager, p.loaded, p.list = to, false, listing[patient]{}
	p.typed++
	scrollToTop()
	focus(idTitle) // The button is gone while the page loads.
	p.load()
}

// Render draws the page.
func (p *patientsPage) Render() ui.UI { return p.frame(p.shell.words.Patients.Title, p.draw) }

func (p *patientsPage) draw() []part {
	if p.finder.on {
		return p.drawFinder()
	}
	if known, ok := p.shell.knownConnection(p.connectionID()); ok && speaksFHIR(known) {
		return []part{p.skeletons(1)}
	}
	parts := []part{p.drawSearch()}
	switch {
	case p.fail != nil:
		parts = append(parts, p.drawFailure())
	case !p.loaded:
		parts = append(parts, p.skeletons(5))
	case len(p.list.Items) == 0 && p.text != "":
		parts = append(parts, empty("patients-none", words.Fill(p.shell.words.Patients.NoneFound, "query", p.text), p.shell.words.Patients.SearchHint))
	case len(p.list.Items) == 0:
		parts = append(parts, empty("patients-none", p.shell.words.Patients.None, p.shell.words.Patients.SearchHint))
	default:
		parts = append(parts, p.drawTable(), p.drawPager())
	}
	return parts
}

func (p *patientsPage) drawSearch() part {
	w := p.shell.words.Patients
	input := tag("input[type=search]").attr("id", idSearch).class("input").test("patient-search").attr("placeholder", w.SearchHint).
		attr("autocomplete", "off").attr("spellcheck", "false").attr("maxlength", "200").
		on("input", p.shell, p.search, "search")
	if !p.shell.live {
		input = input.attr("disabled", "true") // Text typed before the page is alive would be lost.
	}
	return tag("form.search[role=search][method=post][action=#]").on("submit", p.shell, p.submit, "search-form").body(
		tag("label.hidden").attr("for", idSearch).text(w.Search), icon(iconSearch), input)
}

func (p *patientsPage) drawTable() part {
	w, today := p.shell.words, p.zone.day(time.Now())
	head := func(text string) part { return tag("th[scope=col]").text(text) }
	rows := make([]part, len(p.list.Items))
	for i, one := range p.list.Items {
		name := cmp.Or(one.listName(), w.Patient.Unnamed)
		who := part(tag("strong").text(name))
		if shared.ValidID(one.ID) {
			who = tag("a.row-link[dir=auto]@patient-link").attr("href", "/patients/"+p.connectionID()+"/"+one.ID).text(name)
		}
		rows[i] = tag("tr@patient-row").attr("data-patient", one.ID).body(
			tag("th[scope=row]").body(who),
			tag("td").body(p.page.drawBirth(p.zone, one, today)...),
			tag("td.mono").text(cmp.Or(one.Number, "–")),
			tag("td").body(when(one.Status != "", func() part {
				return tag("span").class("chip chip-" + one.Status).text(w.PatientStatus(one.Status))
			})),
		)
	}
	return tag("div.table-frame").body(tag("table.table@patients").body(
		tag("thead").body(tag("tr").body(head(w.Patients.Name), head(w.Patients.Born), head(w.Patients.Number), head(w.Patients.Status))),
		tag("tbody").body(rows...)))
}

// drawBirth is a date of birth with the month in letters, and the age.
func (p *page) drawBirth(z zone, one patient, today date) []part {
	w := p.shell.words
	born, ok := parseDate(one.Born)
	if !ok {
		return []part{tag("span.quiet").text(w.Common.Unknown)}
	}
	return []part{
		tag("time").attr("datetime", born.String()).text(z.say(born, shapeDate)),
		tag("span.quiet.age").text(" " + born.age(w, today)),
	}
}

func (p *patientsPage) drawPager() part {
	w := p.shell.words.Patients
	step := func(test, text string, to pager, possible bool) part {
		button := tag("button.button[type=button]").test(test).text(text)
		if !possible {
			return button.attr("disabled", "true")
		}
		return button.on("click", p.shell, func(ui.Context, ui.Event) { p.turn(to) }, test, strconv.Itoa(to.number()), to.cursor())
	}
	more := p.list.More && p.list.Cursor != ""
	if p.pager.number() == 1 && !more {
		return nil
	}
	return tag("nav.pager").attr("aria-label", w.Title).body(
		step("patients-previous", w.Previous, p.pager.backward(), p.pager.number() > 1),
		tag("span.quiet@patients-page").text(words.Fill(w.Page, "n", strconv.Itoa(p.pager.number()))),
		step("patients-next", w.Next, p.pager.forward(p.list.Cursor), more))
}
