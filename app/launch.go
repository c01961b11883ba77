package app

import (
	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// launchPage is where an EHR's launch arrives (SMART App Launch 2.2, "EHR Launch"). It says who asks, who is signed in, and
// what will be asked for; nothing goes on without a click, since anybody can make a link that leads here.
type launchPage struct {
	page
	launchState
}

type launchState struct {
	loaded  bool
	info    shared.LaunchInfo
	leaving bool
}

// OnNav empties the page and asks who wants to open Locum.
func (p *launchPage) OnNav(ctx ui.Context) {
	defer p.shell.caught()
	p.launchState = launchState{}
	if p.arrive(ctx, p.shell.words.Launch.Title) {
		forget(launchKey)
		forget(openKey)
		p.load()
	}
}

func (p *launchPage) load() {
	handle := p.params["launch"]
	type answer struct {
		info    shared.LaunchInfo
		session *shared.Session
	}
	async(&p.page, func() (a answer, err error) {
		err = together(p.shell,
			func() (err error) { a.info, err = p.shell.client.launchInfo(handle); return err },
			func() error {
				session, err := p.shell.client.guest()
				if err == nil {
					a.session = &session
				} else if failed(err).Code == shared.CodeSignedOut {
					err = nil
				}
				return err
			})
		return a, err
	}, func(a answer, err error) {
		if a.session != nil {
			p.shell.known(*a.session)
		}
		if err != nil {
			p.failedWith(err, p.load)
			return
		}
		p.loaded, p.info = true, a.info
	})
}

// Render draws the page.
func (p *launchPage) Render() ui.UI { return p.frame(p.shell.words.Launch.Title, p.draw) }

func (p *launchPage) draw() []part {
	switch {
	case !p.loaded && p.fail != nil:
		return []part{p.drawFailure()}
	case !p.loaded:
		return []part{p.skeletons(1)}
	}
	w, name := p.shell.words, p.info.Platform.Name
	fill := func(sentence string) string { return words.Fill(sentence, "platform", name) }
	card := []part{tag("h2.card-title@launch-platform").text(fill(w.Launch.Asks)), tag("p.lead").text(w.Launch.AsFrom)}
	if p.shell.guest.Load() {
		card = append(card, tag("div@launch-nobody").body(tag("p").body(tag("strong").text(w.Launch.Nobody)), tag("p").text(fill(w.Launch.NobodyText))))
	} else {
		card = append(card, tag("p@launch-who").text(words.Fill(w.Launch.Who, "name", p.shell.session.Practitioner.Name)))
	}
	if len(p.info.Platform.Scopes) > 0 {
		card = append(card, tag("div.asks").body(tag("h3.label").text(w.Launch.Wants), p.scopeList(p.info.Platform.Scopes, iconCheck)))
	}
	if framed() {
		card = append(card, tag("p.hint").text(w.Launch.Framed))
	}
	return []part{p.drawFailure(), tag("section.card.outcome@launch").body(append(card, p.drawSteps()...)...)}
}

func (p *launchPage) drawSteps() []part {
	w := p.shell.words.Launch
	label := w.Continue
	if p.leaving {
		label = w.Opening
	}
	button := tag("button.button.button-main[type=button]@launch-continue").text(label)
	if p.leaving {
		button = button.attr("disabled", "true")
	} else {
		button = button.on("click", p.shell, p.goOn, "launch-continue")
	}
	steps := []part{button}
	if p.shell.guest.Load() {
		steps = append(steps, tag("button.button[type=button]@launch-sign-in").text(w.SignIn).on("click", p.shell, p.signInFirst, "launch-sign-in"))
	}
	return []part{tag("div.card-actions").body(steps...)}
}

// signInFirst leaves for Locum's own sign-in, which leads back to this launch.
func (p *launchPage) signInFirst(ui.Context, ui.Event) {
	keep(launchKey, p.params["launch"])
	forget(attemptKey)
	leave(shared.PathSignIn + "?then=outcome")
}

// goOn leaves for the platform; inside a frame, in a window of its own.
func (p *launchPage) goOn(ui.Context, ui.Event) {
	p.leaving, p.fail = true, nil
	handle := p.params["launch"]
	begin := func() (attempt, error) {
		value := newClientState()
		answer, err := p.shell.client.launch(shared.LaunchRequest{Launch: handle, ClientState: value})
		if err != nil {
			return attempt{}, err
		}
		return attemptOf(answer, value)
	}
	done := func(a attempt, err error) {
		if err != nil {
			p.leaving = false
		}
		p.depart(a, err, nil)
	}
	if framed() {
		p.departBeside(begin, done)
		return
	}
	async(&p.page, begin, done)
}
