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
		p.load()
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

func (p *connectionsPage) draw() []ui.UI {
	w := p.shell.words.Connections
	add := ui.A().Class("button button-main").Href("/connections/new").DataSet("test", "connect-new").Body(icon(iconPlus), ui.Span().Text(w.Add))
	switch {
	case !p.loaded && p.fail != nil:
		return []ui.UI{p.drawFailure()}
	case !p.loaded:
		return []ui.UI{p.skeletons(2)}
	case len(p.list) == 0:
		return []ui.UI{p.drawFailure(), empty("no-connections", w.Empty, w.Lead,
			ui.A().Class("button button-main").Href("/connections/new").DataSet("test", "connect-new").Text(p.shell.words.Home.EmptyAction))}
	}
	cards := make([]ui.UI, len(p.list))
	for i, c := range p.list {
		cards[i] = p.drawCard(c)
	}
	return []ui.UI{
		ui.P().Class("lead").Text(w.Lead), p.drawFailure(),
		ui.Div().Class("cards cards-wide").DataSet("test", "connections").Body(cards...),
		ui.P().Class("more").Body(add),
	}
}

func (p *connectionsPage) drawCard(c shared.Connection) ui.UI {
	state := p.shell.words.ConnectionStates[c.State]
	class := "card"
	if c.State != shared.StateConnected {
		class += " card-warn"
	}
	parts := []ui.UI{
		ui.Header().Class("card-head").Body(
			ui.Div().Body(ui.H2().Class("card-title").Text(c.Clinic.Name), ui.P().Class("quiet").Text(c.Platform.Name+" · "+strings.TrimPrefix(c.Clinic.URL, "https://"))),
			ui.Span().Class("chip chip-connection-"+c.State).DataSet("test", "connection-state").DataSet("state", c.State).Text(state.Title)),
	}
	if c.State != shared.StateConnected {
		parts = append(parts, ui.P().DataSet("test", "connection-cause").Text(joinWords(state.Text, p.shell.words.Causes[c.Cause])))
	}
	parts = append(parts, p.drawLife(c), p.drawGrants(c), p.drawBudgets(c))
	if p.asking == c.ID {
		parts = append(parts, p.drawConfirm(c))
	} else {
		parts = append(parts, p.drawActions(c))
	}
	return ui.Article().Class(class).DataSet("test", "connection-card").DataSet("connection", c.ID).Aria("label", c.Clinic.Name).Body(parts...)
}

// drawLife says since when, how fresh, and until when without use.
func (p *connectionsPage) drawLife(c shared.Connection) ui.UI {
	w, z := p.shell.words, p.shell.zone("")
	fresh := w.Connections.Stale
	if c.FreshSeconds > 0 {
		fresh = words.Fill(w.Connections.Fresh, "time", span(w, time.Duration(c.FreshSeconds)*time.Second))
	}
	kept := w.Connections.KeptOpen
	if c.KeptSeconds > 0 {
		kept = words.Fill(w.Connections.Kept, "time", span(w, time.Duration(c.KeptSeconds)*time.Second))
	}
	since := words.Fill(w.Connections.Since, "date", z.say(z.day(c.ConnectedAt), shapeDate))
	if c.State == shared.StateReconnect {
		return ui.P().Class("quiet").Text(since)
	}
	return ui.P().Class("quiet").DataSet("test", "connection-life").Text(since + ". " + fresh + " " + kept)
}

func (p *connectionsPage) drawGrants(c shared.Connection) ui.UI {
	w := p.shell.words.Connections
	group := func(test, title string, scopes []string, note string) ui.UI {
		if len(scopes) == 0 {
			return nil
		}
		return ui.Details().Class("grants").DataSet("test", test).Body(
			ui.Summary().Body(ui.Span().Text(title), ui.Span().Class("count").Text(strconv.Itoa(len(scopes)))),
			ui.If(note != "", func() ui.UI { return ui.P().Class("hint").Text(note) }),
			p.scopeList(scopes))
	}
	return ui.Div().Class("grant-groups").Body(
		group("granted", w.Granted, c.Scopes, ""), group("more", w.More, c.More, ""), group("excess", w.Excess, c.Excess, w.ExcessText))
}

