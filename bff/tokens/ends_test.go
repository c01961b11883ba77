package tokens_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// TestT050Why: only invalid_grant ends a connection, and what the platform says beside it is shown: each of Keycloak's words,
// in what really causes them, and as they stand.
func TestT050Why(t *testing.T) {
	says := func(text string) func(b *bench, id string) {
		return func(b *bench, _ string) {
			body := `{"error":"invalid_grant","error_description":"` + text + `"}`
			b.sandbox.Answer(sandbox.EndpointRefresh, sandbox.Canned{Status: 400, Body: body}, 1)
		}
	}
	cases := []struct {
		name  string
		spoil func(b *bench, id string)
		cause string
	}{
		{"logged out", func(b *bench, _ string) { b.sandbox.LogOut(robin) }, tokens.CauseSessionEnded},
		{"revoked", func(b *bench, _ string) { b.sandbox.Revoke(robin, b.a) }, tokens.CauseSessionEnded},
		{"detached", func(b *bench, _ string) { b.sandbox.Detach(robin, clientID) }, tokens.CauseDetached},
		{"not before", func(b *bench, _ string) { b.sandbox.PushNotBefore("") }, tokens.CauseSuperseded},
		{"locked out", func(b *bench, _ string) { b.sandbox.SetDisabled(robin, true) }, tokens.CauseUserDisabled},
		{"not used for too long", func(*bench, string) { pass(time.Hour) }, tokens.CauseExpired},
		{"stolen", func(b *bench, id string) {
			b.behindBack(id)
		}, tokens.CauseSuperseded},
		{"expired, in words", says("Token is not active"), tokens.CauseExpired},
		{"the session, in words", says("Session not active"), tokens.CauseSessionEnded},
		{"the client, in words", says("Session doesn't have required client"), tokens.CauseDetached},
		{"another client, in words", says("Unmatching clients"), tokens.CauseOtherClient},
		{"consent, in words", says("Client no longer has requested consent from user"), tokens.CauseConsent},
		{"reuse, in words", says("Maximum allowed refresh token reuse exceeded"), tokens.CauseSuperseded},
		{"words that nobody knows", says("the moon is full"), tokens.CauseInvalidGrant},
		{"words that begin alike", says("Session not active at all"), tokens.CauseInvalidGrant},
		{"no words", says(""), tokens.CauseInvalidGrant},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				id := b.connect("p1", robin, b.a)
				pass(gone)
				c.spoil(b, id)
				_, err := b.keeper.Fresh(context.Background(), "p1", id)
				wantKind(t, err, tokens.ReconnectNeeded, c.cause)
				wantState(t, b.view("p1", id), tokens.StateReconnect, c.cause)
				if got := b.record(id); got.Cause != c.cause || !got.Refresh.Empty() {
					t.Errorf("the record says %q", got.Cause)
				}
				b.wantEvents("reconnect_needed", c.cause)
			})
		})
	}
}

// TestWordsDecideNothing: the same words with another code end nothing.
func TestWordsDecideNothing(t *testing.T) {
	for _, c := range []struct {
		name, body   string
		status       int
		state, cause string
	}{
		{"invalid_client", `{"error":"invalid_client","error_description":"Session not active"}`, 401, tokens.StateMisconfigured, tokens.CauseInvalidClient},
		{"503", `{"error":"invalid_grant","error_description":"Session not active"}`, 503, tokens.StateDegraded, tokens.CauseUnavailable},
		{"no code", `{"error_description":"Session not active"}`, 400, tokens.StateDegraded, tokens.CauseUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				id := b.connect("p1", robin, b.a)
				b.sandbox.Answer(sandbox.EndpointRefresh, sandbox.Canned{Status: c.status, Body: c.body}, 1)
				pass(due)
				b.fresh("p1", id)
				synctest.Wait()
				wantState(t, b.view("p1", id), c.state, c.cause)
				if b.record(id).Refresh.Empty() {
					t.Error("the refresh token is gone")
				}
				b.wantEvents("reconnect_needed")
			})
		})
	}
}

