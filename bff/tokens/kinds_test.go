package tokens_test

import (
	"context"
	"os/signal"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/tokens"
)

// TestLearnedKinds: what one refresh and two questions teach about each kind, and that it is kept, shown and recorded.
func TestLearnedKinds(t *testing.T) {
	evidence := map[sandbox.Kind]string{
		sandbox.KindK0: "old_active", sandbox.KindK1: "old_inactive", sandbox.KindK2: "old_active", sandbox.KindO0: "same_token",
		sandbox.KindO1: "old_expired",
	}
	for _, r := range rotations {
		t.Run(string(r.kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				b.sandbox.SetKind(r.kind)
				id := b.connect("p1", robin, b.a)
				if kind, at, _ := b.keeper.Kind(jane); kind != "" || !at.IsZero() {
					t.Errorf("known before: %q", kind)
				}
				b.teach(id, r.learned)
				if got := b.keeper.Rotation(jane); got.Evidence != evidence[r.kind] || got.Configured || got.Contradiction != "" {
					t.Errorf("learned %+v", got)
				}
				b.wantEvents("kind_learned", r.learned)
				b.restart()
				if kind, _, _ := b.keeper.Kind(jane); kind != r.learned {
					t.Errorf("%q after a restart", kind)
				}
				if kind, _, _ := b.keeper.Kind(production); kind != "" {
					t.Errorf("another platform is %q", kind)
				}
				asked := b.sandbox.Count(sandbox.EndpointIntrospect)
				for range 5 {
					pass(due)
					b.fresh("p1", id)
				}
				synctest.Wait()
				if n := b.sandbox.Count(sandbox.EndpointIntrospect) - asked; n != 0 {
					t.Errorf("asked %d times more", n)
				}
			})
		})
	}
}

// TestKindLearnedWeekly: the administrator changes the server's settings; within a week of use Locum knows.
func TestKindLearnedWeekly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		b.sandbox.SetKind(sandbox.KindK0)
		b.teach(b.connect("p1", robin, b.a), platform.KindReuse)
		b.sandbox.SetKind(sandbox.KindK1)
		pass(7 * 24 * time.Hour)
		id := b.connect("p1", robin, b.a)
		b.teach(id, platform.KindStrict)
		b.wantEvents("kind_learned", platform.KindReuse, platform.KindStrict)
	})
}

// TestKindNotLearned: what keeps the kind from being learned makes nothing less safe, and the next occasion is taken.
func TestKindNotLearned(t *testing.T) {
	cases := []struct {
		name  string
		o     options
		spoil func(b *bench, id string)
		asked int
	}{
		{"no introspection", options{mute: true}, func(*bench, string) {}, 0},
		{"introspection down", options{}, func(b *bench, _ string) { b.sandbox.Fail(sandbox.EndpointIntrospect, 503, 9) }, 1},
		{"introspection refused", options{}, func(b *bench, _ string) { b.sandbox.Fail(sandbox.EndpointIntrospect, 403, 9) }, 1},
		{"introspection that knows nobody", options{}, func(b *bench, _ string) {
			b.sandbox.Answer(sandbox.EndpointIntrospect, sandbox.Canned{Body: `{"active":false}`}, 9)
		}, 2},
		{"introspection fails at the second look", options{}, func(b *bench, id string) {
			b.fresh("p1", id)
			synctest.Wait()
			b.sandbox.Fail(sandbox.EndpointIntrospect, 503, 9)
		}, 3},
		{"the second token is refused", options{}, func(b *bench, _ string) {
			b.sandbox.Slow(sandbox.EndpointIntrospect, time.Second, 1) // the first passes
			time.AfterFunc(500*time.Millisecond, func() { b.sandbox.Fail(sandbox.EndpointIntrospect, 503, 1) })
		}, 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, c.o)
				b.sandbox.SetKind(sandbox.KindK0)
				id := b.connect("p1", robin, b.a)
				pass(due)
				c.spoil(b, id)
				b.fresh("p1", id)
				pass(80 * time.Second)
				if kind, _, _ := b.keeper.Kind(jane); kind != "" {
					t.Errorf("learned %q", kind)
				}
				if n := b.sandbox.Count(sandbox.EndpointIntrospect); n != c.asked {
					t.Errorf("asked %d times", n)
				}
				b.sandbox.Calm()
				if c.o.mute {
					return
				}
				for range 3 {
					pass(due)
					b.fresh("p1", id)
				}
				pass(70 * time.Second)
				if kind, _, _ := b.keeper.Kind(jane); kind != platform.KindReuse {
					t.Errorf("%q after it was repaired", kind)
				}
			})
		})
	}
}

