package sandbox

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// How long an assertion may live: "athenahealth guide, Token Endpoint", Forming the JWT Assertion, less than an hour; SMART
// App Launch 2.2, Asymmetric Authentication, five minutes.
const (
	assertionAthena = time.Hour
	assertionSMART  = 5 * time.Minute
)

// unreadIssuer is iss of an assertion, not verified: whose it says it is.
func unreadIssuer(raw string) string {
	var claims jwt.RegisteredClaims
	_, _, _ = jwt.NewParser().ParseUnverified(raw, &claims)
	return claims.Issuer
}

// assertedBy is private_key_jwt (RFC 7523 §2.2).
func (f *Face) assertedBy(r *http.Request, form url.Values) (App, *faceError) {
	raw := form.Get("client_assertion")
	f.s.mu.Lock()
	if len(f.heard) >= maxDeliveries {
		f.heard = slices.Delete(f.heard, 0, maxDeliveries/10)
	}
	f.heard = append(f.heard, raw)
	f.s.rememberLocked(raw)
	f.s.mu.Unlock()
	app, known := f.app(unreadIssuer(raw))
	switch {
	case form.Get("client_assertion_type") != assertionType:
		return App{}, badRequest("The client_assertion_type is invalid.")
	case !known || form.Has("client_id") && form.Get("client_id") != app.ID:
		return App{}, badClient("The client_assertion token issuer is invalid.")
	case app.Auth != authKey:
		return App{}, badClient("The client is not registered for this authentication method.")
	}
	return app, f.verify(r.Context(), app, raw)
}

// Assertions lists the client assertions that came, oldest first; each is a secret. The latest 10,000 are kept.
func (f *Face) Assertions() []string {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return slices.Clone(f.heard)
}

// verify checks an assertion strictly: its algorithm, type and key, iss = sub = client_id, aud exactly the token URL as one
// string, a short life, and a jti that was not used before. athenahealth's requires no jti in the guide; here one is required
// of both.
func (f *Face) verify(ctx context.Context, app App, raw string) *faceError {
	algorithms := []string{"RS384", "ES384"}
	longest := assertionSMART
	if f.athena {
		algorithms, longest = append(algorithms, "RS256"), assertionAthena
	}
	claims := jwt.MapClaims{}
	var refused *faceError
	token, err := jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithTimeFunc(f.s.shown), jwt.WithExpirationRequired(),
		jwt.WithStrictDecoding()).ParseWithClaims(raw, claims, func(t *jwt.Token) (any, error) {
		var key any
		key, refused = f.ring.find(ctx, f, app, t)
		if refused != nil {
			return nil, errors.New(refused.description)
		}
		return key, nil
	})
	switch {
	case refused != nil:
		return refused
	case errors.Is(err, jwt.ErrTokenExpired):
		return badClient("The client_assertion token is expired.")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable), errors.Is(err, jwt.ErrTokenMalformed):
		return badClient("The client_assertion signature is invalid.")
	case err != nil:
		return badClient("The client_assertion token is not valid at this time.")
	case token.Header["typ"] != "JWT": // SMART App Launch 2.2, Asymmetric Authentication
		return badClient("The client_assertion JWT typ is invalid.")
	}
	return f.believe(app, claims, f.s.shown(), longest)
}

// believe checks the claims of an assertion whose signature is good, and that it comes for the first time.
func (f *Face) believe(app App, claims jwt.MapClaims, now time.Time, longest time.Duration) *faceError {
	exp, _ := claims.GetExpirationTime()
	iat, err := claims.GetIssuedAt()
	jti, _ := claims["jti"].(string)
	switch {
	case claims["iss"] != app.ID || claims["sub"] != app.ID:
		return badClient("The issuer and subject claims of client_assertion must be the client_id.")
	case claims["aud"] != f.Endpoints().Token:
		return badClient("The audience claim for client_assertion must be the endpoint invoked for the request.")
	case exp.After(now.Add(longest)):
		return badClient("The client_assertion token has an expiration too far into the future.")
	case err != nil || iat != nil && iat.After(now.Add(time.Minute)):
		return badClient("The client_assertion token was issued in the future.")
	case jti == "":
		return badClient("The client_assertion token has no jti.")
	}
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	key := app.ID + " " + jti
	if _, used := f.jtis[key]; used || f.full() {
		return badClient("The client_assertion token has already been used.")
	}
	f.jtis[key] = exp.Time
	return nil
}

