package sandbox_test

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"locum/bff/sandbox"
)

// in is the rig for a subtest.
func (g *rig) in(t *testing.T) *rig {
	sub := *g
	sub.T = t
	return &sub
}

func (g *rig) registered(id string) sandbox.Client {
	all := g.Clients()
	i := slices.IndexFunc(all, func(c sandbox.Client) bool { return c.ID == id })
	if i < 0 {
		g.Fatalf("no client %q", id)
	}
	return all[i]
}

func inputValue(page, name string) string {
	found := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(page)
	if found == nil {
		return ""
	}
	return found[1]
}

// verify checks a token with the keys that the realm publishes, and nothing else of the sandbox's.
func (g *rig) verify(token any) jwt.MapClaims {
	g.Helper()
	text, _ := token.(string)
	found := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(text, found, func(t *jwt.Token) (any, error) { return g.published(t.Header["kid"]), nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(g.Issuer(g.realm)), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	if err != nil {
		g.Errorf("token does not verify: %v", err)
	}
	return found
}

// published is the key with this id in the realm's key set.
func (g *rig) published(id any) *rsa.PublicKey {
	g.Helper()
	keys, _ := g.get(g.endpoint("certs")).json["keys"].([]any)
	for _, one := range keys {
		key, _ := one.(map[string]any)
		if key["kid"] != id || key["kty"] != "RSA" || key["alg"] != "RS256" || key["use"] != "sig" {
			continue
		}
		n, _ := key["n"].(string)
		e, _ := key["e"].(string)
		modulus, err1 := base64.RawURLEncoding.DecodeString(n)
		exponent, err2 := base64.RawURLEncoding.DecodeString(e)
		if err1 != nil || err2 != nil {
			g.Fatalf("key %v is not base64url", id)
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(new(big.Int).SetBytes(exponent).Int64())}
	}
	return nil
}

// checkAnswer: "Jane guide, Step 3", Example Response; keycloak.md: no scope member.
func checkAnswer(g *rig) {
	response := g.redeem(g.approve(robin).Get("code"))
	got := response.json
	want := map[string]any{"expires_in": 300.0, "refresh_expires_in": 1800.0, "token_type": "Bearer", "not-before-policy": 0.0}
	for name, value := range want {
		equal(g, name, got[name], value)
	}
	var names []string
	for name := range got {
		names = append(names, name)
	}
	slices.Sort(names)
	equal(g, "members", strings.Join(names, " "), "access_token expires_in not-before-policy refresh_expires_in refresh_token session_state token_type")
	equal(g, "RFC 6749 §5.1 Cache-Control", response.Header.Get("Cache-Control"), "no-store")
	equal(g, "RFC 6749 §5.1 Pragma", response.Header.Get("Pragma"), "no-cache")
	equal(g, "Content-Type", response.Header.Get("Content-Type"), "application/json")
	refresh, _ := got["refresh_token"].(string)
	header, _, _ := strings.Cut(refresh, ".")
	decoded, _ := base64.RawURLEncoding.DecodeString(header)
	if !strings.Contains(string(decoded), "HS256") {
		g.Errorf("refresh token header is %s, want HS256 as in the guide", decoded)
	}
}

// checkClaims: "Jane guide, Understanding the JWT Access Token".
func checkClaims(g *rig) {
	answer := g.tokens("scope", "patients:read observations:create")
	got := g.verify(answer["access_token"])
	who := g.People()[0]
	want := map[string]any{
		"typ": "Bearer", "azp": "locum", "sub": who.Subject, "scope": "patients:read observations:create", "sid": answer["session_state"],
		"aud":             []any{g.clinic},
		"resource_access": map[string]any{g.clinic: map[string]any{"roles": []any{"practitioner"}}},
	}
	for name, value := range want {
		if !reflect.DeepEqual(got[name], value) {
			g.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
	owner, _ := got["resource_owner"].(map[string]any)
	here, _ := owner[g.clinic].(map[string]any)
	staff, _ := here["staff_members"].([]any)
	if len(owner) != 1 || len(staff) != 1 {
		g.Errorf("resource_owner is %v, want one staff member at the clinic", owner)
	}
	expires, err1 := got.GetExpirationTime()
	issued, err2 := got.GetIssuedAt()
	if err1 != nil || err2 != nil || expires.Sub(issued.Time) != 5*time.Minute {
		g.Errorf("exp %v and iat %v are not 300 s apart", expires, issued)
	}
	if id, _ := got["jti"].(string); len(id) != 36 {
		g.Errorf("jti is %q", id)
	}
}

// checkIDToken: OpenID Connect Core §2, §3.1.3.6, §3.1.3.7.
func checkIDToken(g *rig) {
	if got := g.tokens("nonce", "n-1")["id_token"]; got != nil {
		g.Error("id_token without openid")
	}
	answer := g.tokens("scope", "openid patients:read", "nonce", "n-1")
	got := g.verify(answer["id_token"])
	access, _ := answer["access_token"].(string)
	sum := sha256.Sum256([]byte(access))
	want := map[string]any{
		"aud": "locum", "azp": "locum", "nonce": "n-1", "typ": "ID", "sid": answer["session_state"],
		"at_hash": base64.RawURLEncoding.EncodeToString(sum[:16]), "sub": claims(g, access)["sub"], "name": g.People()[0].Name,
	}
	for name, value := range want {
		equal(g, name, got[name], value)
	}
}

func checkRefreshed(g *rig) {
	first := g.tokens()
	second := g.refresh(first["refresh_token"]).json
	a, b := g.verify(first["access_token"]), g.verify(second["access_token"])
	for _, name := range []string{"aud", "sub", "scope", "azp", "iss", "sid", "resource_access", "resource_owner"} {
		if !reflect.DeepEqual(a[name], b[name]) {
			g.Errorf("%s became %v, was %v", name, b[name], a[name])
		}
	}
	equal(g, "same jti", a["jti"] == b["jti"], false)
	equal(g, "session_state", second["session_state"], first["session_state"])
}

// checkLifetimes: tokens of six seconds behind refresh tokens of a minute.
func checkLifetimes(g *rig) {
	g.SetLifetimes(6*time.Second+time.Millisecond, time.Minute)
	got := g.tokens("scope", "openid patients:read")
	equal(g, "expires_in", got["expires_in"], any(6.0))
	equal(g, "refresh_expires_in", got["refresh_expires_in"], any(60.0))
	for name, life := range map[string]time.Duration{"access_token": 6 * time.Second, "id_token": 6 * time.Second, "refresh_token": time.Minute} {
		expires, err := claims(g, got[name]).GetExpirationTime()
		must(g, err)
		equal(g, "exp of the "+name, time.Until(expires.Time), life)
	}
	time.Sleep(5 * time.Second)
	equal(g, "just before", g.call(g.clinic, got["access_token"]), 200)
	time.Sleep(time.Second)
	equal(g, "at expiry", g.call(g.clinic, got["access_token"]), 401)
	next := g.refresh(got["refresh_token"]).json
	equal(g, "expires_in after a refresh", next["expires_in"], any(6.0))
	time.Sleep(time.Minute)
	g.refused(g.refresh(next["refresh_token"]), 400, "invalid_grant", "Token is not active")
	equal(g, "the login is over too", g.redirected(g.get(g.ask("prompt", "none"))).Get("error"), "login_required")
}
