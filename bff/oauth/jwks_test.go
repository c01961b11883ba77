package oauth_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
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
			return codeOf(err)
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
		invented := func() string {
			token := sign(t, object{"alg": "RS256", "kid": rand.Text()}, accessClaims(), func(string) []byte { return make([]byte, 256) })
			_, err := client.VerifyAccess(t.Context(), token)
			return codeOf(err)
		}
		for range 1000 { // for a minute
			if code := invented(); code != oauth.TokenUnknownKey {
				t.Errorf("an invented id: %q", code)
			}
			time.Sleep(60 * time.Millisecond)
		}
		if n := server.asked.Load() - before; n > 2 {
			t.Errorf("a thousand invented ids caused %d fetches in a minute", n)
		}
		time.Sleep(time.Minute)
		before = server.asked.Load()
		server.slow.Store(int64(time.Second))
		for range 1000 { // at once, and each waits for the one fetch
			go func() { done <- invented() }()
		}
		for range 1000 {
			if code := <-done; code != oauth.TokenUnknownKey {
				t.Errorf("an invented id: %q", code)
			}
		}
		server.slow.Store(0)
		expect("a thousand invented ids at once, and a known one", verify(second, "k2"), "", before+1)

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

// codeOf is the code of a refused token, "" where there is no error.
func codeOf(err error) string {
	var refusal *oauth.TokenError
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}

