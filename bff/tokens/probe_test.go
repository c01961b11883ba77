package tokens_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/tokens"
	"locum/bff/vault"
)

var strict = platform.RefreshPolicy{Kind: platform.KindStrict}

// call asks for a token every second, and does not mind the answer.
func (b *bench) call(practitioner, id string, seconds int) {
	for range seconds {
		_, _ = b.keeper.Fresh(context.Background(), practitioner, id)
		pass(time.Second)
	}
}

// TestT049ProbeNotToBeHad: a refresh is in doubt and introspection says nothing. Nothing is presented, nothing is erased, the
// token in use serves, and it heals by itself.
func TestT049ProbeNotToBeHad(t *testing.T) {
	cases := []struct {
		name  string
		fault func(b *bench)
		state string
		cause string
	}{
		{"503", func(b *bench) { b.sandbox.Fail(sandbox.EndpointIntrospect, 503, 99) }, tokens.StateDegraded, tokens.CauseNoAnswer},
		{"429", func(b *bench) { b.sandbox.Fail(sandbox.EndpointIntrospect, 429, 99) }, tokens.StateDegraded, tokens.CauseNoAnswer},
		{"403", func(b *bench) { b.sandbox.Fail(sandbox.EndpointIntrospect, 403, 99) }, tokens.StateDegraded, tokens.CauseNoAnswer},
		{"cut", func(b *bench) { b.sandbox.Cut(sandbox.EndpointIntrospect, 99) }, tokens.StateDegraded, tokens.CauseUnreachable},
		{"hung", func(b *bench) { b.sandbox.Hang(sandbox.EndpointIntrospect, 99) }, tokens.StateDegraded, tokens.CauseUnreachable},
		{"not JSON", func(b *bench) {
			b.sandbox.Answer(sandbox.EndpointIntrospect, sandbox.Canned{Body: "<html>"}, 99)
		}, tokens.StateDegraded, tokens.CauseNoAnswer},
		{"active is no boolean", func(b *bench) {
			b.sandbox.Answer(sandbox.EndpointIntrospect, sandbox.Canned{Body: `{"active":"true"}`}, 99)
		}, tokens.StateDegraded, tokens.CauseNoAnswer},
		{"invalid_grant", func(b *bench) {
			b.sandbox.Answer(sandbox.EndpointIntrospect, sandbox.Canned{Status: 400, Body: `{"error":"invalid_grant"}`}, 99)
		}, tokens.StateDegraded, tokens.CauseNoAnswer},
		{"it knows nobody", func(b *bench) {
			b.sandbox.Answer(sandbox.EndpointIntrospect, sandbox.Canned{Body: `{"active":false}`}, 99)
		}, tokens.StateDegraded, tokens.CauseNoAnswer},
		{"wrong secret", func(b *bench) { b.setSecret("wrong") }, tokens.StateMisconfigured, tokens.CauseInvalidClient},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{refresh: strict})
				right := b.secret.Load().Reveal()
				id := b.connect("p1", robin, b.a)
				b.connect("p2", alex, b.a) // by whom it shows that introspection knows nobody
				b.sandbox.Cut(sandbox.EndpointRefresh, 1)
				pass(due - 60*time.Second)
				old := b.fresh("p1", id)
				pass(60 * time.Second)
				b.fresh("p1", id)
				before := b.record(id)
				c.fault(b)
				for range 28 {
					if lease := b.fresh("p1", id); !lease.Access.Equal(old.Access) {
						t.Fatal("another token")
					}
					pass(time.Second)
				}
				b.call("p1", id, 120)
				wantState(t, b.view("p1", id), c.state, c.cause)
				if got := b.record(id); !got.Refresh.Equal(before.Refresh) || got.Phase != "inflight" || b.refreshes() != 1 {
					t.Errorf("phase %q after %d refreshes", got.Phase, b.refreshes())
				}
				b.wantEvents("reconnect_needed")
				b.sandbox.Calm()
				b.setSecret(right)
				b.call("p1", id, 60)
				wantState(t, b.view("p1", id), tokens.StateConnected, "")
			})
		})
	}
}

// TestT049StrictWithoutIntrospection: nobody can be asked, and the platform is known to be strict: nothing is presented, and
// the token in use serves to its end.
func TestT049StrictWithoutIntrospection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{refresh: strict, mute: true})
		id := b.connect("p1", robin, b.a)
		b.sandbox.LoseNextResponse(sandbox.EndpointRefresh)
		pass(due)
		for range 28 {
			b.fresh("p1", id)
			pass(time.Second)
		}
		wantState(t, b.view("p1", id), tokens.StateDegraded, tokens.CauseLostAnswer)
		b.call("p1", id, 60)
		if c := b.record(id); c.Refresh.Empty() || c.Phase != "inflight" || b.refreshes() != 1 {
			t.Errorf("phase %q after %d refreshes", c.Phase, b.refreshes())
		}
		_, err := b.keeper.Redeem(context.Background(), b.approve("p1", robin, jane, b.a, func(a *vault.Attempt) { a.Connection = id }))
		must(t, err)
		b.wantSettled(id, false)
	})
}

