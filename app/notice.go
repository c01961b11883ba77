package app

import (
	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// drawFailure explains why the page could not do something, and offers the one next step that helps: Reconnect and
// Allow leave for the platform with the page and patient as context, a spent budget counts down, the rest tries again.
func (p *page) drawFailure() ui.UI {
	if p.fail == nil {
		return nil
	}
	w, code := p.shell.words, p.fail.Code
	say := w.Problem(code)
	text := words.Fill(say.Text, "time", span(w, max(0, p.wait())), "scope", w.Scope(p.fail.Params["scope"]))
	notice := ui.Div().Class("notice notice-"+tone(code)).Role("alert").DataSet("test", "problem").DataSet("code", string(code)).ID("problem")
	lines := []ui.UI{ui.Strong().Text(say.Title), ui.P().Text(text)}
	if p.fail.detail != "" {
		lines = append(lines, ui.P().Class("quiet").Text(p.fail.detail))
	}
	if p.fail.RequestID != "" && code == shared.CodeInternal {
		lines = append(lines, ui.P().Class("quiet mono").Text(p.fail.RequestID))
	}
	return notice.Body(icon(iconWarn), ui.Div().Class("notice-words").Body(lines...), p.drawNextStep(say))
}

// tone is how serious a problem looks.
func tone(code shared.Code) string {
	switch code {
	case shared.CodeBudgetSpent, shared.CodeReconnectNeeded, shared.CodeScopeMissing, shared.CodeOutcomeUnknown, words.CodeOffline:
		return "warn"
	}
	return "bad"
}

func (p *page) drawNextStep(say words.Say) ui.UI {
	button := func(test string, do func(ui.Context, ui.Event)) ui.UI {
		return ui.Button().Type("button").Class("button").DataSet("test", test).Text(say.Next).
			OnClick(p.shell.safe(do), ui.EventScope("next", test))
	}
	link := func(href string) ui.UI {
		return ui.A().Class("button").DataSet("test", "problem-link").Href(href).Text(say.Next)
	}
	switch p.fail.Code {
	case shared.CodeReconnectNeeded:
		return button("reconnect", p.reconnect)
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
