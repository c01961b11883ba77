package tokens_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/platform"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// TestLaunchContextIsKept: what an EHR has launched stands beside the tokens, and stays through refreshes that say nothing of
// it and through a restart.
func TestLaunchContextIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, athenaOptions{})
		c, err := e.keeper.Redeem(context.Background(), e.launched("p1", robin, e.patients[1].ID, func(a *vault.Attempt) {
			a.Scopes = append(a.Scopes, "offline_access")
		}))
		must(t, err)
		want := c.Launch
		if want.Kind != "ehr" || want.Patient != e.patients[1].ID || want.Encounter != e.patients[1].Encounter || want.Banner != "yes" ||
			want.StyleURL == "" || want.Tenant == "" || len(want.References) != 1 {
			t.Fatalf("launched for %+v", want)
		}
		for range 3 {
			pass(almost)
			e.fresh("p1", c.ID)
		}
		e.restart()
		for what, got := range map[string]vault.LaunchContext{"record": e.record(c.ID).Launch, "view": e.view("p1", c.ID).Launch} {
			if got.Patient != want.Patient || got.Encounter != want.Encounter || got.Kind != want.Kind || !slices.Equal(got.References, want.References) {
				t.Errorf("the %s is for %+v", what, got)
			}
		}
		if e.count("token/refresh_token") != 3 {
			t.Errorf("%d refreshes", e.count("token/refresh_token"))
		}
	})
}

// TestTwoPatientsInTwoTabs: launches for two patients never share a token, whatever is done with one of them; the same patient
// again is the same connection.
func TestTwoPatientsInTwoTabs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, athenaOptions{})
		var both [2]string
		var tabs sync.WaitGroup
		rs := []tokens.Redemption{e.launched("p1", robin, e.patients[0].ID, nil), e.launched("p1", robin, e.patients[1].ID, nil)}
		for i, r := range rs {
			tabs.Go(func() {
				c, err := e.keeper.Redeem(context.Background(), r)
				if err != nil {
					t.Error(err)
				}
				both[i] = c.ID
			})
		}
		tabs.Wait()
		standing := e.join("p1", robin, nil)
		if both[0] == both[1] || slices.Contains(both[:], standing) || e.records() != 3 {
			t.Fatalf("connections %q and %q", both, standing)
		}
		tokens := map[string]bool{}
		for i, id := range both {
			lease := e.fresh("p1", id)
			tokens[lease.Access.Reveal()] = true
			if e.view("p1", id).Launch.Patient != e.patients[i].ID {
				t.Errorf("%q is for %q", id, e.view("p1", id).Launch.Patient)
			}
		}
		if tokens[e.fresh("p1", standing).Access.Reveal()] || len(tokens) != 2 {
			t.Error("a token is shared")
		}
		pass(10 * time.Minute)
		first := e.record(both[0])
		if again := e.launch("p1", robin, e.patients[1].ID); again != both[1] {
			t.Errorf("the same patient again is %q, was %q", again, both[1])
		}
		if e.record(both[0]).Generation != first.Generation || e.records() != 3 {
			t.Error("the other tab's connection was touched")
		}
		if ends := e.view("p1", both[1]).EndsAt; !ends.Equal(time.Now().Add(time.Hour)) {
			t.Errorf("it ends at %v", ends)
		}
		if other := e.launch("p1", noor, e.patients[1].ID); slices.Contains(both[:], other) || other == standing {
			t.Error("another person's launch took its place")
		}
	})
}

// TestReconnectRefusesAnotherPatient: the wrong patient is refused, what came of it revoked, and nothing is touched.
func TestReconnectRefusesAnotherPatient(t *testing.T) {
	for name, patient := range map[string]int{"another patient": 1, "none": -1} {
		t.Run(name, func(t *testing.T) {
			e := newEHR(t, athenaOptions{})
			id := e.join("p1", robin, standalone)
			before := e.record(id)
			chosen := ""
			if patient >= 0 {
				chosen = e.patients[patient].ID
			}
			_, err := e.keeper.Redeem(context.Background(), e.approve("p1", robin, chosen, "", func(a *vault.Attempt) {
				a.Connection = id
				if patient >= 0 {
					standalone(a)
				}
			}))
			wantKind(t, err, tokens.WrongPerson, tokens.CauseWrongPatient)
			if after := e.record(id); after.Generation != before.Generation || e.records() != 1 || e.chains() != 1 {
				t.Errorf("%d records, %d chains", e.records(), e.chains())
			}
			c, err := e.keeper.Redeem(context.Background(), e.approve("p1", robin, e.patients[0].ID, "", func(a *vault.Attempt) {
				standalone(a)
				a.Connection = id
			}))
			if must(t, err); c.ID != id {
				t.Errorf("the same patient is %q, was %q", c.ID, id)
			}
		})
	}
}

