package tokens_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/sandbox"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// TestT058Refused: an upstream that refuses every token gets one forced refresh in 30 s and not one per call.
func TestT058Refused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		first := b.fresh("p1", id)
		refused := 0
		for start := time.Now(); time.Since(start) < time.Minute; pass(10 * time.Millisecond) { // 100 calls a second
			lease := b.fresh("p1", id)
			next, err := b.keeper.Refused(context.Background(), lease)
			if err != nil {
				wantKind(t, err, tokens.Refused, tokens.CauseInvalidToken)
				refused++
			} else if next.Access.Equal(lease.Access) {
				t.Fatal("the refused token again")
			}
		}
		if n := b.refreshes(); n != 2 {
			t.Errorf("%d refreshes in a minute", n)
		}
		if refused != 5998 {
			t.Errorf("%d calls were refused", refused)
		}
		// Who comes late with an old token gets the current one and costs nothing.
		lease, err := b.keeper.Refused(context.Background(), first)
		if err != nil || !b.works(lease) || b.refreshes() != 2 {
			t.Errorf("%v, %d refreshes", err, b.refreshes())
		}
	})
}

// TestRefusedTogether: 100 calls refused at once are one refresh, and all go on with the new token.
func TestRefusedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		old := b.fresh("p1", id)
		b.sandbox.Slow(sandbox.EndpointRefresh, time.Second, 1)
		var calls sync.WaitGroup
		for range 100 {
			calls.Go(func() {
				if lease, err := b.keeper.Refused(context.Background(), old); err != nil || lease.Access.Equal(old.Access) {
					t.Errorf("%v", err)
				}
			})
		}
		calls.Wait()
		if b.refreshes() != 1 {
			t.Errorf("%d refreshes", b.refreshes())
		}
	})
}

func TestRefusedAndRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		b.sandbox.Revoke("", "")
		lease := b.fresh("p1", id)
		for range 2 {
			_, err := b.keeper.Refused(context.Background(), lease)
			wantKind(t, err, tokens.ReconnectNeeded, tokens.CauseSessionEnded)
		}
		if b.refreshes() != 1 {
			t.Errorf("%d refreshes", b.refreshes())
		}
		b.sandbox.Fail(sandbox.EndpointRefresh, 503, 1)
		other := b.fresh("p1", b.connect("p1", robin, b.b))
		_, err := b.keeper.Refused(context.Background(), other)
		wantKind(t, err, tokens.Unavailable, tokens.CauseUnavailable)
	})
}

func TestDisconnect(t *testing.T) {
	b := newBench(t, options{})
	id, other := b.connect("p1", robin, b.a), b.connect("p1", robin, b.b)
	c := b.record(id)
	ending, err := b.keeper.Disconnect(context.Background(), "p1", id)
	if err != nil || ending.Ending != tokens.EndedRevoked {
		t.Fatalf("ending is %+v, error %v", ending, err)
	}
	if _, err := b.find(id); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("the record is still there: %v", err)
	}
	requests := b.sandbox.Requests(sandbox.EndpointRevoke)
	if len(requests) != 2 || requests[0].Form().Get("token") != c.Refresh.Reveal() || requests[0].Form().Get("token_type_hint") != "refresh_token" ||
		requests[1].Form().Get("token") != c.Access.Reveal() || requests[1].Form().Get("token_type_hint") != "access_token" {
		t.Errorf("%d revocations", len(requests))
	}
	_, err = b.keeper.Fresh(context.Background(), "p1", id)
	wantKind(t, err, tokens.NotFound, tokens.CauseNotOurs)
	_, err = b.keeper.Disconnect(context.Background(), "p1", id)
	wantKind(t, err, tokens.NotFound, tokens.CauseNotOurs)
	_, err = b.keeper.Refused(context.Background(), tokens.Lease{Connection: id})
	wantKind(t, err, tokens.NotFound, tokens.CauseNotOurs)
	if !b.works(b.fresh("p1", other)) {
		t.Error("the other connection died too")
	}
	b.wantEvents("disconnect", "")
	b.restart()
	if views, _ := b.keeper.List("p1"); len(views) != 1 || views[0].ID != other {
		t.Errorf("%d connections after a restart", len(views))
	}
}

// TestDisconnectEndsAll: a platform whose revocation ends everything that the person gave, and that cannot be asked about
// it. The other connections say so once they are used, and ask no more than once.
func TestDisconnectEndsAll(t *testing.T) {
	b := newBench(t, options{mute: true})
	b.sandbox.SetRevokeAll(true)
	id, other := b.connect("p1", robin, b.a), b.connect("p1", robin, b.b)
	colleague := b.connect("p2", alex, b.a)
	if ending, err := b.keeper.Disconnect(context.Background(), "p1", id); err != nil || ending.Ending != tokens.EndedRevoked {
		t.Fatalf("ending is %+v, error %v", ending, err)
	}
	lease := b.fresh("p1", other)
	before := b.refreshes()
	for range 2 {
		_, err := b.keeper.Refused(context.Background(), lease)
		wantKind(t, err, tokens.ReconnectNeeded, tokens.CauseSessionEnded)
	}
	if n := b.refreshes() - before; n != 1 {
		t.Errorf("%d refreshes", n)
	}
	if lease, err := b.keeper.Refused(context.Background(), b.fresh("p2", colleague)); err != nil || !b.works(lease) {
		t.Errorf("the colleague's connection: %v", err)
	}
}

