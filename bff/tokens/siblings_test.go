package tokens_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// family is three connections of one login in one browser, two of one practitioner and one of another account of the same
// person, and a fourth of another login.
type family struct {
	*bench
	who, ids []string
	stranger string
}

func newFamily(t *testing.T, o options) family {
	t.Helper()
	b := newBench(t, o)
	f := family{bench: b, who: []string{"p1", "p1", "p2"}}
	f.stranger = b.connect("p3", alex, b.a)
	var err error
	b.browser, err = b.sandbox.NewBrowser()
	must(t, err)
	f.ids = []string{b.connect("p1", robin, b.a), b.connect("p1", robin, b.b), b.connect("p2", robin, b.a)}
	for _, id := range f.ids[1:] {
		if sid := b.record(id).SID; sid == "" || sid != b.record(f.ids[0]).SID {
			t.Fatal("they are no siblings")
		}
	}
	return f
}

// theft presents the first one's refresh token twice, as whoever has copied it would.
func (f family) theft() {
	f.t.Helper()
	stolen := f.record(f.ids[0]).Refresh
	live, err := f.platforms.Get(jane)
	must(f.t, err)
	for range 2 {
		_, err := live.OAuth.Refresh(context.Background(), stolen, nil)
		must(f.t, err)
	}
}

// TestT056SiblingsLive: three clinics of one login, each refreshed a hundred times, by whatever kind of rotation.
func TestT056SiblingsLive(t *testing.T) {
	for _, kind := range []sandbox.Kind{sandbox.KindK0, sandbox.KindK1, sandbox.KindK2, sandbox.KindO1} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFamily(t, options{})
				f.sandbox.SetKind(kind)
				rounds := 10
				if kind == sandbox.KindK1 {
					rounds = 100
				}
				for range rounds {
					pass(due)
					for i, id := range f.ids {
						f.fresh(f.who[i], id)
					}
				}
				for i, id := range f.ids {
					wantState(t, f.view(f.who[i], id), tokens.StateConnected, "")
				}
				if n := f.refreshes(); n != 3*rounds {
					t.Errorf("%d refreshes", n)
				}
				if p := f.sandbox.Presented(); p.Inactive != 0 {
					t.Errorf("presented: %+v", p)
				}
			})
		})
	}
}

// TestT056SiblingsAsked: one of three ends. What became of the others is asked at once, nothing of theirs is presented, and
// whoever owns them reads the truth before they need them.
func TestT056SiblingsAsked(t *testing.T) {
	cases := []struct {
		name    string
		spoil   func(f family)
		first   string
		state   string // of the siblings
		cause   string
		asked   bool
		unheard bool // introspection knows nobody
	}{
		{"a reuse that ends them all", family.theft, tokens.CauseDetached, tokens.StateReconnect, tokens.CauseDetached, true, false},
		{"a reuse that ends one", func(f family) {
			f.sandbox.SetDetach(false)
			f.theft()
		}, tokens.CauseDetached, tokens.StateConnected, "", true, false},
		{"the login is over", func(f family) { f.sandbox.LogOut(robin) }, tokens.CauseSessionEnded, tokens.StateReconnect, tokens.CauseSessionEnded, true, false},
		{"the person is locked out", func(f family) { f.sandbox.SetDisabled(robin, true) }, tokens.CauseUserDisabled, tokens.StateReconnect, tokens.CauseUserDisabled, true, false},
		{"the administrator ends one clinic", func(f family) { f.sandbox.Revoke(robin, f.b) }, "", tokens.StateConnected, "", false, false},
		{"introspection is down", func(f family) {
			f.theft()
			f.sandbox.Fail(sandbox.EndpointIntrospect, 503, 9)
		}, tokens.CauseDetached, tokens.StateConnected, "", true, false},
		{"introspection knows nobody", func(f family) {
			f.theft()
			f.sandbox.Answer(sandbox.EndpointIntrospect, sandbox.Canned{Body: `{"active":false}`}, 99)
		}, tokens.CauseDetached, tokens.StateConnected, "", true, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFamily(t, options{})
				if !c.unheard {
					f.fresh("p3", f.stranger)
				}
				pass(due)
				c.spoil(f)
				before, asked := f.refreshes(), f.sandbox.Count(sandbox.EndpointIntrospect)
				f.fresh("p1", f.ids[0])
				synctest.Wait()
				if c.first != "" {
					wantState(t, f.view("p1", f.ids[0]), tokens.StateReconnect, c.first)
				}
				for i, id := range f.ids[1:] {
					if i == 0 && c.first == "" { // ended by itself, and nobody has asked
						continue
					}
					wantState(t, f.view(f.who[i+1], id), c.state, c.cause)
				}
				wantState(t, f.view("p3", f.stranger), tokens.StateConnected, "")
				if n := f.refreshes() - before; n != 1 {
					t.Errorf("%d refreshes", n)
				}
				if n := f.sandbox.Count(sandbox.EndpointIntrospect) - asked; (n > 0) != c.asked && c.first != "" {
					t.Errorf("asked %d times", n)
				}
			})
		})
	}
}

