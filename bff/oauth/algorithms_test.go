package oauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"net/http"
	"testing"
	"time"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// es384 signs as ES384 does (RFC 7518 §3.4).
func es384(t *testing.T, key *ecdsa.PrivateKey) func(string) []byte {
	return func(signed string) []byte {
		sum := sha512.Sum384([]byte(signed))
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		size := (key.Params().BitSize + 7) / 8
		out := make([]byte, 2*size)
		r.FillBytes(out[:size])
		s.FillBytes(out[size:])
		return out
	}
}

// ecJWK is the public entry of a key set.
func ecJWK(t *testing.T, key *ecdsa.PrivateKey, kid string) object {
	t.Helper()
	public, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	half := len(public) / 2
	return object{"kty": "EC", "kid": kid, "use": "sig", "alg": "ES384", "crv": key.Params().Name, "x": b64.EncodeToString(public[1 : 1+half]), "y": b64.EncodeToString(public[1+half:])}
}

// TestT036Configured: RS384 and ES384 are accepted where the configuration names them, each only with a key of its kind, and
// nowhere else.
func TestT036Configured(t *testing.T) {
	rsaKey, ec, access := newKey(t), ecKey(), secret.New("opaque")
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	any := jwk(rsaKey, "any")
	delete(any, "alg")
	launcher := with(any, object{"kid": "launcher", "use": nil, "key_ops": []string{"verify"}})
	off := with(ecJWK(t, ec, "off"), object{"y": ecJWK(t, ec, "x")["x"]})
	private := with(ecJWK(t, ec, "private"), object{"d": b64.EncodeToString(make([]byte, 48))})
	curve := with(ecJWK(t, p256, "p256"), object{"crv": "P-384"})
	server := &certs{}
	server.keys.Store([]object{jwk(rsaKey, "rs256"), any, ecJWK(t, ec, "es384"), launcher, off, private, curve, with(ecJWK(t, ec, "es256"), object{"alg": "ES256"}),
		with(launcher, object{"kid": "signs", "key_ops": []string{"sign"}}), with(launcher, object{"kid": "no use", "key_ops": nil}), with(launcher, object{"kid": "words", "key_ops": "verify"})})
	hash256, hash384 := sha256.Sum256([]byte("opaque")), sha512.Sum384([]byte("opaque"))
	rs256, rs384, es := rs(t, rsaKey, crypto.SHA256), rs(t, rsaKey, crypto.SHA384), es384(t, ec)
	all := []string{"RS256", "RS384", "ES384"}
	for _, c := range []struct {
		name     string
		accepted []string
		alg, kid string
		finish   func(string) []byte
		hash     []byte
		code     string
	}{
		{"RS256 by default", nil, "RS256", "rs256", rs256, hash256[:16], ""},
		{"RS384 by default", nil, "RS384", "any", rs384, hash384[:24], oauth.TokenAlgorithm},
		{"ES384 by default", nil, "ES384", "es384", es, hash384[:24], oauth.TokenAlgorithm},
		{"RS256 configured", all, "RS256", "rs256", rs256, hash256[:16], ""},
		{"RS384 configured", all, "RS384", "any", rs384, hash384[:24], ""},
		{"ES384 configured", all, "ES384", "es384", es, hash384[:24], ""},
		{"ES384 alone, and an RS256 token", []string{"ES384"}, "RS256", "any", rs256, hash256[:16], oauth.TokenAlgorithm},
		{"RS384 by a key for RS256", all, "RS384", "rs256", rs384, hash384[:24], oauth.TokenUnknownKey},
		{"RS256 by a key for ES384", all, "RS256", "es384", rs256, hash256[:16], oauth.TokenUnknownKey},
		{"ES384 by a key for RSA", all, "ES384", "any", es, hash384[:24], oauth.TokenUnknownKey},
		{"ES384 by a key for ES256", all, "ES384", "es256", es, hash384[:24], oauth.TokenUnknownKey},
		{"ES384 off the curve", all, "ES384", "off", es, hash384[:24], oauth.TokenUnknownKey},
		{"ES384 by a key that everybody has", all, "ES384", "private", es, hash384[:24], oauth.TokenUnknownKey},
		{"ES384 on another curve", all, "ES384", "p256", es384(t, p256), hash384[:24], oauth.TokenUnknownKey},
		{"ES384 by another's key", all, "ES384", "es384", es384(t, newEC(t)), hash384[:24], oauth.TokenSignature},
		{"RS256 signature under RS384", all, "RS384", "any", rs256, hash384[:24], oauth.TokenSignature},
		{"at_hash of the other hash", all, "ES384", "es384", es, hash256[:16], oauth.TokenHash},
		{"none", all, "none", "any", func(string) []byte { return nil }, nil, oauth.TokenAlgorithm},
		{"HS256", all, "HS256", "any", rs256, nil, oauth.TokenAlgorithm},
		{"a key without use that verifies", nil, "RS256", "launcher", rs256, hash256[:16], ""},
		{"a key without use that signs", nil, "RS256", "signs", rs256, hash256[:16], oauth.TokenUnknownKey},
		{"a key without use", nil, "RS256", "no use", rs256, hash256[:16], oauth.TokenUnknownKey},
		{"a key whose operations are a text", nil, "RS256", "words", rs256, hash256[:16], oauth.TokenUnknownKey},
	} {
		t.Run("T036 "+c.name, func(t *testing.T) {
			at := newPipes(t, server)
			client := newClient(t, "http://127.0.0.1:1", func(config *oauth.ClientConfig) {
				config.Dial, config.Server.Issuer, config.IDAlgorithms = at.dial, testIssuer, c.accepted
			})
			id := object{"iss": testIssuer, "sub": "7f7ac94b", "aud": "locum", "nonce": "n-1", "exp": time.Now().Unix() + 300, "iat": time.Now().Unix()}
			if c.hash != nil {
				id["at_hash"] = b64.EncodeToString(c.hash)
			}
			claims, err := client.VerifyID(t.Context(), sign(t, object{"alg": c.alg, "kid": c.kid}, id, c.finish), secret.New("n-1"), access)
			wantVerdict(t, claims, err, c.code)
		})
	}
}

