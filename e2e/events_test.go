package e2e_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"locum/bff/demo"
	"locum/shared"
)

// startStreaming is a demo whose streams last for a time, and what it logs.
func startStreaming(t *testing.T, stream time.Duration) (*demo.Demo, *journal) {
	t.Helper()
	if _, err := os.Stat("../web/static/app.wasm.br"); err != nil {
		t.Skip("the browser half is not built: make build")
	}
	log := &journal{}
	d, err := demo.Start(context.Background(), demo.Options{Listen: "localhost:0", Stream: stream,
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("stop the demo: %v", err)
		}
	})
	return d, log
}

// answered counts the answers of a route.
func (j *journal) answered(method, route string) int {
	return strings.Count(string(j.bytes()), "method="+method+" route="+route+" ")
}

// eventually polls until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for: %s", what)
		}
	}
}

// leading waits until one tab leads and so many wait for their turn: whoever would have opened a stream of its own has.
func (b *browser) leading(d *demo.Demo, waiting int) {
	b.t.Helper()
	query := `navigator.locks.query().then(q => q.held.length === 1 && q.pending.length === ` + strconv.Itoa(waiting) + `)`
	eventually(b.t, strconv.Itoa(waiting)+" tabs wait to lead", func() bool { return mustEvaluate[bool](b, query, chromedp.EvalAwaitPromise) })
	eventually(b.t, "one stream", func() bool { return d.Server.Streams() == 1 })
}

// ask calls Locum as the browser's own page would, from outside: no tab knows of it.
func (b *browser) ask(d *demo.Demo, method, path string) int {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.ctx, method, d.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set(shared.HeaderClient, shared.ClientApp)
	request.Header.Set("Origin", d.URL)
	for _, cookie := range b.cookieJar() {
		if cookie.Domain == "localhost" {
			request.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
		}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

// state waits until a page shows a state of its only connection.
func (b *browser) state(of, state string) {
	b.t.Helper()
	b.until("the page shows "+state, `document.querySelector('`+by(of)+`')?.dataset.state === `+strconv.Quote(state))
}

// TestTabsShareOneStream: of three tabs one holds the stream; what changes shows in all without a reload; when the leading
// tab is closed another leads, and hears.
func TestTabsShareOneStream(t *testing.T) {
	d, log := startStreaming(t, 0)
	leader := newBrowser(t)
	leader.signIn(d, robin)
	leader.connectFirst(d)
	id := leader.connections()
	leader.leading(d, 0)
	second, third := leader.tab(), leader.tab()
	second.open(d.URL + "/schedule/" + id)
	second.ready("schedule")
	third.open(d.URL + "/connections")
	third.ready("connections")
	third.state("connection-state", shared.StateConnected)
	leader.leading(d, 2)
	opened := log.answered("GET", shared.PathEvents)

	d.Sandbox.Revoke(robinAtJane, d.Sandbox.Clinics()[0].URL)
	if status := leader.ask(d, http.MethodGet, shared.PathProxy+"/"+id+"/api/2026-01-01/patients"); status != http.StatusConflict {
		t.Errorf("the ended connection answers %d", status)
	}
	third.state("connection-state", shared.StateReconnect)
	second.state("clinic-state", shared.StateReconnect)
	leader.see(by("clinic-reconnect"))
	if now := log.answered("GET", shared.PathEvents); now != opened || d.Server.Streams() != 1 {
		t.Errorf("%d streams are open, and %d were opened meanwhile", d.Server.Streams(), now-opened)
	}

	leader.shut()
	second.leading(d, 1)
	if status := second.ask(d, http.MethodDelete, shared.PathConnections+"/"+id); status != http.StatusOK {
		t.Errorf("the connection is given up: %d", status)
	}
	third.gone(by("connection-card"))
	second.at(d.URL + "/connections") // its clinic is no longer the practitioner's
	second.clean()
	third.clean()
}

// TestT088SignOutCutsAllTabs within a moment, whichever tab leads, and where no tab can: what the other tab showed of a
// patient is gone, and it asks for a sign-in.
func TestT088SignOutCutsAllTabs(t *testing.T) {
	d, _ := startStreaming(t, 0)
	b := newBrowser(t)
	b.signIn(d, robin)
	b.connectFirst(d)
	b.click(by("open-schedule"))
	b.ready("schedule")
	b.see(by("appointment-patient"))
	patient := mustEvaluate[string](b, `document.querySelector('`+by("appointment-patient")+`').href`)
	b.open("about:blank")
	const noLocks, noChannel = `Object.defineProperty(navigator, "locks", {value: undefined})`, `delete window.BroadcastChannel`
	for name, c := range map[string]struct {
		without string // what the browser lacks
		first   bool   // whether the first tab, which leads, signs out
	}{
		"the leading tab signs out":       {"", true},
		"another tab signs out":           {"", false},
		"without locks, the second tab":   {noLocks, false},
		"without a channel, the last tab": {noChannel, false},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := b.tab(), b.tab()
			first.t, second.t = t, t
			defer first.shut()
			defer second.shut()
			first.lacks(c.without)
			second.lacks(c.without)
			leaver, other := first, second
			if !c.first {
				leaver, other = second, first
			}
			first.signIn(d, robin)
			if !c.first {
				first.open(patient)
			}
			if c.without == "" {
				first.leading(d, 0)
			}
			second.open(map[bool]string{true: patient, false: d.URL}[c.first])
			other.ready("patient")
			leaver.ready("home")
			other.see(by("identity"))
			if c.without == "" {
				first.leading(d, 1)
			} else {
				eventually(t, "a stream", func() bool { return d.Server.Streams() >= 1 })
			}
			began := time.Now()
			leaver.click(by("sign-out"))
			clicked := time.Now()
			other.until("nothing is shown of the patient", `document.body.hidden || location.pathname === "/sign-in"`)
			gone := time.Now()
			other.at(d.URL + "/sign-in")
			t.Logf("the click took %v; %v later the patient is gone, %v later the tab asks for a sign-in", clicked.Sub(began).Round(time.Millisecond),
				gone.Sub(clicked).Round(time.Millisecond), time.Since(clicked).Round(time.Millisecond))
			leaver.at(d.URL + "/sign-in")
			checkCookies(t, d, b.cookieJar(), false)
			eventually(t, "no stream", func() bool { return d.Server.Streams() == 0 })
			first.clean()
			second.clean()
		})
	}
}

