package service_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/oauth"
	"locum/bff/sandbox"
	"locum/bff/service"
	"locum/bff/tokens"
)

// TestT034TokensNeverCrossParameters: 200 callers at once, with 20 sets of parameters in any order of their scopes, over four
// platforms on two servers and real sockets. Whoever asks gets a token that was given for exactly their set, and each set costs
// one request; then half of them has the platform refuse theirs.
func TestT034TokensNeverCrossParameters(t *testing.T) {
	b := newBench(t, options{sockets: true, platforms: []string{"athena", "athena-two", "smart", "smart-two"}, perMinute: 10_000})
	type set struct {
		platform string
		scopes   []string
	}
	var sets []set
	for _, id := range []string{"athena", "athena-two", "smart", "smart-two"} {
		for n := range 5 { // each is a part of the next one
			sets = append(sets, set{id, wide[:n+1]})
		}
	}
	ask := func(i int, use func(set, tokens.Lease) error) {
		one := sets[i%len(sets)]
		scopes := slices.Clone(one.scopes)
		rand.Shuffle(len(scopes), func(i, j int) { scopes[i], scopes[j] = scopes[j], scopes[i] })
		lease, err := b.FreshFor(context.Background(), service.IDOf(one.platform), scopes)
		if err == nil {
			err = use(one, lease)
		}
		if err != nil {
			t.Errorf("caller %d: %v", i, err)
		}
	}
	right := func(one set, lease tokens.Lease) error {
		want := slices.Clone(one.scopes)
		slices.Sort(want)
		if got := b.granted(one.platform, lease.Access.Reveal()); got != fmt.Sprint("service-"+one.platform, want) {
			return fmt.Errorf("the token is %s, want %v of %s", got, want, one.platform)
		}
		held := slices.Clone(lease.Scopes)
		slices.Sort(held)
		if !slices.Equal(held, want) || lease.Platform != one.platform || lease.Connection != service.IDOf(one.platform) {
			return fmt.Errorf("the lease says %v of %s", held, lease.Platform)
		}
		return nil
	}
	crowd := func(use func(int, set, tokens.Lease) error) {
		var callers sync.WaitGroup
		begin := make(chan struct{})
		for i := range 200 {
			callers.Go(func() {
				<-begin
				ask(i, func(one set, lease tokens.Lease) error { return use(i, one, lease) })
			})
		}
		close(begin)
		callers.Wait()
	}
	crowd(func(_ int, one set, lease tokens.Lease) error { return right(one, lease) })
	if n := b.requests("athena") + b.requests("smart"); n != len(sets) {
		t.Errorf("%d requests for %d sets", n, len(sets))
	}
	crowd(func(i int, one set, lease tokens.Lease) error {
		if err := right(one, lease); err != nil || i%2 == 0 {
			return err
		}
		again, err := b.Refused(context.Background(), lease)
		if tokens.KindOf(err) == tokens.Refused { // somebody has had it refused a moment before
			return nil
		}
		if err != nil {
			return err
		}
		return right(one, again)
	})
	if n := b.requests("athena") + b.requests("smart"); n <= len(sets) || n > 2*len(sets) {
		t.Errorf("%d requests after one refusal of each set", n)
	}
}

// TestRenewedEarly: a token of five minutes is asked for once, handed out until shortly before its end, and renewed by a caller
// who does not wait for it.
func TestRenewedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		first := b.fresh("athena")
		time.Sleep(300*time.Second - 38*time.Second)
		if again := b.fresh("athena"); again.Generation != first.Generation || b.requests("athena") != 1 {
			t.Errorf("a token that is not due was renewed: %d requests", b.requests("athena"))
		}
		time.Sleep(9 * time.Second)
		b.sandbox.Slow(b.faces["athena"].At("token"), 5*time.Second, 1)
		before := time.Now()
		if again := b.fresh("athena"); again.Generation != first.Generation || time.Since(before) > 0 {
			t.Errorf("a caller waited for %v", time.Since(before))
		}
		time.Sleep(10 * time.Second)
		if second := b.fresh("athena"); second.Generation == first.Generation || b.requests("athena") != 2 {
			t.Errorf("it was not renewed: %d requests", b.requests("athena"))
		}
		time.Sleep(time.Hour) // nobody asks, nothing is asked for
		if n := b.requests("athena"); n != 2 {
			t.Errorf("%d requests for nobody", n)
		}
		b.fresh("athena")
		if v := b.view("athena"); b.requests("athena") != 3 || v.FreshFor <= 4*time.Minute || v.FreshFor > 5*time.Minute {
			t.Errorf("%d requests, and fresh for %v", b.requests("athena"), v.FreshFor)
		}
	})
}

