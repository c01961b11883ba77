package sandbox

import "net/http"

// deeds are what a person may do to a face on its EHR's front page, to see how an app takes it; a test does the same, and more,
// in Go.
func (f *Face) deeds() []deed {
	return []deed{
		{"refuse", "Refuse the access given so far", "The next call gets a 401. Refreshing works.", func(*Sandbox) { f.RevokeAccess("") }},
		{"lose", "Lose the next answer", "The next refresh will be made, and its answer lost.", func(s *Sandbox) {
			f.RevokeAccess("")
			s.LoseNextResponse(f.At("token/" + grantRefresh))
		}},
		{"down", "Be under repair", "The next thirty token requests are answered with 503.", func(s *Sandbox) {
			f.RevokeAccess("")
			s.Fail(f.At("token"), http.StatusServiceUnavailable, 30)
		}},
		{"astray", "Lead the next list astray", "The next list says that its next page is at another host.", func(*Sandbox) {
			f.HostileLink("https://astray.sandbox.invalid/fhir/r4/Observation?cursor=1", 1)
		}},
		{"rotate", "Replace refresh tokens when used", "A refresh gives another token; the old one works half a minute longer.", func(*Sandbox) { f.SetKind(KindO1) }},
		{"static", "Keep refresh tokens", "A refresh gives the same token again.", func(*Sandbox) { f.SetKind(KindO0) }},
		{"withdraw", "Withdraw every permission", "No refresh token works any more, and the API refuses all access.", func(*Sandbox) { f.Revoke("") }},
		{"calm", "Work again", "Every planned fault is forgotten.", (*Sandbox).Calm},
	}
}

func (f *Face) deedOf(name string) (deed, bool) {
	for _, d := range f.deeds() {
		if d.Name == name {
			return d, true
		}
	}
	return deed{}, false
}

// lab is POST /lab: a button of the EHR's front page. Only the page itself may press it.
func (f *Face) lab(w http.ResponseWriter, r *http.Request) {
	if !f.own(w, r) {
		return
	}
	d, known := f.deedOf(r.PostFormValue("do"))
	if !known {
		f.showError(w, http.StatusBadRequest, "The sandbox does not know how to do this.")
		return
	}
	d.do(f.s)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, "/?done="+d.Name, http.StatusSeeOther)
}
