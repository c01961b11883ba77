package connect_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"locum/bff/audit"
	"locum/bff/connect"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/bff/session"
	"locum/bff/tokens"
	"locum/bff/vault"
)

const (
	publicURL  = "https://locum.example"
	clientID   = "locum-test"
	jane       = "jane"               // the platform of the sandbox realm
	production = "production"         // the platform of the production realm
	robin      = "robin@example.test" // works at both clinics
	alex       = "alex@example.test"  // works at clinic a
)

// bench is a Connector with everything below it real, and the sandbox behind its in-process door.
type bench struct {
	t         testing.TB
	sandbox   *sandbox.Sandbox
	a, b      string // clinics
	dir       string
	key       vault.MasterKey
	logs      *logs
	vault     *vault.Vault
	audit     *audit.Log
	platforms *platform.Registry
	sessions  *session.Manager
	keeper    *tokens.Keeper
	connector *connect.Connector
}

// logs collects what is logged at the most verbose level.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type options struct {
	scopes []string
	more   []string // what may be allowed later
	openID bool
	pages  map[string][]string
	// sockets puts the sandbox on real ones, and dial, nil for the platform's own, between it and Locum; issuer is who jane
	// is instead of the sandbox.
	sockets bool
	dial    oauth.DialFunc
	issuer  string
	active  func(string) bool // nil: everybody may sign in
}

func newBench(t testing.TB, o options) *bench {
	t.Helper()
	start := sandbox.InProcess
	if o.sockets {
		start = sandbox.Start
	}
	s, err := start(sandbox.Options{Clients: []sandbox.Client{{
		ID: clientID, RedirectURIs: []string{publicURL + "/connect/jane/callback", publicURL + "/connect/production/callback"},
	}}})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	dir := t.TempDir()
	must(t, vault.CreateKeyFile(filepath.Join(dir, "master.key")))
	key, err := vault.ReadKeyFile(filepath.Join(dir, "master.key"))
	must(t, err)
	b := &bench{t: t, sandbox: s, a: s.Clinics()[0].URL, b: s.Clinics()[1].URL, dir: dir, key: key, logs: &logs{}}
	if o.dial == nil && !o.sockets {
		o.dial = s.Dial
	}
	b.platforms, err = platform.NewRegistry([]*platform.Platform{
		b.platform(jane, sandbox.RealmSandbox, o), b.platform(production, sandbox.RealmProduction, o),
	}, platform.Sources{Secret: func(string) (secret.String, error) { return secret.New(s.Clients()[0].Secret), nil }}, o.dial)
	must(t, err)
	t.Cleanup(b.platforms.Close)
	b.open(o)
	t.Cleanup(b.close)
	return b
}

func (b *bench) platform(id, realm string, o options) *platform.Platform {
	b.t.Helper()
	var clinics []platform.ClinicLink
	for _, c := range b.sandbox.Clinics() {
		clinics = append(clinics, platform.ClinicLink{Name: c.Name, URL: c.URL})
	}
	issuer := b.sandbox.Issuer(realm)
	if id == jane && o.issuer != "" {
		issuer = o.issuer
	}
	p, err := platform.Jane(platform.JaneConfig{
		ID: id, Issuer: issuer, ClientID: clientID, PublicURL: publicURL, Clinics: clinics,
		Scopes: o.scopes, MoreScopes: o.more, OpenID: o.openID,
	})
	must(b.t, err)
	return p
}

