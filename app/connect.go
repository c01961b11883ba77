package app

import (
	"strings"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// connectPage begins a new connection: which platform, which clinic, what will be asked; then it leaves for the
// platform. The clinic's address is checked by Locum, not here.
type connectPage struct {
	page
	connectState
}

type connectState struct {
	loaded    bool
	platforms []shared.Platform
	chosen    int // index of the platform
	clinic    string
	complaint string
	leaving   bool
}

const idClinic = "clinic-address"

// OnNav empties the page and loads the platforms.
func (p *connectPage) OnNav(ctx ui.Context) {
	defer p.shell.caught()
	p.connectState = connectState{}
	if p.arrive(ctx, p.shell.words.Connect.Title) {
		p.load()
	}
}

func (p *connectPage) load() {
	async(&p.page, p.shell.client.platforms, func(list shared.Platforms, err error) {
		if err != nil {
			p.failedWith(err, p.load)
			return
		}
		p.loaded, p.platforms = true, list.Platforms
		p.choose(p.wanted())
	})
}

// wanted is the platform that the address names ("?platform="), else the first.
func (p *connectPage) wanted() int {
	for i, platform := range p.platforms {
		if platform.ID == p.query.Get("platform") {
			return i
		}
	}
	return 0
}

// choose takes a platform, and its clinic where it has but one.
func (p *connectPage) choose(i int) {
	p.chosen, p.clinic, p.complaint = i, "", ""
	if i < len(p.platforms) && len(p.platforms[i].Clinics) == 1 {
		p.clinic = p.platforms[i].Clinics[0].URL
	}
	setField(idClinic, p.clinic)
}

// Render draws the page.
func (p *connectPage) Render() ui.UI { return p.frame(p.shell.words.Connect.Title, p.draw) }

func (p *connectPage) draw() []ui.UI {
	w := p.shell.words.Connect
	switch {
	case !p.loaded && p.fail != nil:
		return []ui.UI{p.drawFailure()}
	case !p.loaded:
		return []ui.UI{p.skeletons(1)}
	case len(p.platforms) == 0:
		return []ui.UI{empty("no-platform", w.NoPlatform, w.NoPlatformText)}
	}
	submit := ui.Button().Type("submit").Class("button button-main").DataSet("test", "connect-start").Text(w.Start)
	if p.leaving {
		submit = ui.Button().Type("submit").Class("button button-main").DataSet("test", "connect-start").Disabled(true).Text(w.Starting)
	}
	return []ui.UI{
		ui.P().Class("lead").Text(w.Lead),
		p.drawFailure(),
		ui.Form().Method("post").Action("#").Class("card form").DataSet("test", "connect-form").
			OnSubmit(p.shell.safe(p.submit), ui.EventScope("connect")).Body(
			p.drawPlatforms(),
			p.drawClinic(p.platforms[p.chosen]),
			p.drawScopes(p.platforms[p.chosen]),
			ui.Div().Class("form-foot").Body(submit, ui.P().Class("quiet").Text(w.Safety)),
		),
	}
}

func (p *connectPage) drawPlatforms() ui.UI {
	if len(p.platforms) == 1 {
		return ui.P().Class("one-platform").Body(ui.Span().Class("label").Text(p.shell.words.Connect.Platform), ui.Strong().Text(p.platforms[0].Name))
	}
	options := make([]ui.UI, len(p.platforms))
	for i, platform := range p.platforms {
		radio := ui.Input().Type("radio").Name("platform").ID("platform-"+platform.ID).DataSet("test", "platform").Attr("value", platform.ID).
			OnChange(p.shell.safe(func(ui.Context, ui.Event) { p.choose(i) }), ui.EventScope("platform", platform.ID))
		if i == p.chosen {
			radio = radio.Checked(true)
		}
		options[i] = ui.Label().Class("option").For("platform-"+platform.ID).Body(radio, ui.Span().Text(platform.Name))
	}
	return ui.FieldSet().Class("field").Body(
		ui.Legend().Class("label").Text(p.shell.words.Connect.Platform), ui.Div().Class("options").Body(options...))
}

func (p *connectPage) drawClinic(platform shared.Platform) ui.UI {
	w := p.shell.words.Connect
	hint := w.ClinicHint
	if platform.Hint != "" {
		hint += " " + words.Fill(w.ClinicExample, "example", platform.Hint)
	}
	input := ui.Input().Type("text").ID(idClinic).Name("clinic").Class("input").DataSet("test", "clinic-address").
		Attr("autocomplete", "off").Attr("autocapitalize", "none").Attr("spellcheck", "false").Attr("inputmode", "url").
		Aria("describedby", "clinic-hint").Placeholder(platform.Hint).
		OnInput(p.shell.safe(p.typed), ui.EventScope("clinic", platform.ID))
	if p.complaint != "" {
		input = input.Aria("invalid", "true")
	}
	parts := []ui.UI{
		ui.Label().Class("label").For(idClinic).Text(w.Clinic), input,
		ui.P().Class("hint").ID("clinic-hint").Text(hint),
	}
	if p.complaint != "" {
		parts = append(parts, ui.P().Class("complaint").Role("alert").DataSet("test", "clinic-complaint").Text(p.complaint))
	}
	if len(platform.Clinics) > 0 {
		parts = append(parts, p.drawKnown(platform))
	}
	return ui.Div().Class("field").Body(parts...)
}

// drawKnown offers the clinics that the operator has named.
func (p *connectPage) drawKnown(platform shared.Platform) ui.UI {
	chips := []ui.UI{ui.Span().Class("hint").Text(p.shell.words.Connect.Known)}
	for _, clinic := range platform.Clinics {
		chip := ui.Button().Type("button").Class("chip-button").DataSet("test", "known-clinic").DataSet("url", clinic.URL).Text(clinic.Name).
			OnClick(p.shell.safe(func(ui.Context, ui.Event) {
				p.clinic, p.complaint = clinic.URL, ""
				setField(idClinic, clinic.URL)
			}), ui.EventScope("clinic", clinic.URL))
		if clinic.URL == p.clinic {
			chip = chip.Aria("pressed", "true")
		} else {
			chip = chip.Aria("pressed", "false")
		}
		chips = append(chips, chip)
	}
	return ui.Div().Class("known").Body(chips...)
}

func (p *connectPage) drawScopes(platform shared.Platform) ui.UI {
	w := p.shell.words
	if len(platform.Scopes) == 0 {
		return ui.P().Class("quiet").Text(w.Connect.AsksLater)
	}
	return ui.Div().Class("asks").DataSet("test", "asks").Body(
		ui.H2().Class("label").Text(w.Connect.Asks), p.scopeList(platform.Scopes), ui.P().Class("hint").Text(w.Connect.AsksLater))
}

// scopeList says scopes in words.
func (p *page) scopeList(scopes []string) ui.UI {
	items := make([]ui.UI, len(scopes))
	for i, scope := range scopes {
		items[i] = ui.Li().DataSet("scope", scope).Body(icon(iconCheck), ui.Span().Text(p.shell.words.Scope(scope)))
	}
	return ui.Ul().Class("scopes").Body(items...)
}

func (p *connectPage) typed(ctx ui.Context, _ ui.Event) {
	p.clinic, p.complaint = ctx.JSSrc().Get("value").String(), ""
}

func (p *connectPage) submit(_ ui.Context, e ui.Event) {
	e.PreventDefault()
	if p.leaving {
		return
	}
	if clinic := strings.TrimSpace(p.clinic); clinic == "" {
		p.complaint = p.shell.words.Connect.ClinicEmpty
		focus(idClinic)
		return
	}
	p.start()
}

func (p *connectPage) start() {
	request := shared.ConnectRequest{
		Platform: p.platforms[p.chosen].ID, Clinic: strings.TrimSpace(p.clinic), Context: shared.Context{Page: shared.PageHome},
	}
	p.leaving, p.fail, p.complaint = true, nil, ""
	async(&p.page, func() (string, error) { return p.begin(request) }, func(url string, err error) {
		if err != nil {
			p.leaving = false
		}
		if f := failed(err); err != nil && f.Code == shared.CodeInvalidClinic {
			p.complaint = p.clinicReason(f.Params["reason"])
			focus(idClinic)
			return
		}
		p.depart(url, err, p.start)
	})
}

// clinicReason says why an address was refused; a reason without words of its own is said in general.
func (p *connectPage) clinicReason(reason string) string {
	reasons := p.shell.words.Connect.ClinicReasons
	if text, ok := reasons[reason]; ok {
		return text
	}
	return reasons[""]
}
