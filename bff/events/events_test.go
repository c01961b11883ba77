package events_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/events"
)

func subscribe(t *testing.T, h *events.Hub, practitioner, session string) *events.Subscription {
	t.Helper()
	s, err := h.Subscribe(practitioner, session)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// next gives what is told within a while, without its mark; the zero Event when nothing is.
func next(s *events.Subscription, within time.Duration) events.Event {
	e, _ := s.Next(time.Now().Add(within))
	e.Mark = ""
	return e
}

func want(t *testing.T, what string, got, want events.Event) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

func change(connection, state, cause string) events.Event {
	return events.Event{Kind: events.Connection, Connection: connection, State: state, Cause: cause}
}

// TestWhoIsTold: a practitioner's own streams, all of them, and nobody else's.
func TestWhoIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := events.New(events.Limits{})
		one, two, other := subscribe(t, h, "ana", "s1"), subscribe(t, h, "ana", "s2"), subscribe(t, h, "ben", "s3")
		go h.Connection("ana", "c1", "degraded", "platform_down")
		for _, s := range []*events.Subscription{one, two} {
			want(t, "ana", next(s, time.Second), change("c1", "degraded", "platform_down"))
		}
		began := time.Now()
		want(t, "ben", next(other, time.Minute), events.Event{})
		if waited := time.Since(began); waited != time.Minute {
			t.Errorf("nothing was told after %v", waited)
		}
	})
}

// TestASlowTabLosesNothing: what it had no time to hear is merged by connection, the last state of each; too many become
// one that stands for all.
func TestASlowTabLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := events.New(events.Limits{})
		s := subscribe(t, h, "ana", "s1")
		for i := range 1000 {
			h.Connection("ana", "c1", fmt.Sprint("state ", i), "")
			h.Connection("ana", "c2", "connected", fmt.Sprint("cause ", i))
		}
		h.Connection("ana", "c1", "needs_reconnect", "session_idle")
		want(t, "the second", next(s, 0), change("c2", "connected", "cause 999"))
		want(t, "the first, which changed last", next(s, 0), change("c1", "needs_reconnect", "session_idle"))
		want(t, "nothing more", next(s, 0), events.Event{})

		for i := range 65 {
			h.Connection("ana", fmt.Sprint("c", i), "connected", "")
		}
		want(t, "all", next(s, 0), change("", "", ""))
		want(t, "nothing more", next(s, 0), events.Event{})
		for i := range 70 {
			h.Connection("ana", fmt.Sprint("c", i), "connected", "")
		}
		want(t, "all, with more behind", next(s, 0), change("", "", ""))
		want(t, "nothing more", next(s, 0), events.Event{})
		for i := range 64 {
			h.Connection("ana", fmt.Sprint("c", i), "connected", "")
		}
		for i := range 64 {
			want(t, "each", next(s, 0), change(fmt.Sprint("c", i), "connected", ""))
		}
	})
}

// TestMarksTellWhatWasMissed: two streams of a practitioner agree in their marks if and only if nothing changed between.
func TestMarksTellWhatWasMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := events.New(events.Limits{})
		first := subscribe(t, h, "ana", "s1")
		if again := subscribe(t, h, "ana", "s1"); again.Mark() != first.Mark() {
			t.Error("nothing changed, and the marks differ")
		}
		h.Connection("ben", "c9", "connected", "")
		h.Connection("ana", "c1", "degraded", "")
		h.Connection("ana", "c2", "degraded", "")
		h.Connection("ana", "c1", "connected", "")
		var last string
		for {
			e, ok := first.Next(time.Now())
			if !ok {
				break
			}
			last = e.Mark
		}
		if now := subscribe(t, h, "ana", "s1"); now.Mark() != last || last == first.Mark() {
			t.Errorf("after all was told: %s, a new stream has %s, the first began at %s", last, now.Mark(), first.Mark())
		}
		first.Close()
		h.Connection("ana", "c1", "degraded", "") // nobody of ana's hears it
		if now := subscribe(t, h, "ana", "s1"); now.Mark() == last {
			t.Error("a change between two streams leaves no trace")
		}
		if other := events.New(events.Limits{}); subscribe(t, other, "ana", "s1").Mark() == first.Mark() {
			t.Error("the marks of two processes agree")
		}
	})
}

// TestBudgetsOncePerSecond and connection: the first at once, and never is the last change left untold.
func TestBudgetsOncePerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := events.New(events.Limits{})
		s := subscribe(t, h, "ana", "s1")
		stop := make(chan struct{})
		var calls sync.WaitGroup
		calls.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
					h.Budget("ana", "c1")
					h.Budget("ben", "c3")
				}
			}
		})
		told := 0
		for until := time.Now().Add(10 * time.Second); ; told++ {
			e, ok := s.Next(until)
			if !ok {
				break
			}
			if e != (events.Event{Kind: events.Budget, Connection: "c1"}) {
				t.Fatalf("told %+v", e)
			}
		}
		close(stop)
		calls.Wait()
		if told != 10 {
			t.Errorf("told %d times in ten seconds of calls", told)
		}
		h.Budget("ana", "c2")
		want(t, "another connection, at once", next(s, 0), events.Event{Kind: events.Budget, Connection: "c2"})
		want(t, "the first connection's last call", next(s, time.Second), events.Event{Kind: events.Budget, Connection: "c1"})
		want(t, "nothing more", next(s, time.Minute), events.Event{})
		for i := range 1000 {
			h.Budget("ana", fmt.Sprint("c", i))
		}
		n := 0
		for ; next(s, time.Minute).Kind == events.Budget; n++ {
		}
		if n != 64 {
			t.Errorf("%d budgets of a thousand were held", n)
		}
	})
}

