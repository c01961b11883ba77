package bff_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"locum/bff"
	"locum/bff/config"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/shared"
)

// bench is Locum over a real socket with a sandbox behind it, a real vault and a captured log.
type bench struct {
	t       *testing.T
	cfg     *config.Config
	server  *bff.Server
	sandbox *sandbox.Sandbox
	addr    string // of the socket
	log     *syncBuffer
	origin  string
	stop    func() // ends Serve and waits for it
}

// The two practitioners of every bench, and a password that no answer and no log may hold.
const (
	loginOne = "robin"
	loginTwo = "noor"
	password = "correct-horse-CANARY-battery"
)

// open starts a bench. change may alter the configuration and the options before Locum opens.
func open(t *testing.T, change func(*config.Config, *bff.Options)) *bench {
	t.Helper()
	return openWith(t, sandbox.Options{}, func(*bench) {}, change)
}

// openWith starts one at a sandbox of another kind; more adds platforms to the configuration.
func openWith(t *testing.T, options sandbox.Options, more func(*bench), change func(*config.Config, *bff.Options)) *bench {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	box, err := sandbox.Start(options)
	must(t, err)
	t.Cleanup(func() { must(t, box.Close()) })
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	b := &bench{t: t, sandbox: box, addr: ln.Addr().String(), log: &syncBuffer{}}
	public := &url.URL{Scheme: "http", Host: "localhost:" + port}
	dir := t.TempDir()
	b.cfg = &config.Config{PublicURL: public, DataDir: filepath.Join(dir, "data"), MasterKeyFile: filepath.Join(dir, "key")}
	furnish(t, dir)
	opened := bff.Options{Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if change != nil {
		change(b.cfg, &opened)
	}
	b.origin = b.cfg.PublicURL.Scheme + "://" + b.cfg.PublicURL.Host
	b.platforms()
	more(b)
	b.server, err = bff.Open(b.cfg, opened)
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- b.server.Serve(ctx, ln) }()
	b.stop = sync.OnceFunc(func() {
		stop()
		must(t, <-served)
	})
	t.Cleanup(func() {
		b.stop()
		must(t, b.server.Close())
	})
	b.register()
	return b
}

// platforms configures both realms of the sandbox, as two platforms.
func (b *bench) platforms() {
	var clinics []platform.ClinicLink
	for _, clinic := range b.sandbox.Clinics() {
		clinics = append(clinics, platform.ClinicLink{Name: clinic.Name, URL: clinic.URL})
	}
	for id, realm := range map[string]string{"jane": sandbox.RealmProduction, "jane-two": sandbox.RealmSandbox} {
		p, err := platform.Jane(platform.JaneConfig{ID: id, Name: id, Issuer: b.sandbox.Issuer(realm), ClientID: "locum",
			PublicURL: b.origin, Clinics: clinics})
		must(b.t, err)
		b.cfg.Platforms = append(b.cfg.Platforms, p)
	}
}

func (b *bench) register() {
	client, err := b.sandbox.Register(sandbox.Client{ID: "locum", Name: "Locum", RedirectURIs: []string{
		b.origin + shared.CallbackPath("jane"), b.origin + shared.CallbackPath("jane-two")}})
	must(b.t, err)
	for _, p := range b.cfg.Platforms {
		if p.Kind == platform.KindJane {
			must(b.t, b.server.SetClientSecret(p.ID, secret.New(client.Secret)))
		}
	}
}

// furnished are the files of a data directory in which both practitioners have their accounts, and its key: made once,
// since a password is costly to hash.
var furnished = sync.OnceValues(func() (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "locum-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cfg := &config.Config{PublicURL: &url.URL{Scheme: "http", Host: "localhost"}, DataDir: filepath.Join(dir, "data"),
		MasterKeyFile: filepath.Join(dir, "key")}
	if err := bff.EnsureKeyFile(cfg.MasterKeyFile); err != nil {
		return nil, err
	}
	server, err := bff.Open(cfg, bff.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	for _, login := range []string{loginOne, loginTwo} {
		if _, err := server.Accounts().Add(login, login+" surname", secret.New(password)); err != nil {
			return nil, errors.Join(err, server.Close())
		}
	}
	if err := server.Close(); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	err = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[strings.TrimPrefix(path, dir)], err = os.ReadFile(path)
		return err
	})
	return files, err
})

