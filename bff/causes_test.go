package bff_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"locum/bff"
	"locum/bff/config"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/shared"
)

// patient is the connection that a case makes ill.
type patient struct {
	browser
	id   string
	down *atomic.Bool // no connection to the identity server can be opened
}

const robinAtJane = "robin@example.test"

// says lets the sandbox answer the next refreshes with an error of the token endpoint.
func (p patient) says(status int, code, description string) {
	p.sandbox.Answer(sandbox.EndpointRefresh, sandbox.Canned{Status: status, Header: map[string]string{"Content-Type": "application/json"},
		Body: `{"error":"` + code + `","error_description":"` + description + `"}`}, 20)
}

// life reads the life, and looks for token material in it.
func (p patient) life() shared.Life {
	p.t.Helper()
	a := p.read(shared.PathConnections + "/" + p.id + "/life")
	if a.status != http.StatusOK {
		p.t.Fatalf("life: %d %s", a.status, a.body)
	}
	checkNoSecret(p.t, p.bench, "life", a)
	var life shared.Life
	must(p.t, json.Unmarshal(a.body, &life))
	return life
}

// ills are the causes that are injected, each with what has to be shown for it, what helps, and who can do it.
var ills = []struct {
	name            string
	kind            string // how the platform is configured to rotate
	harm            func(*testing.T, patient)
	state, cause    string
	next, by        string
	step, stepCause string // the newest step that tells it
}{
	{"nothing", "", func(*testing.T, patient) {}, "connected", "", "none", "nobody", "refreshed", ""},

	{"withdrawn at the platform", "", func(_ *testing.T, p patient) { p.sandbox.Revoke(robinAtJane, "") }, "needs_reconnect", "session_ended", "reconnect", "practitioner", "ended", "session_ended"},
	{"signed out there", "", func(_ *testing.T, p patient) { p.sandbox.LogOut(robinAtJane) }, "needs_reconnect", "session_ended", "reconnect", "practitioner", "ended", "session_ended"},
	{"another connection was detached", "", func(_ *testing.T, p patient) { p.sandbox.Detach(robinAtJane, "locum") }, "needs_reconnect", "detached", "reconnect", "practitioner", "ended", "detached"},
	{"consent taken back", "", func(_ *testing.T, p patient) { p.sandbox.WithdrawConsent(robinAtJane, "locum") }, "needs_reconnect", "detached", "reconnect", "practitioner", "ended", "detached"},
	{"consent lost", "", func(_ *testing.T, p patient) { p.sandbox.LoseConsent(robinAtJane, "locum") }, "", "consent_withdrawn", "reconnect", "practitioner", "", "consent_withdrawn"},
	{"account barred", "", func(_ *testing.T, p patient) { p.sandbox.SetDisabled(robinAtJane, true) }, "needs_reconnect", "user_disabled", "ask_clinic", "clinic", "ended", "user_disabled"},
	{"everything issued so far is revoked", "", func(_ *testing.T, p patient) { p.sandbox.PushNotBefore("") }, "needs_reconnect", "superseded", "reconnect", "practitioner", "ended", "superseded"},
	{"a spent token was used", "", func(_ *testing.T, p patient) {
		p.says(400, "invalid_grant", "Maximum allowed refresh token reuse exceeded")
	}, "needs_reconnect", "superseded", "reconnect", "practitioner", "ended", "superseded"},
	{"not used for too long", "", func(_ *testing.T, p patient) { p.says(400, "invalid_grant", "Token is not active") }, "needs_reconnect", "expired", "reconnect", "practitioner", "ended", "expired"},
	{"registered anew", "", func(_ *testing.T, p patient) { p.says(400, "invalid_grant", "Unmatching clients") }, "needs_reconnect", "other_client", "reconnect", "practitioner", "ended", "other_client"},
	{"ended without a reason", "", func(_ *testing.T, p patient) { p.says(400, "invalid_grant", "Nobody knows") }, "needs_reconnect", "invalid_grant", "reconnect", "practitioner", "ended", "invalid_grant"},
	{"another person answers", "", func(_ *testing.T, p patient) {
		p.sandbox.AlterClaims(func(claims map[string]any) { claims["sub"] = "somebody-else" })
	}, "needs_reconnect", "wrong_person", "reconnect", "practitioner", "ended", "wrong_person"},
	{"another clinic answers", "", func(_ *testing.T, p patient) { p.sandbox.WrongAudience(p.sandbox.Clinics()[1].URL) }, "needs_reconnect", "wrong_clinic", "reconnect", "practitioner", "ended", "wrong_clinic"},
	{"an answer that does not verify", "", func(_ *testing.T, p patient) {
		p.sandbox.AlterClaims(func(claims map[string]any) { claims["iss"] = "https://elsewhere.example" })
	}, "degraded", "bad_token", "wait", "platform", "failed", "bad_token"},

	{"the client secret was changed", "", func(t *testing.T, p patient) { _, err := p.sandbox.ChangeSecret("locum"); must(t, err) }, "misconfigured", "invalid_client", "tell_operator:client_secret", "operator", "failed", "invalid_client"},
	{"the client was barred", "", func(_ *testing.T, p patient) { p.sandbox.SetClientDisabled("locum", true) }, "misconfigured", "invalid_client", "tell_operator:client_secret", "operator", "failed", "invalid_client"},
	{"the client may not refresh", "", func(_ *testing.T, p patient) { p.says(400, "unauthorized_client", "Not allowed") }, "misconfigured", "unauthorized_client", "tell_operator:client", "operator", "failed", "unauthorized_client"},
	{"a scope is not known", "", func(_ *testing.T, p patient) { p.says(400, "invalid_scope", "Invalid scopes") }, "misconfigured", "invalid_scope", "tell_operator:scopes", "operator", "failed", "invalid_scope"},
	{"the request is not understood", "", func(_ *testing.T, p patient) { p.says(400, "invalid_request", "Missing parameter") }, "misconfigured", "invalid_request", "tell_operator:client", "operator", "failed", "invalid_request"},
	{"no refresh tokens there", "", func(_ *testing.T, p patient) { p.says(400, "unsupported_grant_type", "No") }, "misconfigured", "unsupported_grant_type", "tell_operator:client", "operator", "failed", "unsupported_grant_type"},

	{"no way to the platform", "", func(_ *testing.T, p patient) { p.down.Store(true) }, "degraded", "unreachable", "wait", "platform", "failed", "unreachable"},
	{"under repair", "", func(_ *testing.T, p patient) { p.sandbox.Fail(sandbox.EndpointRefresh, 503, 20) }, "degraded", "unavailable", "wait", "platform", "failed", "unavailable"},
	{"overloaded", "", func(_ *testing.T, p patient) { p.sandbox.Throttle(sandbox.EndpointRefresh, 30*time.Second, 20) }, "degraded", "unavailable", "wait", "platform", "failed", "unavailable"},
	{"failing", "", func(_ *testing.T, p patient) { p.sandbox.Fail(sandbox.EndpointRefresh, 500, 20) }, "degraded", "no_answer", "wait", "locum", "no_answer", "no_answer"},
	{"cut off", "", func(_ *testing.T, p patient) { p.sandbox.Cut(sandbox.EndpointRefresh, 20) }, "degraded", "no_answer", "wait", "locum", "no_answer", "no_answer"},
	{"an answer that cannot be read", "", func(_ *testing.T, p patient) {
		p.sandbox.Answer(sandbox.EndpointRefresh, sandbox.Canned{Status: 200, Body: "<html>"}, 20)
	}, "degraded", "no_answer", "wait", "locum", "no_answer", "no_answer"},
	{"the answer was lost and the token spent", platform.KindStrict, func(_ *testing.T, p patient) { p.sandbox.LoseNextResponse(sandbox.EndpointRefresh) },
		"needs_reconnect", "lost_answer", "reconnect", "practitioner", "ended", "lost_answer"},

	{"the clinic refuses fresh access", "", func(_ *testing.T, p patient) { p.sandbox.Fail(sandbox.EndpointAPI, 401, 2) }, "degraded", "invalid_token", "wait", "platform", "refused", "invalid_token"},

	{"disconnected", "", func(_ *testing.T, p patient) { p.change("DELETE", shared.PathConnections+"/"+p.id, nil) }, "ended", "", "connect", "practitioner", "", ""},
}

