// Package vault is where everything that Locum keeps lies sealed: one bbolt file whose every value is authenticated
// encryption under a keyset, the keyset wrapped by a master key that lives elsewhere. It never holds a plaintext value,
// name or id on disk, never makes a network call, and never creates a database where one already stands, however broken.
// The packages account, session, tokens, connect, proxy and bff import it; of ours it imports secret alone. It needs a
// Unix system: file modes and flock are part of what it promises.
package vault

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"sync"
)

// Errors of the vault; test with errors.Is.
var (
	ErrNotFound  = errors.New("vault: not found")
	ErrConflict  = errors.New("vault: the record has changed meanwhile")
	ErrIntegrity = errors.New("vault: a record does not authenticate: it was damaged, moved or forged")
	ErrWrongKey  = errors.New("vault: the master key is not the one that this database was made with")
	ErrInUse     = errors.New("vault: another process has the database open; stop it first")
	ErrCorrupt   = errors.New("vault: the database is damaged, or not one of Locum's")
	ErrClosed    = errors.New("vault: closed")
)

// FileName is the name of the database in the data directory.
const FileName = "locum.db"

// Vault is an open database. All its methods may be called from any goroutine.
type Vault struct {
	dir    string
	master MasterKey
	root   []byte     // derivation root: 32 bytes, the same for the life of the database
	index  *keyedHash // of bbolt's keys
	macs   *keyedHash // of MAC

	// mu is held shared by every transaction and alone where the file or the keyset is exchanged.
	mu      sync.RWMutex
	compact sync.Mutex // one Reseal or Compact at a time
	store   *store     // nil once closed
	seal    *sealer
}

// Open opens dir/locum.db. Only where that name does not exist, it makes the directory (0700) and a new database (0600).
// Where it exists, nothing is written before the master key has proved right: ErrWrongKey, ErrInUse (another process
// holds it for longer than a second) and ErrCorrupt leave the file as it was, byte for byte.
func Open(dir string, master MasterKey) (*Vault, error) {
	if master.key.Empty() {
		return nil, errors.New("vault: no master key")
	}
	if err := prepareDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, FileName)
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		if err := create(dir, master); err != nil {
			return nil, err
		}
	}
	st, err := openStore(path)
	if err != nil {
		return nil, err
	}
	v := &Vault{dir: dir, master: master, store: st}
	if err := v.unlock(); err != nil {
		_ = st.Close()
		return nil, err
	}
	if err := tidy(dir); err != nil {
		_ = st.Close()
		return nil, err
	}
	return v, nil
}

// unlock reads the keyset and the derivation root.
func (v *Vault) unlock() error {
	return v.store.View(func(tx storeTx) error {
		seal, err := readKeyset(v.master, tx.get(metaBucket, []byte(metaKeyset)))
		if err != nil {
			return err
		}
		root, err := openRoot(seal, tx.get(metaBucket, []byte(metaRoot)))
		if err != nil {
			return err
		}
		v.seal = seal
		v.setRoot(root)
		return nil
	})
}

func (v *Vault) setRoot(root []byte) {
	v.root = root
	v.index = newKeyedHash(derive(root, "locum vault index"))
	v.macs = newKeyedHash(derive(root, "locum vault mac"))
}

// Close waits for running transactions and closes the file. A second Close does nothing.
func (v *Vault) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.store == nil {
		return nil
	}
	st := v.store
	v.store = nil
	return st.Close()
}

// View runs fn in a read-only transaction on one snapshot. An error of fn is returned as it is. Transactions do not
// nest: neither View nor Update may be called inside fn.
func (v *Vault) View(fn func(*Tx) error) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.store == nil {
		return ErrClosed
	}
	return v.store.View(func(st storeTx) error { return fn(v.tx(st)) })
}

// Update runs fn in a transaction that can write, one at a time. What fn wrote is durable when Update returns nil, and
// nothing of it is kept otherwise. An error of fn is returned as it is. fn may run twice and must not have effects outside
// the transaction, least of all a network call; transactions do not nest.
func (v *Vault) Update(fn func(*Tx) error) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.store == nil {
		return ErrClosed
	}
	return v.store.Update(func(st storeTx) error { return fn(v.tx(st)) })
}

func (v *Vault) tx(st storeTx) *Tx { return &Tx{store: st, seal: v.seal, index: v.index} }

// MAC is a keyed hash of the parts, 43 base64url characters, for references to values that must not be stored. Purpose
// and parts are length-prefixed: no two lists of parts are mistaken for one another. It never changes for a database.
func (v *Vault) MAC(purpose string, parts ...string) string {
	return base64.RawURLEncoding.EncodeToString(v.macs.sum(purpose, parts...))
}

// DeriveKey makes a 32-byte key for a purpose outside the vault, e.g. the chain of the audit trail. It never changes for
// a database.
func (v *Vault) DeriveKey(purpose string) []byte {
	return derive(v.root, "locum purpose "+purpose)
}
