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
//  2. see whether the refresh token may be presented: after an attempt whose outcome is unknown that depends on how the
//     platform rotates, and on what introspection says (doubt.go);
//  3. write the intent (phase inflight). What cannot be stored is not asked for: no intent, no request;
//  4. one wire attempt;
//  5. store the raw answer (phase answered);
//  6. parse it, check it like the first, publish it.
//
// A record found in phase answered starts at step 6, whoever left it there.
func (k *Keeper) refresh(h *held, why reason) error {
	h.trigger = why.trigger
	c, err := k.read(h)
	if err != nil {
		return err
	}
	if k.tooLate(h, c) {
		return ended(h.id, h.now.Load())
	}
	h.doubt = h.doubt || c.Phase == phaseInflight && h.unsaved == nil
	waiting := h.unsaved != nil || c.Phase != ""
	if !waiting && !why.needed(h.now.Load(), time.Now()) {
		return nil
	}
	live, err := k.platforms.Get(c.Platform)
	if err != nil {
		return k.failed(h, c, verdict{kind: Misconfigured, cause: CauseUnknownSystem, phase: c.Phase}, err)
	}
	if waiting || !c.Refresh.Empty() {
		if err := k.reach(live); err != nil {
			return k.failed(h, c, verdict{kind: err.Kind, cause: err.Code, phase: c.Phase}, err)
		}
	}
	if why.probe != "" && !waiting {
		return k.look(h, c, live, why)
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
		return oauth.Answer{}, k.end(h, *c, endOf(c.Launch))
	}
	answer, err := k.offer(h, c, live, why)
	if !h.lost || time.Since(h.sent) > atOnce {
		return answer, err
	}
	// Where that is safe the token is presented once more at once: whoever waits need not know.
	now, failure := k.read(h)
	if m, _ := k.move(h, now, live, time.Now()); failure != nil || m != replay {
		return answer, err
	}
	*c = now
	return k.offer(h, c, live, why)
}

// atOnce is how soon an answer must have been lost for the request to be repeated in the same flight: a platform that
// hangs is not asked twice by one caller.
const atOnce = 3 * time.Second

// offer presents the refresh token once, if that may be done now.
func (k *Keeper) offer(h *held, c *vault.Connection, live *platform.Live, why reason) (oauth.Answer, error) {
	h.lost = false
	m, left := k.move(h, *c, live, time.Now())
	if m != wait && m != stay {
		c.RefreshScopes = k.toAsk(live, *c)
		if err := k.admit(h, live, why); err != nil {
			return oauth.Answer{}, err
		}
		m, left = k.move(h, *c, live, time.Now()) // the wait for the permit may have outlasted a leeway
	}
	steps, err := k.resolve(h, c, live, m, left)
	if err != nil {
		return oauth.Answer{}, err
	}
	return k.send(h, c, live, steps)
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
	next.Reuses, next.DoubtSince = 0, time.Time{}
	step := vault.Step{What: StepRecovered, Trigger: h.trigger, Parent: k.fingerprint(c.Refresh), Child: k.fingerprint(next.Refresh)}
	if err := k.put(&next, step); err != nil {
		return oauth.Answer{}, k.unstored(h, err)
	}
	*c, h.doubt = next, false
	return k.answer(h, c, live, why)
}

// send makes the one wire attempt between the durable intent and the durable answer. Its deadline counts from the intent,
// so that a later process knows when nothing of it can be under way any more.
func (k *Keeper) send(h *held, c *vault.Connection, live *platform.Live, steps []vault.Step) (oauth.Answer, error) {
	now := time.Now()
	intent := *c
	intent.Phase = phaseInflight
	intent.Attempt = vault.RefreshAttempt{ID: rand.Text(), SentAt: now, Node: k.node, Fence: c.Attempt.Fence + 1}
	intent.Reuses++
	if intent.DoubtSince.IsZero() {
		intent.DoubtSince, h.doubted = now, now
	}
	if err := k.put(&intent, steps...); err != nil {
		return oauth.Answer{}, k.unstored(h, err)
	}
	*c, h.sent = intent, now
	answer, err := live.OAuth.Refresh(context.Background(), c.Refresh, c.RefreshScopes) // nil: all of them; its own deadline is wireDeadline
	k.heard(h, live, answer, err)
	if err == nil {
		return answer, k.keepRaw(h, c, answer)
	}
	v := judge(partyOf(live), err)
	if h.lost = v.phase == phaseInflight; h.lost {
		h.doubt = true
	} else {
		c.Reuses--
	}
	return oauth.Answer{}, k.failed(h, *c, v, err)
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
