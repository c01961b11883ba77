package oauth_test

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"locum/bff/oauth"
	"locum/bff/secret"
)

var b64 = base64.RawURLEncoding

func newKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// jwk is the public entry of a key set.
func jwk(key *rsa.PrivateKey, kid string) map[string]any {
	return map[string]any{"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": b64.EncodeToString(key.N.Bytes()),
		"e": b64.EncodeToString(big.NewInt(int64(key.E)).Bytes())}
}

// sign makes a token from any header and claims; finish makes the signature of what is signed.
func sign(t testing.TB, header, claims any, finish func(signed string) []byte) secret.String {
	t.Helper()
	h, err1 := json.Marshal(header)
	c, err2 := json.Marshal(claims)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	signed := b64.EncodeToString(h) + "." + b64.EncodeToString(c)
	return secret.New(signed + "." + b64.EncodeToString(finish(signed)))
}

// rs signs with RSA PKCS #1 v1.5 and the hash.
func rs(t testing.TB, key *rsa.PrivateKey, hash crypto.Hash) func(string) []byte {
	return func(signed string) []byte {
		h := hash.New()
		h.Write([]byte(signed))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, hash, h.Sum(nil))
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
}

// certs serves a key set and counts.
type certs struct {
	keys  atomic.Value // []map[string]any
	fail  atomic.Bool
	slow  atomic.Int64 // nanoseconds
	asked atomic.Int32
}

func (c *certs) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c.asked.Add(1)
	time.Sleep(time.Duration(c.slow.Load()))
	if c.fail.Load() {
		w.WriteHeader(503)
		return
	}
	json.NewEncoder(w).Encode(map[string]any{"keys": c.keys.Load()})
}

// pipes is a listener without a socket, usable inside a synctest bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }
func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// newPipes serves on such a listener.
func newPipes(t testing.TB, handler http.Handler) *pipes {
	t.Helper()
	listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return listener
}

const testIssuer = "https://iam.example/realms/jane"

// newVerifier is a client whose key server is in this process.
func newVerifier(t testing.TB, handler http.Handler) *oauth.Client {
	t.Helper()
	listener := newPipes(t, handler)
	return newClient(t, "http://127.0.0.1:1", func(c *oauth.ClientConfig) {
		c.Server.Issuer = testIssuer
		c.Dial = listener.dial
	})
}

func accessClaims() map[string]any {
	now := time.Now().Unix()
	return map[string]any{
		"exp": now + 300, "iat": now, "jti": "j-1", "iss": testIssuer, "aud": []string{"https://clinic-a.janeapp.com"},
		"sub": "7f7ac94b", "typ": "Bearer", "azp": "locum", "sid": "s-1",
		"resource_access": map[string]any{"https://clinic-a.janeapp.com": map[string]any{"roles": []string{"practitioner"}}},
		"scope":           "appointments:read patients:read",
	}
}

