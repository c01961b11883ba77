package sandbox

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// LogoutDraft is a logout token before it is signed.
type LogoutDraft struct {
	Header    map[string]any
	Claims    map[string]any // times are seconds as int64
	Signature Signature

	client string
	realm  *realm
}

// Signature is how a forged token is signed.
type Signature string

// The signatures of forged tokens. Each sets the alg of the header too, unless the draft has changed it.
const (
	SignedByRealm       Signature = ""         // as any other token
	SignedByStranger    Signature = "stranger" // another RSA key under the kid of the realm's
	SignedWithSecret    Signature = "secret"   // HS256 with the client's secret
	SignedWithPublicKey Signature = "public"   // HS256 with the PEM of the realm's public key (RFC 8725 §2.1)
	Unsigned            Signature = "none"     // alg none (RFC 8725 §3.2)
)

// ForgeLogout makes a logout token for the latest sign-in of login at client, lets spoil change it, and signs it; it is
// not sent and nothing is logged out. spoil nil leaves it as it would be sent.
func (s *Sandbox) ForgeLogout(client, login string, spoil func(*LogoutDraft)) (string, error) {
	var at *realm
	var latest *session
	s.mu.Lock()
	for _, r := range s.realms {
		for l := range r.sessions() {
			if strings.EqualFold(l.person.Login, login) && l.clients[client] != nil && (latest == nil || l.started.After(latest.started)) {
				at, latest = r, l
			}
		}
	}
	s.mu.Unlock()
	if at == nil {
		return "", fmt.Errorf("%q has not signed in for client %q", login, client)
	}
	for _, r := range s.realms { // the stranger's is the other realm's
		if err := s.ensureKey(r); err != nil {
			return "", err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	draft := s.logoutDraft(at, latest, client, s.nowLocked())
	if spoil != nil {
		spoil(draft)
	}
	return s.signDraft(at, draft)
}

// signDraft signs a logout token as its draft says. The caller holds Sandbox.mu.
func (s *Sandbox) signDraft(r *realm, d *LogoutDraft) (string, error) {
	method, key, err := s.signer(r, d)
	if err != nil {
		return "", err
	}
	token := jwt.NewWithClaims(method, jwt.MapClaims(d.Claims))
	token.Header = d.Header
	if d.Signature != SignedByRealm && d.Header["alg"] == jwt.SigningMethodRS256.Alg() {
		d.Header["alg"] = method.Alg()
	}
	signed, err := token.SignedString(key)
	s.rememberLocked(signed)
	return signed, err
}

func (s *Sandbox) signer(r *realm, d *LogoutDraft) (jwt.SigningMethod, any, error) {
	own := r.keys[len(r.keys)-1].key
	switch d.Signature {
	case SignedByRealm:
		return jwt.SigningMethodRS256, own, nil
	case SignedByStranger:
		for _, other := range s.realms {
			if other != r {
				return jwt.SigningMethodRS256, other.keys[len(other.keys)-1].key, nil
			}
		}
	case SignedWithSecret:
		return jwt.SigningMethodHS256, []byte(s.clients[d.client].Secret), nil
	case SignedWithPublicKey:
		der, err := x509.MarshalPKIXPublicKey(&own.PublicKey)
		return jwt.SigningMethodHS256, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), err
	case Unsigned:
		return jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil
	}
	return nil, nil, errors.New("sandbox: unknown signature")
}

// LogoutForgery is one way to spoil a logout token, for ForgeLogout. A client must refuse every one of them.
type LogoutForgery struct {
	Name  string
	Spoil func(*LogoutDraft)
}

// LogoutForgeries lists what OpenID Connect Back-Channel Logout §2.6 tells a client to refuse. A token that comes a second
// time is not among them: nothing is wrong with it.
func LogoutForgeries() []LogoutForgery {
	set := func(name string, value any) func(*LogoutDraft) {
		return func(d *LogoutDraft) { d.Claims[name] = value }
	}
	drop := func(names ...string) func(*LogoutDraft) {
		return func(d *LogoutDraft) {
			for _, name := range names {
				delete(d.Claims, name)
			}
		}
	}
	shift := func(name string, seconds int64) func(*LogoutDraft) {
		return func(d *LogoutDraft) {
			at, _ := d.Claims[name].(int64)
			d.Claims[name] = at + seconds
		}
	}
	header := func(name string, value any) func(*LogoutDraft) {
		return func(d *LogoutDraft) { d.Header[name] = value }
	}
	signed := func(how Signature) func(*LogoutDraft) { return func(d *LogoutDraft) { d.Signature = how } }
	return []LogoutForgery{
		{"another issuer", set("iss", "https://evil.test/realms/jane")},
		{"the issuer with a slash more", func(d *LogoutDraft) { d.Claims["iss"] = d.realm.issuer + "/" }},
		{"no issuer", drop("iss")},
		{"another client's audience", set("aud", "somebody-else")},
		{"an audience without the client", set("aud", []string{"somebody-else", "a-third"})},
		{"no audience", drop("aud")},
		{"signed by a stranger", signed(SignedByStranger)},
		{"signed with the client's secret", signed(SignedWithSecret)},
		{"signed with the public key", signed(SignedWithPublicKey)},
		{"alg none", signed(Unsigned)},
		{"an unknown key", header("kid", "nobody's")},
		{"with a nonce", set("nonce", "n-1")},
		{"with an empty nonce", set("nonce", "")},
		{"no events", drop("events")},
		{"another event", set("events", map[string]any{"http://schemas.openid.net/event/other": map[string]any{}})},
		{"an event that is no object", set("events", map[string]any{logoutEvent: true})},
		{"events as a list", set("events", []string{logoutEvent})},
		{"neither sub nor sid", drop("sub", "sid")},
		{"an empty sid and no sub", func(d *LogoutDraft) { d.Claims["sid"] = ""; delete(d.Claims, "sub") }},
		{"no jti", drop("jti")},
		{"no iat", drop("iat")},
		{"issued an hour ago", shift("iat", -3600)},
		{"issued in an hour", shift("iat", 3600)},
		{"no exp", drop("exp")},
		{"expired", func(d *LogoutDraft) { shift("iat", -3600)(d); shift("exp", -3600)(d) }},
		{"typ of an ID token", header("typ", "JWT")},
		{"typ of an access token", header("typ", "at+jwt")},
	}
}
