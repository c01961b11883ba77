package demo_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"

	"locum/bff/demo"
	"locum/bff/secret"
	"locum/shared"
)

// TestDemoEndToEnd: one click signs in, a clinic is connected, today is read through the proxy, and nothing is left.
func TestDemoEndToEnd(t *testing.T) {
	d, err := demo.Start(t.Context(), demo.Options{Listen: "localhost:0"})
	must(t, err)
	closed := false
	defer func() {
		if !closed {
			must(t, d.Close())
		}
	}()
	person := &person{t: t, d: d, client: newClient(t)}
	person.post(shared.PathSignIn, "application/x-www-form-urlencoded", strings.NewReader(url.Values{"card": {d.People[0].Login}}.Encode()), http.StatusSeeOther, nil)
	var session shared.Session
	person.get(shared.PathSession, &session)
	if session.Practitioner.Name != d.People[0].Name {
		t.Errorf("signed in as %+v", session)
	}
	var platforms shared.Platforms
	person.get(shared.PathPlatforms, &platforms)
	if len(platforms.Platforms) != 4 || len(platforms.Platforms[0].Clinics) != 2 {
		t.Fatalf("platforms are %+v", platforms)
	}
	for i, platform := range platforms.Platforms[:2] {
		person.connect(platform.ID, platform.Clinics[i].URL)
	}
	var connections shared.Connections
	person.get(shared.PathConnections, &connections)
	if len(connections.Connections) != 2 {
		t.Fatalf("connections are %+v", connections)
	}
	for _, connection := range connections.Connections {
		var patients struct {
			Items []json.RawMessage `json:"items"`
		}
		person.get(shared.PathProxy+"/"+connection.ID+"/api/2026-01-01/patients", &patients)
		if len(patients.Items) == 0 {
			t.Errorf("%s has no patients", connection.Clinic.Name)
		}
	}
	for _, one := range d.People {
		if len(one.Password) < 15 {
			t.Errorf("the password of %s is %d characters", one.Login, len(one.Password))
		}
	}
	ended, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.Sandbox.Front()+"lab", strings.NewReader("do=logout"))
	must(t, err)
	ended.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	ended.Header.Set("Origin", strings.TrimSuffix(d.Sandbox.Front(), "/"))
	person.do(ended, http.StatusSeeOther, nil) // it tells both platforms' clients before it answers
	asked, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.URL+shared.PathSession, nil)
	must(t, err)
	person.do(asked, http.StatusUnauthorized, nil)
	closed = true
	must(t, d.Close())
	if _, err := os.Stat(d.Dir); !os.IsNotExist(err) {
		t.Errorf("the directory is still there: %v", err)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(d.URL, "http://")); err == nil {
		conn.Close()
		t.Error("the address still answers")
	}
}

// TestDemoKeepsItsDirectory: a second start in the same one finds what the first left.
func TestDemoKeepsItsDirectory(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		ctx, stop := context.WithCancel(t.Context())
		d, err := demo.Start(ctx, demo.Options{Listen: "localhost:0", Dir: dir})
		must(t, err)
		p := &person{t: t, d: d, client: newClient(t)}
		form := url.Values{"login": {d.People[1].Login}, "password": {d.People[1].Password}}.Encode()
		p.post(shared.PathSignIn, "application/x-www-form-urlencoded", strings.NewReader(form), http.StatusSeeOther, nil)
		stop()
		must(t, d.Wait())
		must(t, d.Close())
	}
}

// TestDemoListensOnLoopbackOnly, since its sign-in is one click.
func TestDemoListensOnLoopbackOnly(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "127.0.0.2:0", "example.test:0", "nonsense"} {
		if d, err := demo.Start(t.Context(), demo.Options{Listen: address}); err == nil {
			must(t, d.Close())
			t.Errorf("%s is accepted", address)
		}
	}
}

// person is a browser's worth of a practitioner: cookies and the app's headers.
type person struct {
	t      *testing.T
	d      *demo.Demo
	client *http.Client
}

func newClient(t *testing.T) *http.Client {
	jar, err := cookiejar.New(nil)
	must(t, err)
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (p *person) connect(platform, clinic string) {
	p.t.Helper()
	state := secret.Random().Reveal()
	body, err := json.Marshal(shared.ConnectRequest{Platform: platform, Clinic: clinic, ClientState: state, Context: shared.Context{Page: shared.PageHome}})
	must(p.t, err)
	var begun shared.ConnectAnswer
	p.post(shared.PathConnect, "application/json", strings.NewReader(string(body)), http.StatusOK, &begun)
	back, err := p.d.Sandbox.Approve(begun.AuthorizationURL, "robin@example.test", false)
	must(p.t, err)
	response, err := p.client.Get(back)
	must(p.t, err)
	must(p.t, response.Body.Close())
	var outcome shared.Outcome
	p.post(shared.PathOutcome, "application/json", strings.NewReader(`{"client_state":"`+state+`"}`), http.StatusOK, &outcome)
	if outcome.Code != shared.OutcomeConnected {
		p.t.Fatalf("%s at %s: %s", platform, clinic, outcome.Code)
	}
}

func (p *person) post(path, media string, body io.Reader, status int, into any) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.d.URL+path, body)
	must(p.t, err)
	request.Header.Set("Content-Type", media)
	request.Header.Set("Origin", p.d.URL)
	request.Header.Set(shared.HeaderClient, shared.ClientApp)
	p.do(request, status, into)
}

func (p *person) get(path string, into any) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.d.URL+path, nil)
	must(p.t, err)
	p.do(request, http.StatusOK, into)
}

func (p *person) do(request *http.Request, status int, into any) {
	p.t.Helper()
	response, err := p.client.Do(request)
	must(p.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(p.t, err)
	if response.StatusCode != status {
		p.t.Fatalf("%s %s: %d %s", request.Method, request.URL.Path, response.StatusCode, body)
	}
	if into != nil {
		must(p.t, json.Unmarshal(body, into))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
