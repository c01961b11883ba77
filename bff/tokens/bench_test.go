package tokens_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"locum/bff/audit"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/secret"
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

// bench is a Keeper on a real vault, a real audit trail and the sandbox's in-process door. It works inside a synctest
// bubble and outside.
type bench struct {
	t         testing.TB
	sandbox   *sandbox.Sandbox
	a, b      string // clinics
	secret    atomic.Pointer[secret.String]
	dir       string
	key       vault.MasterKey
	vault     *vault.Vault
	audit     *audit.Log
	platforms *platform.Registry
	options   options
	made      func() []*platform.Platform // what is configured, made anew
	signer    func(id string) (oauth.SigningKey, error)
	keeper    *tokens.Keeper
	browser   *sandbox.Browser // of every authorization from now on; nil: a new one for each
}

// options change the bench before it opens.
type options struct {
	scopes  []string
	openID  bool
	refresh platform.RefreshPolicy
	mute    bool // the platform has no introspection endpoint
	ending  string
	keep    bool // connections are kept alive in the background

	signedIn func(practitioner string) bool
	active   func(practitioner string) bool
	notify   func(practitioner, connection, state, cause string)
}

func newBench(t testing.TB, o options) *bench {
	t.Helper()
	s, err := sandbox.InProcess(sandbox.Options{Clients: []sandbox.Client{{
		ID: clientID, RedirectURIs: []string{publicURL + "/connect/jane/callback", publicURL + "/connect/production/callback"},
	}}})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	dir := t.TempDir()
	must(t, vault.CreateKeyFile(filepath.Join(dir, "master.key")))
	key, err := vault.ReadKeyFile(filepath.Join(dir, "master.key"))
	must(t, err)
	b := &bench{t: t, sandbox: s, a: s.Clinics()[0].URL, b: s.Clinics()[1].URL, dir: dir, key: key, options: o}
	b.setSecret(s.Clients()[0].Secret)
	b.made = func() []*platform.Platform {
		return []*platform.Platform{b.platform(jane, sandbox.RealmSandbox, o), b.platform(production, sandbox.RealmProduction, o)}
	}
	b.register()
	b.open()
	t.Cleanup(b.close)
	return b
}

// register opens the platforms that are configured.
func (b *bench) register() {
	b.t.Helper()
	var err error
	b.platforms, err = platform.NewRegistry(b.made(), platform.Sources{
		Secret: func(string) (secret.String, error) { return *b.secret.Load(), nil }, Key: b.signer,
	}, b.sandbox.Dial)
	must(b.t, err)
	b.t.Cleanup(b.platforms.Close)
}

func (b *bench) platform(id, realm string, o options) *platform.Platform {
	b.t.Helper()
	var clinics []platform.ClinicLink
	for _, c := range b.sandbox.Clinics() {
		clinics = append(clinics, platform.ClinicLink{Name: c.Name, URL: c.URL})
	}
	p, err := platform.Jane(platform.JaneConfig{
		ID: id, Issuer: b.sandbox.Issuer(realm), ClientID: clientID, PublicURL: publicURL, Clinics: clinics,
		Scopes: o.scopes, OpenID: o.openID, Refresh: o.refresh, Ending: o.ending,
	})
	must(b.t, err)
	if o.mute {
		p.Server.Introspection = ""
	}
	return p
}

func (b *bench) setSecret(value string) {
	s := secret.New(value)
	b.secret.Store(&s)
}

func (b *bench) data() string { return filepath.Join(b.dir, "data") }

func (b *bench) open() {
	b.t.Helper()
	var err error
	b.vault, err = vault.Open(b.data(), b.key)
	must(b.t, err)
	b.audit, err = audit.Open(filepath.Join(b.dir, "audit.log"), b.vault.DeriveKey("audit"), "boot")
	must(b.t, err)
	b.openKeeper()
}

func (b *bench) openKeeper() {
	b.t.Helper()
	var err error
	b.keeper, err = tokens.New(tokens.Config{
		Vault: b.vault, Platforms: b.platforms, Audit: b.audit, SignedIn: b.options.signedIn, Active: b.options.active, Notify: b.options.notify,
	})
	must(b.t, err)
	if b.options.keep {
		b.keeper.Start()
	}
}

func (b *bench) close() {
	must(b.t, b.keeper.Close())
	must(b.t, b.audit.Close())
	_ = b.vault.Close() // some tests close it before
}

// restart is an orderly stop and a start.
func (b *bench) restart() {
	b.t.Helper()
	b.close()
	b.open()
}