// TestKindRefreshedMeanwhile: a second refresh within the minute spoils what could be learned, and nothing wrong is.
func TestKindRefreshedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		b.sandbox.SetKind(sandbox.KindK2)
		id := b.connect("p1", robin, b.a)
		pass(due)
		lease := b.fresh("p1", id)
		pass(40 * time.Second)
		_, err := b.keeper.Refused(context.Background(), lease)
		must(t, err)
		pass(30 * time.Second)
		if kind, _, _ := b.keeper.Kind(jane); kind != "" {
			t.Errorf("learned %q", kind)
		}
		b.teach(id, platform.KindReuse) // the next refresh tries again at once
	})
}

// TestKindContradicted: what is configured is not what the platform does. It is on record and shown, and the stricter of
// the two is acted on.
func TestKindContradicted(t *testing.T) {
	cases := []struct {
		name       string
		real       sandbox.Kind
		configured platform.RefreshPolicy
		learned    string // "" for no contradiction
		acted      string
	}{
		{"K0 for K1", sandbox.KindK1, platform.RefreshPolicy{Kind: platform.KindNone}, platform.KindStrict, platform.KindStrict},
		{"O0 for O1", sandbox.KindO1, platform.RefreshPolicy{Kind: platform.KindStatic}, platform.KindRotating, platform.KindRotating},
		{"K2 for K1", sandbox.KindK1, platform.RefreshPolicy{Kind: platform.KindReuse, Reuse: 3}, platform.KindStrict, platform.KindStrict},
		{"K1 for K0", sandbox.KindK0, platform.RefreshPolicy{Kind: platform.KindStrict}, platform.KindReuse, platform.KindStrict},
		{"O1 for O0", sandbox.KindO0, platform.RefreshPolicy{Kind: platform.KindRotating, Leeway: 30 * time.Second}, platform.KindStatic, platform.KindRotating},
		{"K0 for K0", sandbox.KindK0, platform.RefreshPolicy{Kind: platform.KindNone}, "", platform.KindNone},
		{"K2 for K2", sandbox.KindK2, platform.RefreshPolicy{Kind: platform.KindReuse, Reuse: 3}, "", platform.KindReuse},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{refresh: c.configured})
				b.sandbox.SetKind(c.real)
				id := b.connect("p1", robin, b.a)
				pass(due)
				b.fresh("p1", id)
				pass(70 * time.Second)
				got := b.keeper.Rotation(jane)
				if got.Kind != c.acted || got.Contradiction != c.learned || !got.Configured {
					t.Errorf("%+v", got)
				}
				if life := b.life("p1", id); life.Kind != c.acted || life.Observed != c.learned {
					t.Errorf("told: kind %q, observed %q", life.Kind, life.Observed)
				}
				if c.learned == "" {
					b.wantEvents("kind_contradicted")
				} else {
					b.wantEvents("kind_contradicted", c.configured.Kind+" "+c.learned)
				}
				b.loseAnswer(id, true, "in process")
				b.wantSettled(id, c.acted == platform.KindStrict && c.real == sandbox.KindK1)
			})
		})
	}
}

