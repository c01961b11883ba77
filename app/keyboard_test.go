package app

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/shared"
)

// between answers the part of html from the first occurrence of start to the next of end.
func between(html, start, end string) string {
	_, rest, _ := strings.Cut(html, start)
	part, _, _ := strings.Cut(rest, end)
	return part
}

// What changes each second would be read out each second by a screen reader, were it not kept from it.
func TestWhatCountsDownIsReadOutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.problem("GET "+api("/appointments"), shared.Problem{Code: shared.CodeBudgetSpent, Status: 429, RetryAfter: 40})
		b := openTab(t, w, shared.PageSchedule)
		b.visit("/schedule/c1")
		b.settle()
		if notice := between(b.html(), `role="alert"`, "40 seconds"); !strings.Contains(notice[strings.LastIndex(notice, "<p"):], `aria-live="off"`) {
			t.Errorf("the pause is announced each second: %s", notice)
		}
		b.shell.session, b.shell.sessionAt = shared.Session{IdleSeconds: 30, EndsSeconds: 900}, time.Now()
		if line := between(b.html(), `data-test="session-ending"`, "30 seconds"); !strings.Contains(line, `aria-live="off"`) {
			t.Errorf("the end of the session is announced each second: %s", line)
		}
	})
}

func TestComplaintsNameTheirField(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openTab(t, twoPatients(), shared.PagePatient)
		b.visit("/patients/c1/p1")
		b.settle()
		p := b.page.(*patientPage)
		p.openForm(b.ctx, ui.Event{})
		b.hides("aria-invalid")
		p.complain("Enter a number.", idValue(1))
		for _, field := range strings.Split(b.html(), "<input")[1:] {
			field, _, _ = strings.Cut(field, ">")
			wrong := strings.Contains(field, `id="`+idValue(1)+`"`)
			if wrong != strings.Contains(field, "aria-invalid") || wrong != strings.Contains(field, `aria-describedby="`+idComplaint+`"`) {
				t.Errorf("marked as wrong: %s", field)
			}
		}
		p.endForm()
		b.hides("aria-invalid")
	})
}

func TestSearchIsKeptForOnesWayBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := twoPatients()
		w.json("GET "+api("/patients?"), listing[patient]{})
		w.json("POST "+api("/patients/search"), listing[patient]{Items: []patient{{ID: "p1", First: "Testa", Last: "Fixture"}}})
		s := openTab(t, w, shared.PagePatients)
		s.visit("/patients/c1")
		s.settle()
		s.page.(*patientsPage).text = "fixt"
		s.page.(*patientsPage).load()
		s.settle()
		asked := w.count("POST " + api("/patients/search"))
		back := func(from, path string) int {
			s.shell.page = &page{shell: s.shell, name: from, params: map[string]string{"connection": "c1", "patient": "p1"}}
			s.visit(path)
			s.settle()
			return w.count("POST "+api("/patients/search")) - asked
		}
		if back(shared.PagePatient, "/patients/c1") != 1 {
			t.Error("coming back from a patient forgets what was searched")
		}
		if s.page.(*patientsPage).wanted != "fixt" {
			t.Error("the search field and the list say different things")
		}
		asked++
		if back(shared.PageSchedule, "/patients/c1") != 0 {
			t.Error("coming from elsewhere keeps an old search")
		}
	})
}

func TestRecordingCanBeAllowedWhereItIsMissed(t *testing.T) {
	for name, c := range map[string]struct {
		scopes, more string
		add, allow   bool
	}{
		"granted":          {"observations:read observations:create", "", true, false},
		"to be allowed":    {"observations:read", "observations:create observations:update", false, true},
		"correcting alone": {"observations:read", "observations:update", false, false},
		"not offered":      {"observations:read", "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, connection := twoPatients(), clinicOne()
				connection.Scopes, connection.More = append(strings.Fields(c.scopes), "patients:read"), strings.Fields(c.more)
				w.json("GET "+shared.PathConnections, shared.Connections{Connections: []shared.Connection{connection}})
				b := openTab(t, w, shared.PagePatient)
				b.visit("/patients/c1/p1")
				b.settle()
				html := b.html()
				if got := strings.Contains(html, `data-test="observation-add"`); got != c.add {
					t.Errorf("adding is offered: %v", got)
				}
				if got := strings.Contains(html, `data-test="observation-allow"`); got != c.allow {
					t.Errorf("allowing is offered: %v", got)
				}
			})
		})
	}
}

func TestClinicBarDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openTab(t, newWire(), shared.PageSchedule)
		b.visit("/schedule/nobodys")
		b.settle()
		if bar := between(b.html(), `<section`, ">"); !strings.Contains(bar, "hidden") {
			t.Errorf("a clinic that will not come is still awaited: %s", bar)
		}
	})
}

func TestUnreachableIsNotCalledFresh(t *testing.T) {
	for state, fresh := range map[string]bool{shared.StateConnected: true, shared.StateDegraded: false, shared.StateReconnect: false} {
		t.Run(state, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, connection := newWire(), clinicOne()
				connection.State, connection.FreshSeconds = state, 300
				w.json("GET "+shared.PathConnections, shared.Connections{Connections: []shared.Connection{connection}})
				b := openTab(t, w, shared.PageConnections)
				b.visit("/connections")
				b.settle()
				if got := strings.Contains(b.html(), "fresh for another"); got != fresh {
					t.Errorf("said to be fresh: %v", got)
				}
			})
		})
	}
}

func TestAddress(t *testing.T) {
	for typed, want := range map[string]string{
		" Harbour.example ":         "harbour.example",
		"https://HARBOUR.example\t": "https://harbour.example",
	} {
		if got := address(typed); got != want {
			t.Errorf("address(%q) = %q, want %q", typed, got, want)
		}
	}
}