// furnish puts them into dir.
func furnish(t *testing.T, dir string) {
	t.Helper()
	files, err := furnished()
	must(t, err)
	must(t, os.Mkdir(filepath.Join(dir, "data"), 0o700))
	for name, content := range files {
		must(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
}

// answer is one HTTP answer, fully read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) code(t *testing.T) shared.Code {
	t.Helper()
	var problem shared.Problem
	if err := json.Unmarshal(a.body, &problem); err != nil {
		t.Fatalf("%d is no problem: %v: %s", a.status, err, a.body)
	}
	return problem.Code
}

// setCookie finds the Set-Cookie line of a cookie.
func (a answer) setCookie(name string) string {
	for _, line := range a.header.Values("Set-Cookie") {
		if strings.HasPrefix(line, name+"=") {
			return line
		}
	}
	return ""
}

func (a answer) cookie(name string) string {
	value, _, _ := strings.Cut(strings.TrimPrefix(a.setCookie(name), name+"="), ";")
	return value
}

// raw sends bytes as they are and reads one answer; closed says that the connection ended after it.
func (b *bench) raw(request string) (a answer, closed bool) {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.addr)
	must(b.t, err)
	defer conn.Close()
	must(b.t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, unsent := io.WriteString(conn, request) // a server that refuses early closes while we still write
	reader := bufio.NewReader(conn)
	method, _, _ := strings.Cut(request, " ")
	response, err := http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		b.t.Fatalf("no answer to %q: %v, %v", short(request), err, unsent)
	}
	a = answer{status: response.StatusCode, header: response.Header}
	a.body, err = io.ReadAll(response.Body)
	must(b.t, err)
	if closed = response.Close; closed {
		_, err = reader.ReadByte()
		closed = err == io.EOF || err != nil && strings.Contains(err.Error(), "reset")
	}
	return a, closed
}

// request is a request as a browser would send it; do fills in Host and length.
type request struct {
	method, path string
	header       [][2]string
	body         string
}

func (b *bench) do(r request) answer {
	b.t.Helper()
	var text strings.Builder
	text.WriteString(r.method + " " + r.path + " HTTP/1.1\r\nHost: " + b.cfg.PublicURL.Host + "\r\nConnection: close\r\n")
	for _, h := range r.header {
		text.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	if r.body != "" || r.method == "POST" || r.method == "PUT" || r.method == "PATCH" {
		text.WriteString("Content-Length: " + strconv.Itoa(len(r.body)) + "\r\n")
	}
	a, _ := b.raw(text.String() + "\r\n" + r.body)
	return a
}

func (b *bench) get(path string, header ...[2]string) answer {
	b.t.Helper()
	return b.do(request{"GET", path, header, ""})
}

// browser is what the app's own page sends, signed in with a session cookie and perhaps a flow cookie.
type browser struct {
	*bench
	session, flow string
}

func (b browser) cookies() [2]string {
	list := []string{}
	if b.session != "" {
		list = append(list, b.name("session")+"="+b.session)
	}
	if b.flow != "" {
		list = append(list, b.name("flow")+"="+b.flow)
	}
	return [2]string{"Cookie", strings.Join(list, "; ")}
}

func (b *bench) name(which string) string {
	if b.cfg.PublicURL.Scheme == "https" {
		return "__Host-locum-" + which
	}
	return "locum-dev-" + which
}

func (b browser) read(path string) answer {
	b.t.Helper()
	return b.get(path, b.cookies(), [2]string{"Sec-Fetch-Site", "same-origin"}, [2]string{"Sec-Fetch-Dest", "empty"})
}

func (b browser) change(method, path string, body any) answer {
	b.t.Helper()
	r := request{method: method, path: path, header: [][2]string{b.cookies(), {"Origin", b.origin},
		{"Sec-Fetch-Site", "same-origin"}, {shared.HeaderClient, shared.ClientApp}}}
	if body != nil {
		encoded, err := json.Marshal(body)
		must(b.t, err)
		r.body = string(encoded)
		r.header = append(r.header, [2]string{"Content-Type", "application/json"})
	}
	return b.do(r)
}

func (b *bench) form(path string, header [][2]string, values url.Values) answer {
	b.t.Helper()
	all := append([][2]string{{"Content-Type", "application/x-www-form-urlencoded"}, {"Origin", b.origin}}, header...)
	return b.do(request{"POST", path, all, values.Encode()})
}

// signIn starts a session as the form does once the password has been found right.
func (b *bench) signIn(login string) browser {
	b.t.Helper()
	session, err := b.server.StartSession(login)
	must(b.t, err)
	return browser{bench: b, session: session}
}

// typePassword signs in by the form.
func (b *bench) typePassword(login string) browser {
	b.t.Helper()
	a := b.form(shared.PathSignIn, nil, url.Values{"login": {login}, "password": {password}})
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/" {
		b.t.Fatalf("sign-in of %s: %d %s", login, a.status, a.body)
	}
	return browser{bench: b, session: a.cookie(b.name("session"))}
}