// TestKindObserved: what the platform does when it is used weighs more than what was learned of it.
func TestKindObserved(t *testing.T) {
	t.Run("a replay is refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, options{})
			b.sandbox.SetKind(sandbox.KindK0)
			id := b.connect("p1", robin, b.a)
			b.teach(id, platform.KindReuse)
			b.sandbox.SetKind(sandbox.KindK1)
			b.loseAnswer(id, true, "in process")
			b.call("p1", id, 20)
			wantState(t, b.view("p1", id), tokens.StateReconnect, tokens.CauseLostAnswer)
			if got := b.keeper.Rotation(jane); got.Kind != platform.KindStrict || got.Evidence != "replay_refused" {
				t.Errorf("%+v", got)
			}
			b.wantEvents("kind_learned", platform.KindReuse, platform.KindStrict)
			other := b.connect("p2", alex, b.a)
			b.sandbox.SetKind(sandbox.KindK0)
			pass(due)
			b.fresh("p2", other) // the next good refresh looks again
			pass(70 * time.Second)
			if kind, _, _ := b.keeper.Kind(jane); kind != platform.KindReuse {
				t.Errorf("%q after another look", kind)
			}
		})
	})
	t.Run("a static token changes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, options{})
			b.sandbox.SetKind(sandbox.KindO0)
			id := b.connect("p1", robin, b.a)
			b.teach(id, platform.KindStatic)
			b.sandbox.SetKind(sandbox.KindO1)
			pass(due)
			b.fresh("p1", id)
			if kind, _, _ := b.keeper.Kind(jane); kind != "" {
				t.Errorf("still %q", kind)
			}
			b.teach(id, platform.KindRotating)
		})
	})
}

// TestKindConfirmed: a week later the same is learned again. Nothing is on record for it, but when it was looked at.
func TestKindConfirmed(t *testing.T) {
	for _, r := range rotations {
		t.Run(string(r.kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				b.sandbox.SetKind(r.kind)
				b.teach(b.connect("p1", robin, b.a), r.learned)
				before := b.keeper.Rotation(jane)
				pass(7 * 24 * time.Hour)
				b.teach(b.connect("p1", robin, b.a), r.learned)
				after := b.keeper.Rotation(jane)
				if !after.LearnedAt.Equal(before.LearnedAt) || !after.CheckedAt.After(before.CheckedAt) || after.Leeway != before.Leeway {
					t.Errorf("%+v, then %+v", before, after)
				}
				b.wantEvents("kind_learned", r.learned)
			})
		})
	}
}

// TestKindNotStored: a vault that takes nothing keeps nobody from acting on what was learned; a restart learns it again.
func TestKindNotStored(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ) // see noWrites
	defer signal.Reset(syscall.SIGXFSZ)
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		b.sandbox.SetKind(sandbox.KindK0)
		id := b.connect("p1", robin, b.a)
		pass(due)
		b.fresh("p1", id)
		pass(60 * time.Second)
		writable := noWrites(t)
		pass(10 * time.Second)
		writable()
		if kind, _, _ := b.keeper.Kind(jane); kind != platform.KindReuse {
			t.Errorf("%q is acted on", kind)
		}
		must(t, b.keeper.Close())
		_ = b.audit.Close() // it could not be written either
		must(t, b.vault.Close())
		b.open()
		if kind, _, _ := b.keeper.Kind(jane); kind != "" {
			t.Errorf("%q was stored", kind)
		}
		b.teach(id, platform.KindReuse)
	})
}

// TestKindLearnedTwice: what was observed in use is not overwritten by a look that was begun before.
func TestKindLearnedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		b.sandbox.SetKind(sandbox.KindK0)
		id, other := b.connect("p1", robin, b.a), b.connect("p2", alex, b.a)
		pass(due)
		b.fresh("p1", id) // looks again in 65 s
		pass(10 * time.Second)
		b.sandbox.PushNotBefore("") // "Stale token": a reuse, as far as anybody can tell
		b.fresh("p2", other)
		synctest.Wait()
		b.sandbox.TakeNotBeforeBack()
		pass(70 * time.Second)
		if got := b.keeper.Rotation(jane); got.Kind != platform.KindStrict || got.Evidence != "replay_refused" {
			t.Errorf("%+v", got)
		}
	})
}

// TestRotationUnknown: of a platform that is not configured nothing is known.
func TestRotationUnknown(t *testing.T) {
	b := newBench(t, options{})
	if kind, at, configured := b.keeper.Kind("nowhere"); kind != "" || !at.IsZero() || configured {
		t.Errorf("%q at %v", kind, at)
	}
}
