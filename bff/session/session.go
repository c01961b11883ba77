// Package session knows which browser is speaking, and for whom: opaque cookies of 256 bits, stored as their keyed hash
// alone, alive while the practitioner is active and never beyond a working day. It never sees a request or a password,
// never takes a JWT for an answer, and never looks into the vault on the way of a request. connect and bff import it.
package session

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"locum/bff/secret"
	"locum/bff/vault"
)

// Errors of a Manager; test with errors.Is.
var (
	// ErrSignedOut is the one answer for no cookie, a malformed one, an unknown one and an ended session.
	ErrSignedOut = errors.New("session: signed out")
	// ErrFull means that maxSessions are alive.
	ErrFull = errors.New("session: too many sessions")
)

const (
	cookieLength   = 43 // secret.Random
	perPerson      = 10
	maxSessions    = 10_000
	persistEvery   = time.Minute
	futureTolerate = time.Minute // how far a clock that was set back may leave a stored time ahead
)

// Place is where a browser keeps the cookie of a session. A value is good in its own place alone.
type Place string

// The two places: Top is a page of its own, Frame one inside another site's page, whose cookies come with other requests.
// They are what a cookie's value is hashed with, and stand in the vault by that.
const (
	Top   Place = "session cookie"
	Frame Place = "session cookie of a frame"
)

// Session is a browser that has signed in, as of the moment it was asked for.
type Session struct {
	ID           string // MAC of the cookie's value: useless to who reads it
	Practitioner string // Account.ID
	CreatedAt    time.Time
	LastActive   time.Time
}

// Limits end a session; it has ended at the very moment they name.
type Limits struct {
	Idle     time.Duration // without activity; 0: 15 minutes (45 CFR 164.312(a)(2)(iii))
	Absolute time.Duration // in any case; 0: 12 hours
}

func (l Limits) withDefaults() (Limits, error) {
	if l.Idle < 0 || l.Absolute < 0 {
		return l, fmt.Errorf("session: negative limits %v and %v", l.Idle, l.Absolute)
	}
	if l.Idle == 0 {
		l.Idle = 15 * time.Minute
	}
	if l.Absolute == 0 {
		l.Absolute = 12 * time.Hour
	}
	return l, nil
}

// Manager holds the live sessions in memory and each of them in the vault. The memory is right because every end goes
// through the one Manager of a vault.
type Manager struct {
	vault  *vault.Vault
	limits Limits

	mu   sync.RWMutex
	live map[string]*entry // by ID; may hold ended ones until Sweep
	left map[string]bool   // by ID: ended, and the vault did not take it yet
	told func(id, practitioner string)
}

type entry struct {
	Session
	persisted time.Time // LastActive as the vault has it, never later than the real one
}

// New loads the sessions that are still alive, their clocks where they stood, and removes the others from the vault.
func New(v *vault.Vault, limits Limits) (*Manager, error) {
	limits, err := limits.withDefaults()
	if err != nil {
		return nil, err
	}
	m := &Manager{vault: v, limits: limits, live: map[string]*entry{}, left: map[string]bool{}}
	if err := m.load(); err != nil {
		return nil, fmt.Errorf("session: load: %w", err)
	}
	if _, err := m.Sweep(); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Manager) load() error {
	return m.vault.View(func(tx *vault.Tx) error {
		return vault.Sessions.Each(tx, func(r vault.Session) error {
			m.live[r.ID] = &entry{Session{r.ID, r.Practitioner, r.CreatedAt, r.LastActive}, r.LastActive}
			return nil
		})
	})
}

// Start is StartIn at the top.
func (m *Manager) Start(practitioner string) (cookie secret.String, s Session, err error) {
	return m.StartIn(Top, practitioner)
}

// StartIn makes a session for a practitioner who has just proved who they are; nothing that a browser sent before has a
// part in it. Their oldest session ends where they have too many. The cookie's value is told once, here. ErrFull, or
// ErrSignedOut where EndAll came in between.
func (m *Manager) StartIn(place Place, practitioner string) (cookie secret.String, s Session, err error) {
	if practitioner == "" {
		return secret.String{}, Session{}, errors.New("session: start without a practitioner")
	}
	now := time.Now()
	cookie = secret.Random()
	s = Session{m.id(place, cookie.Reveal()), practitioner, now, now}
	displaced, err := m.admit(s)
	if err != nil {
		return secret.String{}, Session{}, err
	}
	m.tell(displaced...)
	oldest := ids(displaced)
	if err := m.store(s, oldest); err != nil {
		m.forget(s.ID)
		m.leave(oldest...)
		return secret.String{}, Session{}, fmt.Errorf("session: start: %w", err)
	}
	if !m.Alive(s.ID, practitioner) { // ended between admit and store, whose Put came too late to be deleted
		return secret.String{}, Session{}, errors.Join(ErrSignedOut, m.End(s.ID))
	}
	return cookie, s, nil
}

