package e2e_test

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"locum/bff/demo"
	"locum/bff/vault"
)

// privateKeys are the private halves of all keys that sign to platforms, out of a copy of the vault: as texts (PKCS #8 as it is
// sealed, and the number alone as a JWK would have it in d) and as the number's bytes.
func privateKeys(t *testing.T, d *demo.Demo) (texts, raw []string) {
	t.Helper()
	copied := t.TempDir()
	database, err := os.ReadFile(filepath.Join(d.Dir, "data", vault.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(copied, vault.FileName), database, 0o600); err != nil {
		t.Fatal(err)
	}
	master, err := vault.ReadKeyFile(filepath.Join(d.Dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	err = vault.Look(copied, master, func(v *vault.Vault) error {
		return v.View(func(tx *vault.Tx) error {
			return vault.SigningKeys.Each(tx, func(key vault.SigningKey) error {
				number := privateNumber(t, key.Private.Reveal())
				texts = append(texts, key.Private.Reveal(), base64.RawURLEncoding.EncodeToString(number))
				raw = append(raw, string(number))
				return nil
			})
		})
	})
	if err != nil || len(raw) < 2 {
		t.Fatalf("%d signing keys were read: %v", len(raw), err)
	}
	return texts, raw
}

func privateNumber(t *testing.T, sealed string) []byte {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		number, err := key.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return number
	case *rsa.PrivateKey:
		return key.D.Bytes()
	}
	t.Fatalf("a signing key is %T", key)
	return nil
}
