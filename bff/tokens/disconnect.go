package tokens

import (
	"context"
	"errors"
	"time"

	"locum/bff/audit"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/vault"
)

// revokeDeadline bounds one revocation.
const revokeDeadline = 5 * time.Second

// Disconnect ends the practitioner's connection. From the first moment nothing is handed out. The record is deleted at
// once, which is certain: no late answer and no restart brings the connection back. Then it waits for a refresh under way,
// so that the newest refresh token is the one that is revoked, with one attempt (RFC 7009; Jane guide, Revoking a Refresh
// Token). revoked says whether the platform confirmed it: if it did not, the token is known to nobody any more and ends
// by itself. A caller who leaves does not stop it.
//
// Keycloak answers a revocation by withdrawing the person's consent, so their other connections through the same login
// may end with it; their next refresh says so.
//
// Errors are of kind NotFound, Storage (the connection is still there), Unavailable (Locum is stopping).
func (k *Keeper) Disconnect(_ context.Context, practitioner, connection string) (revoked bool, err error) {
	h, ok := k.find(practitioner, connection)
	if !ok || !h.gone.CompareAndSwap(false, true) {
		return false, notFound(connection)
	}
	if !k.enter() {
		h.gone.Store(false)
		return false, closing(connection)
	}
	defer k.working.Done()
	c, err := k.remove(h)
	if err != nil {
		h.gone.Store(false)
		return false, &Error{Kind: Storage, Connection: connection, Code: CauseStorage, Err: err}
	}
	k.unindex(h)
	k.note(audit.Event{Kind: "disconnect"}, c)
	k.log.Info("disconnected", "connection", c.ID, "platform", c.Platform)
	h.turn <- struct{}{}
	defer func() { <-h.turn }()
	live, err := k.platforms.Get(c.Platform)
	if err != nil {
		return false, nil // not configured any more: there is no endpoint to ask
	}
	return k.revoke(live, newest(h, c)), nil
}

// remove deletes the record and gives what it held; of a damaged one, what memory knows.
func (k *Keeper) remove(h *held) (vault.Connection, error) {
	var c vault.Connection
	err := k.vault.Update(func(tx *vault.Tx) (err error) {
		c, err = vault.Connections.Take(tx, h.id)
		if errors.Is(err, vault.ErrIntegrity) {
			c, err = h.remembered(), vault.Connections.Delete(tx, h.id)
		}
		return err
	})
	return c, err
}

// newest gives the tokens to revoke: those of an answer that nobody has read yet, or that found no record any more, before
// the record's own. The caller holds the turn.
func newest(h *held, c vault.Connection) oauth.Token {
	token := oauth.Token{Access: c.Access, Refresh: c.Refresh}
	answer := h.unsaved
	if answer == nil && c.Phase == phaseAnswered {
		answer = &oauth.Answer{Status: c.RawStatus, Body: c.Raw, ReceivedAt: c.Attempt.SentAt}
	}
	if answer == nil {
		return token
	}
	if late, _ := oauth.ParseToken(*answer); !late.Refresh.Empty() {
		return late
	}
	return token
}

// revokeAnswer revokes whatever tokens a raw answer holds; one without tokens is left alone.
func (k *Keeper) revokeAnswer(live *platform.Live, answer oauth.Answer) {
	token, _ := oauth.ParseToken(answer) // of a malformed one, what there is
	k.revoke(live, token)
}

// revoke ends the chain at the platform by its refresh token, or by its access token where there is none. One attempt.
func (k *Keeper) revoke(live *platform.Live, token oauth.Token) bool {
	which, hint := token.Refresh, "refresh_token" // RFC 7009 §2.1
	if which.Empty() {
		which, hint = token.Access, "access_token"
	}
	if which.Empty() {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), revokeDeadline)
	defer cancel()
	if err := live.OAuth.Revoke(ctx, which, hint); err != nil {
		k.log.Warn("token not revoked", "platform", live.ID, "error", err)
		return false
	}
	return true
}
