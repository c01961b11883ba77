package app

import (
	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// slot is a place that is always there, filled or not: go-app compares children by their place, so a part that comes and
// goes between others would turn its neighbours into one another, and what is typed in them would be lost.
func slot(filled part) part { return tag("div.slot").body(filled) }

// drawFailure is the slot of the page's failure.
func (p *page) drawFailure() part { return slot(p.explain()) }

// explain explains why the page could not do something, and offers the one next step that helps: Reconnect and
// Allow leave for the platform with the page and patient as context, a spent budget counts down, the rest tries again.
func (p *page) explain() part {
	if p.fail == nil {
		return nil
	}
	w, code := p.shell.words, p.fail.Code
	say, keeping := w.Problem(code), p.keeping()
	if reason, ok := w.Refusals.Find(p.fail.Params["reason"]); ok && (code == shared.CodeCallRefused || code == shared.CodePlatformBadAnswer) {
		say.Text = reason
	}
	if keeping {
		say.Text = w.Aside.KeptText
	}
	known, _ := p.shell.knownConnection(p.connectionID())
	if code == shared.CodeReconnectNeeded && byEHR(known) {
		say = words.Say{Title: w.Chart.Ended, Text: w.Chart.EndedText}
	}
	text := words.Fill(say.Text, "time", span(w, max(0, p.wait())), "scope", w.Scope(p.fail.Params["scope"]))
	notice := tag("div").class("notice notice-"+tone(code)).attr("role", "alert").test("problem").attr("data-code", string(code)).attr("id", idProblem).attr("tabindex", "-1")
	line := tag("p").text(text)
	if p.pausing() {
		line = line.attr("aria-live", "off") // Read out once with the notice, and not again each second.
	}
	lines := []part{tag("strong").text(say.Title), line}
	if p.fail.detail != "" {
		lines = append(lines, tag("p.quiet").text(p.fail.detail))
	}
	if p.fail.RequestID != "" && code == shared.CodeInternal {
		lines = append(lines, tag("p.quiet.mono").text(p.fail.RequestID))
	}
	notice = notice.body(icon(iconWarn), tag("div.notice-words").body(lines...))
	if keeping {
		return notice.body(append(notice.parts, p.drawAside()...)...)
	}
	if next := p.drawNextStep(say); next != nil {
		return notice.body(append(notice.parts, next)...)
	}
	return notice
}

// keeping says whether what failed is mended by a sign-in, while the page holds something typed.
func (p *page) keeping() bool {
	return p.fail != nil && p.fail.Code == shared.CodeReconnectNeeded && p.keeps != nil && p.keeps()
}

// tone is how serious a problem looks.
func tone(code shared.Code) string {
	switch code {
	case shared.CodeBudgetSpent, shared.CodeReconnectNeeded, shared.CodeScopeMissing, shared.CodeOutcomeUnknown, words.CodeOffline:
		return "warn"
	}
	return "bad"
}

func (p *page) drawNextStep(say words.Say) part {
	button := func(test string, do func(ui.Context, ui.Event)) part {
		return tag("button.button[type=button]").test(test).text(say.Next).
			on("click", p.shell, do, "next", test)
	}
	link := func(href string) part {
		return tag("a.button@problem-link").attr("href", href).text(say.Next)
	}
	if say.Next == "" {
		return nil
	}
	switch p.fail.Code {
	case shared.CodeReconnectNeeded:
		return button("reconnect", p.reconnect)
	case shared.CodeWrongPatient, shared.CodeLaunchUnknown:
		return link("/")
	case shared.CodeScopeMissing:
		return button("allow", p.allow)
	case shared.CodeNotFound, shared.CodeClinicMismatch, shared.CodeUnsafePath, shared.CodeMethodNotAllowed:
		return link("/")
	case words.CodeUpstreamMissing:
		return link("/patients/" + p.connectionID())
	case shared.CodeUnknownPlatform, shared.CodeInvalidState:
		return link("/connections/new")
	case shared.CodeBadRequest, shared.CodeForbidden, shared.CodeUnsupportedMedia, words.CodeCrashed:
		return button("reload", p.reload)
	}
	if p.again == nil {
		return nil
	}
	return button("retry", p.retry)
}

// reconnect leaves for the platform to mend this connection, and comes back to this page and patient.
func (p *page) reconnect(ui.Context, ui.Event) { p.authorize(p.connectionID(), nil) }

// allow leaves for the platform to widen this connection by the scope that was missing.
func (p *page) allow(ui.Context, ui.Event) {
	var scopes []string
	if scope := p.fail.Params["scope"]; scope != "" {
		scopes = []string{scope}
	}
	p.authorize(p.connectionID(), scopes)
}
