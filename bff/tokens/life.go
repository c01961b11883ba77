package tokens

import (
	"errors"
	"slices"
	"time"

	"locum/bff/platform"
	"locum/bff/vault"
)

// Life is all that can be said about a connection without a token: what it shows, why, since when, what helps, how long it
// lasts, and what has happened to it. Of one that was disconnected View names it and no more.
type Life struct {
	View    View
	Remedy  Remedy
	Since   time.Time // when State and Cause began, as far as the timeline reaches back
	RetryAt time.Time // when Locum tries again by itself, after a failure
	EndedAt time.Time // when it was disconnected
	ToldTo  time.Time // until then Locum can explain the end
	Kind    string    // platform.Kind*, how its platform rotates, as it is acted on; "" unknown
	// Observed is how its platform was seen to rotate, where that is not what was configured; "" otherwise.
	Observed string
	Policy   platform.RefreshPolicy
	Steps    []vault.Step // the oldest first
}

// Life gives the life of one connection of the practitioner's, or, for a week, of one that was. It needs the timeline
// alone: a connection whose record is damaged is explained as well. Errors are of kind NotFound and Storage.
func (k *Keeper) Life(practitioner, connection string) (Life, error) {
	var line vault.Timeline
	var broken bool
	err := k.vault.View(func(tx *vault.Tx) (err error) {
		_, err = vault.Connections.Get(tx, connection)
		broken = errors.Is(err, vault.ErrIntegrity)
		line, err = vault.Timelines.Get(tx, connection)
		return err
	})
	none := errors.Is(err, vault.ErrNotFound) || errors.Is(err, vault.ErrIntegrity) || errors.Is(err, vault.ErrVersion)
	if err != nil && !none {
		return Life{}, &Error{Kind: Storage, Connection: connection, Code: CauseStorage, Err: err}
	}
	now := time.Now()
	life := Life{Steps: slices.Clone(line.Steps)}
	h, there := k.find(practitioner, connection)
	switch {
	case there:
		life.View = k.shown(h, now)
		life.Since = since(line.Steps, life.View.Cause)
		life.RetryAt = k.retryAt(h, now, &life.Since)
		if life.View.Cause == CauseExpired {
			life.Since = h.now.Load().keptUntil
		}
		if cur := h.now.Load(); cur.finite && life.View.State == StateReconnect {
			life.Since = cur.liveUntil
		}
		life.Remedy = remedy(life.View.Cause, now.Sub(life.since(now)))
		if h.now.Load().finite && life.View.Cause == CauseInvalidToken { // no refresh will mend it
			life.Remedy = Remedy{Next: NextReconnect, By: ByPractitioner}
		}
		if life.Remedy.Next == NextReconnect && h.kind == launchEHR { // only the EHR says for which patient
			life.Remedy.Next = NextLaunch
		}
	case none || line.Practitioner != practitioner || line.EndedAt.IsZero() && !broken:
		return Life{}, notFound(connection)
	case line.EndedAt.IsZero(): // not in the index since a start: who it was as is not known any more
		life.View = gone(line, StateReconnect, CauseDamaged)
		life.Remedy = Remedy{Next: NextConnect, By: ByPractitioner}
	default:
		life.View = gone(line, StateEnded, "")
		life.EndedAt, life.Since, life.ToldTo = line.EndedAt, line.EndedAt, line.EndedAt.Add(tellsFor)
		life.Remedy = Remedy{Next: NextConnect, By: ByPractitioner}
	}
	if live, err := k.platforms.Get(life.View.Platform); err == nil {
		r := k.rotation(live)
		life.Policy, life.Kind, life.Observed = live.Refresh, r.Kind, r.Contradiction
	}
	return life, nil
}

// gone is what a timeline knows of its connection.
func gone(line vault.Timeline, state, cause string) View {
	return View{ID: line.Connection, Practitioner: line.Practitioner, Platform: line.Platform, Clinic: line.Clinic, State: state, Cause: cause}
}

// since is when the state began; without a word in the timeline it has just begun.
func (l Life) since(now time.Time) time.Time {
	if l.Since.IsZero() {
		return now
	}
	return l.Since
}

// retryAt is when Locum asks again by itself: at the end of the connection's back-off, or of its platform's. Zero while
// neither backs off. A connection that shows its platform's failure without having met it does so since the platform fails.
func (k *Keeper) retryAt(h *held, now time.Time, since *time.Time) (at time.Time) {
	h.mu.Lock()
	if h.last != nil && !k.lifted(h) {
		at = h.notBefore
	}
	h.mu.Unlock()
	if l := k.lanes[h.platform]; l != nil {
		l.mu.Lock()
		if l.failing {
			at = latest(at, l.next)
			if since.IsZero() && l.cause == h.now.Load().view.Cause {
				*since = l.opened
			}
		}
		l.mu.Unlock()
	}
	if !at.After(now) {
		return time.Time{}
	}
	return at
}
