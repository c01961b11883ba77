package wire_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/shared"
)

var sessionPasts = []past{
	{ids: "CVE-2026-34454", product: "oauth2-proxy", class: "the old cookie survives the sign-in page", again: func(t *testing.T, h *house) {
		p := h.signIn(h.demo.People[1])
		old := p.cookies
		h.again(&p, h.demo.People[1])
		if p.cookies == old || h.signedIn(old) || !h.signedIn(p.cookies) {
			t.Error("after a new sign-in in the same browser the old cookie lives")
		}
	}},
	{ids: "CVE-2024-38513", product: "Fiber", class: "the session middleware adopts the client's id", again: func(t *testing.T, h *house) {
		for _, id := range []string{secret.Random().Reveal(), strings.Repeat("A", 43), "00000000-0000-0000-0000-000000000000", h.demo.People[0].Login, h.connection} {
			planted := "locum-dev-session=" + id
			a := h.send(t, "GET", "/sign-in", "Cookie: "+planted)
			if h.signedIn(planted) || strings.Contains(fmt.Sprint(a.header), id) {
				t.Errorf("%q is adopted", id)
			}
		}
	}},
	{ids: "CVE-2022-25896", product: "passport", class: "session fixation at sign-in and sign-out", again: fixation},
	{ids: "CVE-2023-45128, CVE-2023-45141", product: "Fiber", class: "a CSRF token forged, reused, not bound", again: func(t *testing.T, h *house) {
		for _, header := range []string{"X-Csrf-Token: x", "X-CSRF-Token: " + h.connection, "Csrf-Token: x"} {
			h.wantForbidden(t, header, "Cookie: csrf_=x; csrf_token=x; "+h.people[0].cookies)
		}
	}},
	{ids: "CVE-2025-24358, CVE-2025-47909", product: "gorilla/csrf", class: "the origin compared wrongly", again: func(t *testing.T, h *house) {
		own := strings.TrimPrefix(h.demo.URL, "http://")
		name, _, _ := strings.Cut(own, ":")
		for _, origin := range []string{"https://" + own, "http://" + name, "http://evil." + own, "http://" + own + ".evil.test", "http://" + own + "@evil.test", "HTTP://" + own + "/", "null", "http://" + strings.ToUpper(own)} {
			h.wantForbidden(t, "Origin: "+origin, shared.HeaderClient+": "+shared.ClientApp, "Cookie: "+h.people[0].cookies)
		}
		h.wantForbidden(t, "Referer: "+h.demo.URL+"/", shared.HeaderClient+": "+shared.ClientApp, "Cookie: "+h.people[0].cookies)
	}},
	{ids: "CVE-2021-41230", product: "Pomerium", class: "a changed account is not looked at again", again: func(t *testing.T, h *house) {
		login, p := h.demo.People[1].Login, h.signIn(h.demo.People[1])
		must(t, h.demo.Server.SetDisabled(login, true))
		if h.signedIn(p.cookies) {
			t.Error("a disabled account goes on")
		}
		must(t, h.demo.Server.SetDisabled(login, false))
		if h.signedIn(p.cookies) {
			t.Error("a session that ended is alive again")
		}
		h.people[1] = h.signIn(h.demo.People[1])
	}},
	{ids: "CVE-2023-48309", product: "next-auth", class: "the cookie of an unfinished flow is a session", again: func(t *testing.T, h *house) {
		p := h.signIn(h.demo.People[1])
		h.begin(t, p, "jane", h.demo.Sandbox.Clinics()[1].URL)
		flow := h.cookie(p, "locum-dev-flow")
		if flow == "" || h.signedIn("locum-dev-session="+flow) {
			t.Errorf("the flow cookie %.4q… signs in", flow)
		}
	}},
	{ids: "CVE-2025-66630", product: "Fiber", class: "guessable ids when randomness fails", again: func(t *testing.T, h *house) {
		seen := map[string]bool{}
		for range 8 {
			p := h.signIn(h.demo.People[1])
			_, value, _ := strings.Cut(p.cookies, "=")
			if len(value) != 43 || seen[value[:8]] || strings.Count(value, "-") == 4 || strings.Contains(value, "AAAAAAAA") {
				t.Errorf("a session's cookie has %d characters, begins like another or is a UUID", len(value))
			}
			seen[value[:8]] = true
		}
		h.people[1] = h.signIn(h.demo.People[1])
	}},
	{ids: "CVE-2026-27840, CVE-2026-55672, CVE-2024-28197", product: "ZITADEL", class: "a truncated token is accepted", again: func(t *testing.T, h *house) {
		name, value, _ := strings.Cut(h.people[0].cookies, "=")
		for n := range len(value) {
			if h.signedIn(name+"="+value[:n]) || h.signedIn(name+"="+value[n+1:]) {
				t.Errorf("%d characters of %d are enough", n, len(value))
			}
		}
		for _, more := range []string{value + "A", value + ".", value + "=", " " + value + " A", value + value} {
			if h.signedIn(name + "=" + more) {
				t.Errorf("a cookie with more than its characters is accepted")
			}
		}
	}},
	{ids: "CVE-2023-41338", product: "Fiber", class: "local is whoever says so", again: func(t *testing.T, h *house) {
		from := len(h.log.String())
		for _, name := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP"} {
			h.send(t, "POST", shared.PathSignIn, "Origin: "+h.demo.URL, name+": 203.0.113.77", "Content-Type: application/x-www-form-urlencoded", "", "login=nobody&password=wrong")
		}
		if strings.Contains(h.log.String()[from:], "203.0.113.77") || strings.Contains(h.trail(t), "203.0.113.77") {
			t.Error("a caller's word about its address is believed")
		}
	}},
	{ids: "CVE-2026-44332", product: "Fiber v3", class: "user names by what a failure tells", again: func(t *testing.T, h *house) {
		known, unknown := h.fail(t, h.demo.People[0].Login), h.fail(t, "nobody-of-that-name")
		if known.status != unknown.status || known.body != strings.ReplaceAll(unknown.body, "nobody-of-that-name", h.demo.People[0].Login) {
			t.Errorf("a known login is answered %d, an unknown one %d, or in other words", known.status, unknown.status)
		}
	}},
	{ids: "CVE-2025-54998, CVE-2025-54999", product: "OpenBao", class: "lockout passed by another spelling", again: func(t *testing.T, h *house) {
		login := h.demo.People[1].Login
		for _, spelling := range []string{strings.ToUpper(login), " " + login, login + " ", strings.ToUpper(login[:1]) + login[1:], login, login} {
			h.fail(t, spelling)
		}
		form := url.Values{"login": {login}, "password": {h.demo.People[1].Password}}.Encode()
		if status, _ := h.ask(h.people[1], "POST", shared.PathSignIn, "application/x-www-form-urlencoded", form); status != http.StatusTooManyRequests {
			t.Errorf("after six failures in five spellings: %d", status)
		}
	}},
	{ids: "CVE-2021-38553", product: "Vault", class: "files that others may read", again: func(t *testing.T, h *house) {
		n := 0
		must(t, filepath.WalkDir(h.demo.Dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			n++
			if info, err := entry.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s is %v, %v", entry.Name(), info.Mode(), err)
			}
			return nil
		}))
		if n < 4 {
			t.Errorf("only %d files", n)
		}
	}},
	{ids: "CVE-2024-51987", product: "Duende", class: "a pooled client keeps another user's token", again: ownAnswers},
}

