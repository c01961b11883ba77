package sandbox

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// leave is a logout on its way through the confirmation page.
type leave struct {
	id, browser string
	login       *session // nil: nobody is logged in
	client      Client
	redirect    string // "" shows a page
	state       string
	asks        bool // the person confirms first
	created     time.Time
}

// endSession is GET or POST …/logout (OpenID Connect RP-Initiated Logout §2), and Keycloak's own POST of a client with its
// credentials and a refresh token.
func (s *Sandbox) endSession(w http.ResponseWriter, r *http.Request, realm *realm) {
	r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.showError(w, http.StatusBadRequest, "The address of this page is not well formed.")
		return
	}
	form := r.Form
	if r.Method == http.MethodPost {
		form = r.PostForm
	}
	if r.Method == http.MethodPost && form.Has("refresh_token") {
		s.endByToken(w, r, realm)
		return
	}
	l, problem := s.readLeave(r, realm, form)
	if problem != "" {
		s.showError(w, http.StatusBadRequest, problem)
		return
	}
	if !l.asks {
		s.finishLeave(w, r, realm, l)
		return
	}
	s.mu.Lock()
	full := realm.full(l.created)
	if !full {
		realm.leaving[l.id] = l
	}
	s.mu.Unlock()
	if full {
		s.showFull(w)
		return
	}
	setCookie(w, realm, cookieBrowser, l.browser)
	s.show(w, http.StatusOK, "logout.html", originOf(l.redirect), screen{
		Title: "Log out", Action: "/realms/" + realm.name + "/protocol/openid-connect/logout/logout-confirm", Attempt: l.id,
		Client: l.client.Name, Person: l.name(), Back: originOf(l.redirect),
	})
}

func (l *leave) name() string {
	if l.login == nil {
		return ""
	}
	return l.login.person.Name
}

