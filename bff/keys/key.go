package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"

	"locum/bff/secret"
	"locum/bff/vault"
)

// Algorithms of RFC 7518 §3.1 that a client may sign with: SMART App Launch 2.2 has every server take RS384 or ES384, and
// athenahealth's guide shows RS256.
const (
	RS256 = "RS256"
	RS384 = "RS384"
	ES384 = "ES384"
)

// DefaultBits is the length of an RSA key where none is asked for: 128 bits of security (NIST SP 800-57 part 1).
const DefaultBits = 3072

var errUnreadable = errors.New("keys: a private key in the vault is none that Locum makes")

// jwk is the public half of a key as RFC 7517 writes it. There is no field for a private member.
type jwk struct {
	Kty string `json:"kty"`
	Kid string `json:"kid"`
	Use string `json:"use"`
	Alg string `json:"alg"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	Crv string `json:"crv,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
}

// signer signs with a private key and is all that anybody gets of one. It does not print.
type signer struct{ key crypto.Signer }

// Public gives the public half.
func (s signer) Public() crypto.PublicKey { return s.key.Public() }

// Sign signs a digest: PKCS #1 v1.5 with RSA, ASN.1 with ECDSA.
func (s signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.key.Sign(random, digest, opts)
}

// Format never shows the key, whatever the verb.
func (signer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[private key]") }

// GoString never shows the key.
func (signer) GoString() string { return "[private key]" }

// generate makes a private key; bits are of RSA alone, 0 being DefaultBits.
func generate(algorithm string, bits int) (crypto.Signer, error) {
	switch {
	case algorithm == ES384 && bits != 0:
		return nil, fmt.Errorf("%w: an ES384 key has one size: leave the bits out", ErrSize)
	case algorithm == ES384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case algorithm != RS256 && algorithm != RS384:
		return nil, fmt.Errorf("%w: %q; Locum signs with RS256, RS384 or ES384", ErrAlgorithm, algorithm)
	case bits == 0:
		bits = DefaultBits
	case bits != 2048 && bits != 3072:
		return nil, fmt.Errorf("%w: %d; an RSA key has 2048 or 3072 bits", ErrSize, bits)
	}
	return rsa.GenerateKey(rand.Reader, bits)
}

// newRecord makes a key that is nobody's yet: a spare. One in 64 is thrown away: an id that begins with a dash would be taken
// for a flag where an operator types it.
func newRecord(id, algorithm string, bits int) (vault.SigningKey, error) {
	for {
		private, err := generate(algorithm, bits)
		if err != nil {
			return vault.SigningKey{}, err
		}
		public, err := publicOf(private.Public(), algorithm)
		if err != nil {
			return vault.SigningKey{}, err
		}
		if strings.HasPrefix(public.Kid, "-") {
			continue
		}
		der, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			return vault.SigningKey{}, fmt.Errorf("keys: %w", err)
		}
		return vault.SigningKey{ID: public.Kid, Platform: id, Algorithm: algorithm,
			Private: secret.New(base64.StdEncoding.EncodeToString(der))}, nil
	}
}

// parse reads a record's private half and makes sure that it is the one its id names.
func parse(record vault.SigningKey) (signer, jwk, error) {
	der, err := base64.StdEncoding.DecodeString(record.Private.Reveal())
	if err != nil {
		return signer{}, jwk{}, errUnreadable // never the cause: it may quote the key
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return signer{}, jwk{}, errUnreadable
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return signer{}, jwk{}, errUnreadable
	}
	public, err := publicOf(private.Public(), record.Algorithm)
	if err != nil || public.Kid != record.ID {
		return signer{}, jwk{}, errUnreadable
	}
	return signer{private}, public, nil
}

// publicOf writes a public key down, its id being the SHA-256 thumbprint of RFC 7638.
func publicOf(key crypto.PublicKey, algorithm string) (jwk, error) {
	j := jwk{Use: "sig", Alg: algorithm}
	switch key := key.(type) {
	case *rsa.PublicKey:
		j.Kty, j.N, j.E = "RSA", encode(key.N.Bytes()), encode(big.NewInt(int64(key.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := key.Bytes() // 4, then x and y of 48 bytes each (SEC 1 §2.3.3)
		if err != nil || key.Curve != elliptic.P384() {
			return jwk{}, errUnreadable
		}
		j.Kty, j.Crv, j.X, j.Y = "EC", "P-384", encode(point[1:49]), encode(point[49:])
	default:
		return jwk{}, errUnreadable
	}
	if (j.Kty == "EC") != (algorithm == ES384) {
		return jwk{}, errUnreadable
	}
	j.Kid = thumbprint(j)
	return j, nil
}

// thumbprint is RFC 7638 §3: the required members, in the order of their names, without a space.
func thumbprint(j jwk) string {
	var required any
	if j.Kty == "EC" {
		required = struct {
			Crv string `json:"crv"`
			Kty string `json:"kty"`
			X   string `json:"x"`
			Y   string `json:"y"`
		}{j.Crv, j.Kty, j.X, j.Y}
	} else {
		required = struct {
			E   string `json:"e"`
			Kty string `json:"kty"`
			N   string `json:"n"`
		}{j.E, j.Kty, j.N}
	}
	text, _ := json.Marshal(required) // strings of base64url: nothing to fail on, nothing to escape
	sum := sha256.Sum256(text)
	return encode(sum[:])
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
