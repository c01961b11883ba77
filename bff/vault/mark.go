package vault

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// markName is the file beside the database that says what the database cannot say of itself: that it was there, and how
// far it had come when it was last closed in good order. It is one line of a fixed length, written in place:
//
//	locum vault 1 open   00000000000000000000 0123456789abcdef\n
//	locum vault 1 closed 00000000000000000042 0123456789abcdef\n
//
// The number is the last transaction, the end FNV-1a of what stands before it. An empty file claims nothing, and neither
// does an open one about the transaction: after a crash the database alone knows. A line that does not add up still says
// that there was a database. The file is locked from Open to Close; unlike the database it is never exchanged.
//
// With it a damaged newest meta page, which looks like a commit that a power cut undid, is noticed after every stop in good
// order; and so is an older file put in the place of the newer one. After a crash neither can be told from what a crash
// does, and the vault goes on with the transaction before. A compaction counts anew: a file from before it is not noticed
// either.
const markName = FileName + ".mark"

const markBody = "locum vault 1 %-6s %020d "

type mark struct {
	file        *os.File
	made        bool   // there is or was a database
	transaction uint64 // what the file claims; 0: nothing

	mu    sync.Mutex
	moved bool // the claim was taken back: the database has been written to since Open
}

// missing is the error of a database that is gone while its mark is there.
func missing(path string) error {
	return fmt.Errorf("%w: %s; restore it from a backup, or remove %s.mark to begin with an empty one", ErrMissing, path, path)
}

// takeMark locks and reads the mark of a directory and makes it where there is none: ErrInUse.
func takeMark(dir string) (*mark, error) {
	path := filepath.Join(dir, markName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("vault: open the database's mark: %w", err)
	}
	m := &mark{file: f}
	if err := errors.Join(lock(f, path), m.read()); err != nil {
		m.release()
		return nil, err
	}
	return m, nil
}

func (m *mark) read() error {
	var line [128]byte
	n, err := m.file.ReadAt(line[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("vault: read the database's mark: %w", err)
	}
	m.made = n > 0
	var state string
	var transaction uint64
	if _, err := fmt.Sscanf(string(line[:n]), "locum vault 1 %s %d", &state, &transaction); err != nil {
		return nil
	}
	if string(line[:n]) != markLine(state, transaction) {
		return nil
	}
	m.transaction = transaction
	return nil
}

func markLine(state string, transaction uint64) string {
	body := fmt.Sprintf(markBody, state, transaction)
	sum := fnv.New64a()
	_, _ = io.WriteString(sum, body)
	return fmt.Sprintf("%s%016x\n", body, sum.Sum64())
}

// born says for the first time that there is a database.
func (m *mark) born(transaction uint64) error {
	if m.made {
		return nil
	}
	if err := m.write("closed", transaction); err != nil {
		return err
	}
	m.made, m.transaction = true, transaction
	return syncDir(filepath.Dir(m.file.Name()))
}

// moving takes back what is claimed about the transaction, durably, before the first write since Open.
func (m *mark) moving() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.moved {
		return nil
	}
	if m.transaction != 0 {
		if err := m.write("open", 0); err != nil {
			return err
		}
	}
	m.moved = true
	return nil
}

// closed claims the last transaction, if there was one since Open.
func (m *mark) closed(transaction uint64) error {
	if !m.moved {
		return nil
	}
	return m.write("closed", transaction)
}

func (m *mark) write(state string, transaction uint64) error {
	line := markLine(state, transaction)
	_, err := m.file.WriteAt([]byte(line), 0)
	if err == nil {
		err = m.file.Truncate(int64(len(line)))
	}
	if err == nil {
		err = m.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("vault: write the database's mark: %w", err)
	}
	return nil
}

// release lets go of the lock.
func (m *mark) release() { _ = m.file.Close() }
