package tokens_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"locum/bff/sandbox"
	"locum/bff/tokens"
	"locum/bff/vault"
)

func TestRedeemMakesAConnection(t *testing.T) {
	b := newBench(t, options{})
	id := b.connect("p1", robin, b.a)
	view := b.view("p1", id)
	wantState(t, view, tokens.StateConnected, "")
	if view.Clinic != b.a || view.Platform != jane || view.ClinicName != b.sandbox.Clinics()[0].Name {
		t.Errorf("view is of %q at %q (%q)", view.Clinic, view.Platform, view.ClinicName)
	}
	if len(view.Scopes) == 0 || !slices.Equal(view.Scopes, view.Requested) {
		t.Errorf("scopes are %q, requested %q", view.Scopes, view.Requested)
	}
	if len(view.StaffMembers) != 1 || !slices.Equal(view.Roles, []string{"practitioner"}) {
		t.Errorf("staff members are %q, roles %q", view.StaffMembers, view.Roles)
	}
	if view.FreshFor <= 0 || view.KeptFor <= view.FreshFor {
		t.Errorf("fresh for %v, kept for %v", view.FreshFor, view.KeptFor)
	}
	c := b.record(id)
	if c.Refresh.Empty() || c.Access.Empty() || !c.Raw.Empty() || c.Phase != "" || c.SID == "" || c.Subject == "" {
		t.Errorf("the record has phase %q, sid %q, subject %q", c.Phase, c.SID, c.Subject)
	}
	if lease := b.fresh("p1", id); !b.works(lease) || lease.Clinic != b.a || lease.Connection != id {
		t.Errorf("the lease is for %q of %q", lease.Clinic, lease.Connection)
	}
	b.wantEvents("connect", "")
}

func TestAnothersConnectionIsNotFound(t *testing.T) {
	b := newBench(t, options{})
	id := b.connect("p1", robin, b.a)
	ctx := context.Background()
	_, err := b.keeper.Fresh(ctx, "p2", id)
	wantKind(t, err, tokens.NotFound, tokens.CauseNotOurs)
	_, err = b.keeper.Get("p2", id)
	wantKind(t, err, tokens.NotFound, tokens.CauseNotOurs)
	_, err = b.keeper.Disconnect(ctx, "p2", id)
	wantKind(t, err, tokens.NotFound, tokens.CauseNotOurs)
	if views, err := b.keeper.List("p2"); err != nil || len(views) != 0 {
		t.Errorf("p2 sees %d connections (%v)", len(views), err)
	}
	_, err = b.keeper.Redeem(ctx, b.approve("p2", robin, jane, b.a, func(a *vault.Attempt) { a.Connection = id }))
	wantKind(t, err, tokens.NotFound, tokens.CauseNotOurs)
	if b.fresh("p1", id).Connection != id {
		t.Error("the owner lost it")
	}
}

