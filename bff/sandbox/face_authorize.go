package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// faceAttempt is one authorization request on its way through login, the choice of a patient, and consent.
type faceAttempt struct {
	id, browser        string
	app                App
	redirectURI, state string
	nonce, challenge   string
	scopes             []string
	launch             *launch // of an EHR launch
	created            time.Time
	login              *faceLogin
	patient, encounter string
}

// faceLogin is a person logged in at a face in one browser: in the EHR's pages and at its authorization endpoint alike.
type faceLogin struct {
	person facePerson
	at     time.Time
	over   bool
}

// faceCode is an authorization code and what it stands for.
type faceCode struct {
	attempt faceAttempt
	scopes  []string
	created time.Time
	used    bool
	chain   *faceChain
}

// authorize is …/authorize, by GET or by a form (SMART App Launch 2.2, authorize-post). A client or redirect URI that is not
// registered shows a page and never redirects (RFC 6749 §4.1.2.1).
func (f *Face) authorize(w http.ResponseWriter, r *http.Request) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err = r.ParseForm(); err == nil && r.URL.RawQuery != "" {
			f.showError(w, http.StatusBadRequest, "A form’s parameters belong into its body.")
			return
		}
		query = r.PostForm
	}
	if err != nil || len(r.URL.RawQuery) > 16<<10 {
		f.showError(w, http.StatusBadRequest, "The address of this page is not well formed.")
		return
	}
	app, known := f.app(query.Get("client_id"))
	if !known || len(query["client_id"]) != 1 || app.Service {
		f.showError(w, http.StatusBadRequest, "The app that sent you here is not registered for logins (client_id).")
		return
	}
	target := query.Get("redirect_uri")
	if len(query["redirect_uri"]) != 1 || !slices.Contains(app.RedirectURIs, target) {
		f.showError(w, http.StatusBadRequest, "The app that sent you here asked for an answer at an address that is not registered for it (redirect_uri).")
		return
	}
	a := &faceAttempt{id: f.s.handle(), app: app, redirectURI: target, created: f.s.now()}
	if len(query["state"]) == 1 {
		a.state = query.Get("state")
	}
	if refused := f.readRequest(a, query); refused != nil {
		f.sendBack(w, a, url.Values{"error": {refused.code}, "error_description": {refused.description}})
		return
	}
	f.begin(w, r, a)
}

// readRequest checks the parameters besides client_id and redirect_uri and fills the attempt.
func (f *Face) readRequest(a *faceAttempt, query url.Values) *refusal {
	for name, values := range query {
		if len(values) > 1 { // RFC 6749 §3.1
			return refuse("invalid_request", "duplicated parameter: %s", name)
		}
	}
	get := query.Get
	a.nonce, a.challenge = get("nonce"), get("code_challenge")
	switch {
	case get("response_type") != "code":
		return refuse("unsupported_response_type", "The response type is not supported by the authorization server.")
	case a.state == "":
		return refuse("invalid_request", "state is required")
	case get("code_challenge_method") != "S256": // SMART App Launch 2.2, Considerations for PKCE Support
		return refuse("invalid_request", "PKCE code challenge with the method S256 is required")
	case !challengeForm.MatchString(a.challenge):
		return refuse("invalid_request", "PKCE code challenge is malformed")
	case get("aud") != f.FHIRBase():
		return refuse("invalid_request", "aud must be the FHIR base URL, exactly: %q is not", get("aud"))
	}
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	scopes, problem := f.readScopes(get("scope"), a.app)
	if problem != "" {
		return refuse("invalid_scope", "%s", problem)
	}
	a.scopes = scopes
	if refused := f.readLaunch(a, query); refused != nil {
		return refused
	}
	if next := &f.planned; next.errorCode != "" {
		planned := &refusal{next.errorCode, next.errorText}
		next.errorCode, next.errorText = "", ""
		return planned
	}
	return nil
}

// readLaunch: the scope launch and the parameter of that name come together, or not at all. The caller holds Sandbox.mu.
func (f *Face) readLaunch(a *faceAttempt, query url.Values) *refusal {
	asked := slices.Contains(a.scopes, "launch")
	if !query.Has("launch") {
		if asked {
			return refuse("invalid_request", "the scope launch needs the parameter launch")
		}
		return nil
	}
	l := f.launches[query.Get("launch")]
	switch {
	case !asked:
		return refuse("invalid_request", "the parameter launch needs the scope launch")
	case l == nil || l.used || f.s.nowLocked().After(l.made.Add(faceLaunch)):
		return refuse("invalid_request", "launch is unknown, used or too old")
	case l.App != a.app.ID:
		return refuse("invalid_request", "launch belongs to another app")
	}
	a.launch, a.patient, a.encounter = l, l.Patient, l.Encounter
	return nil
}

