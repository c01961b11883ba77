package oauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// assertion is one as a server reads it, with another library than it was written with.
func assertion(t *testing.T, raw, algorithm string, public crypto.PublicKey, now time.Time) (header map[string]any, claims jwt.MapClaims) {
	t.Helper()
	claims = jwt.MapClaims{}
	token, err := jwt.NewParser(jwt.WithValidMethods([]string{algorithm}), jwt.WithStrictDecoding(), jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), jwt.WithTimeFunc(func() time.Time { return now })).
		ParseWithClaims(raw, claims, func(*jwt.Token) (any, error) { return public, nil })
	if err != nil {
		t.Fatalf("the assertion is refused: %v", err)
	}
	return token.Header, claims
}

// TestT028Assertion: what stands in an assertion, for each algorithm and each audience, and which keys make one.
func TestT028Assertion(t *testing.T) {
	requests := make(chan recorded, 1)
	base := newServer(t, requests, func(http.ResponseWriter, *http.Request) {})
	rsaKey := newKey(t)
	for name, c := range map[string]struct {
		algorithm string
		private   crypto.Signer
		auth      oauth.Auth
		audience  string
	}{
		"T028 RS256":             {"RS256", rsaKey, oauth.Auth{}, base + "/token"},
		"T028 RS384":             {"RS384", rsaKey, oauth.Auth{Audience: oauth.AudienceToken}, base + "/token"},
		"T028 ES384":             {"ES384", ecKey(), oauth.Auth{}, base + "/token"},
		"T028 for the issuer":    {"ES384", ecKey(), oauth.Auth{Audience: oauth.AudienceIssuer}, testIssuer},
		"T028 by the client's":   {"", ecKey(), oauth.Auth{Algorithm: "ES384"}, base + "/token"},
		"T028 by the key's own":  {"RS384", rsaKey, oauth.Auth{Algorithm: "ES384"}, base + "/token"},
		"T028 by a strange door": {"RS256", remote{rsaKey}, oauth.Auth{}, base + "/token"},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, base, func(config *oauth.ClientConfig) {
				keyed(c.algorithm, c.private)(config)
				c.auth.Method = oauth.AuthKey
				config.Auth, config.Server.Issuer = c.auth, testIssuer
			})
			if _, err := client.ClientCredentials(t.Context(), []string{"x"}); err != nil {
				t.Fatal(err)
			}
			algorithm := c.algorithm
			if algorithm == "" {
				algorithm = c.auth.Algorithm
			}
			header, claims := assertion(t, (<-requests).form.Get("client_assertion"), algorithm, c.private.Public(), time.Now())
			if header["alg"] != algorithm || header["kid"] != "key-1" || header["typ"] != "JWT" || len(header) != 3 {
				t.Errorf("header %v", header)
			}
			if claims["iss"] != "locum" || claims["sub"] != "locum" || claims["aud"] != c.audience || len(claims) != 6 {
				t.Errorf("claims %v", claims)
			}
			exp, iat := claims["exp"].(float64), claims["iat"].(float64)
			if now := float64(time.Now().Unix()); exp-now > 300 || exp-iat > 300 || exp <= now || iat > now || iat < now-60 {
				t.Errorf("iat %v, exp %v, now %v", iat, exp, now)
			}
			if jti, _ := claims["jti"].(string); len(jti) < 22 {
				t.Errorf("jti %q", jti)
			}
		})
	}
}

// remote signs as a key in a hardware module does: nothing but its public half is to be had.
type remote struct{ crypto.Signer }

// idle signs everything alike, and at once: it is the claims that count.
type idle struct{ crypto.Signer }

func (idle) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return []byte{0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01}, nil
}

