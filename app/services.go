package app

import (
	"strings"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// servicesPage shows administrators the connections that belong to the application itself: how they stand and what they may
// call. Nothing can be changed here: they are configured.
type servicesPage struct {
	page
	servicesState
}

type servicesState struct {
	loaded bool
	list   []shared.Service
}

// OnNav empties the page and loads the services.
func (p *servicesPage) OnNav(ctx ui.Context) {
	defer p.shell.caught()
	p.servicesState = servicesState{}
	if p.arrive(ctx, p.shell.words.Services.Title) {
		p.load()
	}
}

func (p *servicesPage) load() {
	async(&p.page, p.shell.client.services, func(list shared.Services, err error) {
		if err != nil {
			p.failedWith(err, p.load)
			return
		}
		p.loaded, p.list = true, list.Services
		p.succeeded()
	})
}

// Render draws the page.
func (p *servicesPage) Render() ui.UI { return p.frame(p.shell.words.Services.Title, p.draw) }

func (p *servicesPage) draw() []part {
	w := p.shell.words.Services
	switch {
	case !p.loaded && p.fail != nil:
		return []part{p.drawFailure()}
	case !p.loaded:
		return []part{p.skeletons(2)}
	case len(p.list) == 0:
		return []part{empty("no-services", w.Empty, w.EmptyText)}
	}
	cards := make([]part, len(p.list))
	for i, s := range p.list {
		cards[i] = p.drawService(s)
	}
	return []part{tag("p.lead").text(w.Lead), p.drawFailure(), tag("div.cards.cards-wide@services").body(cards...)}
}

func (p *servicesPage) drawService(s shared.Service) part {
	w := p.shell.words
	state, class := w.ConnectionState(s.State), "card"
	if s.State != shared.StateConnected {
		class += " card-warn"
	}
	parts := []part{tag("header.card-head").body(
		tag("div").body(tag("h2.card-title").text(s.Name), tag("p.quiet").text(s.Platform.Name)),
		tag("span").class("chip chip-connection-"+s.State).test("service-state").attr("data-state", s.State).text(state.Title))}
	if s.State != shared.StateConnected {
		next, setting, _ := strings.Cut(s.Next, ":")
		do, _ := w.Life.Nexts.Find(next)
		parts = append(parts, tag("p@service-cause").attr("data-cause", s.Cause).text(joinWords(w.Cause(s.Cause), do)))
		if tell, ok := w.Life.Settings.Find(setting); ok {
			parts = append(parts, tag("blockquote.tell").body(tag("p").text(words.Fill(tell, "platform", s.Platform.Name))))
		}
	}
	fresh := w.Services.Stale
	if s.Fresh > 0 {
		fresh = words.Fill(w.Services.Fresh, "time", span(w, time.Duration(s.Fresh)*time.Second))
	}
	operations := make([]part, len(s.Operations))
	for i, id := range s.Operations {
		operations[i] = tag("li.mono").text(id)
	}
	parts = append(parts, tag("p.quiet").text(fresh),
		tag("div.block").body(tag("h3.label").text(w.Services.Scopes), p.scopeList(s.Scopes, iconCheck)),
		tag("div.block").body(tag("h3.label").text(w.Services.Operations), tag("ul.operations").body(operations...)))
	return tag("article").class(class).test("service-card").attr("data-service", s.ID).attr("aria-label", s.Name).body(parts...)
}
