package app

import (
	"slices"
	"strconv"
	"strings"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// connectionsPage shows every permission that the practitioner holds: what it allows, how fresh it is, what is left of
// the clinic's budget; and mends, widens or ends it.
type connectionsPage struct {
	page
	connectionsState
}

type connectionsState struct {
	loaded bool
	list   []shared.Connection
	asking string // the connection whose end is being confirmed
	ending string // the connection that is being ended
}

// OnNav empties the page and loads the connections.
func (p *connectionsPage) OnNav(ctx ui.Context) {
	defer p.shell.caught()
	p.connectionsState = connectionsState{}
	if p.arrive(ctx, p.shell.words.Connections.Title) {
		p.changed = p.renew
		p.load()
	}
}

// renew shows the connections as they are now.
func (p *connectionsPage) renew() {
	if p.loaded {
		p.list = p.shell.knownConnections()
	}
}

func (p *connectionsPage) load() {
	async(&p.page, func() ([]shared.Connection, error) { return p.shell.listConnections(0) },
		func(list []shared.Connection, err error) {
			if err != nil {
				p.failedWith(err, p.load)
				return
			}
			p.loaded, p.list = true, list
			p.succeeded()
		})
}

// Render draws the page.
func (p *connectionsPage) Render() ui.UI { return p.frame(p.shell.words.Connections.Title, p.draw) }

func (p *connectionsPage) draw() []part {
	w := p.shell.words.Connections
	add := tag("a.button[href=/connections/new]@connect-new").body(icon(iconPlus), tag("span").text(w.Add))
	switch {
	case !p.loaded && p.fail != nil:
		return []part{p.drawFailure()}
	case !p.loaded:
		return []part{p.skeletons(2)}
	case len(p.list) == 0:
		return []part{p.drawFailure(), empty("no-connections", w.Empty, w.Lead,
			tag("a.button.button-main[href=/connections/new]@connect-new").text(p.shell.words.Home.EmptyAction))}
	}
	cards := make([]part, len(p.list))
	for i, c := range p.list {
		cards[i] = p.drawCard(c)
	}
	return []part{
		tag("p.lead").text(w.Lead), p.drawFailure(),
		tag("div.cards.cards-wide@connections").body(cards...),
		tag("p.more").body(add, when(p.shell.session.Administrator, func() part {
			return tag("a.button.button-quiet[href=/services]@services-link").body(icon(iconKey), tag("span").text(p.shell.words.Services.Link))
		})),
	}
}

func (p *connectionsPage) drawCard(c shared.Connection) part {
	state, host := p.shell.words.ConnectionState(c.State), strings.TrimPrefix(c.Clinic.URL, "https://")
	class := "card"
	if c.State != shared.StateConnected && c.State != shared.StateRefreshing {
		class += " card-warn"
	}
	parts := []part{
		tag("header.card-head").body(
			tag("div").body(tag("h2.card-title").text(c.Clinic.Name), tag("p.quiet").text(c.Platform.Name+" · "+host)),
			tag("span").class("chip chip-connection-"+c.State).test("connection-state").attr("data-state", c.State).text(state.Title)),
	}
	if c.State != shared.StateConnected {
		parts = append(parts, tag("p@connection-cause").text(joinWords(state.Text, p.shell.words.Cause(c.Cause))))
	}
	parts = append(parts, p.drawForecast(c), p.drawLaunch(c), p.drawLife(c), p.drawGrants(c), p.drawBudgets(c))
	if p.asking == c.ID {
		parts = append(parts, p.drawConfirm(c))
	} else {
		parts = append(parts, p.drawActions(c))
	}
	return tag("article").class(class).test("connection-card").attr("data-connection", c.ID).attr("aria-label", c.Clinic.Name).body(parts...)
}

// drawLife says since when, how fresh, and until when without use.
func (p *connectionsPage) drawLife(c shared.Connection) part {
	w, z := p.shell.words, p.shell.zone("")
	fresh := w.Connections.Stale
	if c.FreshSeconds > 0 {
		fresh = words.Fill(w.Connections.Fresh, "time", span(w, time.Duration(c.FreshSeconds)*time.Second))
	}
	kept := w.Connections.KeptOpen
	if c.KeptSeconds > 0 {
		kept = words.Fill(w.Connections.Kept, "time", span(w, time.Duration(c.KeptSeconds)*time.Second))
	}
	since := words.Fill(w.Connections.Since, "date", z.say(z.day(c.ConnectedAt), shapeDate)) + "."
	works := ""
	if c.FreshSeconds > 0 {
		works = words.Fill(w.Connections.StillWorks, "time", span(w, time.Duration(c.FreshSeconds)*time.Second))
	}
	said := joinWords(since, fresh, kept)
	link := w.Connections.Life
	if !renewed(c) {
		said = joinWords(since, works)
	}
	switch c.State {
	case shared.StateReconnect, shared.StateMisconfigured: // Nothing renews itself here.
		said, link = joinWords(since, works), w.Connections.Why
	case shared.StateDegraded: // What renews itself does so once the platform answers.
		said, link = joinWords(since, works, kept), w.Connections.Why
	}
	return tag("p.quiet@connection-life").body(text(said+" "),
		tag("a@connection-story").attr("href", "/connections/"+c.ID+"/life").attr("aria-label", link+" · "+c.Clinic.Name).text(link))
}

// renewed says whether a connection's access is renewed at all: one that ends with its access is not.
func renewed(c shared.Connection) bool {
	return c.EndsAt == nil || time.Until(*c.EndsAt) > time.Duration(c.FreshSeconds)*time.Second+time.Minute
}

// drawForecast asks for a renewal before the platform ends a connection however it is used.
func (p *page) drawForecast(c shared.Connection) part {
	if !soon(c) || byEHR(c) {
		return nil
	}
	w, z := p.shell.words.Connections, p.shell.zone("")
	return tag("div.notice.notice-warn@connection-forecast").body(icon(iconWarn),
		tag("div.notice-words").body(tag("p").text(words.Fill(w.EndsAt, "date", z.stamp(*c.EndsAt)))),
		tag("button.button[type=button]@connection-renew").text(w.Reconnect).
			on("click", p.shell, func(ui.Context, ui.Event) { p.authorize(c.ID, nil) }, "connection-renew", c.ID))
}

func (p *connectionsPage) drawGrants(c shared.Connection) part {
	w := p.shell.words.Connections
	group := func(test, title string, scopes []string, note, sign string) part {
		if len(scopes) == 0 {
			return nil
		}
		return tag("details.grants").test(test).body(
			tag("summary").body(tag("span").text(title), tag("span.count").text(strconv.Itoa(len(scopes)))),
			when(note != "", func() part { return tag("p.hint").text(note) }),
			p.scopeList(scopes, sign))
	}
	return tag("div.grant-groups").body(
		group("granted", w.Granted, c.Scopes, "", iconCheck), group("more", w.More, c.More, "", iconPlus), group("excess", w.Excess, c.Excess, w.ExcessText, iconWarn))
}

func (p *connectionsPage) drawBudgets(c shared.Connection) part {
	w := p.shell.words
	if c.Budget.Clinic.Limit == 0 {
		return nil
	}
	row := func(name string, a shared.Allowance) part {
		left := words.Fill(w.Connections.Left, "left", strconv.Itoa(a.Remaining), "limit", strconv.Itoa(a.Limit))
		label := words.Fill(w.Header.BudgetOf, "left", strconv.Itoa(a.Remaining), "limit", strconv.Itoa(a.Limit))
		return tag("li.budget-row").attr("data-budget", name).body(
			tag("span.budget-name").text(name), meter(a.Remaining, a.Limit, label), tag("span.budget-left").text(left))
	}
	rows := []part{row(w.Connections.Whole, c.Budget.Clinic)}
	for _, class := range classes(c.Budget) {
		rows = append(rows, row(w.Class(class), c.Budget.Endpoints[class]))
	}
	return tag("div.budgets@connection-budget").body(
		tag("h3.label").text(w.Connections.Budget), tag("ul.budget-rows").body(rows...))
}

// classes are the endpoint classes of a budget, in the order of their names.
func classes(b shared.Budget) []string {
	var names []string
	for name := range b.Endpoints {
		names = append(names, name)
	}
	arrange(names, strings.Compare)
	return names
}

func (p *connectionsPage) drawActions(c shared.Connection) part {
	w := p.shell.words.Connections
	action := func(test, class, text string, do func(ui.Context, ui.Event)) part {
		return tag("button[type=button]").attr("id", test+"-"+c.ID).class(class).test(test).text(text).on("click", p.shell, do, test, c.ID)
	}
	var actions []part
	switch {
	case c.State == shared.StateReconnect && byEHR(c):
		actions = append(actions, tag("p.quiet@connection-relaunch").text(p.shell.words.Chart.Again))
	case c.State == shared.StateReconnect:
		actions = append(actions, action("connection-reconnect", "button button-main", w.Reconnect,
			func(ui.Context, ui.Event) { p.authorize(c.ID, nil) }))
	case speaksFHIR(c):
		actions = append(actions, p.drawOpen(c, "button"))
	default:
		actions = append(actions,
			tag("a.button").attr("href", "/schedule/"+c.ID).test("connection-open").text(p.shell.words.Home.OpenSchedule))
	}
	if len(c.More) > 0 && c.State == shared.StateConnected && !byEHR(c) {
		actions = append(actions, action("connection-allow", "button", w.AllowMore,
			func(ui.Context, ui.Event) { p.authorize(c.ID, c.More) }))
	}
	actions = append(actions, action("connection-disconnect", "button button-danger", w.Disconnect,
		func(ctx ui.Context, _ ui.Event) {
			p.asking = c.ID
			p.ctx.Defer(func(ui.Context) { focus("disconnect-no") })
		}))
	return tag("div.card-actions").body(actions...)
}

// drawConfirm asks once more, in place, before a permission is given up.
func (p *connectionsPage) drawConfirm(c shared.Connection) part {
	w := p.shell.words.Connections
	yes := tag("button.button.button-danger-main[type=button]@disconnect-yes").text(w.DisconnectYes).
		on("click", p.shell, func(ui.Context, ui.Event) { p.disconnect(c) }, "disconnect-yes", c.ID)
	if p.ending != "" {
		yes = yes.attr("disabled", "true")
	}
	keep := func() {
		p.asking = ""
		p.ctx.Defer(func(ui.Context) { focus("connection-disconnect-" + c.ID) })
	}
	return tag("div.confirm[role=group]").on("keydown", p.shell, func(_ ui.Context, e ui.Event) {
		if e.Get("key").String() == "Escape" && p.ending == "" {
			keep()
		}
	}, "disconnect-escape", c.ID).attr("aria-label", words.Fill(w.DisconnectAsk, "clinic", c.Clinic.Name)).test("disconnect-confirm").body(
		tag("p").body(tag("strong").text(words.Fill(w.DisconnectAsk, "clinic", c.Clinic.Name)), text(" "), tag("span@disconnect-policy").text(p.policy(c))),
		p.drawSiblings(c),
		tag("div.card-actions").body(
			yes,
			tag("button.button[type=button][id=disconnect-no]@disconnect-no").text(w.DisconnectNo).
				on("click", p.shell, func(ui.Context, ui.Event) { keep() }, "disconnect-no", c.ID),
		))
}

// policy says what disconnecting does at this platform.
func (p *connectionsPage) policy(c shared.Connection) string {
	said, ok := p.shell.words.Connections.Endings.Find(c.Platform.Ending)
	if !ok {
		said, _ = p.shell.words.Connections.Endings.Find("revoke")
	}
	return said
}

// drawSiblings names the clinics that may be lost with this one, before it is given up.
func (p *connectionsPage) drawSiblings(c shared.Connection) part {
	var names []string
	for _, other := range p.list {
		if slices.Contains(c.Siblings, other.ID) {
			names = append(names, other.Clinic.Name)
		}
	}
	w := p.shell.words.Connections
	switch {
	case len(names) > 0:
		return tag("p@disconnect-siblings").text(words.Fill(w.Siblings, "names", strings.Join(names, ", ")))
	case len(p.list) > 1:
		return tag("p@disconnect-spared").text(w.Spared)
	}
	return nil
}

func (p *connectionsPage) disconnect(c shared.Connection) {
	if p.ending != "" {
		return
	}
	p.ending = c.ID
	async(&p.page, func() (shared.Disconnected, error) { return p.shell.client.disconnect(c.ID) },
		func(d shared.Disconnected, err error) {
			p.ending, p.asking = "", ""
			if err != nil {
				p.failedWith(err, func() { p.disconnect(c) })
				return
			}
			w := p.shell.words.Connections
			end, _ := w.Ended.Find(d.Ending)
			if d.Reason != "" && d.Until != nil {
				z := p.shell.zone("")
				end = words.Fill(w.SparedUntil, "date", z.stamp(*d.Until))
			}
			p.say(words.Fill(w.Disconnected, "clinic", c.Clinic.Name) + " " + end)
			p.shell.staleConnections()
			p.shell.forgetClinic(c.ID)
			p.load()
			p.ctx.Defer(func(ui.Context) { focus(idTitle) })
		})
}
