package sandbox

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
)

// iamHandler is the identity server, in Keycloak's layout.
func (s *Sandbox) iamHandler() http.Handler {
	const protocol = "/realms/{realm}/protocol/openid-connect/"
	mux := http.NewServeMux()
	handle := func(pattern string, f func(http.ResponseWriter, *http.Request, *realm)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			realm := s.realms[r.PathValue("realm")]
			if realm == nil {
				writeJSON(w, http.StatusNotFound, map[string]string{"error": "Realm does not exist"})
				return
			}
			f(w, r, realm)
		})
	}
	handle("GET "+protocol+"auth", s.authorize)
	handle("POST "+protocol+"token", s.token)
	handle("POST "+protocol+"token/introspect", s.introspect)
	handle("POST "+protocol+"revoke", s.revoke)
	handle("GET "+protocol+"userinfo", s.userinfo)
	handle("POST "+protocol+"userinfo", s.userinfo)
	handle("GET "+protocol+"logout", s.endSession)
	handle("POST "+protocol+"logout", s.endSession)
	handle("POST "+protocol+"logout/logout-confirm", s.confirmLogout)
	handle("GET "+protocol+"certs", s.certs)
	handle("GET /realms/{realm}/.well-known/openid-configuration", s.discovery)
	handle("GET /.well-known/oauth-authorization-server/realms/{realm}", s.discovery) // RFC 8414 §3.1
	handle("GET /realms/{realm}/login-actions/authenticate", s.showLogin)
	handle("POST /realms/{realm}/login-actions/authenticate", s.takeLogin)
	handle("GET /realms/{realm}/login-actions/consent", s.showConsent)
	handle("POST /realms/{realm}/login-actions/consent", s.takeConsent)
	mux.HandleFunc("GET /sandbox.css", s.stylesheet)
	mux.HandleFunc("GET /{$}", s.front)
	mux.HandleFunc("POST /lab", s.lab)
	return mux
}

// discovery is OpenID Connect Discovery §3 and RFC 8414 §2: only what is really served, unlike Keycloak's long lists.
func (s *Sandbox) discovery(w http.ResponseWriter, _ *http.Request, r *realm) {
	base := r.issuer + "/protocol/openid-connect/"
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                         r.issuer,
		"authorization_endpoint":                         base + "auth",
		"token_endpoint":                                 base + "token",
		"introspection_endpoint":                         base + "token/introspect",
		"revocation_endpoint":                            base + "revoke",
		"userinfo_endpoint":                              base + "userinfo",
		"end_session_endpoint":                           base + "logout",
		"jwks_uri":                                       base + "certs",
		"grant_types_supported":                          []string{"authorization_code", "refresh_token"},
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query"},
		"subject_types_supported":                        []string{"public"},
		"prompt_values_supported":                        []string{"none", "login", "consent"},
		"id_token_signing_alg_values_supported":          []string{"RS256"},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post"},
		"revocation_endpoint_auth_methods_supported":     []string{"client_secret_basic", "client_secret_post"},
		"introspection_endpoint_auth_methods_supported":  []string{"client_secret_basic", "client_secret_post"},
		"backchannel_logout_supported":                   true, // OpenID Connect Back-Channel Logout §2.1
		"backchannel_logout_session_supported":           true,
		"scopes_supported":                               scopeNames(),
		"claims_supported":                               []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "azp", "nonce", "name", "preferred_username"},
		"authorization_response_iss_parameter_supported": true, // RFC 9207 §3
		"require_pushed_authorization_requests":          false,
		"request_parameter_supported":                    false,
		"request_uri_parameter_supported":                false,
	})
}

// certs is the realm's JWK set (RFC 7517 §5), the signing key first, and last, as in Keycloak's, one that is for encryption
// and signs nothing.
func (s *Sandbox) certs(w http.ResponseWriter, _ *http.Request, r *realm) {
	if err := s.ensureKey(r); err != nil {
		writeOAuthError(w, http.StatusInternalServerError, "server_error", "no signing key")
		return
	}
	s.mu.Lock()
	set := make([]map[string]string, 0, len(r.keys)+1)
	for i := len(r.keys) - 1; i >= 0; i-- {
		set = append(set, jwkOf(r.keys[i], "RS256", "sig"))
	}
	set = append(set, jwkOf(signingKey{"enc-" + r.keys[0].id, r.keys[0].key}, "RSA-OAEP", "enc"))
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"keys": set})
}

func jwkOf(k signingKey, alg, use string) map[string]string {
	return map[string]string{
		"kid": k.id, "kty": "RSA", "alg": alg, "use": use,
		"n": base64.RawURLEncoding.EncodeToString(k.key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.key.E)).Bytes()),
	}
}

// ensureKey gives the realm its first signing key when it is first needed: making one takes a tenth of a second.
func (s *Sandbox) ensureKey(r *realm) error {
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	s.mu.Lock()
	n := len(r.keys)
	s.mu.Unlock()
	if n > 0 {
		return nil
	}
	return s.addKey(r)
}

// addKey makes a key outside the lock and lets it sign from now on.
func (s *Sandbox) addKey(r *realm) error {
	key, err := s.nextKey()
	if err != nil {
		return fmt.Errorf("sandbox signing key: %w", err)
	}
	id := base64.RawURLEncoding.EncodeToString(s.random(32))
	s.mu.Lock()
	defer s.mu.Unlock()
	r.keys = append(r.keys, signingKey{id: id, key: key})
	return nil
}

// keyOf finds a verification key of the realm.
func (s *Sandbox) keyOf(r *realm, id string) (*rsa.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range r.keys {
		if k.id == id {
			return &k.key.PublicKey, nil
		}
	}
	return nil, errors.New("unknown key")
}

// writeJSON answers with JSON that nobody may keep (RFC 6749 §5.1: Cache-Control and Pragma).
func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// writeOAuthError is RFC 6749 §5.2.
func writeOAuthError(w http.ResponseWriter, status int, code, description string) {
	writeJSON(w, status, map[string]string{"error": code, "error_description": description})
}
