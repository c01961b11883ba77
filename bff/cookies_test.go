package bff_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"locum/bff"
	"locum/bff/config"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/shared"
)

// TestT087CookieForm: names, flags and entropy follow from the public URL alone.
func TestT087CookieForm(t *testing.T) {
	for _, c := range []struct{ scheme, prefix, secure string }{
		{"http", "locum-dev-", ""}, {"https", "__Host-locum-", "; secure"},
	} {
		t.Run(c.scheme, func(t *testing.T) {
			b := open(t, func(cfg *config.Config, _ *bff.Options) { cfg.PublicURL.Scheme = c.scheme })
			a := b.form(shared.PathSignIn, [][2]string{{"X-Forwarded-Proto", "https"}}, url.Values{"login": {loginOne}, "password": {password}})
			line := a.setCookie(c.prefix + "session")
			value := a.cookie(c.prefix + "session")
			if len(value) != 43 {
				t.Errorf("the session is %d characters, want 43 (256 bits)", len(value))
			}
			if want := c.prefix + "session=" + value + "; path=/; HttpOnly" + c.secure + "; SameSite=Strict"; !strings.EqualFold(line, want) {
				t.Errorf("session cookie is %q, want %q", line, want)
			}
			one := browser{bench: b, session: value}
			begun := one.change("POST", shared.PathConnect, shared.ConnectRequest{Platform: "jane", Clinic: b.sandbox.Clinics()[0].URL,
				ClientState: clientState(), Context: shared.Context{Page: "home"}})
			line, value = begun.setCookie(c.prefix+"flow"), begun.cookie(c.prefix+"flow")
			if want := c.prefix + "flow=" + value + "; max-age=600; path=/; HttpOnly" + c.secure + "; SameSite=Lax"; len(value) != 43 || !strings.EqualFold(line, want) {
				t.Errorf("flow cookie is %q, want %q", line, want)
			}
			for _, set := range append(a.header.Values("Set-Cookie"), begun.header.Values("Set-Cookie")...) {
				if strings.Contains(strings.ToLower(set), "domain") {
					t.Errorf("a cookie has a domain: %s", set)
				}
			}
		})
	}
}

// TestT087CookieReading: what is ambiguous, quoted, cut or called otherwise is no session.
func TestT087CookieReading(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	name, value := "locum-dev-session", one.session
	for _, c := range []struct {
		name    string
		lines   []string
		session bool
	}{
		{"alone", []string{name + "=" + value}, true},
		{"among others", []string{"a=b; " + name + "=" + value + "; c=d"}, true},
		{"others twice", []string{"a=b; a=b; " + name + "=" + value}, true},
		{"twice, equal", []string{name + "=" + value + "; " + name + "=" + value}, false},
		{"twice, planted first", []string{name + "=planted; " + name + "=" + value}, false},
		{"twice, planted last", []string{name + "=" + value + "; " + name + "=planted"}, false},
		{"twice, empty first", []string{name + "=; " + name + "=" + value}, false},
		{"two lines", []string{name + "=" + value, "a=b"}, false},
		{"two lines of ours", []string{name + "=" + value, name + "=" + value}, false},
		{"quoted", []string{name + `="` + value + `"`}, false},
		{"percent-encoded", []string{name + "=" + strings.Replace(value, value[:1], "%"+hex(value[0]), 1)}, false},
		{"other case of the name", []string{"Locum-Dev-Session=" + value}, false},
		{"the https name", []string{"__Host-locum-session=" + value}, false},
		{"without prefix", []string{"locum-session=" + value}, false},
		{"the flow's name", []string{"locum-dev-flow=" + value}, false},
		{"cut", []string{name + "=" + value[:42]}, false},
		{"longer", []string{name + "=" + value + "A"}, false},
		{"space inside", []string{name + "=" + value[:20] + " " + value[20:]}, false},
		{"space before =", []string{name + " =" + value}, false},
		{"comma", []string{name + "=" + value + ", a=b"}, false},
		{"none", nil, false},
	} {
		header := [][2]string{{"Sec-Fetch-Site", "same-origin"}}
		for _, line := range c.lines {
			header = append(header, [2]string{"Cookie", line})
		}
		want := http.StatusUnauthorized
		if c.session {
			want = http.StatusOK
		}
		if a := b.get(shared.PathSession, header...); a.status != want {
			t.Errorf("%s: %d, want %d", c.name, a.status, want)
		}
	}
}

func hex(c byte) string { return string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15]) }

// TestT087FlowCookieIsNoSession: one value never stands in for the other.
func TestT087FlowCookieIsNoSession(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	one.begin("jane", b.sandbox.Clinics()[0].URL, clientState())
	if a := (browser{bench: b, session: one.flow}).read(shared.PathSession); a.status != http.StatusUnauthorized {
		t.Errorf("the flow cookie opens a session: %d", a.status)
	}
}

