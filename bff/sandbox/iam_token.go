package sandbox

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

const maxForm = 64 << 10

// tokenError is an error of the token endpoint (RFC 6749 §5.2), worded as Keycloak words it.
type tokenError struct {
	status            int
	code, description string
}

func invalidGrant(description string) *tokenError {
	return &tokenError{http.StatusBadRequest, "invalid_grant", description}
}

// wrongClient is the refusal of a refresh token that another client presents.
const wrongClient = "Invalid refresh token. Token client and authorized client don't match"

func invalidRequest(description string) *tokenError {
	return &tokenError{http.StatusBadRequest, "invalid_request", description}
}

// invalidTarget is RFC 8707 §2.2: no token is for another clinic than the authorization was.
func invalidTarget() *tokenError {
	return &tokenError{http.StatusBadRequest, "invalid_target", "The requested resource is not matching the original request."}
}

func tooMany() *tokenError {
	return &tokenError{http.StatusServiceUnavailable, "temporarily_unavailable", "too many sessions"}
}

func (e *tokenError) write(w http.ResponseWriter, r *http.Request) {
	if e.status == http.StatusUnauthorized && r.Header.Get("Authorization") != "" { // RFC 6749 §5.2
		w.Header().Set("WWW-Authenticate", `Basic realm="sandbox"`)
	}
	writeOAuthError(w, e.status, e.code, e.description)
}

