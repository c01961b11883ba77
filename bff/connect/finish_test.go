package connect_test

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/connect"
	"locum/bff/sandbox"
	"locum/bff/vault"
)

func TestConnect(t *testing.T) {
	b := newBench(t, options{openID: true})
	tab := b.signIn("u1")
	tab.back = vault.Context{Page: "patient", Params: map[string]string{"patient": "p1"}}
	query := tab.callback(robin, nil)
	if o, err := tab.outcome(); err != nil || o.Code != connect.OutcomePending || o.Context.Page != "patient" {
		t.Errorf("meanwhile %q, %v", o.Code, err)
	}
	tab.wantResult(tab.finish(query.Encode()), connect.OutcomeConnected)
	for range 3 { // a page may be loaded again
		o, err := tab.outcome()
		must(t, err)
		if o.Context.Page != "patient" || o.Context.Params["patient"] != "p1" || o.Clinic != b.a || o.Platform != jane {
			t.Errorf("outcome is %+v", o)
		}
		if _, err := b.keeper.Fresh(context.Background(), "u1", o.Connection); err != nil {
			t.Error(err)
		}
	}
	b.wantEvents("connect", "")
	b.wantEvents("connect_failed")
	if b.attempts() != 0 {
		t.Errorf("%d attempts are left", b.attempts())
	}
}

// TestT016State: a state that is not exactly one of ours finds nothing, sends nothing and leaves the attempt alone.
func TestT016State(t *testing.T) {
	b := newBench(t, options{})
	tab := b.signIn("u1")
	good := tab.callback(robin, nil)
	state := good.Get("state")
	with := func(state string) string {
		query, _ := url.ParseQuery(good.Encode())
		query.Set("state", state)
		return query.Encode()
	}
	flip := []byte(state)
	flip[50] ^= 1
	swap := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, state)
	missing, _ := url.ParseQuery(good.Encode())
	missing.Del("state")
	for name, query := range map[string]string{
		"missing": missing.Encode(), "empty": with(""), "twice": good.Encode() + "&state=" + state, "unknown": with("unknown"),
		"one bit flipped": with(string(flip)), "other case": with(swap), "trailing space": with(state + " "),
		"truncated": with(state[:86]), "browser's half": with(tab.value), "server's half": with(state[44:]),
		"a megabyte": with(strings.Repeat("A", 1<<20)), "nothing at all": "", "not a query": "%zz",
	} {
		if r := tab.finish(query); r.Code != connect.OutcomeUnknownAttempt || r.Known {
			t.Errorf("%s: %+v", name, r)
		}
	}
	b.wantNothing(0)
	if b.attempts() != 1 {
		t.Errorf("%d attempts", b.attempts())
	}
	b.wantEvents("connect_failed")
	tab.wantResult(tab.finish(good.Encode()), connect.OutcomeConnected)
}

// TestT017Once: the same callback twice, 50 at once, and again after a crash between taking and redeeming.
func TestT017Once(t *testing.T) {
	t.Run("T017 twice", func(t *testing.T) {
		b := newBench(t, options{})
		tab := b.signIn("u1")
		query := tab.callback(robin, nil).Encode()
		tab.wantResult(tab.finish(query), connect.OutcomeConnected)
		if r := tab.finish(query); r.Code != connect.OutcomeUnknownAttempt || r.Known {
			t.Errorf("the second time %+v", r)
		}
		tab.wantResult(connect.Result{Code: connect.OutcomeConnected, Known: true}, connect.OutcomeConnected)
		if n := b.sandbox.Count(sandbox.EndpointExchange); n != 1 {
			t.Errorf("%d token requests", n)
		}
	})
	t.Run("T017 50 at once", func(t *testing.T) {
		b := newBench(t, options{})
		tab := b.signIn("u1")
		query := tab.callback(robin, nil).Encode()
		var mu sync.Mutex
		codes := map[string]int{}
		var calls sync.WaitGroup
		for range 50 {
			calls.Go(func() {
				r := tab.finish(query)
				mu.Lock()
				defer mu.Unlock()
				codes[r.Code]++
			})
		}
		calls.Wait()
		if codes[connect.OutcomeConnected] != 1 || codes[connect.OutcomeUnknownAttempt] != 49 {
			t.Errorf("codes are %v", codes)
		}
		if n := b.sandbox.Count(sandbox.EndpointExchange); n != 1 {
			t.Errorf("%d token requests", n)
		}
	})
	t.Run("T017 after a crash", func(t *testing.T) {
		b := newBench(t, options{})
		tab := b.signIn("u1")
		query := tab.callback(robin, nil)
		must(t, b.vault.Update(func(tx *vault.Tx) error { // what is durable when the process dies before the exchange
			_, err := vault.Attempts.Take(tx, query.Get("state"))
			return err
		}))
		b.close()
		b.open(options{})
		if r := tab.finish(query.Encode()); r.Code != connect.OutcomeUnknownAttempt {
			t.Errorf("%+v", r)
		}
		b.wantNothing(0)
	})
}

