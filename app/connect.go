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
	context   string // of a standalone launch: "", "launch/patient", "launch/encounter"
}

const (
	idClinic          = "clinic-address"
	idClinicComplaint = "clinic-complaint"
)

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
	p.chosen, p.clinic, p.complaint, p.context = i, "", "", ""
	if i < len(p.platforms) && len(p.platforms[i].Clinics) == 1 {
		p.clinic = p.platforms[i].Clinics[0].URL
	}
	setField(idClinic, p.clinic)
	p.ctx.Defer(func(ui.Context) { tick(idContext("")) }) // What was ticked by hand for another platform stays so in the document.
}

// Render draws the page.
func (p *connectPage) Render() ui.UI { return p.frame(p.shell.words.Connect.Title, p.draw) }

func (p *connectPage) draw() []part {
	w := p.shell.words.Connect
	switch {
	case !p.loaded && p.fail != nil:
		return []part{p.drawFailure()}
	case !p.loaded:
		return []part{p.skeletons(1)}
	case len(p.platforms) == 0:
		return []part{empty("no-platform", w.NoPlatform, w.NoPlatformText)}
	}
	submit := tag("button.button.button-main[type=submit]@connect-start").text(w.Start)
	if p.leaving {
		submit = tag("button.button.button-main[type=submit]@connect-start[disabled=true]").text(w.Starting)
	}
	return []part{
		tag("p.lead").text(w.Lead),
		p.drawFailure(),
		tag("form.card.form[method=post][action=#]@connect-form").
			on("submit", p.shell, p.submit, "connect").body(
			p.drawPlatforms(),
			p.drawWhere(p.platforms[p.chosen]),
			slot(p.drawContext(p.platforms[p.chosen])),
			p.drawScopes(p.platforms[p.chosen]),
			tag("div.form-foot").body(submit, tag("p.quiet").text(w.Safety)),
		),
	}
}

func (p *connectPage) drawPlatforms() part {
	if len(p.platforms) == 1 {
		return tag("p.one-platform").body(tag("span.label").text(p.shell.words.Connect.Platform), tag("strong").text(p.platforms[0].Name))
	}
	options := make([]part, len(p.platforms))
	for i, platform := range p.platforms {
		radio := tag("input[type=radio][name=platform]").attr("id", "platform-"+platform.ID).test("platform").attr("value", platform.ID).
			on("change", p.shell, func(ui.Context, ui.Event) { p.choose(i) }, "platform", platform.ID)
		if i == p.chosen {
			radio = radio.attr("checked", "true")
		}
		options[i] = tag("label.option").attr("for", "platform-"+platform.ID).body(radio, tag("span").text(platform.Name))
	}
	return tag("fieldset.field").body(
		tag("legend.label").text(p.shell.words.Connect.Platform), tag("div.options").body(options...))
}

func (p *connectPage) drawClinic(platform shared.Platform) part {
	w := p.shell.words.Connect
	hint := w.ClinicHint
	if platform.Hint != "" {
		hint += " " + words.Fill(w.ClinicExample, "example", platform.Hint)
	}
	input := tag("input[type=text]").attr("id", idClinic).attr("name", "clinic").class("input").test("clinic-address").
		attr("autocomplete", "off").attr("autocapitalize", "none").attr("spellcheck", "false").attr("inputmode", "url").
		attr("placeholder", platform.Hint).
		on("input", p.shell, p.typed, "clinic", platform.ID)
	if p.complaint != "" {
		input = input.attr("aria-invalid", "true").attr("aria-describedby", idClinicComplaint+" clinic-hint")
	} else {
		input = input.attr("aria-describedby", "clinic-hint")
	}
	parts := []part{
		tag("label.label").attr("for", idClinic).text(w.Clinic), input,
		tag("p.hint[id=clinic-hint]").text(hint),
	}
	if p.complaint != "" {
		parts = append(parts, tag("p.complaint[role=alert]@clinic-complaint").attr("id", idClinicComplaint).text(p.complaint))
	}
	if len(platform.Clinics) > 0 {
		parts = append(parts, p.drawKnown(platform))
	}
	return tag("div.field").body(parts...)
}

