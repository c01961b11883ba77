package tokens_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/sandbox"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// hour is when the sandbox's access token of athenahealth has run out; almost is when it is due.
const (
	hour   = time.Hour + time.Second
	almost = 55 * time.Minute
)

// TestT044OpaqueTokens: an access token is not read, whatever it is; the person is the id_token's.
func TestT044OpaqueTokens(t *testing.T) {
	for name, opaque := range map[string]bool{"opaque": true, "a JWT": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEHR(t, athenaOptions{})
				e.face.SetOpaque(opaque)
				if !opaque { // nothing of it counts
					e.face.AlterAccess(func(claims map[string]any) {
						claims["iss"], claims["sub"], claims["exp"] = "https://e.example", "nobody", 1
					})
				}
				id := e.join("p1", robin, nil)
				view, c := e.view("p1", id), e.record(id)
				wantState(t, view, tokens.StateConnected, "")
				who := e.face.People()[0]
				if c.Subject != who.Subject || c.Issuer != e.face.Issuer() || view.FHIRUser != who.FHIRUser || view.Issuer != c.Issuer {
					t.Errorf("it is %q of %q, %q", c.Subject, c.Issuer, view.FHIRUser)
				}
				if view.FreshFor != time.Hour || view.KeptFor != 90*24*time.Hour || !view.EndsAt.IsZero() || view.ClinicName != "The practice" {
					t.Errorf("fresh for %v, kept for %v, ends at %v, %q", view.FreshFor, view.KeptFor, view.EndsAt, view.ClinicName)
				}
				pass(almost)
				if lease := e.fresh("p1", id); lease.Access.Equal(c.Access) || lease.Clinic != e.clinic {
					t.Error("it was not refreshed")
				}
				if again := e.record(id); again.Subject != c.Subject || again.FHIRUser != c.FHIRUser || again.Generation == c.Generation {
					t.Errorf("after a refresh it is %q", again.Subject)
				}
			})
		})
	}
}

// TestT042Identity walks id_tokens that must make no connection, and what is done with the tokens.
func TestT042Identity(t *testing.T) {
	claim := func(name string, value any) func(*ehr) {
		return func(e *ehr) { e.face.AlterID(func(claims map[string]any) { claims[name] = value }) }
	}
	answer := func(change func(map[string]any)) func(*ehr) { return func(e *ehr) { e.face.AlterAnswer(change) } }
	for _, c := range []struct {
		name  string
		spoil func(e *ehr)
		kind  tokens.Kind
		code  string
	}{
		{"no id_token", answer(func(a map[string]any) { delete(a, "id_token") }), tokens.BadToken, tokens.CauseBadToken},
		{"an access token in its place", answer(func(a map[string]any) { a["id_token"] = a["access_token"] }), tokens.BadToken, tokens.CauseBadToken},
		{"another issuer", claim("iss", "https://e.example"), tokens.BadToken, tokens.CauseBadToken},
		{"another client", claim("aud", "somebody"), tokens.BadToken, tokens.CauseBadToken},
		{"another nonce", claim("nonce", "another"), tokens.BadToken, tokens.CauseBadToken},
		{"no subject", claim("sub", ""), tokens.BadToken, tokens.CauseBadToken},
		{"another practice's practitioner", claim("fhirUser", "Practitioner/a-195901.Provider-31"), tokens.WrongClinic, tokens.CauseWrongClinic},
		{"another practice's patient", answer(func(a map[string]any) { a["patient"] = "a-195901.E-1" }), tokens.WrongClinic, tokens.CauseWrongClinic},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEHR(t, athenaOptions{})
			r := e.approve("p1", robin, "", "", nil)
			c.spoil(e)
			_, err := e.keeper.Redeem(context.Background(), r)
			wantKind(t, err, c.kind, c.code)
			if e.records() != 0 || e.chains() != 0 {
				t.Errorf("%d records, %d chains live on", e.records(), e.chains())
			}
		})
	}
}

