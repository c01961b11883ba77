package tokens

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/vault"
)

// wireDeadline bounds each network step of a flight. The steps have a deadline each: an answer that came late still
// gets its time to be checked.
const wireDeadline = 10 * time.Second

// refresh renews one connection's token; the caller holds its turn. The steps, each durable before the next:
//
//  1. re-read the record and ask again whether it is needed;
//  2. write the intent (phase inflight). What cannot be stored is not asked for: no intent, no request;
//  3. one wire attempt, never repeated here;
//  4. store the raw answer (phase answered);
//  5. parse it, check it like the first, publish it.
//
// A record found in phase answered starts at step 5, whoever left it there. One found in phase inflight has an unknown
// outcome: the platform may have rotated the refresh token and the answer is lost; see mayReplay.
func (k *Keeper) refresh(h *held, why reason) error {
	c, err := k.read(h)
	if err != nil {
		return err
	}
	h.doubt = h.doubt || c.Phase == phaseInflight && h.unsaved == nil
	waiting := h.unsaved != nil || c.Phase == phaseAnswered
	if !waiting && !why.needed(h.now.Load(), time.Now()) {
		return nil
	}
	live, err := k.platforms.Get(c.Platform)
	if err != nil {
		return k.failed(h, c, verdict{kind: Misconfigured, cause: CauseUnknownSystem, phase: c.Phase}, err)
	}
	answer, err := k.answer(h, &c, live, why)
	if err != nil {
		return err
	}
	return k.conclude(h, c, live, answer)
}

// answer gives the raw answer to conclude from, and leaves the record in phase answered.
func (k *Keeper) answer(h *held, c *vault.Connection, live *platform.Live, why reason) (oauth.Answer, error) {
	switch {
	case h.unsaved != nil:
		answer := *h.unsaved
		return answer, k.keepRaw(h, c, answer)
	case c.Phase == phaseAnswered:
		return k.reread(h, c, live, why)
	case c.Refresh.Empty():
		return oauth.Answer{}, k.end(h, *c, CauseNoRefresh)
	case c.Phase == phaseInflight && !mayReplay(c.Kind):
		return oauth.Answer{}, k.failed(h, *c, verdict{kind: Unavailable, cause: CauseNoAnswer, phase: phaseInflight}, nil)
	}
	return k.ask(h, c, live, why)
}

// reread gives the stored answer. Its time of receipt was not stored; the time of sending is earlier, so its token ends
// sooner. One whose token has run out meanwhile has only its refresh token left to give: that one is kept, and used.
func (k *Keeper) reread(h *held, c *vault.Connection, live *platform.Live, why reason) (oauth.Answer, error) {
	answer := oauth.Answer{Status: c.RawStatus, Body: c.Raw, ReceivedAt: c.Attempt.SentAt}
	token, err := oauth.ParseToken(answer)
	if err != nil || time.Since(answer.ReceivedAt) < token.ExpiresIn {
		return answer, nil
	}
	next := *c
	next.Refresh = kept(token.Refresh, c.Refresh)
	next.Phase, next.Raw, next.RawStatus = "", secret.String{}, 0
	if err := k.put(&next); err != nil {
		return oauth.Answer{}, k.unstored(h, err)
	}
	*c, h.doubt = next, false
	return k.answer(h, c, live, why)
}

// ask makes the one wire attempt between the durable intent and the durable answer.
func (k *Keeper) ask(h *held, c *vault.Connection, live *platform.Live, why reason) (oauth.Answer, error) {
	if err := k.admit(h, live, why); err != nil {
		return oauth.Answer{}, err
	}
	intent := *c
	intent.Phase = phaseInflight
	intent.Attempt = vault.RefreshAttempt{ID: rand.Text(), SentAt: time.Now(), Node: k.node, Fence: c.Attempt.Fence + 1}
	if err := k.put(&intent); err != nil {
		return oauth.Answer{}, k.unstored(h, err)
	}
	*c = intent
	ctx, cancel := context.WithTimeout(context.Background(), wireDeadline)
	defer cancel()
	answer, err := live.OAuth.Refresh(ctx, c.Refresh)
	k.heard(h, live, answer, err)
	if err != nil {
		return oauth.Answer{}, k.failed(h, *c, judge(err), err)
	}
	return answer, k.keepRaw(h, c, answer)
}

// keepRaw stores the answer before anybody reads it. What the vault does not take stays in memory, and the next flight
// begins by storing it: the platform is not asked again for what we already have. If the record is gone, Disconnect waits
// for the turn to revoke what came.
func (k *Keeper) keepRaw(h *held, c *vault.Connection, answer oauth.Answer) error {
	next := *c
	next.Phase, next.Raw, next.RawStatus = phaseAnswered, answer.Body, answer.Status
	err := k.put(&next)
	if err == nil {
		*c, h.unsaved = next, nil
		return nil
	}
	h.unsaved = &answer
	return k.unstored(h, err)
}

// mayReplay says whether the stored refresh token may be presented again although an earlier attempt's outcome is
// unknown. It is safe with a platform that does not rotate (K0, O0), and so far the only way with one whose kind is not
// known. No kind is learned yet: once it is, by a read-only introspection, every rotating kind and an unknown one must be
// probed here before anything is replayed. The current access token works on meanwhile.
func mayReplay(kind string) bool {
	switch kind {
	case "", "K0", "O0":
		return true
	}
	return false
}

// read gives the connection's record, or an Error of kind NotFound, ReconnectNeeded (it is damaged) or Storage.
func (k *Keeper) read(h *held) (vault.Connection, error) {
	var c vault.Connection
	err := k.vault.View(func(tx *vault.Tx) (err error) {
		c, err = vault.Connections.Get(tx, h.id)
		return err
	})
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, vault.ErrNotFound):
		return c, notFound(h.id)
	case errors.Is(err, vault.ErrIntegrity):
		return c, k.damaged(h, err)
	}
	return c, &Error{Kind: Storage, Connection: h.id, Code: CauseStorage, Err: err}
}

// put stores the record, with the steps that led to it in its timeline, and takes over its new generation. A record that
// somebody deleted or replaced meanwhile is not written: it does not come back.
func (k *Keeper) put(c *vault.Connection, steps ...vault.Step) error {
	var next vault.Connection
	err := k.vault.Update(func(tx *vault.Tx) error {
		next = *c
		if err := vault.Connections.Put(tx, next.ID, &next); err != nil {
			return err
		}
		return k.step(tx, next, steps...)
	})
	if err == nil {
		*c = next
	}
	return err
}
