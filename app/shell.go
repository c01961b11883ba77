package app

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// shell is what the pages of one tab share: who is signed in, the connections, small caches per clinic, and the one
// page that is shown now. It lives as long as the document; signing in or out replaces the document and so drops it.
// Its fields are changed on the UI goroutine only, but for the clinics, which have their own lock.
type shell struct {
	live   bool // in a browser: pages load; when rendered on a server they do not
	words  *words.Words
	intl   *intl
	client *client
	serial int
	page   *page // the page shown now

	session      shared.Session
	sessionAt    time.Time // when session was read; zero before
	activeAt     time.Time // when activity was last told
	asked        time.Time // when the session was last asked for
	connections  []shared.Connection
	connectionAt time.Time
	from         shared.Context // the page before connecting: where a new connection leads back to
	place        place          // where in a clinic's patients somebody was last
	flash        string         // one quiet notice for the page that comes next
	crashed      bool
	outdated     bool
	leaving      atomic.Bool // the document is about to go
	signingOut   bool        // the form has been sent: the browser leaves by itself
	guest        atomic.Bool // nobody is signed in, on a page that needs nobody
	ticket       string      // where a window of its own would lead, when the browser has not let the page open one
	embedded     embedded    // what the EHR around this page has said
	watching     bool
	news         *news // nil until it is watched

	mu        sync.Mutex
	clinics   map[string]*clinic // by connection
	unheard   []told             // by the page around this one; see embedded
	rereading rereading
}

// newShell makes the shell of one document. Nothing is asked before the first page arrives.
func newShell(w *words.Words, send func(request) (response, error), live bool) *shell {
	s := &shell{live: live, words: w, intl: newIntl(w.Lang), clinics: map[string]*clinic{}}
	s.client = &client{send: send, signedOut: s.signedOut, build: s.built}
	return s
}

// leaveWait is how long a sign-out by the form may take before the page leaves by itself: to do so at once would break off
// the request that signs out.
const leaveWait = 3 * time.Second

// signedOut leaves for the sign-in page, as all other tabs do. The document goes, and all that it held goes with it; what
// it showed is hidden at once.
func (s *shell) signedOut() {
	if s.leaving.Swap(true) {
		return
	}
	blank()
	s.news.tellTabs()
	if s.signingOut {
		time.AfterFunc(leaveWait, func() { leave(shared.PathSignIn) })
		return
	}
	leave(shared.PathSignIn)
}

// replaced starts anew where another person has signed in meanwhile: nothing that this document holds is for them.
func (s *shell) replaced() {
	if !s.leaving.Swap(true) {
		blank()
		leave("/")
	}
}

// built compares the server's build with the one that this document was served by.
func (s *shell) built(build string) {
	if mine := ui.Getenv("GOAPP_VERSION"); s.live && mine != "" && mine != build {
		s.outdated = true
	}
}

// caught recovers a panic of a handler, an answer or a drawing: the page then asks to be reloaded. It is deferred.
func (s *shell) caught() {
	if r := recover(); r != nil {
		s.crash(r)
	}
}

// crash says once that the page has stopped. Only the kind of the panic is reported: its text might hold a person's data.
func (s *shell) crash(cause any) {
	report(fmt.Sprintf("locum: page stopped: %T", cause))
	s.crashed = true
	if s.page != nil {
		s.page.update()
	}
}

// safe wraps a handler so that its panic does not end the program. All wrapped handlers look alike to go-app, which
// compares code pointers: each must be given with its own ui.EventScope, and a test says so.
func (s *shell) safe(handler func(ui.Context, ui.Event)) ui.EventHandler {
	return func(ctx ui.Context, e ui.Event) {
		defer s.caught()
		handler(ctx, e)
	}
}

// listConnections answers the practitioner's connections, from memory where they are younger than maxAge. It blocks.
func (s *shell) listConnections(maxAge time.Duration) ([]shared.Connection, error) {
	s.mu.Lock()
	list, at := s.connections, s.connectionAt
	s.mu.Unlock()
	if !at.IsZero() && time.Since(at) < maxAge {
		return list, nil
	}
	answer, err := s.client.connections()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connections, s.connectionAt = answer.Connections, time.Now()
	return answer.Connections, nil
}

// connection answers one of the practitioner's connections, or shared.CodeNotFound. It blocks.
func (s *shell) connection(id string) (shared.Connection, error) {
	for _, maxAge := range []time.Duration{30 * time.Second, 0} {
		list, err := s.listConnections(maxAge)
		if err != nil {
			return shared.Connection{}, err
		}
		for _, c := range list {
			if c.ID == id {
				return c, nil
			}
		}
	}
	return shared.Connection{}, failWith(shared.CodeNotFound)
}

// staleConnections makes the next listConnections ask again.
func (s *shell) staleConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connectionAt = time.Time{}
}

// knownConnection is a connection as last seen, without asking.
func (s *shell) knownConnection(id string) (shared.Connection, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.connections {
		if c.ID == id {
			return c, true
		}
	}
	return shared.Connection{}, false
}

// clinic is the door to one connection's clinic, with what is remembered of it.
func (s *shell) clinic(connection string) *clinic {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.clinics[connection]
	if !ok {
		c = newClinic(s.client, connection)
		s.clinics[connection] = c
	}
	return c
}

// forgetClinic drops what is remembered of a clinic.
func (s *shell) forgetClinic(connection string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clinics, connection)
}