// with is claims with changes; a nil value removes a claim.
func with(claims, changes map[string]any) map[string]any {
	all := maps.Clone(claims)
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

type object = map[string]any

func TestVerifyAccess(t *testing.T) {
	key := newKey(t)
	server := &certs{}
	server.keys.Store([]object{jwk(key, "k1")})
	client := newVerifier(t, server)
	claims, err := client.VerifyAccess(t.Context(), sign(t, object{"alg": "RS256", "typ": "JWT", "kid": "k1"}, accessClaims(), rs(t, key, crypto.SHA256)))
	if err != nil {
		t.Fatal(err)
	}
	if claims.Subject != "7f7ac94b" || claims.SID != "s-1" || claims.ID != "j-1" || fmt.Sprint(claims.Audience) != "[https://clinic-a.janeapp.com]" ||
		fmt.Sprint(claims.Scopes) != "[appointments:read patients:read]" || claims.Issuer != testIssuer || claims.AuthorizedParty != "locum" {
		t.Errorf("%+v", claims)
	}
	if until := time.Until(claims.Expiry); until < 4*time.Minute || until > 5*time.Minute {
		t.Errorf("expiry in %v", until)
	}
	if _, ok := claims.Extra["resource_access"].(object); !ok {
		t.Errorf("extra %v", claims.Extra)
	}
}

func TestVerifyAccessRefuses(t *testing.T) {
	key, other, small := newKey(t), newKey(t), jwk(newKey(t), "weak")
	small["n"] = b64.EncodeToString(new(big.Int).Lsh(big.NewInt(1), 1023).Bytes())
	server := &certs{}
	enc, rs512, ec := jwk(key, "enc"), jwk(key, "rs512"), object{"kty": "EC", "kid": "ec", "use": "sig", "crv": "P-256", "x": "AA", "y": "AA"}
	enc["use"], rs512["alg"] = "enc", "RS512"
	server.keys.Store([]object{jwk(key, "k1"), jwk(other, "k2"), enc, rs512, ec, small})
	client := newVerifier(t, server)

	good := object{"alg": "RS256", "typ": "JWT", "kid": "k1"}
	right := rs(t, key, crypto.SHA256)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	hs := func(secret []byte) func(string) []byte {
		return func(signed string) []byte {
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(signed))
			return mac.Sum(nil)
		}
	}
	none := func(string) []byte { return nil }
	now := time.Now().Unix()
	for _, c := range []struct {
		name            string
		header, changes object
		finish          func(string) []byte
		code            string
	}{
		{"T036 alg none", object{"alg": "none"}, nil, none, oauth.TokenAlgorithm},
		{"T036 alg None", object{"alg": "None", "kid": "k1"}, nil, none, oauth.TokenAlgorithm},
		{"T036 alg absent", object{"kid": "k1"}, nil, right, oauth.TokenAlgorithm},
		{"T036 HS256 with the public key as PEM", object{"alg": "HS256", "kid": "k1"}, nil, hs(publicPEM), oauth.TokenAlgorithm},
		{"T036 HS256 with the public key as DER", object{"alg": "HS256", "kid": "k1"}, nil, hs(public), oauth.TokenAlgorithm},
		{"T036 HS256 with the modulus", object{"alg": "HS256", "kid": "k1"}, nil, hs(key.N.Bytes()), oauth.TokenAlgorithm},
		{"T036 RS512", object{"alg": "RS512", "kid": "k1"}, nil, rs(t, key, crypto.SHA512), oauth.TokenAlgorithm},
		{"T036 PS256", object{"alg": "PS256", "kid": "k1"}, nil, right, oauth.TokenAlgorithm},
		{"T036 crit", object{"alg": "RS256", "kid": "k1", "crit": []string{"x"}, "x": 1}, nil, right, oauth.TokenAlgorithm},
		{"T036 empty signature", good, nil, none, oauth.TokenSignature},
		{"T036 RS512 signature under RS256", good, nil, rs(t, key, crypto.SHA512), oauth.TokenSignature},
		{"another key", good, nil, rs(t, other, crypto.SHA256), oauth.TokenSignature},
		{"no kid", object{"alg": "RS256"}, nil, right, oauth.TokenUnknownKey},
		{"T037 kid a path", object{"alg": "RS256", "kid": "../../etc/passwd"}, nil, right, oauth.TokenUnknownKey},
		{"T037 kid a number", object{"alg": "RS256", "kid": 1}, nil, right, oauth.TokenUnknownKey},
		{"T037 key for encryption", object{"alg": "RS256", "kid": "enc"}, nil, right, oauth.TokenUnknownKey},
		{"T037 key for RS512", object{"alg": "RS256", "kid": "rs512"}, nil, right, oauth.TokenUnknownKey},
		{"T037 elliptic key", object{"alg": "RS256", "kid": "ec"}, nil, right, oauth.TokenUnknownKey},
		{"T037 short key", object{"alg": "RS256", "kid": "weak"}, nil, right, oauth.TokenUnknownKey},
		{"T037 own key in the header", object{"alg": "RS256", "kid": "mine", "jwk": jwk(other, "mine"), "jku": "https://evil.example/"}, nil, rs(t, other, crypto.SHA256), oauth.TokenUnknownKey},
		{"T039 other realm", good, object{"iss": "https://iam.example/realms/jane_partner_sandbox"}, right, oauth.TokenIssuer},
		{"T039 iss with a slash", good, object{"iss": testIssuer + "/"}, right, oauth.TokenIssuer},
		{"T039 iss in another case", good, object{"iss": "https://IAM.example/realms/jane"}, right, oauth.TokenIssuer},
		{"T039 iss absent", good, object{"iss": nil}, right, oauth.TokenIssuer},
		{"T039 azp of another client", good, object{"azp": "other"}, right, oauth.TokenParty},
		{"T039 azp absent", good, object{"azp": nil}, right, oauth.TokenParty},
		{"T039 azp a list", good, object{"azp": []string{"locum"}}, right, oauth.TokenMalformed},
		{"T039 aud a number", good, object{"aud": 7}, right, oauth.TokenMalformed},
		{"T039 aud with a number", good, object{"aud": []any{"https://clinic-a.janeapp.com", 7}}, right, oauth.TokenMalformed},
		{"T040 expired", good, object{"exp": now - 61}, right, oauth.TokenExpired},
		{"T040 exp absent", good, object{"exp": nil}, right, oauth.TokenMalformed},
		{"T040 exp a text", good, object{"exp": fmt.Sprint(now + 300)}, right, oauth.TokenMalformed},
		{"T040 exp negative", good, object{"exp": -1}, right, oauth.TokenMalformed},
		{"T040 exp in the year 10000", good, object{"exp": int64(253402300800)}, right, oauth.TokenMalformed},
		{"T040 nbf ahead", good, object{"nbf": now + 120}, right, oauth.TokenNotYetValid},
		{"T040 iat ahead", good, object{"iat": now + 120}, right, oauth.TokenNotYetValid},
		{"T043 an id_token", good, object{"typ": "ID"}, right, oauth.TokenType},
		{"T043 a refresh token", good, object{"typ": "Refresh"}, right, oauth.TokenType},
		{"T043 typ absent", good, object{"typ": nil}, right, oauth.TokenType},
		{"sub absent", good, object{"sub": nil}, right, oauth.TokenSubject},
		{"sub a number", good, object{"sub": 1}, right, oauth.TokenMalformed},
		{"sub of 256 characters", good, object{"sub": strings.Repeat("s", 256)}, right, oauth.TokenSubject},
		{"scope a list", good, object{"scope": []string{"a"}}, right, oauth.TokenMalformed},
		{"16 kB and more", good, object{"pad": strings.Repeat("p", 16<<10)}, right, oauth.TokenMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := sign(t, c.header, with(accessClaims(), c.changes), c.finish)
			claims, err := client.VerifyAccess(t.Context(), token)
			var refusal *oauth.TokenError
			if !errors.As(err, &refusal) || refusal.Code != c.code {
				t.Fatalf("error %v, claims %+v", err, claims)
			}
			if claims.Subject != "" || refusal.Temporary() {
				t.Errorf("claims %+v, %v", claims, refusal)
			}
		})
	}
	for name, raw := range map[string]string{
		"empty": "", "one part": "abc", "opaque": "a.b", "four parts": "a.b.c.d", "JSON serialisation": `{"payload":"a"}`,
		"dots": strings.Repeat(".", 1<<16),
	} {
		var refusal *oauth.TokenError
		if _, err := client.VerifyAccess(t.Context(), secret.New(raw)); !errors.As(err, &refusal) || refusal.Code != oauth.TokenMalformed && refusal.Code != oauth.TokenAlgorithm {
			t.Errorf("T045 %s: %v", name, err)
		}
	}
}

