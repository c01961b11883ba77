package connect_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"locum/bff/connect"
	"locum/bff/sandbox"
	"locum/bff/vault"
)

var b64 = base64.RawURLEncoding

type object = map[string]any

// forger answers in the platform's place, on real sockets: with a key set of its own, and with tokens that may be right in
// everything but one thing. It keeps the addresses that were dialled.
type forger struct {
	*bench
	tab        *tab
	issuer     string
	key, other *rsa.PrivateKey
	evil       string // the address of a host that must never be reached
	visited    atomic.Int32
	begun      time.Time

	mu      sync.Mutex
	dialled map[string]bool

	flows    int
	failures []string // the codes that the audit trail has to hold
	nonce    string   // of the flow under way
}

func newForger(t *testing.T) *forger {
	t.Helper()
	f := &forger{begun: time.Now(), dialled: map[string]bool{}}
	f.key, f.other = forgersKeys()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := &http.Server{Handler: http.NotFoundHandler(), ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			f.visited.Add(1)
		}
	}}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	f.evil = "http://" + listener.Addr().String()
	f.bench = newBench(t, options{openID: true, sockets: true, dial: f.dial})
	f.issuer = f.sandbox.Issuer(sandbox.RealmSandbox)
	f.publish(f.keySet())
	f.tab = f.signIn("u1")
	return f
}

func (f *forger) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	f.mu.Lock()
	f.dialled[addr] = true
	f.mu.Unlock()
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// forgersKeys are those of every forger: making one takes a while.
var forgersKeys = sync.OnceValues(func() (one, two *rsa.PrivateKey) {
	one, err1 := rsa.GenerateKey(rand.Reader, 2048)
	two, err2 := rsa.GenerateKey(rand.Reader, 2048)
	if err := errors.Join(err1, err2); err != nil {
		panic(err)
	}
	return one, two
})

func publicJWK(key *rsa.PrivateKey, changes object) object {
	return with(object{
		"kty": "RSA", "kid": "k1", "use": "sig", "alg": "RS256", "n": b64.EncodeToString(key.N.Bytes()),
		"e": b64.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}, changes)
}