// TestRedeemRefuses walks what a token endpoint may answer that must not become a connection. exchanges is how many
// requests it has seen: a code is never sent twice.
func TestRedeemRefuses(t *testing.T) {
	claim := func(name string, value any) func(*bench) {
		return func(b *bench) { b.sandbox.AlterClaims(func(claims map[string]any) { claims[name] = value }) }
	}
	cases := []struct {
		name    string
		spoil   func(b *bench)
		kind    tokens.Kind
		code    string
		revoked int
	}{
		{"T044 aud lacks the clinic", func(b *bench) { b.sandbox.WrongAudience() }, tokens.WrongClinic, tokens.CauseWrongClinic, 1},
		{"T044 aud has another clinic", func(b *bench) { b.sandbox.WrongAudience(b.b) }, tokens.WrongClinic, tokens.CauseWrongClinic, 1},
		{"T044 aud has two clinics", func(b *bench) { b.sandbox.WrongAudience(b.a, b.b) }, tokens.WrongClinic, tokens.CauseWrongClinic, 1},
		{"issuer of the other realm", func(b *bench) { claim("iss", b.sandbox.Issuer(sandbox.RealmProduction))(b) }, tokens.BadToken, tokens.CauseBadToken, 1},
		{"azp of another client", claim("azp", "somebody"), tokens.BadToken, tokens.CauseBadToken, 1},
		{"no bearer token", claim("typ", "ID"), tokens.BadToken, tokens.CauseBadToken, 1},
		{"expired", claim("exp", 1), tokens.BadToken, tokens.CauseBadToken, 1},
		{"staff members of another shape", claim("resource_owner", "x"), tokens.BadToken, tokens.CauseBadToken, 1},
		{"keys not to be had", func(b *bench) { b.sandbox.Fail(sandbox.EndpointCerts, 503, 9) }, tokens.Unavailable, tokens.CauseUnreachable, 1},
		{"500", func(b *bench) { b.sandbox.Fail(sandbox.EndpointExchange, 500, 1) }, tokens.Unknown, tokens.CauseNoAnswer, 0},
		{"503", func(b *bench) { b.sandbox.Fail(sandbox.EndpointExchange, 503, 1) }, tokens.Unavailable, tokens.CauseUnavailable, 0},
		{"429", func(b *bench) { b.sandbox.Fail(sandbox.EndpointExchange, 429, 1) }, tokens.Unavailable, tokens.CauseUnavailable, 0},
		{"T033 answer lost", func(b *bench) { b.sandbox.LoseNextResponse(sandbox.EndpointExchange) }, tokens.Unknown, tokens.CauseNoAnswer, 0},
		{"not JSON", func(b *bench) { b.sandbox.Answer(sandbox.EndpointExchange, sandbox.Canned{Body: "<p>hello"}, 1) }, tokens.Unknown, tokens.CauseNoAnswer, 0},
		{"T051 wrong secret", func(b *bench) { b.setSecret("SBX-wrong") }, tokens.Misconfigured, tokens.CauseInvalidClient, 0},
		{"code expired", func(b *bench) { b.sandbox.Advance(2 * 60e9) }, tokens.Refused, tokens.CauseInvalidGrant, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, options{})
			r := b.approve("p1", robin, jane, b.a, nil)
			c.spoil(b)
			_, err := b.keeper.Redeem(context.Background(), r)
			wantKind(t, err, c.kind, c.code)
			if n := b.sandbox.Count(sandbox.EndpointExchange); n != 1 {
				t.Errorf("the code was sent %d times", n)
			}
			if n := b.revocations(); n != c.revoked {
				t.Errorf("%d revocations, want %d", n, c.revoked)
			}
			if views, _ := b.keeper.List("p1"); len(views) != 0 || b.records() != 0 {
				t.Errorf("%d connections are listed, %d stored", len(views), b.records())
			}
			b.wantEvents("connect")
		})
	}
}

func TestRedeemWithOpenID(t *testing.T) {
	b := newBench(t, options{openID: true})
	id := b.connect("p1", robin, b.a)
	if !slices.Contains(b.view("p1", id).Requested, "openid") {
		t.Error("openid was not asked for")
	}
	t.Run("another nonce", func(t *testing.T) {
		r := b.approve("p2", robin, jane, b.a, nil)
		r.Attempt.Nonce = r.Code // any other value
		_, err := b.keeper.Redeem(context.Background(), r)
		wantKind(t, err, tokens.BadToken, tokens.CauseBadToken)
	})
	t.Run("no id_token", func(t *testing.T) {
		r := b.approve("p2", robin, jane, b.a, func(a *vault.Attempt) {
			a.Scopes = slices.DeleteFunc(slices.Clone(a.Scopes), func(s string) bool { return s == "openid" })
		})
		_, err := b.keeper.Redeem(context.Background(), r)
		wantKind(t, err, tokens.BadToken, tokens.CauseBadToken)
	})
}

// TestRedeemWithAnIDTokenUnasked: the example answer of "Jane guide, Step 3" has one, and its request has no openid.
func TestRedeemWithAnIDTokenUnasked(t *testing.T) {
	b := newBench(t, options{})
	b.sandbox.SetIDToken(true)
	id := b.connect("p1", robin, b.a)
	lease, err := b.keeper.Refused(context.Background(), b.fresh("p1", id))
	if err != nil || !b.works(lease) {
		t.Errorf("refreshing with one: %v", err)
	}
}

