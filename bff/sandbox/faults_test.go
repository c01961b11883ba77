package sandbox_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/sandbox"
)

// attempt refreshes and gives the status, 0 when the client gave up after patience.
func (g *rig) attempt(token any, patience time.Duration) int {
	g.Helper()
	ctx, cancel := context.WithTimeout(g.Context(), patience)
	defer cancel()
	text, _ := token.(string)
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {g.client.ID}, "client_secret": {g.client.Secret}, "refresh_token": {text}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.endpoint("token"), strings.NewReader(form.Encode()))
	must(g, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := g.http.Do(r)
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

// TestFaults: what can go wrong with the token endpoint.
func TestFaults(t *testing.T) {
	rows := []struct {
		name  string
		check func(g *rig)
	}{
		{"Flap fails, answers, fails, until Calm", func(g *rig) {
			g.Flap(sandbox.EndpointRefresh, 2)
			for _, want := range []int{503, 503, 400, 400, 503, 503, 400} {
				equal(g, "status", g.refresh("x").StatusCode, want)
			}
			equal(g, "elsewhere", g.get(g.endpoint("certs")).StatusCode, 200)
			g.Calm()
			for range 3 {
				equal(g, "status after Calm", g.refresh("x").StatusCode, 400)
			}
		}},
		{"Flap processes nothing that it fails, and other faults stand beside it", func(g *rig) {
			token := g.tokens()["refresh_token"]
			g.Flap(sandbox.EndpointRefresh, 1)
			g.Fail(sandbox.EndpointRefresh, 500, 1)
			equal(g, "failed", g.refresh(token).StatusCode, 503)
			equal(g, "the other fault", g.refresh(token).StatusCode, 500)
			equal(g, "failed", g.refresh(token).StatusCode, 503)
			g.renew(token)
			g.Flap(sandbox.EndpointRefresh, 0)
			g.Calm()
		}},
		{"Hang: no answer for as long as the caller waits, and nothing was processed", func(g *rig) {
			g.SetSession(2*time.Hour, 0)
			token := g.tokens()["refresh_token"]
			g.Hang(sandbox.EndpointRefresh, 1)
			before := time.Now()
			equal(g, "status", g.attempt(token, time.Hour), 0)
			equal(g, "waited", time.Since(before), time.Hour)
			synctest.Wait()
			g.active(token, true)
			g.renew(token)
		}},
		{"HangAfter: no answer, and the token is spent", func(g *rig) {
			token := g.tokens()["refresh_token"]
			g.HangAfter(sandbox.EndpointRefresh, 1)
			equal(g, "status", g.attempt(token, 10*time.Second), 0)
			g.active(token, false)
			found := g.Requests(sandbox.EndpointRefresh)
			equal(g, "status in the log", found[0].Status, 0)
		}},
		{"Hang ends with the sandbox", func(g *rig) {
			g.Hang(sandbox.EndpointToken, 1)
			done := make(chan int)
			go func() { done <- g.attempt("x", 24*time.Hour) }()
			synctest.Wait()
			before := time.Now()
			must(g, g.Close())
			equal(g, "status", <-done, 0)
			equal(g, "waited", time.Since(before), 0)
		}},
		{"Throttle: 429 with this Retry-After, rounded up", func(g *rig) {
			g.Throttle(sandbox.EndpointToken, 1500*time.Millisecond, 1)
			got := g.refresh("x")
			g.refused(got, 429, "temporarily_unavailable", "Too many requests")
			equal(g, "Retry-After", got.Header.Get("Retry-After"), "2")
			equal(g, "then", g.refresh("x").StatusCode, 400)
		}},
		{"SetTokenLimit: what is over it is refused unprocessed until the window ends", func(g *rig) {
			time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute + 40*time.Second)))
			token := g.tokens()["refresh_token"]
			g.SetTokenLimit(sandbox.Limit{N: 3, Window: time.Minute})
			for range 3 {
				token = g.renew(token)
			}
			got := g.refresh(token)
			equal(g, "status", got.StatusCode, 429)
			equal(g, "Retry-After", got.Header.Get("Retry-After"), "20")
			equal(g, "window", g.TokenWindow(g.realm), sandbox.TokenWindow{All: 4, Worst: 4, Refused: 1})
			equal(g, "the other realm's", g.TokenWindow(sandbox.RealmProduction), sandbox.TokenWindow{})
			equal(g, "no realm's", g.TokenWindow("nowhere"), sandbox.TokenWindow{})
			time.Sleep(20 * time.Second)
			token = g.renew(token)
			equal(g, "wherever the window begins", g.TokenWindow(g.realm).Worst, 5)
			equal(g, "a code counts too", g.redeem("x").StatusCode, 400)
			g.Fail(sandbox.EndpointToken, 500, 1)
			g.refresh("x")
			equal(g, "window", g.TokenWindow(g.realm).All, 7)
			g.SetTokenLimit(sandbox.Limit{Window: time.Minute})
			for range 9 {
				token = g.renew(token)
			}
			equal(g, "without a limit", g.TokenWindow(g.realm), sandbox.TokenWindow{All: 9, Worst: 9})
		}},
		{"certs: a key for encryption is last, and signs nothing", func(g *rig) {
			answer := g.tokens()
			keys, _ := g.get(g.endpoint("certs")).json["keys"].([]any)
			last, _ := keys[len(keys)-1].(map[string]any)
			equal(g, "use and alg", last["use"].(string)+" "+last["alg"].(string), "enc RSA-OAEP")
			equal(g, "kid", last["kid"] == header(g, answer["access_token"].(string))["kid"], false)
			equal(g, "keys", len(keys), 2)
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { row.check(newRig(t)) })
		})
	}
}

