package e2e_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"locum/bff/demo"
)

// toPatient walks from the connected home to the n-th patient of today's schedule and answers the family name.
func (b *browser) toPatient(n int) string {
	b.t.Helper()
	b.click(by("open-schedule"))
	return b.pick(n)
}

// pick chooses the n-th appointment of the schedule that is open.
func (b *browser) pick(n int) string {
	b.t.Helper()
	b.ready("schedule")
	link := `document.querySelectorAll('` + by("appointment-patient") + `')[` + strconv.Itoa(n) + `]`
	b.until("the appointment is shown", `!!`+link)
	name := mustEvaluate[string](b, link+`.innerText`)
	mustEvaluate[bool](b, `(`+link+`.click(), true)`)
	b.ready("patient")
	family := name[strings.LastIndex(name, " ")+1:]
	b.until("the banner names "+family, `document.querySelector('`+by("identity")+`')?.innerText.includes(`+strconv.Quote(family)+`)`)
	return name
}

// TestRecordAnObservation writes at the clinic through the app: create, then correct the note. Both survive a reload.
func TestRecordAnObservation(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.signIn(d, robin)
	b.connectFirst(d)
	b.toPatient(0)
	b.click(by("observation-add"))
	b.do(chromedp.SetValue(chromedp.CSS(by("observation-measure")), "1"))
	mustEvaluate[bool](b, `(document.querySelector('`+by("observation-measure")+`').dispatchEvent(new Event("change", {bubbles: true})), true)`)
	b.until("one value is asked for", `document.querySelectorAll('`+by("observation-value")+`').length === 1`)
	b.click(by("observation-save"))
	b.see(by("observation-complaint")) // nothing was entered: it says so and sends nothing
	b.typeInto(by("observation-value"), "73")
	b.typeInto(by("observation-note"), "after a short walk")
	b.shot("form")
	b.click(by("observation-save"))
	b.says("after a short walk")
	b.click(by("entry") + `:has(` + by("note") + `) ` + by("note-edit"))
	b.until("the note is in its field", `document.querySelector('`+by("note-field")+`').value === "after a short walk"`)
	b.do(chromedp.SetValue(chromedp.CSS(by("note-field")), "after a long walk"))
	b.click(by("note-save"))
	b.says("after a long walk")
	b.shot("recorded")
	b.do(chromedp.Reload())
	b.ready("patient")
	b.until("the corrected note is there after a reload", `document.body.textContent.includes("after a long walk") && !document.body.textContent.includes("after a short walk")`)
	b.clean()
}

// TestOnePatientAtATime goes from one patient to another and finds nothing of the first on the second's page, at any
// moment: the wrong patient is the worst mistake this product can make.
func TestOnePatientAtATime(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.signIn(d, robin)
	b.connectFirst(d)
	first := b.toPatient(0)
	one := b.where()
	b.do(chromedp.NavigateBack())
	second := b.pick(1)
	two := b.where()
	if one == two || first == second {
		t.Fatalf("the same patient twice: %s", one)
	}
	// From here on, every change of the page is looked at: once the address is the second's, the first's name is gone.
	path := strings.TrimPrefix(one, d.URL)
	mustEvaluate[bool](b, `(() => {
		window.wrong = [];
		const look = () => { if (location.pathname === `+strconv.Quote(path)+` && document.querySelector("main")?.innerText.includes(`+strconv.Quote(second)+`)) window.wrong.push(document.querySelector("main").innerText.slice(0, 80)); };
		new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
		return true;
	})()`)
	d.Sandbox.Slow("api/patients", 300*time.Millisecond, 2)
	b.do(chromedp.NavigateBack()) // to the schedule
	b.pick(0)
	b.at(one)
	if wrong := mustEvaluate[[]string](b, `window.wrong`); len(wrong) > 0 {
		t.Errorf("the page of %s showed %s: %q", first, second, wrong)
	}
	b.clean()
}

