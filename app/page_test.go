package app

import (
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

func twoPatients() *wire {
	w := newWire()
	w.json("GET "+api("/patients/p1"), patient{ID: "p1", First: "Testa", Last: "Fixture", Born: "1980-05-01", Number: "1001", Status: "active"})
	w.json("GET "+api("/patients/p2"), patient{ID: "p2", First: "Demo", Last: "Sample", Born: "1990-06-02", Number: "1002", Status: "active"})
	return w
}

func TestNextPatientStartsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := twoPatients()
		b := openTab(t, w, shared.PagePatient)
		b.visit("/patients/c1/p1")
		b.settle()
		b.shows("Testa Fixture")
		open := w.gate("GET " + api("/patients/p2"))
		b.visit("/patients/c1/p2")
		b.hides("Testa")
		b.hides("1001")
		b.shows(`data-test="loading"`)
		open()
		b.settle()
		b.shows("Demo Sample")
		b.hides("Testa")
	})
}

func TestAnswersOfAnEarlierNavigationAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := twoPatients()
		b := openTab(t, w, shared.PagePatient)
		open := w.gate("GET " + api("/patients/p1"))
		b.visit("/patients/c1/p1")
		synctest.Wait() // The first answer is held back,
		b.visit("/patients/c1/p2")
		synctest.Wait() // the second has come,
		open()
		b.settle() // and now both are delivered.
		b.shows("Demo Sample")
		b.hides("Testa")
	})
}

func TestEveryNavigationHasItsOwnComponent(t *testing.T) {
	s := newShell(words.For("en"), newWire().send, true)
	one, two := s.component(shared.PagePatient), s.component(shared.PagePatient)
	if one.(ui.DismountEnforcer).CompoID() == two.(ui.DismountEnforcer).CompoID() {
		t.Error("two navigations share one component: fields and inputs of the first would live on")
	}
}

func TestAnotherPatientsRecordIsNeverShown(t *testing.T) {
	for name, change := range map[string]func(*wire){
		"identity": func(w *wire) {
			w.json("GET "+api("/patients/p1"), patient{ID: "p2", First: "Demo", Last: "Sample"})
		},
		"observations": func(w *wire) {
			w.json("GET "+api("/medical-record/observations"), listing[observation]{Items: []observation{{ID: "o", Patient: "p2", Category: "exam", Note: "Demo Sample"}}})
		},
		"appointments": func(w *wire) {
			w.json("GET "+api("/appointments"), listing[appointment]{Items: []appointment{{ID: "a", Patient: "p2", Treatment: "Demo Sample", EndAt: time.Now()}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := twoPatients()
				change(w)
				b := openTab(t, w, shared.PagePatient)
				b.visit("/patients/c1/p1")
				b.settle()
				b.hides("Demo Sample")
				b.shows(`data-code="wrong_record"`)
			})
		})
	}
}

func TestPagesWithoutABrowserLoadNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, one := range shared.Pages {
			w := newWire()
			b := openTab(t, w, one.Name)
			b.shell.live = false
			b.visit(one.Sample)
			b.settle()
			if len(w.asked) > 0 {
				t.Errorf("%s asks for %s when it is rendered", one.Name, w.asked[0].path)
			}
			b.shows(`data-test="page-` + one.Name + `"`)
			b.shows(`aria-busy`)
		}
	})
}

// TestStateIsOneStruct: what a page holds is emptied by one assignment in OnNav, so no field can be forgotten.
func TestStateIsOneStruct(t *testing.T) {
	s := newShell(words.For("en"), newWire().send, false)
	for _, one := range shared.Pages {
		p := reflect.TypeOf(s.component(one.Name)).Elem()
		if p.NumField() != 2 || p.Field(0).Name != "page" || !strings.HasSuffix(p.Field(1).Name, "State") {
			t.Errorf("%s holds state beside its page and its state struct", p.Name())
		}
		for i := range p.NumField() {
			if p.Field(i).IsExported() {
				t.Errorf("%s.%s is exported: go-app would overwrite it", p.Name(), p.Field(i).Name)
			}
		}
	}
}

func TestBudgetSpentIsTriedOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.problem("GET "+api("/patients"), shared.Problem{Status: 429, Code: shared.CodeBudgetSpent, RetryAfter: 20})
		b := openTab(t, w, shared.PagePatients)
		b.visit("/patients/c1")
		b.settle()
		b.shows("20 seconds")
		time.Sleep(5 * time.Second)
		b.shell.page.countDown()
		b.shows("15 seconds")
		time.Sleep(16 * time.Second)
		b.shell.page.countDown()
		b.settle()
		if n := w.count("GET " + api("/patients")); n != 2 {
			t.Fatalf("asked %d times after one pause, want 2", n)
		}
		time.Sleep(time.Minute)
		b.shell.page.countDown()
		b.settle()
		if n := w.count("GET " + api("/patients")); n != 2 {
			t.Errorf("asked %d times: the page must try by itself only once", n)
		}
		b.shows(`data-test="retry"`)
	})
}

