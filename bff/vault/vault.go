// Package vault is where everything that Locum keeps lies sealed: one bbolt file whose every value is authenticated
// encryption under a keyset, the keyset wrapped by a master key that lives elsewhere. It never holds a plaintext value,
// name or id on disk, never makes a network call, and never creates a database where one already stands, however broken.
// The packages account, session, tokens, connect, proxy and bff import it; of ours it imports secret alone. It needs a
// Unix system: file modes and flock are part of what it promises.
package vault

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// Errors of the vault; test with errors.Is.
var (
	ErrNotFound  = errors.New("vault: not found")
	ErrConflict  = errors.New("vault: the record has changed meanwhile")
	ErrIntegrity = errors.New("vault: a record does not authenticate: it was damaged, moved or forged")
	ErrWrongKey  = errors.New("vault: the master key is not the one that this database was made with")
	ErrInUse     = errors.New("vault: another process has the database open")
	ErrCorrupt   = errors.New("vault: the database is damaged, or not one of Locum's")
	ErrMissing   = errors.New("vault: the database that was here is gone")
	ErrVersion   = errors.New("vault: written by a newer version of Locum; use that one")
	ErrDisk      = errors.New("vault: the disk did not take a write; check it and start Locum again, until then nothing is read or written")
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
	compact sync.Mutex // one reseal or Compact at a time
	mark    *mark
	store   *store // nil once closed
	seal    *sealer

	renewAt atomic.Uint64 // uses of the key
	reports damageReports
}

// Open opens dir/locum.db. Only where no database ever was in dir, it makes the directory (0700) and a new one (0600).
// Where one is, nothing of it is written before the master key has proved right: ErrWrongKey, ErrInUse (another process
// holds it for longer than a second), ErrCorrupt and ErrVersion leave the file as it was, byte for byte. ErrMissing: one was
// there. A record that is damaged does not keep the others from being opened; see Damaged.
func Open(dir string, master MasterKey) (*Vault, error) {
	if master.key.Empty() {
		return nil, errors.New("vault: no master key")
	}
	if err := prepareDir(dir); err != nil {
		return nil, err
	}
	m, err := takeMark(dir)
	if err != nil {
		return nil, err
	}
	v, err := openMarked(dir, master, m)
	if err != nil {
		m.release()
		return nil, err
	}
	return v, nil
}

// openMarked opens the database, or makes it, for whom holds its mark.
func openMarked(dir string, master MasterKey, m *mark) (*Vault, error) {
	path := filepath.Join(dir, FileName)
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		if m.made {
			return nil, missing(path)
		}
		if err := create(dir, master); err != nil {
			return nil, err
		}
	}
	st, err := openStore(path, m, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	v := &Vault{dir: dir, master: master, mark: m, store: st}
	v.renewAt.Store(renewAt)
	if err := v.unlock(); err != nil {
		_ = st.Close()
		return nil, err
	}
	last, _ := st.last()
	if err := errors.Join(tidy(dir), m.born(last)); err != nil {
		_ = st.Close()
		return nil, err
	}
	return v, nil
}

// unlock reads the keyset, its count of uses and the derivation root, and makes sure that nothing has lost its name.
func (v *Vault) unlock() error {
	return v.store.View(func(tx storeTx) error {
		seal, err := readKeyset(v.master, tx.get(metaBucket, []byte(metaKeyset)))
		if err != nil {
			return err
		}
		if name, found := tx.stranger(); found { // under another name a bucket would be lost with all that is in it
			return fmt.Errorf("%w: it holds %.20q, which is none of Locum's", ErrCorrupt, name)
		}
		readUses(tx, seal)
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

// Close waits for running transactions, closes the file and marks it as closed in good order. A second Close does nothing.
func (v *Vault) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.store == nil {
		return nil
	}
	st := v.store
	v.store = nil
	defer v.mark.release()
	last, sound := st.last()
	if err := st.Close(); err != nil || !sound {
		return err
	}
	return v.mark.closed(last)
}

// Healthy is nil, ErrClosed, or ErrDisk once a write has failed in a way that leaves open what the disk holds. Every
// transaction is refused then, reading ones too: the mapped file may show what Update has refused.
func (v *Vault) Healthy() error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.store == nil {
		return ErrClosed
	}
	return v.store.healthy()
}

// View runs fn in a read-only transaction on one snapshot. An error of fn is returned as it is. Transactions do not
// nest: neither View nor Update may be called inside fn.
func (v *Vault) View(fn func(*Tx) error) error {
	var met []Damage
	err := v.view(func(tx *Tx) error {
		defer func() { met = tx.damaged }()
		return fn(tx)
	})
	v.report(met)
	return err
}

func (v *Vault) view(fn func(*Tx) error) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.store == nil {
		return ErrClosed
	}
	return v.store.View(func(st storeTx) error { return fn(v.tx(st)) })
}

// Update runs fn in a transaction that can write, one at a time. What fn wrote is durable when Update returns nil, and
// nothing of it is kept otherwise. An error of fn is returned as it is. fn may run twice and must not have effects outside
// the transaction, least of all a network call; transactions do not nest. ErrDisk: see Healthy; a disk that is merely full
// is another error, and Update works again once there is room.
func (v *Vault) Update(fn func(*Tx) error) error {
	var met []Damage
	err := v.update(func(tx *Tx) error {
		defer func() { met = tx.damaged }()
		return fn(tx)
	})
	v.report(met)
	if err == nil {
		v.renew()
	}
	return err
}

func (v *Vault) update(fn func(*Tx) error) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.store == nil {
		return ErrClosed
	}
	if err := v.moving(); err != nil {
		return err
	}
	var noted uint64
	err := v.store.Update(func(st storeTx) (err error) {
		if err = fn(v.tx(st)); err == nil {
			noted, err = noteUses(st, v.seal)
		}
		return err
	})
	if err == nil {
		v.seal.uses.noted.Store(noted)
	}
	return err
}

// moving takes back the mark's claim before the first write. A mark that cannot be written is a disk that cannot, in all
// that follows too.
func (v *Vault) moving() error {
	err := v.mark.moving()
	if err == nil || noRoom(err) {
		return err
	}
	return v.store.fail(err)
}

func (v *Vault) tx(st storeTx) *Tx {
	return &Tx{store: st, master: v.master, seal: v.seal, index: v.index}
}

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
