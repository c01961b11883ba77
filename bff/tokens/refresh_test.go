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
)

// due is when the sandbox's token of 300 s is due: 30 s before its end. gone is when it has ended.
const (
	due  = 271 * time.Second
	gone = 301 * time.Second
)

func TestFreshFromMemory(t *testing.T) {
	b := newBench(t, options{})
	id := b.connect("p1", robin, b.a)
	ctx := context.Background()
	want := b.fresh("p1", id)
	allocs := testing.AllocsPerRun(100, func() {
		if lease, err := b.keeper.Fresh(ctx, "p1", id); err != nil || lease.Generation != want.Generation {
			t.Fatal(lease.Generation, err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations on the hot path", allocs)
	}
}

func BenchmarkFresh(b *testing.B) {
	bench := newBench(b, options{})
	id := bench.connect("p1", robin, bench.a)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bench.keeper.Fresh(ctx, "p1", id); err != nil {
			b.Fatal(err)
		}
	}
}

// TestT046BeforeExpiry: no token is handed out in the last 30 s of its 300, each is refreshed once, and each works.
func TestT046BeforeExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		born, last := time.Now(), b.fresh("p1", id)
		for range 120 {
			pass(10 * time.Second)
			lease := b.fresh("p1", id)
			if lease.Generation != last.Generation {
				born, last = time.Now(), lease
			}
			if age := time.Since(born); age > 270*time.Second {
				t.Fatalf("a token of age %v was handed out", age)
			}
			if !b.works(lease) {
				t.Fatal("a token that does not work was handed out")
			}
		}
		if n := b.refreshes(); n != 4 { // 1,200 s, one each 270 s
			t.Errorf("%d refreshes in 20 minutes", n)
		}
		if view := b.view("p1", id); view.FreshFor <= 0 || !view.RefreshedAt.After(view.ConnectedAt) {
			t.Errorf("fresh for %v, refreshed at %v", view.FreshFor, view.RefreshedAt)
		}
	})
}

// TestT047SingleFlight: 500 calls at the instant of expiry, each with a context of its own, are one refresh.
func TestT047SingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		old := b.fresh("p1", id)
		b.sandbox.Slow(sandbox.EndpointRefresh, time.Second, 1)
		pass(300 * time.Second)
		leases := make([]tokens.Lease, 500)
		errs := make([]error, len(leases))
		var calls sync.WaitGroup
		for i := range leases {
			calls.Go(func() { leases[i], errs[i] = b.keeper.Fresh(context.Background(), "p1", id) })
		}
		calls.Wait()
		if n := b.refreshes(); n != 1 {
			t.Errorf("the identity server saw %d refreshes", n)
		}
		for i, err := range errs {
			if err != nil || leases[i].Access.Equal(old.Access) || !b.works(leases[i]) {
				t.Fatalf("call %d: %v", i, err)
			}
		}
	})
}

func TestRefreshStoresTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{openID: true})
		id := b.connect("p1", robin, b.a)
		before := b.record(id)
		pass(due)
		lease := b.fresh("p1", id)
		c := b.record(id)
		if !c.Access.Equal(lease.Access) || c.Refresh.Equal(before.Refresh) || c.Phase != "" || !c.Raw.Empty() {
			t.Errorf("the record is in phase %q", c.Phase)
		}
		if c.Attempt.ID == "" || c.Attempt.Fence != 1 || c.Subject != before.Subject {
			t.Errorf("the record has attempt %q, fence %d", c.Attempt.ID, c.Attempt.Fence)
		}
		b.restart()
		if again := b.fresh("p1", id); !again.Access.Equal(lease.Access) {
			t.Error("another token after the restart")
		}
		pass(due)
		b.fresh("p1", id)
		if b.refreshes() != 2 {
			t.Errorf("%d refreshes", b.refreshes())
		}
	})
}

// TestT050InvalidGrant: one request, state and reason, refresh token erased, the current token to its end, others live.
func TestT050InvalidGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id, other := b.connect("p1", robin, b.a), b.connect("p1", robin, b.b)
		b.sandbox.Revoke("", b.a)
		pass(due)
		old := b.fresh("p1", id) // still in its last 30 s
		wantState(t, b.view("p1", id), tokens.StateReconnect, tokens.CauseSessionEnded)
		if c := b.record(id); !c.Refresh.Empty() || c.Access.Empty() || c.State != tokens.StateReconnect || c.Phase != "" {
			t.Errorf("the record has state %q, phase %q", c.State, c.Phase)
		}
		b.wantEvents("reconnect_needed", tokens.CauseSessionEnded)
		for range 5 {
			pass(5 * time.Second)
			if lease := b.fresh("p1", id); !lease.Access.Equal(old.Access) {
				t.Fatal("another token")
			}
		}
		pass(10 * time.Second)
		for range 3 {
			_, err := b.keeper.Fresh(context.Background(), "p1", id)
			wantKind(t, err, tokens.ReconnectNeeded, tokens.CauseSessionEnded)
			pass(time.Minute)
		}
		if n := b.refreshes(); n != 1 {
			t.Errorf("%d refreshes of a dead connection", n)
		}
		if !b.works(b.fresh("p1", other)) {
			t.Error("the other connection died too")
		}
		b.restart()
		_, err := b.keeper.Fresh(context.Background(), "p1", id)
		wantKind(t, err, tokens.ReconnectNeeded, tokens.CauseSessionEnded)
	})
}

