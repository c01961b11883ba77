package e2e_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"locum/bff/demo"
	"locum/shared"
)

// endHere has the sandbox end robin's connection at the first clinic, and has Locum meet it.
func (b *browser) endHere(d *demo.Demo) {
	b.t.Helper()
	if n := d.Sandbox.Revoke(robinAtJane, d.Sandbox.Clinics()[0].URL); n == 0 {
		b.t.Fatal("there was no connection to end")
	}
	status := mustEvaluate[int](b, `fetch("/proxy/v1/`+b.connections()+`/api/2026-01-01/company").then(r => r.status)`, chromedp.EvalAwaitPromise)
	if status != 409 {
		b.t.Fatalf("a call on an ended connection answers %d", status)
	}
}

// attribute reads one attribute of the element that has a name for tests.
func (b *browser) attribute(name, attribute string) string {
	b.t.Helper()
	return mustEvaluate[string](b, `document.querySelector('`+by(name)+`')?.getAttribute(`+strconv.Quote(attribute)+`) ?? ""`)
}

// TestWhyWasIDisconnected: after an end the card leads to the page that says what happened, what Locum did and what to do,
// with the whole story; reconnecting from there comes back to it under the same id, and no token stands in any of it.
func TestWhyWasIDisconnected(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.signIn(d, robin)
	b.connectFirst(d)
	id := b.connections()
	b.endHere(d)
	b.open(d.URL + "/")
	b.ready("home")
	b.see(by("attention"))
	b.shot("home")
	b.click(by("nav-connections"))
	b.ready("connections")
	b.shot("cards")
	b.click(by("connection-story"))
	b.ready("life")
	b.says("Why was I disconnected, and what now?")
	if got := b.attribute("life-verdict", "data-next"); got != "reconnect" {
		t.Errorf("the next step is %q", got)
	}
	if said := mustEvaluate[string](b, `document.querySelector('`+by("life-cause")+`').innerText`); len(said) < 40 {
		t.Errorf("the cause reads %q", said)
	}
	story := mustEvaluate[string](b, `[...document.querySelectorAll("[data-step]")].map(e => e.dataset.step).join(" ")`)
	if !strings.HasPrefix(story, "ended") || !strings.HasSuffix(story, "connected") {
		t.Errorf("the story, the newest first, is %q", story)
	}
	b.shot("ended")
	b.withoutSecrets(d)

	// Somebody else signs in there: refused in words, and nothing is changed.
	d.Sandbox.AlterClaims(func(claims map[string]any) { claims["sub"] = "somebody-else" })
	b.click(by("life-reconnect"))
	b.again()
	b.at(d.URL + "/connections/outcome")
	b.outcome(shared.OutcomeWrongPerson)
	b.says("left as it was")
	b.click(by("outcome-back"))
	b.at(d.URL + "/connections/" + id + "/life")
	b.ready("life")
	if state := b.attribute("connection-state", "data-state"); state != "needs_reconnect" || b.connections() != id {
		t.Errorf("after somebody else's sign-in %s shows %q", b.connections(), state)
	}

	b.click(by("life-reconnect"))
	b.again()
	b.at(d.URL + "/connections/" + id + "/life")
	b.ready("life")
	b.until("it is connected again", `document.querySelector('`+by("connection-state")+`')?.dataset.state === "connected"`)
	b.says("The life of this connection")
	if now := b.connections(); now != id {
		t.Errorf("the connection was %s and is %s", id, now)
	}
	b.shot("reconnected")
	b.withoutSecrets(d)
	b.clean()
}

// again signs in at the sandbox where it asks, and agrees.
func (b *browser) again() {
	b.t.Helper()
	b.at("http://127.0.0.1:")
	b.until("login or consent", `!!document.querySelector('button[name="hint"], button[value="allow"]')`)
	if mustEvaluate[bool](b, `!!document.querySelector('button[name="hint"]')`) {
		b.logIn(robinAtJane)
	}
	b.allow()
}

// withoutSecrets looks for what the sandbox minted in all that the page shows and in the JSON behind it.
func (b *browser) withoutSecrets(d *demo.Demo) {
	b.t.Helper()
	seen := b.storage() + mustEvaluate[string](b, `fetch("/api/v1"+location.pathname).then(r => r.text())`, chromedp.EvalAwaitPromise)
	for _, minted := range append(d.Sandbox.Minted(), d.Sandbox.Marker()) {
		if strings.Contains(seen, minted) {
			b.t.Errorf("a secret is in sight: %.12s…", minted)
		}
	}
}