// TestT018Bound: the callback belongs to one browser, one session and one practitioner.
func TestT018Bound(t *testing.T) {
	cases := []struct {
		name string
		// act gives the browser that presents the callback of u1's attempt, and its query.
		act  func(b *bench, u1, u2 *tab, query string) (*tab, string)
		code string
	}{
		{"T018 a: in another's browser", func(_ *bench, _, u2 *tab, query string) (*tab, string) { return u2, query }, connect.OutcomeOtherBrowser},
		{"T018 a: in a browser without the cookie (T023)", func(b *bench, u1, _ *tab, query string) (*tab, string) {
			return &tab{b: b, who: u1.who, session: u1.session, value: u1.value}, query
		}, connect.OutcomeOtherBrowser},
		{"T018 b: signed out, another signed in", func(b *bench, u1, _ *tab, query string) (*tab, string) {
			must(b.t, b.sessions.End(u1.session))
			next := b.signIn("u2") // the same browser: the flow cookie is still there
			next.flow = u1.flow
			return next, query
		}, connect.OutcomeSessionEnded},
		{"T018 c: session expired (T023)", func(_ *bench, u1, _ *tab, query string) (*tab, string) {
			pass(8 * time.Minute) // idle for 15 minutes now, while the attempt is 8 minutes old
			return u1, query
		}, connect.OutcomeSessionEnded},
		{"T018 d: the attacker's own callback sent to the victim", func(_ *bench, _, u2 *tab, query string) (*tab, string) {
			u2.mustBegin(nil) // the victim has a flow of their own
			return u2, query
		}, connect.OutcomeOtherBrowser},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				u1, u2 := b.signIn("u1"), b.signIn("u2")
				u2.mustBegin(nil)
				pass(7 * time.Minute)
				query := u1.callback(robin, nil).Encode()
				own, value := u1.flow, u1.value
				browser, query := c.act(b, u1, u2, query)
				if r := browser.finish(query); r.Code != c.code || !r.Known {
					t.Errorf("%+v, want %s", r, c.code)
				}
				b.wantNothing(0)
				b.wantEvents("connect_failed", c.code)
				u1.flow, u1.value = own, value
				if r := u1.finish(query); r.Code != connect.OutcomeUnknownAttempt { // the attempt has ended for everybody
					t.Errorf("again: %+v", r)
				}
				if o, err := u1.outcome(); err != nil || o.Code != c.code {
					t.Errorf("the tab that began sees %q (%v)", o.Code, err)
				}
				b.wantNothing(0)
			})
		})
	}
}

// TestT019MixUp: a callback of another platform, or with another iss than the platform's own, ends without a request.
func TestT019MixUp(t *testing.T) {
	set := func(name, value string) func(b *bench, q url.Values) string {
		return func(_ *bench, q url.Values) string {
			q.Set(name, value)
			return q.Encode()
		}
	}
	cases := []struct {
		name  string
		spoil func(b *bench, q url.Values) string
		code  string
	}{
		{"missing", func(_ *bench, q url.Values) string { q.Del("iss"); return q.Encode() }, connect.OutcomeMixUp},
		{"empty", set("iss", ""), connect.OutcomeMixUp},
		{"elsewhere", set("iss", "https://e.example/realms/jane"), connect.OutcomeMixUp},
		{"the other realm", func(b *bench, q url.Values) string {
			q.Set("iss", b.sandbox.Issuer(sandbox.RealmProduction))
			return q.Encode()
		}, connect.OutcomeMixUp},
		{"trailing slash", func(_ *bench, q url.Values) string { q.Set("iss", q.Get("iss")+"/"); return q.Encode() }, connect.OutcomeMixUp},
		{"other case", func(_ *bench, q url.Values) string { q.Set("iss", strings.ToUpper(q.Get("iss"))); return q.Encode() }, connect.OutcomeMixUp},
		{"encoded twice", func(_ *bench, q url.Values) string { q.Set("iss", url.QueryEscape(q.Get("iss"))); return q.Encode() }, connect.OutcomeMixUp},
		{"twice", func(_ *bench, q url.Values) string { return q.Encode() + "&iss=" + url.QueryEscape(q.Get("iss")) }, connect.OutcomeUnknownAttempt},
	}
	for _, c := range cases {
		for _, kind := range []string{"code", "error"} {
			t.Run("T019 iss "+c.name+", "+kind, func(t *testing.T) {
				b := newBench(t, options{})
				tab := b.signIn("u1")
				query := tab.callback(robin, nil)
				if kind == "error" {
					query.Del("code")
					query.Set("error", "access_denied")
				}
				if r := tab.finish(c.spoil(b, query)); r.Code != c.code || r.Known != (c.code == connect.OutcomeMixUp) {
					t.Errorf("%+v, want %s", r, c.code)
				}
				b.wantNothing(0)
			})
		}
	}
	t.Run("T019 delivered to another platform", func(t *testing.T) {
		b := newBench(t, options{})
		tab := b.signIn("u1")
		query := tab.callback(robin, nil)
		r := b.connector.Finish(context.Background(), connect.FinishRequest{Platform: production, RawQuery: query.Encode(), Flow: tab.flow})
		tab.wantResult(r, connect.OutcomeMixUp)
		b.wantNothing(0)
		b.wantEvents("connect_failed", connect.OutcomeMixUp)
		if r := tab.finish(query.Encode()); r.Code != connect.OutcomeUnknownAttempt {
			t.Errorf("then to its own: %+v", r)
		}
	})
	t.Run("T019 the sandbox's own faults", func(t *testing.T) {
		b := newBench(t, options{})
		tab := b.signIn("u1")
		b.sandbox.OmitIss()
		tab.wantResult(tab.finish(tab.callback(robin, nil).Encode()), connect.OutcomeMixUp)
		b.sandbox.BadIss("https://e.example")
		tab.wantResult(tab.finish(tab.callback(robin, nil).Encode()), connect.OutcomeMixUp)
	})
}