// TestT051Consent: Keycloak says of one person, as invalid_scope, that they have taken their consent back. That is no fault of
// Locum's registration and ends nothing: when they consent again, the connection goes on.
func TestT051Consent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id, other := b.connect("p1", robin, b.a), b.connect("p2", alex, b.a)
		b.sandbox.LoseConsent(robin, clientID)
		pass(due)
		b.fresh("p1", id)
		b.fresh("p2", other)
		wantState(t, b.view("p1", id), tokens.StateDegraded, tokens.CauseConsent)
		wantState(t, b.view("p2", other), tokens.StateConnected, "")
		if b.record(id).Refresh.Empty() {
			t.Error("the refresh token is gone")
		}
		_, err := b.keeper.Redeem(context.Background(), b.approve("p1", robin, jane, b.a, func(a *vault.Attempt) { a.Connection = id }))
		must(t, err)
		wantState(t, b.view("p1", id), tokens.StateConnected, "")
	})
}

// TestT051Background: after a wrong secret, and after a client that was disabled, every connection resumes by itself, though
// no practitioner asks for anything.
func TestT051Background(t *testing.T) {
	for name, fault := range map[string]struct{ spoil, repair func(b *bench) }{
		"wrong secret": {
			func(b *bench) { b.setSecret("wrong") },
			func(b *bench) { b.setSecret(b.sandbox.Clients()[0].Secret) },
		},
		"client disabled": {
			func(b *bench) { b.sandbox.SetClientDisabled(clientID, true) },
			func(b *bench) { b.sandbox.SetClientDisabled(clientID, false) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{keep: true})
				who := []string{"p1", "p1", "p2"}
				ids := []string{b.connect("p1", robin, b.a), b.connect("p1", robin, b.b), b.connect("p2", alex, b.a)}
				fault.spoil(b)
				pass(25 * time.Minute)
				for i, id := range ids {
					if view := b.view(who[i], id); view.State != tokens.StateMisconfigured {
						t.Errorf("%s (%s)", view.State, view.Cause)
					}
				}
				fault.repair(b)
				pass(2 * time.Minute)
				for i, id := range ids {
					wantState(t, b.view(who[i], id), tokens.StateConnected, "")
				}
				if n := b.sandbox.SpentPresented(); n != 0 {
					t.Errorf("%d spent tokens were presented", n)
				}
			})
		})
	}
}

// TestT049Background: an answer is lost while nobody looks; the keeper asks when it may, and the practitioner reads the truth
// within half a minute of it.
func TestT049Background(t *testing.T) {
	for name, processed := range map[string]bool{"processed": true, "not processed": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{keep: true, refresh: strict})
				id := b.connect("p1", robin, b.a)
				if processed {
					b.sandbox.LoseNextResponse(sandbox.EndpointRefresh)
				} else {
					b.sandbox.Cut(sandbox.EndpointRefresh, 1)
				}
				for b.refreshes() == 0 {
					pass(time.Second)
				}
				pass(30 * time.Second)
				if processed {
					wantState(t, b.view("p1", id), tokens.StateReconnect, tokens.CauseLostAnswer)
				} else {
					wantState(t, b.view("p1", id), tokens.StateConnected, "")
				}
				if n := b.sandbox.SpentPresented(); n != 0 {
					t.Errorf("%d spent tokens were presented", n)
				}
			})
		})
	}
}

// TestT054Forecast: the absolute end of a login is known before it comes, from what the refresh token's life shows or from
// what is configured, and afterwards it is the reason that is shown.
func TestT054Forecast(t *testing.T) {
	t.Run("by a shorter window", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, options{})
			b.sandbox.SetSession(30*time.Minute, time.Hour)
			id := b.connect("p1", robin, b.a)
			end := time.Now().Add(time.Hour)
			known := time.Duration(0)
			for time.Until(end) > 4*time.Minute {
				pass(due)
				b.fresh("p1", id)
				if at := b.view("p1", id).EndsAt; !at.IsZero() && known == 0 {
					known = time.Until(end)
				}
			}
			if at := b.view("p1", id).EndsAt; at.Sub(end).Abs() > 2*time.Second || known < 20*time.Minute {
				t.Errorf("ends at %v, known %v before", at.Sub(end), known)
			}
			pass(due)
			pass(gone)
			_, err := b.keeper.Fresh(context.Background(), "p1", id)
			wantKind(t, err, tokens.ReconnectNeeded, tokens.CauseSessionMax)
		})
	})
	t.Run("configured, from the connection", func(t *testing.T) { configuredEnd(t, false) })
	t.Run("configured, from the sign-in", func(t *testing.T) { configuredEnd(t, true) })
	t.Run("lives that became shorter are no end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, options{})
			id := b.connect("p1", robin, b.a)
			b.sandbox.SetSession(10*time.Minute, 0)
			pass(due)
			b.fresh("p1", id)
			if b.view("p1", id).EndsAt.IsZero() { // it looks like one
				t.Error("no forecast")
			}
			pass(due)
			b.fresh("p1", id)
			if at := b.view("p1", id).EndsAt; !at.IsZero() {
				t.Errorf("ends in %v, it is said", time.Until(at))
			}
			if c := b.record(id); c.WindowMax != 10*time.Minute {
				t.Errorf("the longest is %v", c.WindowMax)
			}
		})
	})
	t.Run("a new sign-in", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, options{})
			b.sandbox.SetSession(30*time.Minute, time.Hour)
			id := b.connect("p1", robin, b.a)
			for range 10 {
				pass(due)
				b.fresh("p1", id)
			}
			if b.view("p1", id).EndsAt.IsZero() {
				t.Fatal("no forecast")
			}
			_, err := b.keeper.Redeem(context.Background(), b.approve("p1", robin, jane, b.a, func(a *vault.Attempt) { a.Connection = id }))
			must(t, err)
			if at := b.view("p1", id).EndsAt; !at.IsZero() {
				t.Errorf("ends in %v, it is said", time.Until(at))
			}
		})
	})
}