func (b *bench) open(o options) {
	b.t.Helper()
	log := slog.New(slog.NewTextHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	b.vault, err = vault.Open(filepath.Join(b.dir, "data"), b.key)
	must(b.t, err)
	b.audit, err = audit.Open(filepath.Join(b.dir, "audit.log"), b.vault.DeriveKey("audit"), "boot")
	must(b.t, err)
	b.sessions, err = session.New(b.vault, session.Limits{})
	must(b.t, err)
	b.keeper, err = tokens.New(tokens.Config{Vault: b.vault, Platforms: b.platforms, Audit: b.audit, Log: log})
	must(b.t, err)
	b.connector = connect.New(connect.Config{
		Vault: b.vault, Sessions: b.sessions, Tokens: b.keeper, Platforms: b.platforms, Audit: b.audit, Log: log, Pages: o.pages, Active: o.active,
	})
}

func (b *bench) close() {
	must(b.t, b.keeper.Close())
	must(b.t, b.audit.Close())
	must(b.t, b.vault.Close())
}

// tab is one practitioner's tab: who is signed in, the value it keeps, and the browser's flow cookie.
type tab struct {
	b       *bench
	who     string
	session string
	cookie  secret.String // of the session
	value   string
	flow    string
	back    vault.Context
}

// signIn opens a tab with a session of its own.
func (b *bench) signIn(practitioner string) *tab {
	b.t.Helper()
	cookie, s, err := b.sessions.Start(practitioner)
	must(b.t, err)
	return &tab{b: b, who: practitioner, session: s.ID, cookie: cookie, value: secret.Random().Reveal()}
}

// begin starts an authorization as the app does, with a new value of the browser's, and keeps the cookie.
func (tb *tab) begin(change func(*connect.BeginRequest)) (string, error) {
	tb.b.t.Helper()
	tb.value = secret.Random().Reveal()
	r := connect.BeginRequest{
		Practitioner: tb.who, Session: tb.session, Platform: jane, Clinic: tb.b.a, ClientState: tb.value, Context: tb.back,
		Flow: tb.flow, RequestID: "request",
	}
	if change != nil {
		change(&r)
	}
	answer, err := tb.b.connector.Begin(context.Background(), r)
	if err == nil {
		tb.flow = answer.Flow.Reveal()
	}
	return answer.AuthorizationURL, err
}

func (tb *tab) mustBegin(change func(*connect.BeginRequest)) *url.URL {
	tb.b.t.Helper()
	raw, err := tb.begin(change)
	must(tb.b.t, err)
	at, err := url.Parse(raw)
	must(tb.b.t, err)
	return at
}

// callback begins, approves as login, and gives the query of the callback.
func (tb *tab) callback(login string, change func(*connect.BeginRequest)) url.Values {
	tb.b.t.Helper()
	raw, err := tb.b.sandbox.Approve(tb.mustBegin(change).String(), login, false)
	must(tb.b.t, err)
	at, err := url.Parse(raw)
	must(tb.b.t, err)
	return at.Query()
}

// finish hands the callback over as the tab's browser does.
func (tb *tab) finish(query string) connect.Result {
	return tb.b.connector.Finish(context.Background(), connect.FinishRequest{
		Platform: jane, RawQuery: query, Flow: tb.flow, RequestID: "request",
	})
}

// outcome asks how it ended.
func (tb *tab) outcome() (vault.Outcome, error) {
	return tb.b.connector.Outcome(context.Background(), connect.Asker{Practitioner: tb.who, Session: tb.session}, tb.value)
}

// connected walks the whole way and gives the connection's id.
func (tb *tab) connected(login string, change func(*connect.BeginRequest)) string {
	tb.b.t.Helper()
	tb.wantResult(tb.finish(tb.callback(login, change).Encode()), connect.OutcomeConnected)
	o, err := tb.outcome()
	must(tb.b.t, err)
	return o.Connection
}

// wantResult checks result and outcome: both say the same.
func (tb *tab) wantResult(r connect.Result, code string) {
	tb.b.t.Helper()
	if r.Code != code || !r.Known {
		tb.b.t.Errorf("result is %+v, want %s", r, code)
	}
	if o, err := tb.outcome(); err != nil || o.Code != code {
		tb.b.t.Errorf("outcome is %q (%v), want %s", o.Code, err, code)
	}
}

// wantNothing: no connection, and so many requests with a code.
func (b *bench) wantNothing(exchanges int) {
	b.t.Helper()
	for _, who := range []string{"u1", "u2"} {
		if views, _ := b.keeper.List(who); len(views) != 0 {
			b.t.Errorf("%s has %d connections", who, len(views))
		}
	}
	if n := b.sandbox.Count(sandbox.EndpointExchange); n != exchanges {
		b.t.Errorf("%d token requests, want %d", n, exchanges)
	}
}

func (b *bench) attempts() (n int) {
	b.t.Helper()
	must(b.t, b.vault.View(func(tx *vault.Tx) error {
		n = vault.Attempts.Count(tx)
		return nil
	}))
	return n
}

// wantEvents compares the codes of the audit events of a kind.
func (b *bench) wantEvents(kind string, want ...string) {
	b.t.Helper()
	file, err := os.Open(filepath.Join(b.dir, "audit.log"))
	must(b.t, err)
	defer file.Close()
	var got []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var line map[string]any
		must(b.t, json.Unmarshal(lines.Bytes(), &line))
		if line["kind"] == kind {
			code, _ := line["code"].(string)
			got = append(got, code)
		}
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("audit has %s with codes %q, want %q", kind, got, want)
	}
}

func wantCode(t testing.TB, err error, code string) {
	t.Helper()
	var typed *connect.Error
	if !errors.As(err, &typed) || typed.Code != code {
		t.Errorf("error is %v, want %s", err, code)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