// TestEveryCauseIsExplained injects what can befall a connection and reads what Locum says about it: the state, the cause,
// the next step, who can take it, and a step in the timeline that tells the same; and no token in any of it.
func TestEveryCauseIsExplained(t *testing.T) {
	for _, ill := range ills {
		t.Run(ill.name, func(t *testing.T) {
			p := patient{down: &atomic.Bool{}}
			issuer := ""
			b := open(t, func(_ *config.Config, o *bff.Options) {
				o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					if p.down.Load() && strings.Contains(issuer, address) {
						return nil, errors.New("no route")
					}
					return (&net.Dialer{}).DialContext(ctx, network, address)
				}
			})
			issuer = b.sandbox.Issuer(sandbox.RealmProduction)
			for _, configured := range b.cfg.Platforms {
				configured.Refresh.Kind = ill.kind
			}
			p.browser = b.signIn(loginOne)
			p.id = p.connect("jane", 0, robinAtJane)
			t.Parallel()                                                    // from here on: go-app renders the pages of one server at a time
			p.sandbox.RevokeAccess(robinAtJane, p.sandbox.Clinics()[0].URL) // the next call needs a new one
			ill.harm(t, p)
			p.read("/proxy/v1/" + p.id + "/api/2026-01-01/company")
			var got shared.Life
			told := func() bool {
				got = p.life()
				c := got.Connection
				return (ill.state == "" || c.State == ill.state) && c.Cause == ill.cause && got.Next == ill.next && got.By == ill.by
			}
			for end := time.Now().Add(40 * time.Second); !told(); time.Sleep(50 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("it is %q for %q, next %q by %q; want %q for %q, next %q by %q\n%+v", got.Connection.State, got.Connection.Cause,
						got.Next, got.By, ill.state, ill.cause, ill.next, ill.by, got.Steps)
				}
			}
			if ill.step != "" && !slices.ContainsFunc(got.Steps, func(s shared.LifeStep) bool { return s.What == ill.step && s.Code == ill.stepCause }) {
				t.Errorf("no step %s (%s) in %+v", ill.step, ill.stepCause, got.Steps)
			}
			if first := got.Steps[0]; first.What != "connected" || first.Child == "" || first.Trigger != "practitioner" {
				t.Errorf("it began with %+v", first)
			}
		})
	}
}

