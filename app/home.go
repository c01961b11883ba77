package app

import (
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// homePage is where a practitioner arrives: an invitation while no clinic is connected, else the day at a glance.
type homePage struct {
	page
	homeState
}

type homeState struct {
	loaded      bool
	connections []shared.Connection
	glances     map[string]glance // by connection
}

// glance is a clinic's day in one line.
type glance struct {
	loaded bool
	fail   *failure
	count  int
	next   appointment // the zero value when nothing more comes
	zone   zone
	own    bool
}

// glancesMost is how many clinics are looked at without being asked: each costs a request or two of its budget.
const glancesMost = 6

// OnNav empties the page and loads the connections, then a glance at each.
func (p *homePage) OnNav(ctx ui.Context) {
	defer p.shell.caught()
	p.homeState = homeState{}
	if p.arrive(ctx, p.shell.words.Home.Title) {
		p.load()
	}
}

func (p *homePage) load() {
	async(&p.page, func() ([]shared.Connection, error) { return p.shell.listConnections(0) },
		func(list []shared.Connection, err error) {
			if err != nil {
				p.failedWith(err, p.load)
				return
			}
			p.loaded, p.connections, p.glances = true, list, map[string]glance{}
			for i, c := range list {
				if i < glancesMost && c.State != shared.StateReconnect && c.State != shared.StateMisconfigured {
					p.look(c)
				}
			}
		})
}

// look counts today's appointments of one clinic, in the practitioner's own column where it is known.
func (p *homePage) look(c shared.Connection) {
	async(&p.page, func() (glance, error) {
		clinic := p.shell.clinic(c.ID)
		z := p.shell.zone(clinic.zoneName())
		today := z.day(time.Now())
		list, err := clinic.appointments(z.start(today), z.start(today.add(1)), c.StaffMembers)
		g := glance{loaded: true, zone: z, own: len(c.StaffMembers) > 0}
		for _, a := range list {
			if a.off() {
				continue
			}
			g.count++
			if g.next.ID == "" && a.EndAt.After(time.Now()) {
				g.next = a
			}
		}
		return g, err
	}, func(g glance, err error) {
		if err != nil {
			g = glance{loaded: true, fail: failed(err)}
		}
		p.glances[c.ID] = g
	})
}

// zone is a clinic's zone, or the device's own where the browser does not know it.
func (s *shell) zone(name string) zone {
	if !s.intl.known(name) {
		name = ""
	}
	return zone{name: name, intl: s.intl}
}

// Render draws the page.
func (p *homePage) Render() ui.UI {
	w := p.shell.words.Home
	title := w.Title
	if name := p.shell.session.Practitioner.Name; name != "" {
		title = words.Fill(w.Hello, "name", name)
	}
	return p.frame(title, p.draw)
}

func (p *homePage) draw() []ui.UI {
	switch {
	case p.fail != nil:
		return []ui.UI{p.drawFailure()}
	case !p.loaded:
		return []ui.UI{p.skeletons(2)}
	case len(p.connections) == 0:
		return []ui.UI{p.drawInvitation()}
	}
	cards := make([]ui.UI, len(p.connections))
	for i, c := range p.connections {
		cards[i] = p.drawClinic(c)
	}
	return []ui.UI{
		ui.Div().Class("cards").DataSet("test", "clinics").Body(cards...),
		ui.P().Class("more").Body(ui.A().Class("button button-quiet").Href("/connections/new").DataSet("test", "connect-another").Body(
			icon(iconPlus), ui.Span().Text(p.shell.words.Home.Another))),
	}
}

func (p *homePage) drawInvitation() ui.UI {
	w := p.shell.words.Home
	promise := func(path, text string) ui.UI {
		return ui.Li().Class("promise").Body(icon(path), ui.Span().Text(text))
	}
	return ui.Section().Class("invitation card").DataSet("test", "empty-home").Body(
		ui.H2().Class("invitation-title").Text(w.EmptyTitle),
		ui.P().Class("lead").Text(w.EmptyText),
		ui.A().Class("button button-main").Href("/connections/new").DataSet("test", "connect-first").Text(w.EmptyAction),
		ui.Ul().Class("promises").Body(
			promise(iconKey, w.EmptyPromise1), promise(iconHand, w.EmptyPromise2), promise(iconShield, w.EmptyPromise3)),
	)
}

func (p *homePage) drawClinic(c shared.Connection) ui.UI {
	w := p.shell.words
	lines := []ui.UI{ui.Header().Class("card-head").Body(
		ui.H2().Class("card-title").Text(c.Clinic.Name),
		ui.Span().Class("quiet").Text(c.Platform.Name),
	)}
	if c.State == shared.StateReconnect || c.State == shared.StateMisconfigured {
		say := w.ConnectionStates[c.State]
		return ui.Article().Class("card card-warn").DataSet("test", "clinic-card").DataSet("connection", c.ID).Body(append(lines,
			ui.P().Body(ui.Strong().Text(say.Title), ui.Text(" "), ui.Span().Text(say.Text)),
			ui.A().Class("button").Href("/connections").DataSet("test", "clinic-attention").Text(w.Home.Attention))...)
	}
	return ui.Article().Class("card").DataSet("test", "clinic-card").DataSet("connection", c.ID).Body(append(lines,
		p.drawGlance(p.glances[c.ID]),
		ui.Div().Class("card-actions").Body(
			ui.A().Class("button button-main").Href("/schedule/"+c.ID).DataSet("test", "open-schedule").Body(icon(iconCalendar), ui.Span().Text(w.Home.OpenSchedule)),
			ui.A().Class("button").Href("/patients/"+c.ID).DataSet("test", "open-patients").Body(icon(iconPeople), ui.Span().Text(w.Home.OpenPatients)),
		))...)
}

func (p *homePage) drawGlance(g glance) ui.UI {
	w := p.shell.words.Home
	line := ui.P().Class("glance").DataSet("test", "glance")
	switch {
	case !g.loaded:
		return line.Body(skeleton("long"))
	case g.fail != nil:
		return line.Class("quiet").Text(p.shell.words.Problem(g.fail.Code).Title)
	case g.count == 0:
		return line.Text(w.NoneToday)
	}
	rest := w.DoneToday
	if g.next.ID != "" {
		rest = words.Fill(w.NextAt, "time", g.zone.clock(g.next.StartAt))
		if g.next.StartAt.Before(time.Now()) {
			rest = words.Fill(w.NextNow, "time", g.zone.clock(g.next.StartAt))
		}
	}
	return line.Body(
		ui.Strong().Text(p.shell.words.N(w.Glance, g.count)), ui.Text(" · "), ui.Span().Text(rest))
}
