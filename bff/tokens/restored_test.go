package tokens_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// restored puts the connection's record into probe-first, as the operator's command does.
func (b *bench) restored(want int) {
	b.t.Helper()
	must(b.t, b.keeper.Close())
	n, err := tokens.MarkRestored(b.vault)
	must(b.t, err)
	if n != want {
		b.t.Errorf("%d connections were marked, want %d", n, want)
	}
	b.openKeeper()
}

// TestRestored: a vault comes out of a backup. Whether the original has used a refresh token since is asked before it is
// presented, whatever the kind; nothing that is spent is presented.
func TestRestored(t *testing.T) {
	for _, r := range rotations {
		for name, used := range map[string]bool{"used since": true, "not used since": false} {
			t.Run(string(r.kind)+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, options{refresh: r.policy})
					b.sandbox.SetKind(r.kind)
					id := b.connect("p1", robin, b.a)
					pass(due)
					if used {
						b.behindBack(id)
						pass(time.Minute)
					}
					b.restored(1)
					if c := b.record(id); c.Phase != "restored" || c.Refresh.Empty() {
						t.Errorf("phase %q", c.Phase)
					}
					b.call("p1", id, 60)
					if used && (r.kind == sandbox.KindK1 || r.kind == sandbox.KindO1) {
						wantState(t, b.view("p1", id), tokens.StateReconnect, tokens.CauseRestored)
					} else {
						wantState(t, b.view("p1", id), tokens.StateConnected, "")
					}
					if n := b.sandbox.SpentPresented(); n != 0 || b.sandbox.Count(sandbox.EndpointIntrospect) == 0 {
						t.Errorf("%d spent tokens were presented, %d questions", n, b.sandbox.Count(sandbox.EndpointIntrospect))
					}
				})
			})
		}
	}
}

// TestRestoredWithoutIntrospection: where nobody can be asked, only a platform that forgives is presented the token.
func TestRestoredWithoutIntrospection(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy platform.RefreshPolicy
		kind   sandbox.Kind
		state  string
		cause  string
	}{
		{"K0", platform.RefreshPolicy{Kind: platform.KindNone}, sandbox.KindK0, tokens.StateConnected, ""},
		{"K1", strict, sandbox.KindK1, tokens.StateDegraded, tokens.CauseRestored},
		{"unknown", platform.RefreshPolicy{}, sandbox.KindK1, tokens.StateDegraded, tokens.CauseRestored},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{refresh: c.policy, mute: true})
				b.sandbox.SetKind(c.kind)
				id := b.connect("p1", robin, b.a)
				b.restored(1)
				pass(due)
				b.call("p1", id, 60)
				wantState(t, b.view("p1", id), c.state, c.cause)
				if c := b.record(id); c.Refresh.Empty() {
					t.Error("the refresh token is gone")
				}
			})
		})
	}
	t.Run("introspection refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, options{})
			id := b.connect("p1", robin, b.a)
			b.restored(1)
			b.sandbox.Fail(sandbox.EndpointIntrospect, 403, 99)
			pass(due)
			b.call("p1", id, 60)
			wantState(t, b.view("p1", id), tokens.StateDegraded, tokens.CauseRestored)
			if b.refreshes() != 0 || b.record(id).Phase != "restored" {
				t.Errorf("%d refreshes, phase %q", b.refreshes(), b.record(id).Phase)
			}
			b.sandbox.Calm()
			b.call("p1", id, 60)
			wantState(t, b.view("p1", id), tokens.StateConnected, "")
		})
	})
}

