package crash_test

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
	"time"

	"locum/shared"
)

// browser is one practitioner's browser: it keeps Locum's two cookies and sends the headers that Locum asks for. Each
// request has a connection of its own, and none is ever sent twice.
type browser struct {
	site          *site
	http          *http.Client
	session, flow string
}

func (s *site) browser() *browser {
	address := net.JoinHostPort("127.0.0.1", s.port)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	return &browser{site: s, http: &http.Client{
		Transport:     &http.Transport{DialContext: dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       40 * time.Second,
	}}
}

// as is the same browser with another session cookie.
func (b *browser) as(session string) *browser {
	other := *b
	other.session = session
	return &other
}

// answer is one that was fully received: what it says is acknowledged.
type answer struct {
	status int
	header http.Header
	body   []byte
	sent   time.Time
}

func (a answer) code() shared.Code {
	var p shared.Problem
	_ = json.Unmarshal(a.body, &p)
	return p.Code
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.code()) }

const (
	form      = "application/x-www-form-urlencoded"
	plainJSON = "application/json"
)

// send makes one request. An error means that no whole answer came.
func (b *browser) send(method, target, contentType, body string) (answer, error) {
	r, err := http.NewRequest(method, b.site.url()+target, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Origin", b.site.url())
	r.Header.Set(shared.HeaderClient, shared.ClientApp)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for name, value := range map[string]string{"locum-dev-session": b.session, "locum-dev-flow": b.flow} {
		if value != "" {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}
	a := answer{sent: time.Now()}
	response, err := b.http.Do(r)
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
			b.session = cookie.Value
		case "locum-dev-flow":
			b.flow = cookie.Value
		}
	}
	return a, nil
}

func (b *browser) get(target string) (answer, error) { return b.send("GET", target, "", "") }

func (b *browser) signIn(login string) (answer, error) {
	fields := url.Values{"login": {login}, "password": {password}}
	return b.send("POST", shared.PathSignIn, form, fields.Encode())
}

func (b *browser) signOut() (answer, error) { return b.send("POST", shared.PathSignOut, form, "") }

// begin starts to connect and gives where the browser would go.
func (b *browser) begin(platform, clinic, state string) (string, answer, error) {
	body, err := json.Marshal(shared.ConnectRequest{Platform: platform, Clinic: clinic, ClientState: state,
		Context: shared.Context{Page: shared.PageHome}})
	if err != nil {
		return "", answer{}, err
	}
	a, err := b.send("POST", shared.PathConnect, plainJSON, string(body))
	var where shared.ConnectAnswer
	if err == nil && a.status == http.StatusOK {
		err = json.Unmarshal(a.body, &where)
	}
	return where.AuthorizationURL, a, err
}

// callback follows the redirect back from the platform.
func (b *browser) callback(back string) (answer, error) {
	u, err := url.Parse(back)
	if err != nil {
		return answer{}, err
	}
	return b.get(u.RequestURI())
}

func (b *browser) outcome(state string) (shared.Outcome, answer, error) {
	a, err := b.send("POST", shared.PathOutcome, plainJSON, fmt.Sprintf(`{"client_state":%q}`, state))
	var outcome shared.Outcome
	if err == nil && a.status == http.StatusOK {
		err = json.Unmarshal(a.body, &outcome)
	}
	return outcome, a, err
}

func (b *browser) list() ([]shared.Connection, answer, error) {
	a, err := b.get(shared.PathConnections)
	var all shared.Connections
	if err == nil && a.status == http.StatusOK {
		err = json.Unmarshal(a.body, &all)
	}
	return all.Connections, a, err
}

func (b *browser) disconnect(id string) (answer, error) {
	return b.send("DELETE", shared.PathConnections+"/"+id, "", "")
}

// call makes a proxied call. path is the platform's own.
func (b *browser) call(connection, method, path, body string) (answer, error) {
	contentType := ""
	if body != "" {
		contentType = plainJSON
	}
	return b.send(method, shared.PathProxy+"/"+connection+"/api/2026-01-01"+path, contentType, body)
}

// newState is a tab's own 256 random bits.
func newState() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// newRecord is the id of a record that no clinic has: each request that names one is unlike all others.
func newRecord() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%x-%x-4%03x-8%03x-%x", b[:4], b[4:6], uint16(b[6])<<4&0xfff, uint16(b[8])<<4&0xfff, b[10:])
}
