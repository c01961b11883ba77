package sandbox

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Cookies of the identity server. Both are SameSite=Lax: the browser arrives from the client's site.
const (
	cookieBrowser = "SANDBOX_BROWSER" // binds an attempt to the browser that began it
	cookieLogin   = "SANDBOX_LOGIN"   // remembers who logged in: Keycloak's KEYCLOAK_IDENTITY
)

func setCookie(w http.ResponseWriter, realm *realm, name, value string) {
	c := &http.Cookie{Name: name, Value: value, Path: "/realms/" + realm.name + "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

func cookie(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// begin keeps the attempt and shows the first page: consent when the browser is already logged in, login otherwise.
func (s *Sandbox) begin(w http.ResponseWriter, r *http.Request, realm *realm, a *attempt, prompt string) {
	if a.browser = cookie(r, cookieBrowser); a.browser == "" {
		a.browser = s.handle()
	}
	now := s.now()
	s.mu.Lock()
	if l := realm.logins[cookie(r, cookieLogin)]; l != nil && l.alive(now) && !s.disabled[l.person.Subject] && prompt != "login" {
		a.login = l
	}
	full := realm.full(now)
	if !full && prompt != "none" {
		realm.attempts[a.id] = a
	}
	s.mu.Unlock()
	switch {
	case full:
		s.showFull(w)
	case prompt == "none" && a.login == nil: // OpenID Connect Core §3.1.2.6
		s.redirectError(w, realm, a, refuse("login_required", "Nobody is logged in"))
	case prompt == "none":
		s.redirectError(w, realm, a, refuse("interaction_required", "Consent is always asked for"))
	default:
		setCookie(w, realm, cookieBrowser, a.browser)
		s.showStep(w, realm, a, "")
	}
}

// showStep shows the page that the attempt waits for.
func (s *Sandbox) showStep(w http.ResponseWriter, realm *realm, a *attempt, problem string) {
	if a.login == nil {
		s.showLoginPage(w, realm, a, "", problem)
		return
	}
	s.showConsentPage(w, realm, a, problem)
}

// resume finds the attempt that a form or link of the pages belongs to and answers with an error page, or sends the
// browser back to the client when the login took too long, as Keycloak does. What it returns is a copy; nil means that it
// has answered.
func (s *Sandbox) resume(w http.ResponseWriter, r *http.Request, realm *realm) *attempt {
	origin := r.Header.Get("Origin")
	if origin != "" && origin != s.iam.origin {
		s.showError(w, http.StatusForbidden, "This form was sent from another site.")
		return nil
	}
	s.mu.Lock()
	var a attempt
	stored := realm.attempts[r.FormValue("attempt")]
	found := stored != nil && subtle.ConstantTimeCompare([]byte(stored.browser), []byte(cookie(r, cookieBrowser))) == 1
	if found {
		a = *stored
	}
	s.mu.Unlock()
	if !found {
		s.showError(w, http.StatusBadRequest, "This page has already been used, or belongs to another browser. Go back to the app and connect again.")
		return nil
	}
	if s.now().After(a.created.Add(lifeAttempt)) {
		s.redirectError(w, realm, &a, refuse("temporarily_unavailable", "authentication_expired"))
		return nil
	}
	return &a
}

// advance stores who has logged in for the attempt (nil: nobody any more), unless it has been answered meanwhile.
func (s *Sandbox) advance(realm *realm, a *attempt, l *session) {
	a.login = l
	s.mu.Lock()
	defer s.mu.Unlock()
	if realm.attempts[a.id] != nil {
		kept := *a
		realm.attempts[a.id] = &kept
	}
}

func (s *Sandbox) showLogin(w http.ResponseWriter, r *http.Request, realm *realm) {
	if a := s.resume(w, r, realm); a != nil {
		s.showLoginPage(w, realm, a, "", "")
	}
}

// takeLogin is the login form: a user name and password, or one click on a fictional person (hint).
func (s *Sandbox) takeLogin(w http.ResponseWriter, r *http.Request, realm *realm) {
	a := s.resume(w, r, realm)
	if a == nil {
		return
	}
	who, ok := s.person(r.PostFormValue("hint"))
	if !ok {
		who, ok = s.person(r.PostFormValue("username"))
		same := subtle.ConstantTimeCompare([]byte(who.Password), []byte(r.PostFormValue("password"))) == 1
		ok = ok && same && who.Password != ""
	}
	if !ok {
		s.showLoginPage(w, realm, a, r.PostFormValue("username"), "That email and password do not belong together.")
		return
	}
	if s.isDisabled(who.Subject) {
		s.showLoginPage(w, realm, a, r.PostFormValue("username"), "This account is disabled. Ask the clinic’s administrator.")
		return
	}
	now, value := s.now(), s.handle()
	l := &session{sid: s.uuid(), person: who, started: now}
	s.mu.Lock()
	l.use(now, s.life)
	full := realm.full(now)
	if !full {
		realm.logins[value] = l
	}
	s.mu.Unlock()
	if full {
		s.showFull(w)
		return
	}
	s.advance(realm, a, l)
	setCookie(w, realm, cookieLogin, value)
	s.seeOther(w, realm, "consent", a)
}

// person finds somebody by login, which is compared without regard to case.
func (s *Sandbox) person(name string) (person, bool) {
	name = strings.TrimSpace(name)
	for _, p := range s.people {
		if name != "" && strings.EqualFold(p.Login, name) {
			return p, true
		}
	}
	return person{}, false
}

func (s *Sandbox) seeOther(w http.ResponseWriter, realm *realm, action string, a *attempt) {
	pageHeaders(w, "")
	w.Header().Set("Location", "/realms/"+realm.name+"/login-actions/"+action+"?attempt="+url.QueryEscape(a.id))
	w.WriteHeader(http.StatusSeeOther)
}

func (s *Sandbox) showConsent(w http.ResponseWriter, r *http.Request, realm *realm) {
	if a := s.resume(w, r, realm); a != nil {
		s.showStep(w, realm, a, "")
	}
}

// takeConsent is the consent form: allow with the ticked scopes, deny, or log in as somebody else.
func (s *Sandbox) takeConsent(w http.ResponseWriter, r *http.Request, realm *realm) {
	a := s.resume(w, r, realm)
	if a == nil {
		return
	}
	switch decision := r.PostFormValue("decision"); {
	case decision == "deny":
		s.redirectError(w, realm, a, refuse("access_denied", "User denied consent"))
	case decision == "switch":
		s.mu.Lock()
		delete(realm.logins, cookie(r, cookieLogin))
		s.mu.Unlock()
		setCookie(w, realm, cookieLogin, "")
		s.advance(realm, a, nil)
		s.seeOther(w, realm, "authenticate", a)
	case decision != "allow" || a.login == nil || a.login.person.Staff[a.clinic.key] == "":
		s.showStep(w, realm, a, "")
	default:
		s.consent(w, realm, a, r.PostForm["scope"])
	}
}

// consent grants the ticked scopes of those asked for and answers with a code.
func (s *Sandbox) consent(w http.ResponseWriter, realm *realm, a *attempt, ticked []string) {
	granted := slices.DeleteFunc(slices.Clone(a.scopes), func(scope string) bool {
		return scope != scopeOpenID && !slices.Contains(ticked, scope)
	})
	if len(granted) == 0 || slices.Equal(granted, []string{scopeOpenID}) && len(a.scopes) > 1 {
		s.showConsentPage(w, realm, a, "Leave at least one box ticked, or choose “Don’t allow”.")
		return
	}
	value, ok := s.newCode(realm, a, granted)
	if !ok {
		s.showError(w, http.StatusBadRequest, "This page has already been used. Go back to the app and connect again.")
		return
	}
	s.redirect(w, realm, a, url.Values{"code": {value}, "session_state": {a.login.sid}})
}

// newCode makes the attempt's one code: false when another click on the same page was first.
func (s *Sandbox) newCode(realm *realm, a *attempt, granted []string) (string, bool) {
	value := s.mint("")
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if realm.attempts[a.id] == nil {
		return "", false
	}
	delete(realm.attempts, a.id)
	next := &s.faults.next
	if next.only != nil {
		granted = slices.DeleteFunc(granted, func(scope string) bool { return !slices.Contains(next.only, scope) })
	}
	granted = append(granted, next.add...)
	next.only, next.add = nil, nil
	a.login.use(now, s.life)
	realm.consents[consentKey{a.login.person.Subject, a.client.ID}] = true
	realm.codes[value] = &code{attempt: *a, scopes: granted, created: now}
	return value, true
}

// expired says whether the code's minute is over.
func (c *code) expired(now time.Time) bool { return !now.Before(c.created.Add(lifeCode)) }
