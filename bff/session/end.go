package session

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"locum/bff/vault"
)

// Touch notes that the practitioner did something; what the app does by itself is no activity. It is written down at most
// once a minute, so a restart may find a session up to a minute more idle than it was, never less. A session that has ended,
// or whose record is damaged, is ErrSignedOut and stays ended; with any other error the activity counts in memory alone.
func (m *Manager) Touch(id string) error {
	s, before, due := m.touch(id, time.Now())
	if !due {
		if s.ID == "" {
			return ErrSignedOut
		}
		return nil
	}
	err := m.vault.Update(func(tx *vault.Tx) error {
		r, err := vault.Sessions.Get(tx, id)
		if err != nil {
			return err
		}
		r.LastActive = s.LastActive
		return vault.Sessions.Put(tx, id, &r)
	})
	if errors.Is(err, vault.ErrNotFound) { // ended meanwhile
		m.forget(id)
		return ErrSignedOut
	}
	if errors.Is(err, vault.ErrIntegrity) { // what is on the disk is not what was written: this sign-in is over
		return errors.Join(ErrSignedOut, m.End(id))
	}
	if err != nil {
		m.persistAgain(id, before)
		return fmt.Errorf("session: touch: %w", err)
	}
	return nil
}

// touch counts the activity in memory. due says that the caller is to write it down; until then before was.
func (m *Manager) touch(id string, now time.Time) (s Session, before time.Time, due bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.live[id]
	if e == nil || !m.alive(e.Session, now) {
		return Session{}, time.Time{}, false
	}
	e.LastActive, before = now, e.persisted
	if elapsed(now, before) < persistEvery {
		return e.Session, before, false
	}
	e.persisted = now
	return e.Session, before, true
}

func (m *Manager) persistAgain(id string, before time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.live[id]; e != nil {
		e.persisted = before
	}
}

// End ends a session for good: what begins after End has returned does not find it, nor does a restart. Ending an unknown
// session does nothing. With an error it has ended here, and would return with a restart: EndAgain and Sweep try to remove
// it once more.
func (m *Manager) End(id string) error {
	m.forget(id)
	return m.remove([]string{id})
}

// EndAgain is EndAgainIn at the top.
func (m *Manager) EndAgain(cookie string) error { return m.EndAgainIn(Top, cookie) }

// EndAgainIn removes from the vault what an earlier End of this cookie's session could not, so that whoever signs out a
// second time is not told that all is well while a restart would bring the session back. nil where nothing is left.
func (m *Manager) EndAgainIn(place Place, cookie string) error {
	if !wellFormed(cookie) {
		return nil
	}
	id := m.id(place, cookie)
	m.mu.RLock()
	left := m.left[id]
	m.mu.RUnlock()
	if !left {
		return nil
	}
	return m.remove([]string{id})
}

// EndAll ends every session of a practitioner, as End does, and counts them. What an earlier call could not remove from
// the vault goes too. It looks again after each removal: a session that began meanwhile has ended as well, and none is
// left alive that a restart would not find.
func (m *Manager) EndAll(practitioner string) (ended int, err error) {
	theirs := func(s Session) bool { return s.Practitioner == practitioner }
	for late := m.forgetWhere(theirs); ; {
		ended += len(late)
		if err := m.removeAll(practitioner); err != nil {
			m.leave(late...)
			return ended, fmt.Errorf("session: end all: %w", err)
		}
		if late = m.forgetWhere(theirs); len(late) == 0 {
			return ended, nil
		}
	}
}

func (m *Manager) removeAll(practitioner string) error {
	return m.vault.Update(func(tx *vault.Tx) error {
		return vault.Sessions.Each(tx, func(r vault.Session) error {
			if r.Practitioner != practitioner {
				return nil
			}
			return vault.Sessions.Delete(tx, r.ID)
		})
	})
}

// Sweep removes what has run out, and what an earlier End could not remove, and counts it. Without it nothing lives
// longer, but the dead stay in the vault.
func (m *Manager) Sweep() (int, error) {
	now := time.Now()
	ids := append(m.forgetWhere(func(s Session) bool { return !m.alive(s, now) }), m.unremoved()...)
	if len(ids) == 0 {
		return 0, nil
	}
	return len(ids), m.remove(ids)
}

// OnEnd has every end of a session told, once, whatever brought it about and as soon as it counts: nothing finds the
// session any more, and the vault may still hold it. One that runs out is told of when Sweep finds it. tell must not
// block and not call the Manager. There is one; it is to be set before anybody signs in.
func (m *Manager) OnEnd(tell func(id, practitioner string)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = tell
}

func (m *Manager) tell(ended ...Session) {
	m.mu.RLock()
	told := m.told
	m.mu.RUnlock()
	if told == nil {
		return
	}
	for _, s := range ended {
		told(s.ID, s.Practitioner)
	}
}

// forgetWhere ends in memory, and tells, what ends says.
func (m *Manager) forgetWhere(ends func(Session) bool) []string {
	var ended []Session
	m.mu.Lock()
	for id, e := range m.live {
		if ends(e.Session) {
			delete(m.live, id)
			ended = append(ended, e.Session)
		}
	}
	m.mu.Unlock()
	m.tell(ended...)
	return ids(ended)
}

func (m *Manager) forget(id string) {
	m.mu.Lock()
	e := m.live[id]
	delete(m.live, id)
	m.mu.Unlock()
	if e != nil {
		m.tell(e.Session)
	}
}

func ids(sessions []Session) (list []string) {
	for _, s := range sessions {
		list = append(list, s.ID)
	}
	return list
}

// unremoved are the sessions that have ended here and are still in the vault.
func (m *Manager) unremoved() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Collect(maps.Keys(m.left))
}

// remove deletes ended sessions from the vault, or remembers them.
func (m *Manager) remove(ids []string) error {
	err := m.vault.Update(func(tx *vault.Tx) error {
		for _, id := range ids {
			if err := vault.Sessions.Delete(tx, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		m.leave(ids...)
		return fmt.Errorf("session: end: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		delete(m.left, id)
	}
	return nil
}

// leave remembers sessions that have ended here and could not be removed.
func (m *Manager) leave(ids ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		m.left[id] = true
	}
}
