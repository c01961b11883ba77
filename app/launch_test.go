package app

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/shared"
)

func signedOutWire() *wire {
	w := newWire()
	w.problem("GET "+shared.PathSession, shared.Problem{Status: http.StatusUnauthorized, Code: shared.CodeSignedOut})
	w.json("GET "+shared.PathLaunch+"/h1", shared.LaunchInfo{Platform: shared.Platform{ID: "athenahealth", Name: "athenahealth", Scopes: []string{"launch", "patient/Observation.rs"}}})
	return w
}

// TestLaunchPage: it says who asks and who is signed in, needs nobody, and does nothing before a click.
func TestLaunchPage(t *testing.T) {
	for name, c := range map[string]struct {
		wire  func() *wire
		shows []string
	}{
		"nobody": {signedOutWire, []string{`data-test="launch-nobody"`, "athenahealth asks to open Locum", "See the patient’s measurements", `data-test="launch-sign-in"`}},
		"somebody": {func() *wire {
			w := signedOutWire()
			w.json("GET "+shared.PathSession, shared.Session{Practitioner: shared.Practitioner{ID: "p", Name: "Robin Sampleworth"}, IdleSeconds: 900, EndsSeconds: 900})
			return w
		}, []string{`data-test="launch-who"`, "You are signed in as Robin Sampleworth", `data-test="sign-out"`}},
		"unknown": {func() *wire {
			w := signedOutWire()
			w.problem("GET "+shared.PathLaunch+"/h1", shared.Problem{Status: 404, Code: shared.CodeLaunchUnknown})
			return w
		}, []string{`data-code="launch_unknown"`, "Open Locum again from the record system", `data-test="problem-link"`}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := openTab(t, c.wire(), shared.PageLaunch)
				b.visit("/launch/h1")
				b.settle()
				for _, shown := range c.shows {
					b.shows(shown)
				}
				if b.shell.leaving.Load() {
					t.Error("a page that needs nobody signed in has left for the sign-in")
				}
				if b.wire.count("POST ") > 0 {
					t.Error("something was sent without a click")
				}
			})
		})
	}
}

// TestLaunchGoesOn: one click sends the handle and a value of this browser, and leads nowhere but to the platform.
func TestLaunchGoesOn(t *testing.T) {
	for answer, code := range map[shared.ConnectAnswer]string{
		{AuthorizationURL: "https://api.example/authorize"}:            "",
		{TicketURL: shared.PathTicket + "/abc"}:                        "",
		{TicketURL: "https://evil.example" + shared.PathTicket + "/a"}: "platform_bad_answer",
		{TicketURL: shared.PathTicket + "/../sign-out"}:                "platform_bad_answer",
		{AuthorizationURL: "javascript:alert(1)"}:                      "platform_bad_answer",
		{}: "platform_bad_answer",
	} {
		synctest.Test(t, func(t *testing.T) {
			w := signedOutWire()
			w.json("POST "+shared.PathLaunch, answer)
			b := openTab(t, w, shared.PageLaunch)
			b.visit("/launch/h1")
			b.settle()
			b.page.(*launchPage).goOn(b.ctx, ui.Event{})
			b.settle()
			var sent shared.LaunchRequest
			if json.Unmarshal([]byte(w.last("POST "+shared.PathLaunch)), &sent) != nil || sent.Launch != "h1" || len(sent.ClientState) != 43 {
				t.Errorf("sent %+v", sent)
			}
			if code == "" {
				b.hides(`data-test="problem"`)
			} else {
				b.shows(`data-code="` + code + `"`)
			}
		})
	}
}