// begin starts an authorization; the browser keeps the flow cookie.
func (b *browser) begin(platformID, clinic, clientState string) (authorizationURL string) {
	b.t.Helper()
	a := b.change("POST", shared.PathConnect, shared.ConnectRequest{Platform: platformID, Clinic: clinic, ClientState: clientState,
		Context: shared.Context{Page: shared.PageHome}})
	if a.status != http.StatusOK {
		b.t.Fatalf("begin: %d %s", a.status, a.body)
	}
	b.flow = a.cookie(b.name("flow"))
	var begun shared.ConnectAnswer
	must(b.t, json.Unmarshal(a.body, &begun))
	return begun.AuthorizationURL
}

// callback is what the browser asks for when the platform sends it back: no session cookie, since it is cross-site.
func (b browser) callback(callbackURL string) answer {
	b.t.Helper()
	u, err := url.Parse(callbackURL)
	must(b.t, err)
	return b.get(u.RequestURI(), [2]string{"Cookie", b.name("flow") + "=" + b.flow}, [2]string{"Sec-Fetch-Site", "cross-site"},
		[2]string{"Sec-Fetch-Mode", "navigate"}, [2]string{"Sec-Fetch-Dest", "document"})
}

// outcome asks how the attempt of a tab has ended.
func (b browser) outcome(clientState string) shared.Outcome {
	b.t.Helper()
	a := b.change("POST", shared.PathOutcome, shared.OutcomeRequest{ClientState: clientState})
	var outcome shared.Outcome
	if a.status != http.StatusOK {
		b.t.Fatalf("outcome: %d %s", a.status, a.body)
	}
	must(b.t, json.Unmarshal(a.body, &outcome))
	return outcome
}

// connect walks the whole way and gives the connection's id.
func (b *browser) connect(platformID string, clinic int, sandboxLogin string) string {
	b.t.Helper()
	state := clientState()
	back, err := b.sandbox.Approve(b.begin(platformID, b.sandbox.Clinics()[clinic].URL, state), sandboxLogin, false)
	must(b.t, err)
	if a := b.callback(back); a.status != http.StatusSeeOther {
		b.t.Fatalf("callback: %d %s", a.status, a.body)
	}
	outcome := b.outcome(state)
	if outcome.Code != shared.OutcomeConnected {
		b.t.Fatalf("outcome is %s", outcome.Code)
	}
	return outcome.Connection
}

// clientState is what a tab makes: 43 base64url characters.
func clientState() string { return secret.Random().Reveal() }

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func short(s string) string { return s[:min(len(s), 120)] }

// trust makes loopback a trusted proxy.
func trust(cfg *config.Config, yes bool) {
	if yes {
		cfg.TrustedProxies = append(cfg.TrustedProxies, netip.MustParsePrefix("127.0.0.0/8"))
	}
}
