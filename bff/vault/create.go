package vault

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// asidePattern names files that become the database once they are whole.
const asidePattern = FileName + ".aside-*"

// prepareDir makes dir with mode 0700, or takes from an existing one what others may do in it. A directory that all may
// write to, such as /tmp, is refused.
func prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("vault: data directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("vault: data directory: %w", err)
	}
	if info.Mode()&os.ModeSticky != 0 {
		return fmt.Errorf("vault: data directory %s is shared by all users; choose one of Locum's own", dir)
	}
	if info.Mode().Perm() == 0o700 {
		return nil
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("vault: data directory must be 0700: %w", err)
	}
	return nil
}

// create makes a whole new database aside and gives it its name only when it is on disk. The name is given by a link, not
// by a rename: where another process was faster, its database stands. On a file system without links it is a rename after
// all, and the mark's lock alone keeps others out.
func create(dir string, master MasterKey) error {
	st, aside, err := createAside(dir)
	if err != nil {
		return err
	}
	defer os.Remove(aside)
	if err := errors.Join(initialise(st, master), st.Close()); err != nil {
		return fmt.Errorf("vault: create the database: %w", err)
	}
	if err := name(aside, filepath.Join(dir, FileName), os.Link); err != nil {
		return fmt.Errorf("vault: create the database: %w", err)
	}
	return syncDir(dir)
}

// name gives a file its name where nothing has it yet.
func name(aside, path string, link func(old, new string) error) error {
	err := link(aside, path)
	if err == nil || errors.Is(err, os.ErrExist) {
		return nil
	}
	if _, there := os.Lstat(path); there == nil {
		return nil
	}
	if renamed := os.Rename(aside, path); renamed != nil {
		return errors.Join(err, renamed)
	}
	return nil
}

// createAside makes an empty database file, 0600 and locked, under a passing name.
func createAside(dir string) (*store, string, error) {
	f, err := os.CreateTemp(dir, asidePattern) // 0600, O_EXCL
	if err != nil {
		return nil, "", fmt.Errorf("vault: create a database file: %w", err)
	}
	path := f.Name()
	db, err := openBolt(path, f, os.O_RDWR)
	if err != nil {
		_ = os.Remove(path)
		return nil, "", fmt.Errorf("vault: create a database file: %w", err)
	}
	return &store{db: db}, path, nil
}

// initialise writes what a database is born with: a keyset of one key, and the derivation root.
func initialise(st *store, master MasterKey) error {
	seal, err := newSealer()
	if err != nil {
		return err
	}
	root := make([]byte, 32)
	_, _ = rand.Read(root)
	return st.Update(func(tx storeTx) error { return writeMeta(tx, master, seal, root) })
}

// tidy closes the database and its mark to other users, and removes what a crash left of a creation or a compaction. Only the
// process that has opened the database does so.
func tidy(dir string) error {
	for _, file := range []string{FileName, markName} {
		if err := os.Chmod(filepath.Join(dir, file), 0o600); err != nil {
			return fmt.Errorf("vault: the database must be 0600: %w", err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, asidePattern))
	if err != nil {
		return fmt.Errorf("vault: look for left-over files: %w", err)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("vault: remove a left-over file: %w", err)
		}
	}
	return nil
}

// syncDir makes names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("vault: sync directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("vault: sync directory: %w", err)
	}
	return nil
}
