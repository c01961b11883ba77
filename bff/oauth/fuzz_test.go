package oauth_test

import (
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"math/big"
	"net/netip"
	"net/url"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// allocated is how many bytes this process has allocated so far.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// FuzzVerify: a token made of any header and any claims, signed rightly, wrongly or not at all, costs less than 4 MB, and
// what is accepted has the pinned algorithm, the pinned key and the right signature by a second reading, and an issuer, an
// end and a subject within their bounds.
func FuzzVerify(f *testing.F) {
	now := time.Now().Unix()
	const signedRightly, byAnother, byNobody, byHand, headerAlone = 0, 1, 2, 3, 4
	marshalled, err := json.Marshal(with(accessClaims(), object{"exp": now + 1<<20, "nbf": now - 10}))
	if err != nil {
		f.Fatal(err)
	}
	good := string(marshalled)
	for _, header := range []string{
		`{"alg":"RS256","kid":"k1"}`, `{"alg":"none"}`, `{"alg":"HS256","kid":"k1"}`, `{"alg":"RS256","kid":"k1","crit":["x"]}`,
		`{"alg":"RS256","kid":"k1","typ":"at+jwt"}`, `{"alg":"RS256","kid":"k2","jwk":{},"jku":"https://evil.test"}`, `null`, ``,
	} {
		for mode := range byte(headerAlone + 1) {
			f.Add(header, good, mode)
		}
	}
	for _, claims := range []string{
		`{}`, `{"exp":1e308}`, good + `x`, `{"iss":"x",` + good[1:], strings.Replace(good, `"Bearer"`, `"ID"`, 1),
		strings.Replace(good, `"nbf":`, `"nbf":1e308,"x":`, 1), strings.Repeat("[", 40), strings.Replace(good, "7f7ac94b", `\ud800`, 1),
	} {
		f.Add(`{"alg":"RS256","kid":"k1"}`, claims, byte(signedRightly))
	}
	server := &certs{}
	key, other := newQuickKey(f), newQuickKey(f)
	server.keys.Store([]object{key.jwk("k1"), other.jwk("k2")})
	client := newVerifier(f, server)
	keys := map[string]*rsa.PublicKey{"k1": {N: key.n, E: quickE}, "k2": {N: other.n, E: quickE}}
	right := sign(f, object{"alg": "RS256", "kid": "k1"}, accessClaims(), key.sign)
	if _, err := client.VerifyAccess(f.Context(), right); err != nil {
		f.Fatal(err)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithJSONNumber())
	f.Fuzz(func(t *testing.T, header, claims string, mode byte) {
		signed := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(claims))
		raw := signed
		switch mode {
		case byAnother:
			raw += "." + b64.EncodeToString(other.sign(signed))
		case byNobody:
			raw += "." + b64.EncodeToString(make([]byte, 256))
		case byHand:
			raw = header + "." + claims + "."
		case headerAlone:
			raw = header
		default:
			raw += "." + b64.EncodeToString(key.sign(signed))
		}
		before := allocated()
		got, err := client.VerifyAccess(t.Context(), secret.New(raw))
		id, errID := client.VerifyID(t.Context(), secret.New(raw), secret.String{}, secret.New("a"))
		if n := allocated() - before; n > 4<<20 {
			t.Fatalf("%d bytes", n)
		}
		if err == nil && errID == nil {
			t.Fatal("an access token and an id_token at once")
		}
		if err != nil && errID != nil {
			return
		}
		if errID == nil {
			got = id
		}
		second := jwt.MapClaims{}
		parsed, err := parser.ParseWithClaims(raw, second, func(token *jwt.Token) (any, error) {
			kid, _ := token.Header["kid"].(string)
			return keys[kid], nil
		})
		if err != nil || parsed.Header["alg"] != "RS256" || parsed.Header["crit"] != nil {
			t.Fatalf("accepted, and not by golang-jwt: %v", err)
		}
		if second["iss"] != testIssuer || second["sub"] != got.Subject || got.Issuer != testIssuer {
			t.Fatalf("%v, and read as %+v", second, got)
		}
		if got.Expiry.Before(time.Now().Add(-time.Minute)) || got.Expiry.Year() > 9999 || got.IssuedAt.After(time.Now().Add(time.Minute)) {
			t.Fatalf("dates %v, %v", got.Expiry, got.IssuedAt)
		}
		if nbf, present := second["nbf"].(json.Number); present {
			if at, err := nbf.Float64(); err != nil || at > float64(time.Now().Unix()+60) {
				t.Fatalf("nbf is %s", nbf)
			}
		}
		if got.Subject == "" || len(got.Subject) > 255 || strings.ContainsFunc(got.Subject, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			t.Fatalf("subject %q", got.Subject)
		}
	})
}