// faceKeys holds a face's own signing keys (Sandbox.mu guards them) and the key sets of its apps.
type faceKeys struct {
	signing []signingKey

	mu      sync.Mutex
	fetched map[string]keySet // by URL
}

// keySet is a client's public keys, by kid.
type keySet struct {
	keys map[string]clientKey
	at   time.Time
}

type clientKey struct {
	alg string // what the set names; "" for any
	key any
}

func (k *faceKeys) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fetched = nil
}

// find gives the public key that a token names.
func (k *faceKeys) find(ctx context.Context, f *Face, app App, t *jwt.Token) (any, *faceError) {
	kid, _ := t.Header["kid"].(string)
	if jku, there := t.Header["jku"]; there && jku != app.JWKSURL { // SMART App Launch 2.2: only the registered one
		return nil, badClient("The client_assertion JWT jku is not the registered JWKS URL.")
	}
	set, err := k.set(ctx, f, app, kid)
	if err != nil {
		return nil, badClient("The JWKS URL registered for the client could not be read.")
	}
	found, known := set.keys[kid]
	if kid == "" || !known || found.alg != "" && found.alg != t.Method.Alg() {
		return nil, badClient("The client_assertion JWT kid is invalid.")
	}
	return found.key, nil
}

// set is the app's key set: imported, or fetched where what is kept is too old or lacks the kid.
func (k *faceKeys) set(ctx context.Context, f *Face, app App, kid string) (keySet, error) {
	if app.JWKS != "" {
		return readKeySet([]byte(app.JWKS))
	}
	f.s.mu.Lock()
	cache := f.switches.keyCache
	f.s.mu.Unlock()
	now := f.s.now()
	k.mu.Lock()
	kept, have := k.fetched[app.JWKSURL]
	k.mu.Unlock()
	_, known := kept.keys[kid]
	if have && now.Sub(kept.at) < max(cache, time.Minute) && (known || cache > 0) {
		return kept, nil
	}
	set, err := fetchKeySet(ctx, f, app.JWKSURL)
	if err != nil {
		return set, err
	}
	set.at = now
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fetched == nil || len(k.fetched) >= maxShared {
		k.fetched = map[string]keySet{}
	}
	k.fetched[app.JWKSURL] = set
	return set, nil
}

func fetchKeySet(ctx context.Context, f *Face, at string) (keySet, error) {
	ctx, cancel := context.WithTimeout(ctx, logoutTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return keySet{}, fmt.Errorf("key set: %w", err)
	}
	transport := &http.Transport{DialContext: f.dial, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return keySet{}, fmt.Errorf("key set: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxForm))
	if err != nil || answer.StatusCode != http.StatusOK {
		return keySet{}, fmt.Errorf("key set: status %d: %w", answer.StatusCode, err)
	}
	return readKeySet(body)
}

// readKeySet reads a JWK set (RFC 7517 §5) of public RSA and P-384 keys; one with a private member is refused whole.
func readKeySet(raw []byte) (keySet, error) {
	var document struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		return keySet{}, fmt.Errorf("key set: %w", err)
	}
	set := keySet{keys: map[string]clientKey{}}
	for _, jwk := range document.Keys {
		text := func(name string) string { value, _ := jwk[name].(string); return value }
		if _, private := jwk["d"]; private {
			return keySet{}, errors.New("key set: it holds a private key")
		}
		number := func(name string) *big.Int {
			b, _ := base64.RawURLEncoding.DecodeString(text(name))
			return new(big.Int).SetBytes(b)
		}
		if use := text("use"); text("kid") == "" || use != "" && use != "sig" {
			continue
		}
		switch {
		case text("kty") == "RSA" && number("n").BitLen() >= keyBits && number("e").IsInt64():
			set.keys[text("kid")] = clientKey{text("alg"), &rsa.PublicKey{N: number("n"), E: int(number("e").Int64())}}
		case text("kty") == "EC" && text("crv") == "P-384":
			x, errX := base64.RawURLEncoding.DecodeString(text("x"))
			y, errY := base64.RawURLEncoding.DecodeString(text("y"))
			key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), slices.Concat([]byte{4}, x, y)) // SEC 1 §2.3.3
			if err := errors.Join(errX, errY, err); err != nil {
				return keySet{}, fmt.Errorf("key set: %w", err)
			}
			set.keys[text("kid")] = clientKey{text("alg"), key}
		}
	}
	if len(set.keys) == 0 {
		return keySet{}, errors.New("key set: no key that can verify an assertion")
	}
	return set, nil
}
