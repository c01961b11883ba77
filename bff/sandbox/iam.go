package sandbox

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"time"
)

// Lifetimes of a realm: "Jane guide, Step 3" for the tokens, Keycloak's defaults for the rest.
const (
	lifeAccess  = 5 * time.Minute
	lifeRefresh = 30 * time.Minute // SSO Session Idle
	lifeLogin   = 10 * time.Hour   // SSO Session Max
	lifeCode    = time.Minute
	lifeAttempt = 30 * time.Minute // time to log in and consent
)

// maxHeld bounds each of a realm's tables.
const maxHeld = 10_000

// realm is one issuer of the identity server. Sandbox.mu guards its tables.
type realm struct {
	name, issuer string
	secret       []byte       // HMAC key of the refresh tokens, which only this realm reads
	keys         []signingKey // the last one signs

	attempts map[string]*attempt // by handle, until the answer or half an hour later
	logins   map[string]*login   // by cookie
	codes    map[string]*code    // by code; kept after use, so that a replay is seen
	refresh  map[string]*issued  // by jti
	access   map[string]*issued  // by jti
}

type signingKey struct {
	id  string
	key *rsa.PrivateKey
}

// lifetimes are those of what is issued from now on; Sandbox.mu guards them.
type lifetimes struct{ access, refresh time.Duration }

// login is one sign-in of a person in one browser: Keycloak's SSO session. Its sid is the session_state of every
// authorization given from it.
type login struct {
	sid     string
	person  person
	started time.Time
	until   time.Time // SSO Session Idle ends it then, unless it is used before
	ends    time.Time // SSO Session Max ends it then
}

func (l *login) alive(now time.Time) bool { return now.Before(l.until) && now.Before(l.ends) }

// use keeps the session alive for as long as a refresh token issued now lives.
func (l *login) use(now time.Time, life lifetimes) {
	if until := now.Add(life.refresh); until.After(l.until) {
		l.until = until
	}
	if ends := l.started.Add(max(lifeLogin, life.refresh)); ends.After(l.ends) {
		l.ends = ends
	}
}

// chain is one authorization: one person, one client, one clinic, and the tokens that follow from one code. Keycloak ends
// all chains of a client in one login together; here each ends alone.
type chain struct {
	login   *login
	client  string
	person  person
	clinic  *clinic
	scopes  []string // as granted
	nonce   string
	current string // jti of the refresh token that may be used
	ended   string // why no refresh token works any more, in Keycloak's words; "" while they do
}

// Why a chain has ended: the error_description of every later refresh.
const (
	endedRevoked  = "Session not active"
	endedDetached = "Session doesn't have required client"
)

func (c *chain) end(why string) {
	if c.ended == "" {
		c.ended = why
	}
}

// issued is a token that was handed out.
type issued struct {
	chain  *chain
	scopes []string
	until  time.Time
}

func newRealm(name, issuer string, secret []byte) *realm {
	return &realm{
		name: name, issuer: issuer, secret: secret, attempts: map[string]*attempt{}, logins: map[string]*login{},
		codes: map[string]*code{}, refresh: map[string]*issued{}, access: map[string]*issued{},
	}
}

// full sweeps out what time has ended when a table is full, and says whether one still is. The caller holds Sandbox.mu.
func (r *realm) full(now time.Time) bool {
	sizes := func() int {
		return max(len(r.attempts), len(r.logins), len(r.codes), len(r.refresh), len(r.access))
	}
	if sizes() < maxHeld {
		return false
	}
	gone := func(_ string, t *issued) bool { return !now.Before(t.until) }
	maps.DeleteFunc(r.refresh, gone)
	maps.DeleteFunc(r.access, gone)
	maps.DeleteFunc(r.attempts, func(_ string, a *attempt) bool { return now.After(a.created.Add(2 * lifeAttempt)) })
	maps.DeleteFunc(r.logins, func(_ string, l *login) bool { return !l.alive(now) })
	maps.DeleteFunc(r.codes, func(_ string, c *code) bool { return now.After(c.created.Add(lifeRefresh)) })
	return sizes() >= maxHeld
}

// iamHandler is the identity server. Introspection, userinfo and logout have their places in Keycloak's layout, beside
// the rows below, and are not served yet.
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
	handle("POST "+protocol+"revoke", s.revoke)
	handle("GET "+protocol+"certs", s.certs)
	handle("GET /realms/{realm}/.well-known/openid-configuration", s.discovery)
	handle("GET /.well-known/oauth-authorization-server/realms/{realm}", s.discovery) // RFC 8414 §3.1
	handle("GET /realms/{realm}/login-actions/authenticate", s.showLogin)
	handle("POST /realms/{realm}/login-actions/authenticate", s.takeLogin)
	handle("GET /realms/{realm}/login-actions/consent", s.showConsent)
	handle("POST /realms/{realm}/login-actions/consent", s.takeConsent)
	mux.HandleFunc("GET /sandbox.css", s.stylesheet)
	mux.HandleFunc("GET /{$}", s.front)
	return mux
}

// discovery is OpenID Connect Discovery §3 and RFC 8414 §2: only what is really served, unlike Keycloak's long lists.
func (s *Sandbox) discovery(w http.ResponseWriter, _ *http.Request, r *realm) {
	base := r.issuer + "/protocol/openid-connect/"
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                         r.issuer,
		"authorization_endpoint":                         base + "auth",
		"token_endpoint":                                 base + "token",
		"revocation_endpoint":                            base + "revoke",
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
		"scopes_supported":                               scopeNames(),
		"claims_supported":                               []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "azp", "nonce", "name", "preferred_username"},
		"authorization_response_iss_parameter_supported": true, // RFC 9207 §3
		"require_pushed_authorization_requests":          false,
		"request_parameter_supported":                    false,
		"request_uri_parameter_supported":                false,
	})
}

// certs is the realm's JWK set (RFC 7517 §5), the signing key first.
func (s *Sandbox) certs(w http.ResponseWriter, _ *http.Request, r *realm) {
	if err := s.ensureKey(r); err != nil {
		writeOAuthError(w, http.StatusInternalServerError, "server_error", "no signing key")
		return
	}
	s.mu.Lock()
	set := make([]map[string]string, 0, len(r.keys))
	for i := len(r.keys) - 1; i >= 0; i-- {
		public := r.keys[i].key.PublicKey
		set = append(set, map[string]string{
			"kid": r.keys[i].id, "kty": "RSA", "alg": "RS256", "use": "sig",
			"n": base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
		})
	}
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"keys": set})
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
