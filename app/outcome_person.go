package app

import (
	"strings"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// launchKey is the entry of sessionStorage that leads somebody who signs in first back to the launch that they came with.
const launchKey = "locum.launch"

// pollEvery is how often the page asks whether a sign-in in a window of its own has ended.
const pollEvery = 1500 * time.Millisecond

// missedMost is how often it goes on asking for an attempt that is not found: longer than an exchange can take.
const missedMost = 20

// asks says whether an outcome waits for a person to say who they are. Its attempt stays open until then.
func asks(code shared.Code) bool {
	return code == shared.OutcomeLinkNeeded || code == shared.OutcomeSignInReady
}

// answer sends what the person has said, and shows how the attempt ends by it.
func (p *outcomePage) answer(work func(value string) (shared.Outcome, error)) {
	if p.answering {
		return
	}
	value := kept(attemptKey)
	p.answering = true
	async(&p.page, func() (shared.Outcome, error) { return work(value) }, func(o shared.Outcome, err error) {
		p.answering = false
		if err != nil {
			p.failedWith(err, p.load)
			return
		}
		if o.Code == shared.OutcomeConnected {
			p.background(p.shell.askSession)
		}
		p.ended(o)
	})
}

func (p *outcomePage) thisIsMe(ui.Context, ui.Event) {
	who := p.shell.session.Practitioner.ID
	p.answer(func(value string) (shared.Outcome, error) { return p.shell.client.link(value, who) })
}

func (p *outcomePage) notMe(ui.Context, ui.Event) {
	p.answer(func(value string) (shared.Outcome, error) { return p.shell.client.decline(value) })
}

// signInFirst leaves for Locum's sign-in, which leads back here: a plain page, to which go-app's links do not lead.
func (p *outcomePage) signInFirst(ui.Context, ui.Event) { leave(shared.PathSignIn + "?then=outcome") }

func (p *outcomePage) signMeIn(ui.Context, ui.Event) {
	if who := p.outcome.SignsIn; who != nil {
		p.answer(func(value string) (shared.Outcome, error) { return p.shell.client.signIn(value, who.ID) })
	}
}

// platformName is what the platform of the attempt is called, as far as it is known here.
func (p *outcomePage) platformName() string {
	for _, c := range p.shell.knownConnections() {
		if c.Platform.ID == p.outcome.Platform {
			return c.Platform.Name
		}
	}
	return p.outcome.Platform
}

// drawPerson asks who the person at the platform is here: nobody is signed in or linked by an address alone.
func (p *outcomePage) drawPerson() part {
	w, o := p.shell.words, p.outcome
	say := w.Outcome(o.Code)
	button := func(test, class, label string, do func(ui.Context, ui.Event)) part {
		b := tag("button[type=button]").class(class).test(test).text(label)
		if p.answering {
			return b.attr("disabled", "true")
		}
		return b.on("click", p.shell, do, test)
	}
	signedIn := !p.shell.guest.Load() && !p.shell.sessionAt.IsZero()
	if o.Code == shared.OutcomeLinkNeeded && signedIn {
		say.Text = words.Fill(w.Launch.Remembers, "platform", p.platformName())
	}
	lines := []part{tag("h2.card-title").text(say.Title), tag("p.lead").text(say.Text)}
	if o.Person != "" {
		lines = append(lines, tag("p@outcome-person").text(words.Fill(w.Launch.Person, "platform", p.platformName(), "person", personText(o.Person))))
	}
	var steps []part
	switch {
	case o.Code == shared.OutcomeSignInReady && o.SignsIn != nil:
		lines = append(lines, tag("p.identity-legal@outcome-signs-in").text(o.SignsIn.Name))
		steps = []part{
			button("outcome-next", "button button-main", words.Fill(w.Launch.GoOnAs, "name", o.SignsIn.Name), p.signMeIn),
			button("outcome-not-me", "button", w.Launch.NotMe, p.notMe)}
	case signedIn:
		lines = append(lines, tag("p@outcome-here").text(words.Fill(w.Launch.Here, "name", p.shell.session.Practitioner.Name)))
		steps = []part{
			button("outcome-next", "button button-main", w.Launch.ThisIsMe, p.thisIsMe),
			button("outcome-not-me", "button", w.Launch.NotMe, p.notMe)}
	default:
		steps = []part{
			button("outcome-next", "button button-main", w.Launch.SignIn, p.signInFirst),
			button("outcome-not-me", "button", w.Launch.NotMe, p.notMe)}
	}
	return tag("section.card.outcome@outcome").attr("data-code", string(o.Code)).attr("role", "status").body(append(lines, tag("div.card-actions").body(steps...))...)
}

// personText is a FHIR reference without the type: what a person may recognise is the end of it.
func personText(reference string) string {
	return clip(reference[strings.LastIndexByte(reference, '/')+1:], 80)
}

// drawElsewhere stands where the person at the platform is somebody else here.
func (p *outcomePage) drawElsewhere() []part {
	w := p.shell.words
	home := tag("a.button.button-quiet@outcome-next[href=/]").text(w.Outcome(p.outcome.Code).Next)
	if p.shell.guest.Load() {
		return []part{home}
	}
	return []part{
		tag("form[method=post]").attr("action", shared.PathSignOut).on("submit", p.shell, p.signingOut, "elsewhere-sign-out").body(
			tag("button.button.button-main[type=submit]@outcome-sign-out").text(w.Launch.SignOut)),
		home}
}

// drawWindow stands while the sign-in happens in a window of its own.
func (p *outcomePage) drawWindow() part {
	w := p.shell.words.Launch
	parts := []part{tag("h2.card-title").text(w.Window), tag("p.lead.working").text(w.WindowText)}
	if p.shell.ticket != "" { // The browser has not let the page open a window: a link may.
		parts = []part{tag("h2.card-title").text(w.Window), tag("div.card-actions").body(
			tag("a.button.button-main[target=_blank][rel=noopener]@outcome-window").attr("href", p.shell.ticket).text(w.WindowOpen))}
	}
	return tag("section.card.outcome@outcome").attr("data-code", string(shared.OutcomePending)).attr("role", "status").body(parts...)
}

// launchedPath is where a launch leads: to its patient.
func (p *outcomePage) launchedPath(c shared.Connection) (string, bool) {
	if p.outcome.Kind != "ehr" && !(p.outcome.Kind == "standalone" && forOne(c)) || p.outcome.Context.Page == shared.PageLife {
		return "", false
	}
	return shared.PagePath(shared.PageLaunched, map[string]string{"connection": p.outcome.Connection})
}
