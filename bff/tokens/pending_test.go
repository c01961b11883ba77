package tokens_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/oauth"
	"locum/bff/secret"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// await redeems a launch of which nobody knows yet whose it is.
func (e *ehr) await(login, patient string) tokens.LaunchResult {
	e.t.Helper()
	r, err := e.keeper.RedeemLaunch(context.Background(), e.launched("", login, patient, func(a *vault.Attempt) { a.Session = "" }))
	must(e.t, err)
	return r
}

func (e *ehr) adopt(pending, practitioner string) vault.Connection {
	e.t.Helper()
	c, err := e.keeper.Adopt(context.Background(), pending, practitioner)
	must(e.t, err)
	return c
}

// TestPendingIsAdopted: a chain that nobody has adopted is nobody's connection, and then one person's, once.
func TestPendingIsAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, athenaOptions{options: options{keep: true}})
		r := e.await(robin, e.patients[1].ID)
		who := e.face.People()[0]
		if r.Issuer != e.face.Issuer() || r.Subject != who.Subject || r.FHIRUser != who.FHIRUser || r.Launch.Patient != e.patients[1].ID ||
			r.Launch.Kind != "ehr" || r.Clinic != e.clinic || r.Platform != athena || !r.ExpiresAt.Equal(time.Now().Add(10*time.Minute)) {
			t.Errorf("it is %+v", r)
		}
		for _, practitioner := range []string{"", "p1"} {
			if views := e.list(practitioner); len(views) != 0 {
				t.Errorf("%q sees %d connections", practitioner, len(views))
			}
			_, err := e.keeper.Fresh(context.Background(), practitioner, r.Pending)
			wantKind(t, err, tokens.NotFound, tokens.CauseNotOurs)
		}
		e.wantEvents("connect")
		_, err := e.keeper.Adopt(context.Background(), r.Pending, "")
		wantKind(t, err, tokens.NotFound, tokens.CauseNotOurs)
		pass(9 * time.Minute)
		if again, ok := e.keeper.Pending(r.Pending); !ok || again.Subject != r.Subject {
			t.Error("it does not wait any more")
		}
		c := e.adopt(r.Pending, "p1")
		if c.ID != r.Pending || c.Practitioner != "p1" || e.records() != 1 {
			t.Errorf("adopted as %q by %q", c.ID, c.Practitioner)
		}
		if view := e.view("p1", c.ID); view.FreshFor != 51*time.Minute || view.Launch.Patient != e.patients[1].ID {
			t.Errorf("fresh for %v", view.FreshFor)
		}
		e.fresh("p1", c.ID)
		e.wantEvents("connect", "")
		for _, practitioner := range []string{"p1", "p2"} {
			_, err := e.keeper.Adopt(context.Background(), r.Pending, practitioner)
			wantKind(t, err, tokens.NotFound, tokens.CauseNotOurs)
		}
		e.keeper.Abandon(r.Pending) // too late
		pass(20 * time.Minute)
		if e.view("p1", c.ID).State != tokens.StateConnected || e.chains() != 1 || e.count("revoke") != 0 {
			t.Error("the deadline of what was adopted came all the same")
		}
	})
}

// TestPendingRenewsInPlace: the same person's launch for the same patient takes the place of the chain before, another patient
// makes a new connection, and neither touches what stands.
func TestPendingRenewsInPlace(t *testing.T) {
	e := newEHR(t, athenaOptions{})
	standing := e.join("p1", robin, nil)
	first := e.adopt(e.await(robin, "").Pending, "p1")
	again := e.adopt(e.await(robin, "").Pending, "p1")
	other := e.adopt(e.await(robin, e.patients[1].ID).Pending, "p1")
	without := e.adopt(e.await(robin, "-").Pending, "p1")
	if again.ID != first.ID || other.ID == first.ID || without.ID == first.ID || without.ID == standing || e.records() != 4 {
		t.Errorf("connections %q, %q, %q, %q", first.ID, again.ID, other.ID, without.ID)
	}
	e.wantEvents("connect", "", "", "reconnect", "", "")
	if c := e.record(standing); c.Refresh.Empty() || !c.EndsAt.IsZero() {
		t.Error("the standing connection was touched")
	}
}

