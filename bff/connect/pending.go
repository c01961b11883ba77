package connect

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"locum/bff/secret"
	"locum/bff/vault"
)

// store writes the attempt and makes room for it: what has run out goes, then the oldest of the session, or of the browser
// that has none. It gives the value of the flow cookie. with joins the transaction and is told that value.
func (c *Connector) store(d departure, with func(tx *vault.Tx, flow string) error) (string, error) {
	var chosen string
	err := c.vault.Update(func(tx *vault.Tx) error {
		live, err := liveAttempts(tx, d.attempt.CreatedAt)
		if err != nil {
			return err
		}
		if d.also != nil {
			if err := d.also(tx); err != nil {
				return err
			}
		}
		mine, err := makeRoom(tx, live, d.attempt)
		if err != nil {
			return err
		}
		if chosen = d.flow; !d.fixed {
			chosen = c.chooseFlow(mine, d)
		}
		if err := vault.Outcomes.Delete(tx, d.attempt.ClientState); err != nil { // of an earlier attempt with the same value
			return err
		}
		next := d.attempt
		next.Flow = c.flowMAC(chosen)
		return errors.Join(vault.Attempts.Put(tx, next.State, &next), with(tx, chosen))
	})
	return chosen, err
}

// makeRoom drops the oldest attempts of whoever comes, and says which of theirs are left. Nobody makes room for another.
func makeRoom(tx *vault.Tx, live []vault.Attempt, coming vault.Attempt) (mine []vault.Attempt, err error) {
	others := 0 // that share a bound with the coming one
	for _, a := range live {
		if a.Session == coming.Session && a.Browser == coming.Browser {
			mine = append(mine, a)
		} else if a.Practitioner == coming.Practitioner {
			others++
		}
	}
	all := len(live)
	for ; len(mine) >= maxPerSession; mine, all = mine[1:], all-1 {
		if err := vault.Attempts.Delete(tx, mine[0].State); err != nil {
			return nil, err
		}
	}
	most := maxPerPerson
	if coming.Practitioner == "" {
		most = maxUnsigned
	}
	if len(mine)+others >= most || all >= maxAttempts {
		return nil, &Error{Code: CodeTooManyFlows}
	}
	return mine, nil
}

// chooseFlow gives the browser's own flow value while an attempt of this session lives that was begun with it. Otherwise
// the value that a living attempt brought in: tabs that begin in the same moment send no cookie yet, and must not take it
// from each other. Otherwise a new one. So all tabs of a browser share one cookie, and a value that somebody planted is
// not taken up. What begins in a frame shares the value of the windows that it opens, and none with the frame itself.
func (c *Connector) chooseFlow(mine []vault.Attempt, d departure) string {
	mac := c.flowMAC(d.flow)
	if d.flow != "" && !d.attempt.Framed && slices.ContainsFunc(mine, func(a vault.Attempt) bool { return same(a.Flow, mac) }) {
		return d.flow
	}
	for _, a := range mine {
		if value := c.newFlow(a.State); same(a.Flow, c.flowMAC(value)) {
			return value
		}
	}
	return c.newFlow(d.attempt.State)
}

// liveAttempts lists the attempts that have not run out, the oldest first, and ends the others.
func liveAttempts(tx *vault.Tx, now time.Time) ([]vault.Attempt, error) {
	var live, over []vault.Attempt
	err := vault.Attempts.Each(tx, func(a vault.Attempt) error {
		if now.Before(a.ExpiresAt) {
			live = append(live, a)
		} else {
			over = append(over, a)
		}
		return nil
	})
	for _, a := range over {
		err = errors.Join(err, expire(tx, a, now))
	}
	slices.SortFunc(live, func(a, b vault.Attempt) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.State, b.State))
	})
	return live, err
}

// expire deletes an attempt that has run out, its verifier with it, and leaves word for the tab that began it.
func expire(tx *vault.Tx, a vault.Attempt, now time.Time) error {
	if err := vault.Attempts.Delete(tx, a.State); err != nil {
		return err
	}
	over := outcomeOf(a, OutcomeExpired, a.ExpiresAt.Add(lifetime))
	_, err := outcome(tx, over.Key)
	switch {
	case err == nil, errors.Is(err, vault.ErrNotFound) && !now.Before(over.ExpiresAt):
		return nil
	case errors.Is(err, vault.ErrNotFound):
		return vault.Outcomes.Put(tx, over.Key, &over)
	}
	return err
}

// outcome reads an outcome. A damaged one tells nobody anything and is as good as none: the next one takes its place, and
// what others have begun goes on.
func outcome(tx *vault.Tx, key string) (vault.Outcome, error) {
	found, err := vault.Outcomes.Get(tx, key)
	if errors.Is(err, vault.ErrIntegrity) {
		return vault.Outcome{}, vault.ErrNotFound
	}
	return found, err
}

// outcomeOf says how an attempt ended, or that it has not, to the tab that began it.
func outcomeOf(a vault.Attempt, code string, until time.Time) vault.Outcome {
	return vault.Outcome{
		Key: a.ClientState, Practitioner: a.Practitioner, Session: a.Session, Code: code, Platform: a.Platform,
		Clinic: a.Clinic, Connection: a.Connection, Context: a.Context, ExpiresAt: until, Browser: a.Browser, Framed: a.Framed,
	}
}

