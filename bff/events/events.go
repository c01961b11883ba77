// Package events carries what open tabs should know at once from the rooms that learn of it to the streams that tell it:
// a hub of subscriptions, each a browser's stream, bounded in number and in what they hold. Whoever publishes never
// waits; a subscriber that is slow finds what changed merged by connection. It holds ids and codes alone, never a name, an
// address or a token; it knows no HTTP, starts no goroutine, and decides nothing about sessions. Only bff imports it.
package events

import (
	"crypto/rand"
	"errors"
	"strconv"
	"sync"
	"time"
)

// Errors of Subscribe; test with errors.Is.
var (
	ErrFull   = errors.New("events: too many streams")
	ErrClosed = errors.New("events: closed")
)

// Kind says what an event tells.
type Kind int

const (
	Connection Kind = iota + 1 // a connection shows another state; without an id: several do, too many to name
	Budget                     // a connection's clinic has answered a call: what is left has changed
	Ended                      // the session is over
	Displaced                  // newer streams took this one's place
	Closed                     // the hub closes
)

// Event is what a subscriber is told. Mark is the practitioner's place in the order of changes: two streams whose marks
// agree have missed nothing between them.
type Event struct {
	Kind                     Kind
	Connection, State, Cause string
	Mark                     string
}

// Limits bound the streams: in all, of one practitioner and of one session. Whoever exceeds one of the last two
// displaces their own oldest; in all, nobody is displaced for a newcomer. Zero: 1024, 16 and 4.
type Limits struct{ All, Practitioner, Session int }

func (l Limits) withDefaults() Limits {
	for _, one := range []struct {
		limit *int
		value int
	}{{&l.All, 1024}, {&l.Practitioner, 16}, {&l.Session, 4}} {
		if *one.limit <= 0 {
			*one.limit = one.value
		}
	}
	return l
}

// Hub knows who listens. The zero value is of no use; New makes one.
type Hub struct {
	limits Limits
	boot   string // marks of another process never agree with this one's

	mu       sync.RWMutex
	people   map[string][]*Subscription // by practitioner, the oldest first
	sessions map[string][]*Subscription // by session, the oldest first
	changes  map[string]uint64          // by practitioner: how many there were, whether or not somebody listened
	streams  int                        // not given back yet, the displaced and ended ones included
	closed   bool
}

// New makes a hub.
func New(l Limits) *Hub {
	return &Hub{limits: l.withDefaults(), boot: rand.Text()[:8], people: map[string][]*Subscription{},
		sessions: map[string][]*Subscription{}, changes: map[string]uint64{}}
}

// Subscribe begins a stream of one session of a practitioner. Its Close must be called. ErrFull, ErrClosed.
func (h *Hub) Subscribe(practitioner, session string) (*Subscription, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, ErrClosed
	case h.streams >= h.limits.All:
		return nil, ErrFull
	}
	for len(h.sessions[session]) >= h.limits.Session || len(h.people[practitioner]) >= h.limits.Practitioner {
		oldest := h.people[practitioner][0]
		if theirs := h.sessions[session]; len(theirs) > 0 {
			oldest = theirs[0]
		}
		h.drop(oldest)
		oldest.finish(Displaced)
	}
	s := &Subscription{hub: h, practitioner: practitioner, session: session, wake: make(chan struct{}, 1),
		mark: h.mark(practitioner), budgets: map[string]*allowance{}}
	h.streams++
	h.people[practitioner] = append(h.people[practitioner], s)
	h.sessions[session] = append(h.sessions[session], s)
	return s, nil
}

// mark writes down a practitioner's place. The caller holds the lock.
func (h *Hub) mark(practitioner string) string {
	return h.boot + "-" + strconv.FormatUint(h.changes[practitioner], 36)
}

// Mark is a practitioner's place in the order of changes, for who asks now and then instead of listening.
func (h *Hub) Mark(practitioner string) string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.mark(practitioner)
}

// drop takes a subscription from those that are told. The caller holds the lock.
func (h *Hub) drop(s *Subscription) {
	forget(h.people, s.practitioner, s)
	forget(h.sessions, s.session, s)
}

func forget(lists map[string][]*Subscription, key string, s *Subscription) {
	var rest []*Subscription // never in place: somebody may be walking the old one
	for _, other := range lists[key] {
		if other != s {
			rest = append(rest, other)
		}
	}
	if lists[key] = rest; len(rest) == 0 {
		delete(lists, key)
	}
}

// Connection tells a practitioner's streams what one of their connections shows now. It never waits for them.
func (h *Hub) Connection(practitioner, connection, state, cause string) {
	h.mu.Lock()
	h.changes[practitioner]++
	mark, theirs := h.mark(practitioner), h.people[practitioner]
	for _, s := range theirs { // within the lock: changes come in the order of their marks
		s.change(Event{Kind: Connection, Connection: connection, State: state, Cause: cause, Mark: mark})
	}
	h.mu.Unlock()
}

// Budget tells a practitioner's streams that the clinic of a connection has answered, at most once a second each. It
// never waits for them.
func (h *Hub) Budget(practitioner, connection string) {
	h.mu.RLock()
	theirs := h.people[practitioner]
	h.mu.RUnlock()
	for _, s := range theirs {
		s.spend(connection, time.Now())
	}
}

// EndSession tells the streams of a session that it is over, and they end.
func (h *Hub) EndSession(session string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sessions[session] {
		h.drop(s)
		s.finish(Ended)
	}
}

// Close ends all streams and refuses new ones. It may be called twice.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, theirs := range h.people {
		for _, s := range theirs {
			h.drop(s)
			s.finish(Closed)
		}
	}
}

// Streams is how many subscriptions have not been given back.
func (h *Hub) Streams() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.streams
}
