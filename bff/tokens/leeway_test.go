package tokens_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/platform"
	"locum/bff/sandbox"
)

// TestT049LearnedLeeway: that there is a leeway shows, and how long it is does not. A lost answer is repeated at once, and a token
// that may be past a short leeway is asked about first. In a long one nobody need connect again.
func TestT049LearnedLeeway(t *testing.T) {
	for name, c := range map[string]struct {
		leeway time.Duration
		lose   func(s *sandbox.Sandbox)
		human  bool
	}{
		"T049 short, at once":   {10 * time.Second, func(s *sandbox.Sandbox) { s.LoseNextResponse(sandbox.EndpointRefresh) }, false},
		"T049 short, after 10s": {10 * time.Second, func(s *sandbox.Sandbox) { s.HangAfter(sandbox.EndpointRefresh, 1) }, true},
		"T049 usual, after 10s": {30 * time.Second, func(s *sandbox.Sandbox) { s.HangAfter(sandbox.EndpointRefresh, 1) }, false},
		"T049 long, after 10s":  {60 * time.Second, func(s *sandbox.Sandbox) { s.HangAfter(sandbox.EndpointRefresh, 1) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				b.sandbox.SetKind(sandbox.KindO1)
				b.sandbox.SetLeeway(c.leeway)
				id := b.connect("p1", robin, b.a)
				b.teach(id, platform.KindRotating)
				pass(due)
				c.lose(b.sandbox)
				_, _ = b.keeper.Fresh(context.Background(), "p1", id)
				b.wantSettled(id, c.human)
			})
		})
	}
}
