package connect_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/connect"
	"locum/bff/vault"
)

// TestT008Parameters: the parameters of "Jane guide, Step 2", each once, and nothing else.
func TestT008Parameters(t *testing.T) {
	cases := []struct {
		name string
		o    options
		want []string
	}{
		{"plain", options{}, nil},
		{"OpenID", options{openID: true}, []string{"nonce"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.o)
			tab := b.signIn("u1")
			at := tab.mustBegin(nil)
			query := at.Query()
			want := append([]string{
				"client_id", "code_challenge", "code_challenge_method", "redirect_uri", "resource", "response_type", "scope", "state",
			}, c.want...)
			slices.Sort(want)
			var got []string
			for name, values := range query {
				got = append(got, name)
				if len(values) != 1 {
					t.Errorf("%s stands %d times", name, len(values))
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("parameters are %q", got)
			}
			live, err := b.platforms.Get(jane)
			must(t, err)
			for name, want := range map[string]string{
				"response_type": "code", "client_id": clientID, "redirect_uri": publicURL + "/connect/jane/callback",
				"resource": b.a, "code_challenge_method": "S256", "scope": strings.Join(live.RequestScopes(nil), " "),
			} {
				if query.Get(name) != want {
					t.Errorf("%s is %q, want %q", name, query.Get(name), want)
				}
			}
			if !strings.HasPrefix(at.String(), live.Server.Authorization+"?") || strings.Contains(at.RawQuery, "+") {
				t.Errorf("the address is %s", at)
			}
			for _, hidden := range []string{"secret", "verifier", b.sandbox.Clients()[0].Secret} {
				if strings.Contains(strings.ReplaceAll(at.String(), "client_secret_post", ""), hidden) {
					t.Errorf("the address holds %q", hidden)
				}
			}
		})
	}
}

// TestT009T010Fresh: challenges, states and nonces are all new, of 256 bits, and unrelated to session and person.
func TestT009T010Fresh(t *testing.T) {
	b := newBench(t, options{openID: true})
	tab := b.signIn("practitioner-one")
	seen := map[string]bool{}
	for range 300 {
		query := tab.mustBegin(nil).Query()
		own, server, found := strings.Cut(query.Get("state"), ".")
		if !found || own != tab.value || len(server) != 43 {
			t.Fatalf("the state is %q", query.Get("state"))
		}
		for _, value := range []string{query.Get("code_challenge"), server, query.Get("nonce")} {
			raw, err := base64.RawURLEncoding.DecodeString(value)
			if err != nil || len(raw) != 32 || seen[value] {
				t.Fatalf("%q is not fresh", value)
			}
			seen[value] = true
		}
		if tab.flow == "" || strings.Contains(query.Get("state"), tab.flow) {
			t.Fatal("the state holds the flow cookie")
		}
		for _, known := range []string{tab.cookie.Reveal(), tab.session, tab.who} {
			sum := sha256.Sum256([]byte(known))
			for _, form := range []string{
				known, hex.EncodeToString([]byte(known)), base64.RawURLEncoding.EncodeToString([]byte(known)),
				hex.EncodeToString(sum[:]), base64.RawURLEncoding.EncodeToString(sum[:]),
			} {
				if strings.Contains(query.Get("state")+query.Get("nonce"), form) {
					t.Fatalf("the state is made of %q", known)
				}
			}
		}
	}
}