// TestT049Settles: a request that may still be under way is left alone, whatever the clocks say; then one question decides.
func TestT049Settles(t *testing.T) {
	cases := []struct {
		name string
		sent time.Duration // after the moment of the start
		wait time.Duration
	}{
		{"at the start", 0, 15 * time.Second},
		{"ten seconds before", -10 * time.Second, 5 * time.Second},
		{"long ago", -time.Hour, 0},
		{"in the future", time.Hour, 15 * time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{refresh: strict})
				id := b.connect("p1", robin, b.a)
				pass(gone)
				must(t, b.keeper.Close())
				b.alter(id, func(record *vault.Connection) { b.inflight(record, time.Now().Add(c.sent)) })
				start := time.Now()
				b.openKeeper()
				if c.wait > 0 {
					_, err := b.keeper.Fresh(context.Background(), "p1", id)
					wantKind(t, err, tokens.Unavailable, tokens.CauseNoAnswer)
					wantState(t, b.view("p1", id), tokens.StateDegraded, tokens.CauseNoAnswer)
				}
				for b.refreshes() == 0 && time.Since(start) < time.Minute {
					_, _ = b.keeper.Fresh(context.Background(), "p1", id)
					if b.refreshes() == 0 {
						if n := b.sandbox.Count(sandbox.EndpointIntrospect); n != 0 {
							t.Fatalf("asked after %v", time.Since(start))
						}
						pass(100 * time.Millisecond)
					}
				}
				if waited := time.Since(start); waited < c.wait || waited > c.wait+200*time.Millisecond {
					t.Errorf("settled after %v, want %v", waited, c.wait)
				}
			})
		})
	}
}

// TestT049Leeway: within the leeway a lost answer is repeated without a question, and counted from the first one that was
// lost, however many follow. In the last seconds of the leeway, and for some more, nothing is done.
func TestT049Leeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{refresh: platform.RefreshPolicy{Kind: platform.KindRotating, Leeway: 40 * time.Second}})
		b.sandbox.SetKind(sandbox.KindO1)
		b.sandbox.SetLeeway(40 * time.Second)
		id := b.connect("p1", robin, b.a)
		pass(gone)
		b.sandbox.LoseNextResponse(sandbox.EndpointRefresh)
		b.sandbox.Cut(sandbox.EndpointRefresh, 99)
		start := time.Now()
		for time.Since(start) < 44*time.Second {
			_, _ = b.keeper.Fresh(context.Background(), "p1", id)
			pass(100 * time.Millisecond)
		}
		for _, r := range b.sandbox.Requests(sandbox.EndpointRefresh) {
			if after := r.Time.Sub(start); after >= 35*time.Second {
				t.Errorf("presented after %v", after)
			}
		}
		if n := b.sandbox.Count(sandbox.EndpointIntrospect); n != 0 || b.refreshes() < 4 {
			t.Errorf("asked %d times, %d refreshes", n, b.refreshes())
		}
		b.wantSettled(id, true)
	})
}

// TestT049ReuseCount: a platform that forgives n reuses is presented a token n more times, counted over a restart, and is
// asked before the next.
func TestT049ReuseCount(t *testing.T) {
	for name, c := range map[string]struct {
		reuse, lost int
		human       bool
	}{
		"one of one": {1, 1, false}, "two of one": {1, 2, true}, "two of three": {3, 2, false}, "four of three": {3, 4, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{refresh: platform.RefreshPolicy{Kind: platform.KindReuse, Reuse: c.reuse}})
				b.sandbox.SetKind(sandbox.KindK2)
				b.sandbox.SetReuse(c.reuse)
				id := b.connect("p1", robin, b.a)
				pass(gone)
				for range c.lost {
					b.sandbox.LoseNextResponse(sandbox.EndpointRefresh)
				}
				b.call("p1", id, 10+16*(c.lost-1))
				if got := b.record(id).Reuses; got != c.lost {
					t.Errorf("presented %d times by the record", got)
				}
				b.restart()
				b.wantSettled(id, c.human)
			})
		})
	}
}

// TestT049ReuseAfterQuestion: introspection says that a token may be used, and not how often: it is asked again before each
// further use.
func TestT049ReuseAfterQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{refresh: platform.RefreshPolicy{Kind: platform.KindReuse, Reuse: 1}})
		b.sandbox.SetKind(sandbox.KindK2)
		id := b.connect("p1", robin, b.a)
		pass(gone)
		b.sandbox.Cut(sandbox.EndpointRefresh, 1)
		b.sandbox.LoseNextResponse(sandbox.EndpointRefresh) // its first use
		b.sandbox.LoseNextResponse(sandbox.EndpointRefresh) // its second, after the first question
		b.wantSettled(id, true)
	})
}

