package app

import (
	"strconv"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// Ids that stand on every page.
const (
	idMain  = "main"
	idTitle = "page-title"
)

// frame draws a whole page around its content: header, the clinic's own bar where the page belongs to one, notices, and
// main. A panic while drawing becomes the page that asks to be reloaded.
func (p *page) frame(title string, content func() []ui.UI) (drawn ui.UI) {
	defer func() {
		if r := recover(); r != nil {
			p.shell.crashed = true
			drawn = p.drawn(title, nil)
		}
	}()
	var body []ui.UI
	if !p.shell.crashed {
		body = content()
	}
	return p.drawn(title, body)
}

func (p *page) drawn(title string, body []ui.UI) ui.UI {
	parts := []ui.UI{ui.H1().ID(idTitle).Class("page-title").TabIndex(-1).Text(title)}
	if p.shell.crashed {
		body = []ui.UI{p.drawCrash()}
	}
	main := ui.Main().ID(idMain).Class("main page-"+p.name).DataSet("test", "page-"+p.name).TabIndex(-1)
	if p.waiting() {
		main = main.Aria("busy", "true")
	} else {
		main = main.Aria("busy", "false")
	}
	return ui.Div().Class("shell").Body(
		p.drawHeader(),
		p.drawClinicBar(),
		ui.Div().Class("notices").Aria("live", "polite").Body(p.drawNotices()...),
		main.Body(append(parts, body...)...),
	)
}

// waiting says whether the page still expects data: so it is rendered on the server, and so it begins in the browser.
func (p *page) waiting() bool { return !p.shell.live || p.generation == 0 || p.busy > 0 }

func (p *page) drawHeader() ui.UI {
	w := p.shell.words.Header
	name := p.shell.session.Practitioner.Name
	return ui.Header().Class("header").Body(
		ui.Button().Type("button").Class("skip").Text(w.Skip).OnClick(p.shell.safe(p.skip), ui.EventScope("skip")),
		ui.A().Class("brand").Href("/").Aria("label", w.Product).Body(p.drawMark(), ui.Span().Class("brand-name").Text(w.Product)),
		ui.Nav().Class("nav").Aria("label", w.Navigation).Body(
			p.drawLink("nav-home", "/", w.Home, p.name == shared.PageHome),
			p.drawLink("nav-connections", "/connections", w.Connections, p.name == shared.PageConnections || p.name == shared.PageConnect),
		),
		ui.Div().Class("who").Body(
			ui.If(name != "", func() ui.UI {
				return ui.Span().Class("who-name").DataSet("test", "practitioner").Title(words.Fill(w.SignedIn, "name", name)).Text(name)
			}),
			ui.Form().Method("post").Action(shared.PathSignOut).Class("sign-out").Body(
				ui.Button().Type("submit").Class("button button-quiet").DataSet("test", "sign-out").Text(w.SignOut),
			),
		),
	)
}

// skip moves the keyboard over the header. An anchor would be a navigation to go-app, and load everything again.
func (p *page) skip(ui.Context, ui.Event) { focus(idMain) }

func (p *page) drawLink(test, href, text string, current bool) ui.UI {
	link := ui.A().Class("nav-link").Href(href).DataSet("test", test).Text(text)
	if current {
		link = link.Aria("current", "page")
	}
	return link
}

// drawMark is the product's mark, drawn in the colour of its text.
func (p *page) drawMark() ui.UI {
	return svg("0 0 32 32", "brand-mark",
		elem("path").Attr("d", "M9 5v13a9 9 0 0 0 9 9h6").Attr("fill", "none").Attr("stroke", "currentColor").Attr("stroke-width", "4").Attr("stroke-linecap", "round"),
		elem("circle").Attr("cx", "22").Attr("cy", "11").Attr("r", "5").Attr("fill", "currentColor"),
	)
}

// drawClinicBar is the second bar of the pages that show one clinic: its name, its pages, and its request budget.
func (p *page) drawClinicBar() ui.UI {
	switch p.name {
	case shared.PageSchedule, shared.PagePatients, shared.PagePatient:
	default:
		return nil
	}
	id, w := p.connectionID(), p.shell.words.Header
	known, _ := p.shell.knownConnection(id)
	bar := ui.Div().Class("clinic-bar").DataSet("test", "clinic-bar")
	name := ui.Span().Class("clinic-name").DataSet("test", "clinic-name")
	if known.Clinic.Name == "" {
		return bar.Body(name.Body(skeleton("short")))
	}
	return bar.Body(
		name.Text(known.Clinic.Name),
		ui.Nav().Class("nav").Aria("label", w.ClinicNavigation).Body(
			p.drawLink("nav-schedule", "/schedule/"+id, w.Schedule, p.name == shared.PageSchedule),
			p.drawLink("nav-patients", "/patients/"+id, w.Patients, p.name != shared.PageSchedule),
		),
		p.drawBudget(p.shell.clinic(id)),
	)
}

func (p *page) drawBudget(c *clinic) ui.UI {
	left, ok := c.allowance()
	if !ok {
		return nil
	}
	w := p.shell.words
	text := words.Fill(w.Header.BudgetOf, "left", strconv.Itoa(left.Remaining), "limit", strconv.Itoa(left.Limit))
	return ui.Div().Class("budget").DataSet("test", "budget").Title(w.Header.Budget+": "+text).Body(
		ui.Span().Class("budget-label").Text(w.Header.Budget),
		meter(left.Remaining, left.Limit, text),
		ui.Span().Class("budget-left").DataSet("test", "budget-left").Text(words.Fill(w.Connections.Left, "left", strconv.Itoa(left.Remaining), "limit", strconv.Itoa(left.Limit))),
	)
}

// meter is a bar of what is left of a limit.
func meter(left, limit int, label string) ui.UI {
	class := "meter"
	if left*5 < limit {
		class += " meter-low"
	}
	width := 0
	if limit > 0 {
		width = min(100, max(0, left*100/limit))
	}
	return svg("0 0 100 8", class,
		elem("rect").Attr("class", "meter-track").Attr("width", "100").Attr("height", "8").Attr("rx", "4"),
		elem("rect").Attr("class", "meter-fill").Attr("width", strconv.Itoa(width)).Attr("height", "8").Attr("rx", "4"),
	).Attr("role", "img").Attr("aria-label", label).Attr("preserveAspectRatio", "none").Attr("aria-hidden", "false")
}

func (p *page) drawNotices() []ui.UI {
	var all []ui.UI
	if p.notice != "" {
		all = append(all, ui.Div().Class("notice notice-good").DataSet("test", "notice").Body(
			icon(iconCheck), ui.Span().Text(p.notice)))
	}
	if p.shell.outdated {
		say := p.shell.words.Problem(words.CodeNewVersion)
		all = append(all, ui.Div().Class("notice").DataSet("test", "outdated").Body(
			ui.Span().Text(say.Title+". "+say.Text),
			ui.Button().Type("button").Class("button button-quiet").Text(say.Next).OnClick(p.shell.safe(p.reload), ui.EventScope("outdated"))))
	}
	if session := p.shell.drawSession(); session != nil {
		all = append(all, session)
	}
	return all
}

func (p *page) reload(ui.Context, ui.Event) { reload() }

// drawCrash is all that a page shows after a panic: nothing half-drawn, and the one thing that helps.
func (p *page) drawCrash() ui.UI {
	say := p.shell.words.Problem(words.CodeCrashed)
	return ui.Div().Class("notice notice-bad").Role("alert").DataSet("test", "crashed").Body(
		ui.Div().Class("notice-words").Body(ui.Strong().Text(say.Title), ui.P().Text(say.Text)),
		ui.Button().Type("button").Class("button").Text(say.Next).OnClick(p.shell.safe(p.reload), ui.EventScope("crashed")),
	)
}

// skeleton stands where text will be.
func skeleton(size string) ui.UI {
	return ui.Span().Class("skeleton skeleton-"+size).Aria("hidden", "true")
}

// skeletons stand where a list will be, with one word for those who do not see them.
func (p *page) skeletons(n int) ui.UI {
	lines := []ui.UI{ui.Span().Class("hidden").Text(p.shell.words.Common.Loading)}
	for range n {
		lines = append(lines, ui.Div().Class("card skeleton-card").Body(skeleton("short"), skeleton("long")))
	}
	return ui.Div().Class("skeletons").DataSet("test", "loading").Body(lines...)
}

// empty is an inviting place where there is nothing yet.
func empty(test, title, text string, more ...ui.UI) ui.UI {
	return ui.Div().Class("empty").DataSet("test", test).Body(
		append([]ui.UI{icon(iconLeaf), ui.H2().Class("empty-title").Text(title), ui.P().Text(text)}, more...)...)
}

// timeTag is a moment in words that a machine can read.
func timeTag(t time.Time, text string) ui.UI {
	return ui.Time().DateTime(t.UTC().Format(time.RFC3339)).Text(text)
}
