package sandbox

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// This file and those named face_, fhir_, athena_ and ehr are the SMART on FHIR servers of the sandbox, "faces": one shaped
// like athenahealth and one like any other server that keeps to SMART App Launch 2.2. They share the sandbox's listeners,
// door, faults, log, clock and pages with the simulated Jane, and no account, key or token.

// FaceOptions are those of one SMART on FHIR server. The zero value works, on free loopback ports and with no app.
type FaceOptions struct {
	// Address and EHR are where the API and the EHR's own pages listen: a literal loopback IP and a port; "" means
	// 127.0.0.1:0. In process 0 stands for a fixed one (7103 and 7104 for athenahealth, 7105 and 7106 for the other).
	Address, EHR string
	// Issuer is iss of the ID tokens; it is never fetched. "" is a foreign host's for athenahealth, whose issuer is not its
	// API host, and the FHIR base for the other.
	Issuer string
	// Apps are the registered applications; Register adds more.
	Apps []App
	// Dial reaches the key sets that apps host themselves; nil is a socket to this machine alone.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Ways in which an app authenticates itself (OpenID Connect Core §9).
const (
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
	authKey   = "private_key_jwt"
	authNone  = "none"
)

// App is an application registered at a face.
type App struct {
	ID     string
	Secret string // "" lets the sandbox generate one, where the app has one
	Name   string // shown on the consent page; "" shows the ID
	// Service apps ask with client_credentials alone (2-legged); all others never do. "athenahealth guide, Token Endpoint":
	// credentials of the two kinds cannot be shared.
	Service bool
	// Auth is how it authenticates: client_secret_basic when empty, client_secret_post, private_key_jwt or none.
	Auth string
	// JWKS is an imported public key set; JWKSURL is where the app hosts one.
	JWKS, JWKSURL string
	// RedirectURIs are compared character by character.
	RedirectURIs []string
	// LaunchURL is what the EHR opens, with iss and launch.
	LaunchURL string
	// Scopes it may ask for; nil means every scope that is well formed.
	Scopes []string
}

// Face is one SMART on FHIR server of the sandbox. Its methods may be called from any goroutine.
type Face struct {
	s       *Sandbox
	name    string
	athena  bool
	api     *server
	ehr     *server
	base    string // path of the FHIR API
	auth    string // path of the OAuth endpoints
	issuer  string
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	people  []facePerson
	records *records
	ring    faceKeys

	// Sandbox.mu guards what follows.
	switches switches
	apps     map[string]App
	planned  planned
	gate     map[string]*count // token requests by app
	quota    *count            // API requests
	attempts map[string]*faceAttempt
	logins   map[string]*faceLogin
	codes    map[string]*faceCode
	refresh  map[string]*faceToken
	access   map[string]*faceToken
	launches map[string]*launch
	consents map[string][]string // scopes last granted, by subject and app
	jtis     map[string]time.Time
	seen     Presented
	heard    []string // client assertions
	services []ServiceGrant
}

// The names of the faces, which are also the roots of their endpoints' names.
const (
	faceAthena = "athena"
	faceSMART  = "smart"
)

// Practice is the practice of the simulated athenahealth, and OtherPractice another one behind the same FHIR base.
const (
	Practice      = "195900"
	OtherPractice = "195901"
)

// Athena is the simulated athenahealth; nil where Options did not ask for it.
func (s *Sandbox) Athena() *Face { return s.athena }

// SMART is the other SMART on FHIR server; nil where Options did not ask for it.
func (s *Sandbox) SMART() *Face { return s.smart }

// openFaces takes the listeners of the faces that are wanted, after Jane's.
func (s *Sandbox) openFaces(o Options, sockets bool) error {
	var err error
	if o.Athena != nil {
		if s.athena, err = s.newFace(faceAthena, *o.Athena, 7103, sockets); err != nil {
			return err
		}
	}
	if o.SMART != nil {
		if s.smart, err = s.newFace(faceSMART, *o.SMART, 7105, sockets); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sandbox) newFace(name string, o FaceOptions, port int, sockets bool) (*Face, error) {
	api, err := s.listen(o.Address, port, sockets)
	if err != nil {
		return nil, err
	}
	ehr, err := s.listen(o.EHR, port+1, sockets)
	if err != nil {
		return nil, err
	}
	f := &Face{
		s: s, name: name, athena: name == faceAthena, api: api, ehr: ehr, base: "/fhir/r4", auth: "/oauth2/v1/",
		issuer: "https://athena.sandbox.invalid/oauth2/aussandbox", dial: o.Dial, apps: map[string]App{}, gate: map[string]*count{},
		quota: &count{}, attempts: map[string]*faceAttempt{}, logins: map[string]*faceLogin{}, codes: map[string]*faceCode{},
		refresh: map[string]*faceToken{}, access: map[string]*faceToken{}, launches: map[string]*launch{},
		consents: map[string][]string{}, jtis: map[string]time.Time{},
	}
	if !f.athena {
		f.base, f.auth = "/sim/abc/fhir", "/sim/abc/auth/"
		f.issuer = f.FHIRBase()
	}
	if o.Issuer != "" {
		f.issuer = o.Issuer
	}
	if f.dial == nil {
		f.dial = dialHere
	}
	f.switches = defaultSwitches(f.athena)
	f.people = newFacePeople(f)
	f.records = newRecords(f, s.now())
	for _, p := range f.people {
		s.remember(p.Password)
	}
	for _, app := range o.Apps {
		if _, err := f.Register(app); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// listen takes one more listener, which no other may have.
func (s *Sandbox) listen(address string, port int, sockets bool) (*server, error) {
	srv, err := newServer(address, port, sockets)
	if err != nil {
		return nil, err
	}
	s.servers = append(s.servers, srv)
	for _, other := range s.servers[:len(s.servers)-1] {
		if other.host == srv.host {
			return nil, fmt.Errorf("sandbox address %s is given twice", srv.host)
		}
	}
	return srv, nil
}

// serve starts answering, once everything else stands.
func (f *Face) serve() {
	api, pages := f.apiHandler(), f.ehrHandler()
	f.api.serve(&door{s: f.s, host: f.api.host, where: f.where, accept: func(*http.Request) http.Handler { return api }})
	f.ehr.serve(&door{s: f.s, host: f.ehr.host, where: f.whereEHR, accept: func(*http.Request) http.Handler { return pages }})
}

// Register adds an app or replaces the one with the same ID, and returns it as stored, with its secret.
func (f *Face) Register(app App) (App, error) {
	if app.Auth == "" {
		app.Auth = authBasic
	}
	if app.Name == "" {
		app.Name = app.ID
	}
	if err := f.check(app); err != nil {
		return App{}, fmt.Errorf("sandbox app %q: %w", app.ID, err)
	}
	switch {
	case app.Auth == authKey || app.Auth == authNone:
		app.Secret = ""
	case app.Secret == "":
		app.Secret = f.s.mint("SBX-")
	default:
		f.s.remember(app.Secret)
	}
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.apps[app.ID] = app
	return app, nil
}

// Apps lists the registered apps with their secrets, by id.
func (f *Face) Apps() []App {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	var all []App
	for _, id := range sortedNames(f.apps) {
		all = append(all, f.apps[id])
	}
	return all
}

func (f *Face) app(id string) (App, bool) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	app, known := f.apps[id]
	return app, known
}

// Name is "athenahealth" or "smart".
func (f *Face) Name() string {
	if f.athena {
		return "athenahealth"
	}
	return "smart"
}

// Origin is that of the API host.
func (f *Face) Origin() string { return f.api.origin }

// FHIRBase is the FHIR base URL: aud of an authorization and iss of a launch.
func (f *Face) FHIRBase() string { return f.api.origin + f.base }

// Issuer is iss of the ID tokens.
func (f *Face) Issuer() string { return f.issuer }

// EHROrigin is the origin of the EHR's own pages: what frames an embedded app and posts messages to it.
func (f *Face) EHROrigin() string { return f.ehr.origin }

// EHRPage is the address of the EHR's front page, where a person launches apps.
func (f *Face) EHRPage() string { return f.ehr.origin + "/" }

// Practice is the number of the practice in athenaOne's addresses and in ids; "" at the other face, which has none.
func (f *Face) Practice() string {
	if f.athena {
		return Practice
	}
	return ""
}

// Endpoints are the addresses of a face's OAuth endpoints.
type Endpoints struct{ Authorize, Token, Introspect, Revoke, Keys, Logout string }

// Endpoints lists them.
func (f *Face) Endpoints() Endpoints {
	at := f.api.origin + f.auth
	return Endpoints{at + "authorize", at + "token", at + "introspect", at + "revoke", at + "keys", at + "logout"}
}

// At names an endpoint of this face, for faults and counts: At("token/refresh_token"), At("fhir/Patient"); At("") is all.
func (f *Face) At(path string) Endpoint {
	return Endpoint(strings.TrimSuffix(f.name+"/"+path, "/"))
}

// faces lists the faces there are.
func (s *Sandbox) faces() []*Face {
	return slices.DeleteFunc([]*Face{s.athena, s.smart}, func(f *Face) bool { return f == nil })
}
