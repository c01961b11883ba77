package tokens_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/oauth"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// behindBack refreshes the stored token without the Keeper, as an earlier process would have, and gives the raw answer.
func (b *bench) behindBack(id string) oauth.Answer {
	b.t.Helper()
	live, err := b.platforms.Get(jane)
	must(b.t, err)
	answer, err := live.OAuth.Refresh(context.Background(), b.record(id).Refresh, nil)
	must(b.t, err)
	if answer.Status != 200 {
		b.t.Fatalf("the sandbox answered %d", answer.Status)
	}
	return answer
}

// TestT053AnswerVariants: refresh_token absent, empty, the same, new, and scope as the answer names it.
func TestT053AnswerVariants(t *testing.T) {
	cases := []struct {
		name    string
		change  func(answer map[string]any, old string)
		changed bool
	}{
		{"absent", func(a map[string]any, _ string) { delete(a, "refresh_token") }, false},
		{"empty", func(a map[string]any, _ string) { a["refresh_token"] = "" }, false},
		{"the same", func(a map[string]any, old string) { a["refresh_token"] = old }, false},
		{"new", func(map[string]any, string) {}, true},
		{"scope echoed", func(a map[string]any, _ string) { a["scope"] = "openid" }, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				b.sandbox.SetRotation(false)
				id := b.connect("p1", robin, b.a)
				before := b.record(id)
				pass(due)
				var answer map[string]any
				must(t, json.Unmarshal([]byte(b.behindBack(id).Body.Reveal()), &answer))
				c.change(answer, before.Refresh.Reveal())
				body, err := json.Marshal(answer)
				must(t, err)
				b.sandbox.Answer(sandbox.EndpointRefresh, sandbox.Canned{Body: string(body)}, 1)
				if !b.works(b.fresh("p1", id)) {
					t.Error("the token does not work")
				}
				after := b.record(id)
				if after.Refresh.Empty() || after.Refresh.Equal(before.Refresh) == c.changed {
					t.Error("the wrong refresh token was kept")
				}
				if len(after.Scopes) != len(before.Scopes) {
					t.Errorf("scopes are %q", after.Scopes)
				}
			})
		})
	}
}

// TestStartsWhereItStopped: what an earlier process left in the middle. asked is how many refreshes follow.
func TestStartsWhereItStopped(t *testing.T) {
	cases := []struct {
		name  string
		leave func(b *bench, c *vault.Connection)
		asked int
		state string
		cause string
	}{
		{"an answer nobody has read", func(b *bench, c *vault.Connection) {
			answer := b.behindBack(c.ID)
			c.Phase, c.Raw, c.RawStatus = "answered", answer.Body, answer.Status
			c.Attempt = vault.RefreshAttempt{ID: "before", SentAt: time.Now(), Fence: 7}
		}, 0, tokens.StateConnected, ""},
		{"invalid_grant nobody has read", func(_ *bench, c *vault.Connection) {
			c.Phase, c.Raw, c.RawStatus = "answered", secret.New(`{"error":"invalid_grant"}`), 400
		}, 0, tokens.StateReconnect, tokens.CauseInvalidGrant},
		{"an outcome that is unknown", func(_ *bench, c *vault.Connection) {
			c.Phase, c.Attempt, c.DoubtSince = "inflight", vault.RefreshAttempt{ID: "before", SentAt: time.Now()}, time.Now()
		}, 1, tokens.StateConnected, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				id := b.connect("p1", robin, b.a)
				pass(200 * time.Second)
				must(t, b.keeper.Close())
				b.alter(id, func(record *vault.Connection) { c.leave(b, record) })
				before := b.refreshes()
				b.openKeeper()
				if !b.works(b.fresh("p1", id)) {
					t.Error("the current token does not work meanwhile")
				}
				synctest.Wait() // what was left has been picked up
				pass(80 * time.Second)
				b.fresh("p1", id)
				wantState(t, b.view("p1", id), c.state, c.cause)
				if n := b.refreshes() - before; n != c.asked {
					t.Errorf("%d refreshes, want %d", n, c.asked)
				}
			})
		})
	}
}

// TestLeftRedemption: a redemption that did not finish was reported to nobody; its tokens are revoked.
func TestLeftRedemption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		answer := b.behindBack(id)
		must(t, b.keeper.Close())
		b.alter(id, func(c *vault.Connection) {
			*c = vault.Connection{
				ID: id, Practitioner: "p1", Platform: jane, Clinic: b.a, State: "pending", Phase: "answered", Raw: answer.Body,
				RawStatus: answer.Status, Generation: c.Generation,
			}
		})
		b.openKeeper()
		synctest.Wait()
		if views, _ := b.keeper.List("p1"); len(views) != 0 || b.records() != 0 {
			t.Errorf("%d connections, %d records", len(views), b.records())
		}
		if n := b.revocations(); n != 1 {
			t.Errorf("%d revocations", n)
		}
	})
}

