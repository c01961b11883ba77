package vault_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"locum/bff/vault"
)

// TestT062WhatTheMarkTells changes what stands in a data directory after a stop in good order, and after a crash, which
// leaves the mark without a claim.
func TestT062WhatTheMarkTells(t *testing.T) {
	const claim, none, garbled, absent = "closed", "open", "garbled", "absent"
	remove := func(t *testing.T, path string, _ []byte) { mustDo(t, os.Remove(path)) }
	older := func(t *testing.T, path string, older []byte) { writeFile(t, path, older) }
	newestMeta := func(t *testing.T, path string, _ []byte) {
		content := readFile(t, path)
		content[newest(content)+16+20] ^= 1
		writeFile(t, path, content)
	}
	olderMeta := func(t *testing.T, path string, _ []byte) {
		content := readFile(t, path)
		content[4096-newest(content)+16+20] ^= 1
		writeFile(t, path, content)
	}
	for _, c := range []struct {
		name, mark string
		deed       func(t *testing.T, path string, older []byte)
		want       error
		last       bool // the last write is there
	}{
		{"nothing happened", claim, nil, nil, true},
		{"nothing happened, after a crash", none, nil, nil, true},
		{"the database is gone", claim, remove, vault.ErrMissing, false},
		{"the database is gone, after a crash", none, remove, vault.ErrMissing, false},
		{"the database is gone and the mark unreadable", garbled, remove, vault.ErrMissing, false},
		{"an older file", claim, older, vault.ErrCorrupt, false},
		{"an older file, after a crash", none, older, nil, false},
		{"an older file, its mark removed", absent, older, nil, false},
		{"the newest meta page damaged", claim, newestMeta, vault.ErrCorrupt, false},
		{"the newest meta page damaged, after a crash", none, newestMeta, nil, false}, // as after a power cut
		{"the older meta page damaged", claim, olderMeta, nil, true},
		{"the mark unreadable", garbled, nil, nil, true},
		{"the mark removed", absent, nil, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, key := memoryDir(t), newKey(t)
			path := filepath.Join(dir, vault.FileName)
			mustClose(t, mustOpen(t, dir, key))
			before := readFile(t, path)
			v := mustOpen(t, dir, key)
			mustPut(t, v, vault.Sessions, "last", &vault.Session{ID: "last"})
			running := readFile(t, path+".mark")
			mustClose(t, v)
			setMark(t, path, c.mark, running)
			if c.deed != nil {
				c.deed(t, path, before)
			}
			found, _ := os.ReadFile(path)
			v, err := vault.Open(dir, key)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if now, _ := os.ReadFile(path); err != nil && !bytes.Equal(now, found) {
				t.Error("the file has changed")
			}
			if err != nil {
				if !strings.Contains(err.Error(), "or remove "+path+".mark to ") {
					t.Errorf("%v does not say how to go on", err)
				}
				return
			}
			if _, err := get(v, vault.Sessions, "last"); (err == nil) != c.last {
				t.Errorf("the last write: %v", err)
			}
			mustClose(t, v)
			mustClose(t, mustOpen(t, dir, key))
		})
	}
}

func setMark(t *testing.T, path, state string, running []byte) {
	t.Helper()
	switch state {
	case "open":
		if !bytes.Contains(running, []byte(" open ")) {
			t.Fatalf("the mark of a running vault is %q", running)
		}
		writeFile(t, path+".mark", running)
	case "garbled":
		writeFile(t, path+".mark", bytes.ReplaceAll(readFile(t, path+".mark"), []byte("0"), []byte("9")))
	case "absent":
		mustDo(t, os.Remove(path+".mark"))
	}
}

// newest is where the newest meta page begins: the one with the higher transaction.
func newest(content []byte) int {
	if bytes.Compare(reversed(content[16+48:16+56]), reversed(content[4096+16+48:4096+16+56])) > 0 {
		return 0
	}
	return 4096
}

// reversed makes little-endian numbers comparable; the test runs where bbolt's byte order is little-endian.
func reversed(b []byte) []byte {
	out := bytes.Clone(b)
	for i := range out {
		out[i] = b[len(b)-1-i]
	}
	return out
}

func mustDo(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestT062NotAFile puts other things in the place of the database and of its mark.
func TestT062NotAFile(t *testing.T) {
	for _, c := range []struct {
		name string
		put  func(path string) error
	}{
		{"directory", func(path string) error { return os.Mkdir(path, 0o700) }},
		{"named pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) }},
		{"socket", func(path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0) }},
		{"link to nowhere", func(path string) error { return os.Symlink("nowhere", path) }},
		{"link to a whole database", func(path string) error {
			whole := path + ".whole"
			return errors.Join(os.WriteFile(whole, nil, 0o600), os.Symlink(whole, path))
		}},
	} {
		t.Run("database: "+c.name, func(t *testing.T) {
			dir := t.TempDir()
			mustDo(t, c.put(filepath.Join(dir, vault.FileName)))
			if _, err := vault.Open(dir, newKey(t)); !errors.Is(err, vault.ErrCorrupt) {
				t.Errorf("got %v", err)
			}
		})
		t.Run("mark: "+c.name, func(t *testing.T) {
			dir := t.TempDir()
			mustDo(t, c.put(filepath.Join(dir, vault.FileName+".mark")))
			v, err := vault.Open(dir, newKey(t))
			if err == nil {
				mustClose(t, v)
				t.Error("opened")
			}
			if _, err := os.Lstat(filepath.Join(dir, vault.FileName)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a database was made: %v", err)
			}
		})
	}
	t.Run("data directory: file", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "data")
		writeFile(t, dir, nil)
		if _, err := vault.Open(dir, newKey(t)); err == nil {
			t.Error("opened")
		}
	})
}