// drawKnown offers the clinics that the operator has named.
func (p *connectPage) drawKnown(platform shared.Platform) part {
	chips := []part{tag("span.hint").text(p.shell.words.Connect.Known)}
	for _, clinic := range platform.Clinics {
		chip := tag("button.chip-button[type=button]@known-clinic").attr("data-url", clinic.URL).text(clinic.Name).
			on("click", p.shell, func(ui.Context, ui.Event) {
				p.clinic, p.complaint = clinic.URL, ""
				setField(idClinic, clinic.URL)
			}, "clinic", clinic.URL)
		if clinic.URL == p.clinic {
			chip = chip.attr("aria-pressed", "true")
		} else {
			chip = chip.attr("aria-pressed", "false")
		}
		chips = append(chips, chip)
	}
	return tag("div.known").body(chips...)
}

func (p *connectPage) drawScopes(platform shared.Platform) part {
	w := p.shell.words
	if len(platform.Scopes) == 0 {
		return tag("p.quiet").text(w.Connect.AsksLater)
	}
	return tag("div.asks@asks").body(
		tag("h2.label").text(w.Connect.Asks), p.scopeList(platform.Scopes, iconCheck), tag("p.hint").text(w.Connect.AsksLater))
}

// scopeList says scopes in words, each behind a sign.
func (p *page) scopeList(scopes []string, sign string) part {
	items := make([]part, len(scopes))
	for i, scope := range scopes {
		items[i] = tag("li").attr("data-scope", scope).body(icon(sign), tag("span").text(p.shell.words.Scope(scope)))
	}
	return tag("ul.scopes").body(items...)
}

func (p *connectPage) typed(ctx ui.Context, _ ui.Event) {
	p.clinic, p.complaint = ctx.JSSrc().Get("value").String(), ""
}

func (p *connectPage) submit(_ ui.Context, e ui.Event) {
	e.PreventDefault()
	if p.leaving {
		return
	}
	if clinic := strings.TrimSpace(p.clinic); clinic == "" && p.platforms[p.chosen].Kind != kindSMART {
		p.complaint = p.shell.words.Connect.ClinicEmpty
		focus(idClinic)
		return
	}
	p.start()
}

func (p *connectPage) start() {
	request := shared.ConnectRequest{
		Platform: p.platforms[p.chosen].ID, Clinic: address(p.clinic), Context: p.shell.from,
	}
	if listed(p.platforms[p.chosen]) {
		request.Clinic = p.clinic // As it is configured: nobody has typed it.
	}
	if p.context != "" {
		request.Scopes = []string{p.context}
	}
	if request.Context.Page == "" {
		request.Context.Page = shared.PageHome
	}
	p.leaving, p.fail, p.complaint = true, nil, ""
	begin := func() (attempt, error) { return p.begin(request) }
	done := func(a attempt, err error) {
		if err != nil {
			p.leaving = false
		}
		if f := failed(err); err != nil && f.Code == shared.CodeInvalidClinic {
			p.complaint = p.clinicReason(f.Params["reason"])
			focus(idClinic)
			return
		}
		p.depart(a, err, p.start)
	}
	if framed() {
		p.departBeside(begin, done)
		return
	}
	async(&p.page, begin, done)
}

// address is what was typed, without what a phone's keyboard adds to it: spaces around it and a capital letter. Whether
// it is a clinic's, Locum decides.
func address(typed string) string { return strings.ToLower(strings.TrimSpace(typed)) }

// clinicReason says why an address was refused; a reason without words of its own is said in general.
func (p *connectPage) clinicReason(reason string) string {
	reasons := p.shell.words.Connect.ClinicReasons
	text, ok := reasons.Find(reason)
	if !ok {
		text, _ = reasons.Find("")
	}
	return text
}