// TestContextThatNobodyAskedFor: a server may tell a patient unasked; the chain is that patient's then as any launched one.
func TestContextThatNobodyAskedFor(t *testing.T) {
	e := newEHR(t, athenaOptions{})
	r := e.approve("p1", robin, "", "", nil)
	e.face.AlterAnswer(func(a map[string]any) { a["patient"] = e.patients[1].ID })
	c, err := e.keeper.Redeem(context.Background(), r)
	must(t, err)
	if view := e.view("p1", c.ID); view.Launch.Patient != e.patients[1].ID || view.Launch.Kind != "" {
		t.Errorf("it is for %+v", view.Launch)
	}
	if other := e.join("p1", robin, nil); other == c.ID {
		t.Error("one without a patient took its place")
	}
}

// TestDisconnectRevokesItsOwn: the chains of one person are independent of one another, so that one is revoked and the other
// lives.
func TestDisconnectRevokesItsOwn(t *testing.T) {
	e := newEHR(t, athenaOptions{})
	id, other := e.join("p1", robin, standalone), e.join("p1", robin, nil)
	before := e.record(id)
	e.disconnect("p1", id, tokens.EndedRevoked)
	if e.chains() != 1 {
		t.Errorf("%d chains live on", e.chains())
	}
	found, err := e.live().OAuth.Introspect(context.Background(), before.Refresh, "refresh_token")
	if err != nil || found.Active {
		t.Errorf("its refresh token is active: %v, %v", found.Active, err)
	}
	if _, err := e.keeper.Refused(context.Background(), e.fresh("p1", other)); err != nil {
		t.Errorf("the other has ended: %v", err)
	}
}

// TestReconnectRevokesTheOldChain: what a new chain has replaced is given back, as nobody holds it any more; the new one lives.
func TestReconnectRevokesTheOldChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, athenaOptions{})
		id := e.join("p1", robin, nil)
		pass(time.Minute)
		if again := e.join("p1", robin, nil); again != id {
			t.Errorf("%q and %q", id, again)
		}
		pass(time.Minute)
		if e.chains() != 1 || e.waiting() != 0 {
			t.Errorf("%d chains live, %d revocations wait", e.chains(), e.waiting())
		}
		pass(almost)
		e.fresh("p1", id)
		wantState(t, e.view("p1", id), tokens.StateConnected, "")
		if steps := whats(e.life("p1", id).Steps); slices.Contains(steps, tokens.StepRevoked) {
			t.Errorf("its life is %q", steps)
		}
	})
}