// TestADraftSurvivesReconnect: what is typed when a connection turns out to have ended is still there after the sign-in,
// which happens in a tab of its own, and is saved then.
func TestADraftSurvivesReconnect(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.signIn(d, robin)
	b.connectFirst(d)
	b.toPatient(0)
	id, where := b.connections(), b.where()
	b.click(by("observation-add"))
	b.typeInto("#observation-value-0", "128")
	b.typeInto("#observation-value-1", "82")
	b.typeInto(by("observation-note"), "seated, after five minutes of rest")
	d.Sandbox.Revoke(robinAtJane, d.Sandbox.Clinics()[0].URL)
	b.click(by("observation-save"))
	b.until("saving fails with the next step", `document.querySelector('`+by("problem")+`')?.dataset.code === "reconnect_needed"`)
	b.says("what you have typed stays in it")
	b.shot("kept")
	if stored := b.storage(); strings.Contains(strings.Split(stored, `"html"`)[0], "five minutes") {
		t.Error("the draft is in the browser's storage")
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	opened := chromedp.WaitNewTarget(ctx, func(info *target.Info) bool { return strings.HasPrefix(info.URL, "http://127.0.0.1:") })
	b.click(by("reconnect"))
	tab := <-opened
	side := b.attach(tab)
	side.again()
	side.at(d.URL + "/connections/outcome")
	side.says("Your entry is still in the other tab")
	side.shot("beside")
	side.clean()
	// A click that closes its tab takes the answer to the click along: it is made a moment later.
	mustEvaluate[int](side, `setTimeout(() => document.querySelector('`+by("outcome-close")+`').click(), 50)`)
	b.closed(tab)

	b.says("What you typed is still here")
	b.shot("returned")
	if b.where() != where || b.connections() != id {
		t.Errorf("the page is %s with %s, and was %s with %s", b.where(), b.connections(), where, id)
	}
	typed := mustEvaluate[string](b, `["observation-value-0", "observation-value-1", "observation-note"].map(id => document.getElementById(id).value).join("|")`)
	if typed != "128|82|seated, after five minutes of rest" {
		t.Errorf("what was typed is now %q", typed)
	}
	b.click(by("observation-save"))
	b.gone(by("observation-form"))
	b.says("seated, after five minutes of rest")
	b.clean()
}

// closed waits until a tab has gone.
func (b *browser) closed(id target.ID) {
	b.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		open, err := chromedp.CallBrowser(b.ctx, target.GetTargets, target.GetTargetsParams{})
		if err != nil {
			b.t.Fatal(err)
		}
		if !slices.ContainsFunc(open.TargetInfos, func(info *target.Info) bool { return info.TargetID == id }) {
			return
		}
		if time.Now().After(end) {
			b.t.Fatal("the tab is still open")
		}
	}
}

// attach drives a tab that the page has opened by itself.
func (b *browser) attach(id target.ID) *browser {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
	b.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		b.t.Fatalf("attach to the new tab: %v", err)
	}
	other := &browser{t: b.t, ctx: ctx}
	other.watch()
	return other
}

// TestTheEndIsForeseen: before the platform ends a sign-in however it is used, the pages say so and offer to renew it.
func TestTheEndIsForeseen(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	d.Sandbox.SetSession(30*time.Minute, 35*time.Minute)
	b.signIn(d, robin)
	b.connectFirst(d)
	d.Sandbox.Advance(10 * time.Minute) // of the 30 minutes that a renewal is good for otherwise, 25 are left
	d.Sandbox.RevokeAccess(robinAtJane, d.Sandbox.Clinics()[0].URL)
	mustEvaluate[int](b, `fetch("/proxy/v1/`+b.connections()+`/api/2026-01-01/company").then(r => r.status)`, chromedp.EvalAwaitPromise)
	b.open(d.URL + "/")
	b.see(by("connection-forecast"))
	b.shot("home")
	b.click(by("nav-connections"))
	b.ready("connections")
	b.see(by("connection-forecast"))
	b.click(by("connection-story"))
	b.ready("life")
	b.see(by("life-ends"))
	b.see(by("life-renew"))
	b.shot("life")
	b.click(by("diagnose"))
	b.see(by("findings"))
	b.until("the platform's answer is in words", `/\S/.test(document.querySelector('`+by("diagnosis-renewal")+`')?.innerText ?? "")`)
	b.shot("diagnosis")
	b.withoutSecrets(d)
	b.clean()
}

// TestDisconnectSaysWhatGoesWithIt: before a connection is given up, the question says what the platform is asked and what
// becomes of the others, and afterwards the page of its life says how it ended.
func TestDisconnectSaysWhatGoesWithIt(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	clinics := d.Sandbox.Clinics()
	b.signIn(d, robin)
	b.connectFirst(d)
	first := b.connections()
	b.open(d.URL + "/connections/new")
	b.begin("jane", clinics[1])
	b.again()
	b.at(d.URL)
	b.ready("home")
	b.askToDisconnect(d, first)
	b.until("the other one is spared", `document.querySelector('`+by("disconnect-spared")+`')?.innerText.includes("stay connected")`)
	if said := mustEvaluate[string](b, `document.querySelector('`+by("disconnect-policy")+`').innerText`); !strings.Contains(said, "withdraw") {
		t.Errorf("what the platform is asked reads %q", said)
	}
	b.shot("asked")
	b.click(by("disconnect-yes"))
	b.says("is disconnected")
	b.says("Your other clinics go on")
	b.open(d.URL + "/connections/" + first + "/life")
	b.ready("life")
	b.says("Why was I disconnected, and what now?")
	b.see(by("life-connect"))
	b.until("the story says so", `!!document.querySelector('[data-step="disconnected"]')`)
	b.shot("gone")
	b.withoutSecrets(d)
	b.clean()
}

// askToDisconnect opens the question.
func (b *browser) askToDisconnect(d *demo.Demo, id string) {
	b.t.Helper()
	b.open(d.URL + "/connections")
	b.ready("connections")
	b.click(`[data-connection="` + id + `"] ` + by("connection-disconnect"))
	b.see(by("disconnect-confirm"))
}