// TestPendingIsGivenBack: what nobody adopts is revoked and forgotten, whichever way that comes to be.
func TestPendingIsGivenBack(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(e *ehr, pending string)
	}{
		{"abandoned", func(e *ehr, pending string) { e.keeper.Abandon(pending); e.keeper.Abandon(pending) }},
		{"at its deadline", func(*ehr, string) { pass(10*time.Minute + time.Second) }},
		{"at the next start", func(e *ehr, _ string) { e.restart() }},
		{"at the start after a kill -9", func(e *ehr, _ string) { e.crash() }},
		{"at a start long after", func(e *ehr, _ string) {
			must(e.t, e.keeper.Close())
			pass(30 * time.Minute)
			e.openKeeper()
		}},
		{"adopted too late", func(e *ehr, pending string) {
			e.keeper.Halt() // nothing looks at deadlines any more
			pass(10*time.Minute + time.Millisecond)
			_, err := e.keeper.Adopt(context.Background(), pending, "p1")
			wantKind(e.t, err, tokens.NotFound, tokens.CauseNotOurs)
		}},
		{"when the platform is down just then", func(e *ehr, pending string) {
			e.sandbox.Fail(e.at("revoke"), 503, 3)
			e.keeper.Abandon(pending)
			pass(time.Minute)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEHR(t, athenaOptions{})
				r, err := e.keeper.RedeemLaunch(context.Background(), e.launched("", robin, "", func(a *vault.Attempt) { a.Scopes = append(a.Scopes, "offline_access") }))
				must(t, err)
				if e.chains() != 1 || e.records() != 1 {
					t.Fatalf("%d chains, %d records", e.chains(), e.records())
				}
				c.end(e, r.Pending)
				synctest.Wait()
				if e.chains() != 0 || e.records() != 0 || e.waiting() != 0 {
					t.Errorf("%d chains live on, %d records, %d revocations wait", e.chains(), e.records(), e.waiting())
				}
				if _, waits := e.keeper.Pending(r.Pending); waits {
					t.Error("it waits on")
				}
				_, err = e.keeper.Adopt(context.Background(), r.Pending, "p1")
				wantKind(t, err, tokens.NotFound, tokens.CauseNotOurs)
			})
		})
	}
}

// TestPendingRefuses: what makes no connection makes no pending one either.
func TestPendingRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(e *ehr)
		kind  tokens.Kind
		code  string
	}{
		{"a forged id_token", func(e *ehr) {
			e.face.AlterAnswer(func(a map[string]any) { a["id_token"] = forged(a["id_token"].(string)) })
		}, tokens.BadToken, tokens.CauseBadToken},
		{"a patient of another practice", func(e *ehr) { e.face.AlterAnswer(func(a map[string]any) { a["patient"] = "a-195901.E-1" }) }, tokens.WrongClinic, tokens.CauseWrongClinic},
		{"T033 answer lost", func(e *ehr) { e.sandbox.LoseNextResponse(e.at("token/authorization_code")) }, tokens.Unknown, tokens.CauseNoAnswer},
		{"503", func(e *ehr) { e.sandbox.Fail(e.at("token"), 503, 1) }, tokens.Unavailable, tokens.CauseUnavailable},
		{"T051 wrong secret", func(e *ehr) { e.setSecret("SBX-wrong") }, tokens.Misconfigured, tokens.CauseInvalidClient},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEHR(t, athenaOptions{})
			r := e.launched("", robin, "", nil)
			c.spoil(e)
			got, err := e.keeper.RedeemLaunch(context.Background(), r)
			wantKind(t, err, c.kind, c.code)
			if _, waits := e.keeper.Pending(got.Pending); waits || e.records() != 0 || e.count("token/authorization_code") != 1 {
				t.Errorf("%d records, %d exchanges", e.records(), e.count("token/authorization_code"))
			}
		})
	}
}

