package app

import (
	"testing"
	"testing/synctest"
	"time"

	"locum/shared"
)

// TestChangesShowAtOnce, before anything is asked; and what is asked afterwards is asked once, by a page that shows it.
func TestChangesShowAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b := newWire(), &tabbing{}
		shown, _ := listening(t, w, shared.PageConnections, "/connections", b)
		open := w.gate(readAll)
		for i, from := range []func(){
			func() {
				b.fromTab(`connection m1 {"connection":"c1","state":"needs_reconnect","cause":"session_idle"}`)
			},
			func() { b.fromTab(`connection m2 {"connection":"c9","state":"degraded"}`) },
			func() { b.fromTab(`budget  {"connection":"c1"}`) },
		} {
			from()
			shown.settle()
			shown.shows(`data-state="needs_reconnect"`)
			if n := w.count(readAll); n != 1 {
				t.Errorf("asked %d times after %d changes", n, i+1)
			}
		}
		time.Sleep(time.Second)
		b.fromTab(`connection m3 {"connection":"c1","state":"degraded"}`)
		synctest.Wait()
		if n := w.count(readAll); n != 2 {
			t.Errorf("asked %d times while the first question waited", n)
		}
		open()
		time.Sleep(10 * time.Second)
		shown.settle()
		if n := w.count(readAll); n != 3 { // one for what changed, one for what changed while that waited
			t.Errorf("asked %d times", n)
		}
		shown.shows(`data-state="connected"`) // what the server says
		b.fromTab(`connection m4 {"connection":"c1","state":"ended"}`)
		shown.settle()
		shown.hides(`data-connection="c1"`)
		time.Sleep(time.Second)
		shown.settle()
	})
}

// TestBudgetsAreAskedForWhereTheyAreSeen, and not while the page's own answers tell them.
func TestBudgetsAreAskedForWhereTheyAreSeen(t *testing.T) {
	for name, c := range map[string]struct {
		page, path, connection string
		after                  time.Duration
		asked                  int
	}{
		"connections":           {shared.PageConnections, "/connections", "c7", time.Minute, 1},
		"the clinic":            {shared.PagePatients, "/patients/c1", "c1", time.Minute, 1},
		"the clinic's own call": {shared.PagePatients, "/patients/c1", "c1", time.Second, 0},
		"another clinic":        {shared.PagePatients, "/patients/c1", "c2", time.Minute, 0},
		"home":                  {shared.PageHome, "/", "c1", time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, b := twoPatients(), &tabbing{}
				w.json("GET "+api("/patients"), listing[patient]{})
				shown, _ := listening(t, w, c.page, c.path, b)
				time.Sleep(c.after)
				before := w.count(readAll)
				for range 50 {
					b.fromTab(`budget  {"connection":"` + c.connection + `"}`)
					synctest.Wait()
				}
				time.Sleep(time.Minute)
				shown.settle()
				if n := w.count(readAll) - before; n < c.asked || n > 2*c.asked {
					t.Errorf("asked %d times after fifty budgets, want %d", n, c.asked)
				}
			})
		})
	}
}
