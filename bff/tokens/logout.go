package tokens

import (
	"errors"
	"slices"
	"time"

	"locum/bff/audit"
	"locum/bff/oauth"
	"locum/bff/secret"
	"locum/bff/vault"
)

// ErrReplayed says that a logout token was obeyed before.
var ErrReplayed = errors.New("the logout token was obeyed before")

// memory is how much longer than it is good a logout token is remembered: as long as its end may be doubted.
const memory = 2 * time.Minute

// LoggedOut obeys a logout token that was verified: the platform says that a login is over, or every login of a person. The
// connections that came of it are at their end, whoever has them here: from this moment no token of theirs is handed out, a
// refresh under way brings nothing back, and both tokens are erased. end is called for each practitioner concerned, before
// anything is stored, so that no crash can leave them signed in with the message already obeyed; it is given whoever had such
// a connection, alive or not. LoggedOut gives the same practitioners.
//
// Nobody else's connections are touched: one whose login is not known stays, and its next refresh tells.
//
// The error is ErrReplayed, of kind Storage (what is in memory has ended all the same), or end's.
func (k *Keeper) LoggedOut(platformID string, out oauth.Logout, end func(practitioner string) error) ([]string, error) {
	if !k.enter() {
		return nil, closing("")
	}
	defer k.working.Done()
	k.logouts.Lock() // one after another: each is obeyed once
	defer k.logouts.Unlock()
	key := k.vault.MAC("tokens.logout", platformID, out.ID)
	if err := k.unheard(key); err != nil {
		return nil, err
	}
	k.signIns.tell(platformID, logout{out, end}) // before looking: what is not found here yet looks there when it is
	return k.obey(key, k.cameOf(platformID, out), logout{out, end})
}

// logout is a logout token's word, and what ends the sessions of whoever is concerned.
type logout struct {
	oauth.Logout
	end func(practitioner string) error
}

// obey ends the connections concerned, and is LoggedOut for them. The token is remembered by its key, where there is one. The
// caller holds logouts.
func (k *Keeper) obey(key string, concerned []*held, out logout) ([]string, error) {
	var practitioners []string
	for _, h := range concerned {
		k.cut(h, out.Logout, 0)
		if !slices.Contains(practitioners, h.practitioner) {
			practitioners = append(practitioners, h.practitioner)
		}
	}
	var failed error
	for _, practitioner := range practitioners {
		failed = errors.Join(failed, out.end(practitioner))
	}
	ended, err := k.storeLogout(key, out.Logout, concerned)
	if err != nil {
		failed = errors.Join(failed, &Error{Kind: Storage, Code: CauseStorage, Err: err})
	}
	for _, c := range ended {
		k.note(audit.Event{Kind: "reconnect_needed", Code: CauseLoggedOut}, c)
		k.log.Info("logged out at the platform", "connection", c.ID, "platform", c.Platform)
	}
	for _, h := range concerned {
		k.dropLate(h)
	}
	return practitioners, failed
}

// means says whether a logout ends what came of the login sid of a person.
func means(out oauth.Logout, sid, subject string) bool {
	if out.Subject != "" && out.Subject != subject {
		return false
	}
	return out.SID == "" || out.SID == sid
}

// unheard is nil for a logout token that was not obeyed yet.
func (k *Keeper) unheard(key string) error {
	err := k.vault.View(func(tx *vault.Tx) error {
		_, err := vault.LogoutTokens.Get(tx, key)
		return err
	})
	switch {
	case errors.Is(err, vault.ErrNotFound):
		return nil
	case err == nil, errors.Is(err, vault.ErrIntegrity):
		return ErrReplayed
	}
	return &Error{Kind: Storage, Code: CauseStorage, Err: err}
}

// cameOf gives the platform's connections that hang on the login that is over.
func (k *Keeper) cameOf(platformID string, out oauth.Logout) []*held {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var all []*held
	for _, h := range k.conns {
		if h.platform == platformID && !h.gone.Load() && means(out, h.now.Load().sid, h.subject) {
			all = append(all, h)
		}
	}
	return all
}

// cut takes the tokens out of memory and shows why. Nothing but a new chain brings the connection back: what a refresh that
// was under way finds is older than generation.
func (k *Keeper) cut(h *held, out oauth.Logout, generation uint64) {
	for {
		before := h.now.Load()
		if !means(out, before.sid, h.subject) || before.over && before.lease.Generation >= generation {
			return
		}
		next := *before.in(StateReconnect, CauseLoggedOut)
		next.over, next.lease.Access, next.lease.Generation = true, secret.String{}, max(generation, before.lease.Generation)
		next.liveUntil, next.freshUntil = time.Time{}, time.Time{}
		if !h.now.CompareAndSwap(before, &next) {
			continue
		}
		if k.notify != nil && (before.view.State != StateReconnect || before.view.Cause != CauseLoggedOut) {
			k.notify(h.practitioner, h.id, StateReconnect, CauseLoggedOut)
		}
		return
	}
}