// TestRestoredRecords: what a backup may hold beside connections at rest.
func TestRestoredRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		unread, ended, doubtful := b.connect("p1", robin, b.a), b.connect("p1", robin, b.b), b.connect("p2", alex, b.a)
		b.sandbox.Revoke(robin, b.b)
		pass(due)
		b.fresh("p1", ended)
		must(t, b.keeper.Close())
		var newest struct {
			Token string `json:"refresh_token"`
		}
		b.alter(unread, func(c *vault.Connection) {
			answer := b.behindBack(c.ID)
			must(t, json.Unmarshal([]byte(answer.Body.Reveal()), &newest))
			c.Phase, c.Raw, c.RawStatus = "answered", answer.Body, answer.Status
		})
		b.alter(doubtful, func(c *vault.Connection) { b.inflight(c, time.Now()) })
		b.alter(ended, func(c *vault.Connection) {
			c.Phase, c.Raw, c.RawStatus = "answered", secret.New(`{"error":"invalid_grant"}`), 400
		})
		must(t, b.vault.Update(func(tx *vault.Tx) error {
			return vault.Connections.Put(tx, "pending", &vault.Connection{ID: "pending", State: "pending", Refresh: secret.New("x")})
		}))
		b.restored(2)
		if c := b.record(unread); c.Refresh.Reveal() != newest.Token || !c.Raw.Empty() || c.Phase != "restored" {
			t.Errorf("the unread answer's record is in phase %q", c.Phase)
		}
		if c := b.record(ended); c.Phase == "restored" {
			t.Error("a connection without a refresh token was marked")
		}
		b.call("p1", unread, 60)
		b.call("p2", doubtful, 60)
		wantState(t, b.view("p1", unread), tokens.StateConnected, "")
		wantState(t, b.view("p2", doubtful), tokens.StateConnected, "")
		if n := b.sandbox.SpentPresented(); n != 0 {
			t.Errorf("%d spent tokens were presented", n)
		}
	})
}

// TestOldAtStart: a record that is older than this Locum would have left it may come out of a backup that nobody has told of.
// With a kind that does not forgive everything it is asked about once before it is presented.
func TestOldAtStart(t *testing.T) {
	cases := []struct {
		name  string
		o     options
		kind  sandbox.Kind
		age   time.Duration
		used  bool
		fault func(b *bench)
		state string
		cause string
		asked bool
	}{
		{"strict, used since", options{refresh: strict}, sandbox.KindK1, 25 * time.Minute, true, nil, tokens.StateReconnect, tokens.CauseSuperseded, true},
		{"unknown, used since", options{}, sandbox.KindK1, 25 * time.Minute, true, nil, tokens.StateReconnect, tokens.CauseSuperseded, true},
		{"strict, not used since", options{refresh: strict}, sandbox.KindK1, 25 * time.Minute, false, nil, tokens.StateConnected, "", true},
		{"strict, young", options{refresh: strict}, sandbox.KindK1, 10 * time.Minute, false, nil, tokens.StateConnected, "", false},
		{"forgiving, used since", options{refresh: platform.RefreshPolicy{Kind: platform.KindNone}}, sandbox.KindK0, 25 * time.Minute, true, nil, tokens.StateConnected, "", false},
		{"no introspection", options{refresh: strict, mute: true}, sandbox.KindK1, 25 * time.Minute, false, nil, tokens.StateConnected, "", false},
		{"introspection refused", options{refresh: strict}, sandbox.KindK1, 25 * time.Minute, false, func(b *bench) {
			b.sandbox.Fail(sandbox.EndpointIntrospect, 403, 99)
		}, tokens.StateConnected, "", true},
		{"introspection down", options{refresh: strict}, sandbox.KindK1, 25 * time.Minute, false, func(b *bench) {
			b.sandbox.Fail(sandbox.EndpointIntrospect, 503, 1)
		}, tokens.StateConnected, "", true},
		{"past the login's end", options{refresh: strict}, sandbox.KindK1, 25 * time.Minute, true, func(b *bench) {
			must(b.t, b.keeper.Close())
			for _, id := range b.ids("p1") {
				b.alter(id, func(c *vault.Connection) { c.EndsAt = time.Now() })
			}
			b.openKeeper()
		}, tokens.StateReconnect, tokens.CauseSessionMax, true},
		{"run out", options{refresh: strict}, sandbox.KindK1, 40 * time.Minute, false, nil, tokens.StateReconnect, tokens.CauseExpired, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, c.o)
				b.sandbox.SetKind(c.kind)
				id := b.connect("p1", robin, b.a)
				must(t, b.keeper.Close())
				pass(c.age)
				if c.used {
					b.behindBack(id)
				}
				asked := len(b.sandbox.Requests(sandbox.EndpointIntrospect, sandbox.EndpointRefresh))
				b.openKeeper()
				if c.fault != nil {
					c.fault(b)
				}
				b.call("p1", id, 5)
				wantState(t, b.view("p1", id), c.state, c.cause)
				first := b.sandbox.Requests(sandbox.EndpointIntrospect, sandbox.EndpointRefresh)[asked]
				if (first.Where == sandbox.EndpointIntrospect) != c.asked {
					t.Errorf("began with %s", first.Where)
				}
				if n := b.sandbox.SpentPresented(); n != 0 {
					t.Errorf("%d spent tokens were presented", n)
				}
			})
		})
	}
}
