package bff_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"locum/bff"
	"locum/bff/config"
	"locum/bff/secret"
	"locum/shared"
)

// empty is a bench whose vault has no account, as `locum serve` opens it.
func empty(t *testing.T) *bench {
	t.Helper()
	return open(t, func(cfg *config.Config, o *bff.Options) {
		must(t, os.RemoveAll(cfg.DataDir))
		o.Setup = true
	})
}

func (b *bench) setupFile() string { return filepath.Join(b.cfg.DataDir, bff.SetupFile) }

// setupCode reads the code as the operator does.
func (b *bench) setupCode() string {
	b.t.Helper()
	text, err := os.ReadFile(b.setupFile())
	must(b.t, err)
	return strings.TrimSuffix(string(text), "\n")
}

func filled(code string) url.Values {
	return url.Values{"code": {code}, "name": {"Maya Example"}, "login": {"maya@clinic.example"}, "password": {password}, "again": {password}}
}

// TestT119Bootstrap: from an empty vault to a signed-in practitioner, with the code in its file alone.
func TestT119Bootstrap(t *testing.T) {
	b := empty(t)
	if all, err := b.server.Accounts().List(); err != nil || len(all) != 0 {
		t.Fatalf("accounts %v, %v", all, err)
	}
	info, err := os.Stat(b.setupFile())
	must(t, err)
	code := b.setupCode()
	if info.Mode().Perm() != 0o600 || strings.Contains(b.log.String(), code[:9]) || !strings.Contains(b.log.String(), b.setupFile()) ||
		!strings.Contains(b.log.String(), b.origin+shared.PathSetup) {
		t.Errorf("mode %v, log %s", info.Mode(), b.log)
	}
	if a := b.get(shared.PathSignIn); a.status != http.StatusOK || !bytes.Contains(a.body, []byte(`href="/setup"`)) {
		t.Errorf("the sign-in page does not lead to the setup: %d %s", a.status, a.body)
	}
	a := b.get(shared.PathSetup)
	if a.status != http.StatusOK || !bytes.Contains(a.body, []byte(`name="again"`)) || bytes.Contains(a.body, []byte(code)) {
		t.Errorf("%d %s", a.status, a.body)
	}
	checkCommon(t, "setup", a, "http")
	a = b.form(shared.PathSetup, nil, filled(strings.ToLower(code)))
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	one := browser{bench: b, session: a.cookie(b.name("session"))}
	if a := one.read(shared.PathSession); a.status != http.StatusOK || !bytes.Contains(a.body, []byte("Maya Example")) {
		t.Errorf("not signed in: %d %s", a.status, a.body)
	}
	b.setupIsOver(filled(code))
	b.typePasswordAs("maya@clinic.example")
	b.stop()
	must(t, b.server.Close())
	text, err := os.ReadFile(b.trail())
	must(t, err)
	if bytes.Count(text, []byte(`"kind":"account_added"`)) != 2 || !bytes.Contains(text, []byte(`"code":"setup done"`)) || bytes.Contains(text, []byte("maya")) {
		t.Errorf("the trail is %s", text)
	}
	if _, err := b.verify(); err != nil {
		t.Error(err)
	}
	for _, part := range []string{code, strings.ToLower(code), strings.ReplaceAll(code, "-", ""), password, "Maya", "maya"} {
		if strings.Contains(b.log.String(), part) {
			t.Errorf("the log holds %q", part)
		}
	}
}

// setupIsOver: the file is gone, and /setup is like any other address that does not exist.
func (b *bench) setupIsOver(again url.Values) {
	b.t.Helper()
	if _, err := os.Stat(b.setupFile()); !errors.Is(err, fs.ErrNotExist) {
		b.t.Errorf("the file is still there: %v", err)
	}
	document := [2]string{"Sec-Fetch-Dest", "document"}
	for _, header := range [][2]string{document, {"Accept", "text/html"}} {
		here, nowhere := b.get(shared.PathSetup, header), b.get("/set-up", header)
		if here.status != http.StatusNotFound || nowhere.status != http.StatusNotFound || len(here.body) != len(nowhere.body) {
			b.t.Errorf("after the setup: %d, elsewhere %d\n%s\n%s", here.status, nowhere.status, here.body, nowhere.body)
		}
	}
	if a := b.form(shared.PathSetup, nil, again); a.status != http.StatusNotFound || a.setCookie(b.name("session")) != "" {
		b.t.Errorf("once more: %d %s", a.status, a.body)
	}
	if a := b.get(shared.PathSignIn); bytes.Contains(a.body, []byte("/setup")) {
		b.t.Error("the sign-in page still leads to the setup")
	}
}

