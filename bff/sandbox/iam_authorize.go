package sandbox

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// attempt is one authorization request on its way through login and consent.
type attempt struct {
	id          string // in the forms of the pages
	browser     string // the cookie of the browser that began it
	client      Client
	redirectURI string
	state       string
	nonce       string
	challenge   string
	clinic      *clinic
	scopes      []string
	created     time.Time
	login       *session // nil until somebody has logged in
}

// code is an authorization code and what it stands for.
type code struct {
	attempt attempt
	scopes  []string // as granted
	created time.Time
	used    bool
	chain   *chain // what it was exchanged for
}

// refusal is an error that goes back to the client on its redirect URI (RFC 6749 §4.1.2.1).
type refusal struct{ code, description string }

func refuse(code, format string, args ...any) *refusal {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// BASE64URL(SHA256(verifier)) is always 43 characters (RFC 7636 §4.2).
var challengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// What is left in a query when every name and value is encoded, whether as a form or by encodeURIComponent.
var encodedForm = regexp.MustCompile(`^[A-Za-z0-9._~!'()*%+&=-]*$`)

// authorize is GET …/auth, "Jane guide, Step 2". A client or redirect URI that is not registered exactly shows a page and
// never redirects (RFC 6749 §4.1.2.1); everything else that is wrong goes back to the client.
func (s *Sandbox) authorize(w http.ResponseWriter, r *http.Request, realm *realm) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(r.URL.RawQuery) > 16<<10 {
		s.showError(w, http.StatusBadRequest, "The address of this page is not well formed.")
		return
	}
	client, known := s.client(realm, query.Get("client_id"))
	if !known || len(query["client_id"]) != 1 {
		s.showError(w, http.StatusBadRequest, "The app that sent you here is not registered (client_id).")
		return
	}
	target := query.Get("redirect_uri")
	if len(query["redirect_uri"]) != 1 || !slices.Contains(client.RedirectURIs, target) {
		s.showError(w, http.StatusBadRequest, "The app that sent you here asked for an answer at an address that is not registered for it (redirect_uri).")
		return
	}
	a := &attempt{id: s.handle(), client: client, redirectURI: target, created: s.now()}
	if len(query["state"]) == 1 {
		a.state = query.Get("state")
	}
	prompt, refused := s.readRequest(a, r.URL.RawQuery, query)
	if refused == nil {
		refused = s.plannedRefusal()
	}
	if refused != nil {
		s.redirectError(w, realm, a, refused)
		return
	}
	s.begin(w, r, realm, a, prompt)
}

// client finds a client that is registered in the realm.
func (s *Sandbox) client(realm *realm, id string) (Client, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, known := s.clients[id]
	return c, known && !s.disabled[id] && (c.Realms == nil || slices.Contains(c.Realms, realm.name))
}

// readRequest checks the parameters besides client_id and redirect_uri, fills the attempt and returns the prompt.
func (s *Sandbox) readRequest(a *attempt, raw string, query url.Values) (prompt string, _ *refusal) {
	for name, values := range query {
		if len(values) > 1 { // RFC 6749 §3.1; RFC 8707 §2 allows several resources, Jane has one clinic per authorization
			return "", refuse("invalid_request", "duplicated parameter: %s", name)
		}
	}
	if !encodedForm.MatchString(raw) { // "Jane guide, Step 2": all values must be URL-encoded
		return "", refuse("invalid_request", "a parameter is not URL-encoded")
	}
	get := query.Get
	method, scope := get("code_challenge_method"), get("scope")
	a.nonce, a.challenge = get("nonce"), get("code_challenge")
	switch {
	case get("request") != "":
		return "", refuse("request_not_supported", "Parameter not supported: request")
	case get("request_uri") != "":
		return "", refuse("request_uri_not_supported", "Parameter not supported: request_uri")
	case get("response_type") == "":
		return "", refuse("invalid_request", "Missing parameter: response_type")
	case get("response_type") != "code":
		return "", refuse("unsupported_response_type", "Only response_type=code is served")
	case query.Has("response_mode") && get("response_mode") != "query":
		return "", refuse("invalid_request", "Invalid parameter: response_mode")
	case a.state == "": // "Jane guide, The State Parameter": required
		return "", refuse("invalid_request", "Missing parameter: state")
	case method == "":
		return "", refuse("invalid_request", "Missing parameter: code_challenge_method")
	case method != "S256": // RFC 7636 §4.4.1; plain is refused
		return "", refuse("invalid_request", "Invalid parameter: code challenge method is not matching the configured one")
	case a.challenge == "":
		return "", refuse("invalid_request", "Missing parameter: code_challenge")
	case !challengeForm.MatchString(a.challenge):
		return "", refuse("invalid_request", "Invalid parameter: code_challenge")
	}
	if a.clinic = s.clinicAt(get("resource")); a.clinic == nil { // RFC 8707 §2
		return "", refuse("invalid_target", "resource must be the URL of one clinic, exactly: %q is none", get("resource"))
	}
	var refused *refusal
	if a.scopes, refused = readScopes(scope, a.client); refused != nil {
		return "", refused
	}
	return readPrompt(get("prompt"))
}

