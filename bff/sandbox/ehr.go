package sandbox

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// launchable is an app that the EHR can open for a patient.
type launchable struct {
	ID, Name, Launch string // Launch is the address of this page that opens it in a frame
}

// ehrHandler is the EHR: a place to log in, a list of patients, and for each a page that opens apps.
func (f *Face) ehrHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", f.ehrFront)
	mux.HandleFunc("POST /login", f.ehrLogin)
	mux.HandleFunc("POST /logout", f.ehrLogout)
	mux.HandleFunc("GET /chart/{patient}", f.ehrChart)
	mux.HandleFunc("POST /launch", f.ehrLaunch)
	mux.HandleFunc("POST /lab", f.lab)
	mux.HandleFunc("GET /sandbox.css", f.s.stylesheet)
	mux.HandleFunc("GET /ehr.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeFileFS(w, r, pageFiles, "pages/ehr.js")
	})
	return mux
}

// inside gives who works in the EHR in this browser and answers with the login page where nobody does.
func (f *Face) inside(w http.ResponseWriter, r *http.Request) (facePerson, bool) {
	f.s.mu.Lock()
	l := f.loggedIn(r)
	f.s.mu.Unlock()
	if l == nil || len(f.records.chartsFor(l.person)) == 0 || l.person.patient != "" {
		f.ehrLoginPage(w, "")
		return facePerson{}, false
	}
	return l.person, true
}

func (f *Face) ehrLoginPage(w http.ResponseWriter, problem string) {
	p := screen{Title: "EHR", Action: "/login", Clinic: f.title(), Problem: problem}
	for _, one := range f.people {
		if one.patient == "" {
			p.People = append(p.People, hint{Login: one.Login, Name: one.Name, Initial: one.Name[:1], Places: one.place})
		}
	}
	f.show(w, http.StatusOK, "face_login.html", "", p)
}

// own refuses a form of another site.
func (f *Face) own(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if r.Header.Get("Origin") != f.ehr.origin {
		f.showError(w, http.StatusForbidden, "This form was sent from another site.")
		return false
	}
	return true
}

func (f *Face) ehrLogin(w http.ResponseWriter, r *http.Request) {
	if !f.own(w, r) {
		return
	}
	who, ok := f.whoIs(r)
	if !ok || who.patient != "" {
		f.ehrLoginPage(w, "That email and password do not belong together, or to somebody who does not work here.")
		return
	}
	f.logIn(w, who)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (f *Face) ehrLogout(w http.ResponseWriter, r *http.Request) {
	if !f.own(w, r) {
		return
	}
	f.s.mu.Lock()
	if l := f.loggedIn(r); l != nil {
		l.over = true
	}
	f.s.mu.Unlock()
	f.setCookie(w, "LOGIN", "")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (f *Face) ehrFront(w http.ResponseWriter, r *http.Request) {
	who, ok := f.inside(w, r)
	if !ok {
		return
	}
	done, _ := f.deedOf(r.URL.Query().Get("done"))
	p := screen{Title: "Patients", Person: who.Name, Clinic: f.title(), Wide: true, Records: f.records.patientsOf(who), Deeds: f.deeds(), Done: done.Done}
	f.show(w, http.StatusOK, "ehr_front.html", "", p)
}

// ehrChart is a patient's page; with ?app= the app runs in it, in a frame with what athenahealth allows an embedded app:
// everything but to navigate the EHR away.
func (f *Face) ehrChart(w http.ResponseWriter, r *http.Request) {
	who, ok := f.inside(w, r)
	if !ok {
		return
	}
	patient := r.PathValue("patient")
	if !slices.Contains(f.records.chartsFor(who), patient) {
		f.showError(w, http.StatusNotFound, "There is no such patient here.")
		return
	}
	c, _ := f.records.chart(patient)
	p := screen{Title: c.name(), Person: who.Name, Clinic: f.title(), Wide: true, Patient: patient, Note: "born " + c.birth}
	var targets []string
	f.s.mu.Lock()
	for _, id := range sortedNames(f.apps) {
		if app := f.apps[id]; app.LaunchURL != "" {
			p.Launches = append(p.Launches, launchable{id, app.Name, "/chart/" + url.PathEscape(patient) + "?app=" + url.QueryEscape(id)})
			targets = append(targets, originOf(app.LaunchURL))
		}
	}
	f.s.mu.Unlock()
	if app := r.URL.Query().Get("app"); app != "" {
		at, err := f.Launch(Launch{App: app, Login: who.Login, Patient: patient})
		if err != nil {
			f.showError(w, http.StatusBadRequest, "This app cannot be opened here.")
			return
		}
		p.Frame, p.FrameOrigin = at, originOf(at)
		p.Records = slices.DeleteFunc(f.records.patientsOf(who), func(one choice) bool { return one.ID == patient })
	}
	f.show(w, http.StatusOK, "ehr_chart.html", strings.Join(targets, " "), p)
}

// ehrLaunch opens an app in a window of its own.
func (f *Face) ehrLaunch(w http.ResponseWriter, r *http.Request) {
	if !f.own(w, r) {
		return
	}
	who, ok := f.inside(w, r)
	if !ok {
		return
	}
	patient := r.PostFormValue("patient")
	if !slices.Contains(f.records.chartsFor(who), patient) {
		f.showError(w, http.StatusNotFound, "There is no such patient here.")
		return
	}
	at, err := f.Launch(Launch{App: r.PostFormValue("app"), Login: who.Login, Patient: patient})
	if err != nil {
		f.showError(w, http.StatusBadRequest, "This app cannot be opened here.")
		return
	}
	pageHeaders(w, "")
	w.Header().Set("Location", at)
	w.WriteHeader(http.StatusSeeOther)
}

// show is Sandbox.show in the face's name. A page with a frame may run its one script and frame the app's origin.
func (f *Face) show(w http.ResponseWriter, status int, name, formTarget string, p screen) {
	p.Real = "athenahealth"
	if !f.athena {
		p.Real = "a hospital"
	}
	var out bytes.Buffer
	if err := f.s.pages.ExecuteTemplate(&out, name, p); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	pageHeaders(w, formTarget)
	if p.Frame != "" {
		policy := w.Header().Get("Content-Security-Policy")
		w.Header().Set("Content-Security-Policy", policy+"; script-src 'self'; frame-src "+p.FrameOrigin)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes())
}

func (f *Face) showError(w http.ResponseWriter, status int, problem string) {
	f.show(w, status, "error.html", "", screen{Title: "This did not work", Problem: problem})
}
