package main

import (
	"errors"

	"locum/bff/vault"
)

// Exit codes beyond 0 done, 1 failed and 2 misused: what whoever starts Locum may want to tell apart without reading.
const (
	exitWrongKey = 3 // the master key is not this vault's
	exitInUse    = 4 // another process has the vault open
	exitDamaged  = 5 // the vault is damaged, gone, not one of Locum's, or a newer version's
)

// exitCode is the code of a command that failed.
func exitCode(err error) int {
	switch {
	case errors.Is(err, vault.ErrWrongKey):
		return exitWrongKey
	case errors.Is(err, vault.ErrInUse):
		return exitInUse
	case errors.Is(err, vault.ErrCorrupt), errors.Is(err, vault.ErrMissing), errors.Is(err, vault.ErrVersion):
		return exitDamaged
	}
	return 1
}
