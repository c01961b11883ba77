package app

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/shared"
)

const lifePath = "GET " + shared.PathConnections + "/c1/life"

// sick is a life in some state.
func sick(state, cause, next string, change func(*shared.Life)) shared.Life {
	began := time.Now().Add(-time.Hour)
	l := shared.Life{Connection: shared.Connection{ID: "c1", Platform: shared.Platform{ID: "jane", Name: "Jane"},
		Clinic: shared.ClinicLink{Name: "Harbour", URL: "https://harbour.janeapp.com"}, State: state, Cause: cause, FreshSeconds: 120, KeptSeconds: 900},
		Next: next, By: "platform", Since: &began, KeepAlive: "always", Rotation: "K1",
		Steps: []shared.LifeStep{{At: began, Count: 1, What: "connected", Trigger: "practitioner", Child: "aaaaaaaaaa"},
			{At: began, Until: &began, Count: 12, What: "refreshed", Trigger: "keeper", Parent: "aaaaaaaaaa", Child: "bbbbbbbbbb"},
			{At: time.Now(), Count: 1, What: "failed", Trigger: "call", Code: cause}}}
	if change != nil {
		change(&l)
	}
	return l
}

// TestOneThingToDo: each next step is in words, with one main button where there is something to press and none elsewhere.
func TestOneThingToDo(t *testing.T) {
	ends := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		life  shared.Life
		mains int
		shows []string
		hides []string
	}{
		"nothing":          {sick("connected", "", "none", nil), 0, []string{"Everything works", "The life of this connection", "12 times"}, []string{"What to do now", "life-reconnect", "life-contradicts"}},
		"set up otherwise": {sick("connected", "", "none", func(l *shared.Life) { l.RotationObserved = "K0" }), 0, []string{"life-contradicts", "the stricter one"}, nil},
		"wait":             {sick("degraded", "unreachable", "wait", func(l *shared.Life) { l.RetrySeconds = 8 }), 0, []string{"could not be reached", "again by itself in 8 seconds", "for up to 2 minutes", `aria-live="off"`}, []string{"life-reconnect"}},
		"reconnect":        {sick("needs_reconnect", "session_max", "reconnect", nil), 1, []string{"Why was I disconnected", "life-reconnect", "longest time"}, []string{"How long it lasts"}},
		"clinic":           {sick("needs_reconnect", "user_disabled", "ask_clinic", nil), 0, []string{"administers your clinic", "life-reconnect"}, nil},
		"operator":         {sick("misconfigured", "invalid_client", "tell_operator:client_secret", nil), 0, []string{"client secret for Jane", "jane · invalid_client"}, []string{"life-reconnect"}},
		"gone":             {sick("ended", "", "connect", func(l *shared.Life) { l.ToldTo = &ends }), 1, []string{"You ended this connection", "life-connect", "is kept until"}, []string{"life-diagnosis", "card-warn"}},
		"foreseen":         {sick("connected", "", "none", func(l *shared.Life) { l.Connection.EndsAt = &ends }), 1, []string{"life-ends", "life-renew", "used or not"}, []string{"life-open"}},
		"one that nothing renews": {sick("connected", "", "none", func(l *shared.Life) {
			l.Connection.EndsAt, l.Connection.FreshSeconds, l.Connection.KeptSeconds = &ends, 3600, 0
		}), 0, []string{"Everything works", "life-ends"}, []string{"by itself before it runs out"}},
		"a cause and a step of a later Locum": {sick("needs_reconnect", "by_moonlight", "reconnect", func(l *shared.Life) { l.Steps[2].What = "moved" }), 1, []string{"This connection has ended", "moved"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if near := time.Now().Add(time.Hour); c.life.Connection.EndsAt != nil { // by the bubble's clock
					c.life.Connection.EndsAt = &near
				}
				w := newWire()
				w.json(lifePath, c.life)
				b := openTab(t, w, shared.PageLife)
				b.visit("/connections/c1/life")
				b.settle()
				for _, text := range c.shows {
					b.shows(text)
				}
				for _, text := range c.hides {
					b.hides(text)
				}
				html := b.html()
				if n := strings.Count(html, "button-main"); n != c.mains {
					t.Errorf("%d main buttons, want %d", n, c.mains)
				}
				if strings.Index(html, `data-step="connected"`) < strings.Index(html, `data-step="refreshed"`) {
					t.Error("the newest step does not stand first")
				}
			})
		})
	}
}