// TestPresented: what a campaign counts.
func TestPresented(t *testing.T) {
	rows := []struct {
		name  string
		check func(g *rig)
	}{
		{"good tokens are no spent ones", func(g *rig) {
			token := g.tokens()["refresh_token"]
			for range 3 {
				token = g.renew(token)
			}
			got := g.Presented()
			equal(g, "all", got.All, 3)
			equal(g, "inactive and spent", got.Inactive+got.Spent, 0)
		}},
		{"a spent one is flagged as it arrives, and what follows is inactive for another reason", func(g *rig) {
			first := g.tokens()["refresh_token"]
			second := g.renew(first)
			g.denied(first, tooOften)
			g.denied(second, detached)
			got := g.Presented()
			equal(g, "inactive", got.Inactive, 2)
			equal(g, "spent", g.SpentPresented(), 1)
			equal(g, "why", got.Why[tooOften]*10+got.Why[detached], 11)
			log := g.Requests(sandbox.EndpointRefresh)
			equal(g, "first", log[0].Inactive, "")
			equal(g, "second", log[1].Inactive, tooOften)
			equal(g, "second spent", log[1].Spent, true)
			equal(g, "third", log[2].Inactive, detached)
			equal(g, "third spent", log[2].Spent, false)
		}},
		{"it counts though a fault answers, or nobody does", func(g *rig) {
			first := g.tokens()["refresh_token"]
			g.renew(first)
			g.Fail(sandbox.EndpointRefresh, 503, 1)
			equal(g, "status", g.refresh(first).StatusCode, 503)
			g.Cut(sandbox.EndpointRefresh, 1)
			g.cut(first.(string))
			equal(g, "spent", g.SpentPresented(), 2)
			g.active(first, false)
		}},
		{"two at once with one token: the second was good when it came", func(g *rig) {
			token := g.tokens()["refresh_token"]
			g.Slow(sandbox.EndpointRefresh, time.Second, 2)
			done := make(chan int, 2)
			for range 2 {
				go func() { done <- g.attempt(token, time.Minute) }()
			}
			equal(g, "one of each", <-done+<-done, 600)
			equal(g, "spent", g.SpentPresented(), 1)
		}},
		{"K2's allowance and O1's leeway are no spent tokens", func(g *rig) {
			g.SetKind(sandbox.KindK2)
			token := g.tokens()["refresh_token"]
			g.renew(token)
			g.renew(token)
			equal(g, "K2", g.SpentPresented(), 0)
			g.SetKind(sandbox.KindO1)
			token = g.tokens()["refresh_token"]
			g.renew(token)
			g.renew(token)
			equal(g, "O1 inside", g.SpentPresented(), 0)
			time.Sleep(31 * time.Second)
			g.denied(token, okta)
			equal(g, "O1 outside", g.SpentPresented(), 1)
		}},
		{"what is no token is inactive and not spent", func(g *rig) {
			g.refresh("x")
			g.refresh(nil)
			got := g.Presented()
			equal(g, "inactive", got.Inactive, 2)
			equal(g, "why", got.Why["Invalid refresh token"], 2)
			equal(g, "spent", got.Spent, 0)
			got.Why["Invalid refresh token"] = 9
			equal(g, "a copy", g.Presented().Why["Invalid refresh token"], 2)
		}},
		{"Chains tells of each authorization", func(g *rig) {
			a, b := g.siblings()
			next := g.renew(g.renew(a["refresh_token"]))
			find := func(clinic string) sandbox.Chain {
				for _, c := range g.Chains() {
					if c.Clinic == clinic {
						return c
					}
				}
				return sandbox.Chain{}
			}
			want := sandbox.Chain{Realm: g.realm, Client: "locum", Login: robin, Clinic: g.Clinics()[0].URL, SID: a["session_state"].(string), Refreshes: 2}
			equal(g, "first", find(want.Clinic), want)
			g.denied(a["refresh_token"], stale)
			want.Spent, want.Ended = 1, detached
			equal(g, "first after a reuse", find(want.Clinic), want)
			equal(g, "second", find(g.Clinics()[1].URL).Ended, detached)
			g.denied(next, detached)
			g.denied(b["refresh_token"], detached)
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { row.check(newRig(t)) })
		})
	}
}