// TestT056SiblingsAlone: nobody else is connected with whom introspection could be compared. It is believed of a platform
// whose introspection was seen to work, and of no other; then the sibling's own refresh tells.
func TestT056SiblingsAlone(t *testing.T) {
	for name, learned := range map[string]bool{"introspection is known": true, "introspection is not known": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				var err error
				b.browser, err = b.sandbox.NewBrowser()
				must(t, err)
				f := family{bench: b, who: []string{"p1", "p1"}, ids: []string{b.connect("p1", robin, b.a), b.connect("p1", robin, b.b)}}
				if learned {
					b.teach(f.ids[0], platform.KindStrict)
					b.restart()
				}
				pass(due)
				f.theft()
				_, _ = b.keeper.Fresh(context.Background(), "p1", f.ids[0])
				synctest.Wait()
				wantState(t, b.view("p1", f.ids[0]), tokens.StateReconnect, tokens.CauseDetached)
				if learned {
					wantState(t, b.view("p1", f.ids[1]), tokens.StateReconnect, tokens.CauseDetached)
				} else {
					wantState(t, b.view("p1", f.ids[1]), tokens.StateConnected, "")
				}
			})
		})
	}
}

// TestT056DoubtfulEnd: a token in doubt turns out to be dead, and nobody knows whether its answer was lost or its login is
// over. Its siblings know.
func TestT056DoubtfulEnd(t *testing.T) {
	for name, over := range map[string]bool{"the login is over": true, "the answer was lost": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFamily(t, options{refresh: strict})
				f.sandbox.LoseNextResponse(sandbox.EndpointRefresh)
				pass(due)
				f.fresh("p1", f.ids[0])
				if over {
					f.sandbox.LogOut(robin)
				}
				f.call("p1", f.ids[0], 20)
				wantState(t, f.view("p1", f.ids[0]), tokens.StateReconnect, tokens.CauseLostAnswer)
				for i, id := range f.ids[1:] {
					if over {
						wantState(t, f.view(f.who[i+1], id), tokens.StateReconnect, tokens.CauseSessionEnded)
					} else {
						wantState(t, f.view(f.who[i+1], id), tokens.StateConnected, "")
					}
				}
				if n := f.refreshes(); n != 1 {
					t.Errorf("%d refreshes", n)
				}
			})
		})
	}
}

// TestT056NoLogin: connections whose platform names no login are nobody's siblings.
func TestT056NoLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFamily(t, options{})
		must(t, f.keeper.Close())
		for _, id := range f.ids {
			f.alter(id, func(c *vault.Connection) { c.SID = "" })
		}
		f.openKeeper()
		pass(due)
		f.theft()
		f.fresh("p1", f.ids[0])
		synctest.Wait()
		if n := f.sandbox.Count(sandbox.EndpointIntrospect); n != 0 {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestT056NeverOnAGuess: while nobody can be asked and the kind is not known, a token in doubt is presented again only by
// the last live connection of its login.
func TestT056NeverOnAGuess(t *testing.T) {
	for name, alone := range map[string]bool{"with siblings": false, "alone": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := family{bench: newBench(t, options{mute: true})}
				if alone {
					f.ids = []string{f.connect("p1", robin, f.a)}
				} else {
					f = newFamily(t, options{mute: true})
				}
				f.sandbox.Cut(sandbox.EndpointRefresh, 1)
				pass(due)
				f.fresh("p1", f.ids[0])
				for range 60 {
					pass(time.Second)
					_, _ = f.keeper.Fresh(context.Background(), "p1", f.ids[0])
				}
				if alone {
					wantState(t, f.view("p1", f.ids[0]), tokens.StateConnected, "")
					return
				}
				wantState(t, f.view("p1", f.ids[0]), tokens.StateDegraded, tokens.CauseLostAnswer)
				if n := f.refreshes(); n != 1 {
					t.Errorf("%d refreshes", n)
				}
				if c := f.record(f.ids[0]); c.Refresh.Empty() || c.Phase != "inflight" {
					t.Errorf("the record is in phase %q", c.Phase)
				}
			})
		})
	}
}

// TestT056Bounded: an end makes Locum ask about its siblings one after another, and Close ends it.
func TestT056Bounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFamily(t, options{refresh: platform.RefreshPolicy{Kind: platform.KindStrict}})
		pass(due)
		f.theft()
		f.sandbox.Slow(sandbox.EndpointIntrospect, 3*time.Second, 9)
		f.fresh("p1", f.ids[0])
		pass(time.Second)
		if n := f.sandbox.Count(sandbox.EndpointIntrospect); n != 1 {
			t.Errorf("%d questions at once", n)
		}
		must(t, f.keeper.Close())
		if n := f.sandbox.Count(sandbox.EndpointIntrospect); n > 2 { // the token and its witness
			t.Errorf("%d questions, though it is closing", n)
		}
		f.openKeeper()
	})
}

// TestT056OthersAreNotNamed: where a connection ended because of another one, its life names that one to whoever has both,
// and to nobody else.
func TestT056OthersAreNotNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFamily(t, options{})
		f.fresh("p3", f.stranger)
		pass(due)
		f.theft()
		f.fresh(f.who[0], f.ids[0])
		synctest.Wait()
		for i, named := range map[int]string{1: f.ids[0], 2: ""} {
			life, err := f.keeper.Life(f.who[i], f.ids[i])
			must(t, err)
			found := slices.IndexFunc(life.Steps, func(s vault.Step) bool { return s.What == tokens.StepSibling })
			if found < 0 || life.Steps[found].Detail != named {
				t.Errorf("%s of %s: %+v, want a step that names %q", f.ids[i], f.who[i], life.Steps, named)
			}
		}
	})
}