// admit takes s into memory and takes out what it displaces, which it names. Nobody has the cookie of s yet, so it cannot
// be used before it is stored.
func (m *Manager) admit(s Session) (displaced []Session, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.live) >= maxSessions && m.countLive(s.CreatedAt) >= maxSessions {
		return nil, ErrFull
	}
	for {
		oldest, n := m.oldest(s.Practitioner)
		if n < perPerson {
			break
		}
		displaced = append(displaced, m.live[oldest].Session)
		delete(m.live, oldest)
	}
	m.live[s.ID] = &entry{s, s.LastActive}
	return displaced, nil
}

func (m *Manager) countLive(now time.Time) (n int) {
	for _, e := range m.live {
		if m.alive(e.Session, now) {
			n++
		}
	}
	return n
}

// oldest is the practitioner's session that began first, and how many there are.
func (m *Manager) oldest(practitioner string) (id string, n int) {
	for _, e := range m.live {
		if e.Practitioner != practitioner {
			continue
		}
		if n++; id == "" || e.CreatedAt.Before(m.live[id].CreatedAt) {
			id = e.ID
		}
	}
	return id, n
}

func (m *Manager) store(s Session, displaced []string) error {
	return m.vault.Update(func(tx *vault.Tx) error {
		for _, id := range displaced {
			if err := vault.Sessions.Delete(tx, id); err != nil {
				return err
			}
		}
		r := vault.Session{ID: s.ID, Practitioner: s.Practitioner, CreatedAt: s.CreatedAt, LastActive: s.LastActive}
		return vault.Sessions.Put(tx, s.ID, &r)
	})
}

// Lookup is LookupIn at the top.
func (m *Manager) Lookup(cookie string) (Session, error) { return m.LookupIn(Top, cookie) }

// LookupIn finds the live session of a cookie's value; any other value, and one of another place, is ErrSignedOut. It is no
// activity.
func (m *Manager) LookupIn(place Place, cookie string) (Session, error) {
	if !wellFormed(cookie) {
		return Session{}, ErrSignedOut
	}
	id := m.id(place, cookie)
	m.mu.RLock()
	defer m.mu.RUnlock()
	e := m.live[id]
	if e == nil || !m.alive(e.Session, time.Now()) {
		return Session{}, ErrSignedOut
	}
	return e.Session, nil
}

// id is what the vault and the memory know of a cookie.
func (m *Manager) id(place Place, cookie string) string { return m.vault.MAC(string(place), cookie) }

// wellFormed says whether a value can be one of secret.Random's: 43 base64url characters.
func wellFormed(cookie string) bool {
	if len(cookie) != cookieLength {
		return false
	}
	for _, c := range []byte(cookie) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// Alive says whether a session lives and is this practitioner's.
func (m *Manager) Alive(id, practitioner string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	e := m.live[id]
	return e != nil && e.Practitioner == practitioner && m.alive(e.Session, time.Now())
}

// SignedIn says whether the practitioner has a live session, in whatever browser.
func (m *Manager) SignedIn(practitioner string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	now := time.Now()
	for _, e := range m.live {
		if e.Practitioner == practitioner && m.alive(e.Session, now) {
			return true
		}
	}
	return false
}

// Remaining says how long the session may still be idle, and how long it may live in any case; never negative.
func (m *Manager) Remaining(s Session) (idle, absolute time.Duration) {
	m.mu.RLock()
	if e := m.live[s.ID]; e != nil {
		s = e.Session
	}
	m.mu.RUnlock()
	now := time.Now()
	absolute = max(0, m.limits.Absolute-elapsed(now, s.CreatedAt))
	return min(absolute, max(0, m.limits.Idle-elapsed(now, s.LastActive))), absolute
}

func (m *Manager) alive(s Session, now time.Time) bool {
	idle, age := elapsed(now, s.LastActive), elapsed(now, s.CreatedAt)
	return idle < m.limits.Idle && age < m.limits.Absolute && min(idle, age) >= -futureTolerate
}

// elapsed is the longer of what the monotonic and the wall clock say: the first stands still while a machine sleeps, the
// second may be set back.
func elapsed(now, since time.Time) time.Duration {
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}