// TestWithoutOfflineAccess: the connection shows its end from the first moment, is not refreshed, ends by itself with a cause
// that says what to do, and a launched one is swept a day later. No call is needed for any of it.
func TestWithoutOfflineAccess(t *testing.T) {
	for _, c := range []struct {
		name        string
		make        func(e *ehr) string
		cause, next string
		swept       bool
	}{
		{"launched", func(e *ehr) string { return e.launch("p1", robin, "") }, tokens.CauseLaunchEnded, tokens.NextLaunch, true},
		{"standing", func(e *ehr) string { return e.join("p1", robin, without("offline_access")) }, tokens.CauseNoRefresh, tokens.NextReconnect, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told := make(chan string, 8)
				e := newEHR(t, athenaOptions{options: options{keep: true, notify: func(_, _, state, cause string) { told <- state + " " + cause }}})
				id := c.make(e)
				view := e.view("p1", id)
				wantState(t, view, tokens.StateConnected, "")
				if !view.EndsAt.Equal(time.Now().Add(time.Hour)) || view.KeptFor != 0 || view.FreshFor != time.Hour {
					t.Errorf("ends at %v, kept for %v", view.EndsAt, view.KeptFor)
				}
				pass(59*time.Minute + 59*time.Second)
				e.fresh("p1", id)
				wantState(t, e.view("p1", id), tokens.StateConnected, "")
				pass(2 * time.Second)
				synctest.Wait()
				wantState(t, e.view("p1", id), tokens.StateReconnect, c.cause)
				if r := e.record(id); r.State != tokens.StateReconnect || r.Cause != c.cause {
					t.Errorf("stored as %q with %q", r.State, r.Cause)
				}
				if say := <-told; say != tokens.StateReconnect+" "+c.cause {
					t.Errorf("told %q", say)
				}
				_, err := e.keeper.Fresh(context.Background(), "p1", id)
				wantKind(t, err, tokens.ReconnectNeeded, c.cause)
				if life := e.life("p1", id); life.Remedy.Next != c.next || life.Remedy.By != tokens.ByPractitioner {
					t.Errorf("what helps is %+v", life.Remedy)
				}
				e.wantEvents("reconnect_needed", c.cause)
				if e.count("token/refresh_token") != 0 || e.count("introspect") != 0 {
					t.Error("the platform was asked")
				}
				e.sweep(id, true)
				pass(23 * time.Hour)
				e.sweep(id, true)
				pass(2 * time.Hour)
				e.sweep(id, !c.swept)
				if c.swept {
					if life := e.life("p1", id); life.View.State != tokens.StateEnded || life.Steps[len(life.Steps)-1].Code != c.cause {
						t.Errorf("its life is %+v", life)
					}
				}
			})
		})
	}
}

// sweep lets the hourly chore run, and looks whether the record is still there.
func (e *ehr) sweep(id string, stays bool) {
	e.t.Helper()
	_, err := e.keeper.Forget()
	must(e.t, err)
	_, gone := e.find(id)
	_, hidden := e.keeper.Get("p1", id)
	if (gone == nil) != stays || (hidden == nil) != stays {
		e.t.Errorf("record: %v, view: %v, stays: %v", gone, hidden, stays)
	}
}

// TestLaunchEndsOverARestart: an end that comes while Locum is stopped is written down at the next start, and a call that comes
// before that is told.
func TestLaunchEndsOverARestart(t *testing.T) {
	for name, keep := range map[string]bool{"by the background": true, "by a call": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEHR(t, athenaOptions{options: options{keep: keep}})
				id := e.launch("p1", robin, "")
				must(t, e.keeper.Close())
				pass(2 * time.Hour)
				e.openKeeper()
				wantState(t, e.view("p1", id), tokens.StateReconnect, tokens.CauseLaunchEnded)
				if keep {
					pass(time.Second)
				} else {
					_, err := e.keeper.Fresh(context.Background(), "p1", id)
					wantKind(t, err, tokens.ReconnectNeeded, tokens.CauseLaunchEnded)
				}
				if r := e.record(id); r.Cause != tokens.CauseLaunchEnded {
					t.Errorf("stored as %q with %q", r.State, r.Cause)
				}
			})
		})
	}
}

// TestNinetyDays: an unused refresh token is kept alive within the ninety days that athenahealth's answers do not state, with
// few refreshes; a chain that is never refreshed is over on the ninety-first day.
func TestNinetyDays(t *testing.T) {
	const day = 24 * time.Hour
	t.Run("kept alive", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := newEHR(t, athenaOptions{options: options{keep: true}})
			id := e.join("p1", robin, nil)
			for range 20 {
				pass(10 * day)
				if view := e.view("p1", id); view.State != tokens.StateConnected || view.KeptFor < 10*day || !view.EndsAt.IsZero() {
					t.Fatalf("%q with %q, kept for %v, ends at %v", view.State, view.Cause, view.KeptFor, view.EndsAt)
				}
			}
			if n := e.count("token/refresh_token"); n < 3 || n > 6 { // each 60 to 75 days, and once more in the first hour
				t.Errorf("%d refreshes in 200 days", n)
			}
		})
	})
	t.Run("never used", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := newEHR(t, athenaOptions{})
			id := e.join("p1", robin, nil)
			pass(89 * day)
			if view := e.view("p1", id); view.State != tokens.StateConnected || view.KeptFor != day {
				t.Errorf("%q, kept for %v", view.State, view.KeptFor)
			}
			pass(day + time.Minute)
			wantState(t, e.view("p1", id), tokens.StateReconnect, tokens.CauseExpired)
			_, err := e.keeper.Fresh(context.Background(), "p1", id)
			wantKind(t, err, tokens.ReconnectNeeded, tokens.CauseExpired)
		})
	})
	t.Run("as it is configured", func(t *testing.T) {
		e := newEHR(t, athenaOptions{change: func(c *platform.AppConfig) { c.Refresh.Window = 30 * day }})
		if view := e.view("p1", e.join("p1", robin, nil)); view.KeptFor.Round(time.Hour) != 30*day {
			t.Errorf("kept for %v", view.KeptFor)
		}
	})
}

