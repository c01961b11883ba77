package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The grants of a face's token endpoint.
const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
	grantService = "client_credentials"
)

// faceError is an error of a face's OAuth endpoints: RFC 6749 §5.2, or with detailed athenahealth's gateway, which has its own
// words.
type faceError struct {
	status                      int
	code, description, detailed string
}

func (e *faceError) write(w http.ResponseWriter, r *http.Request) {
	if e.detailed != "" {
		writeJSON(w, e.status, map[string]string{"error": e.code, "detailedmessage": e.detailed})
		return
	}
	if e.status == http.StatusUnauthorized && r.Header.Get("Authorization") != "" { // RFC 6749 §5.2
		w.Header().Set("WWW-Authenticate", `Basic realm="sandbox"`)
	}
	writeOAuthError(w, e.status, e.code, e.description)
}

func badRequest(description string) *faceError {
	return &faceError{status: http.StatusBadRequest, code: "invalid_request", description: description}
}

func badGrant(description string) *faceError {
	return &faceError{status: http.StatusBadRequest, code: "invalid_grant", description: description}
}

func badScope(description string) *faceError {
	return &faceError{status: http.StatusBadRequest, code: "invalid_scope", description: description}
}

func badClient(description string) *faceError {
	return &faceError{status: http.StatusUnauthorized, code: "invalid_client", description: description}
}

// policyFailed is what athenahealth answers where a scope is missing or the client is of the other kind; the other face says
// it in the words of RFC 6749 §5.2.
func (f *Face) policyFailed() *faceError {
	if !f.athena {
		return &faceError{status: http.StatusBadRequest, code: "unauthorized_client", description: "The client may not use this grant, or asked for no scope."}
	}
	return &faceError{status: http.StatusUnauthorized, code: "access_denied",
		detailed: "Policy evaluation failed for this request, please check the policy configurations."}
}

// token is …/token, "athenahealth guide, Token Endpoint".
func (f *Face) token(w http.ResponseWriter, r *http.Request) {
	form, problem := readFaceForm(r)
	if f.crowded(w, f.askedBy(r, form)) {
		return
	}
	if problem == nil {
		problem = f.ensureKey()
	}
	var answer map[string]any
	if problem == nil {
		answer, problem = f.grantToken(r, form)
	}
	if problem != nil {
		problem.write(w, r)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// readFaceForm reads a form: each parameter once (RFC 6749 §3.2), nothing in the URL (§2.3.1).
func readFaceForm(r *http.Request) (url.Values, *faceError) {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
	err := r.ParseForm()
	switch {
	case strings.TrimSpace(media) != "application/x-www-form-urlencoded":
		return nil, badRequest("The Content-Type header must be application/x-www-form-urlencoded.")
	case err != nil:
		return nil, badRequest("The form is malformed or longer than 64 kB.")
	case r.URL.RawQuery != "":
		return nil, badRequest("Parameters belong into the body.")
	}
	return r.PostForm, onceEach(r.PostForm)
}

func onceEach(values url.Values) *faceError {
	for name, list := range values {
		if len(list) > 1 {
			return badRequest("The parameter " + name + " is there more than once.")
		}
	}
	return nil
}

func (f *Face) grantToken(r *http.Request, form url.Values) (map[string]any, *faceError) {
	app, refused := f.clientOf(r, form)
	if refused != nil {
		return nil, refused
	}
	switch kind := form.Get("grant_type"); {
	case kind == "":
		return nil, badRequest("The token request must specify a grant_type.")
	case kind != grantCode && kind != grantRefresh && kind != grantService:
		return nil, &faceError{status: http.StatusBadRequest, code: "unsupported_grant_type", description: "The grant type is not supported by the authorization server."}
	case app.Service != (kind == grantService): // "athenahealth guide": 2-legged and 3-legged credentials are not shared
		return nil, f.policyFailed()
	case kind == grantCode:
		return f.exchange(app, form)
	case kind == grantRefresh:
		return f.renew(r, app, form)
	}
	return f.serviceToken(app, form)
}

// exchange is grant_type=authorization_code (RFC 6749 §4.1.3). Whoever presents a code, rightly or not, spends it.
func (f *Face) exchange(app App, form url.Values) (map[string]any, *faceError) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	now := f.s.nowLocked()
	const invalid = "The authorization code is invalid or has expired."
	c := f.codes[form.Get("code")]
	if c == nil {
		return nil, badGrant(invalid)
	}
	if c.used { // RFC 6749 §4.1.2
		if c.chain != nil {
			c.chain.end(invalid)
			f.dropAccess(c.chain)
		}
		return nil, badGrant(invalid)
	}
	c.used = true
	a, verifier := &c.attempt, form.Get("code_verifier")
	switch {
	case !now.Before(c.created.Add(faceCodes)), app.ID != a.app.ID:
		return nil, badGrant(invalid)
	case form.Get("redirect_uri") != a.redirectURI:
		return nil, badGrant("The 'redirect_uri' does not match the redirection URI used in the authorization request.")
	case !verifierForm.MatchString(verifier) || challengeOf(verifier) != a.challenge:
		return nil, badGrant("PKCE verification failed.")
	case f.full():
		return nil, &faceError{status: http.StatusServiceUnavailable, code: "temporarily_unavailable", description: "too many sessions"}
	}
	c.chain = &faceChain{
		app: app.ID, who: a.login.person, login: a.login, scopes: c.scopes, nonce: a.nonce, launch: a.launch, patient: a.patient,
		encounter: a.encounter,
	}
	return f.issue(c.chain, nil, c.scopes, now)
}

// renew is grant_type=refresh_token. "athenahealth guide, Token Endpoint", Refresh a Token: scope is required and names a
// subset of what was granted.
func (f *Face) renew(r *http.Request, app App, form url.Values) (map[string]any, *faceError) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	now := f.s.nowLocked()
	held := f.refresh[form.Get("refresh_token")]
	switch {
	case form.Get("refresh_token") == "":
		return nil, badRequest("The refresh token is missing.")
	case held == nil || held.chain.app != app.ID:
		return nil, badGrant(endedOkta)
	case f.switches.scopeRequired && form.Get("scope") == "":
		return nil, f.policyFailed()
	}
	c := held.chain
	if why, reuse := f.judge(held, now); why != "" {
		if reuse {
			c.end(why)
			f.dropAccess(c)
			f.presentedLate(r, held, why)
		}
		return nil, badGrant(why)
	}
	scopes := c.scopes
	if asked := form.Get("scope"); asked != "" {
		scopes = strings.Split(asked, " ")
		if !covers(c.scopes, scopes) {
			return nil, badScope("The refresh token was not granted every scope that was requested.")
		}
	}
	c.refreshes++
	if f.switches.kind == KindO1 {
		for _, t := range []*faceToken{held, c.newest} {
			if t.used.IsZero() {
				t.used = now
			}
		}
	}
	return f.issue(c, held, scopes, now)
}

