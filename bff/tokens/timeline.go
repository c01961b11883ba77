package tokens

import (
	"errors"
	"slices"
	"time"

	"locum/bff/secret"
	"locum/bff/vault"
)

// What a Step says has happened: the closed list. Whoever makes the change writes the step, in the same transaction.
const (
	StepConnected    = "connected"        // the first chain; Child
	StepReconnected  = "reconnected"      // a new chain under the same id; Parent (the old chain), Child
	StepRefreshed    = "refreshed"        // Parent, Child
	StepRecovered    = "recovered"        // an answer that an earlier process had stored was read; Parent, Child
	StepFailed       = "failed"           // nothing came of it, and nothing is in doubt; Code: the cause
	StepNoAnswer     = "no_answer"        // sent, and the outcome is unknown; Code: the cause; Parent
	StepProbed       = "probed"           // the platform was asked about a token, which changes nothing; Code: Probe*; Parent
	StepReplayed     = "replayed"         // the same token was presented again after a doubt; Parent
	StepRefused      = "refused"          // the platform's API refused a token that was fresh
	StepKept         = "kept_back"        // left unrefreshed on purpose; Code: the keep-alive policy
	StepLearned      = "learned"          // how the platform rotates; Code: platform.Kind*
	StepForecast     = "forecast"         // an absolute end became known; Until is that end
	StepRestored     = "restored"         // a backup was put back: the chain is probed before it is used
	StepDamaged      = "damaged"          // the record does not authenticate
	StepSibling      = "sibling_ended"    // another connection of the same sign-in ended; Detail: its id, where it is the same practitioner's
	StepEnded        = "ended"            // the chain is over; Code: the cause
	StepDisconnected = "disconnected"     // by the practitioner; Code: platform.Ending*
	StepRevoked      = "revoked"          // the platform confirmed
	StepSignedOut    = "signed_out_there" // the platform ended the login behind it
	StepNotRevoked   = "not_revoked"      // it did not confirm; Code: the cause
	StepDiagnosed    = "diagnosed"        // the practitioner had the platform asked; Code: Probe*
)

// What a probe has found: the Code of StepProbed and StepDiagnosed.
const (
	ProbeActive   = "active"
	ProbeInactive = "inactive"
	ProbeUnusable = "unusable" // it cannot be asked, or what it answers says nothing
)

// triggerSeveral stands on a step that counts steps of several triggers.
const triggerSeveral = "several"

// Bounds of a timeline. A refresh rewrites it, so it stays within a few pages; without its bounds a connection that flaps
// would grow for ever.
const (
	maxSteps = 48
	maxBytes = 3600 // of encoded steps, about
	tellsFor = 7 * 24 * time.Hour
)

// weights say what goes first when a timeline is full, and 0 what is counted rather than listed. What is not here is 0.
var weights = map[string]int{
	StepNoAnswer: 1, StepProbed: 1, StepReplayed: 1, StepRecovered: 1, StepForecast: 1, StepSibling: 1, StepLearned: 1,
	StepReconnected: 2, StepRestored: 2, StepDamaged: 2, StepEnded: 2, StepDisconnected: 2,
	StepRevoked: 2, StepSignedOut: 2, StepNotRevoked: 2,
	StepConnected: 3,
}

// step appends to the connection's timeline, in the transaction that stores what the steps led to. A timeline that cannot
// be read is begun anew: it explains, and nothing depends on it.
func (k *Keeper) step(tx *vault.Tx, c vault.Connection, steps ...vault.Step) error {
	return k.narrate(tx, c, time.Time{}, steps)
}

// bury is step in the transaction that deletes the connection's record: the timeline stays for tellsFor, so that the end
// can be explained.
func (k *Keeper) bury(tx *vault.Tx, c vault.Connection, steps ...vault.Step) error {
	return k.narrate(tx, c, time.Now(), steps)
}

func (k *Keeper) narrate(tx *vault.Tx, c vault.Connection, ended time.Time, steps []vault.Step) error {
	if len(steps) == 0 && ended.IsZero() {
		return nil
	}
	line, err := vault.Timelines.Get(tx, c.ID)
	switch {
	case errors.Is(err, vault.ErrVersion): // a later Locum's: it is not overwritten
		return nil
	case err != nil && !errors.Is(err, vault.ErrNotFound) && !errors.Is(err, vault.ErrIntegrity):
		return err
	}
	line.Connection, line.Practitioner, line.Platform, line.Clinic = c.ID, c.Practitioner, c.Platform, c.Clinic
	line.EndedAt = ended
	line.Steps = lengthen(line.Steps, steps)
	return vault.Timelines.Put(tx, c.ID, &line)
}

