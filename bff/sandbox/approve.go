package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Approve does what a person does at the authorization URL: log in as login with their password, then allow every scope
// asked for, or deny. It answers with the callback URL that the browser would be sent to, of a refusal too; an error means
// that no redirect came back. It is a browser of its own (own cookies, no other memory) that only reaches the sandbox.
func (s *Sandbox) Approve(authorizationURL, login string, deny bool) (callbackURL string, err error) {
	b, err := s.NewBrowser()
	if err != nil {
		return "", err
	}
	return b.Approve(authorizationURL, login, deny)
}

// Browser is a person's browser without a window: it keeps cookies, so that a second authorization finds them logged in.
// It is not safe for concurrent use.
type Browser struct {
	s   *Sandbox
	jar *cookiejar.Jar
}

// NewBrowser opens one without cookies.
func (s *Sandbox) NewBrowser() (*Browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("sandbox browser: %w", err)
	}
	return &Browser{s: s, jar: jar}, nil
}

// Approve is Sandbox.Approve in this browser. Where it is already logged in, login is not looked at.
func (b *Browser) Approve(authorizationURL, login string, deny bool) (callbackURL string, err error) {
	return b.ApproveAs(authorizationURL, nil, Choice{Login: login, Deny: deny})
}

// ApproveAs is Face.Approve in this browser; with fields they are posted to the address as a form (authorize-post).
func (b *Browser) ApproveAs(authorizationURL string, fields url.Values, c Choice) (callbackURL string, err error) {
	at, err := url.Parse(authorizationURL)
	if err != nil {
		return "", fmt.Errorf("authorization URL: %w", err)
	}
	method := http.MethodGet
	if fields != nil {
		method = http.MethodPost
	}
	step, err := b.visit(method, at, fields)
	for range 12 { // login, two choices and consent, each with its redirect, fit
		switch {
		case err != nil:
			return "", err
		case step.next != nil && step.next.Host != at.Host:
			return step.next.String(), nil
		case step.next != nil:
			step, err = b.visit(http.MethodGet, step.next, nil)
		case step.action == nil:
			return "", errors.New("the identity server shows a page without a way on")
		default:
			var form url.Values
			if form, err = b.fill(step, c); err == nil {
				step, err = b.visit(http.MethodPost, at.ResolveReference(step.action), form)
			}
		}
	}
	return "", errors.New("the identity server goes round in circles")
}

// LogOut does what a person does at an end_session address: confirm when they are asked. It answers with where the browser
// would be sent, "" when a page says that it is done.
func (b *Browser) LogOut(endSessionURL string) (sentTo string, err error) {
	at, err := url.Parse(endSessionURL)
	if err != nil {
		return "", fmt.Errorf("end_session URL: %w", err)
	}
	step, err := b.visit(http.MethodGet, at, nil)
	if err == nil && step.action != nil {
		form := url.Values{"attempt": {field(step.page, `name="attempt" value="([^"]*)"`)}}
		step, err = b.visit(http.MethodPost, step.action, form)
	}
	switch {
	case err != nil:
		return "", err
	case step.next != nil:
		return step.next.String(), nil
	}
	return "", nil
}

// step is one answer: where it redirects to, or the page it shows.
type step struct {
	next, action *url.URL
	page         string
}

// fill fills in the form of a page as the person would.
func (b *Browser) fill(at step, c Choice) (url.Values, error) {
	form := url.Values{"attempt": {field(at.page, `name="attempt" value="([^"]*)"`)}}
	if part := field(at.page, `name="step" value="([^"]*)"`); part != "" {
		form.Set("step", part)
	}
	switch {
	case strings.HasSuffix(at.action.Path, "/authenticate") || form.Get("step") == "login":
		return form, b.fillLogin(at, form, c.Login)
	case form.Get("step") == "choice":
		return form, fillChoice(at, form, c)
	}
	form.Set("decision", "allow")
	if c.Deny || !strings.Contains(at.page, `value="allow"`) { // the page of somebody who does not work there offers only to go back
		form.Set("decision", "deny")
	}
	for _, box := range regexp.MustCompile(`name="scope" value="([^"]*)"`).FindAllStringSubmatch(at.page, -1) {
		if name := html.UnescapeString(box[1]); !slices.Contains(c.Untick, name) {
			form.Add("scope", name)
		}
	}
	return form, nil
}

func (b *Browser) fillLogin(at step, form url.Values, login string) error {
	if login == "" {
		login = b.s.people[0].Login
	}
	who, known := b.s.person(login)
	name, password := who.Login, who.Password
	for _, f := range b.s.faces() {
		if f.api.host == at.action.Host {
			var one facePerson
			one, known = f.person(login)
			name, password = one.Login, one.Password
		}
	}
	if !known {
		return fmt.Errorf("the sandbox knows nobody called %q", login)
	}
	if strings.Contains(at.page, `role="alert"`) {
		return fmt.Errorf("login of %q was refused", login)
	}
	form.Set("username", name)
	form.Set("password", password)
	return nil
}

// fillChoice takes the record that was chosen, or the first on the page.
func fillChoice(at step, form url.Values, c Choice) error {
	var offered []string
	for _, button := range regexp.MustCompile(`name="record" value="([^"]*)"`).FindAllStringSubmatch(at.page, -1) {
		offered = append(offered, html.UnescapeString(button[1]))
	}
	if strings.Contains(at.page, `role="alert"`) || len(offered) == 0 {
		return errors.New("there is nothing to choose, or the choice was refused")
	}
	form.Set("record", offered[0])
	for _, wanted := range []string{c.Patient, c.Encounter} {
		if slices.Contains(offered, wanted) {
			form.Set("record", wanted)
		}
	}
	return nil
}

// visit makes one request over the in-process door, on a connection of its own.
func (b *Browser) visit(method string, at *url.URL, form url.Values) (step, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := b.s.Dial(ctx, "tcp", at.Host)
	if err != nil {
		return step{}, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	r, err := http.NewRequestWithContext(ctx, method, at.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return step{}, fmt.Errorf("sandbox browser: %w", err)
	}
	r.Close = true
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", at.Scheme+"://"+at.Host)
	}
	for _, c := range b.jar.Cookies(at) {
		r.AddCookie(c)
	}
	if err := r.Write(conn); err != nil {
		return step{}, fmt.Errorf("sandbox browser: %w", err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		return step{}, fmt.Errorf("sandbox browser: %w", err)
	}
	defer answer.Body.Close()
	b.jar.SetCookies(at, answer.Cookies())
	return read(answer, at)
}

func read(answer *http.Response, at *url.URL) (step, error) {
	if location := answer.Header.Get("Location"); location != "" {
		next, err := at.Parse(location)
		return step{next: next}, err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return step{}, fmt.Errorf("sandbox browser: %w", err)
	}
	action := field(string(body), `<form method="post" action="([^"]*)"`)
	if answer.StatusCode == http.StatusOK && strings.Contains(string(body), `id="done"`) {
		return step{page: string(body)}, nil
	}
	if answer.StatusCode != http.StatusOK || action == "" {
		why := field(string(body), `role="alert"[^>]*>([^<]*)<`)
		return step{}, fmt.Errorf("the identity server answered %d without a redirect: %s", answer.StatusCode, why)
	}
	target, err := at.Parse(action)
	return step{action: target, page: string(body)}, err
}

// field is the first group of the first match in a page, unescaped.
func field(page, pattern string) string {
	found := regexp.MustCompile(pattern).FindStringSubmatch(page)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}