// chains counts the authorizations that are alive at the platform.
func (e *ehr) chains() (n int) {
	for _, c := range e.face.Chains() {
		if c.Ended == "" {
			n++
		}
	}
	return n
}

// TestFHIRUser: which names of a person are recorded (SMART App Launch 2.2, fhirUser).
func TestFHIRUser(t *testing.T) {
	for user, want := range map[string]bool{
		"Practitioner/a-195900.Provider-1": true, "https://ehr.example/fhir/r4/Patient/1": true, "Person/p": true, "RelatedPerson/x": true,
		"PractitionerRole/y": true, "Organization/1": false, "Practitioner/1/extra": false, "/Practitioner/1": false,
		"javascript:Practitioner/1": false, "https://u:p@ehr.example/Practitioner/1": false, "https://ehr.example/Practitioner/1?x=y": false,
		"Practitioner/..": false, "Practitioner/" + strings.Repeat("x", 600): false, "": false,
	} {
		e := newEHR(t, athenaOptions{})
		r := e.approve("p1", robin, "", "", nil)
		e.face.AlterID(func(claims map[string]any) { claims["fhirUser"] = user })
		c, err := e.keeper.Redeem(context.Background(), r)
		must(t, err)
		if want != (c.FHIRUser == user && user != "") || !want && c.FHIRUser != "" {
			t.Errorf("%q is recorded as %q", user, c.FHIRUser)
		}
	}
}

// TestT042QuarantineAthena: an id_token of a refresh that names another issuer, subject or audience ends the connection, and so
// does a launch context for another patient; what came is revoked and never handed out. A forged one is no word of the
// platform's.
func TestT042QuarantineAthena(t *testing.T) {
	claim := func(name string, value any) func(*ehr) {
		return func(e *ehr) { e.face.AlterID(func(claims map[string]any) { claims[name] = value }) }
	}
	for _, c := range []struct {
		name         string
		spoil        func(*ehr)
		state, cause string
	}{
		{"T042 iss", claim("iss", "https://e.example"), tokens.StateReconnect, tokens.CauseWrongPerson},
		{"T042 sub", claim("sub", "somebody"), tokens.StateReconnect, tokens.CauseWrongPerson},
		{"T042 aud", claim("aud", "somebody"), tokens.StateReconnect, tokens.CauseWrongPerson},
		{"T042 practice", claim("fhirUser", "Practitioner/a-195901.Provider-31"), tokens.StateReconnect, tokens.CauseWrongClinic},
		{"T042 forged", func(e *ehr) {
			e.face.AlterAnswer(func(a map[string]any) { a["id_token"] = forged(a["id_token"].(string)) })
		}, tokens.StateDegraded, tokens.CauseBadToken},
		{"another patient", func(e *ehr) {
			e.face.AlterAnswer(func(a map[string]any) { a["patient"] = e.patients[1].ID })
		}, tokens.StateReconnect, tokens.CauseWrongPatient},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEHR(t, athenaOptions{})
				e.face.SetKind(sandbox.KindO1)
				id := e.join("p1", robin, func(a *vault.Attempt) { standalone(a) })
				old := e.fresh("p1", id)
				pass(almost)
				c.spoil(e)
				if lease := e.fresh("p1", id); !lease.Access.Equal(old.Access) {
					t.Error("the token was handed out")
				}
				wantState(t, e.view("p1", id), c.state, c.cause)
				synctest.Wait()
				if ended := c.state == tokens.StateReconnect; ended != (e.chains() == 0) || ended != e.record(id).Refresh.Empty() {
					t.Errorf("%d chains live on", e.chains())
				}
			})
		})
	}
}

// forged changes the signature of a JWT.
func forged(token string) string {
	body, signature, _ := strings.Cut(token[strings.IndexByte(token, '.')+1:], ".")
	return token[:strings.IndexByte(token, '.')+1] + body + "." + strings.Map(func(r rune) rune {
		if r == 'A' {
			return 'B'
		}
		return 'A'
	}, signature)
}

