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

// rotations are the kinds of the sandbox with what an operator would configure for each, and whether a lost answer costs
// the practitioner a sign-in when the refresh was processed: in the same process or at once after a crash, and a minute
// later (refresh-protocol D2).
var rotations = []struct {
	kind       sandbox.Kind
	policy     platform.RefreshPolicy
	learned    string
	lost, late bool
	atOnce     bool // a lost answer is asked for again at once
}{
	{sandbox.KindK0, platform.RefreshPolicy{Kind: platform.KindNone}, platform.KindReuse, false, false, true},
	{sandbox.KindK1, platform.RefreshPolicy{Kind: platform.KindStrict}, platform.KindStrict, true, true, false},
	{sandbox.KindK2, platform.RefreshPolicy{Kind: platform.KindReuse, Reuse: 1}, platform.KindReuse, false, false, false},
	{sandbox.KindO0, platform.RefreshPolicy{Kind: platform.KindStatic}, platform.KindStatic, false, false, true},
	{sandbox.KindO1, platform.RefreshPolicy{Kind: platform.KindRotating, Leeway: 30 * time.Second}, platform.KindRotating, false, true, true},
}

// TestT049LostAnswer is table D2: for every kind, whether it is configured, learned, or not known yet, an answer is lost
// after the platform has processed the request, or before; Locum goes on, is killed and comes back at once, or a minute
// later. No spent token is ever presented, and a human is needed where the table says so and nowhere else.
func TestT049LostAnswer(t *testing.T) {
	for _, r := range rotations {
		for _, told := range []string{"configured", "learned", "unknown"} {
			for _, processed := range []bool{true, false} {
				for _, when := range []string{"in process", "killed", "killed for a minute"} {
					name := string(r.kind) + "/" + told + "/" + when
					if !processed {
						name += "/not processed"
					}
					t.Run(name, func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							o := options{}
							if told == "configured" {
								o.refresh = r.policy
							}
							b := newBench(t, o)
							b.sandbox.SetKind(r.kind)
							id := b.connect("p1", robin, b.a)
							if told == "learned" {
								b.teach(id, r.learned)
							}
							human := processed && r.lost
							if processed && when == "killed for a minute" {
								human = r.late
							}
							b.loseAnswer(id, processed, when)
							b.wantSettled(id, human)
						})
					})
				}
			}
		}
	}
}

// teach makes one good refresh and waits until the platform's kind is known.
func (b *bench) teach(id, want string) {
	b.t.Helper()
	pass(due)
	b.fresh("p1", id)
	pass(70 * time.Second)
	if kind, at, configured := b.keeper.Kind(jane); kind != want || at.IsZero() || configured {
		b.t.Fatalf("learned %q at %v", kind, at)
	}
}

// loseAnswer loses the answer of the next refresh, which is due.
func (b *bench) loseAnswer(id string, processed bool, when string) {
	b.t.Helper()
	if when == "in process" {
		if processed {
			b.sandbox.LoseNextResponse(sandbox.EndpointRefresh)
		} else {
			b.sandbox.Cut(sandbox.EndpointRefresh, 1)
		}
		pass(due)
		_, _ = b.keeper.Fresh(context.Background(), "p1", id)
		return
	}
	pass(due)
	must(b.t, b.keeper.Close())
	if processed {
		b.behindBack(id)
	}
	b.alter(id, func(c *vault.Connection) { b.inflight(c, time.Now()) })
	if when != "killed" {
		pass(time.Minute)
	}
	b.openKeeper()
}

// inflight makes a record what a process leaves that is killed between its request and the answer.
func (b *bench) inflight(c *vault.Connection, sent time.Time) {
	c.Phase, c.DoubtSince, c.Reuses = "inflight", sent, c.Reuses+1
	c.Attempt = vault.RefreshAttempt{ID: "before", SentAt: sent, Fence: c.Attempt.Fence + 1}
}

// wantSettled calls every second for two minutes and wants the connection to work in the end, or to ask for the
// practitioner, and no spent token to have been presented.
func (b *bench) wantSettled(id string, human bool) {
	b.t.Helper()
	for range 120 {
		_, _ = b.keeper.Fresh(context.Background(), "p1", id)
		pass(time.Second)
	}
	view := b.view("p1", id)
	if human {
		wantState(b.t, view, tokens.StateReconnect, tokens.CauseLostAnswer)
		if c := b.record(id); !c.Refresh.Empty() || c.Phase != "" || c.Reuses != 0 || !c.DoubtSince.IsZero() {
			b.t.Errorf("the record is in phase %q, presented %d times", c.Phase, c.Reuses)
		}
	} else {
		wantState(b.t, view, tokens.StateConnected, "")
		if !b.works(b.fresh("p1", id)) {
			b.t.Error("the token does not work")
		}
		if c := b.record(id); c.Phase != "" || c.Reuses != 0 || !c.DoubtSince.IsZero() {
			b.t.Errorf("the record is in phase %q, presented %d times", c.Phase, c.Reuses)
		}
	}
	if n := b.sandbox.SpentPresented(); n != 0 {
		b.t.Errorf("%d spent tokens were presented: %v", n, b.sandbox.Presented().Why)
	}
}
