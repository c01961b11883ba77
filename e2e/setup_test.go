package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	neturl "net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"locum/bff"
	"locum/bff/config"
	"locum/bff/vault"
	"locum/shared"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// startEmpty serves a Locum without any account, as `locum serve` does, until the test ends. It answers its address and
// its data directory.
func startEmpty(t *testing.T) (url, data string) {
	t.Helper()
	listener := listen(t)
	url = fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	return url, serveEmpty(t, listener, url)
}

// startBehindHTTP2 does the same behind a proxy that speaks TLS and HTTP/2 to browsers, and HTTP/1.1 to Locum: Go's own, of
// which Caddy and Traefik are made.
func startBehindHTTP2(t *testing.T) (url, data string) {
	t.Helper()
	listener := listen(t)
	to := &neturl.URL{Scheme: "http", Host: listener.Addr().String()}
	front := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.SetXForwarded()
		r.Out.Host = r.In.Host
	}})
	front.EnableHTTP2 = true
	front.StartTLS()
	t.Cleanup(front.Close)
	url = fmt.Sprintf("https://localhost:%d", front.Listener.Addr().(*net.TCPAddr).Port)
	return url, serveEmpty(t, listener, url)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	return listener
}

func serveEmpty(t *testing.T, listener net.Listener, public string) (data string) {
	t.Helper()
	if _, err := os.Stat("../web/static/app.wasm.br"); err != nil {
		t.Skip("the browser half is not built: make build")
	}
	cfg, err := config.Parse(filepath.Join(t.TempDir(), "locum.yaml"), fmt.Appendf(nil, `public_url: %s
listen: %s
trusted_proxies: [127.0.0.1]
platforms: [{id: jane-sandbox, kind: jane, issuer: "https://login.id.janeapp.com/realms/jane_partner_sandbox", client_id: locum}]
`, public, listener.Addr()))
	must(t, err)
	must(t, vault.CreateKeyFile(cfg.MasterKeyFile))
	server, err := bff.Open(cfg, bff.Options{Log: quiet(), Setup: true})
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		must(t, <-served, server.Close())
	})
	return cfg.DataDir
}

// fill types into an emptied field.
func (b *browser) fill(selector, text string) {
	b.t.Helper()
	mustEvaluate[string](b, `document.querySelector('`+selector+`').value = ""`)
	b.typeInto(selector, text)
}

func (b *browser) value(selector string) string {
	b.t.Helper()
	return mustEvaluate[string](b, `document.querySelector('`+selector+`').value`)
}

// TestT119FirstAccount: an operator who has just started Locum follows its pages from the address to the home page, with
// the mistakes that people make on the way: each is named, and nothing has to be typed again but passwords.
func TestT119FirstAccount(t *testing.T) {
	const password = "a kettle on the windowsill"
	url, data := startEmpty(t)
	b := newBrowser(t)
	b.open(url)
	b.at(url + "/sign-in")
	b.click(`a[href="/setup"]`)
	b.at(url + "/setup")
	b.shot("setup-1")

	code, err := os.ReadFile(filepath.Join(data, bff.SetupFile))
	must(t, err)
	b.typeInto("#code", "0000-0000-0000-0000-0000-0000-0000")
	b.typeInto("#name", "Maya Example")
	b.typeInto("#login", "maya@clinic.example")
	submit := func(password, again string) {
		b.typeInto("#password", password)
		b.typeInto("#again", again)
		b.click(`button[type="submit"]`)
	}
	submit(password, password)
	b.says("That is not the code")
	b.shot("setup-2-wrong-code")
	b.fill("#code", strings.ToLower(strings.TrimSpace(string(code)))) // as somebody types it
	submit(password, password+"s")
	b.says("The two passwords are not the same")
	submit("too short", "too short")
	b.says("at least 15 characters")
	if name, login, typed := b.value("#name"), b.value("#login"), b.value("#password")+b.value("#again"); name != "Maya Example" || login != "maya@clinic.example" || typed != "" {
		t.Errorf("the form holds %q, %q and passwords %q", name, login, typed)
	}
	submit(password, password)
	b.ready("home")
	b.see(by("empty-home"))
	b.shot("setup-3-home")

	b.open(url + "/setup") // the door is shut: this page is no more
	b.gone("#code")
	b.open(url)
	b.ready("home")
	b.click(by("sign-out"))
	b.at(url + "/sign-in")
	b.gone(`a[href="/setup"]`)
	b.typeInto("#login", "maya@clinic.example")
	b.typeInto("#password", password)
	b.click(`button[type="submit"]`)
	b.ready("home")
	b.clean()
}

// TestT119SetupInFrench: the page speaks the language that the browser asks for.
func TestT119SetupInFrench(t *testing.T) {
	url, _ := startEmpty(t)
	b := newBrowser(t, chromedp.Flag("lang", "fr-CA"), chromedp.Flag("accept-lang", "fr-CA"))
	b.open(url + "/setup")
	b.says("Créer le premier compte")
	b.typeInto("#code", "0000")
	b.typeInto("#name", "Maïa Exemple")
	b.typeInto("#login", "maia")
	b.typeInto("#password", "une bouilloire au bord du lac")
	b.typeInto("#again", "une bouilloire au bord du lac")
	b.click(`button[type="submit"]`)
	b.says("Ce n’est pas le code")
	b.shot("setup-fr")
	b.clean()
}

// TestBehindHTTP2: no request of a browser's comes to Locum in chunks, which it would refuse, though HTTP/2 needs no
// Content-Length: not the forms, not the app's own calls, with a body and without.
func TestBehindHTTP2(t *testing.T) {
	url, data := startBehindHTTP2(t)
	b := newBrowser(t, chromedp.Flag("ignore-certificate-errors", true))
	b.open(url + "/setup")
	if spoken := mustEvaluate[string](b, `performance.getEntriesByType("navigation")[0].nextHopProtocol`); spoken != "h2" {
		t.Fatalf("the browser speaks %s", spoken)
	}
	code, err := os.ReadFile(filepath.Join(data, bff.SetupFile))
	must(t, err)
	b.typeInto("#code", string(code[:len(code)-1]))
	b.typeInto("#name", "Maya Example")
	b.typeInto("#login", "maya")
	b.typeInto("#password", "a kettle on the windowsill")
	b.typeInto("#again", "a kettle on the windowsill")
	b.click(`button[type="submit"]`)
	b.ready("home")
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", shared.PathActivity, "", http.StatusNoContent},
		{"POST", shared.PathConnect, `{}`, http.StatusBadRequest},
		{"DELETE", shared.PathConnections + "/none", "", http.StatusNotFound},
	} {
		options := fmt.Sprintf(`{method: %q, headers: {%q: %q, "Content-Type": "application/json"}`, c.method, shared.HeaderClient, shared.ClientApp)
		if c.body != "" {
			options += fmt.Sprintf(", body: %q", c.body)
		}
		status := mustEvaluate[int](b, fmt.Sprintf(`fetch(%q, %s}).then(a => a.status)`, c.path, options), chromedp.EvalAwaitPromise)
		if status != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, status, c.status)
		}
	}
	b.click(by("sign-out"))
	b.at(url + "/sign-in")
	b.clean()
}
