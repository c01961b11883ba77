package tokens_test

import (
	"context"
	"encoding/json"
	"os/signal"
	"syscall"
	"testing"
	"testing/synctest"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/tokens"
)

// TestT049DoubtStays: an answer was lost, so the refresh token may be spent. An attempt that is not processed after it does
// not make that certain; one that succeeds does. The platform forgives, so that nobody is asked in between.
func TestT049DoubtStays(t *testing.T) {
	cases := []struct {
		name  string
		fault func(b *bench)
		cause string
	}{
		{"503", func(b *bench) { b.sandbox.Fail(sandbox.EndpointRefresh, 503, 1) }, tokens.CauseUnavailable},
		{"429", func(b *bench) { b.sandbox.Fail(sandbox.EndpointRefresh, 429, 1) }, tokens.CauseUnavailable},
		{"wrong secret", func(b *bench) { b.setSecret("wrong") }, tokens.CauseInvalidClient},
		{"no secret", func(b *bench) { b.setSecret("") }, tokens.CauseInvalidClient},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{refresh: platform.RefreshPolicy{Kind: platform.KindNone}})
				b.sandbox.SetKind(sandbox.KindK0)
				right := b.secret.Load().Reveal()
				id := b.connect("p1", robin, b.a)
				pass(gone)
				b.sandbox.Cut(sandbox.EndpointRefresh, 2) // and the attempt that follows at once
				_, err := b.keeper.Fresh(context.Background(), "p1", id)
				wantKind(t, err, tokens.Unavailable, tokens.CauseNoAnswer)
				pass(gone)
				c.fault(b)
				if _, err = b.keeper.Fresh(context.Background(), "p1", id); err == nil {
					t.Error("refreshed")
				}
				if got := b.record(id); got.Phase != "inflight" || got.Cause != c.cause {
					t.Errorf("phase %q, cause %q", got.Phase, got.Cause)
				}
				b.setSecret(right)
				pass(gone)
				b.fresh("p1", id)
				if got := b.record(id); got.Phase != "" {
					t.Errorf("phase %q after a success", got.Phase)
				}
				b.sandbox.Fail(sandbox.EndpointRefresh, 503, 1)
				pass(due)
				b.fresh("p1", id)
				synctest.Wait()
				if got := b.record(id); got.Phase != "" || got.State != tokens.StateDegraded {
					t.Errorf("%s in phase %q although nothing is in doubt", got.State, got.Phase)
				}
			})
		})
	}
}

// TestStrangeSuccess: a 2xx other than 200 was processed, and what became of the refresh token is unknown.
func TestStrangeSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		pass(gone)
		b.sandbox.Answer(sandbox.EndpointRefresh, sandbox.Canned{Status: 204}, 1)
		_, err := b.keeper.Fresh(context.Background(), "p1", id)
		wantKind(t, err, tokens.Unavailable, tokens.CauseNoAnswer)
		if c := b.record(id); c.Phase != "inflight" {
			t.Errorf("the record is in phase %q", c.Phase)
		}
	})
}

// TestMalformedAnswer: what cannot be used of an answer is dropped, and its refresh token is not: the old one is spent.
func TestMalformedAnswer(t *testing.T) {
	for name, value := range map[string]any{"expires_in": 0, "token_type": "mac", "access_token": "", "scope": 5} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				id := b.connect("p1", robin, b.a)
				pass(gone)
				var answer map[string]any
				must(t, json.Unmarshal([]byte(b.behindBack(id).Body.Reveal()), &answer))
				answer[name] = value
				body, err := json.Marshal(answer)
				must(t, err)
				b.sandbox.Answer(sandbox.EndpointRefresh, sandbox.Canned{Body: string(body)}, 1)
				_, err = b.keeper.Fresh(context.Background(), "p1", id)
				wantKind(t, err, tokens.Unavailable, tokens.CauseNoAnswer)
				if c := b.record(id); c.Refresh.Reveal() != answer["refresh_token"] || c.Phase != "" || !c.Raw.Empty() {
					t.Errorf("phase %q, or another refresh token", c.Phase)
				}
				pass(gone)
				if !b.works(b.fresh("p1", id)) {
					t.Error("not healed")
				}
				b.wantEvents("reconnect_needed")
			})
		})
	}
}

