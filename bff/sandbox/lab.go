package sandbox

import "net/http"

// deed is what a person may do to the identity server on its front page, to see how an app takes it; a test does the same,
// and more, in Go.
type deed struct {
	Name, Label, Done string
	do                func(*Sandbox)
}

// deeds are all of them, in the order of the page. What concerns a renewal makes the clinics refuse the access given so far,
// so that it happens with the next call and not minutes later.
var deeds = []deed{
	{"refuse", "Refuse the access given so far", "The next call gets a 401. Refreshing works.", func(s *Sandbox) { s.RevokeAccess("", "") }},
	{"lose", "Lose the next answer", "The next refresh will be made, and its answer lost.", func(s *Sandbox) {
		s.RevokeAccess("", "")
		s.LoseNextResponse(EndpointRefresh)
	}},
	{"down", "Be under repair", "The next thirty token requests are answered with 503.", func(s *Sandbox) {
		s.RevokeAccess("", "")
		s.Fail(EndpointToken, http.StatusServiceUnavailable, 30)
	}},
	{"calm", "Work again", "Every planned fault is forgotten.", (*Sandbox).Calm},
	{"strict", "Revoke refresh tokens when used", "A refresh spends its token; used again, it ends all of its login.", func(s *Sandbox) { s.SetKind(KindK1) }},
	{"forgive", "Let refresh tokens be used again", "A refresh leaves its token good, as Keycloak does unless told otherwise.", func(s *Sandbox) { s.SetKind(KindK0) }},
	{"withdraw", "Withdraw every permission", "No refresh token works any more, and the clinics refuse all access.", func(s *Sandbox) { s.Revoke("", "") }},
	{"logout", "End every login", "Everybody is logged out, and the apps have been told.", func(s *Sandbox) {
		s.logOutWhere(func(*session) bool { return true })
	}},
}

// deedOf finds a deed by its name.
func deedOf(name string) (deed, bool) {
	for _, d := range deeds {
		if d.Name == name {
			return d, true
		}
	}
	return deed{}, false
}

// Front is the address of the front page, where a person does to the sandbox what a test does in Go.
func (s *Sandbox) Front() string { return s.iam.origin + "/" }

// lab is POST /lab: a button of the front page. Only the page itself may press it.
func (s *Sandbox) lab(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != s.iam.origin {
		s.showError(w, http.StatusForbidden, "This form was sent from another site.")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	d, known := deedOf(r.PostFormValue("do"))
	if !known {
		s.showError(w, http.StatusBadRequest, "The sandbox does not know how to do this.")
		return
	}
	d.do(s)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, "/?done="+d.Name, http.StatusSeeOther)
}