// TestT035GrantedScopes: fewer are stored as granted, more are kept apart and audited.
func TestT035GrantedScopes(t *testing.T) {
	b := newBench(t, options{})
	b.sandbox.GrantOnly("patients:read")
	view := b.view("p1", b.connect("p1", robin, b.a))
	if !slices.Equal(view.Scopes, []string{"patients:read"}) || len(view.Requested) < 2 {
		t.Errorf("scopes are %q of %q", view.Scopes, view.Requested)
	}
	b.wantEvents("excess_scope")
	b.sandbox.AddScope("webhooks:create")
	id := b.connect("p1", robin, b.b)
	if view := b.view("p1", id); !slices.Contains(view.Scopes, "webhooks:create") || slices.Contains(view.Requested, "webhooks:create") {
		t.Errorf("scopes are %q of %q", view.Scopes, view.Requested)
	}
	b.wantEvents("excess_scope", "webhooks:create")
	if lease := b.fresh("p1", id); !slices.Contains(lease.Scopes, "webhooks:create") {
		t.Errorf("the lease allows %q", lease.Scopes)
	}
}

func TestReconnectInPlace(t *testing.T) {
	b := newBench(t, options{scopes: []string{"patients:read"}})
	id := b.connect("p1", robin, b.a)
	before := b.record(id)
	again := func(login, clinic string, wider ...string) (vault.Connection, error) {
		return b.keeper.Redeem(context.Background(), b.approve("p1", login, jane, clinic, func(a *vault.Attempt) {
			a.Connection = id
			a.Scopes = append(a.Scopes, wider...)
		}))
	}
	t.Run("by another person", func(t *testing.T) {
		_, err := again(alex, b.a)
		wantKind(t, err, tokens.WrongPerson, tokens.CauseWrongPerson)
		b.wantUntouched(before)
		if n := b.revocations(); n != 1 {
			t.Errorf("%d revocations of the stray tokens", n)
		}
	})
	t.Run("at another clinic", func(t *testing.T) {
		exchanges := b.sandbox.Count(sandbox.EndpointExchange)
		_, err := again(robin, b.b)
		wantKind(t, err, tokens.WrongClinic, tokens.CauseWrongClinic)
		if b.sandbox.Count(sandbox.EndpointExchange) != exchanges {
			t.Error("the code was sent")
		}
		b.wantUntouched(before)
	})
	t.Run("with a token for another clinic", func(t *testing.T) {
		b.sandbox.WrongAudience(b.b)
		_, err := again(robin, b.a)
		wantKind(t, err, tokens.WrongClinic, tokens.CauseWrongClinic)
		b.wantUntouched(before)
	})
	t.Run("allow more", func(t *testing.T) {
		c, err := again(robin, b.a, "observations:read")
		must(t, err)
		if c.ID != id || b.records() != 1 {
			t.Errorf("id is %q, was %q; %d records", c.ID, id, b.records())
		}
		if view := b.view("p1", id); !slices.Equal(view.Scopes, []string{"patients:read", "observations:read"}) || !view.ConnectedAt.Equal(before.ConnectedAt) {
			t.Errorf("scopes are %q, connected at %v", view.Scopes, view.ConnectedAt)
		}
		if b.record(id).Refresh.Equal(before.Refresh) {
			t.Error("the old chain is still stored")
		}
	})
	t.Run("heals a dead one", func(t *testing.T) {
		b.sandbox.Revoke("", "")
		old := b.fresh("p1", id)
		_, err := b.keeper.Refused(context.Background(), old)
		wantKind(t, err, tokens.ReconnectNeeded, tokens.CauseSessionEnded)
		_, err = again(robin, b.a)
		must(t, err)
		wantState(t, b.view("p1", id), tokens.StateConnected, "")
		if now := b.fresh("p1", id); now.Access.Equal(old.Access) {
			t.Error("the old token is still handed out")
		}
	})
}

