package keys

import "crypto/rsa"

// Thumbprint is RFC 7638's of an RSA key.
func Thumbprint(key *rsa.PublicKey) string {
	j, err := publicOf(key, RS256)
	if err != nil {
		return err.Error()
	}
	return j.Kid
}
