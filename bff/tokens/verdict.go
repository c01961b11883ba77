package tokens

import (
	"cmp"
	"context"
	"errors"
	"time"

	"locum/bff/audit"
	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/vault"
)

// failed keeps the connection and notes that it cannot be renewed just now. An attempt that was not processed says nothing
// about an earlier one whose outcome is unknown: the record then stays in phase inflight. The audit trail gets one record
// per change of state and not one per attempt; a vault that cannot take the note does not change what the caller is told.
func (k *Keeper) failed(h *held, c vault.Connection, v verdict, cause error) error {
	var own *Error
	if errors.As(cause, &own) {
		cause = own.Err
	}
	next := c
	next.State, next.Cause, next.Phase = StateDegraded, v.cause, v.phase
	if v.kind == Misconfigured {
		next.State = StateMisconfigured
	}
	if next.Phase == "" && h.doubt {
		next.Phase = phaseInflight
	}
	if next.Phase == "" {
		next.DoubtSince, h.doubted = time.Time{}, time.Time{}
	}
	if v.phase != phaseAnswered {
		next.Raw, next.RawStatus = secret.String{}, 0
	}
	err := k.put(&next, k.failure(h, c, v))
	if h.gone.Load() || errors.Is(err, vault.ErrConflict) {
		return k.overtaken(h)
	}
	if err != nil {
		k.log.Error("state of a connection not stored", "connection", c.ID, "state", next.State, "error", err)
	}
	before := h.now.Load()
	k.show(h, before.in(next.State, next.Cause))
	if before.view.State != next.State || before.view.Cause != next.Cause {
		k.note(audit.Event{Kind: "refresh_failed", Code: v.cause}, next)
	}
	k.log.Warn("refresh did not succeed", "connection", c.ID, "platform", c.Platform, "cause", v.cause, "error", cause)
	return &Error{Kind: v.kind, Connection: c.ID, Code: v.cause, RetryAfter: k.settling(h, next), Err: cause}
}

// failure is the step of an attempt that came to nothing.
func (k *Keeper) failure(h *held, c vault.Connection, v verdict) vault.Step {
	s := vault.Step{What: StepFailed, Trigger: h.trigger, Code: v.cause}
	if v.phase == phaseInflight && v.cause == CauseNoAnswer {
		s.What, s.Parent = StepNoAnswer, k.fingerprint(c.Refresh)
	}
	return s
}

