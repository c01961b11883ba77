package app

import (
	"strconv"
	"testing"
	"testing/synctest"

	"locum/app/words"
	"locum/shared"
)

// TestNoWordOfTheEHRIsLost: what it says while one page gives way to the next is heard by that one, and of many words that come
// before it is known whom to believe the last counts.
func TestNoWordOfTheEHRIsLost(t *testing.T) {
	ehr := "https://preview.athenahealth.example"
	framed := shared.Session{Practitioner: shared.Practitioner{ID: "p"}, IdleSeconds: 900, EndsSeconds: 9000, Frame: &shared.Frame{Ancestors: []string{ehr}}}
	for name, say := range map[string]func(b *tab){
		"between two pages": func(b *tab) {
			b.visit("/launched/f1")
			b.settle()
			b.shows("Inventson")
			b.shell.page.OnDismount()
			b.shell.parentSaid(ehr, eventContext, "a-195900.E-60179")
		},
		"before the first": func(b *tab) { b.shell.parentSaid(ehr, eventContext, "a-195900.E-60179") },
		"after many others": func(b *tab) {
			for n := range 3 * toldMost {
				b.shell.parentSaid(ehr, eventContext, launchedPatient)
				b.shell.parentSaid("https://evil.example", eventContext, strconv.Itoa(n))
			}
			b.shell.parentSaid(ehr, eventContext, "a-195900.E-60179")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := fhirWire(launchedOne())
				w.json("GET "+shared.PathSession, framed)
				b := openTab(t, w, shared.PageLaunched)
				say(b)
				b.visit("/launched/f1")
				b.settle()
				b.hides("Inventson")
				b.shows(words.For("en").Locked.Title)
			})
		})
	}
}