func (h *house) signedIn(cookies string) bool {
	return h.send(h.t, "GET", shared.PathSession, "Cookie: "+cookies).status == http.StatusOK
}

// fail signs in with a wrong password.
func (h *house) fail(t *testing.T, login string) answer {
	t.Helper()
	return h.send(t, "POST", shared.PathSignIn, "Origin: "+h.demo.URL, "Content-Type: application/x-www-form-urlencoded", "",
		url.Values{"login": {login}, "password": {"this is not the password"}}.Encode())
}

// wantForbidden sends changes with these headers: each is 403 and changes nothing.
func (h *house) wantForbidden(t *testing.T, lines ...string) {
	t.Helper()
	for _, target := range [][2]string{{"POST", shared.PathConnect}, {"DELETE", shared.PathConnections + "/" + h.connection}, {"POST", shared.PathActivity}} {
		all := append([]string{"Content-Type: application/json"}, lines...)
		if a := h.send(t, target[0], target[1], append(all, "", "{}")...); a.status != http.StatusForbidden && a.status != http.StatusBadRequest {
			t.Errorf("%v with %q: %d", target, lines, a.status)
		}
	}
	if !h.alive() {
		t.Error("a refused request has changed something")
	}
}

func fixation(t *testing.T, h *house) {
	planted := secret.Random().Reveal()
	a := h.send(t, "POST", shared.PathSignIn, "Origin: "+h.demo.URL, "Cookie: locum-dev-session="+planted, "Content-Type: application/x-www-form-urlencoded", "",
		url.Values{"card": {h.demo.People[1].Login}}.Encode())
	set := a.header.Get("Set-Cookie")
	if a.status != http.StatusSeeOther || set == "" || strings.Contains(set, planted) || h.signedIn("locum-dev-session="+planted) {
		t.Errorf("sign-in with a planted cookie: %d", a.status)
	}
	cookie, _, _ := strings.Cut(set, ";")
	if !h.signedIn(cookie) {
		t.Fatal("the new cookie does not work")
	}
	if a := h.send(t, "POST", shared.PathSignOut, "Origin: "+h.demo.URL, "Cookie: "+cookie, "Content-Type: application/x-www-form-urlencoded", "", "x="); a.status != http.StatusSeeOther || h.signedIn(cookie) {
		t.Errorf("sign-out: %d, or the cookie lives on", a.status)
	}
}

