package tokens_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/sandbox"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// TestT049Random: answers that are lost before and after the platform has acted, hung and failing endpoints, restarts, and
// kills in the middle of a refresh, in any order, for every kind, whether it is configured or learned on the way. No spent
// token is ever presented, no connection that nothing was lost of ends, and each that ends says why. LOCUM_DOUBTS is how many
// steps each takes; then the seed is a new one, or LOCUM_SEED.
func TestT049Random(t *testing.T) {
	steps, seed := 12, uint64(49)
	if n, err := strconv.Atoi(os.Getenv("LOCUM_DOUBTS")); err == nil {
		steps, seed = n, rand.Uint64()
	}
	if n, err := strconv.ParseUint(os.Getenv("LOCUM_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("%d steps from seed %d", steps, seed)
	for _, r := range rotations {
		for name, o := range map[string]options{"configured": {refresh: r.policy}, "not known": {}} {
			t.Run(string(r.kind)+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { randomLife(t, r.kind, o, steps, seed) })
			})
		}
	}
}

func randomLife(t *testing.T, kind sandbox.Kind, o options, steps int, seed uint64) {
	f := newFamily(t, o)
	f.sandbox.SetKind(kind)
	f.sandbox.SetSession(0, 10_000*time.Hour)
	robins := f.browser
	dice := rand.New(rand.NewPCG(seed, uint64(kind[0])<<8+uint64(kind[1])))
	who, ids := append(f.who, "p3"), append(f.ids, f.stranger)
	ends := 0
	for step := range steps {
		f.mishap(dice)
		pass(time.Duration(dice.IntN(300)) * time.Second)
		switch dice.IntN(10) {
		case 0:
			f.restart()
		case 1:
			f.kill(who[0], ids[0])
		}
		for i, id := range ids {
			f.call(who[i], id, 1+dice.IntN(20))
		}
		if n := f.sandbox.SpentPresented(); n != 0 {
			t.Fatalf("step %d: %d spent tokens were presented: %v", step, n, f.sandbox.Presented().Why)
		}
		for i, id := range ids {
			view := f.view(who[i], id)
			if view.State != tokens.StateReconnect {
				continue
			}
			outlived := view.Cause == tokens.CauseExpired // nothing succeeded for half an hour
			if ends++; !outlived && (view.Cause != tokens.CauseLostAnswer || kind == sandbox.KindK0 || kind == sandbox.KindO0) {
				t.Fatalf("step %d: a connection ended: %s", step, view.Cause)
			}
			f.sandbox.Calm()
			login, clinic := robin, view.Clinic
			if f.browser = robins; id == f.stranger {
				login, f.browser = alex, nil
			}
			_, err := f.keeper.Redeem(context.Background(), f.approve(who[i], login, jane, clinic, func(a *vault.Attempt) { a.Connection = id }))
			must(t, err)
		}
	}
	f.sandbox.Calm()
	for i, id := range ids {
		f.call(who[i], id, 60)
		if view := f.view(who[i], id); view.State != tokens.StateConnected && view.Cause != tokens.CauseLostAnswer {
			t.Errorf("not healed: %s (%s)", view.State, view.Cause)
		}
	}
	t.Logf("%d refreshes, %d questions, %d ends", f.refreshes(), f.sandbox.Count(sandbox.EndpointIntrospect), ends)
}

// mishap plans what goes wrong next, or nothing.
func (b *bench) mishap(dice *rand.Rand) {
	refresh, introspect := sandbox.EndpointRefresh, sandbox.EndpointIntrospect
	n := 1 + dice.IntN(2)
	switch dice.IntN(12) {
	case 0, 1:
		b.sandbox.LoseNextResponse(refresh)
	case 2:
		b.sandbox.Cut(refresh, n)
	case 3:
		b.sandbox.HangAfter(refresh, 1)
	case 4:
		b.sandbox.Hang(refresh, 1)
	case 5:
		b.sandbox.Fail(refresh, 503, n)
	case 6:
		b.sandbox.Answer(refresh, sandbox.Canned{Status: 502, Body: "<html>"}, n)
	case 7:
		b.sandbox.Fail(introspect, 503, n)
	case 8:
		b.sandbox.Slow(refresh, 4*time.Second, n)
	}
}

// kill goes on with the vault as it was in the middle of a refresh, which the platform processes all the same: what a killed
// process leaves.
func (b *bench) kill(practitioner, id string) {
	b.t.Helper()
	b.sandbox.Slow(sandbox.EndpointRefresh, 3*time.Second, 1)
	var call = make(chan struct{})
	go func() {
		defer close(call)
		_, _ = b.keeper.Fresh(context.Background(), practitioner, id)
	}()
	pass(time.Second)
	synctest.Wait()
	left := b.dir + "/left"
	must(b.t, os.RemoveAll(left))
	must(b.t, os.CopyFS(left, os.DirFS(b.data())))
	sent := b.refreshes()
	<-call
	if b.refreshes() != sent { // it went on, which no killed process does
		return
	}
	b.close()
	must(b.t, os.RemoveAll(b.data()))
	must(b.t, os.Rename(left, b.data()))
	must(b.t, os.Chmod(b.data(), 0o700))
	b.open()
}
