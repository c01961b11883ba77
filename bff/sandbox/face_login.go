package sandbox

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// cookieName is that of a face's cookie: browsers keep cookies by host and not by port, and all faces have one host.
func (f *Face) cookieName(which string) string {
	return "SANDBOX_" + strings.ToUpper(f.name) + "_" + which
}

func (f *Face) setCookie(w http.ResponseWriter, which, value string) {
	c := &http.Cookie{Name: f.cookieName(which), Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// loggedIn is who is logged in in this browser; nil: nobody. The caller holds Sandbox.mu.
func (f *Face) loggedIn(r *http.Request) *faceLogin {
	l := f.logins[cookie(r, f.cookieName("LOGIN"))]
	if l == nil || l.over || f.s.nowLocked().After(l.at.Add(faceSession)) {
		return nil
	}
	return l
}

// logIn begins a login in this browser.
func (f *Face) logIn(w http.ResponseWriter, who facePerson) *faceLogin {
	value, l := f.s.handle(), &faceLogin{person: who, at: f.s.now()}
	f.s.mu.Lock()
	f.logins[value] = l
	f.s.mu.Unlock()
	f.setCookie(w, "LOGIN", value)
	return l
}

// whoIs reads a login form: a user name and password, or one click on a fictional person (hint).
func (f *Face) whoIs(r *http.Request) (facePerson, bool) {
	if who, ok := f.person(r.PostFormValue("hint")); ok {
		return who, true
	}
	who, ok := f.person(r.PostFormValue("username"))
	same := subtle.ConstantTimeCompare([]byte(who.Password), []byte(r.PostFormValue("password"))) == 1
	return who, ok && same
}

// resume finds the attempt of a form or link and answers where there is none; what it returns is a copy.
func (f *Face) resume(w http.ResponseWriter, r *http.Request) *faceAttempt {
	if origin := r.Header.Get("Origin"); origin != "" && origin != f.api.origin {
		f.showError(w, http.StatusForbidden, "This form was sent from another site.")
		return nil
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	f.s.mu.Lock()
	var a faceAttempt
	stored := f.attempts[r.FormValue("attempt")]
	found := stored != nil && subtle.ConstantTimeCompare([]byte(stored.browser), []byte(cookie(r, f.cookieName("BROWSER")))) == 1
	if found {
		a = *stored
	}
	f.s.mu.Unlock()
	switch {
	case !found:
		f.showError(w, http.StatusBadRequest, "This page has already been used, or belongs to another browser. Go back to the app and connect again.")
		return nil
	case f.s.now().After(a.created.Add(lifeAttempt)):
		f.sendBack(w, &a, url.Values{"error": {"temporarily_unavailable"}, "error_description": {"The login took too long."}})
		return nil
	}
	return &a
}

// keep stores what the attempt has learned and shows its next page.
func (f *Face) keep(w http.ResponseWriter, a *faceAttempt) {
	f.s.mu.Lock()
	if f.attempts[a.id] != nil {
		kept := *a
		f.attempts[a.id] = &kept
	}
	f.s.mu.Unlock()
	pageHeaders(w, "")
	w.Header().Set("Location", f.auth+"login?attempt="+url.QueryEscape(a.id))
	w.WriteHeader(http.StatusSeeOther)
}

func (f *Face) showStep(w http.ResponseWriter, r *http.Request) {
	if a := f.resume(w, r); a != nil {
		f.showPage(w, a, "")
	}
}

// takeStep is the form of whichever page the attempt waits for.
func (f *Face) takeStep(w http.ResponseWriter, r *http.Request) {
	a := f.resume(w, r)
	if a == nil {
		return
	}
	switch step := r.PostFormValue("step"); {
	case step == "login" && a.login == nil:
		f.takePerson(w, r, a)
	case step == "choice" && a.login != nil:
		f.takeChoice(w, r, a)
	case step == "consent" && a.login != nil:
		f.takeFaceConsent(w, r, a)
	default:
		f.showPage(w, a, "")
	}
}

func (f *Face) takePerson(w http.ResponseWriter, r *http.Request, a *faceAttempt) {
	who, ok := f.whoIs(r)
	if !ok {
		f.showPage(w, a, "That email and password do not belong together.")
		return
	}
	a.login = f.logIn(w, who)
	if a.launch != nil && !strings.EqualFold(a.launch.Login, who.Login) {
		f.sendBack(w, a, url.Values{"error": {"access_denied"}, "error_description": {"The launch belongs to another user."}})
		return
	}
	f.keep(w, a)
}

// takeChoice is the patient's or encounter's picker.
func (f *Face) takeChoice(w http.ResponseWriter, r *http.Request, a *faceAttempt) {
	switch id := r.PostFormValue("record"); f.wants(a) {
	case "patient":
		if !slices.Contains(f.records.chartsFor(a.login.person), id) {
			f.showPage(w, a, "Choose one of these.")
			return
		}
		a.patient = id
	case "encounter":
		if !slices.Contains(f.records.encountersOf(a.patient), id) {
			f.showPage(w, a, "Choose one of these.")
			return
		}
		a.encounter = id
	}
	f.keep(w, a)
}

// takeFaceConsent is the consent form: allow with the ticked scopes, deny, or log in as somebody else.
func (f *Face) takeFaceConsent(w http.ResponseWriter, r *http.Request, a *faceAttempt) {
	switch decision := r.PostFormValue("decision"); {
	case decision == "deny":
		f.sendBack(w, a, url.Values{"error": {"access_denied"}, "error_description": {"The resource owner or authorization server denied the request."}})
	case decision == "switch":
		f.setCookie(w, "LOGIN", "")
		a.login, a.patient, a.encounter = nil, "", ""
		if a.launch != nil {
			a.patient, a.encounter = a.launch.Patient, a.launch.Encounter
		}
		f.keep(w, a)
	case decision != "allow" || f.wants(a) != "" || a.launch != nil && a.launch.Login != a.login.person.Login:
		f.showPage(w, a, "")
	default:
		ticked := r.PostForm["scope"]
		granted := slices.DeleteFunc(slices.Clone(a.scopes), func(scope string) bool {
			return !fixedScope(scope) && !slices.Contains(ticked, scope)
		})
		f.grant(w, a, granted)
	}
}

// fixedScope says whether the consent page offers no box for a scope.
func fixedScope(scope string) bool {
	return slices.Contains(plainScopes, scope) && scope != "offline_access" && scope != "online_access"
}

// showPage shows what the attempt waits for.
func (f *Face) showPage(w http.ResponseWriter, a *faceAttempt, problem string) {
	p := screen{
		Action: f.auth + "login", Attempt: a.id, Client: a.app.Name, Clinic: f.title(), Back: originOf(a.redirectURI), Problem: problem,
	}
	want := f.wants(a)
	switch {
	case a.login == nil:
		p.Title = "Log in"
		for _, one := range f.people {
			p.People = append(p.People, hint{Login: one.Login, Name: one.Name, Initial: one.Name[:1], Places: one.place, Here: true})
		}
		f.show(w, http.StatusOK, "face_login.html", p.Back, p)
	case want != "":
		p.Title, p.Person = "Choose the "+want, a.login.person.Name
		p.Records = f.records.choices(want, a)
		f.show(w, http.StatusOK, "face_choice.html", p.Back, p)
	default:
		p.Title, p.Person = "Allow "+a.app.Name, a.login.person.Name
		if a.patient != "" {
			p.Patient = f.records.nameOf(a.patient)
		}
		for _, name := range a.scopes {
			if !fixedScope(name) {
				one := scope{Name: name, Words: faceWords(name)}
				if got, resource := readAccessScope(name); resource && strings.ContainsAny(got.letters, "cud") {
					p.Writes = append(p.Writes, one)
				} else {
					p.Reads = append(p.Reads, one)
				}
			}
		}
		p.OpenID = slices.Contains(a.scopes, "openid")
		f.show(w, http.StatusOK, "face_consent.html", p.Back, p)
	}
}

// title is how the face's pages call the place.
func (f *Face) title() string {
	if f.athena {
		return "Willowbrook Family Medicine"
	}
	return "Example Hospital"
}