// TestT053Athena: a refresh answer that leaves something out keeps what was there, and scope stands in each request.
func TestT053Athena(t *testing.T) {
	launch := func(a map[string]any) {
		delete(a, "patient")
		delete(a, "encounter")
	}
	for _, c := range []struct {
		name   string
		kind   sandbox.Kind
		answer func(a map[string]any, old string)
		same   bool // the refresh token
		scopes []string
	}{
		{"refresh_token absent", sandbox.KindO0, func(a map[string]any, _ string) { delete(a, "refresh_token") }, true, nil},
		{"refresh_token empty", sandbox.KindO0, func(a map[string]any, _ string) { a["refresh_token"] = "" }, true, nil},
		{"refresh_token null", sandbox.KindO0, func(a map[string]any, _ string) { a["refresh_token"] = nil }, true, nil},
		{"refresh_token the same", sandbox.KindO0, func(a map[string]any, old string) { a["refresh_token"] = old }, true, nil},
		{"refresh_token new", sandbox.KindO1, func(map[string]any, string) {}, false, nil},
		{"scope absent", sandbox.KindO0, func(a map[string]any, _ string) { delete(a, "scope") }, true, nil},
		{"scope echoed", sandbox.KindO0, func(map[string]any, string) {}, true, nil},
		{"scope reduced", sandbox.KindO0, func(a map[string]any, _ string) { a["scope"] = "openid user/Patient.read" }, true,
			[]string{"openid", "user/Patient.read", "launch/patient"}},
		{"id_token absent", sandbox.KindO0, func(a map[string]any, _ string) { delete(a, "id_token") }, true, nil},
		{"launch context absent", sandbox.KindO0, func(a map[string]any, _ string) { launch(a) }, true, nil},
		{"nothing but a token", sandbox.KindO0, func(a map[string]any, _ string) {
			for name := range a {
				if name != "access_token" {
					delete(a, name)
				}
			}
		}, true, nil},
	} {
		t.Run("T053 "+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEHR(t, athenaOptions{})
				e.face.SetKind(c.kind)
				e.face.SetRefreshContext(true)
				id := e.join("p1", robin, standalone)
				before := e.record(id)
				pass(almost)
				e.face.AlterAnswer(func(a map[string]any) { c.answer(a, before.Refresh.Reveal()) })
				e.fresh("p1", id)
				after, view := e.record(id), e.view("p1", id)
				if after.Refresh.Empty() || after.Refresh.Equal(before.Refresh) != c.same || after.Access.Equal(before.Access) {
					t.Error("the wrong tokens were kept")
				}
				if after.Launch.Patient != e.patients[0].ID || after.Launch.Kind != "standalone" || after.Subject != before.Subject ||
					after.Issuer != before.Issuer || after.FHIRUser != before.FHIRUser || view.Launch.Patient != after.Launch.Patient {
					t.Errorf("it is for %+v, %q", after.Launch, after.Subject)
				}
				want := c.scopes
				if want == nil {
					want = before.Scopes
				}
				if !slices.Equal(sorted(after.Scopes), sorted(want)) || !slices.Equal(after.RefreshScopes, before.RefreshScopes) {
					t.Errorf("scopes are %q, want %q", after.Scopes, want)
				}
				if after.RefreshExpiresIn != 90*24*time.Hour {
					t.Errorf("kept for %v", after.RefreshExpiresIn)
				}
				sent := e.refreshed()
				if len(sent) != 1 || sent[0] != strings.Join(before.RefreshScopes, " ") || strings.Contains(sent[0], "launch") ||
					!strings.Contains(sent[0], "offline_access") || !strings.Contains(sent[0], "openid") {
					t.Errorf("asked for %q", sent)
				}
				for _, scope := range strings.Fields(sent[0]) { // SMART App Launch 2.2, a strict subset
					if !slices.Contains(before.Scopes, scope) || len(strings.Fields(sent[0])) >= len(before.Scopes) {
						t.Errorf("%q is no strict subset of %q", sent[0], before.Scopes)
					}
				}
			})
		})
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// TestT035Athena: fewer than asked are shown as missing, more are flagged and not asked for again, by their meaning.
func TestT035Athena(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, athenaOptions{})
		e.face.AlterAnswer(func(a map[string]any) {
			a["scope"] = "openid fhirUser offline_access user/Patient.rs user/Observation.r"
		})
		id := e.join("p1", robin, func(a *vault.Attempt) {
			a.Scopes = []string{"openid", "fhirUser", "offline_access", "user/Patient.read", "user/Observation.read"}
		})
		view := e.view("p1", id)
		if !slices.Equal(view.Missing, []string{"user/Observation.read"}) || len(view.Excess) != 0 {
			t.Errorf("missing %q, in excess %q", view.Missing, view.Excess)
		}
		e.wantEvents("excess_scope")
		e.face.AddScope("user/Practitioner.write")
		other := e.join("p2", noor, func(a *vault.Attempt) {
			a.Scopes = []string{"openid", "fhirUser", "offline_access", "user/Patient.read"}
		})
		if view := e.view("p2", other); !slices.Equal(view.Excess, []string{"user/Practitioner.write"}) || len(view.Missing) != 0 {
			t.Errorf("missing %q, in excess %q", view.Missing, view.Excess)
		}
		e.wantEvents("excess_scope", "user/Practitioner.write")
		pass(almost)
		e.fresh("p2", other)
		if sent := e.refreshed(); len(sent) != 1 || strings.Contains(sent[0], "write") {
			t.Errorf("asked for %q", sent)
		}
	})
}

