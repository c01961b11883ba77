package app

import (
	"slices"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// A page that holds something typed does not leave for the platform: what is typed may be a patient's, so it is neither
// written into the browser's storage nor sent anywhere before it is saved, and it lives in this document alone. The
// sign-in then happens in a tab of its own, and this page waits for the connection to work again.

// asideKey is the entry of the other tab's sessionStorage that says what it was opened for.
const asideKey = "locum.aside"

const (
	asideEvery = 2 * time.Second  // the waiting page looks so often
	asideLong  = 10 * time.Minute // an attempt is good for so long
)

// aside is what a page knows of the sign-in in another tab.
type aside struct {
	connection string // "": there is none
	scopes     []string
	blocked    string // where it leads, when the browser has not let this page open a tab
	began      time.Time
}

// authorizeAside has the practitioner sign in in a new tab. The tab is opened in the click itself, since browsers allow it
// then alone, and led to the platform once Locum has prepared the attempt, whose browser value is the new tab's.
func (p *page) authorizeAside(connection string, scopes []string) {
	opened := openAside()
	async(p, func() (attempt, error) { return p.beginFor(connection, scopes) }, func(a attempt, err error) {
		if err != nil {
			opened.close()
			p.failedWith(err, func() { p.authorizeAside(connection, scopes) })
			return
		}
		p.aside = aside{connection: connection, scopes: scopes, began: time.Now()}
		if !opened.send(a) {
			p.aside.blocked = a.url // A link's new tab begins with a copy of this one's store.
			keep(attemptKey, a.value)
			keep(asideKey, connection)
		}
		p.awaitDue(time.Now().Add(asideEvery), p.lookAside)
	})
}

// lookAside asks whether the connection works again.
func (p *page) lookAside() {
	if time.Since(p.aside.began) > asideLong {
		p.forgetAside()
		return
	}
	async(p, func() ([]shared.Connection, error) { return p.shell.listConnections(0) }, func(list []shared.Connection, _ error) {
		for _, c := range list {
			if c.ID == p.aside.connection && p.aside.done(c) {
				p.forgetAside()
				p.succeeded()
				p.say(words.Fill(p.shell.words.Aside.Returned, "clinic", c.Clinic.Name))
				return
			}
		}
		p.awaitDue(time.Now().Add(asideEvery), p.lookAside)
	})
}

// done says whether the connection works, with what was asked for.
func (a aside) done(c shared.Connection) bool {
	for _, scope := range a.scopes {
		if !slices.Contains(c.Scopes, scope) {
			return false
		}
	}
	return c.State == shared.StateConnected
}

// forgetAside ends the wait.
func (p *page) forgetAside() {
	if p.aside.blocked != "" {
		forget(attemptKey)
		forget(asideKey)
	}
	p.aside = aside{}
}

// drawAside stands in place of the failure's next step where the page keeps something typed.
func (p *page) drawAside() []part {
	w := p.shell.words.Aside
	switch {
	case p.aside.connection == "":
		return []part{tag("button.button[type=button]@reconnect").text(w.Open).on("click", p.shell, p.reconnect, "next", "aside")}
	case p.aside.blocked != "":
		return []part{tag("a.button[target=_blank][rel=opener]@reconnect-link").attr("href", p.aside.blocked).text(w.Open)}
	}
	return []part{tag("p.working[role=status]@aside-waiting").text(w.Waiting),
		tag("button.button.button-quiet[type=button]@reconnect").text(w.Open).on("click", p.shell, p.reopen, "next", "aside-again")}
}

// reopen opens another tab for the same.
func (p *page) reopen(ui.Context, ui.Event) { p.authorizeAside(p.aside.connection, p.aside.scopes) }
