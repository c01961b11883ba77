package vault

import (
	"bytes"
	"errors"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"locum/bff/secret"
)

// FuzzOpenValue: bytes that this vault did not seal for this place open to nothing, whoever sealed them and for what;
// what opens is what was sealed here, unchanged.
func FuzzOpenValue(f *testing.F) {
	seal, err := newSealer()
	mustDo(f, err)
	mine, err := seal.seal("connections", []byte("mine"), 1, 3, []byte("my refresh token"))
	mustDo(f, err)
	theirs, err := seal.seal("connections", []byte("theirs"), 1, 3, []byte("their refresh token"))
	mustDo(f, err)
	f.Add(uint16(0), []byte{}, uint16(0))
	f.Add(uint16(9), []byte{1}, uint16(4))
	f.Add(uint16(0), theirs, uint16(len(theirs)))
	f.Add(uint16(30), bytes.Repeat([]byte{0xff}, 64), uint16(16))
	f.Fuzz(func(t *testing.T, at uint16, patch []byte, cut uint16) {
		for _, base := range [][]byte{mine, theirs} { // the patch over a good value, and what is left of it
			value := bytes.Clone(base)
			from := int(at) % (len(value) + 1)
			value = append(value[:from], append(bytes.Clone(patch), value[min(len(value), from+int(cut)):]...)...)
			_, generation, plain, err := seal.open("connections", []byte("mine"), value)
			switch {
			case err == nil && bytes.Equal(value, mine) && generation == 3 && string(plain) == "my refresh token":
			case err == nil:
				t.Fatalf("%x opened to %q", value, plain)
			case !errors.Is(err, ErrIntegrity) || plain != nil:
				t.Fatalf("%x: %q, %v", value, plain, err)
			}
		}
	})
}

// FuzzReadKeyset: whatever stands in the keyset's place, the answer is a typed error and never a key.
func FuzzReadKeyset(f *testing.F) {
	master := MasterKey{key: secret.New(strings.Repeat("k", masterKeySize))}
	seal, err := newSealer()
	mustDo(f, err)
	whole, err := wrapKeyset(master, seal)
	mustDo(f, err)
	f.Add([]byte{})
	f.Add([]byte(metaMagic))
	f.Add(whole[:len(whole)-1])
	f.Add(append([]byte("locum vault 0 "), whole...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := readKeyset(master, data); err == nil && !bytes.Equal(data, whole) {
			t.Fatalf("%x is a keyset", data)
		} else if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrWrongKey) && !errors.Is(err, ErrVersion) {
			t.Fatal(err)
		}
	})
}

// FuzzPages: a file that checkPages lets through can be read from end to end and written to by bbolt, which trusts it. The
// input is which file to begin with and what to change in it, four bytes a change: where (3) and to what. The meta pages'
// sums are made right again where fit is set, so that what lies behind them is reached.
func FuzzPages(f *testing.F) {
	path := filepath.Join(f.TempDir(), "fuzzed.db")
	var bases [][]byte
	for _, records := range []int{0, 3, 30, 80} {
		bases = append(bases, smallBolt(f, path, records))
		f.Add(uint8(len(bases)-1), true, []byte{})
		f.Add(uint8(len(bases)-1), true, []byte{16, 4, 0, 1, 0, 12, 0, 9})
		f.Add(uint8(len(bases)-1), false, []byte{16, 8, 0, 255, 40, 8, 0, 1, 41, 8, 0, 0})
	}
	f.Fuzz(func(t *testing.T, which uint8, fit bool, changes []byte) {
		content := bytes.Clone(bases[int(which)%len(bases)])
		for ; len(changes) >= 4; changes = changes[4:] {
			content[(int(changes[0])|int(changes[1])<<8|int(changes[2])<<16)%len(content)] = changes[3]
		}
		for _, meta := range [][]byte{content[16:80], content[1024+16 : 1024+80]} {
			if sum := fnv.New64a(); fit {
				sum.Write(meta[:56])
				order.PutUint64(meta[56:], sum.Sum64())
			}
		}
		if _, err := checkPages(bytes.NewReader(content)); err != nil {
			return
		}
		mustDo(t, os.WriteFile(path, content, 0o600))
		useBolt(t, path)
	})
}

// useBolt reads all of a file and writes to each of its buckets.
func useBolt(t *testing.T, path string) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, FreelistType: bbolt.FreelistMapType})
	mustDo(t, err)
	defer db.Close()
	var names [][]byte
	mustDo(t, db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			names = append(names, bytes.Clone(name))
			return b.ForEach(func(_, _ []byte) error { return nil })
		})
	}))
	for _, name := range names {
		_ = db.Update(func(tx *bbolt.Tx) error { // an error is well: a name that is empty, for instance
			return errors.Join(tx.Bucket(name).Put([]byte("one more"), make([]byte, 1000)), tx.Bucket(name).Delete([]byte{1, 1}))
		})
	}
}

// smallBolt is a bbolt file of pages of 1 kB.
func smallBolt(t testing.TB, path string, records int) []byte {
	t.Helper()
	defer os.Remove(path)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, PageSize: 1024, FreelistType: bbolt.FreelistMapType})
	mustDo(t, err)
	for i := range records {
		mustDo(t, db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte{'b', 'u', 'c', 'k', 'e', 't', byte('0' + i%2)})
			if err != nil {
				return err
			}
			return b.Put([]byte{byte(i), 1}, make([]byte, 20*i))
		}))
	}
	mustDo(t, db.Close())
	content, err := os.ReadFile(path)
	mustDo(t, err)
	return content
}
