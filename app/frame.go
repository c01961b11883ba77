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
	idMain    = "main"
	idTitle   = "page-title"
	idProblem = "problem"
)

// frame draws a whole page around its content: header, the clinic's own bar where the page belongs to one, notices, and
// main. A panic while drawing becomes the page that asks to be reloaded.
func (p *page) frame(title string, content func() []part) (drawn ui.UI) {
	defer func() {
		if r := recover(); r != nil {
			p.shell.crashed = true
			drawn = p.drawn(title, nil).element()
		}
	}()
	var body []part
	if !p.shell.crashed && !p.shell.embedded.locked {
		body = content()
	}
	return p.drawn(title, body).element()
}

func (p *page) drawn(title string, body []part) part {
	if p.shell.embedded.locked {
		return p.drawLocked()
	}
	parts := []part{tag("h1").attr("id", idTitle).class("page-title").attr("tabindex", "-1").text(title)}
	if p.shell.crashed {
		body = []part{p.drawCrash()}
	}
	main := tag("main").attr("id", idMain).class("main page-"+p.name).test("page-"+p.name).attr("tabindex", "-1")
	if p.waiting() {
		main = main.attr("aria-busy", "true")
	} else {
		main = main.attr("aria-busy", "false")
	}
	return tag("div.shell").body(
		p.drawHeader(),
		p.drawClinicBar(),
		tag("div.notices[aria-live=polite]").body(p.drawNotices()...),
		main.body(append(parts, body...)...),
	)
}

// waiting says whether the page still expects data: so it is rendered on the server, and so it begins in the browser.
func (p *page) waiting() bool { return !p.shell.live || p.generation == 0 || p.busy > 0 }

func (p *page) drawHeader() part {
	w := p.shell.words.Header
	name := p.shell.session.Practitioner.Name
	if p.shell.guest.Load() {
		return tag("header.header").body(tag("span.brand").body(p.drawMark(), tag("span.brand-name").text(w.Product)))
	}
	return tag("header.header").body(
		tag("button.skip[type=button]").text(w.Skip).on("click", p.shell, p.skip, "skip"),
		tag("a.brand[href=/]").attr("aria-label", w.Product).body(p.drawMark(), tag("span.brand-name").text(w.Product)),
		tag("nav.nav").attr("aria-label", w.Navigation).body(
			p.drawLink("nav-home", "/", w.Home, p.name == shared.PageHome),
			p.drawConnectionsLink(),
		),
		tag("div.who").body(
			when(name != "", func() part {
				return tag("span.who-name@practitioner").attr("title", words.Fill(w.SignedIn, "name", name)).text(name)
			}),
			tag("form[method=post]").attr("action", shared.PathSignOut).class("sign-out").on("submit", p.shell, p.signingOut, "sign-out").body(
				tag("button.button.button-quiet[type=submit]@sign-out").text(w.SignOut),
			),
		),
	)
}

// signingOut notes that the browser is about to leave: what it hears meanwhile must not stop it.
func (p *page) signingOut(ui.Context, ui.Event) { p.shell.signingOut = true }

// skip moves the keyboard over the header. An anchor would be a navigation to go-app, and load everything again.
func (p *page) skip(ui.Context, ui.Event) { focus(idMain) }

func (p *page) drawLink(test, href, text string, current bool) part {
	link := tag("a.nav-link").attr("href", href).test(test).text(text)
	if current {
		link = link.attr("aria-current", "page")
	}
	return link
}

// drawConnectionsLink says as well how many connections need somebody.
func (p *page) drawConnectionsLink() part {
	w, n := p.shell.words, 0
	for _, c := range p.shell.knownConnections() {
		if !usable(c) {
			n++
		}
	}
	current := p.name == shared.PageConnections || p.name == shared.PageConnect || p.name == shared.PageLife
	link := tag("a.nav-link@nav-connections[href=/connections]").body(
		text(w.Header.Connections), when(n > 0, func() part {
			return tag("span.badge@attention").attr("title", w.N(w.Header.Attention, n)).body(
				tag("span[aria-hidden=true]").text(strconv.Itoa(n)), tag("span.hidden").text(w.N(w.Header.Attention, n)))
		}))
	if current {
		link = link.attr("aria-current", "page")
	}
	return link
}

// drawMark is the product's mark, drawn in the colour of its text.
func (p *page) drawMark() part {
	return svg("0 0 32 32", "brand-mark",
		elem("path[d=M9 5v13a9 9 0 0 0 9 9h6][fill=none][stroke=currentColor][stroke-width=4][stroke-linecap=round]"),
		elem("circle[cx=22][cy=11][r=5][fill=currentColor]"),
	)
}

// drawClinicBar is the second bar of the pages that show one clinic: its name, its pages, and its request budget.
func (p *page) drawClinicBar() part {
	switch p.name {
	case shared.PageSchedule, shared.PagePatients, shared.PagePatient, shared.PageLaunched:
	default:
		return nil
	}
	id, w := p.connectionID(), p.shell.words.Header
	known, _ := p.shell.knownConnection(id)
	bar := tag("section.clinic-bar@clinic-bar").attr("aria-label", w.ClinicNavigation)
	name := tag("span.clinic-name@clinic-name")
	if known.Clinic.Name == "" && p.fail != nil {
		return bar.attr("hidden", "true") // It will not come.
	}
	if known.Clinic.Name == "" {
		return bar.body(name.body(skeleton("short")))
	}
	return bar.body(
		name.text(known.Clinic.Name),
		p.drawState(known),
		tag("nav.nav").attr("aria-label", known.Clinic.Name).body(p.drawClinicLinks(known)...),
		p.drawBudget(p.shell.clinic(id)),
	)
}

