package vault_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"locum/bff/secret"
	"locum/bff/vault"
)

// tampered is a closed database of two practitioners and two platforms, and where each record lies in the file.
type tampered struct {
	dir  string
	key  vault.MasterKey
	rows map[string][]byte // bbolt's key by record
}

// wholeVault writes the records one at a time, to learn where each of them comes to lie.
func wholeVault(t *testing.T) *tampered {
	t.Helper()
	w := &tampered{dir: memoryDir(t), key: newKey(t), rows: map[string][]byte{}}
	known := map[string]bool{}
	for _, record := range []string{"connections/u1", "connections/u2", "client_secrets/jane", "client_secrets/other",
		"sessions/u1", "accounts/u1"} {
		v := mustOpen(t, w.dir, w.key)
		w.write(t, v, record)
		mustClose(t, v)
		w.tool(t, func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte(bucketOf(record))).ForEach(func(k, _ []byte) error {
				if !known[string(k)] {
					known[string(k)] = true
					w.rows[record] = bytes.Clone(k)
				}
				return nil
			})
		})
	}
	return w
}

func bucketOf(record string) string { return filepath.Dir(record) }

func (w *tampered) write(t *testing.T, v *vault.Vault, record string) {
	t.Helper()
	switch owner := filepath.Base(record); bucketOf(record) {
	case "connections":
		mustPut(t, v, vault.Connections, owner, &vault.Connection{ID: owner, Practitioner: owner,
			Access: secret.New("access of " + owner), Refresh: secret.New("refresh of " + owner)})
	case "client_secrets":
		mustPut(t, v, vault.ClientSecrets, owner, &vault.ClientSecret{Platform: owner, Value: secret.New("secret of " + owner)})
	case "sessions":
		mustPut(t, v, vault.Sessions, owner, &vault.Session{ID: owner, Practitioner: owner})
	case "accounts":
		mustPut(t, v, vault.Accounts, owner, &vault.Account{ID: owner, Login: owner})
	}
}