// TestOnlineAccess: a chain that is to live while its person is there has no ninety days, and nothing keeps it alive while they
// are away.
func TestOnlineAccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here := true
		var mu sync.Mutex
		e := newEHR(t, athenaOptions{options: options{keep: true, signedIn: func(string) bool {
			mu.Lock()
			defer mu.Unlock()
			return here
		}}})
		id := e.join("p1", robin, func(a *vault.Attempt) {
			without("offline_access")(a)
			a.Scopes = append(a.Scopes, "online_access")
		})
		if c := e.record(id); c.Refresh.Empty() || c.RefreshExpiresIn != 0 || !slices.Contains(c.RefreshScopes, "online_access") {
			t.Fatalf("it lives for %v, asks for %q", c.RefreshExpiresIn, c.RefreshScopes)
		}
		for range 3 {
			pass(almost)
			e.fresh("p1", id)
		}
		mu.Lock()
		here = false
		mu.Unlock()
		used := e.count("token/refresh_token")
		pass(7 * 24 * time.Hour)
		if n := e.count("token/refresh_token"); n > used+1 {
			t.Errorf("%d refreshes for nobody", n-used)
		}
	})
}

// TestALaunchIsRepairedByALaunch: whatever has ended a connection that an EHR launched, the EHR opens it again.
func TestALaunchIsRepairedByALaunch(t *testing.T) {
	e := newEHR(t, athenaOptions{})
	c, err := e.keeper.Redeem(context.Background(), e.launched("p1", robin, "", func(a *vault.Attempt) { a.Scopes = append(a.Scopes, "offline_access") }))
	must(t, err)
	e.face.Revoke(robin)
	_, err = e.keeper.Refused(context.Background(), e.fresh("p1", c.ID))
	wantKind(t, err, tokens.ReconnectNeeded, tokens.CauseInvalidGrant)
	if life := e.life("p1", c.ID); life.Remedy.Next != tokens.NextLaunch || life.Remedy.By != tokens.ByPractitioner {
		t.Errorf("what helps is %+v", life.Remedy)
	}
}

// TestNoScopeIsAskedTwice: what a launch asks for is asked at the authorization alone.
func TestNoScopeIsAskedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, athenaOptions{})
		c, err := e.keeper.Redeem(context.Background(), e.launched("p1", robin, "", func(a *vault.Attempt) { a.Scopes = append(a.Scopes, "offline_access") }))
		must(t, err)
		pass(almost)
		e.fresh("p1", c.ID)
		for _, sent := range e.refreshed() {
			if slices.Contains(strings.Fields(sent), "launch") {
				t.Errorf("asked for %q", sent)
			}
		}
		if !slices.Contains(e.view("p1", c.ID).Scopes, "launch") {
			t.Errorf("it has %q", e.view("p1", c.ID).Scopes)
		}
	})
}

// TestALaunchThatNamesNoPractice: all practices share one server, so that only the answer says whose patient it is.
func TestALaunchThatNamesNoPractice(t *testing.T) {
	e := newEHR(t, athenaOptions{})
	c, err := e.keeper.Redeem(context.Background(), e.launched("p1", robin, "", func(a *vault.Attempt) { a.Clinic = "" }))
	must(t, err)
	if view := e.view("p1", c.ID); view.Clinic != e.clinic || view.ClinicName != "The practice" {
		t.Errorf("it is at %q, %q", view.Clinic, view.ClinicName)
	}
	_, err = e.keeper.Redeem(context.Background(), e.launched("p1", abroad, "", func(a *vault.Attempt) { a.Clinic = "" }))
	wantKind(t, err, tokens.WrongClinic, tokens.CauseWrongClinic)
	if e.records() != 1 || e.chains() != 1 {
		t.Errorf("%d records, %d chains", e.records(), e.chains())
	}
}
