package tokens_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"locum/bff/oauth"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// said is a logout token of the platform's for a login, verified.
func (b *bench) said(login string, spoil func(*sandbox.LogoutDraft)) oauth.Logout {
	b.t.Helper()
	raw, err := b.sandbox.ForgeLogout(clientID, login, spoil)
	must(b.t, err)
	token, err := oauth.ParseLogoutForm("logout_token=" + raw)
	must(b.t, err)
	live, err := b.platforms.Get(jane)
	must(b.t, err)
	out, err := live.OAuth.VerifyLogout(context.Background(), token)
	must(b.t, err)
	return out
}

// loggedOut has the logout obeyed and wants who is concerned.
func (b *bench) loggedOut(out oauth.Logout, want ...string) {
	b.t.Helper()
	var told []string
	concerned, err := b.keeper.LoggedOut(jane, out, func(practitioner string) error {
		told = append(told, practitioner)
		return nil
	})
	must(b.t, err)
	slices.Sort(concerned)
	slices.Sort(told)
	slices.Sort(want)
	if !slices.Equal(concerned, want) || !slices.Equal(told, want) {
		b.t.Errorf("concerned are %q, told %q, want %q", concerned, told, want)
	}
}

func (b *bench) sid(id string) string { return b.record(id).SID }

// wantLoggedOut wants a connection without any token, in memory and in the vault, that says why.
func (b *bench) wantLoggedOut(practitioner, id string) {
	b.t.Helper()
	wantState(b.t, b.view(practitioner, id), tokens.StateReconnect, tokens.CauseLoggedOut)
	if v := b.view(practitioner, id); v.FreshFor != 0 || v.KeptFor != 0 {
		b.t.Errorf("fresh for %v, kept for %v", v.FreshFor, v.KeptFor)
	}
	_, err := b.keeper.Fresh(context.Background(), practitioner, id)
	wantKind(b.t, err, tokens.ReconnectNeeded, tokens.CauseLoggedOut)
	_, err = b.keeper.Refused(context.Background(), tokens.Lease{Connection: id})
	wantKind(b.t, err, tokens.ReconnectNeeded, tokens.CauseLoggedOut)
	if c := b.record(id); !c.Access.Empty() || !c.Refresh.Empty() || !c.Raw.Empty() || c.Phase != "" {
		b.t.Errorf("the record has tokens: %+v", c)
	}
}

// TestT088LoggedOut: who is concerned by a logout at the platform, and nobody else is.
func TestT088LoggedOut(t *testing.T) {
	b := newBench(t, options{})
	b.together()
	id, same, shared := b.connect("p1", robin, b.a), b.connect("p1", robin, b.b), b.connect("p2", robin, b.a)
	b.browser = nil
	elsewhere, colleague := b.connect("p3", robin, b.a), b.connect("p4", alex, b.a)
	sid := b.sid(id)
	if sid == "" || b.sid(shared) != sid || b.sid(elsewhere) == sid {
		t.Fatal("the logins are not what this test needs")
	}
	subject := b.record(id).Subject
	now := time.Now().Add(time.Minute)
	b.loggedOut(oauth.Logout{SID: "another", Subject: subject, ID: "1", ExpiresAt: now})
	b.loggedOut(oauth.Logout{SID: sid, Subject: "another", ID: "2", ExpiresAt: now})
	b.loggedOut(oauth.Logout{Subject: "another", ID: "3", ExpiresAt: now})
	for _, one := range [][2]string{{"p1", id}, {"p1", same}, {"p2", shared}, {"p3", elsewhere}, {"p4", colleague}} {
		if !b.works(b.fresh(one[0], one[1])) {
			t.Errorf("%s suffered", one[0])
		}
	}
	b.loggedOut(oauth.Logout{SID: sid, Subject: subject, ID: "4", ExpiresAt: now}, "p1", "p2")
	for _, one := range [][2]string{{"p1", id}, {"p1", same}, {"p2", shared}} {
		b.wantLoggedOut(one[0], one[1])
	}
	for _, one := range [][2]string{{"p3", elsewhere}, {"p4", colleague}} {
		if !b.works(b.fresh(one[0], one[1])) {
			t.Errorf("%s suffered", one[0])
		}
	}
	// Who had a connection of that login is concerned although it has ended: they may be signed in here.
	b.loggedOut(oauth.Logout{SID: sid, ID: "5", ExpiresAt: now}, "p1", "p2")
	b.wantEvents("reconnect_needed", tokens.CauseLoggedOut, tokens.CauseLoggedOut, tokens.CauseLoggedOut)
	b.loggedOut(oauth.Logout{Subject: subject, ID: "6", ExpiresAt: now}, "p1", "p2", "p3")
	b.wantLoggedOut("p3", elsewhere)
	b.restart()
	for _, one := range [][2]string{{"p1", id}, {"p1", same}, {"p2", shared}, {"p3", elsewhere}} {
		b.wantLoggedOut(one[0], one[1])
	}
	if b.refreshes() != 0 {
		t.Errorf("%d refreshes", b.refreshes())
	}
}

