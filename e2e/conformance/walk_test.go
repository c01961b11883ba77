package conformance_test

import (
	"net/http"
	"net/url"
	"strings"

	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/shared"
)

// walk is one connection's life as it was heard on the wire, from the authorization request to a refresh.
type walk struct {
	site *site
	app  app
	ehr  bool // launched from the EHR

	iss, launch string     // what the EHR launched with
	request     url.Values // of the authorization
	endpoint    string     // without its query
	flow        string     // the browser's cookie when it left
	code        string     // that came back
	connection  string
	patient     string
	said        []said
}

// standalone connects from Locum, asking for a patient, and uses the connection.
func (s *site) standalone(a app) *walk {
	s.t.Helper()
	from := s.tap.mark()
	w := s.connect(a, "launch/patient")
	w.live(from)
	return w
}

func (s *site) connect(a app, contexts ...string) *walk {
	s.t.Helper()
	state := secret.Random().Reveal()
	var begun shared.ConnectAnswer
	s.call(http.MethodPost, shared.PathConnect, shared.ConnectRequest{Platform: a.id, Clinic: s.clinic(a), ClientState: state,
		Context: shared.Context{Page: shared.PageHome}, Scopes: contexts}, &begun)
	w := &walk{site: s, app: a}
	w.back(begun.AuthorizationURL, state)
	return w
}

func (s *site) clinic(a app) string {
	if practice := a.face.Practice(); practice != "" {
		return a.face.Origin() + "/v1/" + practice
	}
	return a.face.FHIRBase()
}

// back goes to the platform, agrees, and comes back with a connection.
func (w *walk) back(authorization, state string) {
	s := w.site
	s.t.Helper()
	endpoint, query, _ := strings.Cut(authorization, "?")
	request, err := url.ParseQuery(query)
	must(s.t, err)
	w.endpoint, w.request, w.flow = endpoint, request, s.cookies["locum-dev-flow"]
	callback, err := w.app.face.Approve(authorization, sandbox.Choice{})
	must(s.t, err)
	to, err := url.Parse(callback)
	must(s.t, err)
	if w.code = to.Query().Get("code"); w.code == "" {
		s.t.Fatalf("%s: the platform says %s", w.app.id, to.RawQuery)
	}
	if a := s.navigate(callback); a.StatusCode != http.StatusSeeOther {
		s.t.Fatalf("callback: %s %s", a.Status, a.body)
	}
	w.finish(state)
}

// finish asks how it went, and links the person of a first launch.
func (w *walk) finish(state string) {
	s := w.site
	s.t.Helper()
	var outcome shared.Outcome
	s.call(http.MethodPost, shared.PathOutcome, shared.OutcomeRequest{ClientState: state}, &outcome)
	if outcome.Code == shared.OutcomeLinkNeeded {
		s.call(http.MethodPost, shared.PathLaunch+"/link", shared.LinkRequest{ClientState: state}, &outcome)
	}
	if outcome.Code != shared.OutcomeConnected {
		s.t.Fatalf("%s: the outcome is %s", w.app.id, outcome.Code)
	}
	w.connection = outcome.Connection
}

// launched is opened from the EHR for its first patient, by a browser in which somebody is signed in at Locum.
func (s *site) launched(a app) *walk {
	s.t.Helper()
	from := s.tap.mark()
	w := &walk{site: s, app: a, ehr: true}
	link, err := a.face.Launch(sandbox.Launch{App: a.id + "-client", Encounter: a.face.Patients()[0].Encounter})
	must(s.t, err)
	to, err := url.Parse(link)
	must(s.t, err)
	w.iss, w.launch = to.Query().Get("iss"), to.Query().Get("launch")
	opened := s.navigate(link)
	handle, ok := strings.CutPrefix(opened.Header.Get("Location"), "/launch/")
	if !ok || len(s.tap.since(from)) > 0 {
		s.t.Fatalf("%s: the launch is answered %s to %s", a.id, opened.Status, opened.Header.Get("Location"))
	}
	state := secret.Random().Reveal()
	var begun shared.ConnectAnswer
	s.call(http.MethodPost, shared.PathLaunch, shared.LaunchRequest{Launch: handle, ClientState: state}, &begun)
	w.back(begun.AuthorizationURL, state)
	w.live(from)
	return w
}

// live uses the connection: a read, a diagnosis, and a read after the access token was taken away, which refreshes it.
func (w *walk) live(from mark) {
	s := w.site
	s.t.Helper()
	var list shared.Connections
	s.call(http.MethodGet, shared.PathConnections, nil, &list)
	for _, c := range list.Connections {
		if c.ID == w.connection && c.Launch != nil {
			w.patient = c.Launch.Patient
		}
	}
	w.read(w.patient)
	s.call(http.MethodPost, shared.PathConnections+"/"+w.connection+"/diagnosis", nil, nil)
	if !w.ehr {
		w.app.face.RevokeAccess("robin@example.test")
		w.read(w.patient)
	}
	w.said = s.tap.since(from)
}

// read reads a patient by the proxy; "" is the first that the EHR has.
func (w *walk) read(patient string) {
	s := w.site
	s.t.Helper()
	if patient == "" {
		patient = w.app.face.Patients()[0].ID
	}
	base := strings.TrimPrefix(w.app.face.FHIRBase(), w.app.face.Origin())
	if a := s.call(http.MethodGet, shared.PathProxy+"/"+w.connection+base+"/Patient/"+patient, nil, nil); a.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: reading a patient: %s %s", w.app.id, a.Status, a.body)
	}
}
