package tokens_test

import (
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/tokens"
)

// TestT049InvalidTarget: a refusal that Keycloak gives after it has spent the token is a doubt like a lost answer: the token is
// asked about before it is presented again. It speaks about one connection, so no other is held up.
func TestT049InvalidTarget(t *testing.T) {
	for name, spent := range map[string]bool{"T049 spent": true, "T049 not spent": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{keep: true, refresh: platform.RefreshPolicy{Kind: platform.KindStrict}})
				b.sandbox.SetKind(sandbox.KindK1)
				id := b.connect("p1", robin, b.a)
				pass(500 * time.Millisecond)
				other := b.connect("p2", alex, b.a)
				if spent {
					b.behindBack(id)
				}
				b.sandbox.Answer(sandbox.EndpointRefresh, sandbox.Canned{Status: 400, Body: `{"error":"invalid_target"}`}, 1)
				doubted := false
				for range 3000 {
					pass(100 * time.Millisecond)
					wantState(t, b.view("p2", other), tokens.StateConnected, "")
					doubted = doubted || b.view("p1", id).State == tokens.StateDegraded
				}
				if spent {
					wantState(t, b.view("p1", id), tokens.StateReconnect, tokens.CauseLostAnswer)
				} else {
					wantState(t, b.view("p1", id), tokens.StateConnected, "")
				}
				want := 0
				if spent { // here before it was presented, there by it
					want = 1
				}
				if n := b.sandbox.Count(sandbox.EndpointIntrospect); !doubted || n == 0 || b.sandbox.SpentPresented() != want {
					t.Errorf("doubted %v, %d questions, %d spent tokens presented", doubted, n, b.sandbox.SpentPresented())
				}
			})
		})
	}
}
