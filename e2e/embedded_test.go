package e2e_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"locum/bff/demo"
	"locum/bff/sandbox"
)

// target is a frame of another site, or a window that a page has opened, as a browser's tab of its own.
func (b *browser) target(kind, prefix string) *browser {
	b.t.Helper()
	var id target.ID
	for end := time.Now().Add(patience); id == ""; time.Sleep(25 * time.Millisecond) {
		all, err := chromedp.Targets(b.ctx)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, one := range all {
			if one.Type == kind && strings.HasPrefix(one.URL, prefix) {
				id = one.TargetID
			}
		}
		if time.Now().After(end) {
			for _, one := range all {
				b.t.Logf("%s %s", one.Type, one.URL)
			}
			b.shot("failure")
			b.t.Fatalf("no %s at %s", kind, prefix)
		}
	}
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
	b.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		b.t.Fatalf("attach to the %s at %s: %v", kind, prefix, err)
	}
	other := &browser{t: b.t, ctx: ctx}
	other.watch()
	return other
}

// poke clicks an element of a frame, as a person's own deed.
func (b *browser) poke(selector string) {
	b.t.Helper()
	b.until("there is "+selector, `!!document.querySelector(`+strconv.Quote(selector)+`)`)
	_, err := chromedp.Call(b.ctx, runtime.Evaluate, runtime.EvaluateParams{
		Expression: `document.querySelector(` + strconv.Quote(selector) + `).click()`, UserGesture: new(true),
	})
	if err != nil {
		b.t.Fatalf("poke %s: %v", selector, err)
	}
}

// embed opens Locum within a patient's page of the EHR.
func (b *browser) embed(d *demo.Demo, face *sandbox.Face, patient sandbox.FacePatient) *browser {
	b.t.Helper()
	b.openChart(face, patient)
	b.click("#embed-" + athenaApp)
	b.see("iframe#app")
	frame := b.target("iframe", d.URL+"/launch/")
	frame.ready("launch")
	return frame
}

// consentInWindow agrees at the platform in the window that the frame has opened, and closes it.
func (b *browser) consentInWindow(d *demo.Demo, face *sandbox.Face) {
	b.t.Helper()
	window := b.target("page", face.Origin())
	window.permit()
	window.at(d.URL + "/connect/done")
	window.shot("window-done")
	if _, err := chromedp.CallBrowser(b.ctx, target.CloseTarget, target.CloseTargetParams{TargetID: chromedp.FromContext(window.ctx).Target.TargetID}); err != nil {
		b.t.Logf("close the window: %v", err)
	}
}

// TestEmbeddedLaunch: an EHR shows Locum in a sandboxed frame. Consent happens in a window, the sign-in to Locum in the frame,
// and when the EHR turns to another patient nothing of the old one is left.
func TestEmbeddedLaunch(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t, chromedp.Flag("disable-popup-blocking", false))
	athena := d.Sandbox.Athena()
	one, two := athena.Patients()[0], athena.Patients()[1]
	frame := b.embed(d, athena, one)
	b.shot("launch")
	frame.poke(by("launch-continue"))
	b.consentInWindow(d, athena)
	frame.outcome("link_needed")
	frame.poke(by("outcome-next"))
	frame.at(d.URL + "/sign-in")
	frame.poke(`form:has(input[name="card"][value="` + robin + `"]) button`)
	frame.at(d.URL + "/connections/outcome")
	frame.outcome("link_needed")
	frame.says("Robin Sampleworth")
	b.shot("link")
	frame.poke(by("outcome-next"))
	frame.at(d.URL + "/launched/")
	frame.ready("launched")
	frame.chart(athena, one)
	b.shot("record")
	first := mustEvaluate[string](frame, `location.pathname`)

	frame = b.embed(d, athena, two) // launched anew instead of told, which is the EHR's default; the Back button
	mustEvaluate[bool](frame, `(location.assign("`+first+`"), true)`)
	frame.see(by("locked"))
	frame.nobodyElse(athena, "")
	frame = b.embed(d, athena, one)
	frame.poke(by("launch-continue"))
	frame.at(d.URL + first)
	frame.ready("launched")
	frame.chart(athena, one)

	mustEvaluate[bool](b, `(document.getElementById("app").contentWindow.postMessage({event: "patientContextChanged", updatedPatient: "`+one.ID+`"}, "*"), true)`)
	mustEvaluate[bool](frame, `(window.postMessage({event: "patientContextChanged", updatedPatient: "somebody"}, "*"), true)`)
	mustEvaluate[bool](frame, `new Promise(done => setTimeout(() => done(true), 300))`, chromedp.EvalAwaitPromise)
	frame.chart(athena, one) // the same patient, and a message of nobody who may be believed
	b.click(`button.context[data-patient="` + two.ID + `"]`)
	frame.see(by("locked"))
	frame.nobodyElse(athena, "")
	if text := frame.visible(); !strings.Contains(text, "Another patient is open") {
		t.Errorf("the locked page says %q", text)
	}
	b.shot("locked")
	mustEvaluate[bool](frame, `(location.reload(), true)`)
	frame.until("it is loaded again", `performance.getEntriesByType("navigation")[0]?.type === "reload"`)
	frame.see(by("locked"))
	frame.nobodyElse(athena, "")

	frame = b.embed(d, athena, two)
	mustEvaluate[bool](frame, `(location.assign("`+first+`"), true)`) // a launch that is not agreed to unlocks nobody
	frame.see(by("locked"))
	frame.nobodyElse(athena, "")

	frame = b.embed(d, athena, two)
	frame.poke(by("launch-continue"))
	frame.at(d.URL + "/launched/")
	frame.ready("launched")
	frame.chart(athena, two)
	frame.clean()
	b.clean()
}
