package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"locum/bff/sandbox"
)

// tab is a browser that shows what it sees.
type tab struct {
	*rig
	cookies map[string]string
}

func (b *tab) see(a reply) reply {
	b.Helper()
	for _, c := range a.Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/realms/"+b.realm+"/" {
			b.Errorf("cookie %s is not HttpOnly, Lax and of the realm", c)
		}
		b.cookies[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return a
}

func (b *tab) cookie() string {
	var all []string
	for name, value := range b.cookies {
		all = append(all, name+"="+value)
	}
	return strings.Join(all, "; ")
}

func (b *tab) open(at string) reply {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, at, nil)
	if err == nil {
		r.Header.Set("Cookie", b.cookie())
	}
	return b.see(b.do(r, err))
}

// send sends the form of a page and follows a redirect to another page.
func (b *tab) send(page reply, form url.Values, headers ...string) reply {
	b.Helper()
	form.Set("attempt", inputValue(page.text, "attempt"))
	action := "authenticate"
	if !strings.Contains(page.text, `login-actions/authenticate"`) {
		action = "consent"
	}
	got := b.see(b.post(b.Issuer(b.realm)+"/login-actions/"+action, form, append([]string{"Cookie", b.cookie()}, headers...)...))
	if next := got.Header.Get("Location"); strings.HasPrefix(next, "/realms/") {
		return b.open(strings.TrimSuffix(b.Issuer(""), "/realms/") + next)
	}
	return got
}

func newTab(g *rig) *tab { return &tab{g, map[string]string{}} }

func (b *tab) shows(a reply, words string) {
	b.Helper()
	if a.StatusCode != http.StatusOK || !strings.Contains(a.text, words) {
		b.Fatalf("page %d does not show %q:\n%s", a.StatusCode, words, a.text)
	}
}