// TestOneRequestForEverybody: a hundred callers without a token share a request, and one who leaves does not cancel it.
func TestOneRequestForEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		b.sandbox.Slow(b.faces["smart"].At("token"), 5*time.Second, 1)
		ctx, leave := context.WithTimeout(context.Background(), time.Second)
		defer leave()
		var callers sync.WaitGroup
		callers.Go(func() {
			if _, err := b.Fresh(ctx, service.IDOf("smart")); tokens.KindOf(err) != tokens.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("who leaves is told %v", err)
			}
		})
		for range 100 {
			callers.Go(func() {
				if lease, err := b.Fresh(context.Background(), service.IDOf("smart")); err != nil || lease.Access.Empty() {
					t.Errorf("%v", err)
				}
			})
		}
		callers.Wait()
		if n := b.requests("smart"); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// TestRefusedToken: after the API's 401 there is one other token in 30 seconds, whoever asks, and it is never the refused one.
func TestRefusedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		ctx := context.Background()
		first := b.fresh("athena")
		second, err := b.Refused(ctx, first)
		if err != nil || second.Generation == first.Generation {
			t.Fatalf("%v", err)
		}
		if third, err := b.Refused(ctx, first); err != nil || third.Generation != second.Generation {
			t.Errorf("the one that replaced it: %v", err)
		}
		if _, err := b.Refused(ctx, second); tokens.KindOf(err) != tokens.Refused || b.requests("athena") != 2 {
			t.Errorf("again at once: %v, %d requests", err, b.requests("athena"))
		}
		b.Rejected(second)
		b.wantState("athena", tokens.StateDegraded, tokens.CauseInvalidToken, tokens.NextWait)
		b.Worked(second)
		b.wantState("athena", tokens.StateConnected, "", tokens.NextNone)
		time.Sleep(31 * time.Second)
		if third, err := b.Refused(ctx, second); err != nil || third.Generation == second.Generation {
			t.Errorf("half a minute later: %v", err)
		}
	})
}

// TestRefusalsAreExplained: what the platform says of the service's registration is shown with what helps, asked about ever
// more rarely, and heals with the next request after the repair.
func TestRefusalsAreExplained(t *testing.T) {
	for name, c := range map[string]struct {
		auth        oauth.Auth
		scopes      []string
		spoil       func(*bench)
		cause, next string
	}{
		"Policy evaluation failed: a 3-legged app": {spoil: func(b *bench) {
			app, err := b.faces["athena"].Register(sandbox.App{ID: "service-athena", RedirectURIs: []string{"https://locum.example/callback"}})
			if err != nil {
				b.t.Fatal(err)
			}
			b.setSecret("athena", app.Secret)
		}, cause: tokens.CausePolicy, next: "tell_operator:policy"},
		"invalid_scope: a wildcard": {scopes: []string{"athena/service/Athenanet.MDP.*"}, spoil: func(b *bench) { b.faces["athena"].SetWildcards(false) },
			cause: tokens.CauseInvalidScope, next: "tell_operator:scopes"},
		"a wrong secret": {spoil: func(b *bench) { b.setSecret("athena", "wrong") }, cause: tokens.CauseInvalidClient, next: "tell_operator:client_secret"},
		"no secret":      {spoil: func(b *bench) { b.setSecret("athena", "") }, cause: tokens.CauseInvalidClient, next: "tell_operator:client_secret"},
		"no key":         {auth: oauth.Auth{Method: oauth.AuthKey}, spoil: func(*bench) {}, cause: tokens.CauseNoKey, next: "tell_operator:keys"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{auth: c.auth, scopes: c.scopes})
				c.spoil(b)
				for begin := time.Now(); time.Since(begin) < 10*time.Minute; time.Sleep(time.Second) {
					if err := b.failing("athena"); err.Kind != tokens.Misconfigured || err.Code != c.cause || err.RetryAfter <= 0 || err.RetryAfter > time.Minute {
						t.Fatalf("%v, asked again after %v", err, err.RetryAfter)
					}
				}
				if n := b.requests("athena"); n > 22 {
					t.Errorf("%d requests in ten minutes", n)
				}
				b.wantState("athena", tokens.StateMisconfigured, c.cause, c.next)
				if b.wantState("smart", tokens.StateConnected, "", tokens.NextNone); c.cause == tokens.CauseInvalidClient {
					b.register("athena", sandbox.App{})
					b.Retry("athena")
					b.fresh("athena")
					b.wantState("athena", tokens.StateConnected, "", tokens.NextNone)
				}
				if trail := b.trail(); strings.Count(trail, `"service_token"`) > 2 || !strings.Contains(trail, `"code":"`+c.cause+`"`) {
					t.Errorf("the trail is %s", trail)
				}
			})
		})
	}
}