// tool is a bbolt tool at work on the stopped database.
func (w *tampered) tool(t *testing.T, fn func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(w.dir, vault.FileName), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// read says what the vault gives for a record: the owner whose it is, or an error.
func (w *tampered) read(v *vault.Vault, record string) (owner string, err error) {
	key := filepath.Base(record)
	switch bucketOf(record) {
	case "connections":
		c, err := get(v, vault.Connections, key)
		if err == nil && (c.Access.Reveal() != "access of "+c.ID || c.Refresh.Reveal() != "refresh of "+c.ID || c.Practitioner != c.ID) {
			return "a mixture", nil
		}
		return c.ID, err
	case "client_secrets":
		c, err := get(v, vault.ClientSecrets, key)
		if err == nil && c.Value.Reveal() != "secret of "+c.Platform {
			return "a mixture", nil
		}
		return c.Platform, err
	case "sessions":
		s, err := get(v, vault.Sessions, key)
		return s.ID, err
	}
	a, err := get(v, vault.Accounts, key)
	return a.ID, err
}

func (w *tampered) value(tx *bbolt.Tx, record string) []byte {
	return bytes.Clone(tx.Bucket([]byte(bucketOf(record))).Get(w.rows[record]))
}

func (w *tampered) put(tx *bbolt.Tx, record string, value []byte) error {
	return tx.Bucket([]byte(bucketOf(record))).Put(w.rows[record], value)
}

func (w *tampered) swap(tx *bbolt.Tx, a, b string) error {
	first, second := w.value(tx, a), w.value(tx, b)
	return errors.Join(w.put(tx, a, second), w.put(tx, b, first))
}

// change gives a deed that changes the bytes of one record.
func change(record string, fn func([]byte) []byte) func(*tampered, *bbolt.Tx) error {
	return func(w *tampered, tx *bbolt.Tx) error { return w.put(tx, record, fn(w.value(tx, record))) }
}

func flip(at int) func([]byte) []byte {
	return func(value []byte) []byte {
		value[(at+len(value))%len(value)] ^= 1
		return value
	}
}

const (
	u1, u2, jane, other = "connections/u1", "connections/u2", "client_secrets/jane", "client_secrets/other"
	session1, account1  = "sessions/u1", "accounts/u1"
)

// TestT061EveryRecordInItsPlace moves, changes and copies records with a bbolt tool while Locum is stopped. Whatever was
// touched is refused with ErrIntegrity, everything else opens, and nobody is served another's token.
func TestT061EveryRecordInItsPlace(t *testing.T) {
	for _, c := range []struct {
		name    string
		deed    func(*tampered, *bbolt.Tx) error
		refused []string
		missing string // reads as not there: a record, or two buckets
		stray   int    // values in places that are no record's
		seen    int    // of them, those that Each passes
	}{
		{"U1's row and U2's exchanged", func(w *tampered, tx *bbolt.Tx) error { return w.swap(tx, u1, u2) }, []string{u1, u2}, "", 0, 0},
		// A record is one sealed value: there is no row of access tokens and no row of refresh tokens to exchange. What
		// is left is to exchange parts of the ciphertext.
		{"access exchanged with refresh", change(u1, func(v []byte) []byte {
			body := v[30:]
			half := len(body) / 2
			return append(v[:30:30], append(bytes.Clone(body[half:]), body[:half]...)...)
		}), []string{u1}, "", 0, 0},
		{"platform exchanged with platform", func(w *tampered, tx *bbolt.Tx) error { return w.swap(tx, jane, other) }, []string{jane, other}, "", 0, 0},
		{"bucket exchanged with bucket", func(w *tampered, tx *bbolt.Tx) error { return exchangeBuckets(tx, "connections", "client_secrets") },
			nil, "connections client_secrets", 4, 2},
		{"a session in the place of an account", func(w *tampered, tx *bbolt.Tx) error {
			return w.put(tx, account1, w.value(tx, session1))
		}, []string{account1}, "", 0, 0},
		{"key renamed", func(w *tampered, tx *bbolt.Tx) error {
			value := w.value(tx, u1)
			b := tx.Bucket([]byte("connections"))
			return errors.Join(b.Delete(w.rows[u1]), b.Put(flip(0)(bytes.Clone(w.rows[u1])), value))
		}, nil, u1, 1, 1},
		{"copied under another's key", func(w *tampered, tx *bbolt.Tx) error { return w.put(tx, u2, w.value(tx, u1)) }, []string{u2}, "", 0, 0},
		{"copied under a new key", func(w *tampered, tx *bbolt.Tx) error {
			return tx.Bucket([]byte("connections")).Put([]byte("a key of no record that Locum has"), w.value(tx, u1))
		}, nil, "", 1, 1},
		{"schema changed", change(u1, flip(0)), []string{u1}, "", 0, 0},
		{"generation changed", change(u1, flip(8)), []string{u1}, "", 0, 0},
		{"generation far ahead", change(jane, flip(1)), []string{jane}, "", 0, 0},
		{"id of the data key changed", change(session1, flip(13)), []string{session1}, "", 0, 0},
		{"nonce changed", change(u2, flip(14)), []string{u2}, "", 0, 0},
		{"ciphertext changed", change(account1, flip(28)), []string{account1}, "", 0, 0},
		{"tag changed", change(u1, flip(-1)), []string{u1}, "", 0, 0},
		{"cut short", change(u1, func(v []byte) []byte { return v[:len(v)-1] }), []string{u1}, "", 0, 0},
		{"header alone", change(u1, func(v []byte) []byte { return v[:9] }), []string{u1}, "", 0, 0},
		{"emptied", change(u1, func([]byte) []byte { return nil }), []string{u1}, "", 0, 0},
		{"longer", change(u1, func(v []byte) []byte { return append(v, 0) }), []string{u1}, "", 0, 0},
		{"zeroes", change(u1, func(v []byte) []byte { return make([]byte, len(v)) }), []string{u1}, "", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := wholeVault(t)
			w.tool(t, func(tx *bbolt.Tx) error { return c.deed(w, tx) })
			damage := map[string]bool{}
			for _, record := range c.refused {
				damage[record] = true
			}
			v := mustOpen(t, w.dir, w.key)
			told := 0
			v.OnDamage(func(vault.Damage) { told++ })
			w.check(t, v, damage, c.missing, vault.ErrIntegrity)
			if want := len(c.refused) + c.seen; told != want {
				t.Errorf("%d damaged records were told, want %d", told, want)
			}
			w.counts(t, v, len(c.refused)+c.stray, 0)
			if err := v.Compact(); err != nil {
				t.Fatal(err)
			}
			w.check(t, v, damage, c.missing, vault.ErrNotFound)
			w.counts(t, v, 0, len(c.refused)+c.stray)
			if told != len(c.refused)+c.seen {
				t.Errorf("%d damaged records were told in all", told)
			}
		})
	}
}

