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
		p.changed = p.renew
		p.load()
	}
}

// renew shows the connections as they are now, and looks at a clinic that can be looked at again.
func (p *homePage) renew() {
	if !p.loaded {
		return
	}
	p.connections = p.shell.knownConnections()
	for i, c := range p.connections {
		if g, known := p.glances[c.ID]; i < glancesMost && usable(c) && !speaksFHIR(c) && (!known || g.fail != nil) {
			p.glances[c.ID] = glance{}
			p.look(c)
		}
	}
}

// usable says whether a connection can be called at all.
func usable(c shared.Connection) bool {
	return c.State != shared.StateReconnect && c.State != shared.StateMisconfigured
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
				if i < glancesMost && usable(c) && !speaksFHIR(c) {
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

func (p *homePage) draw() []part {
	switch {
	case !p.loaded && p.fail != nil:
		return []part{p.drawFailure()}
	case !p.loaded:
		return []part{p.skeletons(2)}
	case len(p.connections) == 0:
		return []part{p.drawInvitation()}
	}
	cards := make([]part, len(p.connections))
	for i, c := range p.connections {
		cards[i] = p.drawClinic(c)
	}
	return []part{
		p.drawFailure(),
		tag("div.cards@clinics").body(cards...),
		tag("p.more").body(tag("a.button.button-quiet[href=/connections/new]@connect-another").body(
			icon(iconPlus), tag("span").text(p.shell.words.Home.Another))),
	}
}

func (p *homePage) drawInvitation() part {
	w := p.shell.words.Home
	promise := func(path, text string) part {
		return tag("li.promise").body(icon(path), tag("span").text(text))
	}
	return tag("section.invitation.card@empty-home").body(
		tag("h2.invitation-title").text(w.EmptyTitle),
		tag("p.lead").text(w.EmptyText),
		tag("a.button.button-main[href=/connections/new]@connect-first").text(w.EmptyAction),
		tag("ul.promises").body(
			promise(iconKey, w.EmptyPromise1), promise(iconHand, w.EmptyPromise2), promise(iconShield, w.EmptyPromise3)),
	)
}

func (p *homePage) drawClinic(c shared.Connection) part {
	w := p.shell.words
	lines := []part{tag("header.card-head").body(
		tag("h2.card-title").text(c.Clinic.Name),
		tag("span.quiet").text(c.Platform.Name),
	)}
	if c.State == shared.StateReconnect || c.State == shared.StateMisconfigured {
		say := w.ConnectionState(c.State)
		step := tag("a.button[href=/connections]@clinic-attention").text(w.Home.Attention)
		switch {
		case c.State == shared.StateReconnect && byEHR(c):
			step = tag("p.quiet@clinic-relaunch").text(w.Chart.Again)
		case c.State == shared.StateReconnect:
			step = tag("button.button.button-main[type=button]@clinic-reconnect").text(say.Next).
				on("click", p.shell, func(ui.Context, ui.Event) { p.authorize(c.ID, nil) }, "clinic-reconnect", c.ID)
		}
		return tag("article.card.card-warn@clinic-card").attr("data-connection", c.ID).body(append(lines,
			tag("p").body(tag("strong").text(say.Title), text(" · "), tag("span").text(joinWords(say.Text, w.Cause(c.Cause))+" "), p.drawWhy(c)),
			tag("div.card-actions").body(step))...)
	}
	if c.State == shared.StateDegraded {
		lines = append(lines, tag("p.quiet@clinic-degraded").body(text(joinWords(w.ConnectionState(c.State).Text, w.Cause(c.Cause))+" "), p.drawWhy(c)))
	}
	if speaksFHIR(c) {
		return tag("article.card@clinic-card").attr("data-connection", c.ID).body(append(lines,
			p.drawForecast(c), p.drawLaunch(c), tag("div.card-actions").body(p.drawOpen(c, "button button-main")))...)
	}
	return tag("article.card@clinic-card").attr("data-connection", c.ID).body(append(lines,
		p.drawForecast(c), p.drawGlance(p.glances[c.ID]),
		tag("div.card-actions").body(
			tag("a.button.button-main").attr("href", "/schedule/"+c.ID).test("open-schedule").body(icon(iconCalendar), tag("span").text(w.Home.OpenSchedule)),
			tag("a.button").attr("href", "/patients/"+c.ID).test("open-patients").body(icon(iconPeople), tag("span").text(w.Home.OpenPatients)),
		))...)
}

// drawOpen leads to the patients of a FHIR server: to the one, or to the search.
func (p *page) drawOpen(c shared.Connection, class string) part {
	label := p.shell.words.Chart.FindPatient
	if forOne(c) {
		label = p.shell.words.Chart.Open
	}
	return tag("a").class(class).attr("href", chartPath(c)).test("open-chart").body(icon(iconPeople), tag("span").text(label))
}

// drawLaunch says whom a connection was launched for, and when it ends: two of one practice differ in that alone.
func (p *page) drawLaunch(c shared.Connection) part {
	w, z := p.shell.words.Chart, p.shell.zone("")
	var said string
	switch {
	case byEHR(c):
		said = w.ByEHR
	case forOne(c):
		said = w.ByChoice
	default:
		return nil
	}
	if forOne(c) {
		said = joinWords(said, words.Fill(w.ForPatient, "patient", c.Launch.Patient))
	}
	if byEHR(c) && c.EndsAt != nil {
		said = joinWords(said, words.Fill(w.ByEHREnds, "date", z.stamp(*c.EndsAt)))
	}
	return tag("p.quiet@connection-launch").text(said)
}

// drawWhy leads to where a connection's state is explained.
func (p *homePage) drawWhy(c shared.Connection) part {
	why := p.shell.words.Connections.Why
	return tag("a@clinic-why").attr("href", "/connections/"+c.ID+"/life").attr("aria-label", why+" · "+c.Clinic.Name).text(why)
}

func (p *homePage) drawGlance(g glance) part {
	w := p.shell.words.Home
	line := tag("p.glance@glance")
	switch {
	case !g.loaded:
		return line.body(skeleton("long"))
	case g.fail != nil:
		return line.class("quiet").text(p.shell.words.Problem(g.fail.Code).Title)
	case g.count == 0:
		return line.text(w.NoneToday)
	}
	rest := w.DoneToday
	if g.next.ID != "" {
		rest = words.Fill(w.NextAt, "time", g.zone.clock(g.next.StartAt))
		if g.next.StartAt.Before(time.Now()) {
			rest = words.Fill(w.NextNow, "time", g.zone.clock(g.next.StartAt))
		}
	}
	return line.body(
		tag("strong").text(p.shell.words.N(w.Glance, g.count)), text(" · "), tag("span").text(rest))
}