func ofSession(attempts []vault.Attempt, session string) []vault.Attempt {
	var mine []vault.Attempt
	for _, a := range attempts {
		if a.Session == session {
			mine = append(mine, a)
		}
	}
	return mine
}

// keep stores how an attempt ended, for the tab that began it, and makes room for it as store does. What a connection that
// nobody can confirm any more had brought is given back.
func (c *Connector) keep(ended vault.Outcome) error {
	now := time.Now()
	var lapsed []string
	err := c.vault.Update(func(tx *vault.Tx) error {
		next := ended
		if old, err := outcome(tx, ended.Key); err == nil {
			next.Generation = old.Generation
		} else if !errors.Is(err, vault.ErrNotFound) {
			return err
		}
		var err error
		if lapsed, err = sweepOutcomes(tx, ended, now); err != nil {
			return err
		}
		return vault.Outcomes.Put(tx, next.Key, &next)
	})
	if err == nil {
		c.abandon(lapsed)
	}
	return err
}

// abandon gives back what pending connections brought.
func (c *Connector) abandon(pending []string) {
	for _, id := range pending {
		c.tokens.Abandon(id)
	}
}

// sweepOutcomes deletes the outcomes that have run out, and the oldest of the session, or of the browser that has none,
// beyond its bound; the one that is about to be written stays. It names the pending connections that went with them.
func sweepOutcomes(tx *vault.Tx, coming vault.Outcome, now time.Time) (lapsed []string, err error) {
	var over, mine []vault.Outcome
	err = vault.Outcomes.Each(tx, func(o vault.Outcome) error {
		switch {
		case o.Key == coming.Key:
		case !now.Before(o.ExpiresAt):
			over = append(over, o)
		case o.Session == coming.Session && o.Browser == coming.Browser:
			mine = append(mine, o)
		}
		return nil
	})
	if extra := len(mine) - (maxOutcomes - 1); extra > 0 && coming.Key != "" {
		slices.SortFunc(mine, func(a, b vault.Outcome) int { return a.ExpiresAt.Compare(b.ExpiresAt) })
		over = append(over, mine[:extra]...)
	}
	for _, o := range over {
		err = errors.Join(err, vault.Outcomes.Delete(tx, o.Key))
		if o.Pending != "" {
			lapsed = append(lapsed, o.Pending)
		}
	}
	return lapsed, err
}

// Forget drops the attempts and outcomes of a session: a sign-out leaves nothing that could still connect. The error is
// an *Error of code storage_unavailable; a session that has ended is refused by Finish all the same.
func (c *Connector) Forget(session string) error {
	var lapsed []string
	err := c.vault.Update(func(tx *vault.Tx) error {
		var attempts []vault.Attempt
		var outcomes []vault.Outcome
		err := vault.Attempts.Each(tx, func(a vault.Attempt) error {
			attempts = append(attempts, a)
			return nil
		})
		err = errors.Join(err, vault.Outcomes.Each(tx, func(o vault.Outcome) error {
			outcomes = append(outcomes, o)
			return nil
		}))
		for _, a := range ofSession(attempts, session) {
			err = errors.Join(err, vault.Attempts.Delete(tx, a.State))
		}
		for _, o := range outcomes {
			if o.Session != session {
				continue
			}
			err = errors.Join(err, vault.Outcomes.Delete(tx, o.Key))
			if o.Pending != "" {
				lapsed = append(lapsed, o.Pending)
			}
		}
		return err
	})
	if err == nil {
		c.abandon(lapsed)
	}
	return stored(err)
}

// Sweep deletes the launches, tickets, attempts and outcomes that have run out. Without it nothing lives longer, but the
// dead stay until the next one of their kind comes.
func (c *Connector) Sweep() error {
	now := time.Now()
	due := false
	err := c.vault.View(func(tx *vault.Tx) error {
		look := func(at time.Time) error {
			due = due || !now.Before(at)
			return nil
		}
		return errors.Join(vault.Launches.Each(tx, func(l vault.Launch) error { return look(l.ExpiresAt) }),
			vault.Tickets.Each(tx, func(t vault.Ticket) error { return look(t.ExpiresAt) }),
			vault.Attempts.Each(tx, func(a vault.Attempt) error { return look(a.ExpiresAt) }),
			vault.Outcomes.Each(tx, func(o vault.Outcome) error { return look(o.ExpiresAt) }))
	})
	if err != nil || !due {
		return stored(err)
	}
	var lapsed []string
	err = c.vault.Update(func(tx *vault.Tx) (err error) {
		_, err1 := liveLaunches(tx, now)
		_, err2 := liveTickets(tx, now)
		_, err3 := liveAttempts(tx, now)
		lapsed, err = sweepOutcomes(tx, vault.Outcome{}, now)
		return errors.Join(err1, err2, err3, err)
	})
	if err == nil {
		c.abandon(lapsed)
	}
	return stored(err)
}

// same compares two MACs in constant time.
func same(a, b string) bool { return secret.New(a).Equal(secret.New(b)) }