// TestT088AsThePlatformSends: the sandbox's own logout token, and the connection is mended under its id by another sign-in.
func TestT088AsThePlatformSends(t *testing.T) {
	b := newBench(t, options{})
	id := b.connect("p1", robin, b.a)
	out := b.said(robin, nil)
	if out.SID != b.sid(id) || out.Subject != b.record(id).Subject {
		t.Fatalf("%+v", out)
	}
	b.loggedOut(out, "p1")
	b.wantLoggedOut("p1", id)
	again := b.approve("p1", robin, jane, b.a, func(a *vault.Attempt) { a.Connection = id })
	c, err := b.keeper.Redeem(context.Background(), again)
	if err != nil || c.ID != id {
		t.Fatalf("reconnect gave %q, %v", c.ID, err)
	}
	if !b.works(b.fresh("p1", id)) {
		t.Error("the new chain does not work")
	}
	wantState(t, b.view("p1", id), tokens.StateConnected, "")
	b.loggedOut(oauth.Logout{SID: out.SID, ID: "late", ExpiresAt: out.ExpiresAt})
	wantState(t, b.view("p1", id), tokens.StateConnected, "")
}

// TestT088Replayed: a logout token is obeyed once, by one of many who bring it, and not after a restart either; when it is
// no longer good it is forgotten.
func TestT088Replayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		out := b.said(robin, nil)
		var mu sync.Mutex
		obeyed, told := 0, 0
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				_, err := b.keeper.LoggedOut(jane, out, func(string) error {
					mu.Lock()
					defer mu.Unlock()
					told++
					return nil
				})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					obeyed++
				} else if !errors.Is(err, tokens.ErrReplayed) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if obeyed != 1 || told != 1 {
			t.Errorf("obeyed %d times, told %d", obeyed, told)
		}
		again := b.approve("p1", robin, jane, b.a, func(a *vault.Attempt) { a.Connection = id })
		_, err := b.keeper.Redeem(context.Background(), again)
		must(t, err)
		b.restart()
		if _, err := b.keeper.LoggedOut(jane, out, nil); !errors.Is(err, tokens.ErrReplayed) {
			t.Errorf("after a restart: %v", err)
		}
		wantState(t, b.view("p1", id), tokens.StateConnected, "")
		kept := func() (n int) {
			must(t, b.vault.View(func(tx *vault.Tx) error {
				n = vault.LogoutTokens.Count(tx)
				return nil
			}))
			return n
		}
		if _, err := b.keeper.LoggedOut(production, out, nil); err != nil { // another issuer may use the same jti
			t.Error(err)
		}
		if kept() != 2 {
			t.Errorf("%d remembered", kept())
		}
		pass(10 * time.Minute)
		b.loggedOut(oauth.Logout{SID: "x", ID: "x", ExpiresAt: time.Now().Add(time.Minute)})
		if kept() != 1 {
			t.Errorf("%d remembered after ten minutes", kept())
		}
	})
}

