package vault

import (
	"errors"
	"testing"

	"go.etcd.io/bbolt"
)

// TestT062APanic: one of bbolt's own is the end of the work with the file, as nobody knows what it holds; one of whoever
// reads or writes is not. Either goes on to where panics are reported.
func TestT062APanic(t *testing.T) {
	v := testVault(t)
	panics := func(what string, do func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s: the panic is gone", what)
			}
		}()
		do()
	}
	theirs := func(*Tx) error { panic("a bug") }
	panics("reading", func() { _ = v.View(theirs) })
	panics("writing", func() { _ = v.Update(theirs) })
	mustUpdate(t, v, func(tx *Tx) error { return Sessions.Put(tx, "s", &Session{ID: "s"}) })
	broken := func(func(*bbolt.Tx) error) error { panic("assertion failed") }
	panics("bbolt", func() { _, _ = v.store.run(broken, true, func(storeTx) error { return nil }) })
	if err := v.Update(func(*Tx) error { return nil }); !errors.Is(err, ErrDisk) || !errors.Is(v.Healthy(), ErrDisk) {
		t.Errorf("afterwards: %v; %v", err, v.Healthy())
	}
}
