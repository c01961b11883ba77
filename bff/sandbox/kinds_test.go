package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/sandbox"
)

const (
	tooOften = "Maximum allowed refresh token reuse exceeded"
	detached = "Session doesn't have required client"
	stale    = "Stale token"
	okta     = "The refresh token is invalid or expired."
)

// inspect introspects a token with the hint that Keycloak wants for a refresh token.
func (g *rig) inspect(token any, changes ...string) reply {
	g.Helper()
	text, _ := token.(string)
	return g.post(g.endpoint("token/introspect"), change(url.Values{
		"token": {text}, "client_id": {g.client.ID}, "client_secret": {g.client.Secret}, "token_type_hint": {"refresh_token"},
	}, changes))
}

// active asks by introspection and wants a proper answer either way.
func (g *rig) active(token any, want bool) {
	g.Helper()
	got := g.inspect(token)
	if got.StatusCode != http.StatusOK || got.json["active"] != want || !want && strings.TrimSpace(got.text) != `{"active":false}` {
		g.Errorf("introspection answers %d %s, want active %v", got.StatusCode, strings.TrimSpace(got.text), want)
	}
}

// renew refreshes, wants success, and gives the new refresh token.
func (g *rig) renew(token any) any {
	g.Helper()
	got := g.refresh(token)
	if got.StatusCode != http.StatusOK {
		g.Fatalf("refresh answered %d %s", got.StatusCode, got.text)
	}
	return got.json["refresh_token"]
}

// denied wants invalid_grant with this description.
func (g *rig) denied(token any, description string) {
	g.Helper()
	g.refused(g.refresh(token), http.StatusBadRequest, "invalid_grant", description)
}

// siblings authorizes both clinics in one browser, so in one login, and gives the two first answers.
func (g *rig) siblings() (a, b map[string]any) {
	g.Helper()
	browser, err := g.NewBrowser()
	must(g, err)
	return g.within(browser, g.Clinics()[0].URL), g.within(browser, g.Clinics()[1].URL)
}

// within authorizes one clinic in a browser.
func (g *rig) within(browser *sandbox.Browser, clinic string, changes ...string) map[string]any {
	g.Helper()
	back, err := browser.Approve(g.ask(append([]string{"resource", clinic}, changes...)...), robin, false)
	must(g, err)
	at, err := url.Parse(back)
	must(g, err)
	got := g.redeem(at.Query().Get("code"))
	if got.StatusCode != http.StatusOK {
		g.Fatalf("token endpoint answered %d %s", got.StatusCode, got.text)
	}
	return got.json
}