// TestT049NotProcessed: what was certainly not processed counts for nothing.
func TestT049NotProcessed(t *testing.T) {
	for name, fault := range map[string]func(s *sandbox.Sandbox){
		"503":            func(s *sandbox.Sandbox) { s.Fail(sandbox.EndpointRefresh, 503, 1) },
		"invalid_client": func(s *sandbox.Sandbox) { s.Answer(sandbox.EndpointRefresh, sandbox.Canned{Status: 401}, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{refresh: strict})
				id := b.connect("p1", robin, b.a)
				pass(due)
				fault(b.sandbox)
				b.fresh("p1", id)
				synctest.Wait()
				if c := b.record(id); c.Phase != "" || c.Reuses != 0 || !c.DoubtSince.IsZero() {
					t.Errorf("phase %q, presented %d times since %v", c.Phase, c.Reuses, c.DoubtSince)
				}
				b.wantSettled(id, false)
				if n := b.sandbox.Count(sandbox.EndpointIntrospect); n > 2 { // the two of learning
					t.Errorf("asked %d times", n)
				}
			})
		})
	}
	t.Run("not sent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, options{refresh: strict})
			id := b.connect("p1", robin, b.a)
			pass(due)
			must(t, b.sandbox.Close())
			b.fresh("p1", id)
			synctest.Wait()
			wantState(t, b.view("p1", id), tokens.StateDegraded, tokens.CauseUnreachable)
			if c := b.record(id); c.Phase != "" || c.Reuses != 0 || !c.DoubtSince.IsZero() {
				t.Errorf("phase %q, presented %d times since %v", c.Phase, c.Reuses, c.DoubtSince)
			}
		})
	})
}

// TestT049AtStart: what an earlier process left in doubt is settled in the background at once, while the token that it had
// still works and nobody calls: within a leeway before anything else, otherwise as soon as nothing is under way any more.
func TestT049AtStart(t *testing.T) {
	for _, r := range rotations {
		t.Run(string(r.kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{keep: true, refresh: r.policy})
				b.sandbox.SetKind(r.kind)
				id := b.connect("p1", robin, b.a)
				pass(30 * time.Second)
				old := b.fresh("p1", id)
				must(t, b.keeper.Close())
				b.behindBack(id)
				b.alter(id, func(c *vault.Connection) { b.inflight(c, time.Now()) })
				pass(2 * time.Second)
				before := b.refreshes()
				b.openKeeper()
				pass(3 * time.Second)
				if again := b.refreshes() > before; again != r.atOnce {
					t.Errorf("presented again within three seconds: %v", again)
				}
				pass(20 * time.Second)
				if r.lost {
					wantState(t, b.view("p1", id), tokens.StateReconnect, tokens.CauseLostAnswer)
					if lease := b.fresh("p1", id); !lease.Access.Equal(old.Access) {
						t.Error("the token does not serve to its end")
					}
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

// TestT049Late: the platform comes to a request whose sender was killed only after the next process has begun. Where the old
// token is forgiven, the one that came of it last must not be overtaken.
func TestT049Late(t *testing.T) {
	for _, r := range rotations {
		if r.kind == sandbox.KindO1 { // its leeway does not wait
			continue
		}
		t.Run(string(r.kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{keep: true, refresh: r.policy})
				b.sandbox.SetKind(r.kind)
				id := b.connect("p1", robin, b.a)
				pass(gone)
				must(t, b.keeper.Close())
				b.sandbox.Slow(sandbox.EndpointRefresh, 8*time.Second, 1)
				late := make(chan struct{})
				go func() {
					defer close(late)
					b.behindBack(id)
				}()
				pass(time.Second)
				b.alter(id, func(c *vault.Connection) { b.inflight(c, time.Now()) })
				b.openKeeper()
				b.call("p1", id, 30)
				<-late
				for range 3 {
					pass(due)
					b.call("p1", id, 2)
				}
				b.wantSettled(id, r.lost)
			})
		})
	}
}

// TestT049SlowLeeway: a platform that did not answer in time is given its time while the leeway lasts.
func TestT049SlowLeeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{refresh: rotations[4].policy})
		b.sandbox.SetKind(sandbox.KindO1)
		id := b.connect("p1", robin, b.a)
		pass(gone)
		b.sandbox.Slow(sandbox.EndpointRefresh, 12*time.Second, 1)
		b.call("p1", id, 60)
		for range 3 {
			pass(due)
			b.call("p1", id, 2)
		}
		b.wantSettled(id, false)
	})
}
