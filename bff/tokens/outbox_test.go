package tokens_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/sandbox"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// revocations counts the refresh tokens that were given back.
func (b *bench) revocations() (n int) {
	for _, r := range b.sandbox.Requests(sandbox.EndpointRevoke) {
		if r.Form().Get("token_type_hint") == "refresh_token" {
			n++
		}
	}
	return n
}

// waiting counts what the outbox still holds.
func (b *bench) waiting() (n int) {
	b.t.Helper()
	must(b.t, b.vault.View(func(tx *vault.Tx) error {
		n = vault.Revocations.Count(tx)
		return nil
	}))
	return n
}

// disconnect wants the ending.
func (b *bench) disconnect(practitioner, id, want string) {
	b.t.Helper()
	if ending, err := b.keeper.Disconnect(context.Background(), practitioner, id); err != nil || ending.Ending != want {
		b.t.Errorf("ending is %+v, error %v, want %q", ending, err, want)
	}
}

// crash is a kill -9 and a start: what the disk held is all that is left, and nothing that was under way is ever answered.
func (b *bench) crash() {
	b.t.Helper()
	after := b.t.TempDir()
	must(b.t, os.CopyFS(after, os.DirFS(b.dir)))
	must(b.t, filepath.WalkDir(after, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600)
	}))
	must(b.t, os.Chmod(filepath.Join(after, "data"), 0o700))
	b.platforms.Close() // cuts every connection
	b.close()
	b.dir = after
	b.register()
	b.open()
}

// alive counts the authorizations that still work at the platform.
func (b *bench) alive() (n int) {
	for _, c := range b.sandbox.Chains() {
		if c.Ended == "" {
			n++
		}
	}
	return n
}

// TestT057Answers: what each answer to a revocation means. Local use is blocked at once, whatever it is.
func TestT057Answers(t *testing.T) {
	canned := func(status int, body string, header map[string]string, n int) func(*bench) {
		return func(b *bench) {
			b.sandbox.Answer(sandbox.EndpointRevoke, sandbox.Canned{Status: status, Header: header, Body: body}, n)
		}
	}
	again := map[string]string{"Retry-After": "90"}
	over := func(answer func(*bench)) func(*bench) { // the platform does not know the token any more
		return func(b *bench) {
			b.sandbox.Revoke("", "")
			answer(b)
		}
	}
	for _, c := range []struct {
		name   string
		answer func(*bench)
		ending string
		asked  int           // at once
		after  time.Duration // then all is done; 0: at once
		finds  string        // audit kind of the end
	}{
		{"done", func(*bench) {}, tokens.EndedRevoked, 2, 0, "revoked"},
		{"200 for an unknown token", over(canned(200, "", nil, 2)), tokens.EndedRevoked, 2, 0, "revoked"},
		{"Keycloak's 200 invalid_token", over(canned(200, `{"error":"invalid_token","error_description":"Invalid token"}`, nil, 2)), tokens.EndedRevoked, 2, 0, "revoked"},
		{"400 invalid_token", over(canned(400, `{"error":"invalid_token"}`, nil, 2)), tokens.EndedRevoked, 2, 0, "revoked"},
		{"204", over(canned(204, "", nil, 2)), tokens.EndedRevoked, 2, 0, "revoked"},
		{"a 200 that revoked nothing", canned(200, "", nil, 1), tokens.EndedRevoked, 3, 0, "revoked"},
		{"many of them", canned(200, "", nil, 4), tokens.EndedPending, 3, 3 * time.Second, "revoked"},
		{"unsupported_token_type", canned(400, `{"error":"unsupported_token_type"}`, nil, 1), tokens.EndedExpires, 2, 0, "not_revoked"},
		{"unsupported_token_type for both", canned(400, `{"error":"unsupported_token_type"}`, nil, 2), tokens.EndedExpires, 2, 0, "not_revoked"},
		{"another client's", canned(400, `{"error":"invalid_request","error_description":"Unmatching clients"}`, nil, 2), tokens.EndedExpires, 2, 0, "not_revoked"},
		{"no such endpoint", canned(404, "", nil, 2), tokens.EndedExpires, 2, 0, "not_revoked"},
		{"503 with Retry-After", canned(503, "", again, 1), tokens.EndedPending, 1, 90 * time.Second, "revoked"},
		{"429 with Retry-After", canned(429, `{"error":"slow_down"}`, again, 1), tokens.EndedPending, 1, 90 * time.Second, "revoked"},
		{"503", canned(503, "", nil, 1), tokens.EndedPending, 1, 2 * time.Second, "revoked"},
		{"500", canned(500, "", nil, 1), tokens.EndedPending, 1, 2 * time.Second, "revoked"},
		{"a redirect", canned(302, "", map[string]string{"Location": "/x"}, 1), tokens.EndedPending, 1, 2 * time.Second, "revoked"},
		{"the client is refused", canned(401, `{"error":"unauthorized_client"}`, nil, 1), tokens.EndedPending, 1, 2 * time.Second, "revoked"},
		{"cut", func(b *bench) { b.sandbox.Cut(sandbox.EndpointRevoke, 1) }, tokens.EndedPending, 1, 2 * time.Second, "revoked"},
		{"hung", func(b *bench) { b.sandbox.Hang(sandbox.EndpointRevoke, 1) }, tokens.EndedPending, 1, 2 * time.Second, "revoked"},
		{"the answer is lost", func(b *bench) { b.sandbox.LoseNextResponse(sandbox.EndpointRevoke) }, tokens.EndedPending, 1, 2 * time.Second, "revoked"},
		{"only the access token waits", func(b *bench) {
			b.sandbox.Revoke("", "")
			b.sandbox.Answer(sandbox.EndpointRevoke, sandbox.Canned{Status: 200}, 1)
			b.sandbox.Fail(sandbox.EndpointRevoke, 503, 1)
		}, tokens.EndedRevoked, 2, 2 * time.Second, "revoked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				id := b.connect("p1", robin, b.a)
				c.answer(b)
				b.disconnect("p1", id, c.ending)
				if _, err := b.keeper.Fresh(context.Background(), "p1", id); tokens.KindOf(err) != tokens.NotFound || b.records() != 0 {
					t.Errorf("the connection is still there: %v", err)
				}
				if n := b.sandbox.Count(sandbox.EndpointRevoke); n != c.asked {
					t.Errorf("%d requests at once, want %d", n, c.asked)
				}
				if c.after > 0 {
					if b.waiting() != 1 {
						t.Fatal("nothing waits")
					}
					pass(c.after/2 - time.Millisecond) // the pause has a quarter of chance in it
					if n := b.sandbox.Count(sandbox.EndpointRevoke); n != c.asked {
						t.Errorf("%d requests before the time", n)
					}
					pass(c.after)
					if n := b.sandbox.Count(sandbox.EndpointRevoke); n <= c.asked {
						t.Error("never asked again")
					}
				}
				if b.waiting() != 0 {
					t.Error("the outbox is not empty")
				}
				if n := len(b.events(c.finds)); n != 1 {
					t.Errorf("%d records of kind %s", n, c.finds)
				}
			})
		})
	}
}