// TestWhoIsAsked: nobody is signed in or linked before the page has named them and somebody has agreed.
func TestWhoIsAsked(t *testing.T) {
	robin := &shared.Practitioner{ID: "p7", Name: "Robin Sampleworth"}
	for name, c := range map[string]struct {
		guest bool
		o     shared.Outcome
		shows []string
		click func(*outcomePage, *tab)
		sends string
	}{
		"sign in": {true, shared.Outcome{Code: shared.OutcomeSignInReady, Platform: "athenahealth", Person: "Practitioner/a-195900.Provider-11", SignsIn: robin},
			[]string{"Continue as Robin Sampleworth", "a-195900.Provider-11"}, func(p *outcomePage, b *tab) { p.signMeIn(b.ctx, ui.Event{}) }, `"sign_in":"p7"`},
		"not me": {true, shared.Outcome{Code: shared.OutcomeSignInReady, SignsIn: robin}, nil,
			func(p *outcomePage, b *tab) { p.notMe(b.ctx, ui.Event{}) }, `"decline":true`},
		"link":      {false, shared.Outcome{Code: shared.OutcomeLinkNeeded}, []string{"Here you are signed in as Robin", "from now on"}, func(p *outcomePage, b *tab) { p.thisIsMe(b.ctx, ui.Event{}) }, `{"client_state":"","practitioner":"p1"}`},
		"nobody":    {true, shared.Outcome{Code: shared.OutcomeLinkNeeded}, []string{"Sign in to Locum first"}, nil, ""},
		"elsewhere": {false, shared.Outcome{Code: shared.OutcomeLinkedElsewhere}, []string{`data-test="outcome-sign-out"`}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				w.json("GET "+shared.PathSession, shared.Session{Practitioner: shared.Practitioner{ID: "p1", Name: robin.Name}, IdleSeconds: 900, EndsSeconds: 9000})
				if c.guest {
					w = signedOutWire()
				}
				w.json("POST "+shared.PathOutcome, shared.Outcome{Code: shared.OutcomeConnected, Kind: "ehr", Connection: "c1"})
				w.json("POST "+shared.PathLaunch+"/link", shared.Outcome{Code: shared.OutcomeDenied})
				b := openTab(t, w, shared.PageOutcome)
				b.visit("/connections/outcome")
				b.settle()
				p := b.page.(*outcomePage)
				p.ended(c.o)
				b.shows(`data-code="` + string(c.o.Code) + `"`)
				for _, shown := range c.shows {
					b.shows(shown)
				}
				if w.count("POST ") > 0 {
					t.Error("something was sent without a click")
				}
				if c.click == nil {
					return
				}
				c.click(p, b)
				b.settle()
				if sent := w.last("POST "); !strings.Contains(sent, c.sends) {
					t.Errorf("sent %s, want %s", sent, c.sends)
				}
			})
		})
	}
}

// TestALaunchLeadsToItsPatient: and a reconnection from elsewhere back to where it was begun.
func TestALaunchLeadsToItsPatient(t *testing.T) {
	one := launchedOne()
	for _, c := range []struct {
		kind, page string
		c          shared.Connection
		want       bool
	}{
		{"ehr", "", one, true}, {"ehr", "", clinicOne(), true}, {"standalone", shared.PageConnections, one, true}, {"standalone", "", clinicOne(), false},
		{"", "", one, false}, {"standalone", shared.PageLife, one, false},
	} {
		p := &outcomePage{}
		p.outcome = shared.Outcome{Kind: c.kind, Connection: c.c.ID, Context: shared.Context{Page: c.page}}
		if path, got := p.launchedPath(c.c); got != c.want || got && path != "/launched/"+c.c.ID {
			t.Errorf("%+v leads to %q", c, path)
		}
	}
}