// TestT022SignInChangesTheSession: a planted id is worth nothing before and after, and the session that the browser
// had before dies.
func TestT022SignInChangesTheSession(t *testing.T) {
	b := open(t, nil)
	values := url.Values{"login": {loginOne}, "password": {password}}
	planted := clientState()
	a := b.form(shared.PathSignIn, [][2]string{{"Cookie", "locum-dev-session=" + planted}}, values)
	first := a.cookie("locum-dev-session")
	if first == planted || first == "" {
		t.Fatalf("the session is %q", first)
	}
	if a := (browser{bench: b, session: planted}).read(shared.PathSession); a.status != http.StatusUnauthorized {
		t.Errorf("the planted id: %d", a.status)
	}
	a = b.form(shared.PathSignIn, [][2]string{{"Cookie", "locum-dev-session=" + first}}, values)
	second := a.cookie("locum-dev-session")
	if second == first {
		t.Error("the session did not change at sign-in")
	}
	if a := (browser{bench: b, session: first}).read(shared.PathSession); a.status != http.StatusUnauthorized {
		t.Errorf("the earlier session lives on: %d", a.status)
	}
	if a := (browser{bench: b, session: second}).read(shared.PathSession); a.status != http.StatusOK {
		t.Errorf("the new session: %d", a.status)
	}
	if strings.Contains(a.header.Get("Location"), second) {
		t.Error("the session stands in an address")
	}
}

// TestT088T006SignOutEndsOnTheServer, clears both cookies and tells the browser to forget.
func TestT088T006SignOutEndsOnTheServer(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	state := clientState()
	authorization := one.begin("jane", b.sandbox.Clinics()[0].URL, state)
	a := b.form(shared.PathSignOut, [][2]string{one.cookies()}, nil)
	if a.status != http.StatusSeeOther || a.header.Get("Location") != shared.PathSignIn || len(a.body) != 0 {
		t.Fatalf("%d %s %s", a.status, a.header.Get("Location"), a.body)
	}
	if got := a.header.Get("Clear-Site-Data"); got != `"cache", "storage"` {
		t.Errorf("Clear-Site-Data is %s", got)
	}
	for _, name := range []string{"locum-dev-session", "locum-dev-flow"} {
		if line := a.setCookie(name); !strings.HasPrefix(line, name+"=;") || !strings.Contains(line, "expires=") {
			t.Errorf("%s is not cleared: %q", name, line)
		}
	}
	if a := one.read(shared.PathSession); a.status != http.StatusUnauthorized || a.code(t) != shared.CodeSignedOut {
		t.Errorf("the old cookie: %d", a.status)
	}
	back, err := b.sandbox.Approve(authorization, "robin@example.test", false)
	must(t, err)
	if a := one.callback(back); a.status != http.StatusBadRequest {
		t.Errorf("the attempt outlives its session: %d", a.status)
	}
	if n := b.sandbox.Count(sandbox.EndpointToken); n != 0 {
		t.Errorf("an authorization of the ended session was redeemed %d times", n)
	}
	if a := b.form(shared.PathSignOut, nil, nil); a.status != http.StatusSeeOther {
		t.Errorf("signing out twice: %d", a.status)
	}
}

// TestT088PasswordAndDisableEndSessions: whoever was signed in is out before the call returns, and cannot come back in
// with a disabled account.
func TestT088PasswordAndDisableEndSessions(t *testing.T) {
	b := open(t, nil)
	one, two := b.signIn(loginOne), b.signIn(loginTwo)
	must(t, b.server.SetPassword(loginOne, secret.New(password+" anew")))
	if a := one.read(shared.PathSession); a.status != http.StatusUnauthorized {
		t.Errorf("after a new password: %d", a.status)
	}
	must(t, b.server.SetDisabled(loginTwo, true))
	if a := two.read(shared.PathSession); a.status != http.StatusUnauthorized {
		t.Errorf("after disabling: %d", a.status)
	}
	if a := b.form(shared.PathSignIn, nil, url.Values{"login": {loginTwo}, "password": {password}}); a.status != http.StatusUnauthorized {
		t.Errorf("a disabled account signs in: %d", a.status)
	}
	must(t, b.server.SetDisabled(loginTwo, false))
	two = b.typePassword(loginTwo)
	must(t, b.server.Accounts().SetDisabled(loginTwo, true)) // which ends no session that the server knows
	if a := two.read(shared.PathSession); a.status != http.StatusUnauthorized {
		t.Errorf("a session of a disabled account: %d", a.status)
	}
}
