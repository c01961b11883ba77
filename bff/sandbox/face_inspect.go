package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const hintID = "id_token"

// introspect tells of a token to the app that holds it. athenahealth documents GET with a required hint; RFC 7662 §2.1 says
// POST: SetIntrospection.
func (f *Face) introspect(w http.ResponseWriter, r *http.Request) {
	f.s.mu.Lock()
	method := f.switches.introspection
	f.s.mu.Unlock()
	if method != "both" && method != r.Method {
		w.Header().Set("Allow", method)
		writeOAuthError(w, http.StatusMethodNotAllowed, "invalid_request", "The endpoint does not support the provided HTTP method.")
		return
	}
	var form url.Values
	var refused *faceError
	if r.Method == http.MethodGet {
		form = r.URL.Query()
		if refused = onceEach(form); refused == nil && form.Has("client_secret") { // RFC 6749 §2.3.1
			refused = badRequest("A secret does not belong into an address.")
		}
	} else {
		form, refused = readFaceForm(r)
	}
	var app App
	if refused == nil {
		app, refused = f.clientOf(r, form)
	}
	hint := form.Get("token_type_hint")
	switch {
	case refused != nil:
	case form.Get("token") == "":
		refused = badRequest("The token is missing.")
	case r.Method == http.MethodGet && hint == "":
		refused = badRequest("The token_type_hint is missing.")
	case hint != "" && hint != hintAccess && hint != hintRefresh && hint != hintID:
		refused = &faceError{status: http.StatusBadRequest, code: "unsupported_token_type", description: "The token_type_hint is not supported."}
	}
	if refused != nil {
		refused.write(w, r)
		return
	}
	writeJSON(w, http.StatusOK, f.inspect(app, form.Get("token"), hint))
}

// inspect says of a live token what SMART App Launch 2.2, Token Introspection asks for, and of any other that it is none.
func (f *Face) inspect(app App, raw, hint string) map[string]any {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	now := f.s.nowLocked()
	held, refresh := f.access[raw], false
	if held == nil && hint != hintAccess {
		held, refresh = f.refresh[raw], true
	}
	dead := map[string]any{"active": false}
	switch {
	case held == nil || !now.Before(held.until):
		return dead
	case held.chain == nil && held.service != app.ID, held.chain != nil && held.chain.app != app.ID:
		return dead
	}
	if refresh {
		if why, _ := f.judge(held, now); why != "" {
			return dead
		}
	}
	claims := map[string]any{
		"active": true, "client_id": app.ID, "scope": strings.Join(held.scopes, " "), "exp": held.until.Add(f.s.skew).Unix(),
		"iat": held.made.Add(f.s.skew).Unix(), "iss": f.issuer, "aud": f.FHIRBase(), "token_type": "Bearer", "sub": app.ID,
	}
	if c := held.chain; c != nil {
		claims["sub"], claims["uid"], claims["username"] = c.who.Subject, c.who.Subject, c.who.Login
		if slices.Contains(c.scopes, "fhirUser") {
			claims["fhirUser"] = f.FHIRBase() + "/" + c.who.fhirUser
		}
		f.context(claims, c)
	}
	return claims
}

// revoke is …/revoke (RFC 7009): a refresh token ends the whole authorization, an access token itself alone. What is no token
// of the app's gets 200 too (§2.2).
func (f *Face) revoke(w http.ResponseWriter, r *http.Request) {
	form, refused := readFaceForm(r)
	var app App
	if refused == nil {
		app, refused = f.clientOf(r, form)
	}
	if refused == nil && form.Get("token") == "" {
		refused = badRequest("The token is missing.")
	}
	if refused != nil {
		refused.write(w, r)
		return
	}
	raw := form.Get("token")
	f.s.mu.Lock()
	if t := f.refresh[raw]; t != nil && t.chain.app == app.ID {
		t.chain.end(endedOkta)
		f.dropAccess(t.chain)
	}
	if t := f.access[raw]; t != nil && (t.service == app.ID || t.chain != nil && t.chain.app == app.ID) {
		delete(f.access, raw)
	}
	f.s.mu.Unlock()
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

// keys is the face's JWK set; athenahealth's guide names a client_id, which is looked at by neither.
func (f *Face) keys(w http.ResponseWriter, r *http.Request) {
	if refused := f.ensureKey(); refused != nil {
		refused.write(w, r)
		return
	}
	f.s.mu.Lock()
	var set []map[string]string
	for _, k := range slices.Backward(f.ring.signing) {
		set = append(set, jwkOf(k, "RS256", "sig"))
	}
	f.s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "max-age=300")
	writeBody(w, map[string]any{"keys": set})
}

// logout is …/logout: it ends the browser's login and sends it on to an address that an app has registered.
func (f *Face) logout(w http.ResponseWriter, r *http.Request) {
	target := r.URL.Query().Get("post_logout_redirect_uri")
	f.s.mu.Lock()
	if l := f.loggedIn(r); l != nil {
		l.over = true
	}
	known := false
	for _, app := range f.apps {
		known = known || slices.Contains(app.RedirectURIs, target)
	}
	f.s.mu.Unlock()
	f.setCookie(w, "LOGIN", "")
	if !known {
		f.show(w, http.StatusOK, "bye.html", "", screen{Title: "Logged out", Clinic: f.title()})
		return
	}
	pageHeaders(w, "")
	http.Redirect(w, r, target, http.StatusSeeOther)
}
