package tokens

import "locum/bff/vault"

// Rejected notes that the platform's API refused a token that a refresh has just given for this very call: whatever the token
// endpoint says, the connection does not work, and does not show that it does. Nothing is asked for because of it; the next
// refresh or the first call that is answered heals it.
func (k *Keeper) Rejected(lease Lease) {
	h, cur, ok := k.holder(lease)
	if !ok || cur.view.State != StateConnected {
		return
	}
	if !k.enter() {
		return
	}
	defer k.working.Done()
	if k.tint(h, cur, StateDegraded, CauseInvalidToken) {
		k.jot(h.remembered(), vault.Step{What: StepRefused, Trigger: triggerRefused, Code: CauseInvalidToken})
		k.log.Warn("a fresh token was refused", "connection", h.id, "platform", h.platform)
	}
}

// Worked notes that a call with this token was answered after a fresh one had been refused.
func (k *Keeper) Worked(lease Lease) {
	if h, cur, ok := k.holder(lease); ok && cur.view.Cause == CauseInvalidToken {
		k.tint(h, cur, StateConnected, "")
	}
}

// tint changes what a connection shows, unless it has become another meanwhile; what it hands out and when it is refreshed
// stay.
func (k *Keeper) tint(h *held, cur *current, state, cause string) bool {
	next := *cur
	next.view.State, next.view.Cause = state, cause
	return k.swap(h, cur, &next)
}

// holder finds the connection whose current token the lease is.
func (k *Keeper) holder(lease Lease) (*held, *current, bool) {
	k.mu.RLock()
	h, ok := k.conns[lease.Connection]
	k.mu.RUnlock()
	if !ok || h.gone.Load() {
		return nil, nil, false
	}
	cur := h.now.Load()
	return h, cur, cur.lease.Generation == lease.Generation
}