// reopen lets a new chain take the place of one that was cut. The caller holds the turn.
func (h *held) reopen() {
	for before := h.now.Load(); before.over; before = h.now.Load() {
		next := *before
		next.over = false
		if h.now.CompareAndSwap(before, &next) {
			return
		}
	}
}

// vague are the causes of an end that a logout explains better.
var vague = []string{CauseInvalidGrant, CauseSessionEnded, CauseDetached, CauseSuperseded}

// storeLogout erases what the connections held, and remembers the token, in one transaction. It gives those that have ended
// by it.
func (k *Keeper) storeLogout(key string, out oauth.Logout, concerned []*held) ([]vault.Connection, error) {
	var ended []vault.Connection
	err := k.vault.Update(func(tx *vault.Tx) error {
		ended = nil
		for _, h := range concerned {
			c, err := vault.Connections.Get(tx, h.id)
			if errors.Is(err, vault.ErrNotFound) || errors.Is(err, vault.ErrIntegrity) {
				continue
			}
			if err != nil {
				return err
			}
			if !means(out, c.SID, c.Subject) {
				continue
			}
			if c.State == StateReconnect && !slices.Contains(vague, c.Cause) { // it keeps its cause, and no token
				if next := emptied(c, c.Cause); !c.Access.Empty() {
					err = vault.Connections.Put(tx, next.ID, &next)
				}
				if err != nil {
					return err
				}
				continue
			}
			step := vault.Step{What: StepEnded, Trigger: triggerPlatform, Code: CauseLoggedOut, Parent: k.fingerprint(c.Refresh)}
			next := emptied(c, CauseLoggedOut)
			if err := vault.Connections.Put(tx, next.ID, &next); err != nil {
				return err
			}
			if err := k.step(tx, next, step); err != nil {
				return err
			}
			ended = append(ended, next)
		}
		if key == "" {
			return nil
		}
		return keepLogout(tx, vault.LogoutToken{Key: key, ExpiresAt: out.ExpiresAt.Add(memory)})
	})
	if err != nil {
		return nil, err
	}
	for _, c := range ended {
		if h, ok := k.find(c.Practitioner, c.ID); ok {
			k.cut(h, out, c.Generation)
		}
	}
	return ended, nil
}

// emptied is a record that has ended and holds no token any more.
func emptied(c vault.Connection, cause string) vault.Connection {
	c.State, c.Cause = StateReconnect, cause
	c.Access, c.Refresh, c.ExpiresIn, c.RefreshExpiresIn = secret.String{}, secret.String{}, 0, 0
	c.Phase, c.Raw, c.RawStatus, c.Reuses, c.DoubtSince = "", secret.String{}, 0, 0, time.Time{}
	return c
}

// keepLogout remembers a logout token, and forgets those that are not good any more: no more are kept than the platforms
// have signed within an hour.
func keepLogout(tx *vault.Tx, token vault.LogoutToken) error {
	now := time.Now()
	var old []string
	err := vault.LogoutTokens.Each(tx, func(t vault.LogoutToken) error {
		if now.After(t.ExpiresAt) {
			old = append(old, t.Key)
		}
		return nil
	})
	for _, key := range old {
		err = errors.Join(err, vault.LogoutTokens.Delete(tx, key))
	}
	return errors.Join(err, vault.LogoutTokens.Put(tx, token.Key, &token))
}

// overtaken is the end of a flight whose connection has changed under it: it was disconnected, or the platform ended it.
func (k *Keeper) overtaken(h *held) error {
	if cur := h.now.Load(); cur.over && !h.gone.Load() {
		return ended(h.id, cur)
	}
	return notFound(h.id)
}

// tooLate says whether a record has ended, so that an answer which came after that is nobody's: its tokens are given back,
// and no refresh follows. The caller holds the turn.
func (k *Keeper) tooLate(h *held, c vault.Connection) bool {
	if c.State != StateReconnect || !c.Refresh.Empty() {
		return false
	}
	answer := h.unsaved
	h.unsaved, h.doubt = nil, false
	if answer != nil {
		token, _ := oauth.ParseToken(*answer)
		k.surrender(c, token, answer.ReceivedAt)
	}
	return true
}

// dropLate sees to it that a refresh which is under way leaves nothing behind that a later one would take up.
func (k *Keeper) dropLate(h *held) {
	h.mu.Lock()
	flying := h.flight != nil
	h.mu.Unlock()
	if !flying || !k.enter() {
		return
	}
	go func() {
		defer k.working.Done()
		h.turn <- struct{}{}
		defer func() { <-h.turn }()
		if c, err := k.read(h); err == nil {
			k.tooLate(h, c)
		}
	}()
}