// TestMalformedRedemption: tokens that came with an answer that cannot be used are revoked.
func TestMalformedRedemption(t *testing.T) {
	b := newBench(t, options{})
	r := b.approve("p1", robin, jane, b.a, nil)
	live, err := b.platforms.Get(jane)
	must(t, err)
	answer, err := live.OAuth.Exchange(context.Background(), r.Code, r.Attempt.Verifier)
	must(t, err)
	var own map[string]any
	must(t, json.Unmarshal([]byte(answer.Body.Reveal()), &own))
	own["expires_in"] = -1
	body, err := json.Marshal(own)
	must(t, err)
	b.sandbox.Answer(sandbox.EndpointExchange, sandbox.Canned{Body: string(body)}, 1)
	_, err = b.keeper.Redeem(context.Background(), r)
	wantKind(t, err, tokens.Unknown, tokens.CauseNoAnswer)
	if n := b.sandbox.Revoke("", ""); n != 0 || b.records() != 0 {
		t.Errorf("%d authorizations are alive at the platform, %d records", n, b.records())
	}
}

// TestT042IDTokenOfARefresh: an id_token that came with a refresh is checked whole, whatever nonce it repeats: here it
// belongs to another person's sign-in.
func TestT042IDTokenOfARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{openID: true})
		id := b.connect("p1", robin, b.a)
		old := b.fresh("p1", id)
		live, err := b.platforms.Get(jane)
		must(t, err)
		theirs := b.approve("p2", alex, jane, b.a, nil)
		answer, err := live.OAuth.Exchange(context.Background(), theirs.Code, theirs.Attempt.Verifier)
		must(t, err)
		foreign, err := oauth.ParseToken(answer)
		must(t, err)
		pass(due)
		var own map[string]any
		must(t, json.Unmarshal([]byte(b.behindBack(id).Body.Reveal()), &own))
		if own["id_token"] == nil {
			t.Fatal("the sandbox gives no id_token at a refresh")
		}
		own["id_token"] = foreign.ID.Reveal()
		body, err := json.Marshal(own)
		must(t, err)
		b.sandbox.Answer(sandbox.EndpointRefresh, sandbox.Canned{Body: string(body)}, 1)
		if lease := b.fresh("p1", id); !lease.Access.Equal(old.Access) {
			t.Error("the token was handed out")
		}
		wantState(t, b.view("p1", id), tokens.StateDegraded, tokens.CauseBadToken)
	})
}

// TestT068NoIntentNoRefresh: the vault can be read and not written, so the durable intent fails: nothing is sent, nothing
// is lost, and it heals by itself.
func TestT068NoIntentNoRefresh(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ) // see noWrites
	defer signal.Reset(syscall.SIGXFSZ)
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		before := b.record(id)
		pass(gone)
		writable := noWrites(t)
		_, err := b.keeper.Fresh(context.Background(), "p1", id)
		writable()
		wantKind(t, err, tokens.Storage, tokens.CauseStorage)
		wantState(t, b.view("p1", id), tokens.StateDegraded, tokens.CauseStorage)
		if n := b.refreshes(); n != 0 {
			t.Errorf("%d refreshes were sent", n)
		}
		if c := b.record(id); c.Generation != before.Generation || !c.Refresh.Equal(before.Refresh) {
			t.Errorf("the record is in phase %q, generation %d", c.Phase, c.Generation)
		}
		pass(gone)
		if !b.works(b.fresh("p1", id)) || b.refreshes() != 1 {
			t.Errorf("%d refreshes", b.refreshes())
		}
		b.restart() // the file is whole
	})
}

// noWrites makes every write of this process to a file fail with EFBIG, as a full disk does with ENOSPC, until the
// answer is called. No other test may run meanwhile, and SIGXFSZ must be ignored.
func noWrites(t *testing.T) (writable func()) {
	t.Helper()
	var before syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 0, Max: before.Max}))
	return func() { must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)) }
}
