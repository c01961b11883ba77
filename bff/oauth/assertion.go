package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // hashes
	_ "crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// SigningKey signs the assertions of a client. ID is the key's in the set that the client has registered (RFC 7517
// §4.5); Algorithm is RS256, RS384 or ES384; Private holds an RSA key of at least 2048 bits, or one on P-384.
type SigningKey struct {
	ID, Algorithm string
	Private       crypto.Signer
}

// hashes are the signature algorithms of assertions: SMART App Launch 2.2 wants RS384 and ES384, athenahealth's guide
// signs with RS256.
var hashes = map[string]crypto.Hash{"RS256": crypto.SHA256, "RS384": crypto.SHA384, "ES384": crypto.SHA384}

// assertionLife is how long an assertion is good for: less than the five minutes that SMART App Launch 2.2 allows, by enough
// that a server whose clock is slow counts no more than those.
const assertionLife = 4 * time.Minute

// noKey says that a request was not sent because nothing could sign it. It is an ErrSecret in its consequences.
type noKey struct{ err error }

func (e noKey) Error() string { return "no signing key: " + e.err.Error() }

func (e noKey) Unwrap() []error { return []error{ErrSecret, e.err} }

// assertion is a fresh JWT that authenticates the client once (RFC 7523 §3; SMART App Launch 2.2, "Authenticating to the
// Token Endpoint"). Its dates are by the server's clock as far as that is known, and it claims to be as old as the
// difference that is not corrected, so that no server takes it for one from the future. The error wraps ErrSecret.
func (c *Client) assertion(s Server) (string, error) {
	key, err := c.config.Key()
	if err != nil {
		return "", noKey{err}
	}
	if key.Algorithm == "" {
		key.Algorithm = c.config.Auth.Algorithm
	}
	if err := key.check(); err != nil {
		return "", noKey{err}
	}
	audience := s.Token
	if c.config.Auth.Audience == AudienceIssuer {
		audience = s.Issuer
	}
	now := c.clock.now()
	return key.sign(map[string]any{
		"iss": c.config.ID, "sub": c.config.ID, "aud": audience, "jti": rand.Text(),
		"iat": now.Add(-leastOffset).Unix(), "exp": now.Add(assertionLife).Unix(),
	})
}

// check says why a key cannot sign.
func (k SigningKey) check() error {
	if k.ID == "" || k.Private == nil || hashes[k.Algorithm] == 0 {
		return errors.New("a key needs an id, a private half and one of RS256, RS384, ES384")
	}
	switch public := k.Private.Public().(type) {
	case *rsa.PublicKey:
		if strings.HasPrefix(k.Algorithm, "RS") && public.N.BitLen() >= 2048 {
			return nil
		}
	case *ecdsa.PublicKey:
		if k.Algorithm == "ES384" && public.Curve == elliptic.P384() {
			return nil
		}
	}
	return fmt.Errorf("the key is none for %s", k.Algorithm)
}

// sign is a JWT in compact form (RFC 7515 §3.1).
func (k SigningKey) sign(claims map[string]any) (string, error) {
	header, err1 := json.Marshal(map[string]string{"alg": k.Algorithm, "kid": k.ID, "typ": "JWT"})
	body, err2 := json.Marshal(claims)
	if err := errors.Join(err1, err2); err != nil {
		return "", noKey{err}
	}
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(body)
	digest := hashes[k.Algorithm].New()
	digest.Write([]byte(input))
	signature, err := k.Private.Sign(rand.Reader, digest.Sum(nil), hashes[k.Algorithm])
	if err == nil && k.Algorithm == "ES384" {
		signature, err = concatenated(signature)
	}
	if err != nil {
		return "", noKey{err}
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// concatenated is an ECDSA signature on P-384 as JWTs have it: two numbers of 48 bytes (RFC 7518 §3.4).
func concatenated(der []byte) ([]byte, error) {
	var pair struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &pair)
	if err != nil || len(rest) > 0 || pair.R.Sign() < 0 || pair.S.Sign() < 0 || pair.R.BitLen() > 384 || pair.S.BitLen() > 384 {
		return nil, errors.New("unusable signature")
	}
	out := make([]byte, 96)
	pair.R.FillBytes(out[:48])
	pair.S.FillBytes(out[48:])
	return out, nil
}