// TestT037KeySets: of what a key set may hold, only the RSA signing keys for RS256 count.
func TestT037KeySets(t *testing.T) {
	key, other := newKey(t), newKey(t)
	good := func(changes object) object { return with(jwk(key, "k1"), changes) }
	small := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 2047), big.NewInt(1))
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ecKey.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	ec := object{"kty": "EC", "kid": "k1", "use": "sig", "crv": "P-256", "x": b64.EncodeToString(public[1:33]), "y": b64.EncodeToString(public[33:])}
	many := func(n int, entry object) []object { return slices.Repeat([]object{entry}, n) }
	junk := object{"kty": "RSA"}
	for name, c := range map[string]struct {
		set  any
		want string // "" : the key k1 is found
	}{
		"as it should be":             {[]object{good(nil)}, ""},
		"without alg":                 {[]object{good(object{"alg": nil})}, ""},
		"with a certificate":          {[]object{good(object{"x5c": []string{"MII"}, "x5t": "x", "x5u": "https://evil.test/"})}, ""},
		"unknown members":             {[]object{good(object{"exp": 1, "x": object{"y": 1}})}, ""},
		"among others":                {[]object{ec, junk, good(object{"use": "enc"}), good(nil)}, ""},
		"use enc":                     {[]object{good(object{"use": "enc"})}, oauth.TokenKeysUnavailable},
		"use absent":                  {[]object{good(object{"use": nil})}, oauth.TokenKeysUnavailable},
		"alg RS512":                   {[]object{good(object{"alg": "RS512"})}, oauth.TokenKeysUnavailable},
		"alg PS256":                   {[]object{good(object{"alg": "PS256"})}, oauth.TokenKeysUnavailable},
		"alg RSA-OAEP":                {[]object{good(object{"alg": "RSA-OAEP"})}, oauth.TokenKeysUnavailable},
		"alg a number":                {[]object{good(object{"alg": 256})}, oauth.TokenKeysUnavailable},
		"alg a list":                  {[]object{good(object{"alg": []string{"RS256"}})}, oauth.TokenKeysUnavailable},
		"symmetric":                   {[]object{{"kty": "oct", "kid": "k1", "use": "sig", "alg": "HS256", "k": "AAAA"}}, oauth.TokenKeysUnavailable},
		"elliptic":                    {[]object{ec}, oauth.TokenKeysUnavailable},
		"elliptic, off its curve":     {[]object{with(ec, object{"y": ec["x"]})}, oauth.TokenKeysUnavailable},
		"elliptic, an unknown curve":  {[]object{with(ec, object{"crv": "P-1"})}, oauth.TokenKeysUnavailable},
		"elliptic, labelled RSA":      {[]object{with(ec, object{"kty": "RSA"})}, oauth.TokenKeysUnavailable},
		"OKP":                         {[]object{{"kty": "OKP", "kid": "k1", "use": "sig", "crv": "Ed25519", "x": "AAAA"}}, oauth.TokenKeysUnavailable},
		"RSA of 512 bits":             {[]object{good(object{"n": b64.EncodeToString(key.N.Bytes()[:64])})}, oauth.TokenKeysUnavailable},
		"RSA of 2047 bits":            {[]object{good(object{"n": b64.EncodeToString(small.Bytes())})}, oauth.TokenKeysUnavailable},
		"RSA of 16,384 bits":          {[]object{good(object{"n": b64.EncodeToString(bytes.Repeat([]byte{0xff}, 2048))})}, oauth.TokenKeysUnavailable},
		"RSA of 40 kB":                {[]object{good(object{"n": b64.EncodeToString(bytes.Repeat([]byte{0xff}, 40<<10))})}, oauth.TokenKeysUnavailable},
		"an even modulus":             {[]object{good(object{"n": b64.EncodeToString(new(big.Int).Lsh(big.NewInt(1), 2047).Bytes())})}, oauth.TokenKeysUnavailable},
		"exponent 1":                  {[]object{good(object{"e": "AQ"})}, oauth.TokenKeysUnavailable},
		"exponent 0":                  {[]object{good(object{"e": "AA"})}, oauth.TokenKeysUnavailable},
		"exponent 2":                  {[]object{good(object{"e": "Ag"})}, oauth.TokenKeysUnavailable},
		"exponent 2^32":               {[]object{good(object{"e": "AQAAAAA"})}, oauth.TokenKeysUnavailable},
		"exponent 2^31+1":             {[]object{good(object{"e": "gAAAAQ"})}, oauth.TokenKeysUnavailable},
		"exponent 2^64+65537":         {[]object{good(object{"e": "AQAAAAAAAQAB"})}, oauth.TokenKeysUnavailable},
		"exponent of 8 kB":            {[]object{good(object{"e": b64.EncodeToString(bytes.Repeat([]byte{0xff}, 8<<10))})}, oauth.TokenKeysUnavailable},
		"exponent empty":              {[]object{good(object{"e": ""})}, oauth.TokenKeysUnavailable},
		"exponent a number":           {[]object{good(object{"e": 65537})}, oauth.TokenKeysUnavailable},
		"modulus absent":              {[]object{good(object{"n": nil})}, oauth.TokenKeysUnavailable},
		"modulus padded":              {[]object{good(object{"n": good(nil)["n"].(string) + "=="})}, oauth.TokenKeysUnavailable},
		"kid absent":                  {[]object{good(object{"kid": nil})}, oauth.TokenKeysUnavailable},
		"kid a number":                {[]object{good(object{"kid": 1})}, oauth.TokenKeysUnavailable},
		"kid in another case":         {[]object{good(object{"kid": "K1"})}, oauth.TokenUnknownKey},
		"its private part":            {[]object{good(object{"d": b64.EncodeToString(key.D.Bytes())})}, oauth.TokenKeysUnavailable},
		"members in another case":     {json.RawMessage(strings.ToUpper(`[{"kty":"RSA"}]`)), oauth.TokenKeysUnavailable},
		"duplicate kids, ours first":  {[]object{good(nil), jwk(other, "k1")}, ""},
		"duplicate kids, ours second": {[]object{jwk(other, "k1"), good(nil)}, oauth.TokenSignature},
		"64 entries, ours last":       {append(many(63, junk), good(nil)), ""},
		"65 entries, ours last":       {append(many(64, junk), good(nil)), oauth.TokenKeysUnavailable},
		"5,000 entries, ours first":   {append([]object{good(nil)}, many(5000, object{"k": 1})...), ""},
		"10,000 keys, ours first":     {append([]object{good(nil)}, many(10000, jwk(other, "x"))...), oauth.TokenKeysUnavailable},
		"entries that are no objects": {[]any{1, "x", nil, []int{1}, good(nil)}, ""},
		"no entries":                  {[]object{}, oauth.TokenKeysUnavailable},
		"null":                        {nil, oauth.TokenKeysUnavailable},
		"an object":                   {object{"k1": good(nil)}, oauth.TokenKeysUnavailable},
	} {
		body, err := json.Marshal(object{"keys": c.set})
		if err != nil {
			t.Fatal(err)
		}
		wantKeys(t, key, "T037 "+name, string(body), c.want)
	}
	entry, err := json.Marshal(good(nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ body, want string }{
		"as it should be":             {`{"keys":[` + string(entry) + `]}`, ""},
		"keys twice":                  {`{"keys":[` + string(entry) + `],"keys":[` + string(entry) + `]}`, oauth.TokenKeysUnavailable},
		"KEYS":                        {`{"KEYS":[` + string(entry) + `]}`, oauth.TokenKeysUnavailable},
		"n in another case as well":   {`{"keys":[{"N":"AAAA",` + string(entry)[1:] + `]}`, ""},
		"n twice":                     {`{"keys":[{"n":"AAAA",` + string(entry)[1:] + `]}`, oauth.TokenKeysUnavailable},
		"n in another case alone":     {`{"keys":[` + strings.Replace(string(entry), `"n"`, `"N"`, 1) + `]}`, oauth.TokenKeysUnavailable},
		"an entry of 5,000 levels":    {`{"keys":[` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `,` + string(entry) + `]}`, oauth.TokenKeysUnavailable},
		"a bare list":                 {`[` + string(entry) + `]`, oauth.TokenKeysUnavailable},
		"bytes behind it":             {`{"keys":[` + string(entry) + `]}x`, oauth.TokenKeysUnavailable},
		"cut":                         {`{"keys":[` + string(entry), oauth.TokenKeysUnavailable},
		"a token answer":              {`{"access_token":"a","expires_in":300}`, oauth.TokenKeysUnavailable},
		"HTML":                        {`<html>`, oauth.TokenKeysUnavailable},
		"the key of another encoding": {strings.Replace(`{"keys":[`+string(entry)+`]}`, `"RSA"`, `"RSA"`, 1), ""},
	} {
		wantKeys(t, key, "T037 "+name, c.body, c.want)
	}
}