// TestOneAdopts: of several who adopt at once one has it.
func TestOneAdopts(t *testing.T) {
	e := newEHR(t, athenaOptions{})
	r := e.await(robin, "")
	var all sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for _, practitioner := range []string{"p1", "p2", "p1", "p2", "p1", "p2"} {
		all.Go(func() {
			if _, err := e.keeper.Adopt(context.Background(), r.Pending, practitioner); err == nil {
				mu.Lock()
				made++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if made != 1 || len(e.list("p1"))+len(e.list("p2")) != 1 || e.records() != 1 {
		t.Errorf("adopted %d times, %d records", made, e.records())
	}
}

// TestPendingWithoutAudit: no audit, no connection; it waits, so that nothing is lost, and ends as any other.
func TestPendingWithoutAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, athenaOptions{})
		r := e.await(robin, "")
		must(t, e.audit.Close())
		_, err := e.keeper.Adopt(context.Background(), r.Pending, "p1")
		wantKind(t, err, tokens.Storage, tokens.CauseStorage)
		if _, waits := e.keeper.Pending(r.Pending); !waits || len(e.list("p1")) != 0 || e.records() != 1 {
			t.Errorf("waits %v, %d records", waits, e.records())
		}
		pass(11 * time.Minute)
		synctest.Wait()
		if e.records() != 0 || e.chains() != 0 {
			t.Errorf("%d records, %d chains live on", e.records(), e.chains())
		}
	})
}

// TestT088LoggedOutWhilePending: a login that its platform ends while nobody has adopted what came of it ends that too.
func TestT088LoggedOutWhilePending(t *testing.T) {
	for name, whose := range map[string]bool{"the same person": true, "another person": false} {
		t.Run(name, func(t *testing.T) {
			e := newEHR(t, athenaOptions{})
			r := e.await(robin, "")
			out := oauth.Logout{ID: "jti", Subject: r.Subject, ExpiresAt: time.Now().Add(time.Minute)}
			if !whose {
				out.Subject = "somebody"
			}
			ended := ""
			_, err := e.keeper.LoggedOut(athena, out, func(practitioner string) error { ended = practitioner; return nil })
			must(t, err)
			c, err := e.keeper.Adopt(context.Background(), r.Pending, "p1")
			if !whose {
				if must(t, err); ended != "" || e.view("p1", c.ID).State != tokens.StateConnected {
					t.Errorf("ended for %q", ended)
				}
				return
			}
			wantKind(t, err, tokens.ReconnectNeeded, tokens.CauseLoggedOut)
			if c := e.record(r.Pending); !c.Access.Empty() || ended != "p1" {
				t.Errorf("a token is kept; ended for %q", ended)
			}
		})
	}
}

// TestPendingIsBounded: who launches without end is told to wait, before the code is spent.
func TestPendingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, athenaOptions{})
		e.keeper.FillPending()
		r := e.launched("", robin, "", nil)
		_, err := e.keeper.RedeemLaunch(context.Background(), r)
		wantKind(t, err, tokens.Unavailable, tokens.CauseUnavailable)
		if e.count("token/authorization_code") != 0 {
			t.Error("the code was sent")
		}
	})
}

