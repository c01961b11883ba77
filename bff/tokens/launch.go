package tokens

import (
	"slices"
	"strings"
	"time"
	"unique"

	"locum/bff/oauth"
	"locum/bff/vault"
)

// launchEHR is the Kind of a chain that an EHR has launched; see vault.Attempt.
const launchEHR = "ehr"

// sweptAfter is how long a launched connection is shown after its end: the next launch makes a new one.
const sweptAfter = 24 * time.Hour

// contextOf is what a token answer said beside its tokens.
func contextOf(c oauth.LaunchContext) vault.LaunchContext {
	context := vault.LaunchContext{
		Patient: c.Patient, Encounter: c.Encounter, Intent: c.Intent, StyleURL: c.StyleURL, Tenant: c.Tenant, Banner: c.Banner,
	}
	for _, r := range c.References {
		context.References = append(context.References, vault.LaunchReference(r))
	}
	return context
}

// leanLaunch is lean for a launch context.
func leanLaunch(c vault.LaunchContext) vault.LaunchContext {
	for _, p := range []*string{&c.Kind, &c.Intent, &c.StyleURL, &c.Tenant, &c.Banner} {
		*p = unique.Make(*p).Value()
	}
	c.Patient, c.Encounter = strings.Clone(c.Patient), strings.Clone(c.Encounter)
	c.References = slices.Clone(c.References)
	for i := range c.References {
		r := &c.References[i]
		for _, p := range []*string{&r.Reference, &r.Canonical, &r.Identifier, &r.Type, &r.Role} {
			*p = strings.Clone(*p)
		}
	}
	return c
}

// endOf is the cause of an end that was known from the first: there is nothing to renew the chain with.
func endOf(launch vault.LaunchContext) string {
	if launch.Kind == launchEHR {
		return CauseLaunchEnded
	}
	return CauseNoRefresh
}

// later is when a connection may be looked at again after a flight that failed.
func (h *held) later() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.landed.IsZero() {
		return time.Time{}
	}
	return latest(h.landed.Add(restless), h.notBefore)
}

// finishOver writes down the end of those that have come to it. Nothing is sent for them.
func (k *Keeper) finishOver() {
	s := &k.schedule
	s.mu.Lock()
	over := s.over
	s.over = nil
	s.mu.Unlock()
	for _, h := range over {
		if _, err := k.fly(h, reason{trigger: triggerKeeper}); err != nil {
			k.plan(h)
		}
	}
}

// sweepLaunched deletes the records of EHR launches that ended a day ago, and counts them. They hold nothing that works any
// more; their timelines stay as those of disconnected connections do.
func (k *Keeper) sweepLaunched(now time.Time) (n int, err error) {
	k.mu.RLock()
	var old []*held
	for _, h := range k.conns {
		if cur := h.now.Load(); h.kind == launchEHR && cur.shown(now).State == StateReconnect && now.Sub(cur.liveUntil) > sweptAfter {
			old = append(old, h)
		}
	}
	k.mu.RUnlock()
	for _, h := range old {
		swept, err := k.sweepOne(h, now)
		if err != nil {
			return n, err
		}
		if swept {
			n++
		}
	}
	return n, nil
}

// sweepOne deletes one record, unless its end came later than its last token's, or a new chain has come.
func (k *Keeper) sweepOne(h *held, now time.Time) (swept bool, err error) {
	h.turn <- struct{}{}
	defer func() { <-h.turn }()
	err = k.vault.Update(func(tx *vault.Tx) error {
		swept = false
		c, err := vault.Connections.Get(tx, h.id)
		if err != nil || !c.Refresh.Empty() || c.Phase != "" {
			return nil // damaged, disconnected meanwhile, or not at its end
		}
		line, _ := vault.Timelines.Get(tx, h.id)
		last := c.ReceivedAt.Add(c.ExpiresIn)
		if n := len(line.Steps); n > 0 {
			last = latest(last, latest(line.Steps[n-1].At, line.Steps[n-1].Until))
		}
		if now.Round(0).Sub(last) <= sweptAfter {
			return nil
		}
		swept = true
		if err := k.bury(tx, c); err != nil {
			return err
		}
		return vault.Connections.Delete(tx, h.id)
	})
	if err != nil || !swept {
		return false, err
	}
	h.gone.Store(true)
	k.unindex(h)
	return true, nil
}
