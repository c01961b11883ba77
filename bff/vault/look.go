package vault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Look opens the database in dir, runs fn and closes it again, leaving everything as it is: it makes no directory, no
// database and no mark, changes no mode and removes no left-over file, so that whoever examines an installation sees it
// as it stands, on a read-only file system too. What fn writes is refused. Errors are those of Open; where there never was
// a database, the error wraps os.ErrNotExist. What fn answers is returned as it is.
func Look(dir string, master MasterKey, fn func(*Vault) error) error {
	if master.key.Empty() {
		return errors.New("vault: no master key")
	}
	m, err := lookMark(dir)
	if err != nil {
		return err
	}
	defer m.release()
	if m.made && !Exists(dir) {
		return missing(filepath.Join(dir, FileName))
	}
	st, err := openStore(filepath.Join(dir, FileName), m, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer st.Close()
	v := &Vault{dir: dir, master: master, mark: m, store: st}
	if err := v.unlock(); err != nil {
		return err
	}
	return fn(v)
}

// lookMark locks and reads the mark of a directory. Where there is none, it claims nothing.
func lookMark(dir string) (*mark, error) {
	path := filepath.Join(dir, markName)
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return &mark{}, nil
	case err != nil:
		return nil, fmt.Errorf("vault: open the database's mark: %w", err)
	}
	m := &mark{file: f}
	if err := errors.Join(lock(f, path), m.read()); err != nil {
		m.release()
		return nil, err
	}
	return m, nil
}

// Exists says whether dir holds a database, or anything by its name.
func Exists(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, FileName))
	return !errors.Is(err, os.ErrNotExist)
}