func TestVerifyAccessWithinTheSkew(t *testing.T) {
	key := newKey(t)
	server := &certs{}
	server.keys.Store([]object{jwk(key, "k1")})
	client := newVerifier(t, server)
	now := time.Now().Unix()
	for name, changes := range map[string]object{
		"exp 30 s ago": {"exp": now - 30}, "nbf 30 s ahead": {"nbf": now + 30}, "iat 30 s ahead": {"iat": now + 30},
		"exp a fraction": {"exp": float64(now) + 100.5}, "aud a text": {"aud": "https://clinic-a.janeapp.com"},
		"iat absent": {"iat": nil}, "scope absent": {"scope": nil},
	} {
		token := sign(t, object{"alg": "RS256", "kid": "k1"}, with(accessClaims(), changes), rs(t, key, crypto.SHA256))
		if _, err := client.VerifyAccess(t.Context(), token); err != nil {
			t.Errorf("T040 %s: %v", name, err)
		}
	}
}

func TestVerifyID(t *testing.T) {
	key := newKey(t)
	server := &certs{}
	server.keys.Store([]object{jwk(key, "k1")})
	client := newVerifier(t, server)
	access := secret.New("access.token.value")
	sum := sha256.Sum256([]byte(access.Reveal()))
	sum512 := sha512.Sum512([]byte(access.Reveal()))
	hash := b64.EncodeToString(sum[:16])
	id := object{"iss": testIssuer, "sub": "7f7ac94b", "aud": "locum", "azp": "locum", "typ": "ID", "nonce": "n-1", "at_hash": hash,
		"exp": time.Now().Unix() + 300, "iat": time.Now().Unix()}
	for _, c := range []struct {
		name    string
		changes object
		nonce   string
		code    string // "" : accepted
	}{
		{"as it should be", nil, "n-1", ""},
		{"typ absent", object{"typ": nil}, "n-1", ""},
		{"azp absent with one audience", object{"azp": nil}, "n-1", ""},
		{"two audiences with azp", object{"aud": []string{"locum", "x"}}, "n-1", ""},
		{"at_hash absent", object{"at_hash": nil}, "n-1", ""},
		{"no nonce sent, none there", object{"nonce": nil}, "", ""},
		{"T041 nonce of another flow", nil, "n-2", oauth.TokenNonce},
		{"T041 nonce missing", object{"nonce": nil}, "n-1", oauth.TokenNonce},
		{"T041 nonce that nobody sent", nil, "", oauth.TokenNonce},
		{"T041 nonce a number", object{"nonce": 1}, "n-1", oauth.TokenMalformed},
		{"T041 at_hash of another token", object{"at_hash": b64.EncodeToString(make([]byte, 16))}, "n-1", oauth.TokenHash},
		{"T041 at_hash by SHA-512", object{"at_hash": b64.EncodeToString(sum512[:32])}, "n-1", oauth.TokenHash},
		{"T041 at_hash empty", object{"at_hash": ""}, "n-1", oauth.TokenHash},
		{"T041 at_hash a number", object{"at_hash": 5}, "n-1", oauth.TokenHash},
		{"T039 for another client", object{"aud": "other"}, "n-1", oauth.TokenAudience},
		{"T039 aud absent", object{"aud": nil}, "n-1", oauth.TokenAudience},
		{"T039 aud an empty list", object{"aud": []string{}}, "n-1", oauth.TokenMalformed},
		{"T039 azp of another client", object{"azp": "other"}, "n-1", oauth.TokenParty},
		{"T039 two audiences without azp", object{"aud": []string{"locum", "x"}, "azp": nil}, "n-1", oauth.TokenParty},
		{"T039 other issuer", object{"iss": "https://evil.example"}, "n-1", oauth.TokenIssuer},
		{"T043 an access token", object{"typ": "Bearer"}, "n-1", oauth.TokenType},
		{"T043 a logout token", object{"typ": nil, "events": object{"http://schemas.openid.net/event/backchannel-logout": object{}}}, "n-1", oauth.TokenType},
		{"T043 expired", object{"exp": time.Now().Unix() - 100}, "n-1", oauth.TokenExpired},
		{"iat absent", object{"iat": nil}, "n-1", oauth.TokenMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := sign(t, object{"alg": "RS256", "kid": "k1"}, with(id, c.changes), rs(t, key, crypto.SHA256))
			claims, err := client.VerifyID(t.Context(), token, secret.New(c.nonce), access)
			wantVerdict(t, claims, err, c.code)
			if c.code == oauth.TokenNonce { // after a refresh the nonce is not looked at, and all else is
				c.code = ""
			}
			claims, err = client.VerifyRenewedID(t.Context(), token, access)
			wantVerdict(t, claims, err, c.code)
		})
	}
}

// wantVerdict wants the claims of the test's subject, or a refusal with a code.
func wantVerdict(t *testing.T, claims oauth.Claims, err error, code string) {
	t.Helper()
	var refusal *oauth.TokenError
	switch {
	case code == "" && (err != nil || claims.Subject != "7f7ac94b"):
		t.Errorf("error %v, claims %+v", err, claims)
	case code != "" && (!errors.As(err, &refusal) || refusal.Code != code):
		t.Errorf("error %v", err)
	}
}
