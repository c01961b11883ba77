package tokens

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"locum/bff/audit"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/vault"
)

// What became of a connection at its platform when it was disconnected here: the closed list that Disconnect answers with.
const (
	EndedRevoked   = "revoked"    // the platform confirmed that it takes the tokens no more
	EndedSignedOut = "signed_out" // it confirmed that the login behind them is over
	EndedPending   = "pending"    // it did not answer, or not yet: Locum goes on asking
	EndedExpires   = "expires"    // it was not asked to: the tokens, which nobody holds any more, end by themselves
)

// ReasonSpared is the reason of a Parting where other connections of the same login live on: it would have ended them.
const ReasonSpared = "spared_siblings"

// Parting is what became of a connection that was disconnected. Of one whose tokens end by themselves Until says when the
// platform takes the refresh token no more, zero where it has stated no end; Reason may say why it was not asked.
type Parting struct {
	Ending, Reason string
	Until          time.Time
}

// farewell is how long a disconnection is waited for; it is finished all the same.
const farewell = 12 * time.Second

// Disconnect ends the practitioner's connection. From the first moment nothing is handed out. The record is deleted at
// once, which is certain: no late answer and no restart brings the connection back; in the same transaction its tokens go
// into the outbox, so that neither a crash nor a platform that is down keeps them from being given back. Then it waits for
// a refresh under way, so that the newest tokens are the ones that are revoked, and makes the first attempt; the others are
// made in the background. A caller who leaves does not stop it.
//
// How the tokens are given back is the platform's Ending, which Siblings explains. Connections that may have ended with
// this one all the same are asked about afterwards, so that what became of them is shown at once.
//
// Errors are of kind NotFound, Storage (the connection is still there), Unavailable (Locum is stopping).
func (k *Keeper) Disconnect(_ context.Context, practitioner, connection string) (Parting, error) {
	h, ok := k.find(practitioner, connection)
	if !ok || !h.gone.CompareAndSwap(false, true) {
		return Parting{}, notFound(connection)
	}
	if !k.enter() {
		k.reinstate(h)
		return Parting{}, closing(connection)
	}
	c, r, err := k.remove(h, k.ending(h.platform))
	if err != nil {
		k.working.Done()
		k.reinstate(h)
		return Parting{}, &Error{Kind: Storage, Connection: connection, Code: CauseStorage, Err: err}
	}
	k.unindex(h)
	k.note(audit.Event{Kind: "disconnect"}, c)
	k.log.Info("disconnected", "connection", c.ID, "platform", c.Platform)
	told := make(chan Parting, 1)
	go func() {
		defer k.working.Done()
		h.turn <- struct{}{}
		defer func() { <-h.turn }()
		told <- k.finish(h, c, r)
	}()
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case parting := <-told:
		return parting, nil
	case <-timer.C:
		return Parting{Ending: EndedPending}, nil
	}
}

// reinstate takes back that a connection is gone. What has looked at it meanwhile has let it out of the schedule.
func (k *Keeper) reinstate(h *held) {
	h.gone.Store(false)
	k.plan(h)
}

// ending is how a platform's tokens are given back; one that is not configured any more has nobody to give them to.
func (k *Keeper) ending(id string) string {
	live, err := k.platforms.Get(id)
	if err != nil {
		return platform.EndingForget
	}
	return live.Ending
}

// remove deletes the record and puts what it held into the outbox, in one transaction; of a damaged one, what memory knows.
func (k *Keeper) remove(h *held, way string) (vault.Connection, vault.Revocation, error) {
	var c vault.Connection
	var r vault.Revocation
	err := k.vault.Update(func(tx *vault.Tx) (err error) {
		c, err = vault.Connections.Take(tx, h.id)
		if errors.Is(err, vault.ErrIntegrity) {
			c, err = h.remembered(), vault.Connections.Delete(tx, h.id)
		}
		if err != nil {
			return err
		}
		if err := k.bury(tx, c, vault.Step{What: StepDisconnected, Trigger: triggerPractitioner, Code: way}); err != nil {
			return err
		}
		if r = (vault.Revocation{}); way != platform.EndingForget {
			token, received := newest(c)
			r = revocation(way, c, token, received)
		}
		if r.ID == "" {
			return nil
		}
		return vault.Revocations.Put(tx, r.ID, &r)
	})
	return c, r, err
}

// finish gives the tokens back: those of an answer that came too late, where there is one, which go into the outbox first.
// The caller holds the turn.
func (k *Keeper) finish(h *held, c vault.Connection, r vault.Revocation) Parting {
	parting := Parting{Ending: EndedExpires}
	k.late(h, c, &r)
	if r.ID != "" {
		parting.Ending, parting.Reason = k.attempt(r.ID, true)
	}
	switch live, err := k.platforms.Get(c.Platform); parting.Ending {
	case EndedExpires:
		if c.RefreshExpiresIn > 0 && !c.Refresh.Empty() {
			parting.Until = c.ReceivedAt.Add(c.RefreshExpiresIn)
		}
	case EndedRevoked, EndedSignedOut:
		if err == nil {
			k.askThem(k.maybeEnded(h), h, live, CauseSessionEnded)
		}
	}
	return parting
}

