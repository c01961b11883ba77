package e2e_test

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"locum/bff/demo"
	"locum/bff/sandbox"
)

// robin works at both clinics of the sandbox, and has a Locum account of the same name.
const robin, robinAtJane = "robin", "robin@example.test"

// startDemo runs the product on free ports until the test ends, with log as the only place it writes to.
func startDemo(t *testing.T, log *slog.Logger) *demo.Demo {
	t.Helper()
	if _, err := os.Stat("../web/static/app.wasm.br"); err != nil {
		t.Skip("the browser half is not built: make build")
	}
	d, err := demo.Start(context.Background(), demo.Options{Listen: "localhost:0", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("stop the demo: %v", err)
		}
	})
	return d
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// by selects an element that carries a name for tests.
func by(name string) string { return `[data-test="` + name + `"]` }

// signIn is one click on a demo card.
func (b *browser) signIn(d *demo.Demo, login string) {
	b.t.Helper()
	b.open(d.URL + "/sign-in")
	b.click(`form:has(input[name="card"][value="` + login + `"]) button`)
	b.ready("home")
}

// ready waits until the app is alive on a page and has loaded it.
func (b *browser) ready(page string) {
	b.t.Helper()
	b.until("the page "+page+" is ready",
		`document.body.dataset.ready === `+strconv.Quote(page)+` && document.querySelector("main")?.getAttribute("aria-busy") !== "true"`)
}

// begin fills in the connect page and leaves for the platform.
func (b *browser) begin(platform string, clinic sandbox.Clinic) {
	b.t.Helper()
	b.ready("connect")
	b.click("#platform-" + platform)
	b.until("the clinic is offered", `[...document.querySelectorAll('`+by("known-clinic")+`')].some(e => e.innerText.includes(`+strconv.Quote(clinic.Name)+`))`)
	mustEvaluate[bool](b, `([...document.querySelectorAll('`+by("known-clinic")+`')].find(e => e.innerText.includes(`+strconv.Quote(clinic.Name)+`)).click(), true)`)
	b.until("the address is filled in", `document.querySelector('`+by("clinic-address")+`').value === `+strconv.Quote(clinic.URL))
	b.click(by("connect-start"))
	b.until("the tab has left the connect page", `location.pathname !== "/connections/new"`)
}

// logIn chooses a person on the sandbox's login page.
func (b *browser) logIn(login string) {
	b.t.Helper()
	b.tap(`button[name="hint"][value="` + login + `"]`)
	b.see(`button[name="decision"][value="allow"]`)
}

// allow agrees to everything the consent page lists.
func (b *browser) allow() { b.t.Helper(); b.tap(`button[name="decision"][value="allow"]`) }

// connectFirst walks from the empty home to the connected home.
func (b *browser) connectFirst(d *demo.Demo) {
	b.t.Helper()
	b.see(by("empty-home"))
	b.shot("1-empty-home")
	b.click(by("connect-first"))
	b.ready("connect")
	b.shot("2-connect")
	b.begin("jane", d.Sandbox.Clinics()[0])
	b.shot("3-login")
	b.logIn(robinAtJane)
	b.shot("4-consent")
	b.allow()
	b.at(d.URL)
	b.ready("home")
	b.see(by("clinic-card"))
	b.says(d.Sandbox.Clinics()[0].Name)
}

// TestConnectAndSeeToday is the main job: sign in, connect, see today, a patient and their observations, record one,
// disconnect, sign out.
func TestConnectAndSeeToday(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.open(d.URL)
	b.at(d.URL + "/sign-in") // whoever is not signed in is asked to
	b.signIn(d, robin)
	b.connectFirst(d)
	b.says("today")
	b.shot("5-home")

	b.click(by("open-schedule"))
	b.ready("schedule")
	b.see(by("appointment"))
	b.see(by("budget"))
	b.shot("6-schedule")

	name := mustEvaluate[string](b, `document.querySelector('`+by("appointment-patient")+`').innerText`)
	family := name[strings.LastIndex(name, " ")+1:]
	b.click(by("appointment-patient"))
	b.ready("patient")
	b.until("the banner names "+family, `document.querySelector('`+by("identity")+`')?.innerText.includes(`+strconv.Quote(family)+`)`)
	b.shot("7-patient")

	b.open(d.URL + "/patients/" + b.connections())
	b.ready("patients")
	b.see(by("patient-row"))
	b.shot("8-patients")
	b.typeInto(by("patient-search"), family)
	b.until("the search finds "+family, `(rows => rows.length > 0 && rows.every(r => r.innerText.includes(`+strconv.Quote(family)+`)))([...document.querySelectorAll('`+by("patient-row")+`')])`)

	b.open(d.URL + "/connections")
	b.ready("connections")
	b.see(by("connection-card"))
	b.shot("9-connections")
	b.disconnect()
	b.says("No clinic is connected yet")

	b.signOut(d)
	b.clean()
}

// disconnect ends the first connection on the page, and confirms.
func (b *browser) disconnect() {
	b.t.Helper()
	b.click(by("connection-disconnect"))
	b.click(by("disconnect-yes"))
	b.gone(by("connection-card"))
}

// signOut leaves by the button in the header.
func (b *browser) signOut(d *demo.Demo) {
	b.t.Helper()
	b.click(by("sign-out"))
	b.at(d.URL + "/sign-in")
}

// TestPhoneWidth walks the pages at 360 px and finds nothing that scrolls sideways.
func TestPhoneWidth(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.do(chromedp.EmulateViewport(360, 740))
	b.open(d.URL + "/sign-in")
	b.fits("sign-in")
	b.signIn(d, robin)
	b.fits("empty home")
	b.connectFirst(d)
	b.fits("home")
	b.shot("home")
	b.click(by("open-schedule"))
	b.ready("schedule")
	b.see(by("appointment"))
	b.fits("schedule")
	b.shot("schedule")
	b.click(by("appointment-patient"))
	b.ready("patient")
	b.fits("patient")
	b.shot("patient")
	b.open(d.URL + "/connections")
	b.ready("connections")
	b.fits("connections")
	b.shot("connections")
}

func (b *browser) fits(page string) {
	b.t.Helper()
	if wide := mustEvaluate[int](b, `document.documentElement.scrollWidth`); wide > 360 {
		b.shot("too-wide")
		b.t.Errorf("%s is %d px wide at 360", page, wide)
	}
}