// TestNoRefreshToken: the platform gave none; the token serves to its end, and then only the practitioner can help.
func TestNoRefreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		must(t, b.keeper.Close())
		b.alter(id, func(c *vault.Connection) { c.Refresh = secret.String{} })
		b.openKeeper()
		pass(299 * time.Second)
		b.fresh("p1", id)
		pass(2 * time.Second)
		for range 2 {
			_, err := b.keeper.Fresh(context.Background(), "p1", id)
			wantKind(t, err, tokens.ReconnectNeeded, tokens.CauseNoRefresh)
			wantState(t, b.view("p1", id), tokens.StateReconnect, tokens.CauseNoRefresh)
		}
		if b.refreshes() != 0 {
			t.Errorf("%d refreshes", b.refreshes())
		}
	})
}

// TestCallerLeaves: the flight goes on without the caller, and Close waits for it.
func TestCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		pass(gone)
		b.sandbox.Slow(sandbox.EndpointRefresh, 5*time.Second, 1)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := b.keeper.Fresh(ctx, "p1", id)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error is %v", err)
		}
		start := time.Now()
		must(t, b.keeper.Close())
		if waited := time.Since(start); waited != 4*time.Second {
			t.Errorf("Close waited %v", waited)
		}
		if c := b.record(id); c.Phase != "" || time.Since(c.RefreshedAt) > time.Second {
			t.Errorf("the answer was not stored: phase %q", c.Phase)
		}
		pass(gone)
		_, err = b.keeper.Fresh(context.Background(), "p1", id)
		wantKind(t, err, tokens.Unavailable, tokens.CauseClosing)
		b.openKeeper()
		if !b.works(b.fresh("p1", id)) || b.refreshes() != 2 {
			t.Errorf("%d refreshes", b.refreshes())
		}
	})
}

// TestSlowPlatform: a call with a live token waits a moment and goes on with it.
func TestSlowPlatform(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		old := b.fresh("p1", id)
		pass(due)
		b.sandbox.Slow(sandbox.EndpointRefresh, 8*time.Second, 1)
		start := time.Now()
		if lease := b.fresh("p1", id); !lease.Access.Equal(old.Access) || time.Since(start) != 2*time.Second {
			t.Errorf("answered after %v", time.Since(start))
		}
		pass(7 * time.Second)
		if lease := b.fresh("p1", id); lease.Access.Equal(old.Access) || b.refreshes() != 1 {
			t.Errorf("%d refreshes", b.refreshes())
		}
	})
}

// TestNoStorageNoRefresh: an intent that cannot be stored is not sent (D4, step 1).
func TestNoStorageNoRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		must(t, b.vault.Close())
		pass(due)
		b.fresh("p1", id) // the live token needs no storage
		pass(gone)
		_, err := b.keeper.Fresh(context.Background(), "p1", id)
		wantKind(t, err, tokens.Storage, tokens.CauseStorage)
		_, err = b.keeper.Disconnect(context.Background(), "p1", id)
		wantKind(t, err, tokens.Storage, tokens.CauseStorage)
		if _, err := b.keeper.Get("p1", id); err != nil {
			t.Errorf("the connection is not listed any more: %v", err)
		}
		if b.refreshes() != 0 || b.revocations() != 0 {
			t.Errorf("%d refreshes, %d revocations", b.refreshes(), b.revocations())
		}
	})
}

// TestAnswerNotStored: the vault fails exactly between the request and its answer. The new token is not used before it
// is durable, it is not lost either, and the platform is not asked again for what we have.
func TestAnswerNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		pass(gone)
		b.sandbox.Slow(sandbox.EndpointRefresh, 5*time.Second, 1)
		time.AfterFunc(time.Second, func() { must(t, b.vault.Close()) })
		_, err := b.keeper.Fresh(context.Background(), "p1", id)
		wantKind(t, err, tokens.Storage, tokens.CauseStorage)
		wantState(t, b.view("p1", id), tokens.StateDegraded, tokens.CauseStorage)
		b.vault, err = vault.Open(b.data(), b.key)
		must(t, err)
		b.keeper.SetVault(b.vault)
		if c := b.record(id); c.Phase != "inflight" {
			t.Errorf("the record is in phase %q", c.Phase)
		}
		pass(2 * time.Second)
		if !b.works(b.fresh("p1", id)) || b.refreshes() != 1 {
			t.Errorf("%d refreshes", b.refreshes())
		}
		if c := b.record(id); c.Phase != "" || !c.Raw.Empty() {
			t.Errorf("the record is in phase %q", c.Phase)
		}
		wantState(t, b.view("p1", id), tokens.StateConnected, "")
	})
}
