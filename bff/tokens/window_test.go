package tokens_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/sandbox"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// TestT054Unused: a connection that nobody uses is not called connected for longer than its refresh token lives, by a
// restart neither; and the first call learns from the platform itself that it has ended, by asking about the token.
func TestT054Unused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		pass(1800*time.Second - time.Nanosecond)
		wantState(t, b.view("p1", id), tokens.StateConnected, "")
		pass(time.Nanosecond)
		wantState(t, b.view("p1", id), tokens.StateReconnect, tokens.CauseExpired)
		if views, _ := b.keeper.List("p1"); len(views) != 1 || views[0].State != tokens.StateReconnect || views[0].KeptFor != 0 {
			t.Errorf("listed as %+v", views)
		}
		b.restart()
		wantState(t, b.view("p1", id), tokens.StateReconnect, tokens.CauseExpired)
		if c := b.record(id); c.State != tokens.StateConnected || c.Refresh.Empty() {
			t.Errorf("the record is %q: nobody has confirmed its end", c.State)
		}
		pass(3 * time.Minute) // Keycloak forgives two
		_, err := b.keeper.Fresh(context.Background(), "p1", id)
		wantKind(t, err, tokens.ReconnectNeeded, tokens.CauseExpired)
		wantState(t, b.view("p1", id), tokens.StateReconnect, tokens.CauseExpired)
	})
}

// TestUnusedUntil: what keeps a connection from being shown as run out.
func TestUnusedUntil(t *testing.T) {
	cases := []struct {
		name            string
		access, refresh time.Duration
		fault           func(b *bench)
		state           string
	}{
		{"no end is stated", 0, 0, func(b *bench) {
			must(b.t, b.keeper.Close())
			for _, id := range b.ids("p1") {
				b.alter(id, func(c *vault.Connection) { c.RefreshExpiresIn = 0 })
			}
			b.openKeeper()
		}, tokens.StateConnected},
		{"the access token outlives the refresh token", 2 * time.Hour, time.Minute, nil, tokens.StateConnected},
		{"Locum's own fault", 0, 0, func(b *bench) {
			b.setSecret("wrong")
			b.tryLate()
		}, tokens.StateMisconfigured},
		{"the platform is down", 0, 0, func(b *bench) {
			b.sandbox.Fail(sandbox.EndpointRefresh, 503, 9)
			b.tryLate()
		}, tokens.StateReconnect},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				b.sandbox.SetLifetimes(c.access, c.refresh)
				id := b.connect("p1", robin, b.a)
				if c.fault != nil {
					c.fault(b)
				}
				pass(time.Hour)
				if view := b.view("p1", id); view.State != c.state {
					t.Errorf("shown as %s (%s)", view.State, view.Cause)
				}
			})
		})
	}
}

// ids are the practitioner's connections.
func (b *bench) ids(practitioner string) (ids []string) {
	b.t.Helper()
	views, err := b.keeper.List(practitioner)
	must(b.t, err)
	for _, view := range views {
		ids = append(ids, view.ID)
	}
	return ids
}

// tryLate calls once after the access token's end, and does not mind the answer.
func (b *bench) tryLate() {
	pass(gone)
	for _, id := range b.ids("p1") {
		_, _ = b.keeper.Fresh(context.Background(), "p1", id)
	}
}
