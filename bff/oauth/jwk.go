package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
)

// publicKey is a server's signing key and the algorithms it is good for, never none.
type publicKey struct {
	key        crypto.PublicKey // *rsa.PublicKey or *ecdsa.PublicKey
	algorithms []string
}

// parseKeys keeps the signing keys of a key set that are good for one of the accepted algorithms and ignores every other
// entry, as RFC 7517 §5 asks. Of two keys with one id the first counts, and entries beyond the 64th are not looked at. A
// set without a usable key is an error: more likely the server is being repaired than that it has withdrawn every key, and
// what was read before holds on.
func parseKeys(body []byte, accepted []string) (map[string]*publicKey, error) {
	set, err := parseMembers(body)
	var entries []json.RawMessage
	if err != nil || json.Unmarshal(set["keys"], &entries) != nil || entries == nil {
		return nil, errors.New("not a key set")
	}
	keys := map[string]*publicKey{}
	for _, raw := range entries[:min(len(entries), maxKeys)] {
		kid, key := parseKey(raw, accepted)
		if key != nil && keys[kid] == nil {
			keys[kid] = key
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("a key set without a usable key")
	}
	return keys, nil
}

// parseKey answers nil for anything but a key with an id, for signatures (its use is "sig", or its key_ops name verify:
// RFC 7517 §4.2, §4.3), and for an accepted algorithm. One that is published with its private part (RFC 7518 §6.2.2,
// §6.3.2) is everybody's, and no key.
func parseKey(raw json.RawMessage, accepted []string) (string, *publicKey) {
	m, err := parseMembers(raw)
	if err != nil || m["d"] != nil {
		return "", nil
	}
	var kty, kid, use, alg string
	for name, to := range map[string]*string{"kty": &kty, "kid": &kid, "use": &use, "alg": &alg} {
		if *to, err = m.text(name); err != nil {
			return "", nil
		}
	}
	var operations []string
	if ops, ok := m["key_ops"]; ok && json.Unmarshal(ops, &operations) != nil {
		return "", nil
	}
	if kid == "" || use != "sig" && (use != "" || !slices.Contains(operations, "verify")) {
		return "", nil
	}
	key := publicKey{algorithms: slices.DeleteFunc(slices.Clone(accepted), func(a string) bool {
		return alg != "" && a != alg || (a == "ES384") != (kty == "EC")
	})}
	switch {
	case len(key.algorithms) == 0:
		return "", nil
	case kty == "RSA":
		key.key = m.rsaKey()
	case kty == "EC":
		key.key = m.ecKey()
	}
	if key.key == nil {
		return "", nil
	}
	return kid, &key
}

// rsaKey is an RSA key of 2048 to 8192 bits (RFC 7518 §3.3, §6.3.1), or nil.
func (m members) rsaKey() crypto.PublicKey {
	modulus, exponent := m.bytes("n"), m.bytes("e")
	if len(modulus) > 1024 || len(exponent) > 4 {
		return nil
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(new(big.Int).SetBytes(exponent).Int64())}
	if bits := key.N.BitLen(); bits < 2048 || bits > 8192 || key.E < 3 || key.E > 1<<31-1 || key.E%2 == 0 || key.N.Bit(0) == 0 {
		return nil
	}
	return key
}

// ecKey is a key on P-384, the curve of ES384 (RFC 7518 §3.4, §6.2.1), or nil.
func (m members) ecKey() crypto.PublicKey {
	curve, err := m.text("crv")
	x, y := m.bytes("x"), m.bytes("y")
	if err != nil || curve != "P-384" || len(x) != 48 || len(y) != 48 {
		return nil
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil // not on the curve
	}
	return key
}

// bytes is a base64url member, nil where it is none.
func (m members) bytes(name string) []byte {
	text, err := m.text(name)
	if err != nil {
		return nil
	}
	value, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil
	}
	return value
}
