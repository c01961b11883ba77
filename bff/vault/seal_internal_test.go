package vault

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"locum/bff/secret"
)

// FuzzSeal: what is sealed opens to the same bytes, in its place alone, and not once any bit of it is flipped.
func FuzzSeal(f *testing.F) {
	seal, err := newSealer()
	if err != nil {
		f.Fatal(err)
	}
	f.Add("connections", []byte("key"), byte(1), uint64(1), []byte("a refresh token"), uint(0))
	f.Add("", []byte{}, byte(0), uint64(0), []byte{}, uint(77))
	f.Add("meta", []byte("root"), byte(255), ^uint64(0), bytes.Repeat([]byte{0}, 4096), uint(31999))
	f.Fuzz(func(t *testing.T, bucket string, key []byte, schema byte, generation uint64, plain []byte, bit uint) {
		value, err := seal.seal(bucket, key, schema, generation, plain)
		if err != nil {
			t.Fatal(err)
		}
		gotSchema, gotGeneration, got, err := seal.open(bucket, key, value)
		if err != nil || gotSchema != schema || gotGeneration != generation || !bytes.Equal(got, plain) {
			t.Fatalf("opened to %d, %d, %q, %v", gotSchema, gotGeneration, got, err)
		}
		if len(plain) >= 16 && bytes.Contains(value, plain) {
			t.Fatal("the sealed value holds the plain one")
		}
		flipped := bytes.Clone(value)
		bit %= uint(len(value)) * 8
		flipped[bit/8] ^= 1 << (bit % 8)
		mustNotOpen(t, seal, "flipped bit", bucket, key, flipped)
		mustNotOpen(t, seal, "truncated", bucket, key, value[:bit/8])
		mustNotOpen(t, seal, "longer", bucket, key, append(bytes.Clone(value), 0))
		mustNotOpen(t, seal, "other bucket", bucket+"x", key, value)
		if other := strings.Repeat("x", len(bucket)); other != bucket {
			mustNotOpen(t, seal, "other bucket of the same length", other, key, value)
		}
		mustNotOpen(t, seal, "other key", bucket, append(bytes.Clone(key), 0), value)
		mustNotOpen(t, seal, "bucket and key shifted", bucket+string(key), nil, shifted(value, key))
	})
}

// shifted is value, or a broken one where the shift changes nothing.
func shifted(value, key []byte) []byte {
	if len(key) == 0 {
		return value[1:]
	}
	return value
}

func mustNotOpen(t *testing.T, seal *sealer, what, bucket string, key, value []byte) {
	t.Helper()
	if _, _, _, err := seal.open(bucket, key, value); !errors.Is(err, ErrIntegrity) {
		t.Fatalf("%s: %v", what, err)
	}
}