// approve walks an authorization as package connect begins it, and gives what it redeems.
func (b *bench) approve(practitioner, login, platformID, clinic string, change func(*vault.Attempt)) tokens.Redemption {
	b.t.Helper()
	live, err := b.platforms.Get(platformID)
	must(b.t, err)
	a := vault.Attempt{
		State: "state", Platform: platformID, Clinic: clinic, Practitioner: practitioner, Session: "session",
		Verifier: oauth.NewVerifier(), Scopes: live.RequestScopes(nil),
	}
	var nonce string
	if live.OpenID {
		nonce = "a-nonce-of-this-test"
		a.Nonce = secret.New(nonce)
	}
	if change != nil {
		change(&a)
	}
	visit := b.sandbox.Approve
	if b.browser != nil {
		visit = b.browser.Approve
	}
	callback, err := visit(live.OAuth.AuthorizationURL(oauth.AuthorizationRequest{
		State: a.State, Challenge: oauth.Challenge(a.Verifier), Nonce: nonce, Scopes: a.Scopes, Resource: clinic,
	}), login, false)
	must(b.t, err)
	at, err := url.Parse(callback)
	must(b.t, err)
	params, err := oauth.ParseCallback(at.RawQuery)
	must(b.t, err)
	if params.Error != "" {
		b.t.Fatalf("the sandbox refused: %s: %s", params.Error, params.Description)
	}
	return tokens.Redemption{Attempt: a, Code: params.Code, RequestID: "request"}
}

// connect gives the id of a new connection of practitioner as login at clinic.
func (b *bench) connect(practitioner, login, clinic string) string {
	b.t.Helper()
	c, err := b.keeper.Redeem(context.Background(), b.approve(practitioner, login, jane, clinic, nil))
	must(b.t, err)
	return c.ID
}

func (b *bench) fresh(practitioner, id string) tokens.Lease {
	b.t.Helper()
	lease, err := b.keeper.Fresh(context.Background(), practitioner, id)
	must(b.t, err)
	return lease
}

func (b *bench) view(practitioner, id string) tokens.View {
	b.t.Helper()
	view, err := b.keeper.Get(practitioner, id)
	must(b.t, err)
	return view
}

// record reads the connection as the vault has it.
func (b *bench) record(id string) vault.Connection {
	b.t.Helper()
	c, err := b.find(id)
	must(b.t, err)
	return c
}

func (b *bench) find(id string) (c vault.Connection, err error) {
	err = b.vault.View(func(tx *vault.Tx) error {
		c, err = vault.Connections.Get(tx, id)
		return err
	})
	return c, err
}

func (b *bench) records() (n int) {
	b.t.Helper()
	must(b.t, b.vault.View(func(tx *vault.Tx) error {
		n = vault.Connections.Count(tx)
		return nil
	}))
	return n
}

// alter changes the stored record while no keeper is open.
func (b *bench) alter(id string, change func(*vault.Connection)) {
	b.t.Helper()
	c := b.record(id)
	change(&c)
	must(b.t, b.vault.Update(func(tx *vault.Tx) error {
		next := c
		return vault.Connections.Put(tx, id, &next)
	}))
}

// refreshes counts the refresh requests that the identity server has seen.
func (b *bench) refreshes() int { return b.sandbox.Count(sandbox.EndpointRefresh) }

// works says whether the clinic accepts the token: the sandbox's own judgement, not ours.
func (b *bench) works(lease tokens.Lease) bool {
	b.t.Helper()
	live, err := b.platforms.Get(lease.Platform)
	must(b.t, err)
	_, err = live.OAuth.VerifyAccess(context.Background(), lease.Access)
	return err == nil
}

// events gives the codes of the audit events of a kind, in order.
func (b *bench) events(kind string) []string {
	b.t.Helper()
	file, err := os.Open(filepath.Join(b.dir, "audit.log"))
	must(b.t, err)
	defer file.Close()
	codes := []string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var line map[string]any
		must(b.t, json.Unmarshal(lines.Bytes(), &line))
		if line["kind"] == kind {
			code, _ := line["code"].(string)
			codes = append(codes, code)
		}
	}
	return codes
}

func (b *bench) wantEvents(kind string, want ...string) {
	b.t.Helper()
	if got := b.events(kind); !slices.Equal(got, want) {
		b.t.Errorf("audit has %s with codes %q, want %q", kind, got, want)
	}
}

func wantKind(t testing.TB, err error, kind tokens.Kind, code string) {
	t.Helper()
	var typed *tokens.Error
	if !errors.As(err, &typed) || typed.Kind != kind || typed.Code != code {
		t.Errorf("error is %v, want kind %v with code %q", err, kind, code)
	}
}

func wantState(t testing.TB, view tokens.View, state, cause string) {
	t.Helper()
	if view.State != state || view.Cause != cause {
		t.Errorf("state is %q with cause %q, want %q with %q", view.State, view.Cause, state, cause)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pass lets d go by, in a bubble.
func pass(d time.Duration) { time.Sleep(d) }
