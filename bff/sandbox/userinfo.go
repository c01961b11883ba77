package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// userinfo is GET or POST …/userinfo (OpenID Connect Core §5.3): who the access token stands for. It wants a token with
// openid whose login still lives.
func (s *Sandbox) userinfo(w http.ResponseWriter, r *http.Request, realm *realm) {
	r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
	raw, ways := bearerOf(r)
	if ways != 1 {
		challenge(w, realm, http.StatusUnauthorized, "", "")
		return
	}
	claims, err := s.readAccess(realm, raw)
	if err != nil {
		challenge(w, realm, http.StatusUnauthorized, "invalid_token", "Token verification failed")
		return
	}
	s.mu.Lock()
	held := realm.access[claims.ID]
	why := "Token verification failed"
	if held != nil {
		why = s.judgeAccess(realm, held, s.nowLocked())
	}
	s.mu.Unlock()
	switch {
	case why != "":
		challenge(w, realm, http.StatusUnauthorized, "invalid_token", why)
	case !slices.Contains(held.scopes, scopeOpenID):
		challenge(w, realm, http.StatusForbidden, "insufficient_scope", "Missing openid scope")
	default:
		who := held.chain.person
		writeJSON(w, http.StatusOK, map[string]any{"sub": who.Subject, "name": who.Name, "preferred_username": who.Login})
	}
}

// bearerOf reads the token from the header or the form (RFC 6750 §2.1, §2.2), and in how many ways it came.
func bearerOf(r *http.Request) (token string, ways int) {
	if scheme, value, found := strings.Cut(r.Header.Get("Authorization"), " "); found && strings.EqualFold(scheme, "Bearer") {
		token, ways = value, 1
	}
	if value := r.PostFormValue("access_token"); value != "" {
		token, ways = value, ways+1
	}
	return token, ways
}

// challenge is RFC 6750 §3: no code when no token came. As Keycloak's, only a 401 with a code has a body.
func challenge(w http.ResponseWriter, realm *realm, status int, code, description string) {
	value := fmt.Sprintf("Bearer realm=%q", realm.name)
	if code != "" {
		value = fmt.Sprintf("%s, error=%q, error_description=%q", value, code, description)
	}
	w.Header().Set("WWW-Authenticate", value)
	w.Header().Set("Cache-Control", "no-store")
	if code == "" || status == http.StatusForbidden {
		w.WriteHeader(status)
		return
	}
	writeOAuthError(w, status, code, description)
}
