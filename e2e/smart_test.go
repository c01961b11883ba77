package e2e_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"locum/bff/demo"
	"locum/bff/sandbox"
)

// robinAtFace is robin's login at both simulated SMART servers; the apps are those that the demo registers there.
const (
	robinAtFace = "robin@example.test"
	athenaApp   = "locum-demo-athena"
	smartApp    = "locum-demo-smart"
)

// faceLogIn chooses a person on a SMART server's login page.
func (b *browser) faceLogIn(login string) {
	b.t.Helper()
	b.tap(`button[name="hint"][value="` + login + `"]`)
}

// permit agrees on a SMART server's consent page.
func (b *browser) permit() {
	b.t.Helper()
	b.tap(`button[name="decision"][value="allow"]`)
}

// choose takes a record on a SMART server's picker.
func (b *browser) choose(record string) {
	b.t.Helper()
	b.tap(`button[name="record"][value="` + record + `"]`)
}

// record waits until the page shows one patient's whole record, with no section missing, and that no name of another
// patient is in the document.
func (b *browser) chart(face *sandbox.Face, patient sandbox.FacePatient) {
	b.t.Helper()
	b.until("the record of "+patient.Name, `document.querySelector('`+by("identity")+`')?.dataset.patient === `+strconv.Quote(patient.ID)+
		` && !document.querySelector('`+by("section-loading")+`')`)
	if name := mustEvaluate[string](b, `document.querySelector('`+by("patient-name")+`').innerText`); name != patient.Name {
		b.t.Errorf("the banner names %q, want %q", name, patient.Name)
	}
	if problem := mustEvaluate[string](b, `document.querySelector('`+by("section-problem")+`, `+by("problem")+`, `+by("denied")+`')?.innerText ?? ""`); problem != "" {
		b.t.Errorf("the record shows a problem: %s", problem)
	}
	b.nobodyElse(face, patient.ID)
}

// nobodyElse looks for other patients in the whole document.
func (b *browser) nobodyElse(face *sandbox.Face, patient string) {
	b.t.Helper()
	document := mustEvaluate[string](b, `document.documentElement.outerHTML + document.title`)
	for _, other := range face.Patients() {
		if other.ID != patient && (strings.Contains(document, other.Name) || strings.Contains(document, other.ID)) {
			b.t.Errorf("the page of %s speaks of %s", patient, other.Name)
		}
	}
}

// startConnect opens the connect page at a platform.
func (b *browser) startConnect(d *demo.Demo, platform string) {
	b.t.Helper()
	b.open(d.URL + "/connections/new")
	b.ready("connect")
	b.click("#platform-" + platform)
}

// TestConnectAPractice: a practitioner connects an athenahealth practice, finds a patient and reads their record.
func TestConnectAPractice(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	athena := d.Sandbox.Athena()
	b.signIn(d, robin)
	b.startConnect(d, demo.AthenaID)
	b.see(by("practices"))
	b.says("Willowbrook Family Medicine")
	b.wholeShot("connect")
	b.click(by("connect-start"))
	b.faceLogIn(robinAtFace)
	b.shot("consent")
	b.permit()
	b.at(d.URL)
	b.ready("home")
	b.see(by("open-chart"))
	b.wholeShot("home")
	b.click(by("open-chart"))
	b.ready("patients")
	b.see(by("finder"))
	patient := athena.Patients()[0]
	b.click(by("find"))
	b.says("two letters")
	b.typeInto(by("find-name"), patient.Name[strings.LastIndex(patient.Name, " ")+1:])
	b.click(by("find"))
	b.see(by("patient-link"))
	b.wholeShot("found")
	b.click(by("patient-link"))
	b.ready("patient")
	b.chart(athena, patient)
	for _, section := range []string{"AllergyIntolerance", "Condition", "MedicationRequest", "Observation"} {
		b.see(by("section-" + section))
	}
	b.until("there are trends", `document.querySelectorAll('`+by("course")+`').length >= 5`)
	b.wholeShot("record")
	b.open(d.URL + "/connections")
	b.ready("connections")
	b.wholeShot("connections")
	b.clean()
}

// TestStandaloneLaunch: the patient is chosen at the platform, and the connection is for that patient alone.
func TestStandaloneLaunch(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	athena := d.Sandbox.Athena()
	patient := athena.Patients()[3]
	b.signIn(d, robin)
	b.startConnect(d, demo.AthenaID)
	b.click("#context-launch_patient")
	b.wholeShot("connect")
	b.click(by("connect-start"))
	b.faceLogIn(robinAtFace)
	b.choose(patient.ID)
	b.permit()
	b.at(d.URL + "/launched/")
	b.ready("launched")
	b.chart(athena, patient)
	b.wholeShot("record")
	b.do(chromedp.EmulateViewport(360, 740))
	b.fits("record")
	b.do(chromedp.EmulateViewport(1180, 860))
	id := b.connections()
	b.open(d.URL + "/patients/" + id + "/" + athena.Patients()[0].ID)
	b.until("another patient is refused", `document.querySelector('`+by("problem")+`')?.dataset.code === "wrong_patient"`)
	b.nobodyElse(athena, patient.ID)
	b.open(d.URL + "/patients/" + id)
	b.see(by("patients-launched"))
	b.clean()
}

