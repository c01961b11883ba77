package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// issue makes a chain's next access and refresh token, and an ID token when openid was granted. held is the refresh token
// that was presented, nil for the first. The caller holds Sandbox.mu and has seen to a signing key.
func (s *Sandbox) issue(realm *realm, c *chain, held *issued, scopes []string, now time.Time) (*tokenAnswer, *tokenError) {
	left := c.login.ends.Sub(now) // both are capped by SSO Session Max
	remaining, life := min(s.life.refresh, left), min(s.life.access, left)
	answer := &tokenAnswer{
		ExpiresIn: seconds(life), TokenType: "Bearer", SessionState: c.login.sid, NotBeforePolicy: s.notBefore(realm),
	}
	if !s.policy.quiet {
		answer.RefreshExpiresIn = new(seconds(remaining))
	}
	if s.policy.scope {
		answer.Scope = strings.Join(scopes, " ")
	}
	access := s.accessClaims(realm, c, scopes, now, now.Add(life))
	var err1, err2, err3 error
	answer.AccessToken, err1 = s.sign(realm, access)
	answer.RefreshToken, err2 = s.issueRefresh(realm, c, held, now, now.Add(remaining))
	if slices.Contains(c.scopes, scopeOpenID) || s.faults.alwaysID {
		answer.IDToken, err3 = s.sign(realm, s.idClaims(realm, c, answer.AccessToken, now, now.Add(life)))
		c.nonce = "" // OpenID Connect Core §12.2: not again after a refresh
	}
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, &tokenError{500, "server_error", err.Error()}
	}
	if id, isText := access["jti"].(string); isText {
		realm.access[id] = &issued{id: id, chain: c, scopes: scopes, made: now, until: now.Add(life), turn: s.turnLocked()}
	}
	return answer, nil
}

// issueRefresh makes the refresh token of an answer: by the realm's kind a JWT, a string without a structure, or the
// same string again.
func (s *Sandbox) issueRefresh(realm *realm, c *chain, held *issued, now, until time.Time) (string, error) {
	if realm.kind == KindO0 && held != nil && held.text != "" {
		held.until = until
		return held.text, nil
	}
	next := &issued{chain: c, scopes: c.scopes, made: now, until: until, turn: s.turnLocked()}
	var text string
	var err error
	if realm.kind.opaque() {
		text = s.mintLocked("")
		next.id, next.text = text, text
	} else {
		claims := s.refreshClaims(realm, c, now, until)
		next.id, _ = claims["jti"].(string)
		text, err = s.signRefresh(realm, claims)
	}
	realm.refresh[next.id] = next
	c.newest = next
	return text, err
}

// accessClaims is "Jane guide, Understanding the JWT Access Token", with Keycloak's sid and what AlterClaims does to it.
func (s *Sandbox) accessClaims(realm *realm, c *chain, scopes []string, now, until time.Time) jwt.MapClaims {
	claims := s.claims(realm, c, "Bearer", now, until)
	claims["aud"] = []string{c.clinic.url}
	claims["scope"] = strings.Join(scopes, " ")
	claims["resource_access"] = map[string]any{c.clinic.url: map[string]any{"roles": []string{"practitioner"}}}
	claims["resource_owner"] = map[string]any{c.clinic.url: map[string]any{"staff_members": []string{c.person.Staff[c.clinic.key]}}}
	for _, alter := range s.faults.next.alter {
		alter(claims)
	}
	s.faults.next.alter = nil
	return claims
}

// refreshClaims: Keycloak's refresh token is a JWT for itself alone.
func (s *Sandbox) refreshClaims(realm *realm, c *chain, now, until time.Time) jwt.MapClaims {
	claims := s.claims(realm, c, "Refresh", now, until)
	claims["aud"] = realm.issuer
	claims["scope"] = strings.Join(c.scopes, " ")
	return claims
}

