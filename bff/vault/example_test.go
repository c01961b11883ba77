package vault_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"locum/bff/secret"
	"locum/bff/vault"
)

// A client secret is stored, read and replaced; who held an older state of it is refused.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "locum")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	keyFile := filepath.Join(dir, "master.key") // in earnest: not beside the data
	if err := vault.CreateKeyFile(keyFile); err != nil {
		panic(err)
	}
	master, err := vault.ReadKeyFile(keyFile)
	if err != nil {
		panic(err)
	}
	v, err := vault.Open(filepath.Join(dir, "data"), master)
	if err != nil {
		panic(err)
	}
	defer v.Close()

	mine := vault.ClientSecret{Platform: "jane", Value: secret.New("s3cret")}
	older := mine
	put := func(record *vault.ClientSecret) error {
		return v.Update(func(tx *vault.Tx) error { return vault.ClientSecrets.Put(tx, record.Platform, record) })
	}
	fmt.Println(put(&mine), mine.Generation)
	fmt.Println(errors.Is(put(&older), vault.ErrConflict))
	fmt.Println(mine.Value)
	// Output:
	// <nil> 1
	// true
	// [redacted]
}