// TestDisconnectWithoutThePlatform: the local end is certain; revoked says what the platform said.
func TestDisconnectWithoutThePlatform(t *testing.T) {
	for name, fault := range map[string]func(s *sandbox.Sandbox){
		"503":  func(s *sandbox.Sandbox) { s.Fail(sandbox.EndpointRevoke, 503, 1) },
		"cut":  func(s *sandbox.Sandbox) { s.Cut(sandbox.EndpointRevoke, 1) },
		"slow": func(s *sandbox.Sandbox) { s.Slow(sandbox.EndpointRevoke, time.Minute, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				id := b.connect("p1", robin, b.a)
				fault(b.sandbox)
				start := time.Now()
				ending, err := b.keeper.Disconnect(context.Background(), "p1", id)
				if err != nil || ending.Ending != tokens.EndedPending || time.Since(start) > 5*time.Second {
					t.Errorf("ending is %+v, error %v, after %v", ending, err, time.Since(start))
				}
				if b.records() != 0 {
					t.Error("the record is still there")
				}
			})
		})
	}
}

// TestT055NoResurrection: the refresh's answer is held back while the practitioner disconnects. From that moment nothing is
// handed out and nothing is stored, so a crash brings nothing back either; and whatever the late answer is, its tokens are
// the ones that are revoked.
func TestT055NoResurrection(t *testing.T) {
	cases := []struct {
		name   string
		answer func(b *bench)
	}{
		{"a good answer", func(*bench) {}},
		{"an answer that cannot be checked", func(b *bench) {
			must(b.t, b.sandbox.RotateKeys(sandbox.RealmSandbox))
			b.sandbox.Fail(sandbox.EndpointCerts, 503, 9)
		}},
		{"an answer that does not verify", func(b *bench) {
			b.sandbox.AlterClaims(func(claims map[string]any) { claims["iss"] = "https://e.example" })
		}},
		{"somebody else's answer", func(b *bench) {
			b.sandbox.AlterClaims(func(claims map[string]any) { claims["sub"] = "somebody" })
		}},
		{"an answer that is lost", func(b *bench) { b.sandbox.LoseNextResponse(sandbox.EndpointRefresh) }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { disconnectDuringARefresh(t, c.answer, c.name == "an answer that is lost") })
		})
	}
}

func disconnectDuringARefresh(t *testing.T, answer func(*bench), lost bool) {
	b := newBench(t, options{})
	id := b.connect("p1", robin, b.a)
	stored := b.record(id).Refresh
	pass(gone)
	b.sandbox.Slow(sandbox.EndpointRefresh, 5*time.Second, 1)
	answer(b)
	var calls sync.WaitGroup
	calls.Go(func() {
		_, err := b.keeper.Fresh(context.Background(), "p1", id)
		wantKind(t, err, tokens.NotFound, tokens.CauseNotOurs)
	})
	pass(time.Second)
	calls.Go(func() {
		if ending, err := b.keeper.Disconnect(context.Background(), "p1", id); err != nil || ending.Ending != tokens.EndedRevoked {
			t.Errorf("ending is %+v, error %v", ending, err)
		}
	})
	synctest.Wait()
	if b.records() != 0 {
		t.Error("a crash now would bring the connection back")
	}
	_, err := b.keeper.Get("p1", id)
	wantKind(t, err, tokens.NotFound, tokens.CauseNotOurs)
	calls.Wait()
	if b.records() != 0 {
		t.Error("the connection came back")
	}
	if n := b.sandbox.Revoke("", ""); n != 0 {
		t.Errorf("%d authorizations are alive at the platform", n)
	}
	first := b.sandbox.Requests(sandbox.EndpointRevoke)[0].Form().Get("token")
	if late := first != stored.Reveal(); late == lost {
		t.Errorf("the late answer's token was given back: %v", late)
	}
	b.wantEvents("disconnect", "")
	b.wantEvents("refresh_failed")
	b.wantEvents("reconnect_needed")
}

// TestDisconnectUnread: an answer that was stored and not read yet holds the tokens to revoke.
func TestDisconnectUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		pass(gone)
		must(t, b.sandbox.RotateKeys(sandbox.RealmSandbox))
		b.sandbox.Fail(sandbox.EndpointCerts, 503, 9)
		_, err := b.keeper.Fresh(context.Background(), "p1", id)
		wantKind(t, err, tokens.Unavailable, tokens.CauseUnreachable)
		if ending, err := b.keeper.Disconnect(context.Background(), "p1", id); err != nil || ending.Ending != tokens.EndedRevoked {
			t.Errorf("ending is %+v, error %v", ending, err)
		}
		if n := b.sandbox.Revoke("", ""); n != 0 {
			t.Errorf("%d authorizations are alive at the platform", n)
		}
	})
}