// sendBack sends the browser back to the app with an authorization response. athenahealth's has no iss.
func (f *Face) sendBack(w http.ResponseWriter, a *faceAttempt, answer url.Values) {
	if a.state != "" {
		answer.Set("state", a.state)
	}
	f.s.mu.Lock()
	delete(f.attempts, a.id)
	if !f.athena { // RFC 9207 §2
		answer.Set("iss", f.issuer)
	}
	if planned := f.planned.iss; planned != nil {
		answer.Set("iss", *planned)
		if *planned == "" {
			answer.Del("iss")
		}
		f.planned.iss = nil
	}
	f.s.mu.Unlock()
	joint := "?"
	if strings.Contains(a.redirectURI, "?") {
		joint = "&"
	}
	pageHeaders(w, "")
	w.Header().Set("Location", a.redirectURI+joint+answer.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

// begin keeps the attempt and shows its first page, or answers at once where the EHR has launched an app for somebody who is
// logged in and has consented to the same before.
func (f *Face) begin(w http.ResponseWriter, r *http.Request, a *faceAttempt) {
	if a.browser = cookie(r, f.cookieName("BROWSER")); a.browser == "" {
		a.browser = f.s.handle()
	}
	f.s.mu.Lock()
	a.login = f.loggedIn(r)
	full := f.full()
	silent := false
	if !full {
		f.attempts[a.id] = a
		if a.launch != nil && a.login != nil && a.launch.Login == a.login.person.Login {
			silent = covers(f.consents[a.login.person.Subject+" "+a.app.ID], a.scopes)
		}
	}
	f.s.mu.Unlock()
	f.setCookie(w, "BROWSER", a.browser)
	switch {
	case full:
		f.showError(w, http.StatusServiceUnavailable, "The sandbox has too many sessions. Start it again.")
	case silent && f.wants(a) == "":
		f.grant(w, a, a.scopes)
	default:
		f.showPage(w, a, "")
	}
}

// covers says whether every scope asked for was granted before.
func covers(granted, asked []string) bool {
	return !slices.ContainsFunc(asked, func(scope string) bool { return !slices.Contains(granted, scope) })
}

// wants is the record that has to be chosen before consent: "patient", "encounter" or none.
func (f *Face) wants(a *faceAttempt) string {
	switch {
	case a.launch != nil:
		return ""
	case (slices.Contains(a.scopes, "launch/patient") || slices.Contains(a.scopes, "launch/encounter")) && a.patient == "":
		return "patient"
	case slices.Contains(a.scopes, "launch/encounter") && a.encounter == "":
		return "encounter"
	}
	return ""
}

// grant makes the attempt's one code and sends it back.
func (f *Face) grant(w http.ResponseWriter, a *faceAttempt, granted []string) {
	value, now := f.s.mint(""), f.s.now()
	f.s.mu.Lock()
	first := f.attempts[a.id] != nil
	if first {
		if next := &f.planned; next.only != nil || next.add != nil {
			if next.only != nil {
				granted = slices.DeleteFunc(slices.Clone(granted), func(scope string) bool { return !slices.Contains(next.only, scope) })
			}
			granted = append(slices.Clone(granted), next.add...)
			next.only, next.add = nil, nil
		}
		if a.launch != nil {
			a.launch.used = true
		}
		f.consents[a.login.person.Subject+" "+a.app.ID] = granted
		f.codes[value] = &faceCode{attempt: *a, scopes: granted, created: now}
	}
	f.s.mu.Unlock()
	if !first {
		f.showError(w, http.StatusBadRequest, "This page has already been used. Go back to the app and connect again.")
		return
	}
	f.sendBack(w, a, url.Values{"code": {value}})
}

// full sweeps out what time has ended when a table is full, and says whether one still is. The caller holds Sandbox.mu.
func (f *Face) full() bool {
	sizes := func() int {
		return max(len(f.attempts), len(f.logins), len(f.codes), len(f.refresh), len(f.access), len(f.launches), len(f.jtis))
	}
	if sizes() < maxHeld {
		return false
	}
	now := f.s.nowLocked()
	sweep(f.refresh, func(t *faceToken) bool { return !now.Before(t.until) })
	sweep(f.access, func(t *faceToken) bool { return !now.Before(t.until) })
	sweep(f.attempts, func(a *faceAttempt) bool { return now.After(a.created.Add(lifeAttempt)) })
	sweep(f.logins, func(l *faceLogin) bool { return now.After(l.at.Add(faceSession)) })
	sweep(f.codes, func(c *faceCode) bool { return now.After(c.created.Add(lifeRefresh)) })
	sweep(f.launches, func(l *launch) bool { return now.After(l.made.Add(faceLaunch)) })
	sweep(f.jtis, func(until time.Time) bool { return now.After(until) })
	return sizes() >= maxHeld
}

func sweep[V any](table map[string]V, gone func(V) bool) {
	for key, value := range table {
		if gone(value) {
			delete(table, key)
		}
	}
}