// TestT051OurFault: nothing is erased, the live token works on, and the connection heals by itself.
func TestT051OurFault(t *testing.T) {
	codes := []string{"invalid_client", "unauthorized_client", "invalid_scope", "invalid_request", "unsupported_grant_type"}
	for _, code := range codes {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				id := b.connect("p1", robin, b.a)
				before := b.record(id)
				status := 400
				if code == "invalid_client" {
					status = 401
				}
				b.sandbox.Answer(sandbox.EndpointRefresh, sandbox.Canned{Status: status, Body: `{"error":"` + code + `"}`}, 2)
				pass(due)
				b.fresh("p1", id)
				wantState(t, b.view("p1", id), tokens.StateMisconfigured, code)
				if c := b.record(id); !c.Refresh.Equal(before.Refresh) || c.Phase != "" {
					t.Error("the refresh token is gone")
				}
				pass(gone - due)
				_, err := b.keeper.Fresh(context.Background(), "p1", id)
				wantKind(t, err, tokens.Misconfigured, code)
				b.wantEvents("refresh_failed", code) // once for the change, not once per attempt
				pass(time.Minute)
				if !b.works(b.fresh("p1", id)) {
					t.Error("the token does not work")
				}
				wantState(t, b.view("p1", id), tokens.StateConnected, "")
			})
		})
	}
}

// TestT051SecretRepaired: a wrong or missing secret, then the right one; all connections resume without a human.
func TestT051SecretRepaired(t *testing.T) {
	for name, wrong := range map[string]string{"wrong": "SBX-wrong", "missing": ""} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				ids := []string{b.connect("p1", robin, b.a), b.connect("p1", robin, b.b), b.connect("p2", alex, b.a)}
				right := b.sandbox.Clients()[0].Secret
				b.setSecret(wrong)
				pass(gone)
				for i, id := range ids {
					_, err := b.keeper.Fresh(context.Background(), []string{"p1", "p1", "p2"}[i], id)
					if tokens.KindOf(err) != tokens.Misconfigured {
						t.Fatalf("%v", err)
					}
				}
				b.setSecret(right)
				pass(2 * time.Second)
				for i, id := range ids {
					if who := []string{"p1", "p1", "p2"}[i]; !b.works(b.fresh(who, id)) {
						t.Error("not healed")
					} else {
						wantState(t, b.view(who, id), tokens.StateConnected, "")
					}
				}
			})
		})
	}
}

// TestPlatformDown: the live token works on at once, the dead one says unavailable, attempts back off from 1 s to 30 s.
func TestPlatformDown(t *testing.T) {
	cases := []struct {
		name  string
		fault func(s *sandbox.Sandbox)
		cause string
		phase string
	}{
		{"503", func(s *sandbox.Sandbox) { s.Fail(sandbox.EndpointRefresh, 503, 99) }, tokens.CauseUnavailable, ""},
		{"429", func(s *sandbox.Sandbox) { s.Fail(sandbox.EndpointRefresh, 429, 99) }, tokens.CauseUnavailable, ""},
		{"502 is no verdict", func(s *sandbox.Sandbox) {
			s.Answer(sandbox.EndpointRefresh, sandbox.Canned{Status: 502, Body: `{"error":"invalid_grant"}`}, 99)
		}, tokens.CauseNoAnswer, "inflight"},
		{"a redirect", func(s *sandbox.Sandbox) {
			s.Answer(sandbox.EndpointRefresh, sandbox.Canned{Status: 302, Header: map[string]string{"Location": "https://e.example"}}, 99)
		}, tokens.CauseUnavailable, ""},
		{"cut", func(s *sandbox.Sandbox) { s.Cut(sandbox.EndpointRefresh, 99) }, tokens.CauseNoAnswer, "inflight"},
		{"malformed", func(s *sandbox.Sandbox) {
			s.Answer(sandbox.EndpointRefresh, sandbox.Canned{Body: `{"access_token":`}, 99)
		}, tokens.CauseNoAnswer, "inflight"},
		{"slow", func(s *sandbox.Sandbox) { s.Hang(sandbox.EndpointRefresh, 99) }, tokens.CauseNoAnswer, "inflight"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				id := b.connect("p1", robin, b.a)
				before := b.record(id)
				c.fault(b.sandbox)
				pass(due)
				old := b.fresh("p1", id)
				pass(12 * time.Second) // a slow one has given up
				start := time.Now()
				if lease := b.fresh("p1", id); !lease.Access.Equal(old.Access) || time.Since(start) > 0 {
					t.Errorf("a live token was handed out after %v", time.Since(start))
				}
				wantState(t, b.view("p1", id), tokens.StateDegraded, c.cause)
				pass(gone)
				for range 600 { // ten minutes, a call a second
					_, err := b.keeper.Fresh(context.Background(), "p1", id)
					wantKind(t, err, tokens.Unavailable, c.cause)
					var typed *tokens.Error
					most := 30 * time.Second
					if c.name == "429" { // it says so itself
						most = time.Minute
					}
					if errors.As(err, &typed); typed.RetryAfter <= 0 || typed.RetryAfter > most {
						t.Fatalf("retry after %v", typed.RetryAfter)
					}
					pass(time.Second)
				}
				if n := b.refreshes(); n < 10 || n > 35 {
					t.Errorf("%d attempts in ten minutes", n)
				}
				if got := b.record(id); !got.Refresh.Equal(before.Refresh) || got.Phase != c.phase || got.State != tokens.StateDegraded {
					t.Errorf("the record is %q in phase %q", got.State, got.Phase)
				}
				b.wantEvents("refresh_failed", c.cause)
				b.wantEvents("reconnect_needed")
			})
		})
	}
}

func TestRecoversFromOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		b.sandbox.Fail(sandbox.EndpointRefresh, 503, 3)
		pass(gone)
		failures := 0
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); pass(time.Second) {
			if _, err := b.keeper.Fresh(context.Background(), "p1", id); err != nil {
				failures++
			}
		}
		if failures == 0 || failures > 8 || b.refreshes() != 4 {
			t.Errorf("%d failures, %d attempts", failures, b.refreshes())
		}
		wantState(t, b.view("p1", id), tokens.StateConnected, "")
	})
}

// TestWrongAnswers: an access token that does not check out is never handed out. What merely does not verify keeps the
// newest refresh token; what belongs to somebody else ends the connection and is revoked.
func TestWrongAnswers(t *testing.T) {
	cases := []struct {
		name    string
		claim   string
		value   any
		state   string
		cause   string
		revoked int
	}{
		{"bad issuer", "iss", "https://e.example", tokens.StateDegraded, tokens.CauseBadToken, 0},
		{"other subject", "sub", "somebody", tokens.StateReconnect, tokens.CauseWrongPerson, 1},
		{"other clinic", "aud", []string{"https://e.example"}, tokens.StateReconnect, tokens.CauseWrongClinic, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				id := b.connect("p1", robin, b.a)
				old := b.fresh("p1", id)
				pass(due)
				b.sandbox.AlterClaims(func(claims map[string]any) { claims[c.claim] = c.value })
				if lease := b.fresh("p1", id); !lease.Access.Equal(old.Access) {
					t.Fatal("the wrong token was handed out")
				}
				wantState(t, b.view("p1", id), c.state, c.cause)
				if n := b.revocations(); n != c.revoked {
					t.Errorf("%d revocations", n)
				}
				pass(gone - due)
				lease, err := b.keeper.Fresh(context.Background(), "p1", id)
				if c.state == tokens.StateReconnect {
					wantKind(t, err, tokens.ReconnectNeeded, c.cause)
				} else if err != nil || !b.works(lease) {
					t.Errorf("not healed: %v", err)
				}
			})
		})
	}
}

// TestAnswerReadTooLate: a stored answer whose access token has run out still gives its refresh token.
func TestAnswerReadTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		pass(gone)
		must(t, b.sandbox.RotateKeys(sandbox.RealmSandbox))
		b.sandbox.Fail(sandbox.EndpointCerts, 503, 1)
		_, err := b.keeper.Fresh(context.Background(), "p1", id)
		wantKind(t, err, tokens.Unavailable, tokens.CauseUnreachable)
		pass(gone)
		if !b.works(b.fresh("p1", id)) {
			t.Error("the token does not work")
		}
		if n := b.refreshes(); n != 2 {
			t.Errorf("%d refreshes", n)
		}
	})
}

// TestKeysNotToBeHad: the raw answer is kept until it can be checked; the identity server is not asked again.
func TestKeysNotToBeHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		pass(gone)
		must(t, b.sandbox.RotateKeys(sandbox.RealmSandbox))
		b.sandbox.Fail(sandbox.EndpointCerts, 503, 1)
		_, err := b.keeper.Fresh(context.Background(), "p1", id)
		wantKind(t, err, tokens.Unavailable, tokens.CauseUnreachable)
		if c := b.record(id); c.Phase != "answered" || c.Raw.Empty() {
			t.Errorf("the record is in phase %q", c.Phase)
		}
		b.restart() // and the answer survives that too
		pass(2 * time.Minute)
		if !b.works(b.fresh("p1", id)) {
			t.Error("the token does not work")
		}
		if n := b.refreshes(); n != 1 {
			t.Errorf("%d refreshes", n)
		}
	})
}