// TestOneGoodAnswerHeals: a connection whose fresh access was refused shows that it works as soon as a call is answered.
func TestOneGoodAnswerHeals(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	p := patient{id: one.connect("jane", 0, robinAtJane)}
	p.browser = one
	b.sandbox.Fail(sandbox.EndpointAPI, 401, 2)
	if a := p.read("/proxy/v1/" + p.id + "/api/2026-01-01/company"); a.status != http.StatusBadGateway {
		t.Fatalf("a call that is refused twice answers %d", a.status)
	}
	if c := p.life().Connection; c.State != shared.StateDegraded {
		t.Errorf("it shows %q while every call is refused", c.State)
	}
	if a := p.read("/proxy/v1/" + p.id + "/api/2026-01-01/company"); a.status != http.StatusOK {
		t.Fatalf("%d", a.status)
	}
	if c := p.life().Connection; c.State != shared.StateConnected || c.Cause != "" {
		t.Errorf("it shows %q (%s) after an answer", c.State, c.Cause)
	}
}

// TestWhatAStartFinds: a connection whose record was damaged while Locum stood still, and one whose platform is not
// configured any more, are explained like the others.
func TestWhatAStartFinds(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	p := patient{id: one.connect("jane", 0, robinAtJane)}
	b.restart(damageRows("connections", 1))
	p.browser = b.signIn(loginOne)
	life := p.life()
	if c := life.Connection; c.State != shared.StateReconnect || c.Cause != "damaged" || life.Next != "connect" || c.Clinic.Name == "" {
		t.Errorf("damaged: %+v", life)
	}
	other := b.signIn(loginTwo)
	if a := other.read(shared.PathConnections + "/" + p.id + "/life"); a.status != http.StatusNotFound {
		t.Errorf("another practitioner reads %d %s", a.status, a.body)
	}

	p.id = p.connect("jane", 0, robinAtJane)
	configured := b.cfg.Platforms
	b.cfg.Platforms = slices.DeleteFunc(slices.Clone(configured), func(p *platform.Platform) bool { return p.ID == "jane" })
	b.restart(func(*bbolt.Tx) error { return nil })
	p.browser = b.signIn(loginOne)
	life = p.life()
	if c := life.Connection; c.State != shared.StateMisconfigured || c.Cause != "unknown_platform" || life.Next != "tell_operator:platforms" ||
		c.Platform.ID != "jane" || len(life.Steps) == 0 {
		t.Errorf("of a platform that is gone: %+v", life)
	}
	b.cfg.Platforms = configured
	b.restart(func(*bbolt.Tx) error { return nil })
	p.browser = b.signIn(loginOne)
	if c := p.life().Connection; c.State != shared.StateConnected {
		t.Errorf("configured again it shows %q (%s)", c.State, c.Cause)
	}
}
