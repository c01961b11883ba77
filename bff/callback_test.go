package bff_test

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"locum/bff/sandbox"
	"locum/shared"
)

// TestT003TheCallbackLeavesNoTrace: 303, nothing in it, nothing kept, nothing told to the next page.
func TestT003TheCallbackLeavesNoTrace(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	state := clientState()
	back, err := b.sandbox.Approve(one.begin("jane", b.sandbox.Clinics()[0].URL, state), "robin@example.test", false)
	must(t, err)
	a := one.callback(back)
	if a.status != http.StatusSeeOther || len(a.body) != 0 || a.header.Get("Location") != "/connections/outcome" {
		t.Errorf("%d to %q with %q", a.status, a.header.Get("Location"), a.body)
	}
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("Cache-Control %q, Referrer-Policy %q", a.header.Get("Cache-Control"), a.header.Get("Referrer-Policy"))
	}
	if outcome := one.outcome(state); outcome.Code != shared.OutcomeConnected || outcome.Context.Page != shared.PageHome {
		t.Errorf("outcome %+v", outcome)
	}
	if a := one.callback(back); a.status != http.StatusBadRequest {
		t.Errorf("a second time: %d", a.status)
	}
	u, _ := url.Parse(back)
	for _, part := range []string{u.Query().Get("code"), u.Query().Get("state"), state, one.session, one.flow} {
		if strings.Contains(b.log.String(), part) {
			t.Error("the log holds a code, a state or a cookie")
		}
	}
}

// TestT021StrangeMethodsDoNotConsume: only one GET that a person meant redeems a code.
func TestT021StrangeMethodsDoNotConsume(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	state := clientState()
	back, err := b.sandbox.Approve(one.begin("jane", b.sandbox.Clinics()[0].URL, state), "robin@example.test", false)
	must(t, err)
	u, _ := url.Parse(back)
	for _, method := range []string{"HEAD", "POST", "PUT", "DELETE", "PATCH"} {
		if a := b.do(request{method, u.RequestURI(), [][2]string{one.cookies()}, ""}); a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, a.status)
		}
	}
	for _, header := range [][2]string{{"Sec-Purpose", "prefetch"}, {"Sec-Purpose", "prefetch;prerender"}, {"Purpose", "prefetch"}} {
		a := b.get(u.RequestURI(), one.cookies(), header)
		if a.status != http.StatusServiceUnavailable || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v: %d", header, a.status)
		}
	}
	if n := b.sandbox.Count(sandbox.EndpointToken); n != 0 {
		t.Fatalf("the code was sent %d times", n)
	}
	if a := one.callback(back); a.status != http.StatusSeeOther || one.outcome(state).Code != shared.OutcomeConnected {
		t.Errorf("the person's own GET: %d", a.status)
	}
}

// TestT016StatesThatAreNotOurs end on a page that says what happened, and redeem nothing.
func TestT016StatesThatAreNotOurs(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	back, err := b.sandbox.Approve(one.begin("jane", b.sandbox.Clinics()[0].URL, clientState()), "robin@example.test", false)
	must(t, err)
	u, _ := url.Parse(back)
	good := u.Query()
	with := func(name string, values ...string) string {
		q := url.Values{}
		for k, v := range good {
			q[k] = v
		}
		if q[name] = values; len(values) == 0 {
			delete(q, name)
		}
		return u.Path + "?" + q.Encode()
	}
	state, code := good.Get("state"), good.Get("code")
	flipped := "A" + state[1:]
	if flipped == state {
		flipped = "B" + state[1:]
	}
	for name, target := range map[string]string{
		"missing": with("state"), "empty": with("state", ""), "twice": with("state", state, state), "twice, other": with("state", "x", state),
		"unknown": with("state", clientState()+"."+clientState()), "flipped": with("state", flipped),
		"other case": with("state", swapCase(state)), "trailing space": with("state", state+" "), "cut": with("state", state[:len(state)-1]),
		"half": with("state", state[:43]), "long": with("state", strings.Repeat("a", 7<<10)),
		"code twice": with("code", code, code), "code control": with("code", "a\r\nb"), "no query": u.Path,
	} {
		a := one.callback(b.origin + target)
		if a.status < 400 || a.status > 499 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s", name, a.status, a.header.Get("Content-Type"))
		}
		if !bytes.Contains(a.body, []byte("/connections/outcome?error=")) || bytes.Contains(a.body, []byte(code)) || bytes.Contains(a.body, []byte(state)) {
			t.Errorf("%s: the page leads nowhere or repeats the request: %s", name, a.body)
		}
	}
	if a := one.callback(b.origin + "/connect/jane/callback?state=" + strings.Repeat("a", 1<<20)); a.status < 400 || a.status > 499 {
		t.Errorf("1 MB: %d", a.status)
	}
	state = clientState()
	back, err = b.sandbox.Approve(one.begin("jane", b.sandbox.Clinics()[0].URL, state), "robin@example.test", false)
	must(t, err)
	one.callback(strings.Replace(back, "/jane/", "/jane-two/", 1))
	if got := one.outcome(state).Code; got != shared.OutcomeMixUp {
		t.Errorf("at the other platform's address: %s", got)
	}
	if n := b.sandbox.Count(sandbox.EndpointToken); n != 0 {
		t.Errorf("a code was sent %d times", n)
	}
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 32
		case r >= 'A' && r <= 'Z':
			return r + 32
		}
		return r
	}, s)
}