// TestPages: what a person can do on the way.
func TestPages(t *testing.T) {
	allow := func(scopes ...string) url.Values { return url.Values{"decision": {"allow"}, "scope": scopes} }
	hint := func(login string) url.Values { return url.Values{"hint": {login}} }
	rows := []struct {
		name  string
		check func(b *tab)
	}{
		{"a wrong password asks again and keeps the name", func(b *tab) {
			page := b.send(b.open(b.ask()), url.Values{"username": {robin}, "password": {"guess"}})
			b.shows(page, `role="alert"`)
			b.shows(page, `value="`+robin+`"`)
			b.shows(b.send(page, url.Values{"username": {"nobody"}, "password": {""}}), `role="alert"`)
			b.shows(b.send(page, url.Values{"username": {strings.ToUpper(robin)}, "password": {b.People()[0].Password}}), "Allow Locum to work for you?")
		}},
		{"no page shows a password", func(b *tab) {
			page := b.open(b.ask())
			for _, one := range b.People() {
				b.shows(page, one.Name)
				equal(b, "password on the page", strings.Contains(page.text, one.Password), false)
			}
		}},
		{"one click on a fictional person, then consent in words", func(b *tab) {
			page := b.send(b.open(b.ask()), hint(alex))
			b.shows(page, "Patients and their contact details")
			b.shows(page, `value="patients:read" checked`)
			b.shows(page, b.Clinics()[0].Name)
			back := b.redirected(b.send(page, allow("patients:read", "appointments:read")))
			equal(b, "exchange", b.redeem(back.Get("code")).StatusCode, 200)
		}},
		{"consent may be partial, never more than asked, and not empty", func(b *tab) {
			page := b.send(b.open(b.ask()), hint(robin))
			b.shows(b.send(page, allow()), "Leave at least one box ticked")
			b.shows(b.send(page, allow("observations:create")), "Leave at least one box ticked")
			back := b.redirected(b.send(page, allow("appointments:read", "observations:create")))
			equal(b, "scope", claims(b.rig, b.redeem(back.Get("code")).json["access_token"])["scope"], any("appointments:read"))
		}},
		{"openid is no box", func(b *tab) {
			page := b.send(b.open(b.ask("scope", "openid patients:read")), hint(robin))
			equal(b, "box", strings.Contains(page.text, `value="openid"`), false)
			back := b.redirected(b.send(page, allow("patients:read")))
			equal(b, "scope", claims(b.rig, b.redeem(back.Get("code")).json["access_token"])["scope"], any("openid patients:read"))
		}},
		{"refusing comes back as access_denied", func(b *tab) {
			back := b.redirected(b.send(b.send(b.open(b.ask()), hint(robin)), url.Values{"decision": {"deny"}}))
			equal(b, "error", back.Get("error"), "access_denied")
			equal(b, "state and iss", back.Get("state")+back.Get("iss"), "st/ä+te"+b.Issuer(b.realm))
			equal(b, "has code", back.Has("code"), false)
		}},
		{"somebody who does not work there gets no code", func(b *tab) {
			page := b.send(b.open(b.ask("resource", b.Clinics()[1].URL)), hint(alex))
			b.shows(page, "You don’t work at "+b.Clinics()[1].Name)
			b.shows(b.send(page, allow("patients:read")), "You don’t work at")
			page = b.send(page, url.Values{"decision": {"switch"}})
			b.shows(page, "Log in to")
			b.shows(b.send(page, hint(robin)), "Allow Locum")
			back, err := b.Approve(b.ask("resource", b.Clinics()[1].URL), alex, false)
			must(b, err)
			equal(b, "Approve", strings.Contains(back, "error=access_denied"), true)
		}},
		{"the browser stays logged in; prompt=login asks again; prompt=none still needs consent", func(b *tab) {
			b.send(b.send(b.open(b.ask()), hint(robin)), url.Values{"decision": {"deny"}})
			b.shows(b.open(b.ask()), "Allow Locum")
			b.shows(b.open(b.ask("prompt", "consent")), "Allow Locum")
			b.shows(b.open(b.ask("prompt", "login")), "Log in to")
			equal(b, "error", b.redirected(b.open(b.ask("prompt", "none"))).Get("error"), "interaction_required")
		}},
		{"one login, one sid, at both clinics", func(b *tab) {
			browser, err := b.NewBrowser()
			must(b, err)
			var sid []string
			for _, c := range b.Clinics() {
				back, err := browser.Approve(b.ask("resource", c.URL), robin, false)
				must(b, err)
				at, err := url.Parse(back)
				must(b, err)
				got := b.redeem(at.Query().Get("code")).json
				equal(b, "session_state", got["session_state"], any(at.Query().Get("session_state")))
				sid = append(sid, at.Query().Get("session_state"))
			}
			equal(b, "second sid", sid[1], sid[0])
		}},
		{"a page works once", func(b *tab) {
			page := b.send(b.open(b.ask()), hint(robin))
			b.redirected(b.send(page, allow("patients:read")))
			equal(b, "status", b.send(page, allow("patients:read")).StatusCode, 400)
		}},
		{"another browser cannot use the page", func(b *tab) {
			page := b.send(b.open(b.ask()), hint(robin))
			b.cookies = map[string]string{}
			equal(b, "status", b.send(page, allow("patients:read")).StatusCode, 400)
		}},
		{"another site cannot send the form", func(b *tab) {
			page := b.send(b.open(b.ask()), hint(robin))
			equal(b, "status", b.send(page, allow("patients:read"), "Origin", "http://evil.test").StatusCode, 403)
			b.redirected(b.send(page, allow("patients:read"), "Origin", strings.TrimSuffix(b.Issuer(""), "/realms/")))
		}},
		{"names are text, not markup", func(b *tab) {
			_, err := b.Register(sandbox.Client{ID: "odd", Name: `<script>alert(1)</script>`, RedirectURIs: []string{callback}})
			must(b, err)
			page := b.open(b.ask("client_id", "odd"))
			equal(b, "script", strings.Contains(page.text, "<script>"), false)
			b.shows(page, "&lt;script&gt;")
		}},
		{"headers of a page", func(b *tab) {
			page := b.open(b.ask())
			equal(b, "CSP", page.Header.Get("Content-Security-Policy"),
				"default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' http://localhost:9999")
			equal(b, "others", page.Header.Get("X-Frame-Options")+page.Header.Get("Cache-Control")+page.Header.Get("Referrer-Policy"), "DENYno-storesame-origin")
			b.shows(b.open(strings.TrimSuffix(b.Issuer(""), "/realms/")+"/sandbox.css"), "prefers-color-scheme")
			b.shows(b.open(strings.TrimSuffix(b.Issuer(""), "realms/")), "identity server")
		}},
		{"Approve says why nothing came back", func(b *tab) {
			for login, at := range map[string]string{robin: b.ask("client_id", "nobody"), "nobody": b.ask()} {
				if _, err := b.Approve(at, login, false); err == nil {
					b.Errorf("no error for %s", login)
				}
			}
		}},
		{"discovery names what is served and no more", func(b *tab) {
			got := b.open(b.Issuer(b.realm) + "/.well-known/openid-configuration").json
			equal(b, "issuer", got["issuer"], any(b.Issuer(b.realm)))
			equal(b, "RFC 9207 §3", got["authorization_response_iss_parameter_supported"], any(true))
			layout := map[string]string{"authorization_endpoint": "auth", "token_endpoint": "token", "revocation_endpoint": "revoke", "jwks_uri": "certs"}
			for name, leaf := range layout {
				equal(b, name, got[name], any(b.endpoint(leaf)))
			}
			equal(b, "unknown realm", b.open(b.Issuer("x")+"/.well-known/openid-configuration").StatusCode, 404)
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) { row.check(newTab(newRig(t))) })
	}
}