// TestEnds: by session and of all; at once for who waits, ahead of what is held, and for good.
func TestEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end   func(h *events.Hub)
		kind  events.Kind
		spare int // how many of the four go on
	}{
		"session": {func(h *events.Hub) { h.EndSession("s1") }, events.Ended, 2},
		"all":     {func(h *events.Hub) { h.Close() }, events.Closed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := events.New(events.Limits{})
				one := subscribe(t, h, "ana", "s1")
				h.Connection("ana", "c1", "degraded", "")
				waiting := subscribe(t, h, "ana", "s1")
				all := []*events.Subscription{one, waiting, subscribe(t, h, "ana", "s2"), subscribe(t, h, "ben", "s3")}
				go func() {
					time.Sleep(time.Second)
					c.end(h)
					c.end(h)
				}()
				began := time.Now()
				want(t, "who waits", next(waiting, time.Hour), events.Event{Kind: c.kind})
				if took := time.Since(began); took != time.Second {
					t.Errorf("told after %v", took)
				}
				h.Connection("ana", "c2", "degraded", "")
				h.Budget("ana", "c2")
				for i, s := range all {
					e, ok := s.Next(time.Now())
					if over := ok && e.Kind == c.kind; over != (i < len(all)-c.spare) {
						t.Errorf("stream %d: %+v", i, e)
					}
				}
				want(t, "afterwards", next(waiting, 0), events.Event{Kind: c.kind})
				if _, err := h.Subscribe("ana", "s1"); (err != nil) != (name == "all") || err != nil && !errors.Is(err, events.ErrClosed) {
					t.Errorf("a new stream: %v", err)
				}
			})
		})
	}
}

// TestTooMany: who opens more than their share displaces their own oldest; in all, the newcomer is refused.
func TestTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := events.New(events.Limits{All: 7, Practitioner: 3, Session: 2})
		var s []*events.Subscription
		over := func(what string, ended ...int) {
			t.Helper()
			for i := range s {
				e, ok := s[i].Next(time.Now())
				displaced := ok && e.Kind == events.Displaced
				wanted := false
				for _, n := range ended {
					wanted = wanted || n == i
				}
				if displaced != wanted {
					t.Errorf("%s: stream %d: %+v", what, i, e)
				}
			}
		}
		s = append(s, subscribe(t, h, "ana", "s1"), subscribe(t, h, "ana", "s1"))
		over("two of a session")
		s = append(s, subscribe(t, h, "ana", "s1"))
		over("three of a session", 0)
		s = append(s, subscribe(t, h, "ana", "s2"))
		over("three of a practitioner", 0)
		s = append(s, subscribe(t, h, "ana", "s3"))
		over("four of a practitioner", 0, 1)
		s = append(s, subscribe(t, h, "ben", "s4"))
		over("another's", 0, 1)
		s = append(s, subscribe(t, h, "ben", "s4"))
		if _, err := h.Subscribe("eve", "s5"); !errors.Is(err, events.ErrFull) {
			t.Errorf("the eighth: %v", err)
		}
		if h.Streams() != 7 {
			t.Errorf("%d streams", h.Streams())
		}
		s[0].Close()
		s[0].Close()
		s = append(s, subscribe(t, h, "eve", "s5"))
		over("after one was given back", 0, 1)
		for _, one := range s {
			one.Close()
		}
		if h.Streams() != 0 {
			t.Errorf("%d streams are left", h.Streams())
		}
	})
}

// TestOneForOne: who is at both limits loses one stream for a new one, and no more.
func TestOneForOne(t *testing.T) {
	h := events.New(events.Limits{Practitioner: 4, Session: 2})
	var all []*events.Subscription
	for _, session := range []string{"s1", "s1", "s2", "s2", "s2"} {
		all = append(all, subscribe(t, h, "ana", session))
	}
	for i, s := range all {
		if e, ok := s.Next(time.Now()); ok != (i == 2) || ok && e.Kind != events.Displaced {
			t.Errorf("stream %d: %+v", i, e)
		}
	}
}

// TestEverythingAtOnce is for the race detector: publishers, endings and subscribers that come and go.
func TestEverythingAtOnce(t *testing.T) {
	h := events.New(events.Limits{All: 50})
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 200 {
				practitioner, session := fmt.Sprint("p", (n+i)%3), fmt.Sprint("s", i%5)
				s, err := h.Subscribe(practitioner, session)
				if err != nil {
					t.Error(err)
					return
				}
				h.Connection(practitioner, fmt.Sprint("c", i), "connected", "")
				h.Budget(practitioner, "c1")
				s.Next(time.Now())
				if i%7 == 0 {
					h.EndSession(session)
				}
				s.Close()
			}
		})
	}
	all.Wait()
	h.Close()
	if h.Streams() != 0 {
		t.Errorf("%d streams are left", h.Streams())
	}
}