// TestGenericSMART: a server that nothing is configured of but its FHIR base, with keys and discovery.
func TestGenericSMART(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	smart := d.Sandbox.SMART()
	patient := smart.Patients()[1]
	b.signIn(d, robin)
	b.startConnect(d, demo.SMARTID)
	b.see(by("connect-server"))
	b.wholeShot("connect")
	b.click(by("connect-start"))
	b.faceLogIn(robinAtFace)
	b.permit()
	b.at(d.URL)
	b.ready("home")
	b.open(d.URL + "/patients/" + b.connections())
	b.ready("patients")
	b.until("the date can be typed", `!!document.querySelector('`+by("find-born")+`')`)
	mustEvaluate[bool](b, `(document.querySelector('`+by("find-born")+`').value = `+strconv.Quote(patient.BirthDate)+`, true)`)
	b.click(by("find"))
	b.see(by("patient-link"))
	b.click(by("patient-link"))
	b.ready("patient")
	b.chart(smart, patient)
	b.clean()
}

// openChart opens a patient's page of the EHR, as robin.
func (b *browser) openChart(face *sandbox.Face, patient sandbox.FacePatient) {
	b.t.Helper()
	b.open(face.EHROrigin() + "/chart/" + patient.ID)
	b.until("the EHR has loaded", `document.readyState === "complete"`)
	if mustEvaluate[bool](b, `!!document.querySelector('button[name="hint"]')`) {
		b.faceLogIn(robinAtFace)
		b.see("#patients")
		b.open(face.EHROrigin() + "/chart/" + patient.ID)
	}
	b.see("#patient-id")
}

// TestEHRLaunch: an EHR opens Locum at top level. The first time the practitioner signs in to Locum and says who they are; the
// second time the platform's own sign-in is enough, with nobody signed in here, and the page says whom before it does so.
func TestEHRLaunch(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	athena := d.Sandbox.Athena()
	one, two := athena.Patients()[0], athena.Patients()[1]
	b.openChart(athena, one)
	b.shot("ehr")
	b.click("#launch-" + athenaApp)
	b.at(d.URL + "/launch/")
	b.ready("launch")
	b.see(by("launch-nobody"))
	b.wholeShot("launch")
	b.click(by("launch-continue"))
	b.permit()
	b.at(d.URL + "/connections/outcome")
	b.outcome("link_needed")
	b.shot("link-nobody")
	b.click(by("outcome-next"))
	b.at(d.URL + "/sign-in")
	b.click(`form:has(input[name="card"][value="` + robin + `"]) button`)
	b.at(d.URL + "/connections/outcome")
	b.outcome("link_needed")
	b.says("Robin Sampleworth")
	b.wholeShot("link")
	b.click(by("outcome-next"))
	b.at(d.URL + "/launched/")
	b.ready("launched")
	b.chart(athena, one)
	b.wholeShot("record")
	b.open(d.URL + "/connections")
	b.ready("connections")
	b.see(by("connection-launch"))
	b.wholeShot("connections")
	b.signOut(d)

	b.openChart(athena, two)
	b.click("#launch-" + athenaApp)
	b.at(d.URL + "/launch/")
	b.ready("launch")
	b.click(by("launch-continue"))
	b.at(d.URL + "/connections/outcome")
	b.outcome("sign_in_ready")
	b.says("Robin Sampleworth")
	b.wholeShot("sign-in-ready")
	b.click(by("outcome-next"))
	b.at(d.URL + "/launched/")
	b.ready("launched")
	b.chart(athena, two)
	b.says("Robin Sampleworth") // signed in, and the header says so
	b.clean()
}

// TestTwoLaunchesInTwoTabs: two patients are opened side by side, and neither tab ever shows the other's.
func TestTwoLaunchesInTwoTabs(t *testing.T) {
	d, first := startDemo(t, quiet()), newBrowser(t)
	athena := d.Sandbox.Athena()
	one, two := athena.Patients()[0], athena.Patients()[3]
	first.signIn(d, robin)
	second := first.tab()
	for tab, patient := range map[*browser]sandbox.FacePatient{first: one, second: two} {
		tab.openChart(athena, patient)
		tab.click("#launch-" + athenaApp)
		tab.at(d.URL + "/launch/")
		tab.ready("launch")
	}
	for tab, patient := range map[*browser]sandbox.FacePatient{first: one, second: two} {
		tab.click(by("launch-continue"))
		tab.until("consent, or back", `!!document.querySelector('button[name="decision"][value="allow"]') || location.href.startsWith("`+d.URL+`/connections/outcome") || location.href.startsWith("`+d.URL+`/launched/")`)
		if strings.HasPrefix(tab.where(), "http://127.0.0.1") {
			tab.permit()
		}
		tab.until("a question or the record", `location.pathname.startsWith("/launched/") || document.querySelector('`+by("outcome")+`')?.dataset.code === "link_needed"`)
		if strings.Contains(tab.where(), "/connections/outcome") {
			tab.click(by("outcome-next"))
		}
		tab.at(d.URL + "/launched/")
		tab.ready("launched")
		tab.chart(athena, patient)
	}
	for range 2 {
		first.do(chromedp.Reload())
		second.do(chromedp.Reload())
		first.ready("launched")
		second.ready("launched")
		first.chart(athena, one)
		second.chart(athena, two)
	}
	if ids := strings.Fields(first.connections()); len(ids) != 2 {
		t.Errorf("connections are %v", ids)
	}
	first.clean()
	second.clean()
}