// FuzzDecode: no content of a record crashes the reader, and what it accepts it writes back to the same record.
func FuzzDecode(f *testing.F) {
	plain, err := encode(func(c *codec) {
		(&Attempt{State: "s", Scopes: []string{"a", "b"}, Context: Context{Page: "p", Params: map[string]string{"k": "v"}}}).fields(c)
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add([]byte{1, 200, 1})
	f.Add([]byte{13, 2, 9, 9})
	f.Fuzz(func(t *testing.T, plain []byte) {
		var a, b Attempt
		if decode(plain, func(c *codec) { a.fields(c) }) != nil {
			return
		}
		again, err := encode(func(c *codec) { a.fields(c) })
		if err != nil {
			t.Fatal(err)
		}
		if err := decode(again, func(c *codec) { b.fields(c) }); err != nil {
			t.Fatalf("wrote what it cannot read: %v", err)
		}
		third, _ := encode(func(c *codec) { b.fields(c) })
		if !bytes.Equal(again, third) {
			t.Fatalf("%x became %x", again, third)
		}
	})
}

// TestT061ValuesStayInTheirPlace moves sealed values about in the store, below the seal.
func TestT061ValuesStayInTheirPlace(t *testing.T) {
	v := testVault(t)
	var first, second []byte
	err := v.Update(func(tx *Tx) error {
		a, b := &Connection{ID: "a"}, &Connection{ID: "b"}
		if err := errors.Join(Connections.Put(tx, "a", a), Connections.Put(tx, "b", b)); err != nil {
			return err
		}
		place := Connections.place(tx, "a")
		first = bytes.Clone(tx.store.get("connections", place))
		if err := Connections.Put(tx, "a", a); err != nil {
			return err
		}
		second = bytes.Clone(tx.store.get("connections", place))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		value []byte
		to    string
	}{
		{"another record's value", second, "b"},
		{"an older value under the newer generation", append(bytes.Clone(second[:headerSize]), first[headerSize:]...), "a"},
		{"another schema", append([]byte{1}, second[1:]...), "a"},
		{"nothing but a header", second[:headerSize], "a"},
		{"empty", []byte{}, "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_ = v.Update(func(tx *Tx) error {
				if err := tx.store.put("connections", Connections.place(tx, c.to), c.value); err != nil {
					t.Fatal(err)
				}
				_, err := Connections.Get(tx, c.to)
				wantIntegrity(t, "Get", err)
				wantIntegrity(t, "Put", Connections.Put(tx, c.to, &Connection{ID: c.to, Generation: 2}))
				others := 0
				err = Connections.Each(tx, func(r Connection) error {
					if others++; r.ID == c.to {
						t.Errorf("Each gives %+v", r)
					}
					return nil
				})
				if err != nil || others != 1 {
					t.Errorf("Each gives %d others (%v)", others, err)
				}
				return errors.New("roll back")
			})
		})
	}
}

func wantIntegrity(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, ErrIntegrity) {
		t.Errorf("%s: %v", what, err)
	}
}

func TestANewerSchemaIsSaid(t *testing.T) {
	v := testVault(t)
	newer := Sessions
	newer.schema = 2
	err := v.Update(func(tx *Tx) error {
		if err := newer.Put(tx, "s", &Session{ID: "s"}); err != nil {
			return err
		}
		_, err := Sessions.Get(tx, "s")
		return err
	})
	if err == nil || errors.Is(err, ErrIntegrity) || !strings.Contains(err.Error(), "schema 2") {
		t.Errorf("got %v", err)
	}
}

// TestResealDropsTheOldKey looks at the keys: after each Reseal one is live, another one, and all values begin with it.
func TestResealDropsTheOldKey(t *testing.T) {
	v := testVault(t)
	mustUpdate(t, v, func(tx *Tx) error { return Accounts.Put(tx, "a", &Account{ID: "a"}) })
	before := v.seal.primary
	if err := v.setKeyset((*sealer).rotated); err != nil { // as if the call had been cut short here
		t.Fatal(err)
	}
	mustUpdate(t, v, func(tx *Tx) error { return Accounts.Put(tx, "b", &Account{ID: "b"}) })
	middle := v.seal.primary
	if err := v.reseal(); err != nil {
		t.Fatal(err)
	}
	if v.seal.primary != middle || middle == before || v.seal.handle.Len() != 1 {
		t.Errorf("keys: %x, %x, %x; %d live", before, middle, v.seal.primary, v.seal.handle.Len())
	}
	mustUpdate(t, v, func(tx *Tx) error {
		for _, login := range []string{"a", "b"} {
			if a, err := Accounts.Get(tx, login); err != nil || a.ID != login || a.Generation != 1 {
				t.Errorf("%s: %+v, %v", login, a, err)
			}
			if !tx.seal.current(tx.store.get("accounts", Accounts.place(tx, login))) {
				t.Errorf("%s is sealed under another key", login)
			}
		}
		return nil
	})
}

func mustUpdate(t *testing.T, v *Vault, fn func(*Tx) error) {
	t.Helper()
	if err := v.Update(fn); err != nil {
		t.Fatal(err)
	}
}

func testVault(t testing.TB) *Vault {
	t.Helper()
	v, err := Open(t.TempDir(), MasterKey{key: secret.New(strings.Repeat("k", masterKeySize))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}
