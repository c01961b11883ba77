package vault_test

import (
	"encoding/binary"
	"hash/fnv"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"locum/bff/secret"
	"locum/bff/vault"
)

// newKey makes a key file outside the data directory and reads it.
func newKey(t testing.TB) vault.MasterKey {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master.key")
	if err := vault.CreateKeyFile(path); err != nil {
		t.Fatal(err)
	}
	key, err := vault.ReadKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mustOpen(t testing.TB, dir string, key vault.MasterKey) *vault.Vault {
	t.Helper()
	v, err := vault.Open(dir, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

func mustClose(t testing.TB, v *vault.Vault) {
	t.Helper()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustPut[T any](t testing.TB, v *vault.Vault, c vault.Collection[T], key string, record *T) {
	t.Helper()
	if err := v.Update(func(tx *vault.Tx) error { return c.Put(tx, key, record) }); err != nil {
		t.Fatal(err)
	}
}

func get[T any](v *vault.Vault, c vault.Collection[T], key string) (record T, err error) {
	err = v.View(func(tx *vault.Tx) error {
		record, err = c.Get(tx, key)
		return err
	})
	return record, err
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// onlyTheDatabase says that dir holds the database, its mark and nothing else.
func onlyTheDatabase(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 || entries[0].Name() != vault.FileName || entries[1].Name() != vault.FileName+".mark" {
		t.Errorf("the data directory holds %v (%v)", entries, err)
	}
}

// fill sets every field of a record, at any depth: strings and secrets to what text gives, the rest to something that is
// not zero. A field that a form forgets is therefore seen, and so is one that somebody adds later.
func fill(t testing.TB, record any, text func(field string) string) {
	t.Helper()
	fillValue(t, reflect.ValueOf(record).Elem(), reflect.TypeOf(record).Elem().Name(), text)
}

func fillValue(t testing.TB, v reflect.Value, name string, text func(string) string) {
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = text(name)
	case *secret.String:
		*p = secret.New(text(name))
	case *[]string:
		*p = []string{text(name + "0"), text(name + "1")}
	case *map[string]string:
		*p = map[string]string{text(name + "Key"): text(name + "Value"), "": text(name + "Empty")}
	case *time.Time:
		*p = time.Date(2026, 11, 22, 6, 25, 0, 123456789, time.UTC)
	case *time.Duration:
		*p = -1800 * time.Second
	case *int:
		*p = -429
	case *uint64:
		*p = 1<<63 + 7
	case *bool:
		*p = true
	default:
		if v.Kind() == reflect.Slice {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			fillValue(t, v.Index(0), name+"0", text)
			fillValue(t, v.Index(1), name+"1", text)
			return
		}
		if v.Kind() != reflect.Struct {
			t.Fatalf("%s: no filling for %s", name, v.Type())
		}
		for i := range v.NumField() {
			if field := v.Type().Field(i).Name; field != "Generation" {
				fillValue(t, v.Field(i), name+field, text)
			}
		}
	}
}

// bbolt writes numbers as the machine does, and sums its meta pages by FNV-1a.
func putUint32(b []byte, n uint32) { binary.NativeEndian.PutUint32(b, n) }

func putUint64(b []byte, n uint64) { binary.NativeEndian.PutUint64(b, n) }

func sum64(b []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(b)
	return h.Sum64()
}