// TestT011WeakClientState: refused, or harmless.
func TestT011WeakClientState(t *testing.T) {
	b := newBench(t, options{})
	one, two := b.signIn("u1"), b.signIn("u2")
	for name, value := range map[string]string{
		"empty": "", "one character": "1", "a megabyte": strings.Repeat("A", 1<<20), "44 characters": strings.Repeat("A", 44),
		"42 characters": strings.Repeat("A", 42), "a dot": strings.Repeat("A", 42) + ".", "a newline": strings.Repeat("A", 42) + "\n",
		"padding": strings.Repeat("A", 42) + "=", "another alphabet": strings.Repeat("A", 42) + "+",
	} {
		_, err := one.begin(func(r *connect.BeginRequest) { r.ClientState = value })
		if wantCode(t, err, connect.CodeInvalidClientState); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if b.attempts() != 0 {
		t.Errorf("%d attempts", b.attempts())
	}
	weak := func(r *connect.BeginRequest) { r.ClientState = strings.Repeat("A", 43) }
	first, second := one.callback(robin, weak), two.callback(robin, weak)
	if first.Get("state") == second.Get("state") {
		t.Error("two sessions that sent the same value have the same state")
	}
	one.value, two.value = strings.Repeat("A", 43), strings.Repeat("A", 43)
	one.wantResult(one.finish(first.Encode()), connect.OutcomeConnected)
	if o, err := two.outcome(); err != nil || o.Code != connect.OutcomePending || o.Practitioner != "u2" {
		t.Errorf("u2 sees %q of %q (%v)", o.Code, o.Practitioner, err)
	}
}

// TestT012T013Refusals: nothing is stored and nothing is asked of the platform.
func TestT012T013Refusals(t *testing.T) {
	b := newBench(t, options{pages: map[string][]string{"home": nil}})
	tab := b.signIn("u1")
	cases := []struct {
		name   string
		change func(*connect.BeginRequest)
		code   string
	}{
		{"T012 no session", func(r *connect.BeginRequest) { r.Session = "" }, connect.CodeSignedOut},
		{"T012 another's session", func(r *connect.BeginRequest) { r.Practitioner = "u2" }, connect.CodeSignedOut},
		{"T013 unknown platform", func(r *connect.BeginRequest) { r.Platform = "jane&redirect_uri=https://e.example" }, connect.CodeUnknownPlatform},
		{"T013 clinic with a parameter", func(r *connect.BeginRequest) { r.Clinic += "&redirect_uri=https://e.example" }, connect.CodeInvalidClinic},
		{"T013 clinic elsewhere", func(r *connect.BeginRequest) { r.Clinic = "https://e.example" }, connect.CodeInvalidClinic},
		{"T013 clinic with userinfo", func(r *connect.BeginRequest) { r.Clinic = "https://a.janeapp.com@e.example" }, connect.CodeInvalidClinic},
		{"T013 scope with a parameter", func(r *connect.BeginRequest) { r.Scopes = []string{"patients:read&redirect_uri=x"} }, connect.CodeBadRequest},
		{"T013 scope nobody offers", func(r *connect.BeginRequest) { r.Scopes = []string{"jane:all_access"} }, connect.CodeBadRequest},
		{"T013 empty scope", func(r *connect.BeginRequest) { r.Scopes = []string{""} }, connect.CodeBadRequest},
		{"T013 too many scopes", func(r *connect.BeginRequest) { r.Scopes = slices.Repeat([]string{"patients:read"}, 101) }, connect.CodeBadRequest},
		{"unknown connection", func(r *connect.BeginRequest) { r.Connection = "nothing" }, connect.CodeNotFound},
		{"T024 unknown page", func(r *connect.BeginRequest) { r.Context.Page = "elsewhere" }, connect.CodeBadRequest},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			address, err := tab.begin(c.change)
			wantCode(t, err, c.code)
			if address != "" || b.attempts() != 0 || len(b.sandbox.Requests()) != 0 {
				t.Errorf("address %q, %d attempts, %d requests", address, b.attempts(), len(b.sandbox.Requests()))
			}
		})
	}
}

