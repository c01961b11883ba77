package proxy_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"locum/bff/audit"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/proxy"
	"locum/bff/secret"
	"locum/bff/throttle"
	"locum/bff/tokens"
	"locum/bff/vault"
)

const allScopes = "appointments:read patients:read observations:read observations:create observations:update companies:read webhooks:delete"

// rig is a Proxy on a real vault, keeper, limiter and audit trail, before fakes. Practitioner "u1" has a connection to
// each fake, named c0, c1 and so on.
type rig struct {
	t         testing.TB
	fakes     []*fake
	auditPath string
	auditKey  []byte
	audit     *audit.Log
	keeper    *tokens.Keeper
	registry  *platform.Registry
	limiter   *throttle.Limiter
	proxy     *proxy.Proxy
	logged    *logs
	strangers sync.Map // addresses dialled that are no fake's
}

type setup struct {
	fakes  []*fake
	limits throttle.Limits
	scopes string
	only   []*fake // the clinics that are configured; nil: all fakes
	dial   oauth.DialFunc
	stale  bool // tokens have expired
	issuer string

	secretOf func(platform string) (secret.String, error) // nil: there is none

	kind    string // "athena": c0 and c1 are two practices at the first fake; "smart": c0; "": Jane
	patient string // whom c0 was launched for, where it is not Jane
	style   string // and its style's URL
	change  func(*platform.Platform)
}

// logs collects what was logged.
type logs struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var plenty = throttle.Limits{Endpoint: throttle.Limit{N: 1 << 20, Window: time.Minute}, Clinic: throttle.Limit{N: 1 << 21, Window: time.Minute}}

func token(i int) string { return fmt.Sprintf("SBX-access-CANARY-%d", i) }

