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

// TestRevokeSparesTheLogin: a disconnection costs nobody another clinic: while other connections hang on the login, the
// access token alone is taken back. Of logins that are one connection's the refresh token is; and where the platform ends
// the person's other logins with it, as some versions of Keycloak do, they show it at once and without a call (T056).
func TestRevokeSparesTheLogin(t *testing.T) {
	for _, c := range []struct {
		reach    sandbox.Reach
		together bool // both of the practitioner's connections came of one login
		spared   bool
		ends     bool // the other one
	}{
		{sandbox.ReachLogin, true, true, false}, {sandbox.ReachChain, true, true, false}, {sandbox.ReachPerson, true, true, false},
		{sandbox.ReachLogin, false, false, false}, {sandbox.ReachPerson, false, false, true},
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
				colleague := b.connect("p2", alex, b.a)
				ends := b.record(id).ReceivedAt.Add(30 * time.Minute)
				b.wantSiblings("p1", id)
				parting, err := b.keeper.Disconnect(context.Background(), "p1", id)
				must(t, err)
				synctest.Wait()
				want, told := tokens.Parting{Ending: tokens.EndedRevoked}, tokens.StepRevoked
				if c.spared {
					want = tokens.Parting{Ending: tokens.EndedExpires, Reason: tokens.ReasonSpared, Until: parting.Until}
					told = tokens.StepNotRevoked + " " + tokens.NotRevokedSpared
				}
				if parting != want || c.spared && !parting.Until.Equal(ends) {
					t.Errorf("%+v, want %+v until %v", parting, want, ends)
				}
				b.wantEpilogue("p1", id, tokens.StepDisconnected+" "+platform.EndingRevoke, told)
				if c.spared != (b.revocations() == 0) || b.sandbox.Count(sandbox.EndpointRevoke) == 0 || b.waiting() != 0 {
					t.Errorf("%d refresh tokens revoked", b.revocations())
				}
				wantState(t, b.view("p2", colleague), tokens.StateConnected, "")
				if c.ends {
					wantState(t, b.view("p1", other), tokens.StateReconnect, tokens.CauseSessionEnded)
					return
				}
				wantState(t, b.view("p1", other), tokens.StateConnected, "")
				pass(gone)
				if !b.works(b.fresh("p1", other)) {
					t.Error("the other connection does not work")
				}
				b.disconnect("p1", other, tokens.EndedRevoked) // the last one of the login ends it
				b.disconnect("p2", colleague, tokens.EndedRevoked)
				pass(30 * time.Minute)
				if c.reach != sandbox.ReachChain && b.alive() != 0 {
					t.Errorf("%d are alive at the platform", b.alive())
				}
			})
		})
	}
}

// TestEndSession: where the platform's way is to end the login, what ends with it is named before, and shows at once.
func TestEndSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{ending: platform.EndingEndSession})
		b.together()
		id, other := b.connect("p1", robin, b.a), b.connect("p1", robin, b.b)
		b.browser = nil
		mine, colleague := b.connect("p1", alex, b.a), b.connect("p2", alex, b.a)
		b.wantSiblings("p1", id, other)
		b.wantSiblings("p1", other, id)
		b.wantSiblings("p1", mine)
		b.wantSiblings("p2", colleague)
		b.wantSiblings("p2", id)
		b.disconnect("p1", id, tokens.EndedSignedOut)
		synctest.Wait()
		wantState(t, b.view("p1", other), tokens.StateReconnect, tokens.CauseSessionEnded)
		wantState(t, b.view("p1", mine), tokens.StateConnected, "")
		wantState(t, b.view("p2", colleague), tokens.StateConnected, "")
		b.wantSiblings("p1", other)
		b.wantEpilogue("p1", id, tokens.StepDisconnected+" "+platform.EndingEndSession, tokens.StepSignedOut)
		if b.refreshes()+b.revocations() != 0 {
			t.Errorf("%d refreshes, %d revocations", b.refreshes(), b.revocations())
		}
		b.sandbox.Fail(sandbox.EndpointLogout, 503, 1)
		b.disconnect("p1", mine, tokens.EndedPending)
		pass(3 * time.Second)
		if n := b.sandbox.Count(sandbox.EndpointLogout); n != 3 || b.waiting() != 0 || b.alive() != 1 {
			t.Errorf("%d requests to end a login, %d alive", n, b.alive())
		}
		b.wantEpilogue("p1", mine, tokens.StepDisconnected+" "+platform.EndingEndSession, tokens.StepSignedOut)
		// A login that somebody else has ended already.
		b.sandbox.LogOut(alex)
		b.disconnect("p2", colleague, tokens.EndedSignedOut)
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