// idClaims is OpenID Connect Core §2 and §3.1.3.6.
func (s *Sandbox) idClaims(realm *realm, c *chain, access string, now, until time.Time) jwt.MapClaims {
	claims := s.claims(realm, c, "ID", now, until)
	sum := sha256.Sum256([]byte(access))
	claims["aud"] = c.client
	claims["auth_time"] = c.login.started.Add(s.skew).Unix()
	claims["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	claims["name"], claims["preferred_username"] = c.person.Name, c.person.Login
	if c.nonce != "" {
		claims["nonce"] = c.nonce
	}
	return claims
}

// claims are those that all tokens share. The marker claim comes first in the encoded payload.
func (s *Sandbox) claims(realm *realm, c *chain, typ string, now, until time.Time) jwt.MapClaims {
	return jwt.MapClaims{
		markerClaim: markerText, "exp": until.Add(s.skew).Unix(), "iat": now.Add(s.skew).Unix(), "jti": s.uuid(), "iss": realm.issuer,
		"sub": c.person.Subject, "typ": typ, "azp": c.client, "sid": c.login.sid,
	}
}

func (s *Sandbox) sign(realm *realm, claims jwt.MapClaims) (string, error) {
	key := realm.keys[len(realm.keys)-1]
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = key.id
	signed, err := token.SignedString(key.key)
	s.rememberLocked(signed)
	return signed, err
}

func (s *Sandbox) signRefresh(realm *realm, claims jwt.MapClaims) (string, error) {
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(realm.secret)
	s.rememberLocked(signed)
	return signed, err
}

// tokenClaims is what the sandbox reads back from its own tokens.
type tokenClaims struct {
	Type            string `json:"typ"`
	AuthorizedParty string `json:"azp"`
	SID             string `json:"sid"`
	jwt.RegisteredClaims
}

// readRefresh checks a refresh token's signature, issuer and type, not its age.
func (r *realm) readRefresh(raw string) (*tokenClaims, error) {
	var claims tokenClaims
	_, err := jwt.ParseWithClaims(raw, &claims, func(*jwt.Token) (any, error) { return r.secret, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithoutClaimsValidation())
	if err == nil && (claims.Type != "Refresh" || claims.Issuer != r.issuer || claims.ExpiresAt == nil) {
		err = errTokenInvalid
	}
	return &claims, err
}

// readAccess checks an access token's algorithm, signature, issuer, type and age, not whose it is.
func (s *Sandbox) readAccess(realm *realm, raw string) (*tokenClaims, error) {
	var claims tokenClaims
	key := func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		return s.keyOf(realm, id)
	}
	_, err := jwt.ParseWithClaims(raw, &claims, key, jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(realm.issuer),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(s.shown))
	if err == nil && claims.Type != "Bearer" {
		err = errTokenInvalid
	}
	return &claims, err
}

// authenticate is what a clinic asks about a bearer token: signed by one of the realms, not expired, not revoked, and for
// this clinic alone ("Jane guide, Resource Matching"). Its errors are those of seam.go.
func (s *Sandbox) authenticate(bearer, clinicURL string) (grant, error) {
	if bearer == "" {
		return grant{}, errNoToken
	}
	var unread tokenClaims
	if _, _, err := jwt.NewParser().ParseUnverified(bearer, &unread); err != nil {
		return grant{}, errTokenInvalid
	}
	for _, realm := range s.realms {
		if realm.issuer == unread.Issuer {
			return s.authenticateAt(realm, bearer, clinicURL)
		}
	}
	return grant{}, errTokenInvalid
}

func (s *Sandbox) authenticateAt(realm *realm, bearer, clinicURL string) (grant, error) {
	claims, err := s.readAccess(realm, bearer)
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return grant{}, errTokenExpired
	case err != nil:
		return grant{}, errTokenInvalid
	case !slices.Equal(claims.Audience, []string{clinicURL}):
		return grant{}, errTokenAudience
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	held := realm.access[claims.ID]
	clinic := s.clinicAt(clinicURL)
	if held == nil || clinic == nil || held.turn <= realm.notBefore {
		return grant{}, errTokenInvalid
	}
	who := held.chain.person
	allowed := map[string]bool{}
	for _, scope := range held.scopes {
		allowed[scope] = true
	}
	return grant{
		Subject: who.Subject, Login: who.Login, StaffID: who.Staff[clinic.key], Scopes: allowed, Roles: []string{"practitioner"},
	}, nil
}
