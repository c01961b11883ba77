package tokens_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// TestSMARTServer: a server whose endpoints are discovered. No scope is sent with a refresh unless that is configured, no window
// is assumed, and a restart finds the server again before anything is sent.
func TestSMARTServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, athenaOptions{smart: true, options: options{keep: true}})
		id := e.join("p1", robin, standalone)
		c := e.record(id)
		if c.RefreshScopes != nil || c.RefreshExpiresIn != 0 || c.Launch.Patient != e.patients[0].ID || c.Issuer != e.face.Issuer() {
			t.Errorf("asks for %q, kept for %v, for %+v of %q", c.RefreshScopes, c.RefreshExpiresIn, c.Launch, c.Issuer)
		}
		pass(almost)
		e.fresh("p1", id)
		e.crash()
		if e.live().OAuth.Server().Token != "" {
			t.Fatal("the server is known already")
		}
		pass(almost)
		e.fresh("p1", id)
		if sent := e.refreshed(); len(sent) != 2 || sent[0] != "" || sent[1] != "" {
			t.Errorf("asked for %q", sent)
		}
		wantState(t, e.view("p1", id), tokens.StateConnected, "")
		r := e.approve("p2", noor, "", "", nil)
		e.crash()
		c, err := e.keeper.Redeem(context.Background(), r)
		must(t, err)
		e.disconnect("p2", c.ID, tokens.EndedRevoked)
		e.crash()
		e.disconnect("p1", id, tokens.EndedRevoked)
		if e.chains() != 0 {
			t.Error("it lives on")
		}
	})
}

// TestSMARTServerAway: what is not known of a server is asked again, nothing is sent and nothing lost; a document that cannot be
// believed is the operator's.
func TestSMARTServerAway(t *testing.T) {
	for name, c := range map[string]struct {
		harm         func(e *ehr)
		state, cause string
	}{
		"unreachable": {func(e *ehr) { e.sandbox.Fail(e.at("metadata"), 503, 1000) }, tokens.StateDegraded, tokens.CauseUnreachable},
		"no identity": {func(e *ehr) { e.face.SetCapabilities("sso-openid-connect") }, tokens.StateMisconfigured, tokens.CauseMetadata},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEHR(t, athenaOptions{smart: true, options: options{keep: true}})
				id := e.join("p1", robin, nil)
				before := e.record(id)
				c.harm(e)
				e.crash()
				pass(hour)
				wantState(t, e.view("p1", id), c.state, c.cause)
				if d, err := e.keeper.Diagnose(context.Background(), "p1", id); err != nil || d.Reachable || d.Code != c.cause {
					t.Errorf("found %+v, %v", d, err)
				}
				_, err := e.keeper.Redeem(context.Background(), tokens.Redemption{Attempt: vault.Attempt{Platform: smart, Clinic: e.clinic, Practitioner: "p2"}})
				if err == nil || e.count("token/refresh_token") != 0 || e.count("token/authorization_code") != 1 {
					t.Errorf("sent without knowing where: %v", err)
				}
				if !e.record(id).Refresh.Equal(before.Refresh) {
					t.Error("the refresh token is gone")
				}
				e.face.SetCapabilities()
				e.sandbox.Calm()
				pass(5 * time.Minute)
				wantState(t, e.view("p1", id), tokens.StateConnected, "")
			})
		})
	}
}

// signing is a key of a test, and the set that a server knows it by.
func signing(t testing.TB, id string) (oauth.SigningKey, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	public, err := key.PublicKey.Bytes() // 4, x, y
	must(t, err)
	part := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	set, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "kid": id, "x": part(public[1:49]), "y": part(public[49:]),
	}}})
	must(t, err)
	return oauth.SigningKey{ID: id, Algorithm: "ES384", Private: key}, string(set)
}

// TestAssertionRefused: what is wrong with an assertion is told as what to look at, and heals with the repair; a clock that is
// wrong by minutes heals by itself, once the refusal has told.
func TestAssertionRefused(t *testing.T) {
	for _, c := range []struct {
		name        string
		harm        func(e *ehr, use func(oauth.SigningKey, error)) (repair bool)
		cause, next string
	}{
		{"an unknown key", func(e *ehr, use func(oauth.SigningKey, error)) bool {
			key, _ := signing(e.t, "another")
			use(key, nil)
			return true
		}, tokens.CauseAssertion, "tell_operator:auth.audience"},
		{"no key", func(_ *ehr, use func(oauth.SigningKey, error)) bool {
			use(oauth.SigningKey{}, errors.New("there is none"))
			return true
		}, tokens.CauseNoKey, "tell_operator:keys"},
		{"a clock that is ten minutes off", func(e *ehr, _ func(oauth.SigningKey, error)) bool {
			e.sandbox.SetSkew(10 * time.Minute)
			return false
		}, tokens.CauseClock, "tell_operator:clock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				type held struct {
					key oauth.SigningKey
					err error
				}
				var now atomic.Pointer[held]
				use := func(key oauth.SigningKey, err error) { now.Store(&held{key, err}) }
				key, set := signing(t, "one")
				use(key, nil)
				seen := make(chan string, 16)
				e := newEHR(t, athenaOptions{
					options: options{keep: true, notify: func(_, _, state, cause string) {
						if state == tokens.StateMisconfigured {
							seen <- cause
						}
					}},
					change: func(a *platform.AppConfig) { a.Auth.Method = oauth.AuthKey },
					app:    func(a *sandbox.App) { a.Auth, a.JWKS = "private_key_jwt", set },
					signer: func(string) (oauth.SigningKey, error) { h := now.Load(); return h.key, h.err },
				})
				id := e.join("p1", robin, nil)
				before := e.record(id)
				repair := c.harm(e, use)
				pass(55 * time.Minute)
				if cause := <-seen; cause != c.cause {
					t.Errorf("shown as %q", cause)
				}
				if repair {
					wantState(t, e.view("p1", id), tokens.StateMisconfigured, c.cause)
					if life := e.life("p1", id); life.Remedy.Next != c.next {
						t.Errorf("what helps is %+v", life.Remedy)
					}
					use(key, nil)
				}
				pass(3 * time.Minute)
				wantState(t, e.view("p1", id), tokens.StateConnected, "")
				if e.record(id).Access.Equal(before.Access) || tokens.RemedyOf(c.cause, 0).Next != c.next {
					t.Error("it was not refreshed")
				}
			})
		})
	}
}

// TestWrongAudience: the assertion's audience is the issuer where the server wants its token URL.
func TestWrongAudience(t *testing.T) {
	key, set := signing(t, "one")
	e := newEHR(t, athenaOptions{
		change: func(a *platform.AppConfig) {
			a.Auth = oauth.Auth{Method: oauth.AuthKey, Audience: oauth.AudienceIssuer}
		},
		app:    func(a *sandbox.App) { a.Auth, a.JWKS = "private_key_jwt", set },
		signer: func(string) (oauth.SigningKey, error) { return key, nil },
	})
	_, err := e.keeper.Redeem(context.Background(), e.approve("p1", robin, "", "", nil))
	wantKind(t, err, tokens.Misconfigured, tokens.CauseAssertion)
	if kind, cause := tokens.Judge(platform.KindAthena, e.live().Auth, 0, &oauth.ResponseError{Status: 401, Code: "invalid_client"}); kind != tokens.Misconfigured || cause != tokens.CauseAssertion {
		t.Errorf("judged as %v, %q", kind, cause)
	}
}