// TestT042Links: a person at the platform is one practitioner here. Nobody takes a link over, and no connection is made for
// anybody else with it.
func TestT042Links(t *testing.T) {
	e := newEHR(t, athenaOptions{})
	r := e.await(robin, "")
	if _, found, err := e.keeper.Linked(athena, r.Issuer, r.Subject); err != nil || found {
		t.Errorf("linked already: %v, %v", found, err)
	}
	must(t, e.keeper.LinkPending(r.Pending, "p1"))
	must(t, e.keeper.LinkPending(r.Pending, "p1"))
	wantKind(t, e.keeper.LinkPending(r.Pending, "p2"), tokens.WrongPerson, tokens.CauseLinkedElsewhere)
	wantKind(t, e.keeper.LinkPending("unknown", "p1"), tokens.NotFound, tokens.CauseNotOurs)
	link, found, err := e.keeper.Linked(athena, r.Issuer, r.Subject)
	if err != nil || !found || link.Practitioner != "p1" || link.FHIRUser != r.FHIRUser || link.CreatedAt.IsZero() {
		t.Errorf("the link is %+v, %v, %v", link, found, err)
	}
	for _, other := range [][3]string{{"another", r.Issuer, r.Subject}, {athena, "https://e.example", r.Subject}, {athena, r.Issuer, "another"}} {
		if _, found, _ := e.keeper.Linked(other[0], other[1], other[2]); found {
			t.Errorf("%q is linked too", other)
		}
	}
	t.Run("adopted by another", func(t *testing.T) {
		_, err := e.keeper.Adopt(context.Background(), r.Pending, "p2")
		wantKind(t, err, tokens.WrongPerson, tokens.CauseLinkedElsewhere)
		if e.records() != 0 {
			t.Errorf("%d records", e.records())
		}
	})
	t.Run("connected by another", func(t *testing.T) {
		_, err := e.keeper.Redeem(context.Background(), e.approve("p2", robin, "", "", nil))
		wantKind(t, err, tokens.WrongPerson, tokens.CauseLinkedElsewhere)
		if e.records() != 0 || e.chains() != 0 {
			t.Errorf("%d records, %d chains", e.records(), e.chains())
		}
	})
	t.Run("adopted by themselves", func(t *testing.T) {
		e.restart() // the link is kept
		if c := e.adopt(e.await(robin, "").Pending, "p1"); c.Practitioner != "p1" {
			t.Errorf("adopted by %q", c.Practitioner)
		}
		e.adopt(e.await(noor, "").Pending, "p2")
	})
	t.Run("disconnected", func(t *testing.T) {
		must(t, e.keeper.Close())
		_, err := tokens.DisconnectAll(e.vault, "p1", func(string) string { return "" })
		must(t, err)
		e.openKeeper()
		if _, found, err := e.keeper.Linked(athena, r.Issuer, r.Subject); err != nil || found {
			t.Errorf("linked still: %v, %v", found, err)
		}
	})
}

// TestAdmitCountsInTheBudget: the requests of another client of the platform are within its fifty a minute, and what the
// platform holds against one client does not concern the other.
func TestAdmitCountsInTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, athenaOptions{})
		live := e.live()
		id := e.join("p1", robin, nil)
		other := e.join("p2", noor, nil)
		granted, waited := 0, 0
		for range 60 {
			heard, err := e.keeper.Admit(athena)
			if err != nil {
				waited++
				wantKind(t, err, tokens.Unavailable, tokens.CauseUnavailable)
				continue
			}
			answer, err := live.OAuth.ClientCredentials(context.Background(), []string{"system/Patient.read"}) // of a client that may not
			heard(answer, err)
			granted++
		}
		if granted != 48 || waited != 12 { // two were the connections'
			t.Errorf("%d of the service's, %d told to wait, %d at the platform", granted, waited, e.count("token"))
		}
		pass(2 * time.Minute)
		wantState(t, e.view("p1", id), tokens.StateConnected, "")
		e.setSecret("SBX-wrong")
		pass(almost)
		_, err := e.keeper.Admit("unknown")
		wantKind(t, err, tokens.Misconfigured, tokens.CauseUnknownSystem)
		e.fresh("p1", id)
		wantState(t, e.view("p1", id), tokens.StateMisconfigured, tokens.CauseInvalidClient)
		began, asked := time.Now(), e.count("token/refresh_token")
		for range 3 {
			if heard, err := e.keeper.Admit(athena); err != nil || time.Since(began) > 0 {
				t.Errorf("held up by what is held against another: %v, %v", err, time.Since(began))
			} else {
				heard(oauth.Answer{Status: 200, Body: secret.New(`{"access_token":"of-a-service","expires_in":"300"}`), ReceivedAt: time.Now()}, nil)
			}
		}
		e.fresh("p2", other)
		synctest.Wait()
		if n := e.count("token/refresh_token") - asked; n != 0 {
			t.Errorf("%d refreshes after another client's success", n)
		}
	})
}