// ownAnswers lets two practitioners call while their tokens are refused again and again: each gets their own clinic's
// answer, and each clinic sees its own practitioner's tokens alone.
func ownAnswers(t *testing.T, h *house) {
	second, clinics := h.signIn(h.demo.People[1]), h.demo.Sandbox.Clinics()
	other := h.connected(t, second, "jane", clinics[1].URL, "noor@example.test")
	want := [2]string{}
	who := [2]person{h.people[0], second}
	target := [2]string{h.proxyPrefix() + patients, shared.PathProxy + "/" + other + patients}
	for i := range who {
		_, body := h.ask(who[i], "GET", target[i], "", "")
		want[i] = string(body)
	}
	if want[0] == want[1] {
		t.Fatal("the two clinics cannot be told apart")
	}
	var calls sync.WaitGroup
	for i := range 8 {
		calls.Go(func() {
			for n := range 5 {
				if n == 2 {
					h.demo.Sandbox.RevokeAccess([]string{"robin@example.test", "noor@example.test"}[i%2], clinics[i%2].URL)
				}
				a := h.send(t, "GET", target[i%2], "Cookie: "+who[i%2].cookies)
				if a.status == 200 && a.body != want[i%2] {
					t.Errorf("caller %d is answered with something else", i)
				}
			}
		})
	}
	calls.Wait()
	owners := map[string]map[string]bool{}
	for _, r := range h.demo.Sandbox.Requests(sandbox.EndpointAPI) {
		token := r.Header.Get("Authorization")
		if owners[token] == nil {
			owners[token] = map[string]bool{}
		}
		owners[token][r.Host] = true
	}
	if len(owners) < 3 {
		t.Errorf("only %d tokens were used: nothing was refreshed", len(owners))
	}
	for _, hosts := range owners {
		if len(hosts) != 1 {
			t.Errorf("one token was seen by %d clinics", len(hosts))
		}
	}
}
