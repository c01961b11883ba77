package oauth_test

import (
	"crypto/rand"
	"crypto/sha256"
	"math/big"
	"testing"
)

// quickKey signs RS256 in a fraction of the time that crypto/rsa takes, which a fuzzer has not: its modulus of 2048 bits is a
// product of primes of 31 bits, so anybody could factor it.
type quickKey struct {
	n      *big.Int
	primes []*big.Int
	powers []*big.Int // the private exponent, for each prime
	shares []*big.Int // 1 for its own prime, 0 for the others
}

const quickE = 3

func newQuickKey(t testing.TB) *quickKey {
	t.Helper()
	one, e := big.NewInt(1), big.NewInt(quickE)
	k := &quickKey{n: big.NewInt(1)}
	for seen := map[string]bool{}; k.n.BitLen() < 2048; {
		p, err := rand.Prime(rand.Reader, 31)
		if err != nil {
			t.Fatal(err)
		}
		power := new(big.Int).ModInverse(e, new(big.Int).Sub(p, one))
		if power == nil || seen[p.String()] {
			continue
		}
		seen[p.String()] = true
		k.n.Mul(k.n, p)
		k.primes, k.powers = append(k.primes, p), append(k.powers, power)
	}
	for _, p := range k.primes {
		others := new(big.Int).Div(k.n, p)
		k.shares = append(k.shares, others.Mul(others, new(big.Int).ModInverse(new(big.Int).Mod(others, p), p)))
	}
	return k
}

// jwk is the public entry of a key set.
func (k *quickKey) jwk(kid string) object {
	return object{"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": b64.EncodeToString(k.n.Bytes()), "e": "Aw"}
}

// sign is RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2, §9.2), by the Chinese remainder theorem.
func (k *quickKey) sign(signed string) []byte {
	sum := sha256.Sum256([]byte(signed))
	size := (k.n.BitLen() + 7) / 8
	info := append([]byte("\x00\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"), sum[:]...)
	encoded := make([]byte, size)
	for i := range encoded {
		encoded[i] = 0xff
	}
	encoded[0], encoded[1] = 0, 1
	copy(encoded[size-len(info):], info)
	message, signature := new(big.Int).SetBytes(encoded), new(big.Int)
	for i, p := range k.primes {
		root := new(big.Int).Exp(new(big.Int).Mod(message, p), k.powers[i], p)
		signature.Add(signature, root.Mul(root, k.shares[i]))
	}
	return signature.Mod(signature, k.n).FillBytes(make([]byte, size))
}