// drawClinicLinks are the pages of a clinic: a FHIR server has no schedule of Jane's, and a launch has one patient.
func (p *page) drawClinicLinks(c shared.Connection) []part {
	w := p.shell.words.Header
	switch {
	case forOne(c):
		return []part{p.drawLink("nav-launched", "/launched/"+c.ID, p.shell.words.Chart.Nav, p.name == shared.PageLaunched)}
	case speaksFHIR(c):
		return []part{p.drawLink("nav-patients", "/patients/"+c.ID, w.Patients, true)}
	}
	return []part{
		p.drawLink("nav-schedule", "/schedule/"+c.ID, w.Schedule, p.name == shared.PageSchedule),
		p.drawLink("nav-patients", "/patients/"+c.ID, w.Patients, p.name != shared.PageSchedule),
	}
}

// drawState says in the bar what a connection shows, where that is not the ordinary.
func (p *page) drawState(c shared.Connection) part {
	if c.State == shared.StateConnected || c.State == shared.StateRefreshing {
		return nil
	}
	return tag("a").attr("href", "/connections/"+c.ID+"/life").class("chip chip-connection-"+c.State).test("clinic-state").attr("data-state", c.State).
		text(p.shell.words.ConnectionState(c.State).Title)
}

func (p *page) drawBudget(c *clinic) part {
	left, ok := c.allowance()
	if !ok {
		return nil
	}
	w := p.shell.words
	text := words.Fill(w.Header.BudgetOf, "left", strconv.Itoa(left.Remaining), "limit", strconv.Itoa(left.Limit))
	return tag("div.budget@budget").attr("title", w.Header.Budget+": "+text).body(
		tag("span.budget-label").text(w.Header.Budget),
		meter(left.Remaining, left.Limit, text),
		tag("span.budget-left@budget-left").text(words.Fill(w.Connections.Left, "left", strconv.Itoa(left.Remaining), "limit", strconv.Itoa(left.Limit))),
	)
}

// meter is a bar of what is left of a limit.
func meter(left, limit int, label string) part {
	class := "meter"
	if left*5 < limit {
		class += " meter-low"
	}
	width := 0
	if limit > 0 {
		width = min(100, max(0, left*100/limit))
	}
	return svg("0 0 100 8", class,
		elem("rect[class=meter-track][width=100][height=8]"),
		elem("rect[class=meter-fill]").attr("width", strconv.Itoa(width)).attr("height", "8"),
	).attr("role", "img").attr("aria-label", label).attr("preserveAspectRatio", "none").attr("aria-hidden", "false")
}

func (p *page) drawNotices() []part {
	var all []part
	if p.notice != "" {
		all = append(all, tag("div.notice.notice-good@notice").body(
			icon(iconCheck), tag("span").text(p.notice)))
	}
	if p.shell.outdated {
		say := p.shell.words.Problem(words.CodeNewVersion)
		all = append(all, tag("div.notice@outdated").body(
			tag("span").text(say.Title+". "+say.Text),
			tag("button.button.button-quiet[type=button]").text(say.Next).on("click", p.shell, p.reload, "outdated")))
	}
	if session := p.shell.drawSession(); session != nil {
		all = append(all, session)
	}
	return all
}

func (p *page) reload(ui.Context, ui.Event) { reload() }

// drawCrash is all that a page shows after a panic: nothing half-drawn, and the one thing that helps.
func (p *page) drawCrash() part {
	say := p.shell.words.Problem(words.CodeCrashed)
	return tag("div.notice.notice-bad[role=alert]@crashed").body(
		tag("div.notice-words").body(tag("strong").text(say.Title), tag("p").text(say.Text)),
		tag("button.button[type=button]").text(say.Next).on("click", p.shell, p.reload, "crashed"),
	)
}

// skeleton stands where text will be.
func skeleton(size string) part {
	return tag("span").class("skeleton skeleton-"+size).attr("aria-hidden", "true")
}

// skeletons stand where a list will be, with one word for those who do not see them.
func (p *page) skeletons(n int) part {
	lines := []part{tag("span.hidden").text(p.shell.words.Common.Loading)}
	for range n {
		lines = append(lines, tag("div.card.skeleton-card").body(skeleton("short"), skeleton("long")))
	}
	return tag("div.skeletons@loading").body(lines...)
}

// empty is an inviting place where there is nothing yet.
func empty(test, title, text string, more ...part) part {
	return tag("div.empty").test(test).body(
		append([]part{icon(iconLeaf), tag("h2.empty-title").text(title), tag("p").text(text)}, more...)...)
}

// timeTag is a moment in words that a machine can read.
func timeTag(t time.Time, text string) part {
	return tag("time").attr("datetime", t.UTC().Format(time.RFC3339)).text(text)
}
