package oauth_test

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/oauth"
)

// TestT038Keys follows the key set through a rotation, a flood of invented ids and an outage, on a clock of its own.
func TestT038Keys(t *testing.T) {
	first, second := newKey(t), newKey(t)
	synctest.Test(t, func(t *testing.T) {
		server := &certs{}
		server.keys.Store([]object{jwk(first, "k1")})
		client := newVerifier(t, server)
		verify := func(key *rsa.PrivateKey, kid string) string {
			token := sign(t, object{"alg": "RS256", "kid": kid}, accessClaims(), rs(t, key, crypto.SHA256))
			_, err := client.VerifyAccess(t.Context(), token)
			var refusal *oauth.TokenError
			if errors.As(err, &refusal) {
				return refusal.Code
			}
			return ""
		}
		expect := func(when, got, want string, asked int32) {
			t.Helper()
			if n := server.asked.Load(); got != want || n != asked {
				t.Errorf("%s: %q after %d fetches, want %q after %d", when, got, n, want, asked)
			}
		}
		if n := server.asked.Load(); n != 0 {
			t.Errorf("%d fetches before the first token", n)
		}
		done := make(chan string)
		for range 20 {
			go func() { done <- verify(first, "k1") }()
		}
		for range 20 {
			if code := <-done; code != "" {
				t.Errorf("first tokens: %s", code)
			}
		}
		expect("twenty first tokens at once", "", "", 1)

		time.Sleep(time.Minute)
		server.keys.Store([]object{jwk(first, "k1"), jwk(second, "k2")})
		expect("rotation", verify(second, "k2"), "", 2)

		before := server.asked.Load()
		for i := range 600 { // invented ids, ten a second for a minute
			verify(second, fmt.Sprint("invented", i))
			time.Sleep(100 * time.Millisecond)
		}
		if n := server.asked.Load() - before; n > 2 {
			t.Errorf("invented ids caused %d fetches in a minute", n)
		}

		server.keys.Store([]object{jwk(second, "k2")})
		time.Sleep(2 * time.Hour)
		before = server.asked.Load()
		expect("an old key that was withdrawn", verify(first, "k1"), oauth.TokenUnknownKey, before+1)

		server.fail.Store(true)
		time.Sleep(2 * time.Hour)
		expect("an outage", verify(second, "k2"), "", before+2)
		expect("an unknown key in an outage", verify(first, "k3"), oauth.TokenKeysUnavailable, before+2)
		time.Sleep(25 * time.Hour)
		expect("an outage of more than a day", verify(second, "k2"), oauth.TokenKeysUnavailable, before+3)
		server.fail.Store(false)
		time.Sleep(time.Minute)
		expect("after the outage", verify(second, "k2"), "", before+4)
		client.Close()
	})
}

func TestKeysUnavailableIsTemporary(t *testing.T) {
	key := newKey(t)
	server := &certs{}
	server.fail.Store(true)
	client := newVerifier(t, server)
	token := sign(t, object{"alg": "RS256", "kid": "k1"}, accessClaims(), rs(t, key, crypto.SHA256))
	var refusal *oauth.TokenError
	if _, err := client.VerifyAccess(t.Context(), token); !errors.As(err, &refusal) || !refusal.Temporary() {
		t.Errorf("error %v", err)
	}
	server.keys.Store([]object{})
	client.Close()
	if _, err := client.VerifyAccess(t.Context(), token); !errors.As(err, &refusal) || !refusal.Temporary() {
		t.Errorf("after Close: %v", err)
	}
}