// TestTheCountdownAsksAgain: when the time that was told is over, the page looks by itself.
func TestTheCountdownAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.json(lifePath, sick("degraded", "unavailable", "wait", func(l *shared.Life) { l.RetrySeconds = 5 }))
		b := openTab(t, w, shared.PageLife)
		b.visit("/connections/c1/life")
		b.settle()
		p := b.page.(*lifePage)
		if !p.counting() {
			t.Error("nothing is counted down")
		}
		w.json(lifePath, sick("connected", "", "none", nil))
		time.Sleep(4 * time.Second)
		p.countDown()
		b.settle()
		if n := w.count(lifePath); n != 1 {
			t.Errorf("asked %d times before the time was over", n)
		}
		time.Sleep(2 * time.Second)
		p.countDown()
		b.settle()
		b.shows("Everything works")
		if p.counting() {
			t.Error("it counts on")
		}
	})
}

// TestWhatIsTypedKeepsThePage: with a form open, a connection that has ended is mended in another tab: this page stays, waits
// for the connection, and says so; without one it leaves as ever.
func TestWhatIsTypedKeepsThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := twoPatients()
		b := openTab(t, w, shared.PagePatient)
		b.visit("/patients/c1/p1")
		b.settle()
		p := b.page.(*patientPage)
		p.failedWith(failWith(shared.CodeReconnectNeeded), nil)
		b.shows("you come back to this page")
		p.openForm(b.ctx, ui.Event{})
		b.shows("what you have typed stays in it")

		w.json("POST "+shared.PathConnect, shared.ConnectAnswer{AuthorizationURL: "https://jane.example/auth?state=x"})
		p.reconnect(b.ctx, ui.Event{})
		b.settle()
		b.shows("reconnect-link") // outside a browser no tab opens: then a link does it
		if p.busy != 0 || !p.form.open {
			t.Errorf("the page leaves: busy %d, form %v", p.busy, p.form.open)
		}
		for _, healed := range []bool{false, true} {
			c := shared.Connection{ID: "c1", Clinic: shared.ClinicLink{Name: "Harbour"}, State: shared.StateReconnect}
			if healed {
				c.State = shared.StateConnected
			}
			w.json("GET "+shared.PathConnections, shared.Connections{Connections: []shared.Connection{c}})
			time.Sleep(asideEvery + time.Second)
			p.countDown()
			b.settle()
			if waits := p.aside.connection != ""; waits == healed {
				t.Errorf("healed %v, and it waits: %v", healed, waits)
			}
		}
		b.shows("What you typed is still here")
		b.hides("reconnect_needed")
		if !p.form.open {
			t.Error("the form is closed")
		}
	})
}

// TestWhatGoesWithADisconnect: the question names the clinics that end with it, before it is answered; where none does, it
// says so.
func TestWhatGoesWithADisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := []shared.Connection{
			{ID: "c1", Clinic: shared.ClinicLink{Name: "Harbour"}, State: "connected", Platform: shared.Platform{ID: "jane", Ending: "end_session"}, Siblings: []string{"c2"}},
			{ID: "c2", Clinic: shared.ClinicLink{Name: "Maple"}, State: "connected", Platform: shared.Platform{ID: "jane", Ending: "revoke"}},
		}
		w := newWire()
		w.json("GET "+shared.PathConnections, shared.Connections{Connections: list})
		b := openTab(t, w, shared.PageConnections)
		b.visit("/connections")
		b.settle()
		p := b.page.(*connectionsPage)
		p.asking = "c1"
		b.shows("end with it: Maple")
		b.shows("ends your sign-in at the platform")
		p.asking = "c2"
		b.shows("Your other clinics stay connected")
		b.hides("end with it")
	})
}