// TestT061ABucketInTheirMidst: what is no value at all is counted, and in nobody's way.
func TestT061ABucketInTheirMidst(t *testing.T) {
	w := wholeVault(t)
	w.tool(t, func(tx *bbolt.Tx) error {
		_, err := tx.Bucket([]byte("connections")).CreateBucket([]byte("stray"))
		b := tx.Bucket([]byte("sessions"))
		if err := errors.Join(err, b.Delete(w.rows[session1])); err != nil {
			return err
		}
		_, err = b.CreateBucket(w.rows[session1])
		return err
	})
	v := mustOpen(t, w.dir, w.key)
	for range 2 {
		w.check(t, v, map[string]bool{session1: true}, "", vault.ErrIntegrity)
		w.counts(t, v, 2, 0)
		if err := v.Compact(); err != nil {
			t.Fatal(err)
		}
	}
}

func exchangeBuckets(tx *bbolt.Tx, a, b string) error {
	content := map[string]map[string][]byte{a: {}, b: {}}
	for name, rows := range content {
		err := tx.Bucket([]byte(name)).ForEach(func(k, v []byte) error {
			rows[string(k)] = bytes.Clone(v)
			return nil
		})
		if err := errors.Join(err, tx.DeleteBucket([]byte(name))); err != nil {
			return err
		}
	}
	for name, from := range map[string]string{a: b, b: a} {
		bucket, err := tx.CreateBucket([]byte(name))
		if err != nil {
			return err
		}
		for k, v := range content[from] {
			if err := bucket.Put([]byte(k), v); err != nil {
				return err
			}
		}
	}
	return nil
}

// check reads every record, by its key and in passing: it is its owner's or refused.
func (w *tampered) check(t *testing.T, v *vault.Vault, damaged map[string]bool, missing string, refusal error) {
	t.Helper()
	sound := map[string]int{}
	for record := range w.rows {
		owner, err := w.read(v, record)
		want := error(nil)
		if damaged[record] {
			want = refusal
		} else if record == missing || slices.Contains(strings.Fields(missing), bucketOf(record)) {
			want = vault.ErrNotFound
		}
		switch {
		case want != nil && !errors.Is(err, want):
			t.Errorf("%s: %v, want %v", record, err, want)
		case want == nil && (err != nil || owner != filepath.Base(record)):
			t.Errorf("%s: of %q, %v", record, owner, err)
		case want == nil:
			sound[bucketOf(record)]++
		}
	}
	passed := 0
	err := v.View(func(tx *vault.Tx) error {
		return vault.Connections.Each(tx, func(c vault.Connection) error {
			passed++
			if damaged["connections/"+c.ID] || c.Access.Reveal() != "access of "+c.ID {
				t.Errorf("Each gives %+v", c)
			}
			return nil
		})
	})
	if err != nil || passed != sound["connections"] {
		t.Errorf("Each gives %d connections, want %d (%v)", passed, sound["connections"], err)
	}
}

func (w *tampered) counts(t *testing.T, v *vault.Vault, inPlace, setOff int) {
	t.Helper()
	damaged, err := v.Damaged()
	gotInPlace, gotSetOff := 0, 0
	for _, d := range damaged {
		gotInPlace, gotSetOff = gotInPlace+d.InPlace, gotSetOff+d.SetOff
	}
	if err != nil || gotInPlace != inPlace || gotSetOff != setOff {
		t.Errorf("counted %+v (%v), want %d in place and %d set aside", damaged, err, inPlace, setOff)
	}
}