// TestT028Distinct: of 10,000 assertions no two have the same jti.
func TestT028Distinct(t *testing.T) {
	const all = 10_000
	var mu sync.Mutex
	seen := make(map[string]bool, all)
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims := jwt.MapClaims{}
		_, _, err := jwt.NewParser().ParseUnverified(r.PostFormValue("client_assertion"), claims)
		id, _ := claims["jti"].(string)
		mu.Lock()
		defer mu.Unlock()
		if seen[id] || id == "" || err != nil {
			t.Errorf("jti %q again", id)
		}
		seen[id] = true
	})
	at := newPipes(t, server)
	client := newClient(t, "http://127.0.0.1:1", func(c *oauth.ClientConfig) {
		keyed("ES384", idle{ecKey()})(c)
		c.Dial = at.dial
	})
	var left atomic.Int32
	left.Store(all)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := client.Refresh(t.Context(), secret.New("r"), nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	workers.Wait()
	if len(seen) != all {
		t.Errorf("%d different of %d", len(seen), all)
	}
}

// newAssertive is a client that signs, of a server in this process.
func newAssertive(t *testing.T, handler http.Handler) *oauth.Client {
	t.Helper()
	at := newPipes(t, handler)
	return newClient(t, "http://127.0.0.1:1", func(c *oauth.ClientConfig) {
		keyed("ES384", ecKey())(c)
		c.Dial, c.Server.Introspection = at.dial, "http://127.0.0.1:1/introspect"
	})
}

// TestT028EachRequest: each request has an assertion of its own, a second attempt at the same thing too.
func TestT028EachRequest(t *testing.T) {
	var mu sync.Mutex
	var all []string
	client := newAssertive(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		all = append(all, r.FormValue("client_assertion"))
		mu.Unlock()
		if r.Method == http.MethodPost && r.URL.Path == "/introspect" {
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
		_, _ = w.Write([]byte(`{"active":true}`))
	}))
	_, err1 := client.Exchange(t.Context(), secret.New("c"), secret.New("v"))
	_, err2 := client.Refresh(t.Context(), secret.New("r"), nil)
	_, err3 := client.ClientCredentials(t.Context(), []string{"x"})
	err4 := client.Revoke(t.Context(), secret.New("r"), "")
	_, err5 := client.Introspect(t.Context(), secret.New("r"), "refresh_token") // twice
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ids := map[any]bool{}
	for _, raw := range all {
		_, claims := assertion(t, raw, "ES384", ecKey().Public(), time.Now())
		if claims["aud"] != "http://127.0.0.1:1/token" {
			t.Errorf("aud %v", claims["aud"])
		}
		ids[claims["jti"]] = true
	}
	if len(all) != 6 || len(ids) != 6 {
		t.Errorf("%d requests, %d assertions", len(all), len(ids))
	}
}

// TestT028Clock: a machine whose clock is ten minutes off is refused once, and then dates its assertions by the server's
// clock.
func TestT028Clock(t *testing.T) {
	for _, ahead := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		var verdicts []bool
		client := newAssertive(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			now := time.Now().Add(ahead)
			w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
			_, err := jwt.NewParser(jwt.WithIssuedAt(), jwt.WithTimeFunc(func() time.Time { return now })).
				Parse(r.PostFormValue("client_assertion"), func(*jwt.Token) (any, error) { return ecKey().Public(), nil })
			if verdicts = append(verdicts, err == nil); err != nil {
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = w.Write([]byte(`{"error":"invalid_client"}`))
			}
		}))
		for range 2 {
			if _, err := client.Refresh(t.Context(), secret.New("r"), nil); err != nil {
				t.Fatal(err)
			}
		}
		if len(verdicts) != 2 || verdicts[0] || !verdicts[1] || (client.ClockOffset()-ahead).Abs() > time.Minute {
			t.Errorf("server %v ahead: accepted %v, offset %v", ahead, verdicts, client.ClockOffset())
		}
	}
}

// TestT028WeakKeys: keys that no server should take sign nothing.
func TestT028WeakKeys(t *testing.T) {
	short, err1 := rsa.GenerateKey(rand.Reader, 1024)
	p256, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	for algorithm, key := range map[string]crypto.Signer{"RS384": short, "ES384": p256} {
		client := newClient(t, "http://127.0.0.1:1", keyed(algorithm, key))
		if _, err := client.Refresh(t.Context(), secret.New("r"), nil); err == nil || !strings.Contains(err.Error(), "signing key") {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}
