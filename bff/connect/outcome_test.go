package connect_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/connect"
	"locum/bff/sandbox"
	"locum/bff/vault"
)

// TestRedemptionOutcomes: how a code that could not be redeemed is told; each is audited once.
func TestRedemptionOutcomes(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(b *bench)
		code  string
	}{
		{"T044 another clinic", func(b *bench) { b.sandbox.WrongAudience(b.b) }, connect.OutcomeWrongClinic},
		{"T044 no clinic", func(b *bench) { b.sandbox.WrongAudience() }, connect.OutcomeWrongClinic},
		{"T044 two clinics", func(b *bench) { b.sandbox.WrongAudience(b.a, b.b) }, connect.OutcomeWrongClinic},
		{"bad token", func(b *bench) { b.sandbox.AlterClaims(func(c map[string]any) { c["azp"] = "x" }) }, connect.OutcomeBadToken},
		{"code expired", func(b *bench) { b.sandbox.Advance(2 * time.Minute) }, connect.OutcomeExchangeFailed},
		{"T033 answer lost", func(b *bench) { b.sandbox.LoseNextResponse(sandbox.EndpointExchange) }, connect.OutcomeExchangeFailed},
		{"platform down", func(b *bench) { b.sandbox.Fail(sandbox.EndpointExchange, 503, 1) }, connect.OutcomeUnavailable},
		{"our secret is wrong", func(b *bench) {
			c := b.sandbox.Clients()[0]
			b.sandbox.Answer(sandbox.EndpointExchange, sandbox.Canned{Status: 401, Body: `{"error":"invalid_client","error_description":"` + c.Secret + `"}`}, 1)
		}, connect.OutcomeMisconfigured},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, options{})
			tab := b.signIn("u1")
			query := tab.callback(robin, nil)
			c.spoil(b)
			tab.wantResult(tab.finish(query.Encode()), c.code)
			b.wantNothing(1)
			b.wantEvents("connect_failed", c.code)
			b.wantEvents("connect")
			for _, minted := range b.sandbox.Minted() {
				if strings.Contains(b.logs.String(), minted) {
					t.Error("a secret of the sandbox is in the log")
				}
			}
		})
	}
}

func TestReconnectByAnotherPerson(t *testing.T) {
	b := newBench(t, options{})
	tab := b.signIn("u1")
	id := tab.connected(robin, nil)
	query := tab.callback(alex, func(r *connect.BeginRequest) { r.Connection, r.Platform, r.Clinic = id, "", "" })
	tab.wantResult(tab.finish(query.Encode()), connect.OutcomeWrongPerson)
	if o, _ := tab.outcome(); o.Connection != id {
		t.Errorf("the outcome names %q", o.Connection)
	}
	if _, err := b.keeper.Fresh(context.Background(), "u1", id); err != nil {
		t.Errorf("the connection suffered: %v", err)
	}
}

// TestDisconnectedMeanwhile: the connection to renew is gone when the callback comes; the code is not sent.
func TestDisconnectedMeanwhile(t *testing.T) {
	b := newBench(t, options{})
	tab := b.signIn("u1")
	id := tab.connected(robin, nil)
	query := tab.callback(robin, func(r *connect.BeginRequest) { r.Connection = id })
	_, err := b.keeper.Disconnect(context.Background(), "u1", id)
	must(t, err)
	tab.wantResult(tab.finish(query.Encode()), connect.OutcomeExchangeFailed)
	b.wantNothing(1)
}

func TestAttemptRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		tab := b.signIn("u1")
		query := tab.callback(robin, nil)
		pass(10 * time.Minute)
		if o, err := tab.outcome(); err != nil || o.Code != connect.OutcomeExpired {
			t.Errorf("%q, %v", o.Code, err)
		}
		tab.wantResult(tab.finish(query.Encode()), connect.OutcomeExpired)
		b.wantNothing(0)
		pass(10 * time.Minute)
		_, err := tab.outcome()
		wantCode(t, err, connect.CodeNotFound)
	})
}

