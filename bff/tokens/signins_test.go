package tokens_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/oauth"
	"locum/bff/sandbox"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// finishing has a sign-in of p1's at clinic b under way, in the login of everybody, and gives what it comes to: its code is
// redeemed, and the platform's keys are slow to come.
func (b *bench) finishing(change func(*vault.Attempt)) <-chan error {
	b.t.Helper()
	pass(2 * time.Minute) // until keys may be asked for again
	must(b.t, b.sandbox.RotateKeys(sandbox.RealmSandbox))
	again := b.approve("p1", robin, jane, b.b, change)
	b.sandbox.Slow(sandbox.EndpointCerts, 5*time.Second, 1)
	done := make(chan error, 1)
	go func() {
		_, err := b.keeper.Redeem(context.Background(), again)
		done <- err
	}()
	pass(time.Second)
	return done
}

// TestT088LoggedOutWhileSigningIn: a login is over while a sign-in that came of it is finishing here: a new connection, or one
// that is renewed in place. It never shows that it works, and whoever it was for is concerned too.
func TestT088LoggedOutWhileSigningIn(t *testing.T) {
	for name, inPlace := range map[string]bool{"a new connection": false, "renewed in place": true} {
		for what, means := range map[string]func(sid, subject string) (oauth.Logout, bool){
			"that login":    func(sid, _ string) (oauth.Logout, bool) { return oauth.Logout{SID: sid}, true },
			"the person":    func(_, subject string) (oauth.Logout, bool) { return oauth.Logout{Subject: subject}, true },
			"another login": func(string, string) (oauth.Logout, bool) { return oauth.Logout{SID: "another"}, false },
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, options{keep: true})
					var id string
					if inPlace {
						id = b.connect("p1", robin, b.b) // of another login
					}
					b.together()
					colleague := b.connect("p2", robin, b.a)
					done := b.finishing(func(a *vault.Attempt) { a.Connection = id })
					sid, subject := b.sid(colleague), b.record(colleague).Subject
					out, over := means(sid, subject)
					out.ID, out.ExpiresAt = "1", time.Now().Add(time.Hour)
					told := map[string]bool{}
					_, err := b.keeper.LoggedOut(jane, out, func(practitioner string) error {
						told[practitioner] = true
						return nil
					})
					must(t, err)
					err = <-done
					synctest.Wait()
					if id == "" {
						for _, v := range b.list("p1") {
							id = v.ID
						}
					}
					if !over {
						must(t, err)
						wantState(t, b.view("p1", id), tokens.StateConnected, "")
						return
					}
					wantKind(t, err, tokens.ReconnectNeeded, tokens.CauseLoggedOut)
					b.wantLoggedOut("p1", id)
					if !told["p1"] || !told["p2"] {
						t.Errorf("told: %v", told)
					}
					pass(10 * time.Minute)
					b.wantLoggedOut("p1", id)
					if n := b.refreshes(); n != 0 {
						t.Errorf("%d refreshes", n)
					}
				})
			})
		}
	}
}

// TestT057NotWhileSigningIn: nothing is revoked that may take a login along from which a connection is just being made. When it
// is there, it is spared like any other.
func TestT057NotWhileSigningIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		b.together()
		id := b.connect("p1", robin, b.a)
		done := b.finishing(nil)
		parting, err := b.keeper.Disconnect(context.Background(), "p1", id)
		if err != nil || parting.Ending != tokens.EndedPending {
			t.Errorf("parting %+v, %v", parting, err)
		}
		must(t, <-done)
		pass(time.Minute)
		if n := b.revocations(); n != 0 || b.sandbox.Count(sandbox.EndpointRevoke) != 1 || b.waiting() != 0 { // the access token alone
			t.Errorf("%d refresh tokens given back, %d wait", n, b.waiting())
		}
		made := b.list("p1")
		if len(made) != 1 {
			t.Fatalf("%d connections", len(made))
		}
		pass(gone)
		if !b.works(b.fresh("p1", made[0].ID)) {
			t.Error("the new connection does not work")
		}
	})
}

func (b *bench) list(practitioner string) []tokens.View {
	b.t.Helper()
	views, err := b.keeper.List(practitioner)
	must(b.t, err)
	return views
}