// TestT020Errors: an error response is data. Its texts reach nobody; its code becomes one of ours.
func TestT020Errors(t *testing.T) {
	const canary = "CANARY-of-the-platform"
	cases := []struct{ name, code, outcome string }{
		{"denied", "access_denied", connect.OutcomeDenied},
		{"too slow a sign-in", "temporarily_unavailable", connect.OutcomeTryAgain},
		{"server error", "server_error", connect.OutcomeTryAgain},
		{"bad request", "invalid_request", connect.OutcomePlatformRefused},
		{"bad scope", "invalid_scope", connect.OutcomePlatformRefused},
		{"bad client", "unauthorized_client", connect.OutcomePlatformRefused},
		{"consent needed", "interaction_required", connect.OutcomePlatformRefused},
		{"unknown", "something_new-" + canary, connect.OutcomePlatformRefused},
		{"HTML", "<script>" + canary, connect.OutcomePlatformRefused},
		{"line breaks", "a\r\nSet-Cookie: " + canary, connect.OutcomePlatformRefused},
		{"10 kB", strings.Repeat(canary, 500), connect.OutcomePlatformRefused},
		{"empty", "", connect.OutcomePlatformRefused},
	}
	texts := map[string]string{
		"plain": canary, "HTML": "<img src=x onerror=alert(1)>" + canary, "ANSI": "\x1b[31m" + canary, "CRLF": canary + "\r\nX: y",
		"bad UTF-8": "\xff\xfe" + canary, "10 kB": strings.Repeat(canary, 500),
	}
	b := newBench(t, options{})
	tab := b.signIn("u1")
	for _, c := range cases {
		for name, text := range texts {
			t.Run("T020 "+c.name+", "+name, func(t *testing.T) {
				state := tab.mustBegin(nil).Query().Get("state")
				live, err := b.platforms.Get(jane)
				must(t, err)
				query := url.Values{
					"state": {state}, "iss": {live.Server.Issuer}, "error": {c.code}, "error_description": {text},
					"error_uri": {"javascript:" + canary}, "code": {"a-code"},
				}
				tab.wantResult(tab.finish(query.Encode()), c.outcome)
				if o, err := tab.outcome(); err != nil || strings.Contains(o.Code+o.Connection+o.Context.Page, canary) {
					t.Errorf("outcome is %+v (%v)", o, err)
				}
			})
		}
	}
	b.wantNothing(0)
	if b.attempts() != 0 {
		t.Errorf("%d attempts are left", b.attempts())
	}
	if strings.Contains(b.logs.String(), canary) {
		t.Error("the platform's words are in the log")
	}
}

func TestDenied(t *testing.T) {
	b := newBench(t, options{})
	tab := b.signIn("u1")
	raw, err := b.sandbox.Approve(tab.mustBegin(nil).String(), robin, true)
	must(t, err)
	at, err := url.Parse(raw)
	must(t, err)
	tab.wantResult(tab.finish(at.RawQuery), connect.OutcomeDenied)
	b.wantNothing(0)
	b.wantEvents("connect_failed", connect.OutcomeDenied)
}
