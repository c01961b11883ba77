package vault_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"locum/bff/vault"
)

// TestCompactBesideReadersAndWriters keeps reading and writing while the keyset rotates and the file is exchanged.
func TestCompactBesideReadersAndWriters(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	v := mustOpen(t, dir, key)
	const records = 600 // more than two batches
	err := v.Update(func(tx *vault.Tx) error {
		for i := range records {
			if err := vault.Sessions.Put(tx, fmt.Sprint(i), &vault.Session{ID: fmt.Sprint(i)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, v, vault.Accounts, "a", &vault.Account{})
	var done atomic.Bool
	var wrote atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; !done.Load(); i++ {
			if s, err := get(v, vault.Sessions, fmt.Sprint(i%records)); err != nil || s.ID != fmt.Sprint(i%records) {
				t.Errorf("reading %d: %+v, %v", i%records, s, err)
				return
			}
		}
	})
	wg.Go(func() {
		for !done.Load() {
			if err := increment(v); err != nil {
				t.Error("writing:", err)
				return
			}
			wrote.Add(1)
		}
	})
	for range 3 {
		if err := v.Compact(); err != nil {
			t.Error(err)
		}
	}
	done.Store(true)
	wg.Wait()
	mustClose(t, v)
	v = mustOpen(t, dir, key)
	if a, err := get(v, vault.Accounts, "a"); err != nil || int64(a.Failures) != wrote.Load() {
		t.Errorf("%d writes, %d kept (%v)", wrote.Load(), a.Failures, err)
	}
	for i := range records {
		if _, err := get(v, vault.Sessions, fmt.Sprint(i)); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
	}
}
