package app

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/app/words"
	"locum/shared"
)

const launchedPatient = "a-195900.E-60178"

// launchedOne is a connection that an EHR has made for one patient.
func launchedOne() shared.Connection {
	return shared.Connection{
		ID: "f1", Platform: shared.Platform{ID: "athenahealth", Kind: "athenahealth", Name: "athenahealth", FHIR: "/fhir/r4"},
		Clinic: shared.ClinicLink{Name: "Willowbrook", URL: "https://api.example/v1/195900"}, State: shared.StateConnected,
		Scopes: []string{"openid", "fhirUser", "launch", "patient/*.read"},
		Launch: &shared.Launched{Kind: "ehr", Patient: launchedPatient},
	}
}

// fhirAt is the address of a FHIR path through connection f1.
func fhirAt(path string) string { return shared.PathProxy + "/f1/fhir/r4" + path }

// fhirWire answers as a FHIR server with one patient and nothing about them.
func fhirWire(c shared.Connection) *wire {
	w := newWire()
	w.json("GET "+shared.PathConnections, shared.Connections{Connections: []shared.Connection{c}})
	w.raw("GET "+fhirAt("/Patient/"), `{"resourceType":"Patient","id":"`+launchedPatient+`","birthDate":"1968-04-09","gender":"female",
		"name":[{"use":"old","family":"Formerly"},{"use":"official","family":"Inventson","given":["Ada"]}]}`)
	for _, kind := range append(chartKinds, "Encounter") {
		w.raw("GET "+fhirAt("/"+kind), `{"resourceType":"Bundle"}`)
	}
	return w
}

// raw answers with JSON as it stands.
func (w *wire) raw(what, body string) {
	if !json.Valid([]byte(body)) {
		panic(body)
	}
	w.answer(what, func(request) response {
		return response{status: 200, kind: "application/fhir+json", body: []byte(body)}
	})
}

// bundleOf writes a bundle of resources about patients, with the link to a next page.
func bundleOf(next string, resources ...string) string {
	for i := range resources {
		resources[i] = `{"resource":` + resources[i] + `,"search":{"mode":"match"}}`
	}
	link := ""
	if next != "" {
		link = `,"link":[{"relation":"self","url":"x"},{"relation":"next","url":"` + next + `"}]`
	}
	return `{"resourceType":"Bundle","entry":[` + strings.Join(resources, ",") + `]` + link + `}`
}

func problemOf(patient, id, text string) string {
	return `{"resourceType":"Condition","id":"` + id + `","subject":{"reference":"` + patient + `"},"code":{"text":"` + text + `"},"clinicalStatus":{"coding":[{"code":"active"}]}}`
}

func openLaunched(t *testing.T, w *wire) *tab {
	b := openTab(t, w, shared.PageLaunched)
	b.visit("/launched/f1")
	b.settle()
	return b
}

// TestChartShowsWhatItIsGiven: identity, sections with their pages followed, and what is missing is said.
func TestChartShowsWhatItIsGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fhirWire(launchedOne())
		page2 := fhirAt("/Condition?_page=2&locum-link=abc")
		w.raw("GET "+fhirAt("/Condition"), bundleOf(page2, problemOf("Patient/"+launchedPatient, "1", "Hypertension"), `{"resourceType":"Condition","id":"9","code":[]}`))
		w.raw("GET "+page2, bundleOf("", problemOf(fhirAt("/Patient/"+launchedPatient), "2", "Asthma"), `{"resourceType":"OperationOutcome"}`,
			strings.Replace(problemOf("Patient/"+launchedPatient, "3", "Never"), `"code":{`, `"verificationStatus":{"coding":[{"code":"entered-in-error"}]},"code":{`, 1)))
		b := openLaunched(t, w)
		for _, shown := range []string{"Ada Inventson", "9 Apr 1968", "Hypertension", "Asthma", "No allergy is listed. That does not say", "1 entry could not be read"} {
			b.shows(shown)
		}
		for _, hidden := range []string{"Formerly", "Never", `data-test="section-problem"`, `data-test="section-incomplete"`} {
			b.hides(hidden)
		}
	})
}

