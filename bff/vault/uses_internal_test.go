package vault

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"locum/bff/secret"
)

// nonces is how many seals TestT065NoncesDiffer makes; LOCUM_NONCES=1000000 is the row's own number.
const nonces = 200_000

// nonceOf is the IV of a sealed value.
func nonceOf(value []byte) (nonce [12]byte) {
	copy(nonce[:], value[headerSize+keyIDSize:])
	return nonce
}

func TestT065NoncesDiffer(t *testing.T) {
	n := nonces
	if s := os.Getenv("LOCUM_NONCES"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	seal, err := newSealer()
	mustDo(t, err)
	seen := make(map[[12]byte]bool, n)
	key, plain := []byte("key"), []byte("the same token")
	for i := range n {
		value, err := seal.seal("connections", key, 1, 1, plain)
		mustDo(t, err)
		if nonce := nonceOf(value); seen[nonce] {
			t.Fatalf("nonce %x comes twice in %d seals", nonce, i)
		} else {
			seen[nonce] = true
		}
	}
	t.Logf("%d seals of the same record, no nonce twice", n)
}

// TestT065NoncesDifferOnDisk looks at what the file holds, the pages of earlier transactions included: the same record
// written again is other bytes.
func TestT065NoncesDifferOnDisk(t *testing.T) {
	v := testVault(t)
	path := filepath.Join(v.dir, FileName)
	seen := map[[12]byte]bool{}
	before := []byte(nil)
	for i := range 300 {
		mustUpdate(t, v, func(tx *Tx) error {
			a, err := Accounts.Get(tx, "a")
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			a.ID, a.PasswordHash = "a", secret.New("the same hash")
			return Accounts.Put(tx, "a", &a)
		})
		mustDo(t, v.View(func(tx *Tx) error {
			value := bytes.Clone(tx.store.get("accounts", Accounts.place(tx, "a")))
			if nonce := nonceOf(value); seen[nonce] || bytes.Equal(value[headerSize:], before) {
				t.Fatalf("write %d: nonce %x comes again", i, nonce)
			} else {
				seen[nonce] = true
			}
			before = value[headerSize:]
			return nil
		}))
	}
	content, err := os.ReadFile(path)
	mustDo(t, err)
	found := 0
	for nonce := range seen {
		found += bytes.Count(content, nonce[:])
	}
	if found < 2 {
		t.Errorf("only %d of the nonces were found in the file: the test looks at the wrong bytes", found)
	}
}

// TestT065AKeyRenewsItself brings the count near its bound: the key is exchanged, everything opens, and the new key's
// count begins anew. Nobody asked for it.
func TestT065AKeyRenewsItself(t *testing.T) {
	v := testVault(t)
	put := func(id string) {
		mustUpdate(t, v, func(tx *Tx) error { return Sessions.Put(tx, id, &Session{ID: id}) })
	}
	put("before")
	old := v.seal.primary
	v.seal.uses.done.Store(renewAt - 3)
	for i := range 10 {
		put(strconv.Itoa(i))
	}
	if v.seal.primary == old || v.seal.handle.Len() != 1 || v.seal.uses.done.Load() > 1000 {
		t.Fatalf("key %x became %x of %d, with %d uses", old, v.seal.primary, v.seal.handle.Len(), v.seal.uses.done.Load())
	}
	put("after")
	mustDo(t, v.View(func(tx *Tx) error {
		for _, id := range []string{"before", "0", "9", "after"} {
			if s, err := Sessions.Get(tx, id); err != nil || s.ID != id {
				t.Errorf("%s: %+v, %v", id, s, err)
			}
			if !tx.seal.current(tx.store.get("sessions", Sessions.place(tx, id))) {
				t.Errorf("%s lies under the old key", id)
			}
		}
		return nil
	}))
}

// TestT065TheCountSurvives opens the database again and again, after a stop and after a crash: the count never falls.
func TestT065TheCountSurvives(t *testing.T) {
	dir, key := t.TempDir(), MasterKey{key: secret.New("kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk")}
	last := uint64(0)
	for round := range 6 {
		v, err := Open(dir, key)
		mustDo(t, err)
		if now := v.seal.uses.done.Load(); now < last {
			t.Fatalf("round %d: %d uses, %d before", round, now, last)
		}
		v.seal.uses.done.Add(usesAhead * uint64(round)) // as many seals that nobody waits for
		mustUpdate(t, v, func(tx *Tx) error { return Sessions.Put(tx, strconv.Itoa(round), &Session{}) })
		last = v.seal.uses.done.Load()
		if round%2 == 0 {
			mustDo(t, v.Close())
			continue
		}
		dir = crashed(t, v)
	}
	if last < 15*usesAhead {
		t.Errorf("%d uses", last)
	}
}

// crashed copies the data directory while the vault is open, as a crash leaves it.
func crashed(t *testing.T, v *Vault) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{FileName, markName} {
		content, err := os.ReadFile(filepath.Join(v.dir, name))
		mustDo(t, err)
		mustDo(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	mustDo(t, v.Close())
	return dir
}

// TestT065ADamagedCountRenewsTheKey, and a key that cannot be renewed seals nothing beyond the limit.
func TestT065ADamagedCountRenewsTheKey(t *testing.T) {
	v := testVault(t)
	mustDo(t, v.store.Update(func(tx storeTx) error { return tx.put(metaBucket, []byte(metaUses), []byte("damaged")) }))
	old := v.seal.primary
	mustDo(t, v.Close())
	v, err := Open(v.dir, v.master)
	mustDo(t, err)
	defer v.Close()
	mustUpdate(t, v, func(tx *Tx) error { return Sessions.Put(tx, "s", &Session{}) })
	if v.seal.primary == old {
		t.Error("the key is the same")
	}
	v.seal.uses.done.Store(sealLimit)
	if _, err := v.seal.seal("sessions", nil, 1, 1, nil); !errors.Is(err, errWorn) {
		t.Errorf("beyond the limit: %v", err)
	}
}

// TestWhatIsSetAsideCanBeReadAgain: two exchanged rows are compacted, which drops their key; what lies aside is enough to
// open both in their own places.
func TestWhatIsSetAsideCanBeReadAgain(t *testing.T) {
	v := testVault(t)
	var places [2][]byte
	mustUpdate(t, v, func(tx *Tx) error {
		for i, id := range []string{"u1", "u2"} {
			places[i] = Connections.place(tx, id)
			if err := Connections.Put(tx, id, &Connection{ID: id}); err != nil {
				return err
			}
		}
		first, second := bytes.Clone(tx.store.get("connections", places[0])), bytes.Clone(tx.store.get("connections", places[1]))
		return errors.Join(tx.store.put("connections", places[0], second), tx.store.put("connections", places[1], first))
	})
	mustDo(t, v.Compact())
	opened := 0
	mustDo(t, v.View(func(tx *Tx) error {
		tx.store.each(asideBucket, nil, func(_, entry []byte) bool {
			size, n := uvarint(string(entry[:10]))
			seal, err := readKeyset(v.master, entry[n:n+int(size)])
			mustDo(t, err)
			for _, place := range places {
				if _, _, _, err := seal.open("connections", place, entry[n+int(size):]); err == nil {
					opened++
				}
			}
			return true
		})
		return nil
	}))
	if opened != 2 {
		t.Errorf("%d records could be opened", opened)
	}
	dropped, err := v.DropDamaged()
	if err != nil || dropped != 2 {
		t.Errorf("dropped %d (%v)", dropped, err)
	}
	if damaged, err := v.Damaged(); err != nil || len(damaged) != 0 {
		t.Errorf("left: %+v (%v)", damaged, err)
	}
}

// TestNamesWithoutLinks: on a file system without hard links the new database gets its name by a rename, and never the
// name of one that is there.
func TestNamesWithoutLinks(t *testing.T) {
	noLinks := func(string, string) error { return errors.ErrUnsupported }
	dir := t.TempDir()
	aside, path := filepath.Join(dir, "aside"), filepath.Join(dir, FileName)
	for _, content := range []string{"first", "second"} {
		mustDo(t, os.WriteFile(aside, []byte(content), 0o600))
		mustDo(t, name(aside, path, noLinks))
		if got, err := os.ReadFile(path); err != nil || string(got) != "first" {
			t.Errorf("%s: %q (%v)", content, got, err)
		}
	}
	if err := name(filepath.Join(dir, "nothing"), filepath.Join(dir, "other"), noLinks); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}
