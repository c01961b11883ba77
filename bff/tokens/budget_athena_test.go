package tokens_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/tokens"
)

// TestT049Athena: the answer of a refresh is lost, by a server that gives the same token again and by one that rotates with a
// leeway, of neither of which anything is known; Locum goes on, is killed and comes back at once, or a minute later. It asks
// by GET, with the hint that athenahealth requires. No spent token is ever presented beyond its leeway.
func TestT049Athena(t *testing.T) {
	for _, kind := range []sandbox.Kind{sandbox.KindO0, sandbox.KindO1} {
		for name, after := range map[string]time.Duration{"in process": -1, "killed": 0, "killed for a minute": time.Minute} {
			t.Run("T049 "+string(kind)+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newEHR(t, athenaOptions{options: options{keep: true}})
					e.face.SetKind(kind)
					id := e.join("p1", robin, nil)
					e.sandbox.LoseNextResponse(e.at("token/refresh_token"))
					pass(54*time.Minute + time.Second)
					if e.count("token/refresh_token") != 1 {
						t.Fatalf("%d refreshes", e.count("token/refresh_token"))
					}
					if after >= 0 {
						e.crash()
					}
					if after > 0 {
						must(t, e.keeper.Close())
						pass(after)
						e.openKeeper()
					}
					pass(2 * time.Minute)
					if kind == sandbox.KindO1 && after > 0 {
						wantState(t, e.view("p1", id), tokens.StateReconnect, tokens.CauseLostAnswer)
					} else {
						wantState(t, e.view("p1", id), tokens.StateConnected, "")
						pass(time.Hour)
						wantState(t, e.view("p1", id), tokens.StateConnected, "")
					}
					if p := e.face.Presented(); p.Inactive != 0 {
						t.Errorf("presented %+v", p)
					}
				})
			})
		}
	}
}

// TestTokenBudgetAthena: more connections than the fifty requests a minute that athenahealth allows, all due at once, with a
// service's requests among them: no window of a minute holds more, nobody is refused, and none is lost.
func TestTokenBudgetAthena(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, athenaOptions{options: options{keep: true}})
		e.face.SetTokenLimit(sandbox.Limit{N: 50, Window: time.Minute})
		id := e.join("p", robin, nil)
		must(t, e.keeper.Close())
		ids := e.copies(id, 180)
		e.openKeeper()
		live := e.live()
		for i := range 8 {
			pass(10 * time.Minute)
			for range 5 * (i % 2) { // of a client that may not: what counts is that it asks
				heard, err := e.keeper.Admit(athena)
				if err != nil {
					t.Errorf("held up: %v", err)
					continue
				}
				answer, err := live.OAuth.ClientCredentials(context.Background(), []string{"system/Patient.read"})
				heard(answer, err)
			}
		}
		for _, one := range ids {
			wantState(t, e.view("p"+one[len(id)+1:], one), tokens.StateConnected, "")
			if c := e.record(one); !c.RefreshedAt.After(c.ConnectedAt) {
				t.Errorf("%q was not refreshed", one)
			}
		}
		late := 0
		for _, r := range e.sandbox.Requests() {
			if r.Where == e.at("token/refresh_token") && r.Status == 429 {
				late++
			}
		}
		if worst := e.face.WorstTokens(clientID); worst > 50 || worst < 20 || late != 0 {
			t.Errorf("%d requests in one minute, %d refused", worst, late)
		}
	})
}

// TestPreviewBudget: five a minute, as preview is configured, keep what is in use alive.
func TestPreviewBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, athenaOptions{options: options{keep: true}, change: func(c *platform.AppConfig) { c.Refresh.PerMinute = 5 }})
		e.face.SetTokenLimit(sandbox.Limit{N: 5, Window: time.Minute})
		id := e.join("p", robin, nil)
		must(t, e.keeper.Close())
		ids := e.copies(id, 20)
		e.openKeeper()
		for range 24 {
			pass(5 * time.Minute)
			for i := range ids {
				_, err := e.keeper.Fresh(context.Background(), "p"+ids[i][len(id)+1:], ids[i])
				must(t, err)
			}
		}
		if worst := e.face.WorstTokens(clientID); worst > 5 {
			t.Errorf("%d requests in one minute", worst)
		}
	})
}