// TestT006NothingStaysBehind: after sign-out neither Back nor an offline browser shows a patient, and no worker or cache
// is left.
func TestT006NothingStaysBehind(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.signIn(d, robin)
	b.connectFirst(d)
	name := b.toPatient(0)
	patient := b.where()
	b.signOut(d)
	// Back opens the patient's page, which leaves for the sign-in page at once: the way there is not waited for.
	mustEvaluate[bool](b, `(window.before = true, history.back(), true)`)
	b.until("Back has led to a new sign-in page", `!window.before && document.readyState === "complete" && location.pathname === "/sign-in"`)
	offline(b, true)
	for _, address := range []string{patient, d.URL + "/", d.URL + "/connections"} {
		_ = chromedp.Do(b.ctx, chromedp.Navigate(address)) // fails: there is no network
		if text := mustEvaluate[string](b, `document.documentElement?.textContent ?? ""`); strings.Contains(text, name) {
			t.Errorf("%s shows the patient without a session or a network", address)
		}
	}
	offline(b, false)
	b.open(d.URL + "/sign-in")
	left := mustEvaluate[int](b, `(async () => (await caches.keys()).length + (await navigator.serviceWorker.getRegistrations()).length)()`, chromedp.EvalAwaitPromise)
	if left != 0 {
		t.Errorf("%d caches or workers are left", left)
	}
}

func offline(b *browser, off bool) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{Offline: off, DownloadThroughput: -1, UploadThroughput: -1}}})
	if err != nil {
		b.t.Fatalf("go offline %v: %v", off, err)
	}
}

// TestT077PlatformContentCannotRun opens a proxied address as a page, a script, a picture and a frame: nothing loads.
func TestT077PlatformContentCannotRun(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.signIn(d, robin)
	b.connectFirst(d)
	address := proxied(d, b, "/api/2026-01-01/company")
	if status := mustEvaluate[int](b, `fetch(`+strconv.Quote(address)+`).then(r => r.status)`, chromedp.EvalAwaitPromise); status != 200 {
		t.Fatalf("the app itself gets %d", status)
	}
	for _, element := range []string{"script", "img", "iframe"} {
		got := mustEvaluate[string](b, `new Promise(done => {
			const e = document.createElement(`+strconv.Quote(element)+`);
			e.onload = () => done(e instanceof HTMLIFrameElement ? e.contentDocument?.body?.innerText || "" : "loaded"); e.onerror = () => done("");
			setTimeout(() => done(""), 1500);
			try { e.src = `+strconv.Quote(address)+`; } catch { done(""); }
			document.body.append(e);
		})`, chromedp.EvalAwaitPromise)
		if got != "" {
			t.Errorf("<%s> loaded %q", element, got)
		}
	}
	b.open(address)
	if text := b.visible(); strings.Contains(text, d.Sandbox.Clinics()[0].Name) {
		t.Errorf("opened as a page it shows %q", text)
	}
}

func proxied(d *demo.Demo, b *browser, path string) string {
	b.t.Helper()
	return d.URL + "/proxy/v1/" + b.connections() + path
}

// TestFrench: whoever reads French is spoken to in French, from the sign-in page on.
func TestFrench(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t, chromedp.Flag("accept-lang", "fr-CA,fr"))
	b.open(d.URL + "/sign-in")
	b.says("Mot de passe")
	b.signIn(d, robin)
	b.until("the page is French", `document.documentElement.lang.startsWith("fr") && document.body.innerText.includes("Connecter une clinique")`)
	b.shot("home")
	b.clean()
}

// TestDarkMode draws the pages for whoever prefers the dark; it keeps pictures when asked, and checks that it is dark.
func TestDarkMode(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
	if err != nil {
		t.Fatal(err)
	}
	b.signIn(d, robin)
	b.connectFirst(d)
	b.toPatient(0)
	b.shot("patient")
	lightness := `(e => { const [r, g, c] = getComputedStyle(e).backgroundColor.match(/\d+/g).map(Number); return (r + g + c) / 3 })`
	if v := mustEvaluate[float64](b, lightness+`(document.body)`); v > 96 {
		t.Errorf("the dark page's background is %.0f of 255", v)
	}
}