// settling is how long a connection in doubt has to wait before anything can be done about it, and no less than a failing
// one has to; 0 when nothing is in doubt.
func (k *Keeper) settling(h *held, c vault.Connection) time.Duration {
	live, err := k.platforms.Get(c.Platform)
	if err != nil || c.Phase != phaseInflight {
		return 0
	}
	m, left := k.move(h, c, live, time.Now())
	if m != wait {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.delay = min(max(backoffFirst, 2*h.delay), backoffLast)
	return max(left, h.delay)
}

// end closes the chain: the refresh token is erased, the current access token serves to its own end (T050). steps are what
// led to it.
func (k *Keeper) end(h *held, c vault.Connection, cause string, steps ...vault.Step) error {
	next := c
	next.State, next.Cause = StateReconnect, cause
	next.Refresh, next.RefreshExpiresIn = secret.String{}, 0
	next.Phase, next.Raw, next.RawStatus = "", secret.String{}, 0
	next.Reuses, next.DoubtSince = 0, time.Time{}
	steps = append(steps, vault.Step{What: StepEnded, Trigger: h.trigger, Code: cause, Parent: k.fingerprint(c.Refresh)})
	if err := k.put(&next, steps...); err != nil {
		return k.unstored(h, err)
	}
	h.doubt, h.doubted = false, time.Time{}
	k.show(h, h.now.Load().in(next.State, next.Cause))
	k.note(audit.Event{Kind: "reconnect_needed", Code: cause}, next)
	k.log.Warn("connection has ended", "connection", c.ID, "platform", c.Platform, "cause", cause)
	return &Error{Kind: ReconnectNeeded, Connection: c.ID, Code: cause}
}

// refused ends a connection whose platform has said invalid_grant. What else it said, and what Locum knows, explains the
// end and decides nothing; it may teach how the platform rotates, and the connections of the same login are asked about.
func (k *Keeper) refused(h *held, c vault.Connection, live *platform.Live, said string) error {
	now := time.Now()
	cause, used := cmp.Or(live.EndOf(said), CauseInvalidGrant), false
	switch {
	case cause == CauseSuperseded, h.doubt && cause == CauseInvalidGrant:
		used = true
		if h.doubt {
			cause = CauseLostAnswer
		}
	case cause == CauseDetached, cause == CauseUserDisabled, cause == CauseOtherClient, cause == CauseConsent:
	case reached(c, now):
		cause = CauseSessionMax
	case unused(c, now):
		cause = CauseExpired
	}
	err := k.end(h, c, cause)
	if KindOf(err) != ReconnectNeeded {
		return err
	}
	if used {
		k.refusedReplay(live, c)
	}
	k.askSiblings(h, live, cause)
	return err
}

// unstored is a vault that does not take a record. A record deleted or replaced meanwhile is no failure of the vault.
func (k *Keeper) unstored(h *held, err error) error {
	if errors.Is(err, vault.ErrNotFound) || errors.Is(err, vault.ErrConflict) {
		return k.overtaken(h)
	}
	if errors.Is(err, vault.ErrIntegrity) {
		return k.damaged(h, err)
	}
	k.show(h, h.now.Load().in(StateDegraded, CauseStorage))
	k.log.Error("vault does not take a connection", "connection", h.id, "error", err)
	return &Error{Kind: Storage, Connection: h.id, Code: CauseStorage, Err: err}
}

// damaged is a record that does not authenticate any more: nothing of it is used. The token in memory serves to its end, as
// it was verified when it came; the practitioner is told to connect again, which sets the record aside.
func (k *Keeper) damaged(h *held, err error) error {
	before := h.now.Load()
	k.show(h, before.in(StateReconnect, CauseDamaged))
	if before.view.State != StateReconnect {
		k.note(audit.Event{Kind: "reconnect_needed", Code: CauseDamaged}, h.remembered())
	}
	if before.view.Cause != CauseDamaged {
		k.jot(h.remembered(), vault.Step{What: StepDamaged, Trigger: h.trigger, Code: CauseDamaged})
	}
	k.log.Error("record of a connection is damaged", "connection", h.id, "platform", h.platform, "error", err)
	return &Error{Kind: ReconnectNeeded, Connection: h.id, Code: CauseDamaged, Err: err}
}

// remembered is what memory knows of a connection whose record cannot be read.
func (h *held) remembered() vault.Connection {
	cur := h.now.Load()
	return vault.Connection{
		ID: h.id, Practitioner: h.practitioner, Platform: h.platform, Clinic: h.clinic, Subject: h.subject,
		Access: cur.lease.Access, ConnectedAt: cur.view.ConnectedAt, Issuer: h.issuer, FHIRUser: cur.view.FHIRUser, Launch: cur.view.Launch,
	}
}

// noteDeadline bounds the wait for an audit record.
const noteDeadline = 5 * time.Second

// note appends an audit record of what has happened to the connection already; nothing depends on it.
func (k *Keeper) note(event audit.Event, c vault.Connection) {
	ctx, cancel := context.WithTimeout(context.Background(), noteDeadline)
	defer cancel()
	event.Practitioner, event.Platform, event.Clinic, event.Connection = c.Practitioner, c.Platform, c.Clinic, c.ID
	if err := k.audit.Event(ctx, event); err != nil {
		k.log.Error("audit record lost", "kind", event.Kind, "connection", c.ID, "code", event.Code, "error", err)
	}
}

func codeOf(err error) string {
	var typed *Error
	if errors.As(err, &typed) {
		return typed.Code
	}
	return ""
}
