package sandbox

import (
	"net/http"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// introspect is POST …/token/introspect (RFC 7662) as Keycloak serves it: for confidential clients alone, and nothing but
// {"active":false} of a token that does not work. It only looks: a refresh token that is asked about is not used, and
// asking about a spent one ends nothing.
func (s *Sandbox) introspect(w http.ResponseWriter, r *http.Request, realm *realm) {
	form, client, refused := s.readForm(r, realm)
	hint := form.Get("token_type_hint")
	switch {
	case refused != nil && refused.status == http.StatusUnauthorized:
		refused.code, refused.description = "invalid_client", "Client authentication failed."
	case refused != nil:
	case client.Public:
		refused = &tokenError{http.StatusForbidden, "invalid_request", "Client not allowed."}
	case form.Get("token") == "":
		refused = invalidRequest("Token not provided.")
	case hint != "" && hint != hintAccess && hint != hintRefresh:
		refused = invalidRequest("Unsupported token type.")
	}
	if refused != nil {
		refused.write(w, r)
		return
	}
	claims := s.inspectToken(realm, client, form.Get("token"), hint)
	if claims == nil {
		claims = map[string]any{"active": false}
	}
	writeJSON(w, http.StatusOK, claims)
}

// What token_type_hint may say (RFC 7009 §2.1).
const hintAccess, hintRefresh = "access_token", "refresh_token"

// inspectToken gives what introspection says of a live token, nil of any other, and of one that belongs to another client:
// RFC 7662 §2.2 lets a server say no more. Since 26.6.2 Keycloak takes every token for an access token that is not named a
// refresh token by the hint, and tells of an access token only whom its aud names: SetIntrospectAudience.
func (s *Sandbox) inspectToken(realm *realm, client Client, raw, hint string) map[string]any {
	access, err := s.readAccess(realm, raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.nowLocked()
	var held *issued
	if err == nil {
		if held = realm.access[access.ID]; held != nil && s.judgeAccess(realm, held, now) != "" {
			return nil
		}
	} else if held, _ = s.find(realm, raw, now); held != nil && s.judge(realm, held, now).refused != nil {
		return nil
	}
	if held == nil || held.chain.client != client.ID {
		return nil
	}
	claims := s.describeToken(realm, held, raw, err == nil)
	refresh := err != nil && hint == hintRefresh
	if audience, _ := claims.GetAudience(); s.policy.audience && !refresh && !slices.Contains(audience, client.ID) {
		return nil
	}
	return claims
}

// describeToken is the body of a live token: its claims, and RFC 7662 §2.2's.
func (s *Sandbox) describeToken(realm *realm, held *issued, raw string, access bool) jwt.MapClaims {
	c := held.chain
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(raw, claims); err != nil { // opaque
		claims = s.refreshClaims(realm, c, held.made, held.until)
	}
	delete(claims, markerClaim) // it belongs to the token, and this is none
	claims["active"], claims["client_id"], claims["username"] = true, c.client, c.person.Login
	claims["token_type"] = "Refresh"
	if access {
		claims["token_type"] = "Bearer"
	}
	return claims
}

// SetIntrospectAudience says whether introspection tells of an access token, and of a refresh token that no hint names as
// one, only a client that stands in aud: Keycloak since 26.6.2 (the default), which Jane's clients never do. Off is Keycloak
// before it.
func (s *Sandbox) SetIntrospectAudience(check bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy.audience = check
}

// judgeAccess says why the identity server itself does not take an access token that verifies; "" when it does. The
// clinics look at the token alone. The caller holds Sandbox.mu.
func (s *Sandbox) judgeAccess(r *realm, held *issued, at time.Time) string {
	c := held.chain
	switch {
	case held.turn <= r.notBefore:
		return "Stale token"
	case !c.login.alive(at), c.login.clients[c.client] == nil, c.login.clients[c.client] != c.session, c.ended != "":
		return "User session not found or doesn't have client attached on it"
	case s.disabled[c.person.Subject]:
		return "User disabled"
	}
	return ""
}