// TestT024Context: only a page of the closed list and opaque ids come back.
func TestT024Context(t *testing.T) {
	pages := map[string][]string{"home": nil, "patient": {"connection", "patient"}}
	ids := map[string]string{"connection": "c1", "patient": "p1"}
	with := func(name, value string) map[string]string {
		params := map[string]string{"connection": "c1", "patient": "p1"}
		params[name] = value
		return params
	}
	cases := map[string]struct {
		back vault.Context
		ok   bool
	}{
		"none":               {vault.Context{}, true},
		"a page":             {vault.Context{Page: "home"}, true},
		"a page with ids":    {vault.Context{Page: "patient", Params: ids}, true},
		"an id missing":      {vault.Context{Page: "patient", Params: map[string]string{"connection": "c1"}}, false},
		"an id too many":     {vault.Context{Page: "patient", Params: with("more", "x")}, false},
		"ids without a page": {vault.Context{Params: ids}, false},
		"ids on a plain one": {vault.Context{Page: "home", Params: ids}, false},
		"another name":       {vault.Context{Page: "patient", Params: map[string]string{"connection": "c1", "return_to": "x"}}, false},
		"an over-long id":    {vault.Context{Page: "patient", Params: with("patient", strings.Repeat("a", 65))}, false},
	}
	for _, evil := range []string{
		"//e.example", `/\e.example`, "/%09/e.example", "/%2f%2fe.example", "https:e.example", "/..//e.example", `\\e.example`,
		" /e.example", "javascript:alert(1)", "/@e.example", "%252f", "..", ".", "", "a b", "a\nb", "ä",
	} {
		cases["page "+evil] = struct {
			back vault.Context
			ok   bool
		}{vault.Context{Page: evil}, evil == ""}
		cases["id "+evil] = struct {
			back vault.Context
			ok   bool
		}{vault.Context{Page: "patient", Params: with("patient", evil)}, false}
	}
	for name, listed := range map[string]map[string][]string{"closed list": pages, "form alone": nil} {
		b := newBench(t, options{pages: listed})
		tab := b.signIn("u1")
		for c, want := range cases {
			if ok := want.ok; listed == nil && (c == "an id missing" || c == "an id too many" || c == "ids on a plain one" || c == "another name") && !ok {
				continue // the caller knows the list then
			}
			_, err := tab.begin(func(r *connect.BeginRequest) { r.Context = want.back })
			if want.ok && err != nil {
				t.Errorf("%s, %s: %v", name, c, err)
			} else if !want.ok {
				wantCode(t, err, connect.CodeBadRequest)
			}
		}
	}
}

// TestT014Bounds: 8 attempts of a session, the oldest goes; who floods pushes nobody else out; none outlives 10 minutes.
func TestT014Bounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		other := b.signIn("u2")
		patient := other.callback(robin, nil)
		tab := b.signIn("u1")
		first := tab.callback(robin, nil)
		for range 40 {
			pass(time.Millisecond)
			tab.mustBegin(nil)
		}
		if n := b.attempts(); n != 9 {
			t.Errorf("%d attempts are live", n)
		}
		if r := tab.finish(first.Encode()); r.Code != connect.OutcomeUnknownAttempt || r.Known {
			t.Errorf("the oldest is still there: %+v", r)
		}
		other.wantResult(other.finish(patient.Encode()), connect.OutcomeConnected)
		for refused := false; !refused; {
			more := b.signIn("u1")
			for range 8 {
				_, err := more.begin(nil)
				if refused = err != nil; refused {
					wantCode(t, err, connect.CodeTooManyFlows)
					break
				}
			}
		}
		if n := b.attempts(); n != 32 {
			t.Errorf("%d attempts of one person", n)
		}
		pass(10 * time.Minute)
		other.mustBegin(nil)
		if n := b.attempts(); n != 1 {
			t.Errorf("%d attempts are left", n)
		}
	})
}