// TestT055LoggedOut: the platform holds the answer to a refresh while the login ends. Whatever it then answers brings nothing
// back: not into memory, not into the vault, and not with the next refresh.
func TestT055LoggedOut(t *testing.T) {
	for name, answer := range map[string]func(b *bench){
		"a good answer": func(*bench) {},
		"an answer that cannot be checked": func(b *bench) {
			must(b.t, b.sandbox.RotateKeys(sandbox.RealmSandbox))
			b.sandbox.Fail(sandbox.EndpointCerts, 503, 9)
		},
		"an answer that does not verify": func(b *bench) {
			b.sandbox.AlterClaims(func(claims map[string]any) { claims["iss"] = "https://e.example" })
		},
		"somebody else's answer": func(b *bench) {
			b.sandbox.AlterClaims(func(claims map[string]any) { claims["sub"] = "somebody" })
		},
		"an answer that is lost": func(b *bench) { b.sandbox.LoseNextResponse(sandbox.EndpointRefresh) },
		"a refusal":              func(b *bench) { b.sandbox.Fail(sandbox.EndpointRefresh, 400, 1) },
		"a failure":              func(b *bench) { b.sandbox.Fail(sandbox.EndpointRefresh, 503, 1) },
	} {
		for _, at := range []time.Duration{time.Second, 7 * time.Second} { // while it is held, and while it is being checked
			t.Run(name+" "+at.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var mu sync.Mutex
					var shown []string
					b := newBench(t, options{notify: func(_, _, state, cause string) {
						mu.Lock()
						defer mu.Unlock()
						shown = append(shown, state+" "+cause)
					}})
					id := b.connect("p1", robin, b.a)
					out := b.said(robin, nil)
					out.ExpiresAt = out.ExpiresAt.Add(time.Hour)
					pass(gone)
					b.sandbox.Slow(sandbox.EndpointRefresh, 5*time.Second, 1)
					b.sandbox.Slow(sandbox.EndpointCerts, 4*time.Second, 1)
					must(t, b.sandbox.RotateKeys(sandbox.RealmSandbox))
					answer(b)
					var calls sync.WaitGroup
					calls.Go(func() {
						if _, err := b.keeper.Fresh(context.Background(), "p1", id); at == time.Second {
							wantKind(t, err, tokens.ReconnectNeeded, tokens.CauseLoggedOut)
						}
					})
					pass(at)
					b.loggedOut(out, "p1")
					b.wantLoggedOut("p1", id)
					calls.Wait()
					synctest.Wait()
					b.wantLoggedOut("p1", id)
					pass(time.Minute)
					b.wantLoggedOut("p1", id)
					if n := b.refreshes(); n != 1 {
						t.Errorf("%d refreshes", n)
					}
					mu.Lock()
					if last := shown[len(shown)-1]; last != tokens.StateReconnect+" "+tokens.CauseLoggedOut {
						t.Errorf("shown last: %q", last)
					}
					mu.Unlock()
					b.restart()
					pass(time.Minute)
					b.wantLoggedOut("p1", id)
				})
			})
		}
	}
}

// TestT055NothingOvertakesALogout: what a flight found just before is not shown after it; an answer that was left behind
// is given back by whatever comes next and not adopted; and a new chain takes the place of a record that cannot be read.
func TestT055NothingOvertakesALogout(t *testing.T) {
	b := newBench(t, options{})
	id := b.connect("p1", robin, b.a)
	before := b.record(id)
	left := b.behindBack(id)
	b.loggedOut(b.said(robin, nil), "p1")
	b.keeper.ShowLate("p1", before)
	before.Generation++
	b.keeper.ShowLate("p1", before)
	b.wantLoggedOut("p1", id)
	b.keeper.Unsaved("p1", id, left)
	wantKind(t, b.keeper.Refresh("p1", id), tokens.ReconnectNeeded, tokens.CauseLoggedOut)
	b.wantLoggedOut("p1", id)
	if b.revocations() != 1 || b.refreshes() != 1 {
		t.Errorf("%d revocations, %d refreshes", b.revocations(), b.refreshes())
	}
	b.damage(id)
	c, err := b.keeper.Redeem(context.Background(), b.approve("p1", robin, jane, b.a, func(a *vault.Attempt) { a.Connection = id }))
	if err != nil || c.ID != id || c.Generation != 1 {
		t.Fatalf("reconnect gave %q, generation %d, %v", c.ID, c.Generation, err)
	}
	wantState(t, b.view("p1", id), tokens.StateConnected, "")
	if !b.works(b.fresh("p1", id)) {
		t.Error("the new chain does not work")
	}
}