// endByToken ends the login behind a refresh token, an expired or spent one too, and with it all its clients: 204.
func (s *Sandbox) endByToken(w http.ResponseWriter, r *http.Request, realm *realm) {
	form, client, refused := s.readForm(r, realm)
	var l *session
	if refused == nil {
		l, refused = s.loginBehind(realm, client, form.Get("refresh_token"))
	}
	if refused != nil {
		refused.write(w, r)
		return
	}
	if l != nil {
		if err := s.logOut(realm, l); err != nil {
			writeOAuthError(w, http.StatusInternalServerError, "server_error", "no signing key")
			return
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// loginBehind is the login of a refresh token, whatever its age; nil when it is forgotten.
func (s *Sandbox) loginBehind(realm *realm, client Client, raw string) (*session, *tokenError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := realm.refresh[raw]
	if held == nil || held.text == "" {
		claims, err := realm.readRefresh(raw)
		if err != nil {
			return nil, invalidGrant("Invalid refresh token")
		}
		if claims.AuthorizedParty != client.ID {
			return nil, invalidGrant(wrongClient)
		}
		if held = realm.refresh[claims.ID]; held == nil {
			return nil, nil
		}
	}
	if held.chain.client != client.ID {
		return nil, invalidGrant(wrongClient)
	}
	return held.chain.login, nil
}

// readLeave reads the parameters of RP-Initiated Logout §2 and §3. A hint or an address that is not right shows a page and
// logs nobody out; without a hint, or with one for another login than the browser's, the person is asked.
func (s *Sandbox) readLeave(r *http.Request, realm *realm, form url.Values) (*leave, string) {
	l := &leave{id: s.handle(), browser: cookie(r, cookieBrowser), state: form.Get("state"), created: s.now()}
	if l.browser == "" {
		l.browser = s.handle()
	}
	hint, clientID, target := form.Get("id_token_hint"), form.Get("client_id"), form.Get("post_logout_redirect_uri")
	if target != "" && hint == "" && clientID == "" {
		return nil, "Missing parameters: id_token_hint"
	}
	claims, err := s.readHint(realm, hint)
	if hint != "" && (err != nil || clientID != "" && clientID != claims.AuthorizedParty) {
		return nil, "Invalid parameter: id_token_hint"
	}
	if clientID == "" {
		clientID = claims.AuthorizedParty
	}
	known := false
	l.client, known = s.client(realm, clientID)
	if target != "" && (!known || !slices.Contains(l.client.leavesTo(), target)) {
		return nil, "Invalid redirect uri"
	}
	l.redirect = target
	s.mu.Lock()
	defer s.mu.Unlock()
	here := realm.logins[cookie(r, cookieLogin)]
	if here != nil && !here.alive(l.created) {
		here = nil
	}
	if hint != "" { // Keycloak ends the login of the hint, though another is the browser's
		l.login = realm.loginOf(claims.SID)
	}
	if l.login == nil {
		l.login = here
	}
	l.asks = hint == "" || !known || here != nil && here.sid != claims.SID
	if here == nil && hint == "" && known && target != "" { // nothing is left to end
		l.asks = false
	}
	return l, ""
}

func (c Client) leavesTo() []string {
	if c.PostLogoutRedirectURIs == nil {
		return c.RedirectURIs
	}
	return c.PostLogoutRedirectURIs
}

// loginOf finds a login that lives by its sid. The caller holds Sandbox.mu.
func (r *realm) loginOf(sid string) *session {
	for l := range r.sessions() {
		if l.sid == sid && !l.over {
			return l
		}
	}
	return nil
}

// readHint checks an ID token's signature, issuer and type, not its age (RP-Initiated Logout §2). None is no error.
func (s *Sandbox) readHint(realm *realm, raw string) (*tokenClaims, error) {
	var claims tokenClaims
	if raw == "" {
		return &claims, nil
	}
	key := func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		return s.keyOf(realm, id)
	}
	_, err := jwt.ParseWithClaims(raw, &claims, key, jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
	if err == nil && (claims.Issuer != realm.issuer || claims.Type != "ID") {
		err = errTokenInvalid
	}
	return &claims, err
}

// confirmLogout is the form of the confirmation page.
func (s *Sandbox) confirmLogout(w http.ResponseWriter, r *http.Request, realm *realm) {
	if origin := r.Header.Get("Origin"); origin != "" && origin != s.iam.origin {
		s.showError(w, http.StatusForbidden, "This form was sent from another site.")
		return
	}
	s.mu.Lock()
	l := realm.leaving[r.FormValue("attempt")]
	if l != nil && subtle.ConstantTimeCompare([]byte(l.browser), []byte(cookie(r, cookieBrowser))) != 1 {
		l = nil
	}
	if l != nil {
		delete(realm.leaving, l.id)
	}
	now := s.nowLocked()
	s.mu.Unlock()
	if l == nil || now.After(l.created.Add(lifeAttempt)) {
		s.showError(w, http.StatusBadRequest, "Logout failed")
		return
	}
	s.finishLeave(w, r, realm, l)
}

// finishLeave logs out and sends the browser on, with the state it came with (RP-Initiated Logout §3).
func (s *Sandbox) finishLeave(w http.ResponseWriter, r *http.Request, realm *realm, l *leave) {
	if l.login != nil {
		if err := s.logOut(realm, l.login); err != nil {
			s.showError(w, http.StatusInternalServerError, "No signing key could be made.")
			return
		}
	}
	s.mu.Lock()
	here := cookie(r, cookieLogin)
	gone := realm.logins[here] != nil && realm.logins[here].over
	if gone {
		delete(realm.logins, here)
	}
	s.mu.Unlock()
	if gone {
		setCookie(w, realm, cookieLogin, "")
	}
	if l.redirect == "" {
		s.show(w, http.StatusOK, "bye.html", "", screen{Title: "You are logged out"})
		return
	}
	to := l.redirect
	if l.state != "" {
		joint := "?"
		if strings.Contains(to, "?") {
			joint = "&"
		}
		to += joint + url.Values{"state": {l.state}}.Encode()
	}
	pageHeaders(w, "")
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusFound)
}