func newRig(t testing.TB, s setup) *rig {
	t.Helper()
	if s.limits == (throttle.Limits{}) {
		s.limits = plenty
	}
	if s.scopes == "" {
		s.scopes = allScopes
	}
	if s.secretOf == nil {
		s.secretOf = noSecret
	}
	if s.only == nil {
		s.only = s.fakes
	}
	r := &rig{t: t, fakes: s.fakes, logged: &logs{}}
	dir := t.TempDir()
	must(t, vault.CreateKeyFile(filepath.Join(dir, "master.key")))
	key, err := vault.ReadKeyFile(filepath.Join(dir, "master.key"))
	must(t, err)
	v, err := vault.Open(filepath.Join(dir, "data"), key)
	must(t, err)
	t.Cleanup(func() { v.Close() })
	must(t, v.Update(func(tx *vault.Tx) error {
		for i, address := range s.addresses() {
			id := fmt.Sprint("c", i)
			c := vault.Connection{
				ID: id, Practitioner: "u1", Platform: s.id(), Clinic: address, Subject: "sub", State: tokens.StateConnected,
				Scopes: strings.Fields(s.scopes), Access: secret.New(token(i)), Refresh: secret.New("SBX-refresh"),
				ReceivedAt: time.Now(), ExpiresIn: 8 * time.Hour, RefreshExpiresIn: 9 * time.Hour,
			}
			if s.kind != "" {
				c.Issuer = s.fakes[0].origin
				c.Launch = vault.LaunchContext{Patient: s.patient, StyleURL: s.style}
			}
			if s.stale {
				c.ReceivedAt = time.Now().Add(-c.ExpiresIn)
			}
			if err := vault.Connections.Put(tx, id, &c); err != nil {
				return err
			}
		}
		return nil
	}))
	r.auditPath, r.auditKey = filepath.Join(dir, "audit.log"), v.DeriveKey("audit")
	r.audit, err = audit.Open(r.auditPath, r.auditKey, "boot")
	must(t, err)
	r.registry, err = platform.NewRegistry([]*platform.Platform{r.platformOf(s)}, platform.Sources{Secret: s.secretOf}, r.dial(s.dial))
	must(t, err)
	log := slog.New(slog.NewTextHandler(r.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.keeper, err = tokens.New(tokens.Config{Vault: v, Platforms: r.registry, Audit: r.audit, Log: log})
	must(t, err)
	r.limiter = throttle.New(throttle.Config{})
	r.proxy = proxy.New(proxy.Config{Tokens: r.keeper, Limiter: r.limiter, Platforms: r.registry, Audit: r.audit, Log: log})
	t.Cleanup(func() {
		r.proxy.Close()
		r.keeper.Close()
		r.audit.Close()
		r.registry.Close()
	})
	return r
}

func noSecret(string) (secret.String, error) { return secret.String{}, os.ErrNotExist }

// id is the platform's.
func (s setup) id() string { return cmp.Or(s.kind, "jane") }

// addresses are the clinics of c0, c1 and so on.
func (s setup) addresses() []string {
	switch at := s.fakes[0].origin; s.kind {
	case "athena":
		return []string{at + "/v1/195900", at + "/v1/195901"}
	case "smart":
		return []string{at + "/fhir"}
	}
	var all []string
	for _, f := range s.fakes {
		all = append(all, f.origin)
	}
	return all
}

func (r *rig) platformOf(s setup) (p *platform.Platform) {
	r.t.Helper()
	if s.kind == "" {
		return r.platform(s)
	}
	app := platform.AppConfig{ID: s.kind, ClientID: "locum", PublicURL: "https://locum.example", Limits: &s.limits}
	var err error
	if s.kind == "athena" {
		p, err = platform.Athena(platform.AthenaConfig{AppConfig: app, Base: s.fakes[0].origin, Issuer: "https://issuer.example/oauth2/x",
			Practices: []platform.Practice{{ID: "195900"}, {ID: "195901"}}})
	} else {
		p, err = platform.SMART(platform.SMARTConfig{AppConfig: app, FHIRBase: s.fakes[0].origin + "/fhir"})
	}
	must(r.t, err)
	p.MaxAnswer = 1 << 20
	if s.change != nil {
		s.change(p)
	}
	return p
}

func (r *rig) platform(s setup) *platform.Platform {
	var clinics []platform.ClinicLink
	for i, f := range s.only {
		clinics = append(clinics, platform.ClinicLink{Name: fmt.Sprint("Clinic ", i), URL: f.origin})
	}
	if s.issuer == "" {
		s.issuer = "http://127.0.0.1:9/realms/jane"
	}
	p, err := platform.Jane(platform.JaneConfig{
		ID: "jane", Issuer: s.issuer, ClientID: "locum", PublicURL: "https://locum.example",
		Clinics: clinics, ClinicDomains: []string{"janeapp.example"}, Limits: &s.limits,
	})
	must(r.t, err)
	p.MaxAnswer = 1 << 20
	return p
}

// dial is nil, for the platform's own guarded dialler, when the fakes have sockets; else it reaches them by pipe and
// notes whoever else was asked for.
func (r *rig) dial(own oauth.DialFunc) oauth.DialFunc {
	if own != nil || r.fakes[0].listener != nil {
		return own
	}
	return func(_ context.Context, network, addr string) (net.Conn, error) {
		for _, f := range r.fakes {
			if f.addr == addr {
				client, server := net.Pipe()
				f.serve(server)
				return client, nil
			}
		}
		r.strangers.Store(addr, true)
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.ErrNotExist}
	}
}

// request is a call of u1 on connection c0.
func (r *rig) request(method, path string) *proxy.Request {
	r.t.Helper()
	parsed, err := platform.ParsePath(path)
	must(r.t, err)
	return &proxy.Request{
		RequestID: "req", Practitioner: "u1", Session: "session-hash", Remote: "203.0.113.9", Connection: "c0",
		Method: method, Path: parsed,
	}
}

func (r *rig) write(method, path, body string) *proxy.Request {
	q := r.request(method, path)
	q.ContentType, q.Body = "application/json", []byte(body)
	return q
}

// do runs a call with ten seconds of patience.
func (r *rig) do(q *proxy.Request) (*fasthttp.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out := &fasthttp.Response{}
	return out, r.proxy.Do(ctx, q, out)
}

func (r *rig) mustDo(q *proxy.Request) *fasthttp.Response {
	r.t.Helper()
	out, err := r.do(q)
	must(r.t, err)
	return out
}

// records reads the audit trail, without its head.
func (r *rig) records() []map[string]any {
	r.t.Helper()
	must(r.t, r.audit.Close())
	if _, err := audit.Verify(r.auditPath, r.auditKey); err != nil {
		r.t.Fatal(err)
	}
	b, err := os.ReadFile(r.auditPath)
	must(r.t, err)
	var all []map[string]any
	for line := range strings.Lines(string(b)) {
		var m map[string]any
		must(r.t, json.Unmarshal([]byte(line), &m))
		all = append(all, m)
	}
	return all[1:]
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Paths of the platform's API.
const (
	patients     = "/api/2026-01-01/patients"
	appointments = "/api/2026-01-01/appointments"
	company      = "/api/2026-01-01/company"
	observations = "/api/2026-01-01/medical-record/observations"
	webhook      = "/api/2026-01-01/webhooks/w1"
)

func isAudit(err error) bool { return errors.Is(err, audit.ErrUnavailable) }