func (p *connectionsPage) drawBudgets(c shared.Connection) ui.UI {
	w := p.shell.words
	if c.Budget.Clinic.Limit == 0 {
		return nil
	}
	row := func(name string, a shared.Allowance) ui.UI {
		left := words.Fill(w.Connections.Left, "left", strconv.Itoa(a.Remaining), "limit", strconv.Itoa(a.Limit))
		label := words.Fill(w.Header.BudgetOf, "left", strconv.Itoa(a.Remaining), "limit", strconv.Itoa(a.Limit))
		return ui.Li().Class("budget-row").DataSet("budget", name).Body(
			ui.Span().Class("budget-name").Text(name), meter(a.Remaining, a.Limit, label), ui.Span().Class("budget-left").Text(left))
	}
	rows := []ui.UI{row(c.Clinic.Name, c.Budget.Clinic)}
	for _, class := range classes(c.Budget) {
		rows = append(rows, row(class, c.Budget.Endpoints[class]))
	}
	return ui.Div().Class("budgets").DataSet("test", "connection-budget").Body(
		ui.H3().Class("label").Text(w.Connections.Budget), ui.Ul().Class("budget-rows").Body(rows...))
}

// classes are the endpoint classes of a budget, in the order of their names.
func classes(b shared.Budget) []string {
	var names []string
	for name := range b.Endpoints {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (p *connectionsPage) drawActions(c shared.Connection) ui.UI {
	w := p.shell.words.Connections
	action := func(test, class, text string, do func(ui.Context, ui.Event)) ui.UI {
		return ui.Button().Type("button").Class(class).DataSet("test", test).Text(text).OnClick(p.shell.safe(do), ui.EventScope(test, c.ID))
	}
	var actions []ui.UI
	if c.State == shared.StateReconnect {
		actions = append(actions, action("connection-reconnect", "button button-main", w.Reconnect,
			func(ui.Context, ui.Event) { p.authorize(c.ID, nil) }))
	} else {
		actions = append(actions,
			ui.A().Class("button").Href("/schedule/"+c.ID).DataSet("test", "connection-open").Text(p.shell.words.Home.OpenSchedule))
	}
	if len(c.More) > 0 && c.State == shared.StateConnected {
		actions = append(actions, action("connection-allow", "button", w.AllowMore,
			func(ui.Context, ui.Event) { p.authorize(c.ID, c.More) }))
	}
	actions = append(actions, action("connection-disconnect", "button button-danger", w.Disconnect,
		func(ctx ui.Context, _ ui.Event) {
			p.asking = c.ID
			p.ctx.Defer(func(ui.Context) { focus("disconnect-no") })
		}))
	return ui.Div().Class("card-actions").Body(actions...)
}

// drawConfirm asks once more, in place, before a permission is given up.
func (p *connectionsPage) drawConfirm(c shared.Connection) ui.UI {
	w := p.shell.words.Connections
	yes := ui.Button().Type("button").Class("button button-danger-main").DataSet("test", "disconnect-yes").Text(w.DisconnectYes).
		OnClick(p.shell.safe(func(ui.Context, ui.Event) { p.disconnect(c) }), ui.EventScope("disconnect-yes", c.ID))
	if p.ending != "" {
		yes = yes.Disabled(true)
	}
	return ui.Div().Class("confirm").Role("group").Aria("label", words.Fill(w.DisconnectAsk, "clinic", c.Clinic.Name)).DataSet("test", "disconnect-confirm").Body(
		ui.P().Body(ui.Strong().Text(words.Fill(w.DisconnectAsk, "clinic", c.Clinic.Name)), ui.Text(" "), ui.Span().Text(w.DisconnectText)),
		ui.Div().Class("card-actions").Body(
			yes,
			ui.Button().Type("button").Class("button").ID("disconnect-no").DataSet("test", "disconnect-no").Text(w.DisconnectNo).
				OnClick(p.shell.safe(func(ui.Context, ui.Event) { p.asking = "" }), ui.EventScope("disconnect-no", c.ID)),
		))
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
			p.notice = words.Fill(w.Disconnected, "clinic", c.Clinic.Name) + " " + w.NotRevoked
			if d.Revoked {
				p.notice = words.Fill(w.Disconnected, "clinic", c.Clinic.Name) + " " + w.Revoked
			}
			p.shell.staleConnections()
			p.shell.forgetClinic(c.ID)
			p.load()
		})
}