// damage flips a bit of every stored connection.
func (b *bench) damage(id string) {
	b.t.Helper()
	path := filepath.Join(b.data(), vault.FileName)
	content, err := os.ReadFile(path)
	must(b.t, err)
	still := filepath.Join(b.t.TempDir(), "copy.db")
	must(b.t, os.WriteFile(still, content, 0o600))
	db, err := bbolt.Open(still, 0o600, &bbolt.Options{ReadOnly: true})
	must(b.t, err)
	defer db.Close()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(b.t, err)
	defer f.Close()
	must(b.t, db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("connections")).ForEach(func(_, v []byte) error {
			for at := range content {
				if bytes.HasPrefix(content[at:], v) {
					if _, err := f.WriteAt([]byte{v[len(v)-1] ^ 1}, int64(at+len(v)-1)); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}))
	if _, err := b.find(id); !errors.Is(err, vault.ErrIntegrity) {
		b.t.Fatalf("the record is not damaged: %v", err)
	}
}

// TestLoggedOutWithoutTheVault: a full disk keeps nobody signed in: what is in memory ends, and the caller is told.
func TestLoggedOutWithoutTheVault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		out := b.said(robin, nil)
		pass(gone)
		b.sandbox.Slow(sandbox.EndpointRefresh, 5*time.Second, 1)
		done := make(chan struct{})
		go func() {
			_, _ = b.keeper.Fresh(context.Background(), "p1", id)
			close(done)
		}()
		pass(time.Second)
		sentinel := errors.New("not ended")
		told := 0
		_, err := b.keeper.LoggedOut(jane, out, func(string) error {
			told++
			must(t, b.vault.Close())
			return sentinel
		})
		if !errors.Is(err, sentinel) || tokens.KindOf(err) != tokens.Storage || told != 1 {
			t.Errorf("%v, told %d", err, told)
		}
		for range 2 { // before and after the refresh that was under way
			wantState(t, b.view("p1", id), tokens.StateReconnect, tokens.CauseLoggedOut)
			_, err = b.keeper.Fresh(context.Background(), "p1", id)
			wantKind(t, err, tokens.ReconnectNeeded, tokens.CauseLoggedOut)
			<-done
		}
	})
}

// TestT088LoggedOutAfterTheEnd: a connection that had ended before keeps its cause, and its last access token is erased too: no
// restart hands it out again.
func TestT088LoggedOutAfterTheEnd(t *testing.T) {
	b := newBench(t, options{})
	id := b.connect("p1", robin, b.a)
	out := b.said(robin, nil)
	must(t, b.keeper.Close())
	b.alter(id, func(c *vault.Connection) {
		c.State, c.Cause, c.Refresh = tokens.StateReconnect, tokens.CauseLostAnswer, secret.String{}
	})
	b.openKeeper()
	if !b.works(b.fresh("p1", id)) {
		t.Fatal("the last token does not work to its end")
	}
	b.loggedOut(out, "p1")
	for range 2 {
		_, err := b.keeper.Fresh(context.Background(), "p1", id)
		if tokens.KindOf(err) != tokens.ReconnectNeeded || !b.record(id).Access.Empty() {
			t.Errorf("%v, access token kept: %v", err, !b.record(id).Access.Empty())
		}
		b.restart()
	}
	wantState(t, b.view("p1", id), tokens.StateReconnect, tokens.CauseLostAnswer)
}