// maybeEnded are the connections that are alive here and may have ended at the platform with this one: those of the same
// login, and of the same person.
func (k *Keeper) maybeEnded(h *held) []*held {
	sid := h.now.Load().sid
	return slices.DeleteFunc(k.others(h), func(other *held) bool {
		cur := other.now.Load()
		return !cur.renewable || other.subject != h.subject && (sid == "" || cur.sid != sid)
	})
}

// late puts the tokens of an answer that found no record any more into the outbox, in place of those that it followed. The
// caller holds the turn.
func (k *Keeper) late(h *held, c vault.Connection, r *vault.Revocation) {
	answer := h.unsaved
	h.unsaved = nil
	if answer == nil || r.ID == "" {
		return
	}
	token, _ := oauth.ParseToken(*answer) // of a malformed one, what there is
	if token.Refresh.Empty() {
		return
	}
	err := k.vault.Update(func(tx *vault.Tx) error {
		next, err := vault.Revocations.Get(tx, r.ID)
		if errors.Is(err, vault.ErrNotFound) {
			next, err = *r, nil
			next.Generation = 0
		}
		if err != nil {
			return err
		}
		carry(&next, token, answer.ReceivedAt)
		return vault.Revocations.Put(tx, next.ID, &next)
	})
	if err != nil {
		k.log.Warn("tokens of a late answer not stored", "connection", c.ID, "platform", c.Platform, "error", err)
	}
}

// newest gives the tokens that a record holds, those of an answer that nobody has read yet before its own, and when they
// came.
func newest(c vault.Connection) (oauth.Token, time.Time) {
	token := oauth.Token{
		Access: c.Access, Refresh: c.Refresh, ExpiresIn: c.ExpiresIn, RefreshExpiresIn: c.RefreshExpiresIn,
	}
	if c.Phase != phaseAnswered {
		return token, c.ReceivedAt
	}
	late, _ := oauth.ParseToken(oauth.Answer{Status: c.RawStatus, Body: c.Raw, ReceivedAt: c.Attempt.SentAt})
	if late.Refresh.Empty() && late.Access.Empty() {
		return token, c.ReceivedAt
	}
	if late.Refresh.Empty() {
		late.Refresh, late.RefreshExpiresIn = c.Refresh, c.RefreshExpiresIn
	}
	return late, c.Attempt.SentAt
}

// Siblings are the practitioner's other connections that end when this one is disconnected: those of the same login, where
// the platform's way of ending is to end it. Tokens are revoked only where no other connection hangs on their login.
func (k *Keeper) Siblings(practitioner, connection string) []View {
	h, ok := k.find(practitioner, connection)
	if !ok || k.ending(h.platform) != platform.EndingEndSession {
		return nil
	}
	now, sid := time.Now(), h.now.Load().sid
	var views []View
	k.mu.RLock()
	for _, other := range k.conns {
		same := other != h && other.practitioner == practitioner && other.platform == h.platform && !other.gone.Load()
		if cur := other.now.Load(); same && sid != "" && cur.sid == sid && cur.renewable {
			views = append(views, other.shown(now))
		}
	}
	k.mu.RUnlock()
	slices.SortFunc(views, func(a, b View) int { return cmp.Compare(a.ID, b.ID) })
	return views
}

// DisconnectAll ends every connection of a practitioner in a vault that no Keeper has open, and counts them: the records are
// deleted, and their tokens are given back by the next Keeper. ending says how, by platform ("" where it is not configured
// any more).
func DisconnectAll(v *vault.Vault, practitioner string, ending func(platform string) string) (n int, err error) {
	k := &Keeper{vault: v}
	err = v.Update(func(tx *vault.Tx) error {
		n = 0
		if err := Unlink(tx, practitioner); err != nil {
			return err
		}
		return vault.Connections.Each(tx, func(c vault.Connection) error {
			if c.Practitioner != practitioner || c.State == statePending {
				return nil
			}
			n++
			way := cmp.Or(ending(c.Platform), platform.EndingForget)
			if err := k.bury(tx, c, vault.Step{What: StepDisconnected, Trigger: triggerOperator, Code: way}); err != nil {
				return err
			}
			if err := vault.Connections.Delete(tx, c.ID); err != nil || way == platform.EndingForget {
				return err
			}
			token, received := newest(c)
			r := revocation(way, c, token, received)
			if r.ID == "" {
				return nil
			}
			return vault.Revocations.Put(tx, r.ID, &r)
		})
	})
	return n, err
}