// wantUntouched: a refused renewal leaves what was there as it was, and revokes what it brought.
func (b *bench) wantUntouched(before vault.Connection) {
	b.t.Helper()
	now := b.record(before.ID)
	if now.Generation != before.Generation || !now.Refresh.Equal(before.Refresh) || b.records() != 1 {
		b.t.Errorf("the record changed from generation %d to %d; %d records", before.Generation, now.Generation, b.records())
	}
	if !b.works(b.fresh(before.Practitioner, before.ID)) {
		b.t.Error("the token no longer works")
	}
}

func TestConnectAgainWithoutAnID(t *testing.T) {
	b := newBench(t, options{})
	id := b.connect("p1", robin, b.a)
	if again := b.connect("p1", robin, b.a); again != id {
		t.Errorf("the same clinic twice: %q and %q", id, again)
	}
	b.wantEvents("connect", "", "reconnect")
	other := map[string]string{
		"another practitioner": b.connect("p2", robin, b.a),
		"another clinic":       b.connect("p1", robin, b.b),
		"another subject":      b.connect("p1", alex, b.a),
	}
	c, err := b.keeper.Redeem(context.Background(), b.approve("p1", robin, production, b.a, nil))
	must(t, err)
	other["another realm"] = c.ID
	seen := []string{id}
	for name, id := range other {
		if slices.Contains(seen, id) {
			t.Errorf("%s shares a connection", name)
		}
		seen = append(seen, id)
	}
	if views, _ := b.keeper.List("p1"); len(views) != 4 || views[0].ID != id {
		t.Errorf("p1 has %d connections", len(views))
	}
}

// TestConcurrentRedemptions: two tabs that connect the same clinic make one connection.
// TestConnectAgainWithoutARecord: a connection in memory whose record is gone from the vault is none. Whoever connects again
// gets a new one, and does not wait for it for ever.
func TestConnectAgainWithoutARecord(t *testing.T) {
	b := newBench(t, options{})
	id := b.connect("p1", robin, b.a)
	must(t, b.vault.Update(func(tx *vault.Tx) error { return vault.Connections.Delete(tx, id) }))
	again := make(chan string, 1)
	r := b.approve("p1", robin, jane, b.a, nil)
	go func() {
		c, _ := b.keeper.Redeem(context.Background(), r)
		again <- c.ID
	}()
	select {
	case next := <-again:
		if next == "" || next == id || b.fresh("p1", next).Connection != next {
			t.Errorf("connected again as %q, was %q", next, id)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("still at it")
	}
	if views, err := b.keeper.List("p1"); err != nil || len(views) != 1 {
		t.Errorf("%d connections, %v", len(views), err)
	}
}

func TestConcurrentRedemptions(t *testing.T) {
	b := newBench(t, options{})
	ids := make(chan string, 8)
	for range cap(ids) {
		r := b.approve("p1", robin, jane, b.a, nil)
		go func() {
			c, err := b.keeper.Redeem(context.Background(), r)
			if err != nil {
				t.Error(err)
			}
			ids <- c.ID
		}()
	}
	first := <-ids
	for range cap(ids) - 1 {
		if id := <-ids; id != first {
			t.Errorf("two connections: %q and %q", first, id)
		}
	}
	if b.records() != 1 {
		t.Errorf("%d records", b.records())
	}
}

func TestRedeemOfAnUnknownPlatform(t *testing.T) {
	b := newBench(t, options{})
	_, err := b.keeper.Redeem(context.Background(), tokens.Redemption{Attempt: vault.Attempt{Platform: "gone"}})
	wantKind(t, err, tokens.Misconfigured, tokens.CauseUnknownSystem)
}

// TestNoAuditNoConnection: what cannot be written down is not stored, and what it brought is revoked.
func TestNoAuditNoConnection(t *testing.T) {
	b := newBench(t, options{})
	r := b.approve("p1", robin, jane, b.a, nil)
	must(t, b.audit.Close())
	_, err := b.keeper.Redeem(context.Background(), r)
	wantKind(t, err, tokens.Storage, tokens.CauseStorage)
	if b.records() != 0 || b.revocations() != 1 {
		t.Errorf("%d records, %d revocations", b.records(), b.revocations())
	}
}