// TestAnotherPatientsChartIsNeverShown: whatever a server or a proxy lets through, a resource of somebody else is not shown,
// and takes its whole section with it; a page of another place makes a list incomplete, and so it is none.
func TestAnotherPatientsChartIsNeverShown(t *testing.T) {
	mine, other := "Patient/"+launchedPatient, "a-195900.E-60179"
	for name, c := range map[string]struct{ what, body, code string }{
		"identity":                 {"/Patient/", `{"resourceType":"Patient","id":"` + other + `","name":[{"family":"Madeup"}]}`, "wrong_record"},
		"another type":             {"/Patient/", `{"resourceType":"Person","id":"` + launchedPatient + `","name":[{"family":"Madeup"}]}`, "wrong_record"},
		"one of several":           {"/Condition", bundleOf("", problemOf(mine, "1", "Fine"), problemOf("Patient/"+other, "2", "Madeup")), "wrong_record"},
		"nobody":                   {"/Condition", bundleOf("", `{"resourceType":"Condition","code":{"text":"Madeup"}}`), "wrong_record"},
		"a group":                  {"/Condition", bundleOf("", problemOf("Group/"+launchedPatient, "1", "Madeup")), "wrong_record"},
		"the same id elsewhere":    {"/Condition", bundleOf("", problemOf("https://other.example/fhir/r4/"+mine, "1", "Madeup")), "wrong_record"},
		"another connection":       {"/Condition", bundleOf("", problemOf(shared.PathProxy+"/f2/fhir/r4/"+mine, "1", "Madeup")), "wrong_record"},
		"an allergy":               {"/AllergyIntolerance", bundleOf("", `{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/`+other+`"},"code":{"text":"Madeup"}}`), "wrong_record"},
		"a page of another host":   {"/Condition", bundleOf("https://evil.example/fhir/r4/Condition?x", problemOf(mine, "1", "Madeup")), "platform_bad_answer"},
		"a page of another record": {"/Condition", bundleOf(shared.PathProxy+"/f2/fhir/r4/Condition", problemOf(mine, "1", "Madeup")), "platform_bad_answer"},
		"no bundle":                {"/Condition", `{"resourceType":"OperationOutcome","text":{"div":"Madeup"}}`, "platform_bad_answer"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := fhirWire(launchedOne())
				w.raw("GET "+fhirAt(c.what), c.body)
				b := openLaunched(t, w)
				b.hides("Madeup")
				b.hides("Fine")
				b.shows(`data-code="` + c.code + `"`)
				if w.count("GET https://") > 0 || w.count("GET "+shared.PathProxy+"/f2") > 0 {
					t.Error("another place was asked")
				}
			})
		})
	}
}

// TestALongListGoesOn: after some pages the list asks, and what is wrong with a later page empties all of it.
func TestALongListGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fhirWire(launchedOne())
		last := strconv.Itoa(resourcePages + 1)
		for n := 1; n <= resourcePages; n++ {
			at := fhirAt("/Condition?locum-link=" + strconv.Itoa(n))
			if n == 1 {
				at = fhirAt("/Condition?patient=")
			}
			w.raw("GET "+at, bundleOf(fhirAt("/Condition?locum-link="+strconv.Itoa(n+1)), problemOf("Patient/"+launchedPatient, strconv.Itoa(n), "Problem no. "+strconv.Itoa(n))))
		}
		w.raw("GET "+fhirAt("/Condition?locum-link="+last), bundleOf("", problemOf("Patient/a-195900.E-60179", "x", "Madeup")))
		b := openLaunched(t, w)
		b.shows("Problem no. 5")
		b.shows("There is more than is shown here")
		p := b.page.(*launchedPage)
		s := p.chart.section("Condition")
		p.readOn(&p.chart, s)
		b.settle()
		b.hides("Madeup")
		b.hides("Problem no.")
		b.shows(`data-code="wrong_record"`)
		w.raw("GET "+fhirAt("/Condition?locum-link="+last), bundleOf("", problemOf("Patient/"+launchedPatient, last, "The last")))
		p.readOn(&p.chart, s) // a click on "try again" begins anew
		b.settle()
		p.readOn(&p.chart, s)
		b.settle()
		b.shows("Problem no. 1")
		b.shows("The last")
		b.hides("There is more than")
	})
}