// TestT020PlatformTextIsNeverShown: an error page of ours says our own words.
func TestT020PlatformTextIsNeverShown(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	for _, query := range []string{"error=access_denied&error_description=%3Cscript%3ECANARY%3C/script%3E&state=x",
		"error=%3Cimg%20src=x%3E&state=CANARY", "error=CANARY&error_uri=https://evil.test/"} {
		a := one.callback(b.origin + "/connect/jane/callback?" + query)
		if a.status != http.StatusBadRequest || bytes.Contains(a.body, []byte("CANARY")) || bytes.Contains(a.body, []byte("evil.test")) ||
			bytes.Contains(a.body, []byte("<script")) || bytes.Contains(a.body, []byte("<img")) {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	if strings.Contains(b.log.String(), "CANARY") {
		t.Error("the log holds the platform's text")
	}
}

// TestT023TwoCookies: the callback needs the flow cookie of this browser and a living session; the session cookie itself
// does not come with it.
func TestT023TwoCookies(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	clinic := b.sandbox.Clinics()[0].URL
	approve := func(authorization string) string {
		back, err := b.sandbox.Approve(authorization, "robin@example.test", false)
		must(t, err)
		return back
	}
	state := clientState()
	back := approve(one.begin("jane", clinic, state))
	stranger := one
	stranger.flow = clientState()
	stranger.callback(back)
	if got := one.outcome(state).Code; got != shared.OutcomeOtherBrowser {
		t.Errorf("another browser: %s", got)
	}
	state = clientState()
	back = approve(one.begin("jane", clinic, state))
	u, _ := url.Parse(back)
	b.get(u.RequestURI())
	if got := one.outcome(state).Code; got != shared.OutcomeOtherBrowser {
		t.Errorf("no flow cookie: %s", got)
	}
	back = approve(one.begin("jane", clinic, clientState()))
	b.form(shared.PathSignOut, [][2]string{{"Cookie", "locum-dev-session=" + one.session}}, nil)
	one.callback(back)
	if n := b.sandbox.Count(sandbox.EndpointToken); n != 0 {
		t.Errorf("a code was sent %d times", n)
	}
}

// TestT024NoOpenRedirect: there is nothing in a request that names a target, and every Location is one of ours.
func TestT024NoOpenRedirect(t *testing.T) {
	b := open(t, nil)
	for _, target := range []string{"//evil.test", `/\evil.test`, "/%09/evil.test", "/%2f%2fevil.test", "https:evil.test", "/..//evil.test",
		" /evil.test", "javascript:alert(1)", "/@evil.test", "%252f%252fevil.test", "http://[", "%00"} {
		values := url.Values{"login": {loginOne}, "password": {password}}
		for _, name := range []string{"return_to", "next", "redirect", "rd", "url"} {
			values.Set(name, target)
		}
		path := shared.PathSignIn + "?next=" + url.QueryEscape(target)
		if a := b.form(path, [][2]string{{"Referer", target}}, values); a.header.Get("Location") != "/" {
			t.Errorf("%q leads to %q", target, a.header.Get("Location"))
		}
		a := b.form(shared.PathSignOut+"?next="+url.QueryEscape(target), nil, values)
		if a.header.Get("Location") != shared.PathSignIn {
			t.Errorf("signing out with %q leads to %q", target, a.header.Get("Location"))
		}
	}
}