// TestT057GivesUp: a platform that never answers is asked less and less, and not beyond the life of the token.
func TestT057GivesUp(t *testing.T) {
	for name, cut := range map[string]func(*bench){
		"down":    func(b *bench) { b.sandbox.Cut(sandbox.EndpointRevoke, 1000) },
		"refuses": func(b *bench) { b.setSecret("wrong") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				id := b.connect("p1", robin, b.a)
				cut(b)
				b.disconnect("p1", id, tokens.EndedPending)
				pass(31*time.Minute + 11*time.Second)
				if n := b.sandbox.Count(sandbox.EndpointRevoke); n < 8 || n > 16 {
					t.Errorf("%d requests in half an hour", n)
				}
				before := b.sandbox.Count(sandbox.EndpointRevoke)
				pass(24 * time.Hour)
				if n := b.sandbox.Count(sandbox.EndpointRevoke); n != before || b.waiting() != 0 {
					t.Errorf("%d more requests, %d wait", n-before, b.waiting())
				}
				b.wantEvents("not_revoked", tokens.NotRevokedExpired)
				if n := len(b.events("revocation_waits")); n != 1 {
					t.Errorf("%d records that it waits", n)
				}
			})
		})
	}
}

// TestT057HealsWithTheSecret: a revocation that Locum itself spoilt is made once the operator has repaired it.
func TestT057HealsWithTheSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		right := *b.secret.Load()
		id := b.connect("p1", robin, b.a)
		b.setSecret("wrong")
		b.disconnect("p1", id, tokens.EndedPending)
		pass(time.Minute)
		b.setSecret(right.Reveal())
		pass(5 * time.Minute)
		if b.waiting() != 0 || b.alive() != 0 {
			t.Errorf("%d wait, %d are alive at the platform", b.waiting(), b.alive())
		}
	})
}

