package keys

import (
	"crypto/rsa"
	"testing"
)

// Thumbprint is RFC 7638's of an RSA key.
func Thumbprint(key *rsa.PublicKey) string {
	j, err := publicOf(key, RS256)
	if err != nil {
		return err.Error()
	}
	return j.Kid
}

// NewID makes a key and gives its id.
func NewID(t testing.TB) string {
	t.Helper()
	made, err := newRecord("j", ES384, 0)
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}