// TestChartFailsByParts: what cannot be read says why in its own place; the rest stands.
func TestChartFailsByParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := launchedOne()
		c.Scopes = []string{"patient/Patient.rs", "patient/Condition.rs", "patient/AllergyIntolerance.read", "patient/Observation.cu"}
		w := fhirWire(c)
		w.raw("GET "+fhirAt("/Condition"), bundleOf("", problemOf("Patient/"+launchedPatient, "1", "Hypertension")))
		w.problem("GET "+fhirAt("/AllergyIntolerance"), shared.Problem{Status: 403, Code: shared.CodeCallRefused, Params: map[string]string{"reason": "not_registered"}})
		b := openLaunched(t, w)
		b.shows("Hypertension")
		b.shows("Locum is not registered for this part of the record system")
		b.shows(`data-scope="patient/MedicationRequest.read"`)
		b.shows(`data-scope="patient/Observation.read"`) // may be written and not read
		b.hides(`data-test="allow"`)                     // an EHR's launch cannot be widened from here
		if w.count("GET "+fhirAt("/MedicationRequest"))+w.count("GET "+fhirAt("/Observation")) > 0 {
			t.Error("what was not granted was asked for")
		}
	})
}

// TestNextChartStartsEmpty: nothing of one launch is left on the next one's page, and late answers are dropped.
func TestNextChartStartsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fhirWire(launchedOne())
		w.raw("GET "+fhirAt("/Condition"), bundleOf("", problemOf("Patient/"+launchedPatient, "1", "Hypertension")))
		b := openLaunched(t, w)
		b.shows("Hypertension")
		open := w.gate("GET " + fhirAt("/Patient"))
		b.visit("/launched/f1")
		b.hides("Inventson")
		b.hides("Hypertension")
		synctest.Wait() // The first page's answers are held back,
		b.visit("/launched/f2")
		open() // and come when another connection's page is there.
		b.settle()
		b.hides("Inventson")
		b.hides("Hypertension")
	})
}

// TestPatientBanner: name and date of birth stand there even where the EHR shows a banner of its own.
func TestPatientBanner(t *testing.T) {
	for banner, class := range map[string]string{"": `class="identity"`, "yes": `class="identity"`, "no": `class="identity identity-small"`} {
		synctest.Test(t, func(t *testing.T) {
			c := launchedOne()
			c.Launch.Banner = banner
			b := openLaunched(t, fhirWire(c))
			b.shows(class)
			b.shows("Ada Inventson")
			b.shows("9 Apr 1968")
		})
	}
}

// TestLockedView: once the EHR shows another patient, nothing of the old one is drawn any more, whoever comes back.
func TestLockedView(t *testing.T) {
	ehr := "https://preview.athenahealth.example"
	framed := shared.Session{Practitioner: shared.Practitioner{ID: "p"}, IdleSeconds: 900, EndsSeconds: 9000, Frame: &shared.Frame{Ancestors: []string{ehr}}}
	for name, c := range map[string]struct {
		origin, event, patient string
		locked                 bool
	}{
		"the same patient":           {ehr, eventContext, launchedPatient, false},
		"the same by reference":      {ehr, eventContext, "Patient/" + launchedPatient, false},
		"the same by number":         {ehr, eventContext, "60178", false},
		"another patient":            {ehr, eventContext, "a-195900.E-60179", true},
		"another number":             {ehr, eventContext, "0178", true},
		"nobody":                     {ehr, eventContext, "", true},
		"another event":              {ehr, "somethingElse", "a-195900.E-60179", false},
		"another origin":             {"https://evil.example", eventContext, "a-195900.E-60179", false},
		"an origin that looks alike": {ehr + ".evil.example", eventContext, "a-195900.E-60179", false},
		"another scheme":             {strings.Replace(ehr, "https", "http", 1), eventContext, "a-195900.E-60179", false},
	} {
		for _, early := range []bool{false, true} { // before it is known whom to believe, and after
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := fhirWire(launchedOne())
					w.json("GET "+shared.PathSession, framed)
					b := openTab(t, w, shared.PageLaunched)
					open := w.gate("GET " + shared.PathSession)
					b.visit("/launched/f1")
					if early {
						b.shell.parentSaid(c.origin, c.event, c.patient)
					}
					open()
					b.settle()
					if !early {
						b.shows("Inventson")
						b.shell.parentSaid(c.origin, c.event, c.patient)
					}
					b.settle()
					if !c.locked {
						b.shows("Inventson")
						return
					}
					for _, old := range []string{"Inventson", launchedPatient, "1968", "f1", "Willowbrook"} {
						b.hides(old)
					}
					b.shows(words.For("en").Locked.Title)
					b.shell.parentSaid(ehr, eventContext, launchedPatient)
					b.settle()
					b.hides("Inventson") // it stays locked: the key in use is still the old patient's, but the view was left
				})
			})
		}
	}
}

