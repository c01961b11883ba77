package sandbox

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

//go:embed pages
var pageFiles embed.FS

// parsePages reads the templates of the identity server's pages. They hold no script.
func parsePages() (*template.Template, error) {
	t, err := template.ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("sandbox pages: %w", err)
	}
	return t, nil
}

// screen is what the templates show; each uses its part.
type screen struct {
	Title, Problem         string
	Action, Attempt        string
	Client, Clinic, Person string
	Username, Back         string
	People                 []hint
	Reads, Writes          []scope
	OpenID                 bool
	Realms                 []string
	Clinics                []Clinic
	Deeds                  []deed
	Done                   string
	Real                   string // what the sandbox is not; "" is Jane
	Patient                string
	Records                []choice
	Launches               []launchable
	Frame, FrameOrigin     string
	Note                   string
	Wide                   bool
}

// choice is one record on a picker.
type choice struct{ ID, Name, Note string }

// hint is a fictional person on the login page, one click away.
type hint struct {
	Login, Name, Initial, Places string
	Here                         bool // works at the clinic asked for
}

// pageHeaders are those of every page. A form's answer is a redirect to the client, so form-action names its origin too.
func pageHeaders(w http.ResponseWriter, formTarget string) {
	h := w.Header()
	h.Set("Content-Security-Policy", strings.TrimSpace("default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' "+formTarget))
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // no-referrer would make the forms' Origin "null"
	h.Set("Cache-Control", "no-store")
}

func (s *Sandbox) show(w http.ResponseWriter, status int, name, formTarget string, p screen) {
	var out bytes.Buffer
	if err := s.pages.ExecuteTemplate(&out, name, p); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	pageHeaders(w, formTarget)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes())
}

func (s *Sandbox) showError(w http.ResponseWriter, status int, problem string) {
	s.show(w, status, "error.html", "", screen{Title: "This did not work", Problem: problem})
}

func (s *Sandbox) showFull(w http.ResponseWriter) {
	s.showError(w, http.StatusServiceUnavailable, "The sandbox has too many sessions. Start it again.")
}

func (s *Sandbox) showLoginPage(w http.ResponseWriter, realm *realm, a *attempt, username, problem string) {
	p := attemptPage(realm, a, "authenticate")
	p.Title, p.Problem, p.Username = "Log in", problem, username
	for _, one := range s.people {
		p.People = append(p.People, s.hintFor(one, a.clinic))
	}
	s.show(w, http.StatusOK, "login.html", p.Back, p)
}

func (s *Sandbox) hintFor(one person, here *clinic) hint {
	var places []string
	for _, c := range s.clinics {
		if one.Staff[c.key] != "" {
			places = append(places, c.name)
		}
	}
	h := hint{
		Login: one.Login, Name: one.Name, Initial: string([]rune(one.Name + " ")[:1]), Here: one.Staff[here.key] != "",
		Places: strings.Join(places, " and "),
	}
	if !h.Here {
		h.Places = "Not here: works at " + h.Places
	}
	return h
}

// showConsentPage asks for consent, or says that the person does not work at the clinic.
func (s *Sandbox) showConsentPage(w http.ResponseWriter, realm *realm, a *attempt, problem string) {
	p := attemptPage(realm, a, "consent")
	p.Title, p.Problem, p.Person = "Allow "+a.client.Name, problem, a.login.person.Name
	p.Reads, p.Writes, p.OpenID = describe(a.scopes)
	name := "consent.html"
	if a.login.person.Staff[a.clinic.key] == "" {
		p.Title, name = "Not your clinic", "elsewhere.html"
	}
	s.show(w, http.StatusOK, name, p.Back, p)
}

func attemptPage(realm *realm, a *attempt, action string) screen {
	return screen{
		Action: "/realms/" + realm.name + "/login-actions/" + action, Attempt: a.id,
		Client: a.client.Name, Clinic: a.clinic.name, Back: originOf(a.redirectURI),
	}
}

// originOf is the scheme, host and port of a redirect URI.
func originOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func (s *Sandbox) front(w http.ResponseWriter, r *http.Request) {
	done, _ := deedOf(r.URL.Query().Get("done"))
	s.show(w, http.StatusOK, "front.html", "", screen{
		Title: "Identity server", Realms: []string{RealmSandbox, RealmProduction}, Clinics: s.Clinics(), Deeds: deeds, Done: done.Done,
	})
}

func (s *Sandbox) stylesheet(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeFileFS(w, r, pageFiles, "pages/sandbox.css")
}