// TestKinds: what each kind does with a used refresh token, and what introspection says meanwhile. The names of the K rows
// are what a Keycloak 26.7 was seen to do.
func TestKinds(t *testing.T) {
	rows := []struct {
		name  string
		kind  sandbox.Kind
		check func(g *rig)
	}{
		{"K0 every token is another and stays good to its own end", sandbox.KindK0, func(g *rig) {
			first := g.tokens()["refresh_token"]
			second := g.renew(first)
			equal(g, "the same string", first == second, false)
			for range 3 {
				g.renew(first)
			}
			g.active(first, true)
			g.active(second, true)
			time.Sleep(20 * time.Minute)
			third := g.renew(second)
			time.Sleep(10 * time.Minute)
			g.denied(first, "Token is not active")
			g.renew(third)
		}},
		{"K1 the spent parent: too often, and then nothing works", sandbox.KindK1, func(g *rig) {
			first := g.tokens()["refresh_token"]
			g.active(first, true)
			second := g.renew(first)
			for range 3 {
				g.active(first, false)
				g.active(second, true)
			}
			g.denied(first, tooOften)
			g.denied(second, detached)
			g.denied(first, detached)
			g.active(second, false)
		}},
		{"K1 a spent grandparent is stale, and that detaches too", sandbox.KindK1, func(g *rig) {
			first := g.tokens()["refresh_token"]
			third := g.renew(g.renew(first))
			g.active(first, false)
			g.active(third, true)
			g.denied(first, stale)
			g.denied(third, detached)
		}},
		{"K1 a reuse ends every chain of the client in the login, and none elsewhere", sandbox.KindK1, func(g *rig) {
			a, b := g.siblings()
			elsewhere := g.tokens()["refresh_token"]
			next := g.renew(a["refresh_token"])
			g.active(b["refresh_token"], true)
			g.denied(a["refresh_token"], tooOften)
			g.denied(next, detached)
			g.denied(b["refresh_token"], detached)
			g.active(b["refresh_token"], false)
			g.renew(elsewhere)
			equal(g, "the access token lives on", g.call(g.Clinics()[1].URL, b["access_token"]), 200)
		}},
		{"K1 refreshing one sibling leaves the other", sandbox.KindK1, func(g *rig) {
			a, b := g.siblings()
			equal(g, "sid", a["session_state"], b["session_state"])
			g.renew(g.renew(a["refresh_token"]))
			g.renew(g.renew(b["refresh_token"]))
		}},
		{"K1 after a detach the same login gives a new chain, and the old one cannot end it", sandbox.KindK1, func(g *rig) {
			browser, err := g.NewBrowser()
			must(g, err)
			old := g.within(browser, g.clinic)
			g.renew(old["refresh_token"])
			g.denied(old["refresh_token"], tooOften)
			again := g.within(browser, g.clinic)
			equal(g, "sid", again["session_state"], old["session_state"])
			g.denied(old["refresh_token"], "refresh token issued before the client session started")
			g.active(old["refresh_token"], false)
			g.renew(again["refresh_token"])
		}},
		{"K1 after a detach an old code used again ends the new chain", sandbox.KindK1, func(g *rig) {
			browser, err := g.NewBrowser()
			must(g, err)
			back, err := browser.Approve(g.ask("resource", g.clinic), robin, false)
			must(g, err)
			at, err := url.Parse(back)
			must(g, err)
			code := at.Query().Get("code")
			old := g.redeem(code).json["refresh_token"]
			g.renew(old)
			g.denied(old, tooOften)
			again := g.within(browser, g.clinic)
			g.refused(g.redeem(code), 400, "invalid_grant", "Code not valid")
			g.denied(again["refresh_token"], detached)
		}},
		{"SetDetach(false): a reuse ends its own chain alone", sandbox.KindK1, func(g *rig) {
			g.SetDetach(false)
			a, b := g.siblings()
			next := g.renew(a["refresh_token"])
			g.denied(a["refresh_token"], tooOften)
			g.denied(next, detached)
			g.renew(b["refresh_token"])
		}},
		{"K1 four at once: one wins and its successor is dead", sandbox.KindK1, func(g *rig) {
			token := g.tokens()["refresh_token"]
			answers := make(chan reply, 4)
			for range cap(answers) {
				go func() { answers <- g.refresh(token) }()
			}
			got := map[any]int{}
			var won any
			for range cap(answers) {
				answer := <-answers
				got[answer.json["error_description"]]++
				if answer.StatusCode == http.StatusOK {
					won = answer.json["refresh_token"]
				}
			}
			if got[nil] != 1 || got[tooOften] != 1 || got[detached] != 2 {
				g.Errorf("answers %v, want one success, one %q, two %q", got, tooOften, detached)
			}
			g.denied(won, detached)
			equal(g, "spent tokens presented", g.SpentPresented() > 0, true)
		}},
		{"K2 reuse 1: good once more, without a time limit, and then not", sandbox.KindK2, func(g *rig) {
			first := g.tokens()["refresh_token"]
			second := g.renew(first)
			time.Sleep(25 * time.Minute)
			g.active(first, true)
			third := g.renew(first)
			g.active(first, false)
			g.active(second, false)
			g.active(third, true)
			g.denied(first, tooOften)
			g.denied(third, detached)
		}},
		{"K2 the lost answer's token is stale after the replay, and presenting it detaches", sandbox.KindK2, func(g *rig) {
			first := g.tokens()["refresh_token"]
			lost := g.renew(first)
			kept := g.renew(first)
			g.active(kept, true)
			g.denied(lost, stale)
			g.denied(kept, detached)
		}},
		{"K2 once the successor was used the parent is stale, whatever the count", sandbox.KindK2, func(g *rig) {
			g.SetReuse(5)
			first := g.tokens()["refresh_token"]
			second := g.renew(first)
			g.active(first, true)
			third := g.renew(second)
			g.active(first, false)
			g.active(second, true)
			g.denied(first, stale)
			g.denied(third, detached)
		}},
		{"K2 reuse 3: three more times", sandbox.KindK2, func(g *rig) {
			g.SetReuse(3)
			first := g.tokens()["refresh_token"]
			for range 4 {
				g.active(first, true)
				g.renew(first)
			}
			g.active(first, false)
			g.denied(first, tooOften)
		}},
		{"O0 the same string comes back, and its life begins anew", sandbox.KindO0, func(g *rig) {
			first := g.tokens()["refresh_token"]
			equal(g, "opaque", strings.Contains(first.(string), "."), false)
			for range 3 {
				time.Sleep(25 * time.Minute)
				equal(g, "the same string", g.renew(first), first)
				g.active(first, true)
			}
			time.Sleep(30 * time.Minute)
			g.active(first, false)
			g.denied(first, okta)
		}},
		{"O1 inside the leeway the old token is good, and active", sandbox.KindO1, func(g *rig) {
			first := g.tokens()["refresh_token"]
			second := g.renew(first)
			equal(g, "the same string", first == second, false)
			time.Sleep(29 * time.Second)
			g.active(first, true)
			third := g.renew(first)
			g.active(third, true)
			time.Sleep(time.Second)
			g.active(first, false)
			g.active(third, true)
			g.renew(third)
		}},
		{"O1 after the leeway a reuse ends the newest token and all access tokens", sandbox.KindO1, func(g *rig) {
			answer := g.tokens()
			second := g.refresh(answer["refresh_token"]).json
			time.Sleep(30 * time.Second)
			for range 3 {
				g.active(answer["refresh_token"], false)
			}
			equal(g, "call", g.call(g.clinic, answer["access_token"]), 200)
			g.denied(answer["refresh_token"], okta)
			g.denied(second["refresh_token"], okta)
			g.active(second["refresh_token"], false)
			equal(g, "call with the first", g.call(g.clinic, answer["access_token"]), 401)
			equal(g, "call with the second", g.call(g.clinic, second["access_token"]), 401)
		}},
		{"O1 ends one chain, not its siblings", sandbox.KindO1, func(g *rig) {
			g.SetLeeway(0)
			a, b := g.siblings()
			g.renew(a["refresh_token"])
			g.denied(a["refresh_token"], okta)
			g.renew(b["refresh_token"])
		}},
		{"O1 the leeway of a retried answer's token begins when it was replaced", sandbox.KindO1, func(g *rig) {
			first := g.tokens()["refresh_token"]
			lost := g.renew(first)
			time.Sleep(20 * time.Second)
			g.renew(first)
			time.Sleep(20 * time.Second)
			g.active(first, false)
			g.active(lost, true)
			time.Sleep(10 * time.Second)
			g.active(lost, false)
		}},
		{"O kinds: what is no token, and one of another client", sandbox.KindO1, func(g *rig) {
			other := g.registered("other")
			g.denied("nothing", okta)
			g.refused(g.refresh(g.tokens()["refresh_token"], "client_id", other.ID, "client_secret", other.Secret),
				400, "invalid_grant", "Invalid refresh token. Token client and authorized client don't match")
		}},
		{"SetKindOf: each realm has its own", sandbox.KindK1, func(g *rig) {
			g.SetKindOf(sandbox.RealmProduction, sandbox.KindK0)
			g.SetKindOf("nowhere", sandbox.KindO1)
			here := g.tokens()["refresh_token"]
			g.renew(here)
			g.active(here, false)
			g.realm = sandbox.RealmProduction
			there := g.tokens()["refresh_token"]
			g.renew(there)
			g.active(there, true)
		}},
		{"Keycloak: what was used before rotation was on is not counted", sandbox.KindK0, func(g *rig) {
			first := g.tokens()["refresh_token"]
			g.renew(first)
			g.SetRotation(true)
			second := g.renew(first)
			g.active(first, false)
			g.SetRotation(false)
			g.active(first, true)
			g.SetKind(sandbox.KindO0)
			opaque := g.renew(second)
			equal(g, "the same string", g.renew(opaque), opaque)
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t)
				g.SetKind(row.kind)
				row.check(g)
			})
		})
	}
}