// TestAttemptRunsOutAmongOthers: that somebody else begins meanwhile, and makes room, does not take the answer away.
func TestAttemptRunsOutAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		tab := b.signIn("u1")
		tab.mustBegin(nil)
		pass(10 * time.Minute)
		b.signIn("u2").mustBegin(nil)
		if n := b.attempts(); n != 1 {
			t.Errorf("%d attempts are left", n)
		}
		if o, err := tab.outcome(); err != nil || o.Code != connect.OutcomeExpired {
			t.Errorf("%q, %v", o.Code, err)
		}
		tab.mustBegin(nil) // with the same value
		if o, err := tab.outcome(); err != nil || o.Code != connect.OutcomePending {
			t.Errorf("%q, %v", o.Code, err)
		}
	})
}

// TestOutcomeIsTheTabs: nobody else's value, session or name finds it.
func TestOutcomeIsTheTabs(t *testing.T) {
	b := newBench(t, options{})
	tab, other := b.signIn("u1"), b.signIn("u2")
	tab.connected(robin, nil)
	ask := func(who, session, value string) error {
		_, err := b.connector.Outcome(context.Background(), connect.Asker{Practitioner: who, Session: session}, value)
		return err
	}
	must(t, ask(tab.who, tab.session, tab.value))
	wantCode(t, ask(other.who, other.session, tab.value), connect.CodeNotFound)
	wantCode(t, ask(other.who, tab.session, tab.value), connect.CodeNotFound)
	wantCode(t, ask(tab.who, b.signIn("u1").session, tab.value), connect.CodeNotFound)
	wantCode(t, ask(tab.who, tab.session, other.value), connect.CodeNotFound)
	wantCode(t, ask(tab.who, tab.session, "short"), connect.CodeInvalidClientState)
}

// TestSameValueTwice: a tab that uses its value again asks for its newest attempt.
func TestSameValueTwice(t *testing.T) {
	b := newBench(t, options{})
	tab := b.signIn("u1")
	tab.connected(robin, nil)
	value := tab.value
	query := tab.callback(robin, func(r *connect.BeginRequest) { r.ClientState = value })
	tab.value = value
	if o, err := tab.outcome(); err != nil || o.Code != connect.OutcomePending {
		t.Errorf("%q, %v", o.Code, err)
	}
	query.Del("code")
	query.Set("error", "access_denied")
	tab.wantResult(tab.finish(query.Encode()), connect.OutcomeDenied)
}

// TestForget: after a sign-out nothing that was begun can still connect, and nothing is left of it.
func TestForget(t *testing.T) {
	b := newBench(t, options{})
	tab, other := b.signIn("u1"), b.signIn("u2")
	tab.connected(robin, nil)
	query, kept := tab.callback(robin, nil), other.callback(robin, nil)
	must(t, b.connector.Forget(tab.session))
	if _, err := tab.outcome(); err == nil {
		t.Error("an outcome is left")
	}
	if r := tab.finish(query.Encode()); r.Code != connect.OutcomeUnknownAttempt || r.Known {
		t.Errorf("%+v", r)
	}
	other.wantResult(other.finish(kept.Encode()), connect.OutcomeConnected)
}

// TestOutcomesAreBounded: 16 of a session, the oldest goes.
func TestOutcomesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		tab := b.signIn("u1")
		live, err := b.platforms.Get(jane)
		must(t, err)
		for range 20 {
			pass(time.Millisecond)
			query := tab.mustBegin(nil).Query()
			tab.wantResult(tab.finish("error=access_denied&iss="+live.Server.Issuer+"&state="+query.Get("state")), connect.OutcomeDenied)
		}
		must(t, b.vault.View(func(tx *vault.Tx) error {
			if n := vault.Outcomes.Count(tx); n != 16 {
				t.Errorf("%d outcomes", n)
			}
			return nil
		}))
	})
}

// TestStorageGone: a vault that cannot be read or written is no reason to guess.
func TestStorageGone(t *testing.T) {
	b := newBench(t, options{})
	tab := b.signIn("u1")
	query := tab.callback(robin, nil)
	must(t, b.vault.Close())
	_, err := tab.begin(nil)
	wantCode(t, err, connect.CodeStorage)
	if r := tab.finish(query.Encode()); r.Known || r.Code != connect.OutcomeTryAgain {
		t.Errorf("%+v", r)
	}
	_, err = tab.outcome()
	wantCode(t, err, connect.CodeStorage)
	wantCode(t, b.connector.Forget(tab.session), connect.CodeStorage)
	if b.sandbox.Count(sandbox.EndpointExchange) != 0 {
		t.Error("the code was sent")
	}
	b.vault, err = vault.Open(b.dir+"/data", b.key) // for close
	must(t, err)
}
