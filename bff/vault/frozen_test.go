package vault_test

import (
	"encoding/base64"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"locum/bff/vault"
)

var freeze = flag.Bool("freeze", false, "write testdata/v1.db and its key anew: only before v1 is released")

// TestFrozenV1 opens a database that the first version wrote. Every later version must.
func TestFrozenV1(t *testing.T) {
	keyFile, db := filepath.Join("testdata", "v1-TEST-ONLY.key"), filepath.Join("testdata", "v1.db")
	if *freeze {
		freezeV1(t, keyFile, db)
	}
	dir := t.TempDir()
	private := filepath.Join(dir, "key") // a checkout does not keep the mode 0600
	writeFile(t, private, readFile(t, keyFile))
	key, err := vault.ReadKeyFile(private)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(data, vault.FileName), readFile(t, db))
	v := mustOpen(t, data, key)
	if mac := v.MAC("frozen", "v1"); mac != frozenMAC {
		t.Errorf("MAC = %s", mac)
	}
	t.Run("Account", func(t *testing.T) { frozen(t, v, vault.Accounts) })
	t.Run("Session", func(t *testing.T) { frozen(t, v, vault.Sessions) })
	t.Run("Attempt", func(t *testing.T) { frozen(t, v, vault.Attempts) })
	t.Run("Outcome", func(t *testing.T) { frozen(t, v, vault.Outcomes) })
	t.Run("Connection", func(t *testing.T) { frozen(t, v, vault.Connections) })
	t.Run("ClientSecret", func(t *testing.T) { frozen(t, v, vault.ClientSecrets) })
}

func frozen[T any](t *testing.T, v *vault.Vault, c vault.Collection[T]) {
	got, err := get(v, c, "frozen")
	if err != nil {
		t.Fatal(err)
	}
	want := filled[T](t)
	reflect.ValueOf(want).Elem().FieldByName("Generation").SetUint(1)
	if !reflect.DeepEqual(got, *want) {
		t.Errorf("read %+v, want %+v", got, *want)
	}
}

func freezeV1(t *testing.T, keyFile, db string) {
	dir := t.TempDir()
	if err := errors.Join(os.MkdirAll("testdata", 0o755), os.RemoveAll(keyFile)); err != nil {
		t.Fatal(err)
	}
	writeFile(t, keyFile, []byte(base64.StdEncoding.EncodeToString([]byte("TEST KEY ONLY: it hides nothing."))+"\n"))
	key, err := vault.ReadKeyFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	v := mustOpen(t, dir, key)
	mustPut(t, v, vault.Accounts, "frozen", filled[vault.Account](t))
	mustPut(t, v, vault.Sessions, "frozen", filled[vault.Session](t))
	mustPut(t, v, vault.Attempts, "frozen", filled[vault.Attempt](t))
	mustPut(t, v, vault.Outcomes, "frozen", filled[vault.Outcome](t))
	mustPut(t, v, vault.Connections, "frozen", filled[vault.Connection](t))
	mustPut(t, v, vault.ClientSecrets, "frozen", filled[vault.ClientSecret](t))
	t.Logf("frozenMAC is now %s", v.MAC("frozen", "v1"))
	mustClose(t, v)
	writeFile(t, db, readFile(t, filepath.Join(dir, vault.FileName)))
}

// frozenMAC is what MAC("frozen", "v1") is in testdata/v1.db, whose key file is a test key and protects nothing.
const frozenMAC = "AYOuDucl4mptM98OlY0Wt3TS23grNzx3WNhoPvcdn3Y"
