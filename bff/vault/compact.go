package vault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

const (
	resealBatch = 256     // values in one transaction
	copyBatch   = 1 << 20 // bytes in one transaction of the copy
)

// Compact makes deleting final: after it, nothing that was deleted or replaced occurs in the database file, in any form,
// and the keys that sealed it are gone, but for those that lie beside what was set aside (DropDamaged). It reseals
// everything beside other transactions, then holds them up while it copies what is live into a new file and exchanges the
// files. Older copies of the file (a backup, a snapshot) are another matter: they still open with the master key.
func (v *Vault) Compact() error {
	v.compact.Lock()
	defer v.compact.Unlock()
	if err := v.reseal(); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.store == nil {
		return ErrClosed
	}
	return v.exchange()
}

// reseal adds a new primary key, seals every value again under it, and drops the other keys. It works beside other
// transactions, a batch at a time. A call that was cut short leaves all keys live; the next one ends the work, and adds
// no further key. The caller holds v.compact.
//
// What it replaces stays readable in the file's free pages to who has the old keyset; Compact is what removes it.
func (v *Vault) reseal() error {
	if err := v.setKeyset((*sealer).rotated); err != nil {
		return err
	}
	for _, bucket := range collections {
		for after, more := []byte(nil), true; more; {
			var err error
			if after, more, err = v.resealFrom(bucket, after); err != nil {
				return err
			}
		}
	}
	return v.setKeyset((*sealer).primaryOnly)
}

// setKeyset stores a changed keyset, and uses it from then on; no transaction runs meanwhile, so none has another.
func (v *Vault) setKeyset(change func(*sealer) (*sealer, error)) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.store == nil {
		return ErrClosed
	}
	seal, err := change(v.seal)
	if err == nil {
		err = v.moving()
	}
	if err != nil {
		return err
	}
	if err := v.store.Update(func(tx storeTx) error { return writeMeta(tx, v.master, seal, v.root) }); err != nil {
		return err
	}
	seal.uses.noted.Store(seal.uses.done.Load()) // the next transaction notes it exactly
	v.seal = seal
	return nil
}

// resealFrom seals the next batch of a bucket again: place, schema, generation and content stay. It answers where it
// stopped and whether there may be more.
func (v *Vault) resealFrom(bucket string, after []byte) (last []byte, more bool, err error) {
	var met []Damage
	err = v.update(func(tx *Tx) error {
		defer func() { met = tx.damaged }()
		last, more = nil, false
		stale := map[string][]byte{}
		seen := 0
		tx.store.each(bucket, after, func(key, value []byte) bool {
			if seen == resealBatch {
				more = true
				return false
			}
			seen++
			last = append([]byte(nil), key...)
			if value != nil && !tx.seal.current(value) { // nil: somebody's bucket, which stays where it is
				stale[string(key)] = value
			}
			return true
		})
		for key, value := range stale {
			if err := tx.resealOne(bucket, []byte(key), value); err != nil {
				return err
			}
		}
		return nil
	})
	v.report(met)
	return last, more, err
}

func (tx *Tx) resealOne(bucket string, key, value []byte) error {
	schema, generation, plain, err := tx.seal.open(bucket, key, value)
	if err != nil {
		tx.met(bucket, key)
		return tx.setAside(bucket, key)
	}
	sealed, err := tx.seal.seal(bucket, key, schema, generation, plain)
	if err != nil {
		return err
	}
	return tx.store.put(bucket, key, sealed)
}

// exchange copies the live content aside and puts the copy in the file's place. v.mu is held alone.
func (v *Vault) exchange() error {
	st, aside, err := createAside(v.dir)
	if err != nil {
		return err
	}
	if err := copyStore(st, v.store); err != nil {
		return errors.Join(err, st.Close(), os.Remove(aside))
	}
	if err := os.Rename(aside, filepath.Join(v.dir, FileName)); err != nil {
		return errors.Join(fmt.Errorf("vault: exchange the database: %w", err), st.Close(), os.Remove(aside))
	}
	old := v.store
	v.store = st // from here on the name leads to it
	err = syncDir(v.dir)
	if err != nil { // a crash may bring the old file back, and with it lose whatever is written from now on
		err = st.fail(err)
	}
	return errors.Join(err, old.Close())
}

func copyStore(to, from *store) error {
	to.db.NoSync = true // one sync at the end
	err := guarded(func() error { return bbolt.Compact(to.db, from.db, copyBatch) })
	if err != nil {
		return fmt.Errorf("vault: copy the database: %w", err)
	}
	to.db.NoSync = false
	if err := to.db.Sync(); err != nil {
		return fmt.Errorf("vault: copy the database: %w", err)
	}
	return nil
}
