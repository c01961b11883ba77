package tokens_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// together makes every authorization from now on come of one login.
func (b *bench) together() {
	b.t.Helper()
	browser, err := b.sandbox.NewBrowser()
	must(b.t, err)
	b.browser = browser
}

func (b *bench) wantSiblings(practitioner, id string, want ...string) {
	b.t.Helper()
	got := map[string]bool{}
	for _, v := range b.keeper.Siblings(practitioner, id) {
		got[v.ID] = true
	}
	for _, id := range want {
		if !got[id] {
			b.t.Errorf("%s is not among the siblings", id)
		}
	}
	if len(got) != len(want) {
		b.t.Errorf("%d siblings, want %d", len(got), len(want))
	}
}

// TestRevokeSaysWhatEnds: where tokens are revoked, the connections that may end with one are named before, and what
// became of those that did is shown without a call (T056).
func TestRevokeSaysWhatEnds(t *testing.T) {
	for _, c := range []struct {
		reach    sandbox.Reach
		together bool // both of the practitioner's connections came of one login
		ends     bool
	}{
		{sandbox.ReachLogin, true, true}, {sandbox.ReachLogin, false, false}, {sandbox.ReachPerson, false, true},
		{sandbox.ReachChain, true, false},
	} {
		t.Run(fmt.Sprintf("%s, one login: %v", c.reach, c.together), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				b.sandbox.SetRevokeReach(c.reach)
				if c.together {
					b.together()
				}
				id, other := b.connect("p1", robin, b.a), b.connect("p1", robin, b.b)
				b.browser = nil
				colleague, mine := b.connect("p2", alex, b.a), b.connect("p1", alex, b.a)
				b.wantSiblings("p1", id, other)
				b.wantSiblings("p1", other, id)
				b.wantSiblings("p1", mine)
				b.wantSiblings("p2", colleague)
				b.wantSiblings("p2", id)
				b.disconnect("p1", id, tokens.EndedRevoked)
				synctest.Wait()
				if c.ends {
					wantState(t, b.view("p1", other), tokens.StateReconnect, tokens.CauseSessionEnded)
				} else {
					wantState(t, b.view("p1", other), tokens.StateConnected, "")
				}
				wantState(t, b.view("p2", colleague), tokens.StateConnected, "")
				wantState(t, b.view("p1", mine), tokens.StateConnected, "")
				if b.refreshes() != 0 {
					t.Errorf("%d refreshes", b.refreshes())
				}
				b.wantEpilogue("p1", id, tokens.StepDisconnected+" "+platform.EndingRevoke, tokens.StepRevoked)
			})
		})
	}
}

// TestEndSession: other connections of the login are spared, and the last one ends it. So nothing has to be said before.
func TestEndSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{ending: platform.EndingEndSession})
		b.sandbox.SetRevokeReach(sandbox.ReachLogin)
		b.together()
		id, other := b.connect("p1", robin, b.a), b.connect("p1", robin, b.b)
		b.wantSiblings("p1", id)
		b.disconnect("p1", id, tokens.EndedExpires)
		if n := b.revocations(); n != 0 || b.sandbox.Count(sandbox.EndpointLogout) != 0 || b.waiting() != 0 {
			t.Errorf("%d refresh tokens revoked, %d logins ended", n, b.sandbox.Count(sandbox.EndpointLogout))
		}
		b.wantEpilogue("p1", id, tokens.StepDisconnected+" "+platform.EndingEndSession, tokens.StepNotRevoked+" "+tokens.NotRevokedSpared)
		pass(gone)
		if !b.works(b.fresh("p1", other)) {
			t.Error("the other connection does not work")
		}
		b.sandbox.Fail(sandbox.EndpointLogout, 503, 1)
		b.disconnect("p1", other, tokens.EndedPending)
		pass(3 * time.Second)
		if n := b.sandbox.Count(sandbox.EndpointLogout); n != 2 || b.waiting() != 0 || b.alive() != 0 {
			t.Errorf("%d requests to end the login, %d alive", n, b.alive())
		}
		b.wantEpilogue("p1", other, tokens.StepDisconnected+" "+platform.EndingEndSession, tokens.StepSignedOut)
		// A login that somebody else has ended already.
		third := b.connect("p1", alex, b.a)
		b.sandbox.LogOut(alex)
		b.disconnect("p1", third, tokens.EndedSignedOut)
	})
}