// configuredEnd connects in a browser that signed in ten minutes before, at a platform whose logins live eight hours by its
// configuration. An id_token tells when they began.
func configuredEnd(t *testing.T, openID bool) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{openID: openID, refresh: platform.RefreshPolicy{SessionMax: 8 * time.Hour}})
		var err error
		b.browser, err = b.sandbox.NewBrowser()
		must(t, err)
		from := time.Now()
		b.connect("p1", robin, b.b)
		pass(10 * time.Minute)
		id := b.connect("p1", robin, b.a)
		if !openID {
			from = time.Now()
		}
		for range 3 {
			if at := b.view("p1", id).EndsAt; at.Sub(from.Add(8*time.Hour)).Abs() > 2*time.Second {
				t.Errorf("ends %v after", at.Sub(from))
			}
			pass(due)
			b.fresh("p1", id)
		}
	})
}

// TestT042Quarantine: an id_token at a refresh that names another issuer, another audience or another person. Nothing of the
// answer is handed out; only another person ends the connection.
func TestT042Quarantine(t *testing.T) {
	for name, c := range map[string]struct {
		claim, state, cause string
		value               any
	}{
		"iss": {"iss", tokens.StateDegraded, tokens.CauseBadToken, "https://e.example"},
		"sub": {"sub", tokens.StateReconnect, tokens.CauseWrongPerson, "somebody"},
		"aud": {"aud", tokens.StateReconnect, tokens.CauseWrongClinic, "https://e.example"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{openID: true})
				id := b.connect("p1", robin, b.a)
				old := b.fresh("p1", id)
				pass(due)
				b.sandbox.AlterClaims(func(claims map[string]any) { claims[c.claim] = c.value })
				if lease := b.fresh("p1", id); !lease.Access.Equal(old.Access) {
					t.Error("the token was handed out")
				}
				wantState(t, b.view("p1", id), c.state, c.cause)
			})
		})
	}
	t.Run("another practitioner's reconnect", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, options{})
			id := b.connect("p1", robin, b.a)
			before := b.record(id)
			if other := b.connect("p2", robin, b.a); other == id {
				t.Error("it took the first one's place")
			}
			if after := b.record(id); after.Generation != before.Generation || !after.Refresh.Equal(before.Refresh) {
				t.Error("the first one was overwritten")
			}
		})
	})
}

// TestT053KeptToken: with a strict platform whose answers come without a refresh token, or with an empty one, the old one is
// kept and nothing is learned from it.
func TestT053KeptToken(t *testing.T) {
	for _, member := range []string{"", `,"refresh_token":""`, `,"refresh_token":null`} {
		t.Run(member, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				b.sandbox.SetKind(sandbox.KindK0)
				id := b.connect("p1", robin, b.a)
				before := b.record(id)
				pass(due)
				fresh, err := oauth.ParseToken(b.behindBack(id))
				must(t, err)
				body := `{"access_token":"` + fresh.Access.Reveal() + `","expires_in":300` + member + `}`
				b.sandbox.Answer(sandbox.EndpointRefresh, sandbox.Canned{Body: body}, 1)
				if !b.works(b.fresh("p1", id)) {
					t.Error("the token does not work")
				}
				if c := b.record(id); !c.Refresh.Equal(before.Refresh) {
					t.Error("the refresh token was not kept")
				}
				if kind, _, _ := b.keeper.Kind(jane); kind != "" {
					t.Errorf("learned %q", kind)
				}
			})
		})
	}
}