// TestAFrameHasOnePatient: an EHR that has opened Locum for one patient and said nothing since shows that one.
func TestAFrameHasOnePatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fhirWire(launchedOne())
		b := openTab(t, w, shared.PageLaunched)
		other := launchedOne()
		other.ID, other.Launch = "f2", &shared.Launched{Kind: "ehr", Patient: "a-195900.E-60179"}
		b.shell.embedded.opened(other)
		b.visit("/launched/f1")
		b.settle()
		b.hides("Inventson")
		b.shows(words.For("en").Locked.Title)
	})
}

// TestTrends: values of one code and unit are one series, in the order of time, as they were written.
func TestTrends(t *testing.T) {
	observation := func(day, value, unit string) resource {
		return resource{Status: "final", Effective: day, measured: measured{Code: concept{Coding: []coding{{Code: "29463-7"}}},
			Quantity: &fhirQuantity{Value: json.Number(value), Unit: unit}}}
	}
	bound := observation("2026-01-03", "5", "kg")
	bound.Quantity.Comparator = "<"
	all := chartSeries(words.For("en"), []resource{
		observation("2026-01-02", "80.10", "kg"), observation("2026-01-01", "79", "kg"), observation("2026-01-02", "176", "lb"), bound, observation("", "1", "kg"),
	})
	if len(all) != 2 || len(all[0].points) != 2 || all[0].points[1].shown != "80.10" || all[0].name != "Body weight" || all[1].unit != "lb" {
		t.Errorf("series are %+v", all)
	}
}

// TestFHIRDates: a date is said as exactly as it was written, and no more.
func TestFHIRDates(t *testing.T) {
	z := zone{intl: newIntl("en")}
	for written, want := range map[string]string{"2026": "2026", "2026-05": "2026-05", "2026-05-07": "7 May 2026", "": "", "yesterday": "yesterday"} {
		if got := z.fhirDate(written); got != want {
			t.Errorf("%q is said as %q, want %q", written, got, want)
		}
	}
	if at := (resource{Effective: "2026-05-07T10:00:00+02:00"}).at(); !at.Equal(time.Date(2026, 5, 7, 8, 0, 0, 0, time.UTC)) {
		t.Errorf("it was at %v", at)
	}
}

// TestStyleIsHarmless: only what the sheet knows, only values of their kind, and a background not without its text.
func TestStyleIsHarmless(t *testing.T) {
	got := properties(map[string]string{
		"color_background": "#ffffff", "color_text": "#000000", "color_highlight": "url(https://evil.example)", "dim_border_radius": "9999px",
		"dim_spacing_size": "8px", "font_family_body": "x", "color_error": "#ff0000",
	})
	if len(got) != 3 || got["--ehr-background"] != "#ffffff" || got["--ehr-text"] != "#000000" || got["--ehr-spacing"] != "8px" {
		t.Errorf("properties are %v", got)
	}
	if got := properties(map[string]string{"color_background": "#ffffff", "color_text": "red"}); len(got) != 0 {
		t.Errorf("a background alone gives %v", got)
	}
}

// TestScopesByMeaning: what may be read, by both versions of scopes.
func TestScopesByMeaning(t *testing.T) {
	for scope, want := range map[string]bool{
		"patient/Observation.read": true, "user/Observation.*": true, "patient/*.read": true, "user/*.cruds": true, "patient/Observation.rs": true,
		"patient/Observation.s?category=laboratory": true, "patient/Observation.write": false, "patient/Observation.r": false, "patient/Observation.cu": false,
		"patient/Condition.read": false, "launch/patient": false, "observations:read": false, "other/Observation.read": false,
	} {
		if got := granted([]string{scope}, "Observation"); got != want {
			t.Errorf("%s: %v", scope, got)
		}
	}
}