func (s *Sandbox) clinicAt(url string) *clinic {
	for _, c := range s.clinics {
		if c.url == url {
			return c
		}
	}
	return nil
}

// readScopes reads the space-separated list (RFC 6749 §3.3). An unknown scope refuses the whole request.
func readScopes(list string, client Client) ([]string, *refusal) {
	var scopes []string
	for scope := range strings.SplitSeq(list, " ") {
		switch {
		case !knownScope(scope) || client.Scopes != nil && !slices.Contains(client.Scopes, scope):
			return nil, refuse("invalid_scope", "Invalid scopes: %s", list)
		case !slices.Contains(scopes, scope):
			scopes = append(scopes, scope)
		}
	}
	return scopes, nil
}

// readPrompt accepts none, login and consent; none stands alone (OpenID Connect Core §3.1.2.1).
func readPrompt(prompt string) (string, *refusal) {
	values := strings.Fields(prompt)
	for _, value := range values {
		if value != "login" && value != "consent" && (value != "none" || len(values) > 1) {
			return "", refuse("invalid_request", "Invalid parameter: prompt")
		}
	}
	switch {
	case slices.Contains(values, "login"):
		return "login", nil
	case slices.Contains(values, "none"):
		return "none", nil
	}
	return "consent", nil
}

// plannedRefusal uses up AuthorizeError.
func (s *Sandbox) plannedRefusal() *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := &s.faults.next
	if next.errorCode == "" {
		return nil
	}
	planned := &refusal{next.errorCode, next.errorText}
	next.errorCode, next.errorText = "", ""
	return planned
}

// redirectError ends an attempt with an error: error, error_description, state and iss (RFC 9207 §2).
func (s *Sandbox) redirectError(w http.ResponseWriter, realm *realm, a *attempt, why *refusal) {
	s.redirect(w, realm, a, url.Values{"error": {why.code}, "error_description": {why.description}})
}

// redirect sends the browser back to the client with an authorization response. 303, so that a form's body is never sent
// along (RFC 9700 §4.12).
func (s *Sandbox) redirect(w http.ResponseWriter, realm *realm, a *attempt, answer url.Values) {
	if a.state != "" {
		answer.Set("state", a.state)
	}
	s.mu.Lock()
	delete(realm.attempts, a.id)
	answer.Set("iss", realm.issuer)
	if planned := s.faults.next.iss; planned != nil {
		answer.Set("iss", *planned)
		if *planned == "" {
			answer.Del("iss")
		}
		s.faults.next.iss = nil
	}
	s.mu.Unlock()
	joint := "?"
	if strings.Contains(a.redirectURI, "?") { // RFC 6749 §3.1.2: a query of its own is kept
		joint = "&"
	}
	pageHeaders(w, "")
	w.Header().Set("Location", a.redirectURI+joint+answer.Encode())
	w.WriteHeader(http.StatusSeeOther)
}
