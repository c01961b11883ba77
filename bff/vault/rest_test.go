package vault_test

import (
	"errors"
	"path/filepath"
	"testing"

	"locum/bff/vault"
)

// TestRest: after it everything is read as before, and written; a closed vault says that it is closed.
func TestRest(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "master.key")
	if err := vault.CreateKeyFile(path); err != nil {
		t.Fatal(err)
	}
	key, err := vault.ReadKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(filepath.Join(dir, "data"), key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		err := v.Update(func(tx *vault.Tx) error {
			return vault.Sessions.Put(tx, string(rune('a'+i)), &vault.Session{ID: string(rune('a' + i)), Practitioner: "p"})
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Rest(); err != nil {
			t.Fatal(err)
		}
		n := 0
		err = v.View(func(tx *vault.Tx) error {
			return vault.Sessions.Each(tx, func(vault.Session) error { n++; return nil })
		})
		if err != nil || n != i+1 {
			t.Fatalf("%d records of %d, %v", n, i+1, err)
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if err := v.Rest(); err != nil && !errors.Is(err, vault.ErrClosed) {
		t.Errorf("a closed vault answers %v", err)
	}
}