// token is POST …/token, "Jane guide, Step 3" and "Refresh Token Request Format".
func (s *Sandbox) token(w http.ResponseWriter, r *http.Request, realm *realm) {
	if s.throttled(w, r) {
		return
	}
	if err := s.ensureKey(realm); err != nil {
		writeOAuthError(w, http.StatusInternalServerError, "server_error", "no signing key")
		return
	}
	answer, refused := s.grantToken(r, realm)
	if refused != nil {
		refused.write(w, r)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (s *Sandbox) grantToken(r *http.Request, realm *realm) (*tokenAnswer, *tokenError) {
	form, client, refused := s.readForm(r, realm)
	if refused != nil {
		return nil, refused
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		return s.exchange(realm, client, form)
	case "refresh_token":
		return s.refresh(r, realm, client, form)
	case "":
		return nil, invalidRequest("Missing form parameter: grant_type")
	}
	return nil, &tokenError{http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant_type"}
}

// readForm reads a form that an authenticated client sent: each parameter once (RFC 6749 §3.2), nothing in the URL
// (§2.3.1), the media type the guide names.
func (s *Sandbox) readForm(r *http.Request, realm *realm) (url.Values, Client, *tokenError) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
	err := r.ParseForm()
	switch {
	case media != "application/x-www-form-urlencoded":
		return nil, Client{}, invalidRequest("Content-Type must be application/x-www-form-urlencoded")
	case err != nil:
		return nil, Client{}, invalidRequest("the form is malformed or longer than 64 kB")
	case r.URL.RawQuery != "":
		return nil, Client{}, invalidRequest("parameters belong into the body")
	}
	for _, values := range r.PostForm {
		if len(values) > 1 {
			return nil, Client{}, invalidRequest("duplicated parameter")
		}
	}
	client, refused := s.clientOf(r, realm)
	return r.PostForm, client, refused
}

// clientOf authenticates the client by client_secret_post or client_secret_basic, never both (RFC 6749 §2.3).
func (s *Sandbox) clientOf(r *http.Request, realm *realm) (Client, *tokenError) {
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, password, basic := r.BasicAuth(); basic {
		if secret != "" {
			return Client{}, invalidRequest("more than one way of client authentication")
		}
		name, err1 := url.QueryUnescape(user) // RFC 6749 §2.3.1: form-encoded inside Basic
		word, err2 := url.QueryUnescape(password)
		if err1 != nil || err2 != nil || id != "" && id != name {
			return Client{}, invalidRequest("client_id does not match the Authorization header")
		}
		id, secret = name, word
	}
	const description = "Invalid client or Invalid client credentials"
	client, known := s.client(realm, id)
	if !known {
		return Client{}, &tokenError{http.StatusUnauthorized, "invalid_client", description}
	}
	if client.Public && secret == "" {
		return client, nil
	}
	if client.Public || subtle.ConstantTimeCompare([]byte(client.Secret), []byte(secret)) != 1 {
		return Client{}, &tokenError{http.StatusUnauthorized, "unauthorized_client", description}
	}
	return client, nil
}

// 43 to 128 characters (RFC 7636 §4.1).
var verifierForm = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// exchange is grant_type=authorization_code (RFC 6749 §4.1.3). Whoever presents a code, rightly or not, spends it.
func (s *Sandbox) exchange(realm *realm, client Client, form url.Values) (*tokenAnswer, *tokenError) {
	if form.Get("code") == "" {
		return nil, invalidRequest("Missing parameter: code")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.nowLocked()
	c := realm.codes[form.Get("code")]
	if c == nil {
		return nil, invalidGrant("Code not valid")
	}
	if c.used { // RFC 6749 §4.1.2: a second use revokes what the first one gave
		if c.chain != nil {
			s.detach(c.chain)
			if s.policy.detach { // Keycloak ends what the client has in the login by now, were it begun since
				delete(c.chain.login.clients, c.chain.client)
			}
			realm.dropAccess(c.chain)
		}
		return nil, invalidGrant("Code not valid")
	}
	c.used = true
	verifier := form.Get("code_verifier")
	switch a := &c.attempt; {
	case c.expired(now):
		return nil, invalidGrant("Code is expired")
	case client.ID != a.client.ID:
		return nil, invalidGrant("Auth error")
	case form.Get("redirect_uri") != a.redirectURI:
		return nil, invalidGrant("Incorrect redirect_uri")
	case form.Has("resource") && form.Get("resource") != a.clinic.url:
		return nil, invalidTarget()
	case verifier == "":
		return nil, invalidGrant("PKCE code verifier not specified")
	case !verifierForm.MatchString(verifier):
		return nil, invalidGrant("PKCE verification failed: Invalid code verifier")
	case challengeOf(verifier) != a.challenge:
		return nil, invalidGrant("PKCE verification failed: Code mismatch")
	case !a.login.alive(now):
		return nil, invalidGrant("Session not active")
	case s.disabled[a.login.person.Subject]:
		return nil, invalidGrant("User disabled")
	case realm.full(now):
		return nil, tooMany()
	}
	c.chain = &chain{
		login: c.attempt.login, session: c.attempt.login.attach(client.ID), client: client.ID, person: c.attempt.login.person,
		clinic: c.attempt.clinic, scopes: c.scopes, nonce: c.attempt.nonce,
	}
	return s.issue(realm, c.chain, nil, c.scopes, now)
}

// challengeOf is S256 (RFC 7636 §4.6).
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// refresh is grant_type=refresh_token (RFC 6749 §6) with Keycloak's rules and words.
func (s *Sandbox) refresh(r *http.Request, realm *realm, client Client, form url.Values) (*tokenAnswer, *tokenError) {
	raw := form.Get("refresh_token")
	if raw == "" {
		return nil, invalidRequest("No refresh token")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.nowLocked()
	held, refused := s.find(realm, raw, now)
	if refused != nil {
		return nil, refused
	}
	c := held.chain
	if c.client != client.ID {
		return nil, invalidGrant(wrongClient)
	}
	if v := s.judge(realm, held, now); v.refused != nil {
		if v.reuse {
			s.punish(realm, c)
			s.presentedLate(r, held, v)
		}
		return nil, v.refused
	}
	if form.Has("resource") && form.Get("resource") != c.clinic.url {
		if realm.kind == KindK1 || realm.kind == KindK2 { // Keycloak looks at it once the use is counted
			s.spend(realm, held, now)
		}
		return nil, invalidTarget()
	}
	if realm.full(now) {
		return nil, tooMany()
	}
	scopes, refused := narrow(c.scopes, form.Get("scope"))
	if refused != nil {
		return nil, refused
	}
	c.login.use(now, s.life)
	s.spend(realm, held, now)
	return s.issue(realm, c, held, scopes, now)
}

// narrow reads the optional scope of a refresh: never more than was granted (RFC 6749 §6). It narrows the access token
// alone; the chain keeps its scopes.
func narrow(granted []string, asked string) ([]string, *tokenError) {
	if asked == "" {
		return granted, nil
	}
	have := map[string]bool{}
	for _, scope := range granted {
		have[scope] = true
	}
	list := strings.Split(asked, " ")
	for _, scope := range list {
		if !have[scope] {
			return nil, &tokenError{http.StatusBadRequest, "invalid_scope", "Invalid scopes: " + asked}
		}
	}
	return list, nil
}

// tokenAnswer is the body of a token response in Keycloak's layout, "Jane guide, Step 3". It has no scope member
// unless SetAnswerScope says so: what was granted stands in the access token.
type tokenAnswer struct {
	AccessToken      string `json:"access_token"`
	ExpiresIn        int    `json:"expires_in"`
	RefreshExpiresIn *int   `json:"refresh_expires_in,omitempty"`
	RefreshToken     string `json:"refresh_token"`
	TokenType        string `json:"token_type"`
	IDToken          string `json:"id_token,omitempty"`
	NotBeforePolicy  int    `json:"not-before-policy"`
	SessionState     string `json:"session_state"`
	Scope            string `json:"scope,omitempty"`
}

// seconds is a lifetime as the wire says it.
func seconds(d time.Duration) int { return int(d / time.Second) }
