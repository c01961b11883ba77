package vault

import (
	"errors"
	"sync/atomic"
)

// AES-GCM with random nonces may seal 2^32 values under one key (NIST SP 800-38D §8.3). Long before, at renewAt, the vault
// takes a new key and seals everything again under it; at the limit itself, should that never have succeeded, it seals
// nothing more.
const (
	sealLimit = 1 << 32
	renewAt   = 1 << 28

	// usesAhead is how many seals one durable note covers. The number on disk is never below the real one; a restart, or
	// a crash, counts up to so many that never were.
	usesAhead = 1 << 16
)

// errWorn says that a key has sealed all it may.
var errWorn = errors.New("vault: the key has sealed as many values as is safe and could not be renewed; make room on the disk and run `locum compact`")

// keyUses counts what the primary key has sealed: done in this process and before, noted as the disk has it.
type keyUses struct{ done, noted atomic.Uint64 }

// count takes one use.
func (u *keyUses) count() error {
	if u.done.Add(1) > sealLimit {
		return errWorn
	}
	return nil
}

// noteUses writes the count ahead where the one on disk no longer covers it, and says what is noted once the transaction
// has committed. The count stands in the place of a generation, so that it authenticates.
func noteUses(tx storeTx, seal *sealer) (noted uint64, err error) {
	if noted = seal.uses.noted.Load(); noted > seal.uses.done.Load() {
		return noted, nil
	}
	noted = seal.uses.done.Load() + usesAhead
	value, err := seal.seal(metaBucket, []byte(metaUses), 1, noted, nil)
	if err != nil {
		return 0, err
	}
	return noted, tx.put(metaBucket, []byte(metaUses), value)
}

// readUses gives a keyset read from the disk its count. A database of the first version has none; one that does not
// authenticate counts as worn, so that a new key comes soon.
func readUses(tx storeTx, seal *sealer) {
	value := tx.get(metaBucket, []byte(metaUses))
	if value == nil {
		return
	}
	_, noted, _, err := seal.open(metaBucket, []byte(metaUses), value)
	if err != nil {
		noted = renewAt
	}
	seal.uses.done.Store(noted)
	seal.uses.noted.Store(noted)
}

// renew seals everything again under a new key once the old one has sealed enough. It is asked after every transaction
// that wrote. Where it fails, for a full disk say, the next usesAhead transactions do not try again.
func (v *Vault) renew() {
	v.mu.RLock()
	due := v.seal.uses.done.Load() >= v.renewAt.Load()
	v.mu.RUnlock()
	if !due || !v.compact.TryLock() {
		return
	}
	defer v.compact.Unlock()
	if err := v.reseal(); err != nil {
		v.renewAt.Add(usesAhead)
		return
	}
	v.renewAt.Store(renewAt)
}
