package tokens

import (
	"locum/bff/platform"
	"locum/bff/vault"
)

// maxSiblings bounds how many connections one end makes Locum ask about.
const maxSiblings = 32

// others are the platform's other connections.
func (k *Keeper) others(h *held) []*held {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var all []*held
	for _, other := range k.conns {
		if other != h && other.platform == h.platform && !other.gone.Load() {
			all = append(all, other)
		}
	}
	return all
}

// siblings are the other connections that came of the same login at the platform, whoever they belong to here. Keycloak
// keeps one session for a client and login: what ends it for one of them ends it for all (refresh-protocol D3).
func (k *Keeper) siblings(h *held) []*held {
	sid := h.now.Load().sid
	if sid == "" {
		return nil
	}
	var same []*held
	for _, other := range k.others(h) {
		if other.now.Load().sid == sid {
			same = append(same, other)
		}
	}
	return same
}

// liveSiblings are those that have a refresh token to lose.
func (k *Keeper) liveSiblings(h *held) []*held {
	var alive []*held
	for _, other := range k.siblings(h) {
		if other.now.Load().renewable {
			alive = append(alive, other)
		}
	}
	return alive
}

// siblingCauses says what the end of one connection means for the others of its login, should they be found ended too;
// what is not here concerns one connection alone.
var siblingCauses = map[string]string{
	CauseSuperseded: CauseDetached, CauseLostAnswer: CauseDetached, CauseDetached: CauseDetached, CauseInvalidGrant: CauseDetached,
	CauseSessionEnded: CauseSessionEnded, CauseSessionMax: CauseSessionMax, CauseLoggedOut: CauseLoggedOut,
	CauseUserDisabled: CauseUserDisabled,
}

// ask the platform about the siblings of a connection that it has just ended, one after another, so that whoever they
// belong to reads what became of them now and not at the next patient (T056). Asking changes nothing.
func (k *Keeper) askSiblings(h *held, live *platform.Live, cause string) {
	if then, concerns := siblingCauses[cause]; concerns {
		k.askThem(k.liveSiblings(h), h, live, then)
	}
}

// askThem asks about connections after the end of h; then is the cause to show of those that are found ended too.
func (k *Keeper) askThem(siblings []*held, h *held, live *platform.Live, then string) {
	if live.OAuth.Server().Introspection == "" || len(siblings) == 0 || !k.enter() {
		return
	}
	siblings = siblings[:min(len(siblings), maxSiblings)]
	go func() {
		defer k.working.Done()
		for _, sibling := range siblings {
			if k.ctx.Err() != nil {
				return
			}
			why := reason{probe: then, trigger: triggerPlatform}
			if sibling.practitioner == h.practitioner { // nobody is told of another's connections
				why.of = h.id
			}
			if f, err := k.fly(sibling, why); err == nil {
				<-f.done
			}
		}
	}()
}

// look asks whether a connection whose sibling has ended still works, and shows what it hears. Where introspection is of
// no use nothing changes: its own next refresh will tell. The caller holds the turn.
func (k *Keeper) look(h *held, c vault.Connection, live *platform.Live, why reason) error {
	probed := vault.Step{What: StepProbed, Trigger: h.trigger, Code: ProbeActive, Parent: k.fingerprint(c.Refresh)}
	active, err := k.probe(h, live, c.Refresh, true)
	switch {
	case err != nil:
		k.log.Warn("sibling of an ended connection not asked about", "connection", c.ID, "platform", c.Platform, "error", err)
		probed.Code = ProbeUnusable
		fallthrough
	case active:
		k.jot(c, vault.Step{What: StepSibling, Trigger: h.trigger, Detail: why.of}, probed)
		return nil
	}
	probed.Code = ProbeInactive
	return k.end(h, c, why.probe, vault.Step{What: StepSibling, Trigger: h.trigger, Detail: why.of}, probed)
}