// epilogue appends to the timeline of a connection that is gone; where there is none any more it does nothing.
func (k *Keeper) epilogue(tx *vault.Tx, connection string, steps ...vault.Step) error {
	line, err := vault.Timelines.Get(tx, connection)
	switch {
	case errors.Is(err, vault.ErrNotFound), errors.Is(err, vault.ErrIntegrity), errors.Is(err, vault.ErrVersion):
		return nil
	case err != nil:
		return err
	}
	line.Steps = lengthen(line.Steps, steps)
	return vault.Timelines.Put(tx, connection, &line)
}

// jot is step in a transaction of its own, for what happens while the connection's record cannot be written. Nothing
// depends on it.
func (k *Keeper) jot(c vault.Connection, steps ...vault.Step) {
	err := k.vault.Update(func(tx *vault.Tx) error { return k.step(tx, c, steps...) })
	if err != nil {
		k.log.Warn("step of a connection not recorded", "connection", c.ID, "error", err)
	}
}

// Forget deletes the timelines of connections that were disconnected, or not seen any more, for a week, and counts them. It
// reads them all.
func (k *Keeper) Forget() (n int, err error) {
	if !k.enter() {
		return 0, nil
	}
	defer k.working.Done()
	if _, err := k.sweepLaunched(time.Now()); err != nil {
		return 0, err
	}
	var old []string
	err = k.vault.View(func(tx *vault.Tx) error {
		old = nil
		return vault.Timelines.Each(tx, func(line vault.Timeline) error {
			last := line.EndedAt
			if n := len(line.Steps); last.IsZero() && n > 0 { // of a record that is damaged since a start
				last = latest(line.Steps[n-1].At, line.Steps[n-1].Until)
			}
			if _, there := k.find(line.Practitioner, line.Connection); !there && time.Since(last) > tellsFor {
				old = append(old, line.Connection)
			}
			return nil
		})
	})
	if err != nil || len(old) == 0 {
		return 0, err
	}
	err = k.vault.Update(func(tx *vault.Tx) error {
		for _, id := range old {
			if err := vault.Timelines.Delete(tx, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(old), nil
}

// fingerprint tells one token from another in a timeline, and nothing about it: 60 bits of a keyed hash.
func (k *Keeper) fingerprint(token secret.String) string {
	if token.Empty() {
		return ""
	}
	return k.vault.MAC("tokens.fingerprint", token.Reveal())[:10]
}

// lengthen gives the steps with more behind them, within the bounds: equal ones in a row are one, and what tells least
// goes first.
func lengthen(steps, more []vault.Step) []vault.Step {
	for _, s := range more {
		if s.At.IsZero() {
			s.At = time.Now()
		}
		s.At, s.Count = s.At.Round(0).UTC(), max(1, s.Count)
		if n := len(steps); n == 0 || !merge(&steps[n-1], s) {
			steps = append(steps, s)
		}
	}
	size := 0
	for _, s := range steps {
		size += sizeOf(s)
	}
	for len(steps) > 1 && (len(steps) > maxSteps || size > maxBytes) {
		i := least(steps)
		size -= sizeOf(steps[i])
		steps = slices.Delete(steps, i, i+1)
		if i > 0 && i < len(steps) && merge(&steps[i-1], steps[i]) { // what is neighbours now may be equal
			size -= sizeOf(steps[i])
			steps = slices.Delete(steps, i, i+1)
		}
	}
	return steps
}

// merge counts s to the step before it where it tells nothing that that one does not: the run then leads from the first
// one's parent to the last one's child.
func merge(last *vault.Step, s vault.Step) bool {
	same := last.What == s.What && last.Code == s.Code && last.Detail == s.Detail
	if !same || weights[s.What] > 1 && s.What != StepDamaged || s.What == StepForecast {
		return false
	}
	last.Count += s.Count
	last.Until = latest(s.At, s.Until)
	if s.Child != "" {
		last.Child = s.Child
	}
	if last.Trigger != s.Trigger {
		last.Trigger = triggerSeveral
	}
	return true
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// least is the oldest of the steps that tell least; the newest of all is none of them.
func least(steps []vault.Step) int {
	found := 0
	for i, s := range steps[:len(steps)-1] {
		if weights[s.What] < weights[steps[found].What] {
			found = i
		}
	}
	return found
}

// sizeOf is about what a step takes in the vault.
func sizeOf(s vault.Step) int {
	return 40 + len(s.What) + len(s.Trigger) + len(s.Code) + len(s.Detail) + len(s.Parent) + len(s.Child)
}