// judge says what holds against a refresh token at this moment; reuse, that it was used before and its leeway is over. The
// caller holds Sandbox.mu.
func (f *Face) judge(held *faceToken, now time.Time) (why string, reuse bool) {
	c := held.chain
	switch {
	case c.ended != "":
		return c.ended, false
	case !now.Before(held.until), f.s.disabled[c.who.Subject]:
		return endedOkta, false
	case !slices.Contains(c.scopes, "offline_access") && (c.login.over || !now.Before(c.login.at.Add(faceSession))):
		return endedOkta, false // SMART App Launch 2.2, online_access: while the user is online
	case f.switches.kind == KindO1 && !held.used.IsZero() && !now.Before(held.used.Add(f.switches.leeway)):
		return endedOkta, true
	}
	return "", false
}

// ServiceGrant is one answer to client_credentials.
type ServiceGrant struct {
	App    string
	Scopes []string
	Token  string
	At     time.Time // the sandbox's own clock
}

// Grants lists the answers to client_credentials, oldest first; the latest 10,000 are kept.
func (f *Face) Grants() []ServiceGrant {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return slices.Clone(f.services)
}

// serviceToken is grant_type=client_credentials. "athenahealth guide, Token Endpoint": scope is required, and the answer has
// access_token and expires_in, a string, and nothing more.
func (f *Face) serviceToken(app App, form url.Values) (map[string]any, *faceError) {
	if form.Get("scope") == "" {
		return nil, f.policyFailed()
	}
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	scopes, problem := f.readScopes(form.Get("scope"), app)
	switch {
	case problem != "":
		return nil, badScope(problem)
	case f.full():
		return nil, &faceError{status: http.StatusServiceUnavailable, code: "temporarily_unavailable", description: "too many sessions"}
	}
	now := f.s.nowLocked()
	until := now.Add(f.switches.service)
	held := &faceToken{service: app.ID, scopes: scopes, made: now, until: until}
	text, err := f.accessText(held, now)
	if err != nil {
		return nil, &faceError{status: http.StatusInternalServerError, code: "server_error", description: err.Error()}
	}
	f.access[text] = held
	if len(f.services) >= maxDeliveries {
		f.services = slices.Delete(f.services, 0, maxDeliveries/10)
	}
	f.services = append(f.services, ServiceGrant{app.ID, scopes, text, now})
	answer := map[string]any{"access_token": text}
	if f.athena {
		answer["expires_in"] = secondsText(f.switches.service)
	} else {
		answer["expires_in"], answer["token_type"], answer["scope"] = seconds(f.switches.service), "bearer", strings.Join(scopes, " ")
	}
	f.alterAnswer(answer)
	return answer, nil
}
