package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
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
type store struct {
	db     *bbolt.DB
	failed atomic.Pointer[error] // why nothing is written any more
	stuck  atomic.Bool           // bbolt was interrupted and may hold its locks for ever

	// writing lets one Update at a time near bbolt's own lock: whoever waits for it is told when it will never be free, and
	// between a commit that failed and the look at what it left nobody else commits.
	writing sync.Mutex
}

// storeTx is a transaction of a store.
type storeTx struct{ tx *bbolt.Tx }

// openStore opens an existing file: locks it, checks every page of it, and only then lets bbolt map it, because bbolt
// trusts what it maps and a damaged page number would end the process. Nothing is written; where access is os.O_RDONLY,
// nothing can be.
func openStore(path string, m *mark, access int) (*store, error) {
	f, err := os.OpenFile(path, access|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENXIO) {
		return nil, fmt.Errorf("%w: it is no regular file: %w", ErrCorrupt, err)
	}
	if err != nil {
		return nil, fmt.Errorf("vault: open the database: %w", err)
	}
	if err := prepareFile(f, path, m); err != nil {
		_ = f.Close()
		return nil, err
	}
	db, err := openBolt(path, f, access)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, path, err)
	}
	return &store{db: db}, nil
}

// openBolt hands f to bbolt, which closes it when it fails.
func openBolt(path string, f *os.File, access int) (db *bbolt.DB, err error) {
	err = guarded(func() (err error) {
		db, err = bbolt.Open(path, 0o600, boltOptions(f, access))
		return err
	})
	return db, err
}

func prepareFile(f *os.File, path string, m *mark) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("vault: examine %s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s: it is no regular file", ErrCorrupt, path)
	}
	if err := lock(f, path); err != nil {
		return err
	}
	last, err := checkPages(f)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, path, err)
	}
	if last < m.transaction { // a later one is somebody's tool at work; every record speaks for itself
		return fmt.Errorf("%w: %s is at transaction %d and was at %d when it was closed: it has lost its last write, or "+
			"an older file was put in its place; restore a whole backup, or remove %s.mark to go on with what is there",
			ErrCorrupt, path, last, m.transaction, path)
	}
	return nil
}

// boltOptions hands f to bbolt, which takes the lock again on the same open file: so it is never let go in between.
func boltOptions(f *os.File, access int) *bbolt.Options {
	return &bbolt.Options{
		ReadOnly:     access == os.O_RDONLY,
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
			return fmt.Errorf("vault: lock %s (it has to lie on a file system with locks, best a local one): %w", path, err)
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
	if s.stuck.Load() {
		return s.healthy() // bbolt would wait for its own lock; the file goes with the process
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("vault: close: %w", err)
	}
	return nil
}

// last is the transaction that the file is at, and whether everything up to it is certain to be there.
func (s *store) last() (transaction uint64, sound bool) {
	if s.failed.Load() != nil {
		return 0, false
	}
	err := s.View(func(tx storeTx) error {
		transaction = uint64(tx.tx.ID())
		return nil
	})
	return transaction, err == nil
}

// healthy is nil, or an ErrDisk.
func (s *store) healthy() error {
	if why := s.failed.Load(); why != nil {
		return *why
	}
	return nil
}

// fail ends all work: what the disk holds is not certain any more, and a second attempt may be told that all is well
// when it is not (a failed fsync is reported once). It gives the first cause, an ErrDisk.
func (s *store) fail(cause error) error {
	err := fmt.Errorf("%w: %s: %w", ErrDisk, s.db.Path(), cause)
	s.failed.CompareAndSwap(nil, &err)
	return s.healthy()
}

// View runs fn on one snapshot.
func (s *store) View(fn func(storeTx) error) error {
	if err := s.healthy(); err != nil {
		return err
	}
	own, err := s.run(s.db.View, false, fn)
	if err == nil || own {
		return err
	}
	return fmt.Errorf("vault: transaction: %w", err)
}

// Update runs fn and commits with fdatasync, or rolls back when fn returns an error. A commit that failed for want of room
// has left the file as it was; after any other failure nothing is read or written any more.
func (s *store) Update(fn func(storeTx) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.healthy(); err != nil {
		return err
	}
	var id int
	own, err := s.run(s.db.Update, true, func(tx storeTx) error {
		id = tx.tx.ID()
		return fn(tx)
	})
	switch {
	case err == nil || own:
		return err
	case noRoom(err) && s.before(id):
		return fmt.Errorf("vault: transaction: %w", err)
	}
	return s.fail(err)
}

// before says whether the file is still at a transaction before this one: a meta page that was written half is whole.
func (s *store) before(id int) bool {
	var now int
	_, err := s.run(s.db.View, false, func(tx storeTx) error {
		now = tx.tx.ID()
		return nil
	})
	return err == nil && now < id
}

// run says whether an error is fn's own or the database's. A fault outside of fn leaves bbolt's locks as they were, and one
// while it writes leaves more; a panic of bbolt's own leaves who knows what. Then nothing is done with it any more.
func (s *store) run(do func(func(*bbolt.Tx) error) error, writes bool, fn func(storeTx) error) (own bool, err error) {
	inside, returned := false, false
	defer func() {
		if !returned && !inside {
			s.stop(errPanic)
		}
	}()
	err = guarded(func() error {
		return do(func(tx *bbolt.Tx) error {
			inside = true
			err := fn(storeTx{tx})
			inside, own = false, err != nil
			return err
		})
	})
	returned = true
	if !own && errors.Is(err, errFault) && (writes || !inside) {
		s.stop(err)
	}
	return own, err
}

// stop is fail for good: bbolt may hold its locks for ever.
func (s *store) stop(cause error) {
	s.stuck.Store(true)
	_ = s.fail(cause)
}

// errPanic says that bbolt has given up; what it said is in the panic, which goes on.
var errPanic = fmt.Errorf("%w: the database broke off", ErrCorrupt)

// noRoom says whether a commit failed because the disk was full, while it wrote: not while it synced, and not otherwise.
func noRoom(err error) bool {
	var path *fs.PathError
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
	return full && errors.As(err, &path) && path.Op == "write"
}

// errFault says that the mapped file could not be read.
var errFault = fmt.Errorf("%w: a page of it cannot be read", ErrCorrupt)

// guarded turns a fault in the mapped file (a bad sector, a file cut short by somebody) from the end of the process into
// an error.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		caught := recover()
		if caught == nil {
			return
		}
		if _, fault := caught.(interface{ Addr() uintptr }); !fault {
			panic(caught)
		}
		err = errFault
	}()
	return do()
}

func (t storeTx) get(bucket string, key []byte) []byte {
	b := t.tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	if value := b.Get(key); value != nil || b.Bucket(key) == nil {
		return value
	}
	return []byte{} // a bucket in the place of a value: something, and nothing of ours
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

// stranger finds a bucket that is none of the vault's.
func (t storeTx) stranger() (name string, found bool) {
	ours := append([]string{metaBucket, asideBucket}, collections...)
	c := t.tx.Cursor()
	for key, _ := c.First(); key != nil; key, _ = c.Next() {
		if !slices.Contains(ours, string(key)) {
			return string(key), true
		}
	}
	return "", false
}

// drop removes a whole bucket.
func (t storeTx) drop(bucket string) error {
	if t.tx.Bucket([]byte(bucket)) == nil {
		return nil
	}
	if err := t.tx.DeleteBucket([]byte(bucket)); err != nil {
		return fmt.Errorf("vault: delete bucket %s: %w", bucket, err)
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
