package tokens

import (
	"errors"
	"time"

	"locum/bff/secret"
	"locum/bff/vault"
)

// maxSteps bounds a timeline; the oldest steps go first.
const maxSteps = 60

// step appends to the connection's timeline, in the transaction that stores what the steps led to. A timeline that cannot
// be read is begun anew: it explains, and nothing depends on it.
func (k *Keeper) step(tx *vault.Tx, c vault.Connection, steps ...vault.Step) error {
	if len(steps) == 0 {
		return nil
	}
	line, err := vault.Timelines.Get(tx, c.ID)
	if err != nil && !errors.Is(err, vault.ErrNotFound) && !errors.Is(err, vault.ErrIntegrity) {
		return err
	}
	line.Connection, line.Practitioner, line.Platform, line.Clinic = c.ID, c.Practitioner, c.Platform, c.Clinic
	for _, s := range steps {
		if s.At.IsZero() {
			s.At = time.Now()
		}
		line.Steps = append(line.Steps, s)
	}
	line.Steps = line.Steps[max(0, len(line.Steps)-maxSteps):]
	return vault.Timelines.Put(tx, c.ID, &line)
}

// fingerprint tells one token from another in a timeline, and nothing about it: 60 bits of a keyed hash.
func (k *Keeper) fingerprint(token secret.String) string {
	if token.Empty() {
		return ""
	}
	return k.vault.MAC("tokens.fingerprint", token.Reveal())[:10]
}
