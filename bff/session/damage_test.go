package session_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"locum/bff/session"
	"locum/bff/vault"
)

// damage flips a bit of every stored session in the file of the open vault.
func (h *house) damage(t *testing.T) {
	t.Helper()
	path := filepath.Join(h.dir, vault.FileName)
	content, err := os.ReadFile(path)
	must(t, err)
	still := filepath.Join(t.TempDir(), "copy.db")
	must(t, os.WriteFile(still, content, 0o600))
	db, err := bbolt.Open(still, 0o600, &bbolt.Options{ReadOnly: true})
	must(t, err)
	defer db.Close()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	defer f.Close()
	must(t, db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("sessions")).ForEach(func(_, v []byte) error {
			for at := range content {
				if bytes.HasPrefix(content[at:], v) {
					if _, err := f.WriteAt([]byte{v[len(v)-1] ^ 1}, int64(at+len(v)-1)); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestT061ADamagedSessionEnds: when its activity is next written down, the sign-in whose record is damaged is over, and
// nobody else's.
func TestT061ADamagedSessionEnds(t *testing.T) {
	in(t, session.Limits{}, func(t *testing.T, h *house) {
		damaged, s := mustStart(t, h, "ana")
		h.damage(t)
		sound, other := mustStart(t, h, "ben")
		wantIn(t, h, "before anything is read", damaged)
		time.Sleep(2 * time.Minute)
		if err := h.Touch(s.ID); !errors.Is(err, session.ErrSignedOut) {
			t.Errorf("activity: %v", err)
		}
		wantOut(t, h, "afterwards", damaged)
		must(t, h.Touch(other.ID))
		wantIn(t, h, "the other", sound)
	})
}
