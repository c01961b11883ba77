package service_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"locum/bff/audit"
	"locum/bff/keys"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/bff/service"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// wide are the scopes of every service here; a set of parameters is a part of them.
var wide = []string{
	"system/Patient.read", "system/Observation.read", "system/Encounter.read", "system/Condition.read",
	"system/MedicationRequest.read", "system/AllergyIntolerance.read", "system/Practitioner.read", "system/Appointment.read", "system/Organization.read",
}

// bench is a Keeper on a real vault, a real audit trail, a real keeper of connections and the sandbox.
type bench struct {
	*service.Keeper
	t       testing.TB
	sandbox *sandbox.Sandbox
	faces   map[string]*sandbox.Face // by platform
	vault   *vault.Vault
	keys    *keys.Store
	dir     string

	mu      sync.Mutex
	secrets map[string]secret.String // by platform id + "/service"
}

// options of a bench. The zero value has the platforms athena and smart, in process.
type options struct {
	sockets   bool
	platforms []string // named athena… or smart…
	auth      oauth.Auth
	perMinute int
	scopes    []string
	cache     time.Duration // of the public keys
	dial      func(context.Context, string, string) (net.Conn, error)
}

func newBench(t testing.TB, o options) *bench {
	t.Helper()
	if o.platforms == nil {
		o.platforms = []string{"athena", "smart"}
	}
	if o.auth.Method == "" {
		o.auth.Method = oauth.AuthBasic
	}
	if o.scopes == nil {
		o.scopes = wide
	}
	b := &bench{t: t, faces: map[string]*sandbox.Face{}, secrets: map[string]secret.String{}}
	faces := sandbox.Options{Athena: &sandbox.FaceOptions{Dial: o.dial}, SMART: &sandbox.FaceOptions{Dial: o.dial}}
	start, dial := sandbox.InProcess, oauth.DialFunc(nil)
	if o.sockets {
		start = sandbox.Start
	}
	var err error
	if b.sandbox, err = start(faces); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.sandbox.Close() })
	if !o.sockets {
		dial = b.sandbox.Dial
	}
	base := t.TempDir()
	b.openVault(base)
	var all []*platform.Platform
	for _, id := range o.platforms {
		all = append(all, b.platform(id, o))
	}
	if b.keys, err = keys.New(b.vault, all); err != nil {
		t.Fatal(err)
	}
	b.open(all, dial)
	return b
}

func (b *bench) openVault(base string) {
	b.t.Helper()
	file := filepath.Join(base, "master.key")
	if err := vault.CreateKeyFile(file); err != nil {
		b.t.Fatal(err)
	}
	master, err := vault.ReadKeyFile(file)
	if err != nil {
		b.t.Fatal(err)
	}
	b.dir = filepath.Join(base, "data")
	if b.vault, err = vault.Open(b.dir, master); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = b.vault.Close() })
}

// platform makes a platform of one of the faces, with its service registered there.
func (b *bench) platform(id string, o options) *platform.Platform {
	b.t.Helper()
	app := platform.AppConfig{ID: id, ClientID: "people-" + id, PublicURL: "https://locum.example", JWKSCache: o.cache,
		Service: &platform.Service{ClientID: "service-" + id, Name: "Service of " + id, Auth: o.auth, Scopes: o.scopes, Operations: []string{"fhir.Patient.read"}},
		Refresh: platform.RefreshPolicy{PerMinute: o.perMinute}}
	var p *platform.Platform
	var err error
	if id[0] == 'a' {
		b.faces[id] = b.sandbox.Athena()
		p, err = platform.Athena(platform.AthenaConfig{AppConfig: app, Base: b.faces[id].Origin(), Issuer: b.faces[id].Issuer(),
			Practices: []platform.Practice{{ID: b.faces[id].Practice()}}})
	} else {
		b.faces[id] = b.sandbox.SMART()
		p, err = platform.SMART(platform.SMARTConfig{AppConfig: app, FHIRBase: b.faces[id].FHIRBase()})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	if p.Service.Auth.Method != oauth.AuthKey {
		b.register(id, sandbox.App{Auth: p.Service.Auth.Method})
	}
	return p
}

// register registers a platform's service at the face, and gives its secret to Locum.
func (b *bench) register(id string, app sandbox.App) {
	b.t.Helper()
	app.ID, app.Service = "service-"+id, true
	app, err := b.faces[id].Register(app)
	if err != nil {
		b.t.Fatal(err)
	}
	b.setSecret(id, app.Secret)
}

func (b *bench) setSecret(id, value string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.secrets[id+"/service"] = secret.New(value)
}

func (b *bench) secretOf(id string) (secret.String, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.secrets[id].Empty() {
		return secret.String{}, errors.New("there is none")
	}
	return b.secrets[id], nil
}

func (b *bench) open(all []*platform.Platform, dial oauth.DialFunc) {
	b.t.Helper()
	registry, err := platform.NewRegistry(all, platform.Sources{Secret: b.secretOf, Key: b.keys.Signer}, dial)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(registry.Close)
	trail, err := audit.Open(filepath.Join(b.dir, "audit.log"), b.vault.DeriveKey(audit.KeyPurpose), "boot")
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = trail.Close() })
	keeper, err := tokens.New(tokens.Config{Vault: b.vault, Platforms: registry, Audit: trail})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = keeper.Close() })
	b.Keeper, err = service.New(service.Config{Platforms: registry, Secret: b.secretOf, Key: b.keys.Signer, Admit: keeper.Admit, Audit: trail})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(b.Close)
}

// requests are those to a platform's token endpoint.
func (b *bench) requests(id string) int {
	return b.sandbox.Count(b.faces[id].At("token/client_credentials"))
}

func (b *bench) fresh(id string) tokens.Lease {
	b.t.Helper()
	lease, err := b.Fresh(context.Background(), service.IDOf(id))
	if err != nil {
		b.t.Fatal(err)
	}
	return lease
}

// failing is the error of a call, which must be one of ours.
func (b *bench) failing(id string) *tokens.Error {
	b.t.Helper()
	lease, err := b.Fresh(context.Background(), service.IDOf(id))
	var typed *tokens.Error
	if !errors.As(err, &typed) {
		b.t.Fatalf("a token of %v, and the error %v", lease.Scopes, err)
	}
	return typed
}

func (b *bench) view(id string) service.View {
	b.t.Helper()
	view, err := b.Get(service.IDOf(id))
	if err != nil {
		b.t.Fatal(err)
	}
	return view
}

// granted says which app a token was given to by a face, and with which scopes, sorted.
func (b *bench) granted(id, access string) string {
	b.t.Helper()
	for _, grant := range b.faces[id].Grants() {
		if grant.Token == access {
			scopes := slices.Clone(grant.Scopes)
			slices.Sort(scopes)
			return fmt.Sprint(grant.App, scopes)
		}
	}
	return "nobody's"
}

func (b *bench) wantState(id, state, cause, next string) {
	b.t.Helper()
	if v := b.view(id); v.State != state || v.Cause != cause || v.Next != next {
		b.t.Errorf("the service of %s is %s (%s), %s; want %s (%s), %s", id, v.State, v.Cause, v.Next, state, cause, next)
	}
}