// keySet is k1, which signs, and entries that must not verify anything.
func (f *forger) keySet() []object {
	small := f.key.N.Bytes()[:64]
	return []object{
		publicJWK(f.key, nil),
		publicJWK(f.key, object{"kid": "enc", "use": "enc"}),
		publicJWK(f.key, object{"kid": "rs512", "alg": "RS512"}),
		publicJWK(f.key, object{"kid": "short", "n": b64.EncodeToString(small)}),
		publicJWK(f.key, object{"kid": "exponent", "e": b64.EncodeToString(slices.Repeat([]byte{0xff}, 4096))}),
		publicJWK(f.key, object{"kid": "private", "d": b64.EncodeToString(f.key.D.Bytes())}),
		{"kty": "EC", "kid": "curve", "use": "sig", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
		{"kty": "oct", "kid": "oct", "use": "sig", "k": "AAAA"},
		publicJWK(f.other, nil), // k1 once more
	}
}

// publish makes the sandbox serve these keys from now on.
func (f *forger) publish(keys []object) {
	body, err := json.Marshal(object{"keys": keys})
	must(f.t, err)
	f.sandbox.Answer(sandbox.EndpointCerts, sandbox.Canned{Body: string(body)}, 1<<20)
}

// with is claims with changes; a nil value removes a claim.
func with(claims, changes object) object {
	all := maps.Clone(claims)
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

func (f *forger) accessClaims() object {
	now := time.Now().Unix()
	return object{
		"iss": f.issuer, "sub": "7f7ac94b", "aud": []string{f.a}, "azp": clientID, "typ": "Bearer", "sid": "s-1", "jti": "j-1",
		"scope": "patients:read appointments:read", "exp": now + 300, "iat": now,
	}
}

func (f *forger) idClaims(access string) object {
	now := time.Now().Unix()
	sum := sha256.Sum256([]byte(access))
	return object{
		"iss": f.issuer, "sub": "7f7ac94b", "aud": clientID, "azp": clientID, "typ": "ID", "nonce": f.nonce,
		"at_hash": b64.EncodeToString(sum[:16]), "exp": now + 300, "iat": now,
	}
}

// rs256 signs with a key.
func rs256(key *rsa.PrivateKey) func(string) []byte {
	return func(signed string) []byte {
		sum := sha256.Sum256([]byte(signed))
		signature, _ := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		return signature
	}
}

// encode makes a token.
func encode(header, claims any, finish func(string) []byte) string {
	h, _ := json.Marshal(header)
	c, _ := json.Marshal(claims)
	signed := b64.EncodeToString(h) + "." + b64.EncodeToString(c)
	return signed + "." + b64.EncodeToString(finish(signed))
}

// forgery is what is wrong with one of the two tokens of an answer. Without a change it is none.
type forgery struct {
	name           string
	header, claims object                   // changes; nil removes
	finish         func(string) []byte      // nil: the right signature
	raw            func(good string) string // instead of the token made so far
	says           string                   // the cause in the log; "" : a refused token
	outcome        string                   // "" : bad_token
}

// token makes one that is right but for the forgery.
func (f *forger) token(claims object, y forgery) string {
	finish := y.finish
	if finish == nil {
		finish = rs256(f.key)
	}
	token := encode(with(object{"alg": "RS256", "typ": "JWT", "kid": "k1"}, y.header), with(claims, y.claims), finish)
	if y.raw != nil {
		token = y.raw(token)
	}
	return token
}

// answer is a token answer with a forged access token or id_token.
func (f *forger) answer(kind string, y forgery) string {
	var none forgery
	access := f.token(f.accessClaims(), none)
	id := f.token(f.idClaims(access), none)
	switch kind {
	case "access":
		access = f.token(f.accessClaims(), y)
		id = f.token(f.idClaims(access), none)
	case "id":
		id = f.token(f.idClaims(access), y)
	}
	body, err := json.Marshal(object{
		"access_token": access, "id_token": id, "refresh_token": f.refresh(), "token_type": "Bearer", "expires_in": 300, "refresh_expires_in": 1800,
	})
	must(f.t, err)
	return string(body)
}

func (f *forger) refresh() string { return fmt.Sprint("refresh-", f.flows) }

// flow begins an authorization and finishes it with the token answer that body makes; it gives what was logged meanwhile.
func (f *forger) flow(tab *tab, body func() string) (connect.Result, string) {
	f.t.Helper()
	f.flows++
	query := tab.mustBegin(nil).Query()
	f.nonce = query.Get("nonce")
	f.sandbox.Answer(sandbox.EndpointExchange, sandbox.Canned{Header: map[string]string{"Content-Type": "application/json"}, Body: body()}, 1)
	logged := len(f.logs.String())
	r := tab.finish(url.Values{"state": {query.Get("state")}, "code": {"a-code"}, "iss": {f.issuer}}.Encode())
	return r, f.logs.String()[logged:]
}

// refuse walks a flow that has to end without a connection, with the outcome and its cause in the log.
func (f *forger) refuse(t *testing.T, outcome, says string, body func() string) {
	t.Helper()
	r, logged := f.flow(f.tab, body)
	f.failures = append(f.failures, outcome)
	f.tab.wantResult(r, outcome)
	f.wantNothing(f.flows)
	if !strings.Contains(logged, says) {
		t.Errorf("the log says %.400s, want %q", logged, says)
	}
	if !f.sessions.Alive(f.tab.session, f.tab.who) || f.count() != 1 {
		t.Errorf("the session has changed: %d sessions", f.count())
	}
}

func (f *forger) count() (sessions int) {
	must(f.t, f.vault.View(func(tx *vault.Tx) error {
		sessions = vault.Sessions.Count(tx)
		return nil
	}))
	return sessions
}

// settled checks what every table leaves behind: one audit record for each flow, a revocation of each token that could be
// read, two fetches of the keys a minute, and no connection to anywhere but the platform. Last, a flow that is right connects.
func (f *forger) settled(t *testing.T, revoked int) {
	t.Helper()
	f.wantEvents("connect_failed", f.failures...)
	f.wantEvents("connect")
	if n := f.sandbox.Count(sandbox.EndpointRevoke); n != revoked {
		t.Errorf("%d revocations, want %d", n, revoked)
	}
	if n, most := f.sandbox.Count(sandbox.EndpointCerts), 1+int(time.Since(f.begun)/(30*time.Second)); n > most {
		t.Errorf("%d fetches of the keys, at most %d", n, most)
	}
	for _, word := range []string{"refresh-1", f.nonce, "eyJ"} {
		if strings.Contains(f.logs.String(), word) {
			t.Errorf("%q is in the log", word)
		}
	}
	if r, logged := f.flow(f.tab, func() string { return f.answer("", forgery{}) }); r.Code != connect.OutcomeConnected {
		t.Errorf("a right answer: %+v, %s", r, logged)
	}
	f.untouched(t)
}

// untouched wants no connection to anywhere but the platform, and that one to E would have been seen.
func (f *forger) untouched(t *testing.T) {
	t.Helper()
	at, err := url.Parse(f.issuer)
	must(t, err)
	if len(f.dialled) != 1 || !f.dialled[at.Host] || f.visited.Load() != 0 {
		t.Errorf("dialled %v; E had %d connections", f.dialled, f.visited.Load())
	}
	response, err := http.Get(f.evil)
	must(t, err)
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	if f.visited.Load() != 1 {
		t.Error("E does not count")
	}
}
