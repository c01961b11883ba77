package e2e_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// focused waits until the keyboard is on an element that the selector names.
func (b *browser) focused(selector string) {
	b.t.Helper()
	b.until("the keyboard is at "+selector, `document.activeElement?.matches(`+strconv.Quote(selector)+`)`)
}

func (b *browser) press(keys string) { b.t.Helper(); b.do(chromedp.KeyEvent(keys)) }

// TestKeyboardAlone opens and leaves what a page opens in place, and never falls back to the page's beginning.
func TestKeyboardAlone(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.signIn(d, robin)
	b.connectFirst(d)
	b.do(chromedp.Focus(chromedp.CSS(by("open-schedule"))))
	b.press(kb.Enter)
	b.ready("schedule")
	b.focused("#page-title")
	b.pick(0)
	b.focused("#page-title")

	b.do(chromedp.Focus(chromedp.CSS(by("observation-add"))))
	b.press(" ")
	b.focused(by("observation-measure"))
	b.do(chromedp.Focus(chromedp.CSS(by("observation-save"))))
	b.press(kb.Enter)
	b.focused(by("observation-value") + `[aria-invalid="true"][aria-describedby]`)
	b.do(chromedp.Focus(chromedp.CSS(by("observation-cancel"))))
	b.press(kb.Enter)
	b.focused(by("observation-add"))

	mustEvaluate[bool](b, `(document.querySelector('`+by("entries")+`').open = true)`)
	b.do(chromedp.Focus(chromedp.CSS(by("note-edit"))))
	b.press(kb.Enter)
	b.focused(by("note-field"))
	b.press(kb.Tab + kb.Tab + kb.Enter)
	b.focused(by("note-edit"))

	b.open(d.URL + "/connections")
	b.ready("connections")
	b.press(kb.Tab + kb.Enter) // over the header
	b.focused("main")
	b.do(chromedp.Focus(chromedp.CSS(by("connection-disconnect"))))
	b.press(kb.Enter)
	b.focused(by("disconnect-no"))
	b.press(kb.Escape)
	b.gone(by("disconnect-confirm"))
	b.focused(by("connection-disconnect"))
	b.press(kb.Enter)
	b.focused(by("disconnect-no"))
	b.do(chromedp.Focus(chromedp.CSS(by("disconnect-yes"))))
	b.press(kb.Enter)
	b.gone(by("connection-card"))
	b.focused("#page-title")
	b.clean()
}

// TestSearchOutlivesAPatient goes from a search to a patient and back, and then on, when the search is forgotten.
func TestSearchOutlivesAPatient(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.signIn(d, robin)
	b.connectFirst(d)
	b.click(by("open-patients"))
	b.ready("patients")
	b.see(by("patient-row"))
	b.typeInto(by("patient-search"), "exampleson")
	found := `(rows => rows.length > 0 && rows.every(r => r.innerText.includes("Exampleson")))([...document.querySelectorAll('` + by("patient-row") + `')])`
	b.until("the search finds", found)
	b.click(by("patient-link"))
	b.ready("patient")
	b.do(chromedp.NavigateBack())
	b.ready("patients")
	b.until("the field says what is searched", `document.querySelector('`+by("patient-search")+`').value === "exampleson"`)
	b.until("the list is what was found", found)
	b.click(by("nav-schedule"))
	b.ready("schedule")
	b.click(by("nav-patients"))
	b.ready("patients")
	b.until("the search begins anew", `document.querySelector('`+by("patient-search")+`').value === "" && document.querySelectorAll('`+by("patient-row")+`').length > 1 && !(`+found+`)`)
	b.clean()
}

// TestAllowRecording: where recording was not granted, the patient's page leads to where it can be, and comes back.
func TestAllowRecording(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.signIn(d, robin)
	d.Sandbox.GrantOnly("appointments:read", "patients:read", "staff_members:read", "treatments:read", "companies:read", "observations:read")
	b.connectFirst(d)
	d.Sandbox.Calm()
	more := mustEvaluate[[]string](b, `fetch("/api/v1/connections").then(r => r.json()).then(v => v.connections[0].more)`, chromedp.EvalAwaitPromise)
	if unique := slices.Compact(slices.Sorted(slices.Values(more))); len(unique) != len(more) {
		t.Errorf("offered twice: %q", more)
	}
	name := b.toPatient(0)
	b.gone(by("observation-add"))
	b.click(by("observation-allow"))
	b.at("http://127.0.0.1:")
	b.allow()
	b.at(d.URL + "/patients/")
	b.ready("patient")
	b.see(by("observation-add"))
	b.says(name)
	b.clean()
}

// TestNothingJumps reads from the browser how far a phone's page moved by itself while it came to life.
func TestNothingJumps(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.do(chromedp.EmulateViewport(360, 740))
	b.signIn(d, robin)
	b.connectFirst(d)
	b.toPatient(0)
	patient := b.where()
	connection := b.connections()
	for page, address := range map[string]string{
		"home": d.URL, "schedule": d.URL + "/schedule/" + connection, "patients": d.URL + "/patients/" + connection, "patient": patient,
		"life": d.URL + "/connections/" + connection + "/life",
	} {
		b.open(address)
		b.ready(page)
		moved := mustEvaluate[float64](b, `new Promise(done => {
			let moved = 0;
			new PerformanceObserver(list => { for (const shift of list.getEntries()) moved += shift.value; }).observe({type: "layout-shift", buffered: true});
			requestAnimationFrame(() => requestAnimationFrame(() => done(moved)));
		})`, chromedp.EvalAwaitPromise)
		if moved > 0.03 { // Core Web Vitals calls 0.1 good.
			b.shot("jumps-" + page)
			t.Errorf("%s moved by %.3f", page, moved)
		}
	}
}