// TestConnectByKind: what is asked where depends on the kind of platform, and what is sent is what was chosen.
func TestConnectByKind(t *testing.T) {
	address := "https://api.example/V1/195900"
	platforms := shared.Platforms{Platforms: []shared.Platform{
		{ID: "jane", Kind: "jane", Name: "Jane"},
		{ID: "athena", Kind: "athenahealth", Name: "athenahealth", Clinics: []shared.ClinicLink{{Name: "One", URL: address}, {Name: "Two", URL: address + "1"}}, Standalone: []string{"launch/patient", "launch/encounter"}},
		{ID: "smart", Kind: "smart", Name: "Hospital", Standalone: []string{"launch/patient"}},
	}}
	for chosen, c := range map[int]struct {
		shows, hides []string
		complaint    bool
		sends        []string
	}{
		0: {[]string{`data-test="clinic-address"`}, []string{`data-test="practices"`, `data-test="contexts"`}, true, []string{`"clinic":"https://api.example/v1/195900"`}}, // a phone's keyboard begins with a capital

		1: {[]string{`data-test="practices"`, "One visit, which I choose"}, []string{`data-test="clinic-address"`}, true, []string{`"clinic":"https://api.example/V1/195900"`}}, // as it is configured
		2: {[]string{`data-test="connect-server"`, "One patient, whom I choose"}, []string{`data-test="clinic-address"`, "One visit"}, false, []string{`"platform":"smart","clinic":""`, `"scopes":["launch/patient"]`}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWire()
			w.json("GET "+shared.PathPlatforms, platforms)
			w.json("POST "+shared.PathConnect, shared.ConnectAnswer{AuthorizationURL: "https://api.example/authorize"})
			b := openTab(t, w, shared.PageConnect)
			b.visit("/connections/new?platform=" + platforms.Platforms[chosen].ID)
			b.settle()
			p := b.page.(*connectPage)
			for _, shown := range c.shows {
				b.shows(shown)
			}
			for _, hidden := range c.hides {
				b.hides(hidden)
			}
			if c.complaint {
				if p.clinic != "" {
					t.Errorf("the clinic %q was chosen by nobody", p.clinic)
				}
				p.clinic = address
			}
			p.context = "launch/patient"
			p.start()
			b.settle()
			for _, want := range c.sends {
				if sent := w.last("POST " + shared.PathConnect); !strings.Contains(sent, want) {
					t.Errorf("sent %s, want %s", sent, want)
				}
			}
		})
	}
}

// TestServices: administrators see how each stands and what to do; others that there is nothing.
func TestServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.json("GET "+shared.PathServices, shared.Services{Services: []shared.Service{
			{ID: "service.athena", Name: "The practice", Platform: shared.Platform{Name: "athenahealth"}, State: shared.StateMisconfigured, Cause: "policy_refused", Next: "tell_operator:policy",
				Scopes: []string{"athena/service/Athenanet.MDP.*"}, Operations: []string{"athena.ping"}},
		}})
		b := openTab(t, w, shared.PageServices)
		b.visit("/services")
		b.settle()
		for _, shown := range []string{"The practice", "Policy evaluation failed", "athena.ping", "Use athenaOne’s own API"} {
			b.shows(shown)
		}
		w.problem("GET "+shared.PathServices, shared.Problem{Status: 404, Code: shared.CodeNotFound})
		b.visit("/services")
		b.settle()
		b.hides("The practice")
		b.shows(`data-code="not_found"`)
	})
}

// TestFindAPatient: a search needs something to search for, and shows who was found.
func TestFindAPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := launchedOne()
		c.Launch = nil
		w := fhirWire(c)
		w.raw("GET "+fhirAt("/Patient?"), bundleOf("", `{"resourceType":"Patient","id":"`+launchedPatient+`","name":[{"text":"Ada Inventson"}]}`, `{"resourceType":"OperationOutcome"}`))
		b := openTab(t, w, shared.PagePatients)
		b.visit("/patients/f1")
		b.settle()
		p := b.page.(*patientsPage)
		p.lookFor("a", "")
		b.settle()
		b.shows(`id="find-complaint"`)
		p.lookFor("Inv & ent", "1968-04-09")
		b.settle()
		b.shows(`href="/patients/f1/` + launchedPatient + `"`)
		b.shows("Ada Inventson")
		if n := w.count("GET " + fhirAt("/Patient?_count=25&birthdate=1968-04-09&name=Inv+%26+ent")); n != 1 {
			t.Errorf("asked %d times as it should", n)
		}
	})
}
