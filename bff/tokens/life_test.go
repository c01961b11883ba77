package tokens_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"context"

	"locum/bff/tokens"
	"locum/bff/vault"
)

// life is Life, which must succeed.
func (b *bench) life(practitioner, id string) tokens.Life {
	b.t.Helper()
	life, err := b.keeper.Life(practitioner, id)
	must(b.t, err)
	return life
}

func whats(steps []vault.Step) (list []string) {
	for _, s := range steps {
		list = append(list, s.What)
	}
	return list
}

// TestALifeIsToldToItsEnd: a timeline goes on over a restart and a reconnect, outlives the connection for a week, is nobody
// else's, and is then forgotten.
func TestALifeIsToldToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		pass(due)
		b.fresh("p1", id)
		b.restart()
		again := b.connect("p1", robin, b.a)
		if again != id {
			t.Fatal("another connection")
		}
		life := b.life("p1", id)
		if got := whats(life.Steps); !slices.Contains(got, tokens.StepRefreshed) || got[0] != tokens.StepConnected || !slices.Contains(got, tokens.StepReconnected) {
			t.Errorf("the story is %q", got)
		}
		for i, s := range life.Steps[1:] {
			if before := life.Steps[i]; s.Parent != "" && before.Child != "" && s.Parent != before.Child {
				t.Errorf("%s begins with %s, and %s ended with %s", s.What, s.Parent, before.What, before.Child)
			}
		}
		_, err := b.keeper.Disconnect(context.Background(), "p1", id)
		must(t, err)
		pass(time.Minute)
		b.restart()
		life = b.life("p1", id)
		if life.View.State != tokens.StateEnded || life.Remedy.Next != tokens.NextConnect || life.EndedAt.IsZero() ||
			!slices.Contains(whats(life.Steps), tokens.StepDisconnected) {
			t.Errorf("afterwards: %+v", life)
		}
		_, err = b.keeper.Life("p2", id)
		wantKind(t, err, tokens.NotFound, tokens.CauseNotOurs)
		_, err = b.keeper.Life("p1", "never")
		wantKind(t, err, tokens.NotFound, tokens.CauseNotOurs)

		pass(6 * 24 * time.Hour)
		if n, err := b.keeper.Forget(); n != 0 || err != nil {
			t.Errorf("%d forgotten within the week: %v", n, err)
		}
		pass(25 * time.Hour)
		if n, err := b.keeper.Forget(); n != 1 || err != nil {
			t.Errorf("%d forgotten after the week: %v", n, err)
		}
		_, err = b.keeper.Life("p1", id)
		wantKind(t, err, tokens.NotFound, tokens.CauseNotOurs)
	})
}

// TestALivingTimelineIsNotForgotten, however old its last step is.
func TestALivingTimelineIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		pass(30 * 24 * time.Hour)
		if n, err := b.keeper.Forget(); n != 0 || err != nil {
			t.Errorf("%d forgotten: %v", n, err)
		}
		if life := b.life("p1", id); len(life.Steps) == 0 {
			t.Error("nothing is left of it")
		}
	})
}

// TestATimelineHoldsNoToken: neither a token nor a piece of one, and two tokens have two fingerprints.
func TestATimelineHoldsNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		id := b.connect("p1", robin, b.a)
		for range 3 {
			pass(due)
			b.fresh("p1", id)
		}
		seen := map[string]bool{}
		for _, s := range b.life("p1", id).Steps {
			for _, print := range []string{s.Parent, s.Child} {
				seen[print] = true
				for _, minted := range b.sandbox.Minted() {
					if print != "" && strings.Contains(minted, print) {
						t.Fatalf("%s is a piece of a token", print)
					}
				}
			}
		}
		if len(seen) < 3 {
			t.Errorf("the fingerprints are %v", seen)
		}
	})
}

// TestTheTableKnowsEveryCause: the constants of errors.go and the table of causes.go are the same list.
func TestTheTableKnowsEveryCause(t *testing.T) {
	listed := map[string]bool{}
	ast.Inspect(parsed(t, "causes.go"), func(n ast.Node) bool {
		if pair, ok := n.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok {
				listed[key.Name] = true
			}
		}
		return true
	})
	causes := 0
	ast.Inspect(parsed(t, "errors.go"), func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Cause") {
			return true
		}
		causes++
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		must(t, err)
		ofErrorsAlone := value == tokens.CauseNotOurs || value == tokens.CauseClosing
		if !listed[spec.Names[0].Name] && !ofErrorsAlone {
			t.Errorf("%s has no remedy", spec.Names[0].Name)
		}
		return true
	})
	if causes < 28 {
		t.Errorf("only %d causes were found", causes)
	}
}

func parsed(t *testing.T, name string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	must(t, err)
	return file
}