// TestForget: the platform is told nothing.
func TestForget(t *testing.T) {
	b := newBench(t, options{ending: platform.EndingForget})
	id := b.connect("p1", robin, b.a)
	b.wantSiblings("p1", id)
	b.disconnect("p1", id, tokens.EndedExpires)
	if b.sandbox.Count(sandbox.EndpointRevoke)+b.sandbox.Count(sandbox.EndpointLogout)+b.waiting() != 0 || b.records() != 0 {
		t.Error("something was told, or is left")
	}
	b.wantEpilogue("p1", id, tokens.StepDisconnected+" "+platform.EndingForget)
}

// TestConnectedAgainMeanwhile: what waits to be revoked is looked at once more when its time has come: the practitioner may
// have connected again in the same login, and the revocation of the old chain would end the new one.
func TestConnectedAgainMeanwhile(t *testing.T) {
	for _, ending := range []string{platform.EndingRevoke, platform.EndingEndSession} {
		t.Run(ending, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{ending: ending})
				b.sandbox.SetRevokeReach(sandbox.ReachLogin)
				b.together()
				id := b.connect("p1", robin, b.a)
				b.sandbox.Fail(sandbox.EndpointRevoke, 503, 1)
				b.sandbox.Fail(sandbox.EndpointLogout, 503, 1)
				b.disconnect("p1", id, tokens.EndedPending)
				again := b.connect("p1", robin, b.a)
				pass(time.Minute)
				if b.waiting() != 0 || b.revocations() > 1 || b.sandbox.Count(sandbox.EndpointLogout) > 1 {
					t.Errorf("%d wait, %d refresh tokens were revoked", b.waiting(), b.revocations())
				}
				pass(gone)
				if !b.works(b.fresh("p1", again)) {
					t.Error("the new connection does not work")
				}
			})
		})
	}
}

// TestARefusedRedemptionSparesItsLogin: what a refused redemption brought is given back, and no connection of the login
// that it came of ends for it.
func TestARefusedRedemptionSparesItsLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		b.sandbox.SetRevokeReach(sandbox.ReachLogin)
		b.together()
		id := b.connect("p1", robin, b.a)
		r := b.approve("p1", robin, jane, b.b, nil)
		b.sandbox.WrongAudience("https://elsewhere.example")
		_, err := b.keeper.Redeem(context.Background(), r)
		wantKind(t, err, tokens.WrongClinic, tokens.CauseWrongClinic)
		if n := b.sandbox.Count(sandbox.EndpointRevoke); n != 1 || b.revocations() != 0 {
			t.Errorf("%d revocations, %d of them of a refresh token", n, b.revocations())
		}
		pass(gone)
		if !b.works(b.fresh("p1", id)) {
			t.Error("the connection of the same login does not work")
		}
	})
}

// TestDisconnectNeedsTheVault: what cannot be written down is not done by halves.
func TestDisconnectNeedsTheVault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		must(t, b.vault.Close())
		_, err := b.keeper.Disconnect(context.Background(), "p1", id)
		wantKind(t, err, tokens.Storage, tokens.CauseStorage)
		v, err := vault.Open(b.data(), b.key)
		must(t, err)
		b.vault = v
		b.keeper.SetVault(v)
		if !b.works(b.fresh("p1", id)) {
			t.Error("what could not be disconnected does not work")
		}
		b.disconnect("p1", id, tokens.EndedRevoked)
	})
}

// TestT088NothingIsKeptAliveForTheDisabled: the connections of an account that may not sign in any more run out, and no
// request is made for them, while everybody else's live on. Whoever may again finds theirs, if it is still there.
func TestT088NothingIsKeptAliveForTheDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var barred sync.Map
		b := newBench(t, options{keep: true, active: func(practitioner string) bool {
			_, is := barred.Load(practitioner)
			return !is
		}})
		id, other, back := b.connect("p1", robin, b.a), b.connect("p2", alex, b.a), b.connect("p3", robin, b.a)
		barred.Store("p1", true)
		barred.Store("p3", true)
		pass(20 * time.Minute)
		barred.Delete("p3")
		if !b.works(b.fresh("p3", back)) {
			t.Error("whoever may again finds nothing")
		}
		pass(20 * time.Minute)
		wantState(t, b.view("p1", id), tokens.StateReconnect, tokens.CauseExpired)
		wantState(t, b.view("p2", other), tokens.StateConnected, "")
		wantState(t, b.view("p3", back), tokens.StateConnected, "")
		for _, c := range b.sandbox.Chains() {
			if (c.Refreshes == 0) != (c.SID == b.sid(id)) {
				t.Errorf("%d refreshes of %s", c.Refreshes, c.Login)
			}
		}
	})
}
