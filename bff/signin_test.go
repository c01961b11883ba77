package bff_test

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"locum/bff"
	"locum/bff/config"
	"locum/shared"
)

// TestSignInFailureSaysLittle: one sentence in the reader's language, the login escaped, the password nowhere.
func TestSignInFailureSaysLittle(t *testing.T) {
	b := open(t, nil)
	values := url.Values{"login": {`"><script>x</script>`}, "password": {"wrong-CANARY-password"}}
	a := b.form(shared.PathSignIn, [][2]string{{"Accept-Language", "fr-CA"}}, values)
	if a.status != http.StatusUnauthorized || len(a.header.Values("Set-Cookie")) != 0 {
		t.Errorf("%d %v", a.status, a.header)
	}
	if bytes.Contains(a.body, []byte("CANARY")) || bytes.Contains(a.body, []byte("<script")) || !bytes.Contains(a.body, []byte("&lt;script&gt;")) {
		t.Errorf("the form is %s", a.body)
	}
	if !bytes.Contains(a.body, []byte(`<html lang="fr">`)) || !bytes.Contains(a.body, []byte(`role="alert"`)) {
		t.Errorf("the form is %s", a.body)
	}
	unknown, known := values, url.Values{"login": {loginOne}, "password": {"wrong-CANARY-password"}}
	unknown.Set("login", "nobody")
	first, second := b.form(shared.PathSignIn, nil, unknown), b.form(shared.PathSignIn, nil, known)
	if first.status != second.status || !bytes.Equal(bytes.Replace(first.body, []byte("nobody"), []byte(loginOne), 1), second.body) {
		t.Error("an unknown login is told apart from a wrong password")
	}
	for name, body := range map[string]string{"huge login": "login=" + strings.Repeat("a", 300) + "&password=x", "huge password": "login=a&password=" + strings.Repeat("a", 2000),
		"empty": "", "not a form": "%zz", "semicolons": "login=a;password=b", "many": strings.Repeat("a=b&", 1000)} {
		r := request{"POST", shared.PathSignIn, [][2]string{{"Origin", b.origin}, {"Content-Type", "application/x-www-form-urlencoded"}}, body}
		if a := b.do(r); a.status != http.StatusUnauthorized && a.status != http.StatusBadRequest && a.status != http.StatusTooManyRequests {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if strings.Contains(b.log.String(), "CANARY") || strings.Contains(b.log.String(), "script") {
		t.Error("the log holds what was typed")
	}
}

// TestT092TheThrottleIsHonest: after a number of failures the answer is 429 with the time to wait, for this caller.
func TestT092TheThrottleIsHonest(t *testing.T) {
	b := open(t, nil)
	for range 120 {
		a := b.form(shared.PathSignIn, nil, url.Values{"login": {"nobody"}, "password": {"wrong-wrong-wrong"}})
		if a.status == http.StatusTooManyRequests {
			if a.header.Get("Retry-After") == "" || a.header.Get("Retry-After") == "0" || !bytes.Contains(a.body, []byte(`role="alert"`)) {
				t.Errorf("Retry-After %q: %s", a.header.Get("Retry-After"), a.body)
			}
			return
		}
		if a.status != http.StatusUnauthorized {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	t.Error("120 wrong passwords are not slowed down")
}

// TestDemoCards: one click signs in, on this machine only, and only where they are offered.
func TestDemoCards(t *testing.T) {
	cards := func(_ *config.Config, o *bff.Options) {
		o.Demo = &bff.Demo{Cards: []bff.DemoCard{{Login: loginOne, Name: "Robin", Note: "note"}}}
	}
	click := func(b *bench, login string, header ...[2]string) answer {
		return b.form(shared.PathSignIn, header, url.Values{"card": {login}})
	}
	t.Run("offered", func(t *testing.T) {
		b := open(t, cards)
		if page := b.get(shared.PathSignIn); !bytes.Contains(page.body, []byte(`name="card" value="robin"`)) {
			t.Errorf("no card: %s", page.body)
		}
		a := click(b, loginOne)
		if a.status != http.StatusSeeOther || (browser{bench: b, session: a.cookie("locum-dev-session")}).read(shared.PathSession).status != http.StatusOK {
			t.Errorf("the click: %d %s", a.status, a.body)
		}
		if a := click(b, loginTwo); a.status != http.StatusUnauthorized {
			t.Errorf("a login without a card: %d", a.status)
		}
		must(t, b.server.SetDisabled(loginOne, true))
		if a := click(b, loginOne); a.status != http.StatusUnauthorized {
			t.Errorf("a disabled account: %d", a.status)
		}
	})
	t.Run("from elsewhere", func(t *testing.T) {
		b := open(t, func(cfg *config.Config, o *bff.Options) { cards(cfg, o); trust(cfg, true) })
		far := [2]string{"X-Forwarded-For", "198.51.100.7"}
		if page := b.get(shared.PathSignIn, far); bytes.Contains(page.body, []byte(`name="card"`)) {
			t.Error("a card is offered to another machine")
		}
		if a := click(b, loginOne, far); a.status != http.StatusUnauthorized {
			t.Errorf("the click from another machine: %d", a.status)
		}
	})
	t.Run("not offered", func(t *testing.T) {
		b := open(t, nil)
		if a := click(b, loginOne); a.status != http.StatusUnauthorized {
			t.Errorf("the click: %d", a.status)
		}
	})
}