// TestUndiscovered: a server whose endpoints are to be found out, and which is away, or says of itself what cannot be.
func TestUndiscovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		b.sandbox.Fail(b.faces["smart"].At("metadata"), 503, 1000)
		if err := b.failing("smart"); err.Kind != tokens.Unavailable || err.Code != tokens.CauseUnreachable {
			t.Errorf("away: %v", err)
		}
		b.sandbox.Calm()
		b.faces["smart"].SetCapabilities("sso-openid-connect")
		time.Sleep(20 * time.Minute)
		if err := b.failing("smart"); err.Kind != tokens.Misconfigured || err.Code != tokens.CauseMetadata {
			t.Errorf("contradictory: %v", err)
		}
		b.wantState("smart", tokens.StateMisconfigured, tokens.CauseMetadata, tokens.RemedyOf(tokens.CauseMetadata, 0).Next)
		if b.requests("smart") != 0 {
			t.Error("something was sent to it")
		}
		b.faces["smart"].SetCapabilities()
		time.Sleep(20 * time.Minute)
		b.fresh("smart")
		b.wantState("smart", tokens.StateConnected, "", tokens.NextNone)
	})
}

// trail is the audit trail as it lies on the disk.
func (b *bench) trail() string {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, "audit.log"))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// TestOutage: while the platform is down, a token that works goes on being handed out, and everybody is told when to come back.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		first := b.fresh("athena")
		b.sandbox.Fail(b.faces["athena"].At("token"), 503, 1000)
		time.Sleep(290 * time.Second)
		if again := b.fresh("athena"); again.Generation != first.Generation {
			t.Error("a token that works was not handed out")
		}
		time.Sleep(11 * time.Second)
		if err := b.failing("athena"); err.Kind != tokens.Unavailable || err.RetryAfter <= 0 {
			t.Errorf("%v", err)
		}
		b.wantState("athena", tokens.StateDegraded, tokens.CauseUnavailable, tokens.NextWait)
		b.sandbox.Calm()
		time.Sleep(time.Minute)
		b.fresh("athena")
		b.wantState("athena", tokens.StateConnected, "", tokens.NextNone)
	})
}

// TestBudgetIsThePlatforms: however many sets of parameters want a token, the token endpoint sees no more than its budget.
func TestBudgetIsThePlatforms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget = 5
		b := newBench(t, options{perMinute: budget})
		b.faces["athena"].SetTokenLimit(sandbox.Limit{N: budget, Window: time.Minute})
		var callers sync.WaitGroup
		for n := range len(wide) {
			callers.Go(func() {
				for begin := time.Now(); time.Since(begin) < 5*time.Minute; {
					_, err := b.FreshFor(context.Background(), service.IDOf("athena"), wide[:n+1])
					var refused *tokens.Error
					if errors.As(err, &refused) && refused.Kind != tokens.Unavailable {
						t.Errorf("%v", err)
					}
					time.Sleep(time.Second)
				}
			})
		}
		callers.Wait()
		tooMany := 0
		for _, request := range b.sandbox.Requests() {
			if request.Status == 429 {
				tooMany++
			}
		}
		if n := b.requests("athena"); n < len(wide) || tooMany > 0 {
			t.Errorf("%d requests, of which %d were too many", n, tooMany)
		}
	})
}

// TestEntriesAreBounded asks for more sets than are kept: the ones that nobody asks for give way.
func TestEntriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{perMinute: 100_000})
		b.faces["athena"].SetLifetimes(0, time.Hour, 0)
		for mask := 1; mask <= 300; mask++ {
			var scopes []string
			for i, scope := range wide {
				if mask>>i&1 == 1 {
					scopes = append(scopes, scope)
				}
			}
			lease, err := b.FreshFor(context.Background(), service.IDOf("athena"), scopes)
			if err != nil || len(lease.Scopes) != len(scopes) {
				t.Fatalf("%d: %v of %v: %v", mask, lease.Scopes, scopes, err)
			}
		}
		if n := b.Entries(); n != 256 {
			t.Errorf("%d entries", n)
		}
	})
}