// shut closes a tab.
func (b *browser) shut() {
	if _, err := chromedp.Call(b.ctx, page.Close, cdp.Empty{}); err != nil {
		b.t.Errorf("close a tab: %v", err)
	}
}

// lacks takes something from every document of the tab before its scripts run.
func (b *browser) lacks(script string) {
	b.t.Helper()
	if script == "" {
		return
	}
	if _, err := chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script}); err != nil {
		b.t.Fatal(err)
	}
}

// TestAStreamComesBack when it has lasted its time: nothing is asked for that did not change, what does change is heard
// in the end, and none of it keeps the session alive (T089).
func TestAStreamComesBack(t *testing.T) {
	d, log := startStreaming(t, 300*time.Millisecond)
	b := newBrowser(t)
	b.signIn(d, robin)
	b.connectFirst(d)
	b.open(d.URL + "/connections")
	b.ready("connections")
	streams := func() int { return log.answered("GET", shared.PathEvents) }
	before := streams()
	eventually(t, "a few streams", func() bool { return streams() >= before+3 })
	active := log.answered("POST", shared.PathActivity)
	eventually(t, "five streams without a question", func() bool { // what the page before asked for may still be told
		asked, before := log.answered("GET", shared.PathConnections), streams()
		eventually(t, "five streams", func() bool { return streams() >= before+5 })
		return log.answered("GET", shared.PathConnections) == asked
	})
	if now := log.answered("POST", shared.PathActivity); now != active {
		t.Error("a stream counts as activity")
	}
	if status := b.ask(d, http.MethodDelete, shared.PathConnections+"/"+b.connections()); status != http.StatusOK {
		t.Fatalf("the connection is given up: %d", status)
	}
	b.gone(by("connection-card"))
	if n := d.Server.Streams(); n > 1 {
		t.Errorf("%d streams are open", n)
	}
	b.clean()
}

// TestAnotherPersonSignsIn: a tab that has heard nothing of a sign-out starts anew when it is looked at, as the person who
// is signed in now.
func TestAnotherPersonSignsIn(t *testing.T) {
	d, _ := startStreaming(t, 0)
	one := newBrowser(t)
	one.signIn(d, robin)
	one.connectFirst(d)
	other := one.tab()
	other.lacks(`Object.defineProperty(navigator, "locks", {value: undefined}); delete window.BroadcastChannel; window.EventSource = class extends EventTarget { close() {} }`)
	other.open(d.URL + "/")
	other.ready("home")
	other.see(by("clinic-card"))
	one.signOut(d)
	one.signIn(d, "noor") // the other tab, which hears nothing, still shows what is robin's
	mustEvaluate[bool](other, `(window.dispatchEvent(new Event("visibilitychange")), true)`)
	other.see(by("empty-home"))
	other.says("Noor")
}