// TestSeveralTabs: all tabs of a session share one flow cookie and end each on its own; a planted value is not taken up.
func TestSeveralTabs(t *testing.T) {
	b := newBench(t, options{})
	one := b.signIn("u1")
	two := &tab{b: b, who: one.who, session: one.session}
	first := one.callback(robin, nil)
	two.flow = one.flow
	second := two.callback(robin, func(r *connect.BeginRequest) { r.Clinic = b.b })
	if two.flow != one.flow {
		t.Error("the second tab changed the cookie under the first")
	}
	if r := one.finish(first.Encode()); r.Code != connect.OutcomeConnected || r.FlowDone {
		t.Errorf("%+v", r)
	}
	if r := two.finish(second.Encode()); r.Code != connect.OutcomeConnected || !r.FlowDone {
		t.Errorf("%+v", r)
	}
	for _, tab := range []*tab{one, two} {
		if o, err := tab.outcome(); err != nil || o.Code != connect.OutcomeConnected {
			t.Errorf("%q, %v", o.Code, err)
		}
	}
	planted := strings.Repeat("A", 43)
	one.flow = planted
	if one.mustBegin(nil); one.flow == planted {
		t.Error("a planted cookie was taken up")
	}
	three, four := b.signIn("u3"), b.signIn("u3") // in the same moment, so none has a cookie to send
	four.session = three.session
	third, fourth := three.callback(robin, nil), four.callback(robin, func(r *connect.BeginRequest) { r.Clinic = b.b })
	three.flow = four.flow // a browser keeps the last
	three.wantResult(three.finish(third.Encode()), connect.OutcomeConnected)
	four.wantResult(four.finish(fourth.Encode()), connect.OutcomeConnected)
	foreign := b.signIn("u2")
	foreign.flow = one.flow
	if foreign.mustBegin(nil); foreign.flow == one.flow {
		t.Error("another session's cookie was taken up")
	}
}

// TestScopesOfARenewal: what is configured, what the connection has, what is to be added; each once.
func TestScopesOfARenewal(t *testing.T) {
	b := newBench(t, options{scopes: []string{"patients:read", "appointments:read"}, more: []string{"locations:read", "observations:read"}})
	tab := b.signIn("u1")
	b.sandbox.AddScope("webhooks:create") // granted, never asked for: not asked for later either
	id := tab.connected(robin, func(r *connect.BeginRequest) { r.Scopes = []string{"locations:read"} })
	renew := func(scopes ...string) string {
		return tab.mustBegin(func(r *connect.BeginRequest) {
			r.Connection, r.Platform, r.Clinic, r.Scopes = id, "", "", scopes
		}).Query().Get("scope")
	}
	if got := renew(); got != "patients:read appointments:read locations:read" {
		t.Errorf("reconnect asks for %q", got)
	}
	if got := renew("observations:read", "patients:read", "observations:read"); got != "patients:read appointments:read locations:read observations:read" {
		t.Errorf("allow more asks for %q", got)
	}
	again := tab.connected(robin, func(r *connect.BeginRequest) {
		r.Connection, r.Platform, r.Clinic, r.Scopes = id, "", "", []string{"observations:read"}
	})
	view, err := b.keeper.Get("u1", id)
	if err != nil || again != id || !slices.Contains(view.Scopes, "observations:read") {
		t.Errorf("%q became %q with %q (%v)", id, again, view.Scopes, err)
	}
	fresh := tab.mustBegin(nil).Query().Get("scope") // the same clinic, as if for the first time: it renews that connection
	if fresh != "patients:read appointments:read locations:read observations:read" {
		t.Errorf("connecting the clinic again asks for %q", fresh)
	}
	for name, change := range map[string]func(*connect.BeginRequest){
		"a scope nobody offers": func(r *connect.BeginRequest) { r.Connection, r.Scopes = id, []string{"care_plans:read"} },
		"another platform":      func(r *connect.BeginRequest) { r.Connection, r.Platform = id, production },
		"another clinic":        func(r *connect.BeginRequest) { r.Connection, r.Clinic = id, b.b },
	} {
		if _, err := tab.begin(change); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	_, err = b.signIn("u2").begin(func(r *connect.BeginRequest) { r.Connection = id })
	wantCode(t, err, connect.CodeNotFound)
}

func pass(d time.Duration) { time.Sleep(d) }
