package vault

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

const (
	lockWait  = time.Second
	lockRetry = 50 * time.Millisecond
)

// store keeps opaque bytes under opaque keys in named buckets: View, Update, Close and nothing that knows a record. It is
// the seam below which another database can stand. Slices that a transaction gives are valid until it ends.
type store struct{ db *bbolt.DB }

// storeTx is a transaction of a store.
type storeTx struct{ tx *bbolt.Tx }

// openStore opens an existing file: locks it, checks every page of it, and only then lets bbolt map it, because bbolt
// trusts what it maps and a damaged page number would end the process. Nothing is written.
func openStore(path string) (*store, error) {
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("vault: open the database: %w", err)
	}
	if err := prepareFile(f, path); err != nil {
		_ = f.Close()
		return nil, err
	}
	db, err := bbolt.Open(path, 0o600, boltOptions(f)) // closes f when it fails
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, path, err)
	}
	return &store{db}, nil
}

func prepareFile(f *os.File, path string) error {
	if err := lock(f, path); err != nil {
		return err
	}
	if err := checkPages(f); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, path, err)
	}
	return nil
}

// boltOptions hands f to bbolt, which takes the lock again on the same open file: so it is never let go in between.
func boltOptions(f *os.File) *bbolt.Options {
	return &bbolt.Options{
		Timeout:      lockWait,
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		OpenFile:     func(string, int, os.FileMode) (*os.File, error) { return f, nil },
	}
}

// lock takes the file for this process alone, waiting at most lockWait, and makes sure that path still leads to it: a
// compaction exchanges the file.
func lock(f *os.File, path string) error {
	for start := time.Now(); ; time.Sleep(lockRetry) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("vault: lock %s: %w", path, err)
		}
		if time.Since(start) >= lockWait {
			return fmt.Errorf("%w: %s", ErrInUse, path)
		}
	}
	mine, err := f.Stat()
	if err != nil {
		return fmt.Errorf("vault: examine %s: %w", path, err)
	}
	if there, err := os.Lstat(path); err != nil || !os.SameFile(mine, there) {
		return fmt.Errorf("%w: %s was exchanged while it was being opened", ErrInUse, path)
	}
	return nil
}

func (s *store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("vault: close: %w", err)
	}
	return nil
}

// View runs fn on one snapshot.
func (s *store) View(fn func(storeTx) error) error {
	return s.run(s.db.View, fn)
}

// Update runs fn and commits with fdatasync, or rolls back when fn returns an error.
func (s *store) Update(fn func(storeTx) error) error {
	return s.run(s.db.Update, fn)
}

// run tells an error of fn, returned as it is, from one of the database, which gets the vault's name.
func (s *store) run(do func(func(*bbolt.Tx) error) error, fn func(storeTx) error) error {
	var own error
	err := do(func(tx *bbolt.Tx) error {
		own = fn(storeTx{tx})
		return own
	})
	if err == nil || own != nil {
		return err
	}
	return fmt.Errorf("vault: transaction: %w", err)
}

func (t storeTx) get(bucket string, key []byte) []byte {
	b := t.tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	return b.Get(key)
}

func (t storeTx) put(bucket string, key, value []byte) error {
	b, err := t.tx.CreateBucketIfNotExists([]byte(bucket))
	if err != nil {
		return fmt.Errorf("vault: bucket %s: %w", bucket, err)
	}
	if err := b.Put(key, value); err != nil {
		return fmt.Errorf("vault: put into %s: %w", bucket, err)
	}
	return nil
}

func (t storeTx) delete(bucket string, key []byte) error {
	b := t.tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	if err := b.Delete(key); err != nil {
		return fmt.Errorf("vault: delete from %s: %w", bucket, err)
	}
	return nil
}

// each calls fn for the keys greater than after (nil: all) in their order, until it answers false.
func (t storeTx) each(bucket string, after []byte, fn func(key, value []byte) bool) {
	b := t.tx.Bucket([]byte(bucket))
	if b == nil {
		return
	}
	c := b.Cursor()
	key, value := c.First()
	if after != nil {
		if key, value = c.Seek(after); string(key) == string(after) {
			key, value = c.Next()
		}
	}
	for ; key != nil && fn(key, value); key, value = c.Next() {
	}
}