func TestFailuresOfferTheNextStep(t *testing.T) {
	for name, c := range map[string]struct {
		problem shared.Problem
		step    string
	}{
		"reconnect":   {shared.Problem{Status: 409, Code: shared.CodeReconnectNeeded}, `data-test="reconnect"`},
		"scope":       {shared.Problem{Status: 403, Code: shared.CodeScopeMissing, Params: map[string]string{"scope": "patients:read"}}, "See patients"},
		"allow":       {shared.Problem{Status: 403, Code: shared.CodeScopeMissing}, `data-test="allow"`},
		"unavailable": {shared.Problem{Status: 503, Code: shared.CodePlatformUnavailable}, `data-test="retry"`},
		"not found":   {shared.Problem{Status: 404, Code: shared.CodeNotFound}, `data-test="problem-link"`},
		"internal":    {shared.Problem{Status: 500, Code: shared.CodeInternal, RequestID: "req-77"}, "req-77"},
		"unknown":     {shared.Problem{Status: 500, Code: "something_new"}, `data-test="retry"`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				w.problem("GET "+api("/patients"), c.problem)
				b := openTab(t, w, shared.PagePatients)
				b.visit("/patients/c1")
				b.settle()
				b.shows(c.step)
				b.shows(`data-code="` + string(c.problem.Code) + `"`)
			})
		})
	}
}

func TestReconnectKeepsPageAndPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := twoPatients()
		w.problem("GET "+api("/patients/p1"), shared.Problem{Status: 409, Code: shared.CodeReconnectNeeded})
		w.json("POST "+shared.PathConnect, shared.ConnectAnswer{AuthorizationURL: "https://login.example/auth"})
		b := openTab(t, w, shared.PagePatient)
		b.visit("/patients/c1/p1")
		b.settle()
		b.page.(*patientPage).reconnect(b.ctx, ui.Event{})
		b.settle()
		body := w.last("POST " + shared.PathConnect)
		for _, part := range []string{`"connection":"c1"`, `"page":"patient"`, `"patient":"p1"`, `"clinic":"https://harbour.example"`} {
			if !strings.Contains(body, part) {
				t.Errorf("the attempt lacks %s: %s", part, body)
			}
		}
	})
}

func TestUnknownOutcomeIsNeverSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := twoPatients()
		w.problem("POST "+api("/medical-record/observations"), shared.Problem{Status: 502, Code: shared.CodeOutcomeUnknown})
		b := openTab(t, w, shared.PagePatient)
		b.visit("/patients/c1/p1")
		b.settle()
		p := b.page.(*patientPage)
		p.openForm(b.ctx, ui.Event{})
		p.send(observation{Patient: "p1", Category: "exam", Note: "once"})
		b.settle()
		b.shows(`data-code="outcome_unknown"`)
		p.repeat() // "Look again"
		b.settle()
		if n := w.count("POST " + api("/medical-record/observations")); n != 1 {
			t.Errorf("sent %d times, want once", n)
		}
		if n := w.count("GET " + api("/medical-record/observations")); n != 2 {
			t.Errorf("the list was read %d times, want 2", n)
		}
	})
}

func TestSignedOutLeavesTheDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.problem("GET "+shared.PathConnections, shared.Problem{Status: 401, Code: shared.CodeSignedOut})
		b := openTab(t, w, shared.PageHome)
		b.visit("/")
		b.settle()
		if !b.shell.leaving.Load() {
			t.Error("the page stays although the session has ended")
		}
	})
}

func TestPanicBecomesABanner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openTab(t, newWire(), shared.PageHome)
		b.visit("/")
		b.settle()
		b.shell.safe(func(ui.Context, ui.Event) { panic("Testa Fixture") })(b.ctx, ui.Event{})
		b.shows(`data-test="crashed"`)
		b.hides("Testa")
		b.hides(`data-test="clinics"`)
	})
}

func TestSessionNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.json("GET "+shared.PathSession, shared.Session{IdleSeconds: 300, EndsSeconds: 4000})
		b := openTab(t, w, shared.PageHome)
		b.visit("/")
		b.settle()
		b.hides(`data-test="session-ending"`)
		time.Sleep(250 * time.Second)
		b.shell.tick()
		b.shows(`data-test="session-ending"`)
		b.settle() // Another tab was active meanwhile: the server says 300 s again.
		b.hides(`data-test="session-ending"`)
	})
}

// TestConnectLeadsBack: a new connection comes back to the page that it was begun from.
func TestConnectLeadsBack(t *testing.T) {
	for name, c := range map[string]struct{ before, want string }{
		"from connections": {"/connections", `"page":"connections"`},
		"from a patient":   {"/patients/c1/p1", `"patient":"p1"`},
		"at once":          {"", `"page":"home"`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := twoPatients()
				w.json("GET "+shared.PathPlatforms, shared.Platforms{Platforms: []shared.Platform{{ID: "jane", Clinics: []shared.ClinicLink{{URL: "https://one.example"}}}}})
				w.json("POST "+shared.PathConnect, shared.ConnectAnswer{AuthorizationURL: "https://login.example/auth"})
				b := openTab(t, w, shared.PageConnect)
				if c.before != "" {
					found, params, _ := shared.MatchPage(c.before)
					b.shell.from = (&page{name: found.Name, params: params}).here()
				}
				b.visit("/connections/new")
				b.settle()
				b.page.(*connectPage).start()
				b.settle()
				if body := w.last("POST " + shared.PathConnect); !strings.Contains(body, c.want) {
					t.Errorf("the attempt lacks %s: %s", c.want, body)
				}
			})
		})
	}
}
