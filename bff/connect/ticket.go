package connect

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"time"

	"locum/bff/secret"
	"locum/bff/vault"
)

// Departure is where a ticket leads, and the flow value that the window's browser is to hold from now on. Post says that
// the query of URL is to be sent as a form.
type Departure struct {
	URL, Flow secret.String
	Post      bool
}

// maxTickets bounds those of everybody; they live a minute, so the oldest makes room.
const maxTickets = 1000

// Ticket spends a ticket. flow is the flow value that the window's browser sent, or "". A browser that is in the middle of
// something else keeps its value: the ticket's attempt is bound to that one instead. The caller must have made sure that a
// page of ours opened the window: whoever could send a ticket to somebody else would have them allow access in their name.
// Any ticket but an open one is an *Error of code launch_unknown.
func (c *Connector) Ticket(value, flow string) (Departure, error) {
	if !is256(value) {
		return Departure{}, &Error{Code: CodeLaunchUnknown}
	}
	key, now := c.vault.MAC("connect.ticket", value), time.Now()
	err := c.vault.View(func(tx *vault.Tx) error { // a flood of unknown ones writes nothing
		_, err := vault.Tickets.Get(tx, key)
		return err
	})
	var ticket vault.Ticket
	if err == nil {
		err = c.vault.Update(func(tx *vault.Tx) (err error) {
			if ticket, err = vault.Tickets.Take(tx, key); err != nil || !now.Before(ticket.ExpiresAt) {
				return err
			}
			return c.rebind(tx, &ticket, flow, now)
		})
	}
	switch {
	case errors.Is(err, vault.ErrNotFound), errors.Is(err, vault.ErrIntegrity):
		return Departure{}, &Error{Code: CodeLaunchUnknown, Err: err}
	case err != nil:
		return Departure{}, stored(err)
	case !now.Before(ticket.ExpiresAt):
		return Departure{}, &Error{Code: CodeLaunchUnknown}
	}
	return Departure{URL: ticket.URL, Flow: ticket.Flow, Post: ticket.Post}, nil
}

// rebind leaves a browser the flow value that a living attempt of its own needs.
func (c *Connector) rebind(tx *vault.Tx, ticket *vault.Ticket, flow string, now time.Time) error {
	if flow == "" || ticket.Flow.Equal(secret.New(flow)) {
		return nil
	}
	at, err := url.Parse(ticket.URL.Reveal())
	if err != nil {
		return err
	}
	state, mac := at.Query().Get("state"), c.flowMAC(flow)
	own, used := vault.Attempt{}, false
	err = vault.Attempts.Each(tx, func(a vault.Attempt) error {
		if a.State == state {
			own = a
		} else {
			used = used || now.Before(a.ExpiresAt) && same(a.Flow, mac)
		}
		return nil
	})
	if err != nil || !used || own.State == "" {
		return err
	}
	own.Flow, ticket.Flow = mac, secret.New(flow)
	return vault.Attempts.Put(tx, own.State, &own)
}

// putTicket stores a ticket; what has run out, and the oldest beyond the bound, makes room.
func (c *Connector) putTicket(tx *vault.Tx, value string, ticket vault.Ticket) error {
	live, err := liveTickets(tx, time.Now())
	for ; err == nil && len(live) >= maxTickets; live = live[1:] {
		err = vault.Tickets.Delete(tx, live[0].Key)
	}
	if err != nil {
		return err
	}
	ticket.Key = c.vault.MAC("connect.ticket", value)
	return vault.Tickets.Put(tx, ticket.Key, &ticket)
}

// liveTickets lists the tickets that have not run out, the oldest first, and deletes the others.
func liveTickets(tx *vault.Tx, now time.Time) ([]vault.Ticket, error) {
	var live []vault.Ticket
	err := vault.Tickets.Each(tx, func(t vault.Ticket) error {
		if !now.Before(t.ExpiresAt) {
			return vault.Tickets.Delete(tx, t.Key)
		}
		live = append(live, t)
		return nil
	})
	slices.SortFunc(live, func(a, b vault.Ticket) int {
		return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), cmp.Compare(a.Key, b.Key))
	})
	return live, err
}
