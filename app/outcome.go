package app

import (
	"slices"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// outcomePage is where a platform's answer ends. The tab shows the browser value of the attempt that it began and gets
// back how that attempt ended, so a page that someone else's link led to can explain nothing but codes of a closed list.
type outcomePage struct {
	page
	outcomeState
}

type outcomeState struct {
	outcome shared.Outcome
	beside  bool // this tab was opened for the sign-in alone
	missed  int  // how often an attempt was not found that a window of its own is finishing
	// answering says that what the person has said is on its way.
	answering bool
}

// OnNav empties the page and asks how this tab's attempt has ended.
func (p *outcomePage) OnNav(ctx ui.Context) {
	defer p.shell.caught()
	p.outcomeState = outcomeState{}
	if p.arrive(ctx, p.shell.words.Result.Title) {
		p.load()
	}
}

func (p *outcomePage) load() {
	value := kept(attemptKey)
	if value == "" {
		if launch, ok := shared.PagePath(shared.PageLaunch, map[string]string{"launch": kept(launchKey)}); ok && !p.query.Has("error") {
			turnTo(launch) // Somebody has signed in first, as the launch's page offered.
			return
		}
		p.outcome.Code = p.unfound()
		return
	}
	async(&p.page, func() (shared.Outcome, error) { return p.shell.client.outcome(value) }, func(o shared.Outcome, err error) {
		switch f := failed(err); {
		case err != nil && f.Code == shared.CodeNotFound && framed() && p.missed < missedMost:
			p.missed++ // The answer is being redeemed: the attempt is gone, and how it ended is not known yet.
			p.outcome.Code = shared.OutcomePending
			p.awaitDue(time.Now().Add(pollEvery), p.load)
		case err != nil && (f.Code == shared.CodeNotFound || f.Code == shared.CodeInvalidState):
			forget(attemptKey)
			p.outcome.Code = p.unfound()
		case err != nil:
			p.failedWith(err, p.load)
		default:
			p.ended(o)
		}
	})
}

// unfound is the code for a tab without a known attempt: the one that Locum put into the address when it found no
// attempt either, if it is of the closed list, else "unknown".
func (p *outcomePage) unfound() shared.Code {
	code := shared.Code(p.query.Get("error"))
	if slices.Contains(shared.OutcomeCodes, code) && code != shared.OutcomeConnected && code != shared.OutcomePending && !asks(code) {
		return code
	}
	return shared.OutcomeUnknownAttempt
}

// ended shows how the attempt ended; a connection goes straight back to the page it was begun on.
func (p *outcomePage) ended(o shared.Outcome) {
	if o.Code == shared.OutcomePending && p.query.Has("error") {
		// The platform answered, but not to this tab's attempt, which stays open.
		o.Code = p.unfound()
	}
	p.outcome, p.shell.from = o, o.Context // Started again, it leads back to the same page.
	if o.Code != shared.OutcomePending && !asks(o.Code) {
		forget(attemptKey)
		p.shell.ticket = ""
	}
	if o.Code == shared.OutcomePending && framed() {
		p.awaitDue(time.Now().Add(pollEvery), p.load)
	}
	if o.Code == shared.OutcomeConnected {
		p.shell.staleConnections()
		p.shell.forgetClinic(o.Connection)
		if kept(asideKey) != "" { // the page waits in the tab that opened this one
			forget(asideKey)
			p.beside = true
			return
		}
		p.goBack()
	}
}

// goBack turns to the page that the attempt was begun on, with a quiet word that it has worked.
func (p *outcomePage) goBack() {
	async(&p.page, func() (shared.Connection, error) { return p.shell.connection(p.outcome.Connection) },
		func(c shared.Connection, err error) {
			if name := c.Clinic.Name; err == nil && name != "" {
				p.shell.flash = words.Fill(p.shell.words.Session.Connected, "clinic", name)
			}
			if path, launched := p.launchedPath(c); launched {
				p.shell.flash = ""
				if framed() && byEHR(c) {
					p.shell.embedded.opened(c)
				}
				turnTo(path)
				return
			}
			turnTo(p.origin())
		})
}

// origin is the page that the attempt was begun on; home when the context names none.
func (p *outcomePage) origin() string {
	if path, ok := shared.PagePath(p.outcome.Context.Page, p.outcome.Context.Params); ok && p.outcome.Context.Page != shared.PageOutcome {
		return path
	}
	return "/"
}

// Render draws the page.
func (p *outcomePage) Render() ui.UI { return p.frame(p.shell.words.Result.Title, p.draw) }

func (p *outcomePage) draw() []part {
	w := p.shell.words
	switch {
	case p.fail != nil:
		return []part{p.drawFailure()}
	case p.outcome.Code == "":
		return []part{tag("p.lead.working@outcome-checking").text(w.Result.Checking)}
	case asks(p.outcome.Code):
		return []part{p.drawPerson()}
	case p.outcome.Code == shared.OutcomePending && framed():
		return []part{p.drawWindow()}
	}
	say := w.Outcome(p.outcome.Code)
	if p.beside {
		say = words.Say{Title: w.Aside.Done, Text: w.Aside.DoneText, Next: w.Aside.Here}
	}
	return []part{tag("section.card.outcome@outcome").attr("data-code", string(p.outcome.Code)).attr("role", "status").body(
		tag("h2.card-title").text(say.Title),
		tag("p.lead").text(say.Text),
		p.drawAgain(),
		tag("div.card-actions").body(p.drawSteps(say)...),
	)}
}

// overThere says whether only the record system can begin this anew.
func (p *outcomePage) overThere() bool {
	switch p.outcome.Code {
	case shared.OutcomeConnected, shared.OutcomePending, shared.OutcomeLinkedElsewhere, shared.OutcomeMisconfigured, shared.OutcomeLaunchRefused:
		return false
	}
	return p.outcome.Kind == "ehr" && !asks(p.outcome.Code)
}

func (p *outcomePage) drawAgain() part {
	if !p.overThere() {
		return nil
	}
	return tag("p@outcome-again").text(p.shell.words.Chart.Again)
}

// drawSteps offers the next step first, and always a way home.
func (p *outcomePage) drawSteps(say words.Say) []part {
	w := p.shell.words.Result
	home := tag("a.button.button-quiet@outcome-home[href=/]").text(w.Home)
	next := tag("a.button.button-main@outcome-next").attr("href", p.nextHref()).text(say.Next)
	if p.overThere() {
		return []part{tag("a.button.button-main@outcome-next[href=/]").text(w.Home)}
	}
	switch p.outcome.Code {
	case shared.OutcomeLinkedElsewhere:
		return p.drawElsewhere()
	case shared.OutcomeConnected:
		if p.beside {
			return []part{tag("button.button.button-main[type=button]@outcome-close").text(p.shell.words.Aside.Close).
				on("click", p.shell, func(ui.Context, ui.Event) { closeSelf() }, "outcome-close"),
				tag("a.button@outcome-next").attr("href", p.nextHref()).text(say.Next)}
		}
		return []part{next}
	case shared.OutcomePending:
		check := tag("button.button[type=button]@outcome-check").text(w.CheckAgain).
			on("click", p.shell, func(ui.Context, ui.Event) { p.load() }, "outcome-check")
		return []part{check, next, home}
	case shared.OutcomeMisconfigured, shared.OutcomeLaunchRefused:
		return []part{next}
	}
	if origin := p.origin(); origin != "/" {
		return []part{next, tag("a.button@outcome-back").attr("href", origin).text(w.BackTo), home}
	}
	return []part{next, home}
}

// nextHref is where the next step leads: back after success, else to a new attempt at the same platform; an attempt that
// was to mend a connection starts again from that connection.
func (p *outcomePage) nextHref() string {
	switch {
	case p.outcome.Code == shared.OutcomeConnected:
		return p.origin()
	case p.outcome.Code == shared.OutcomeMisconfigured, p.outcome.Code == shared.OutcomeLaunchRefused, p.outcome.Kind == "ehr":
		return "/"
	case p.outcome.Connection != "":
		return "/connections"
	case shared.ValidID(p.outcome.Platform):
		return "/connections/new?platform=" + p.outcome.Platform
	}
	return "/connections/new"
}
