package tokens_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/tokens"
)

// TestDiagnosisShowsGrantedScopes: introspection says what was granted, and of an opaque access token whether it is good.
func TestDiagnosisShowsGrantedScopes(t *testing.T) {
	e := newEHR(t, athenaOptions{})
	id := e.join("p1", robin, standalone)
	_, err := e.keeper.Refused(context.Background(), e.fresh("p1", id)) // the next token is for a part of what was granted
	must(t, err)
	d, err := e.keeper.Diagnose(context.Background(), "p1", id)
	must(t, err)
	if !slices.Equal(sorted(d.Granted), sorted(e.record(id).Scopes)) || d.Access.Found != tokens.ProbeActive || d.Refresh.Found != tokens.ProbeActive {
		t.Errorf("found %+v", d)
	}
	other := e.join("p2", noor, nil)
	e.face.RevokeAccess(noor)
	if d, err = e.keeper.Diagnose(context.Background(), "p2", other); err != nil || d.Access.Found != tokens.ProbeInactive {
		t.Errorf("found %+v, %v", d, err)
	}
}

// TestRefusalsOfAthena: each misconfiguration has a cause that names the setting, nothing is erased, and the repair heals.
func TestRefusalsOfAthena(t *testing.T) {
	const policy = `{"error":"access_denied","detailedmessage":"Policy evaluation failed for this request, please check the policy configurations."}`
	for _, c := range []struct {
		name        string
		o           athenaOptions
		harm        func(e *ehr) (repair func())
		cause, next string
	}{
		{"T051 wrong secret", athenaOptions{}, func(e *ehr) func() {
			right := e.secret.Load().Reveal()
			e.setSecret("SBX-wrong")
			return func() { e.setSecret(right) }
		}, tokens.CauseInvalidClient, "tell_operator:client_secret"},
		{"T051 policy", athenaOptions{}, func(e *ehr) func() {
			e.sandbox.Answer(e.at("token/refresh_token"), sandbox.Canned{Status: 401, Body: policy}, 1000)
			return e.sandbox.Calm
		}, tokens.CausePolicy, "tell_operator:policy"},
		{"T051 posted secret", athenaOptions{
			change: func(c *platform.AppConfig) { c.Auth.Method = oauth.AuthPost },
			app:    func(a *sandbox.App) { a.Auth = "client_secret_post" },
		}, func(e *ehr) func() {
			app := e.face.Apps()[0]
			app.Auth = ""
			_, err := e.face.Register(app)
			must(e.t, err)
			return func() { app.Auth = "client_secret_post"; _, err := e.face.Register(app); must(e.t, err) }
		}, tokens.CausePosted, "tell_operator:auth.method"},
		{"T051 invalid_scope", athenaOptions{}, func(e *ehr) func() {
			e.sandbox.Answer(e.at("token/refresh_token"), sandbox.Canned{Status: 400, Body: `{"error":"invalid_scope"}`}, 1000)
			return e.sandbox.Calm
		}, tokens.CauseInvalidScope, "tell_operator:scopes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.o.keep = true
				e := newEHR(t, c.o)
				id := e.join("p1", robin, nil)
				before := e.record(id)
				repair := c.harm(e)
				pass(hour)
				wantState(t, e.view("p1", id), tokens.StateMisconfigured, c.cause)
				_, err := e.keeper.Fresh(context.Background(), "p1", id)
				wantKind(t, err, tokens.Misconfigured, c.cause)
				if life := e.life("p1", id); life.Remedy.Next != c.next || life.Remedy.By != tokens.ByOperator {
					t.Errorf("what helps is %+v", life.Remedy)
				}
				if !e.record(id).Refresh.Equal(before.Refresh) {
					t.Error("the refresh token is gone")
				}
				repair()
				pass(3 * time.Minute)
				wantState(t, e.view("p1", id), tokens.StateConnected, "")
			})
		})
	}
}

// TestALaunchWhoseTokenIsRefused: nothing can replace its token, so the connection does not show that all is well; who has it
// opens it again, and one good answer heals it.
func TestALaunchWhoseTokenIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, athenaOptions{})
		id := e.launch("p1", robin, "")
		lease, err := e.keeper.Fresh(t.Context(), "p1", id)
		must(t, err)
		_, err = e.keeper.Refused(t.Context(), lease)
		wantKind(t, err, tokens.ReconnectNeeded, tokens.CauseNoRefresh)
		wantState(t, e.view("p1", id), tokens.StateDegraded, tokens.CauseInvalidToken)
		life, err := e.keeper.Life("p1", id)
		must(t, err)
		if life.Remedy.Next != tokens.NextLaunch || life.Remedy.By != tokens.ByPractitioner {
			t.Errorf("%+v helps", life.Remedy)
		}
		e.keeper.Worked(lease)
		wantState(t, e.view("p1", id), tokens.StateConnected, "")
	})
}
