package events

import (
	"slices"
	"sync"
	"time"
)

// What one subscription holds at most, by connection, and how often it tells of a budget.
const (
	maxHeld     = 64
	budgetEvery = time.Second
)

// Subscription is one stream. Next belongs to one goroutine; Close may be called by any, and twice.
type Subscription struct {
	hub                   *Hub
	practitioner, session string
	mark                  string // when it began
	wake                  chan struct{}
	leave                 sync.Once

	mu      sync.Mutex
	held    []Event // changes not told yet: one for each connection, in the order in which they began
	budgets map[string]*allowance
	end     Kind // 0 while it is open
}

// allowance is what is known of one connection's budget: when it was told last, and whether it has changed since.
type allowance struct {
	told time.Time
	due  bool
}

// Mark is the practitioner's place in the order of changes when the subscription began.
func (s *Subscription) Mark() string { return s.mark }

// Close gives the subscription back.
func (s *Subscription) Close() {
	s.leave.Do(func() {
		s.hub.mu.Lock()
		defer s.hub.mu.Unlock()
		s.hub.drop(s)
		s.hub.streams--
	})
}

// Next waits for what is to be told next, at most until a moment; false: nothing was. The end of a subscription goes
// before all else, and is all that is told from then on.
func (s *Subscription) Next(until time.Time) (Event, bool) {
	for {
		now := time.Now()
		e, next := s.take(now)
		if e.Kind != 0 {
			return e, true
		}
		if next.IsZero() || next.After(until) {
			next = until
		}
		if !now.Before(until) {
			return Event{}, false
		}
		timer := time.NewTimer(next.Sub(now))
		select {
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// take gives what is to be told now, or when something will be; zero: when somebody publishes.
func (s *Subscription) take(now time.Time) (e Event, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != 0 {
		return Event{Kind: s.end}, next
	}
	if len(s.held) > 0 {
		e, s.held = s.held[0], s.held[1:]
		return e, next
	}
	for connection, a := range s.budgets {
		at := a.told.Add(budgetEvery)
		switch {
		case !a.due && !now.Before(at):
			delete(s.budgets, connection)
		case !a.due:
		case !now.Before(at):
			a.told, a.due = now, false
			return Event{Kind: Budget, Connection: connection}, next
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	return e, next
}

// change holds one state of one connection, in the place of an older one that was not told. Where too many wait, one that
// names none stands for all.
func (s *Subscription) change(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := func(held Event) bool { return held.Connection == "" }
	if slices.ContainsFunc(s.held, all) || len(s.held) == maxHeld && !slices.ContainsFunc(s.held, e.same) {
		e, s.held = Event{Kind: Connection, Mark: e.Mark}, nil
	}
	s.held = append(slices.DeleteFunc(s.held, e.same), e)
	s.rouse()
}

// same says whether two events are about one connection.
func (e Event) same(other Event) bool { return e.Connection == other.Connection }

// spend holds that a budget has changed.
func (s *Subscription) spend(connection string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.budgets[connection]
	if a == nil {
		if len(s.budgets) == maxHeld {
			return // the next answer of that clinic tells it
		}
		a = &allowance{told: now.Add(-budgetEvery)}
		s.budgets[connection] = a
	}
	if !a.due {
		a.due = true
		s.rouse()
	}
}

// finish ends the subscription; the first word is the last.
func (s *Subscription) finish(why Kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == 0 {
		s.end, s.held, s.budgets = why, nil, map[string]*allowance{}
	}
	s.rouse()
}

// rouse wakes whoever waits in Next.
func (s *Subscription) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
