package app

import (
	"slices"
	"time"

	"locum/shared"
)

// Pauses before the connections are asked for again: for a state, which mostly changes twice in a row, and for a budget.
const (
	stateSettles  = 300 * time.Millisecond
	budgetSettles = 3 * time.Second
)

// rereading is what is under way to ask for the connections again: once, however many changes there were.
type rereading struct {
	asks  bool // somebody waits or asks already
	again bool // something has changed since
	due   bool // nobody looked when it changed
}

// connectionChanged shows at once what one connection has become, and asks for the rest; without a connection, several
// have. It comes from outside the UI goroutine.
func (s *shell) connectionChanged(e shared.ConnectionEvent) {
	s.mu.Lock()
	s.connectionAt = time.Time{}
	s.connections = patched(s.connections, e)
	if e.State == shared.StateEnded {
		delete(s.clinics, e.Connection)
	}
	s.mu.Unlock()
	s.showChange(e)
	s.reread(stateSettles)
}

// patched is a list in which one connection shows something else, or is gone.
func patched(list []shared.Connection, e shared.ConnectionEvent) []shared.Connection {
	var changed []shared.Connection // the old one may be drawn just now
	for _, c := range list {
		if c.ID == e.Connection {
			c.State, c.Cause = e.State, e.Cause
		}
		if c.ID != e.Connection || e.State != shared.StateEnded {
			changed = append(changed, c)
		}
	}
	return changed
}

// showChange draws the page anew. A page of a clinic that was given up in another tab is left,
// but for the one that explains it.
func (s *shell) showChange(e shared.ConnectionEvent) {
	p := s.page
	if p == nil {
		return
	}
	p.dispatch(func() {
		if e.State == shared.StateEnded && e.Connection != "" && p.connectionID() == e.Connection && p.name != shared.PageLife {
			turnTo("/connections")
			return
		}
		if p.changed != nil {
			p.changed()
		}
	})
}

// budgetChanged asks for what is left where somebody sees it: on the page of the connections, and in the bar of that
// clinic's pages unless their own last answer has just said so.
func (s *shell) budgetChanged(connection string) {
	p := s.page
	if p == nil || p.name != shared.PageConnections && (p.connectionID() != connection || s.clinic(connection).noted(budgetSettles)) {
		return
	}
	s.reread(budgetSettles)
}

// reread asks for the connections again after a pause, if somebody looks; else when somebody does.
func (s *shell) reread(pause time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r := &s.rereading; {
	case !visible():
		r.due = true
	case r.asks:
		r.again = true
	default:
		r.asks, r.due = true, false
		go s.readAgain(pause)
	}
}

// readAgain asks until nothing has changed meanwhile. A failure is not shown: nobody has asked for this.
func (s *shell) readAgain(pause time.Duration) {
	defer s.caught()
	for more := true; more; {
		time.Sleep(pause)
		s.mu.Lock()
		s.rereading.again = false
		s.mu.Unlock()
		if list, err := s.listConnections(0); err == nil {
			s.noteBudgets(list)
			s.showChange(shared.ConnectionEvent{})
		}
		s.mu.Lock()
		more = s.rereading.again
		s.rereading.asks = more
		s.mu.Unlock()
	}
}

// noteBudgets has the bars of the clinics show what the list says.
func (s *shell) noteBudgets(list []shared.Connection) {
	for _, c := range list {
		if c.Budget.Clinic.Limit > 0 {
			s.clinic(c.ID).noteBudget(c.Budget.Clinic)
		}
	}
}

// looked asks for what changed while nobody looked.
func (s *shell) looked() {
	s.mu.Lock()
	due := s.rereading.due
	s.mu.Unlock()
	if due {
		s.reread(0)
	}
}

// knownConnections are the connections as last seen, without asking.
func (s *shell) knownConnections() []shared.Connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.connections)
}