func newEC(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestT043Opaque: an opaque access token is nothing that any reader of tokens takes, and asks nobody for keys.
func TestT043Opaque(t *testing.T) {
	asked := false
	client := newVerifier(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	for _, raw := range []string{"N09411aa6CiXmdNnkp6l7V6lk5UH", "00a~.b", "a.b", "...", "a.b.c.d", "SMART.MAGIC-"} {
		opaque := secret.New(raw)
		_, err1 := client.VerifyID(t.Context(), opaque, secret.String{}, opaque)
		_, err2 := client.VerifyRenewedID(t.Context(), opaque, opaque)
		_, err3 := client.VerifyLogout(t.Context(), opaque)
		for _, err := range []error{err1, err2, err3} {
			if codeOf(err) != oauth.TokenMalformed {
				t.Errorf("T043 %q: %v", raw, err)
			}
		}
	}
	if asked {
		t.Error("T043 the keys were asked for")
	}
}

// TestT043SmartIdentity: of a SMART server's tokens only the id_token of this sign-in says who somebody is.
func TestT043SmartIdentity(t *testing.T) {
	key := newKey(t)
	server := &certs{}
	server.keys.Store([]object{jwk(key, "k1")})
	client := newVerifier(t, server)
	now := time.Now().Unix()
	okta := object{"iss": testIssuer, "sub": "00ubmuczzo", "aud": "locum", "ver": 1, "jti": "ID.x", "amr": []string{"pwd"}, "idp": "00o6w", "auth_time": now,
		"nonce": "n-1", "exp": now + 3600, "iat": now, "fhirUser": "https://ehr.test/fhir/r4/Practitioner/a-195900.P-1"}
	for name, c := range map[string]struct {
		changes object
		code    string
	}{
		"T043 as it should be":                    {nil, ""},
		"T043 an access token of the same server": {object{"aud": "https://ehr.test/fhir/r4", "cid": "locum", "scp": []string{"openid"}, "nonce": nil}, oauth.TokenAudience},
		"T043 an id_token of another sign-in":     {object{"nonce": "n-2"}, oauth.TokenNonce},
		"T043 an expired id_token":                {object{"exp": now - 3600, "iat": now - 7200}, oauth.TokenExpired},
		"T043 a logout token":                     {object{"events": object{"http://schemas.openid.net/event/backchannel-logout": object{}}, "nonce": nil}, oauth.TokenType},
		"T043 of the FHIR server by its own name": {object{"iss": "https://ehr.test/fhir/r4"}, oauth.TokenIssuer},
	} {
		token := sign(t, object{"alg": "RS256", "kid": "k1"}, with(okta, c.changes), rs(t, key, crypto.SHA256))
		claims, err := client.VerifyID(t.Context(), token, secret.New("n-1"), secret.New("opaque"))
		if codeOf(err) != c.code || err == nil && (claims.Subject != "00ubmuczzo" || claims.Extra["fhirUser"] != okta["fhirUser"]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