// FuzzKeySet: whatever a server serves as its keys costs less than 8 MB, and what is kept of it is RSA keys that
// crypto/rsa takes, at most 64 of them, each of them named by an entry that a second reader finds too.
func FuzzKeySet(f *testing.F) {
	key := newQuickKey(f)
	seed := func(changes object) string {
		body, err := json.Marshal(object{"keys": []object{with(key.jwk("k1"), changes)}})
		if err != nil {
			f.Fatal(err)
		}
		return string(body)
	}
	for _, changes := range []object{
		nil, {"use": "enc"}, {"alg": nil}, {"alg": "RS512"}, {"e": "AQ"}, {"e": "AQAAAAAAAQAB"}, {"n": "AQAB"}, {"d": "AQAB"}, {"kty": "EC"}, {"kid": 1},
	} {
		f.Add(seed(changes))
	}
	f.Add(`{"keys":[]}`)
	f.Add(`{"KEYS":[{"KTY":"RSA"}]}`)
	f.Add(`{"keys":[` + strings.Repeat(`{},`, 5000) + `{}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		if len(body) > 64<<10 {
			return // the client reads no more
		}
		before := allocated()
		keys, err := oauth.ParseKeys([]byte(body))
		if n := allocated() - before; n > 8<<20 {
			t.Fatalf("%d bytes", n)
		}
		if err != nil {
			return
		}
		if len(keys) == 0 || len(keys) > 64 {
			t.Fatalf("%d keys", len(keys))
		}
		var second map[string]any
		if err := json.Unmarshal([]byte(body), &second); err != nil {
			t.Fatalf("kept, and not read by encoding/json: %v", err)
		}
		for kid, key := range keys {
			bits := key.N.BitLen()
			if kid == "" || bits < 2048 || bits > 8192 || key.E < 3 || key.E%2 == 0 || key.N.Cmp(new(big.Int)) <= 0 {
				t.Fatalf("key %q of %d bits with exponent %d", kid, bits, key.E)
			}
			if !names(second["keys"], kid, key) {
				t.Fatalf("no entry is key %q", kid)
			}
			_ = rsa.VerifyPKCS1v15(key, crypto.SHA256, make([]byte, 32), make([]byte, key.Size())) // does not panic
		}
	})
}

// names says whether an entry of the list is this key.
func names(list any, kid string, key *rsa.PublicKey) bool {
	entries, _ := list.([]any)
	for _, entry := range entries {
		e, _ := entry.(object)
		text, _ := e["n"].(string)
		n, err := b64.DecodeString(text)
		if err == nil && e["kid"] == kid && e["kty"] == "RSA" && e["use"] == "sig" && e["d"] == nil && key.N.Cmp(new(big.Int).SetBytes(n)) == 0 {
			return true
		}
	}
	return false
}

// FuzzMetadata: whatever a server says of itself, what is accepted names nothing but plain https or loopback addresses, offers
// S256 for a second reader, and a client can use it or says why not; and the same document twice is never a move.
func FuzzMetadata(f *testing.F) {
	f.Add("https://ehr.test/fhir", described(nil))
	f.Add("https://ehr.test/fhir/", described(map[string]any{"token_endpoint": "../token", "issuer": nil}))
	f.Add("https://ehr.test", described(map[string]any{"token_endpoint": "//evil.test:99/token", "end_session_endpoint": "http://localhost/x"}))
	f.Add("http://127.0.0.1:8080/fhir", described(map[string]any{"jwks_uri": "http://[::1]:1/keys", "capabilities": []string{}}))
	f.Add("javascript:x", `{"token_endpoint":"javascript:alert(1)"}`)
	f.Fuzz(func(t *testing.T, base, body string) {
		m, err := oauth.ParseMetadata(base, []byte(body))
		if err != nil {
			if m.Server() != (oauth.Server{}) || len(err.Error()) > 200+len(base) {
				t.Fatalf("refused, and %+v: %v", m, err)
			}
			return
		}
		s := m.Server()
		for _, at := range []string{s.Authorization, s.Token, s.JWKS, s.Revocation, s.Introspection, s.EndSession, s.Issuer} {
			u, err := url.Parse(at)
			if err != nil {
				t.Fatal(err)
			} else if at == "" {
				continue
			}
			host, _ := netip.ParseAddr(u.Hostname())
			own := u.Scheme == "http" && (host.IsLoopback() || at == s.EndSession && u.Hostname() == "localhost")
			if u.Scheme != "https" && !own || strings.ContainsAny(at, "?#@ \r\n") {
				t.Fatalf("%q is accepted", at)
			}
		}
		var second struct {
			Methods []string `json:"code_challenge_methods_supported"`
		}
		if json.Unmarshal([]byte(body), &second) != nil || !slices.Contains(second.Methods, "S256") {
			t.Fatalf("S256 for one reader alone: %v", second.Methods)
		}
		if err := oauth.Pinned(m, m); err != nil {
			t.Fatalf("a move from itself: %v", err)
		}
	})
}