func (b *bench) typePasswordAs(login string) {
	b.t.Helper()
	a := b.form(shared.PathSignIn, nil, url.Values{"login": {login}, "password": {password}})
	if a.status != http.StatusSeeOther {
		b.t.Errorf("sign-in: %d %s", a.status, a.body)
	}
}

// TestT119FormKeepsWhatWasTyped, but for the passwords, says one thing, in the reader's language, and changes nothing.
func TestT119FormKeepsWhatWasTyped(t *testing.T) {
	b := empty(t)
	code := b.setupCode()
	for _, c := range []struct {
		name, field, value string
		status             int
		says               string
	}{
		{"T119 wrong code", "code", "0000-0000-0000-0000-0000-0000-0000", http.StatusUnauthorized, "not the code"},
		{"T119 no code", "code", "", http.StatusUnauthorized, "not the code"},
		{"T119 endless code", "code", strings.Repeat("0", 5000), http.StatusUnauthorized, "not the code"},
		{"T119 code as markup", "code", `"><script>CANARY</script>`, http.StatusUnauthorized, "not the code"},
		{"T119 short password", "password", "CANARY-short", http.StatusBadRequest, "at least 15 characters"},
		{"T119 common password", "password", "passwordpassword", http.StatusBadRequest, "repeats itself"},
		{"T119 personal password", "password", "maya@clinic.example", http.StatusBadRequest, "mostly your name"},
		{"T119 endless password", "password", strings.Repeat("CANARY-", 400), http.StatusBadRequest, "too long"},
		{"T119 no text", "password", "CANARY-\xff\xfe-and-much-more-of-it", http.StatusBadRequest, "not text"},
		{"T119 typed once", "again", "CANARY-another-one", http.StatusBadRequest, "not the same"},
		{"T119 login", "login", "maya example", http.StatusBadRequest, "user name cannot be used"},
		{"T119 endless login", "login", strings.Repeat("m", 3000), http.StatusBadRequest, "user name cannot be used"},
		{"T119 name", "name", "a\u202eb", http.StatusBadRequest, "name cannot be used"},
	} {
		t.Run(c.name, func(t *testing.T) {
			values := filled(code)
			values.Set(c.field, c.value)
			if c.field == "password" {
				values.Set("again", c.value)
			}
			a := b.form(shared.PathSetup, nil, values)
			if a.status != c.status || !bytes.Contains(a.body, []byte(c.says)) || !bytes.Contains(a.body, []byte(`role="alert"`)) {
				t.Errorf("%d %s", a.status, a.body)
			}
			for _, field := range []string{"name", "login"} {
				if c.field != field && !bytes.Contains(a.body, []byte(`value="`+values.Get(field)+`"`)) {
					t.Errorf("%s is not kept: %s", field, a.body)
				}
			}
			if bytes.Contains(a.body, []byte("CANARY-")) || bytes.Contains(a.body, []byte("<script")) || bytes.Contains(a.body, []byte(password)) ||
				len(a.header.Values("Set-Cookie")) != 0 || len(a.body) > 8<<10 {
				t.Errorf("%v %s", a.header, a.body)
			}
			must(t, os.Remove(b.setupFile()))
			must(t, os.WriteFile(b.setupFile(), []byte(code+"\n"), 0o600)) // it was still there
		})
	}
	values := filled(code)
	values.Set("again", "autre")
	if a := b.form(shared.PathSetup, [][2]string{{"Accept-Language", "fr-CA"}}, values); !bytes.Contains(a.body, []byte(`<html lang="fr">`)) ||
		!bytes.Contains(a.body, []byte("ne sont pas les mêmes")) {
		t.Errorf("in French: %s", a.body)
	}
	if strings.Contains(b.log.String(), "CANARY") || strings.Contains(b.log.String(), code) {
		t.Error("the log holds what was typed")
	}
	if a := b.form(shared.PathSetup, nil, filled(code)); a.status != http.StatusSeeOther {
		t.Errorf("and then the right one: %d %s", a.status, a.body)
	}
}

// TestT119CrossSiteCannotSetUp: the form takes what its own page sends, as sign-in does.
func TestT119CrossSiteCannotSetUp(t *testing.T) {
	b := empty(t)
	body := filled(b.setupCode()).Encode()
	form := [2]string{"Content-Type", "application/x-www-form-urlencoded"}
	for name, header := range map[string][][2]string{
		"no origin": {form}, "null origin": {form, {"Origin", "null"}}, "another origin": {form, {"Origin", "https://evil.test"}},
		"cross-site": {form, {"Origin", b.origin}, {"Sec-Fetch-Site", "cross-site"}}, "same-site": {form, {"Origin", b.origin}, {"Sec-Fetch-Site", "same-site"}},
		"text": {{"Content-Type", "text/plain"}, {"Origin", b.origin}}, "multipart": {{"Content-Type", "multipart/form-data; boundary=x"}, {"Origin", b.origin}},
		"JSON": {{"Content-Type", "application/json"}, {"Origin", b.origin}},
	} {
		if a := b.do(request{"POST", shared.PathSetup, header, body}); a.status != http.StatusForbidden {
			t.Errorf("T119 %s: %d %s", name, a.status, a.body)
		}
	}
	if all, _ := b.server.Accounts().List(); len(all) != 0 {
		t.Errorf("accounts %v", all)
	}
}

