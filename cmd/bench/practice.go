package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"locum/shared"
)

// practitioner is somebody signed in to Locum in a browser.
type practitioner struct {
	stage   *stage
	session string // Cookie header: name=value
	flow    string
}

// asked is one answer to a setting-up request.
type asked struct {
	status int
	header http.Header
	body   []byte
}

var browser = &http.Client{
	Timeout:       time.Minute,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// ask sends one request as the app's own page would.
func (p *practitioner) ask(method, path, contentType, body string) (asked, error) {
	r, err := http.NewRequest(method, "http://"+p.stage.addr+path, strings.NewReader(body)) //nolint:noctx // the client has a time-out
	if err != nil {
		return asked{}, err
	}
	r.Host = p.stage.host()
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Origin", p.stage.origin())
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set(shared.HeaderClient, shared.ClientApp)
	}
	r.Header.Set("Cookie", strings.Trim(p.session+"; "+p.flow, "; "))
	response, err := browser.Do(r)
	if err != nil {
		return asked{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	for _, c := range response.Cookies() {
		switch {
		case strings.HasSuffix(c.Name, "session"):
			p.session = c.Name + "=" + c.Value
		case strings.HasSuffix(c.Name, "flow"):
			p.flow = c.Name + "=" + c.Value
		}
	}
	return asked{response.StatusCode, response.Header, text}, err
}

// signIn is what the form does.
func (s *stage) signIn() (*practitioner, error) {
	p := &practitioner{stage: s}
	form := url.Values{"login": {login}, "password": {password}}
	answer, err := p.ask("POST", shared.PathSignIn, "application/x-www-form-urlencoded", form.Encode())
	if err != nil || answer.status != http.StatusSeeOther || p.session == "" {
		return nil, fmt.Errorf("sign-in: status %d: %w", answer.status, err)
	}
	return p, nil
}

// connect walks the whole way to a connection, as somebody who logs in at the platform, and gives its id.
func (p *practitioner) connect(who string) (string, error) {
	clientState := random256()
	var begun shared.ConnectAnswer
	request := shared.ConnectRequest{Platform: platformID, Clinic: "http://" + p.stage.upstream.addr(), ClientState: clientState,
		Context: shared.Context{Page: shared.PageHome}}
	if err := p.post(shared.PathConnect, request, &begun); err != nil {
		return "", err
	}
	back, err := p.stage.identity.Approve(begun.AuthorizationURL, who, false)
	if err != nil {
		return "", err
	}
	at, err := url.Parse(back)
	if err != nil {
		return "", err
	}
	if answer, err := p.ask("GET", at.RequestURI(), "", ""); err != nil || answer.status != http.StatusSeeOther {
		return "", fmt.Errorf("callback: status %d: %s: %w", answer.status, answer.body, err)
	}
	var outcome shared.Outcome
	if err := p.post(shared.PathOutcome, shared.OutcomeRequest{ClientState: clientState}, &outcome); err != nil {
		return "", err
	}
	if outcome.Code != shared.OutcomeConnected {
		return "", fmt.Errorf("the connection ended as %s", outcome.Code)
	}
	return outcome.Connection, nil
}

// random256 is a random value as browsers and Locum make them: 43 base64url characters.
func random256() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (p *practitioner) post(path string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	got, err := p.ask("POST", path, "application/json", string(body))
	if err != nil || got.status != http.StatusOK {
		return fmt.Errorf("%s: status %d: %s: %w", path, got.status, bytes.TrimSpace(got.body), err)
	}
	return json.Unmarshal(got.body, answer)
}

// calls are a proxied GET through a connection.
func (p *practitioner) calls(connection, path string) requests {
	return requests{get(p.stage.host(), shared.PathProxy+"/"+connection+path, "Cookie: "+p.session+"\r\n")}
}