// TestT053InvalidScope: the remembered set is not granted any more: the next try asks for what introspection says, and no
// other connection is held up.
func TestT053InvalidScope(t *testing.T) {
	for name, mute := range map[string]bool{"introspection tells": false, "introspection is down": true} {
		t.Run(name, func(t *testing.T) { invalidScope(t, mute) })
	}
}

func invalidScope(t *testing.T, mute bool) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, athenaOptions{options: options{keep: true}})
		id := e.join("p1", robin, nil)
		other := e.join("p2", noor, nil)
		must(t, e.keeper.Close())
		e.alter(id, func(c *vault.Connection) {
			c.RefreshScopes = append(slices.Clone(c.RefreshScopes), "user/Practitioner.write")
		})
		e.openKeeper()
		if mute {
			e.sandbox.Fail(e.at("introspect"), 503, 100)
		}
		misconfigured := false
		pass(53 * time.Minute)
		for range 2400 {
			pass(50 * time.Millisecond)
			view := e.view("p1", id)
			wantState(t, e.view("p2", other), tokens.StateConnected, "")
			if !misconfigured && view.State == tokens.StateMisconfigured && view.Cause == tokens.CauseInvalidScope {
				misconfigured = true
				began := time.Now()
				if _, err := e.keeper.Refused(context.Background(), e.fresh("p2", other)); err != nil || time.Since(began) > 0 {
					t.Errorf("another connection's refresh took %v, %v", time.Since(began), err)
				}
			}
		}
		c := e.record(id)
		wantState(t, e.view("p1", id), tokens.StateConnected, "")
		if !misconfigured || slices.Contains(c.RefreshScopes, "user/Practitioner.write") || len(c.RefreshScopes) != len(c.Scopes) {
			t.Errorf("shown %v, asks for %q of %q", misconfigured, c.RefreshScopes, c.Scopes)
		}
		if refused := e.refusals(); refused != 1 {
			t.Errorf("refused %d times", refused)
		}
	})
}

// refusals counts the token requests that were refused.
func (e *ehr) refusals() (n int) {
	for _, r := range e.sandbox.Requests() {
		if strings.HasPrefix(string(r.Where), string(e.at("token"))) && r.Status >= 400 {
			n++
		}
	}
	return n
}