// TestT057Paced: many revocations of one platform that is down are not a herd: it is asked a few times a second at most.
func TestT057Paced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		b.sandbox.Fail(sandbox.EndpointRevoke, 503, 1_000_000)
		for range 30 {
			b.disconnect("p1", b.connect("p1", robin, b.a), tokens.EndedPending)
		}
		before := b.sandbox.Count(sandbox.EndpointRevoke)
		pass(10 * time.Second)
		if n := b.sandbox.Count(sandbox.EndpointRevoke) - before; n > 10 {
			t.Errorf("%d requests in ten seconds", n)
		}
		b.sandbox.Calm()
		pass(20 * time.Minute)
		if b.waiting() != 0 || b.alive() != 0 {
			t.Errorf("%d wait, %d are alive at the platform", b.waiting(), b.alive())
		}
	})
}

// TestT057Resumes: whatever the moment of the stop, kill -9 or orderly, the start goes on with the revocation.
func TestT057Resumes(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func(*sandbox.Sandbox)
		stop  func(*bench)
	}{
		{"kill -9 before the platform was asked", func(s *sandbox.Sandbox) { s.Hang(sandbox.EndpointRevoke, 1) }, (*bench).crash},
		{"kill -9 before its answer", func(s *sandbox.Sandbox) { s.HangAfter(sandbox.EndpointRevoke, 1) }, (*bench).crash},
		{"kill -9 between the two tokens", func(s *sandbox.Sandbox) {
			s.Answer(sandbox.EndpointRevoke, sandbox.Canned{Status: 200}, 1)
			s.Hang(sandbox.EndpointRevoke, 1)
		}, (*bench).crash},
		{"an orderly stop", func(s *sandbox.Sandbox) { s.Fail(sandbox.EndpointRevoke, 503, 1) }, (*bench).restart},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				id, other := b.connect("p1", robin, b.a), b.connect("p1", robin, b.b)
				c.fault(b.sandbox)
				gone := make(chan struct{})
				keeper := b.keeper
				go func() {
					_, _ = keeper.Disconnect(context.Background(), "p1", id)
					close(gone)
				}()
				synctest.Wait()
				c.stop(b)
				<-gone
				if _, err := b.keeper.Get("p1", id); tokens.KindOf(err) != tokens.NotFound {
					t.Errorf("it came back: %v", err)
				}
				pass(3 * time.Second)
				if b.waiting() != 0 || b.alive() != 1 {
					t.Errorf("%d wait, %d are alive at the platform", b.waiting(), b.alive())
				}
				if !b.works(b.fresh("p1", other)) {
					t.Error("the other connection suffered")
				}
			})
		})
	}
}

// TestT055Killed: kill -9 while the platform holds the answer to a refresh and the practitioner has disconnected. Nothing
// comes back, and the chain is ended although the tokens of that answer were never seen.
func TestT055Killed(t *testing.T) {
	for _, kind := range []sandbox.Kind{sandbox.KindK0, sandbox.KindK1, sandbox.KindK2, sandbox.KindO0} {
		for name, hold := range map[string]func(*sandbox.Sandbox){
			"before it was processed": func(s *sandbox.Sandbox) { s.Hang(sandbox.EndpointRefresh, 1) },
			"after":                   func(s *sandbox.Sandbox) { s.HangAfter(sandbox.EndpointRefresh, 1) },
		} {
			t.Run(string(kind)+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, options{})
					b.sandbox.SetKind(kind)
					id := b.connect("p1", robin, b.a)
					pass(gone)
					hold(b.sandbox)
					keeper, done := b.keeper, make(chan struct{})
					go func() {
						_, _ = keeper.Fresh(context.Background(), "p1", id)
						close(done)
					}()
					synctest.Wait()
					ended := make(chan struct{})
					go func() {
						_, _ = keeper.Disconnect(context.Background(), "p1", id)
						close(ended)
					}()
					synctest.Wait()
					b.crash()
					<-done
					<-ended
					pass(3 * time.Second)
					if b.records() != 0 || b.waiting() != 0 {
						t.Errorf("%d records, %d wait", b.records(), b.waiting())
					}
					if b.alive() != 0 {
						t.Errorf("%d are alive at the platform: %+v", b.alive(), b.sandbox.Chains())
					}
				})
			})
		}
	}
}

// wantSteps wants what the timeline of a connection that is gone says after its end.
func (b *bench) wantEpilogue(practitioner, id string, want ...string) {
	b.t.Helper()
	life, err := b.keeper.Life(practitioner, id)
	must(b.t, err)
	var got []string
	for _, s := range life.Steps {
		if s.What == tokens.StepDisconnected || len(got) > 0 {
			got = append(got, s.What)
			if s.Code != "" {
				got[len(got)-1] += " " + s.Code
			}
		}
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("the timeline ends with %q, want %q", got, want)
	}
}
