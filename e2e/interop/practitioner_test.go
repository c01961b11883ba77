package interop_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"locum/shared"
)

// practitioner is somebody at their browser, signed in to Locum.
type practitioner struct {
	site          *site
	http          *http.Client
	session, flow string
}

// answer is what Locum said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) code() shared.Code {
	var p shared.Problem
	_ = json.Unmarshal(a.body, &p)
	return p.Code
}

func (a answer) String() string { return strings.TrimSpace(fmt.Sprintf("%d %s", a.status, a.code())) }

func (s *site) practitioner(t testing.TB) *practitioner {
	t.Helper()
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", s.port))
	}
	p := &practitioner{site: s, http: &http.Client{
		Transport:     &http.Transport{DialContext: dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       40 * time.Second,
	}}
	fields := url.Values{"login": {login}, "password": {password}}
	if a := p.send(t, "POST", shared.PathSignIn, "application/x-www-form-urlencoded", fields.Encode()); a.status != http.StatusSeeOther {
		t.Fatalf("sign in to Locum: %v", a)
	}
	return p
}

// send is one request of the app's.
func (p *practitioner) send(t testing.TB, method, target, contentType, body string) answer {
	t.Helper()
	a, err := p.try(method, target, contentType, body)
	must(t, err)
	return a
}

func (p *practitioner) try(method, target, contentType, body string) (a answer, err error) {
	r, err := http.NewRequest(method, p.site.url()+target, strings.NewReader(body))
	if err != nil {
		return a, err
	}
	r.Header.Set("Origin", p.site.url())
	r.Header.Set(shared.HeaderClient, shared.ClientApp)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for name, value := range map[string]string{"locum-dev-session": p.session, "locum-dev-flow": p.flow} {
		if value != "" {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}
	response, err := p.http.Do(r)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	if a.body, err = io.ReadAll(response.Body); err != nil {
		return a, err
	}
	a.status, a.header = response.StatusCode, response.Header
	for _, cookie := range response.Cookies() {
		switch cookie.Name {
		case "locum-dev-session":
			p.session = cookie.Value
		case "locum-dev-flow":
			p.flow = cookie.Value
		}
	}
	return a, nil
}

// connection is one that a practitioner has, and how Keycloak knows it.
type connection struct {
	*practitioner
	id    string
	chain chain
	at    *clinic
}

// connect connects a clinic by way of a visitor's browser at Keycloak.
func (p *practitioner) connect(t testing.TB, v *visitor, n int) connection {
	t.Helper()
	c, outcome := p.attempt(t, v, n, "")
	if outcome.Code != shared.OutcomeConnected {
		t.Fatalf("connect: %s", outcome.Code)
	}
	return c
}

// attempt goes the way from Locum to Keycloak and back; again is a connection to renew in place, or "".
func (p *practitioner) attempt(t testing.TB, v *visitor, n int, again string) (connection, shared.Outcome) {
	t.Helper()
	at, state := p.site.clinics[n], newState()
	body, err := json.Marshal(shared.ConnectRequest{Platform: platformID, Clinic: at.url, ClientState: state, Connection: again,
		Context: shared.Context{Page: shared.PageHome}})
	must(t, err)
	a := p.send(t, "POST", shared.PathConnect, "application/json", string(body))
	var where shared.ConnectAnswer
	if a.status != http.StatusOK || json.Unmarshal(a.body, &where) != nil {
		t.Fatalf("begin to connect: %v", a)
	}
	back := v.follow(t, where.AuthorizationURL)
	p.send(t, "GET", back.RequestURI(), "", "")
	a = p.send(t, "POST", shared.PathOutcome, "application/json", fmt.Sprintf(`{"client_state":%q}`, state))
	var outcome shared.Outcome
	if a.status != http.StatusOK || json.Unmarshal(a.body, &outcome) != nil {
		t.Fatalf("outcome: %v", a)
	}
	sid := back.Query().Get("session_state")
	return connection{p, outcome.Connection, chain{p.site.realm.name, sid, at.url}, at}, outcome
}

// call is a proxied call to the clinic.
func (c connection) call(t testing.TB) answer {
	t.Helper()
	return c.send(t, "GET", shared.PathProxy+"/"+c.id+"/api/2026-01-01/patients", "", "")
}

// view is what the practitioner sees of the connection; ok is false when it is gone.
func (c connection) view(t testing.TB) (view shared.Connection, ok bool) {
	t.Helper()
	a := c.send(t, "GET", shared.PathConnections, "", "")
	var all shared.Connections
	if a.status != http.StatusOK || json.Unmarshal(a.body, &all) != nil {
		t.Fatalf("list: %v", a)
	}
	for _, view := range all.Connections {
		if view.ID == c.id {
			return view, true
		}
	}
	return shared.Connection{}, false
}

func (c connection) shows(t testing.TB) string {
	t.Helper()
	view, ok := c.view(t)
	if !ok {
		return "gone"
	}
	return strings.TrimSpace(view.State + " " + view.Cause)
}

// life is the connection's timeline.
func (c connection) life(t testing.TB) (life shared.Life) {
	t.Helper()
	a := c.send(t, "GET", shared.PathConnections+"/"+c.id+"/life", "", "")
	if a.status != http.StatusOK || json.Unmarshal(a.body, &life) != nil {
		t.Fatalf("life: %v", a)
	}
	return life
}

// steps are the timeline in short.
func (c connection) steps(t testing.TB) string {
	t.Helper()
	var steps []string
	for _, step := range c.life(t).Steps {
		steps = append(steps, strings.TrimRight(step.What+" "+step.Code, " "))
	}
	return strings.Join(steps, ", ")
}

// disconnect is the practitioner's; the answer is Locum's.
func (c connection) disconnect(t testing.TB) shared.Disconnected {
	t.Helper()
	a := c.send(t, "DELETE", shared.PathConnections+"/"+c.id, "", "")
	var done shared.Disconnected
	if a.status != http.StatusOK || json.Unmarshal(a.body, &done) != nil {
		t.Fatalf("disconnect: %v", a)
	}
	return done
}

// newState is a tab's own 256 random bits.
func newState() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