// TestT119FiftyBrowsersOneWinner through real sockets.
func TestT119FiftyBrowsersOneWinner(t *testing.T) {
	b := empty(t)
	code := b.setupCode()
	var won, tooLate atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			switch a := b.form(shared.PathSetup, nil, filled(code)); a.status {
			case http.StatusSeeOther:
				won.Add(1)
			case http.StatusNotFound, http.StatusTooManyRequests:
				tooLate.Add(1)
			default:
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	all.Wait()
	if accounts, _ := b.server.Accounts().List(); won.Load() != 1 || tooLate.Load() != 49 || len(accounts) != 1 {
		t.Errorf("%d won, %d were too late, accounts %v", won.Load(), tooLate.Load(), accounts)
	}
	b.setupIsOver(filled(code))
}

// TestT119WrongCodesAreSlowedDown with an honest time to wait.
func TestT119WrongCodesAreSlowedDown(t *testing.T) {
	b := empty(t)
	for range 60 {
		a := b.form(shared.PathSetup, nil, filled("wrong"))
		if a.status == http.StatusTooManyRequests {
			if wait := a.header.Get("Retry-After"); wait == "" || wait == "0" {
				t.Errorf("Retry-After %q", wait)
			}
			return
		}
		if a.status != http.StatusUnauthorized {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	t.Error("60 wrong codes are not slowed down")
}

// TestT119NoSetupWithoutNeed: not with an account, not in the demo, and what a killed process left is removed; a code ends
// with its process.
func TestT119NoSetupWithoutNeed(t *testing.T) {
	t.Run("T119 with accounts", func(t *testing.T) {
		b := open(t, func(cfg *config.Config, o *bff.Options) {
			must(t, os.WriteFile(filepath.Join(cfg.DataDir, bff.SetupFile), []byte("left by a killed process\n"), 0o600))
			o.Setup = true
		})
		b.setupIsOver(filled("left by a killed process"))
	})
	t.Run("T119 not asked for", func(t *testing.T) {
		b := open(t, func(cfg *config.Config, _ *bff.Options) { must(t, os.RemoveAll(cfg.DataDir)) })
		b.setupIsOver(filled(""))
	})
	t.Run("T119 after a stop", func(t *testing.T) {
		b := empty(t)
		first := b.setupCode()
		b.stop()
		must(t, b.server.Close())
		if _, err := os.Stat(b.setupFile()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the file outlives the process: %v", err)
		}
		must(t, os.WriteFile(b.setupFile(), []byte(first+"\n"), 0o600)) // as kill -9 would leave it
		again, err := bff.Open(b.cfg, bff.Options{Log: slog.New(slog.DiscardHandler), Setup: true})
		must(t, err)
		if b.setupCode() == first {
			t.Error("the code of an earlier process is good again")
		}
		must(t, again.Close())
	})
	t.Run("T119 an account from elsewhere", func(t *testing.T) {
		b := empty(t)
		code := b.setupCode()
		_, err := b.server.Accounts().Add("noor", "Noor", secret.New(password))
		must(t, err)
		if a := b.form(shared.PathSetup, nil, filled(code)); a.status != http.StatusNotFound {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

// TestT119NoTrailNoAccount: what cannot go on record is not done, and the code stays good for when it can.
func TestT119NoTrailNoAccount(t *testing.T) {
	b := empty(t)
	code := b.setupCode()
	must(t, os.Rename(b.trail(), b.trail()+".away"))
	must(t, os.Mkdir(b.trail(), 0o700))
	if a := b.form(shared.PathSetup, nil, filled(code)); a.status != http.StatusServiceUnavailable || !bytes.Contains(a.body, []byte("right now")) {
		t.Errorf("%d %s", a.status, a.body)
	}
	if all, _ := b.server.Accounts().List(); len(all) != 0 {
		t.Errorf("accounts %v", all)
	}
	must(t, os.Remove(b.trail()))
	must(t, os.Rename(b.trail()+".away", b.trail()))
	b.until("ready", func() bool { return b.get(shared.PathReady).status == http.StatusOK })
	if a := b.form(shared.PathSetup, nil, filled(code)); a.status != http.StatusSeeOther {
		t.Errorf("%d %s", a.status, a.body)
	}
}