// wantKeys wants what becomes of a token signed by key as k1 where body is the server's key set.
func wantKeys(t *testing.T, key *rsa.PrivateKey, name, body, want string) {
	t.Helper()
	client := newVerifier(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }))
	token := sign(t, object{"alg": "RS256", "kid": "k1"}, accessClaims(), rs(t, key, crypto.SHA256))
	if _, err := client.VerifyAccess(t.Context(), token); codeOf(err) != want || (err == nil) != (want == "") {
		t.Errorf("%s: %v", name, err)
	}
}

// TestT038NeverRead: as long as no key was ever read, whatever tokens come cause a fetch in five seconds and no more, and
// soon after the server is back they are judged.
func TestT038NeverRead(t *testing.T) {
	key := newKey(t)
	synctest.Test(t, func(t *testing.T) {
		server := &certs{}
		server.keys.Store([]object{jwk(key, "k1")})
		server.fail.Store(true)
		client := newVerifier(t, server)
		verify := func(kid, want string) {
			t.Helper()
			_, err := client.VerifyAccess(t.Context(), sign(t, object{"alg": "RS256", "kid": kid}, accessClaims(), rs(t, key, crypto.SHA256)))
			if codeOf(err) != want {
				t.Errorf("%v, want %q", err, want)
			}
		}
		for range 600 {
			verify(rand.Text(), oauth.TokenKeysUnavailable)
			time.Sleep(100 * time.Millisecond)
		}
		if n := server.asked.Load(); n != 12 {
			t.Errorf("%d fetches in a minute, want 12", n)
		}
		server.fail.Store(false)
		time.Sleep(5 * time.Second)
		verify("k1", "")
		verify("k2", oauth.TokenUnknownKey)
		client.Close()
	})
}

// TestT038SetWithoutKeys: a server that is being repaired and shows no key does not take away those that were read.
func TestT038SetWithoutKeys(t *testing.T) {
	key := newKey(t)
	synctest.Test(t, func(t *testing.T) {
		server := &certs{}
		server.keys.Store([]object{jwk(key, "k1")})
		client := newVerifier(t, server)
		verify := func(want string) {
			t.Helper()
			_, err := client.VerifyAccess(t.Context(), sign(t, object{"alg": "RS256", "kid": "k1"}, accessClaims(), rs(t, key, crypto.SHA256)))
			if codeOf(err) != want {
				t.Errorf("%v, want %q", err, want)
			}
		}
		verify("")
		server.keys.Store([]object{})
		time.Sleep(2 * time.Hour)
		verify("")
		time.Sleep(23 * time.Hour)
		verify(oauth.TokenKeysUnavailable)
		client.Close()
	})
}

// TestT038SilentServer: a key server that takes requests and never answers is no worse than one that fails: a key that was
// read goes on, without a wait of more than a moment.
func TestT038SilentServer(t *testing.T) {
	key := newKey(t)
	synctest.Test(t, func(t *testing.T) {
		server := &certs{}
		server.keys.Store([]object{jwk(key, "k1")})
		client := newVerifier(t, server)
		verify := func(most time.Duration, want string) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			begun := time.Now()
			_, err := client.VerifyAccess(ctx, sign(t, object{"alg": "RS256", "kid": "k1"}, accessClaims(), rs(t, key, crypto.SHA256)))
			if took := time.Since(begun); codeOf(err) != want || took > most {
				t.Errorf("%v after %v, want %q", err, took, want)
			}
		}
		verify(0, "")
		server.slow.Store(int64(time.Minute))
		time.Sleep(2 * time.Hour)
		for range 5 {
			verify(2*time.Second, "")
			time.Sleep(20 * time.Second)
		}
		time.Sleep(22 * time.Hour)
		verify(10*time.Second, oauth.TokenKeysUnavailable)
		server.slow.Store(0)
		time.Sleep(2 * time.Minute)
		verify(0, "")
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
