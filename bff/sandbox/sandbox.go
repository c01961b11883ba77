// Package sandbox is a simulated Jane: an identity server shaped like Keycloak with two realms, and two fictional clinics
// that serve Jane's API. Where asked it is a simulated athenahealth too, and another SMART on FHIR server, each with an EHR
// that opens apps. It is stricter than the real platforms, so that a client that works here works there: exact
// redirect URIs, S256 only, codes and refresh tokens that die when they are used twice, one clinic per token. It fails on
// demand through Go methods, never through HTTP, and every secret it mints contains one literal marker, so that a scan of
// any bytes shows whether one leaked. All people and data in it are invented. It speaks to nobody but who asks it, and to
// this machine alone when it sends logout tokens or reads an app's keys; it keeps nothing after Close and imports nothing of Locum's; bff/demo runs
// it, and any test may.
package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The realms of the identity server, "Jane guide, Environment-Specific Realms".
const (
	RealmSandbox    = "jane_partner_sandbox"
	RealmProduction = "jane"
)

// Options of a sandbox. The zero value is a working sandbox on free loopback ports with no client.
type Options struct {
	// IAM, ClinicA and ClinicB are the addresses to listen on: a literal loopback IP and a port; "" means 127.0.0.1:0.
	// In process no port is opened and 0 stands for a fixed one (7100, 7101, 7102).
	IAM, ClinicA, ClinicB string
	// Clients are the registered extensions; Register adds more.
	Clients []Client
	// Athena and SMART add a simulated athenahealth and another SMART on FHIR server; nil adds none.
	Athena, SMART *FaceOptions
	// Rand feeds every value minted; nil means crypto/rand. Keys always come from crypto/rand.
	Rand io.Reader
}

// Client is a registered extension, "Jane guide, Step 1".
type Client struct {
	ID     string
	Secret string // "" lets the sandbox generate one, which carries the marker
	Name   string // shown on the consent page; "" shows the ID
	// Realms in which it is registered; nil means both.
	Realms []string
	// RedirectURIs are compared character by character (RFC 9700 §2.1).
	RedirectURIs []string
	// PostLogoutRedirectURIs are where a browser may be sent after logging out; nil means the RedirectURIs.
	PostLogoutRedirectURIs []string
	// Public clients have no secret (RFC 6749 §2.1), and introspection is not for them.
	Public bool
	// Scopes it may ask for; nil means every scope of the sandbox.
	Scopes []string
}

// Clinic is one of the two fictional clinics. URL is its origin: the value of resource and of aud.
type Clinic struct{ Name, URL string }

// Person is somebody who can log in at the identity server.
type Person struct {
	Login, Password, Name string
	Subject               string   // sub of every token
	Clinics               []string // origins of the clinics where they work
}

// Sandbox is a running simulation. Its methods may be called from any goroutine.
type Sandbox struct {
	randMu  sync.Mutex // guards rand
	rand    io.Reader
	pages   *template.Template
	iam     *server
	servers []*server
	clinics []*clinic
	people  []person
	athena  *Face
	smart   *Face
	closing chan struct{}
	live    context.Context // ends with Close
	stop    context.CancelFunc

	keyMu  sync.Mutex        // held while a first signing key is made
	keys   *keyring          // of all sandboxes in process; nil makes each key anew
	turn   atomic.Int64      // keys taken
	realms map[string]*realm // the map is fixed once started

	sending sync.WaitGroup // logout tokens under way

	mu          sync.Mutex // guards everything below, and what the realms hold
	closed      bool
	advanced    time.Duration
	skew        time.Duration
	turns       int64
	life        lifetimes
	policy      policy
	gate        Limit // of each realm's token endpoint
	clients     map[string]Client
	disabled    map[string]bool // subjects and ids of clients
	faults      faults
	log         requestLog
	presented   Presented
	minted      []string
	backchannel backchannel
}

// Start opens three loopback listeners and serves on them until Close.
func Start(o Options) (*Sandbox, error) { return start(o, true) }

// InProcess serves without sockets: only Dial reaches it. Every goroutine it starts ends in Close, so it may live inside a
// testing/synctest bubble. The sandboxes in process of one program share their signing keys, which cost a quarter of a
// second each: within one sandbox every key is another, and key ids are never the same.
func InProcess(o Options) (*Sandbox, error) { return start(o, false) }

func start(o Options, sockets bool) (*Sandbox, error) {
	pages, err := parsePages()
	if err != nil {
		return nil, err
	}
	s := &Sandbox{
		rand: o.Rand, pages: pages, closing: make(chan struct{}),
		clients: map[string]Client{}, disabled: map[string]bool{}, realms: map[string]*realm{},
		clinics: newClinics(), people: newPeople(),
	}
	s.live, s.stop = context.WithCancel(context.Background())
	if s.rand == nil {
		s.rand = rand.Reader
	}
	if !sockets {
		s.keys = &sharedKeys
	}
	s.policy = policy{reuse: 1, leeway: 30 * time.Second, detach: true, audience: true, reach: ReachLogin}
	s.life = lifetimes{lifeAccess, lifeRefresh, lifeLogin}
	if err := s.open(o, sockets); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	for _, p := range s.people {
		s.remember(p.Password)
	}
	for _, name := range []string{RealmSandbox, RealmProduction} {
		s.realms[name] = newRealm(name, s.Issuer(name), s.random(32))
	}
	for _, c := range o.Clients {
		if _, err := s.Register(c); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if err := s.openFaces(o, sockets); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	iam := s.iamHandler()
	s.iam.serve(&door{s: s, host: s.iam.host, where: iamEndpoint, accept: func(*http.Request) http.Handler { return iam }})
	for i, c := range s.clinics {
		srv := s.servers[i+1]
		srv.serve(&door{s: s, host: srv.host, where: apiEndpoint, accept: s.arrivals(c)})
	}
	for _, f := range s.faces() {
		f.serve()
	}
	return s, nil
}

func (s *Sandbox) open(o Options, sockets bool) error {
	if len(s.clinics) != 2 {
		return fmt.Errorf("sandbox has %d clinics, want 2", len(s.clinics))
	}
	for i, address := range []string{o.IAM, o.ClinicA, o.ClinicB} {
		srv, err := newServer(address, 7100+i, sockets)
		if err != nil {
			return err
		}
		for _, other := range s.servers {
			if other.host == srv.host {
				return errors.Join(fmt.Errorf("sandbox address %s is given twice", srv.host), srv.close())
			}
		}
		s.servers = append(s.servers, srv)
		if i > 0 {
			s.clinics[i-1].url = srv.origin
		}
	}
	s.iam = s.servers[0]
	return nil
}

// Close cuts every connection and returns when every goroutine of the sandbox has ended. It may be called twice.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if first {
		close(s.closing)
		s.stop()
	}
	var errs []error
	for _, srv := range s.servers {
		errs = append(errs, srv.close())
	}
	s.sending.Wait()
	return errors.Join(errs...)
}

// Register adds a client or replaces the one with the same ID, and returns it as stored, with its secret.
func (s *Sandbox) Register(c Client) (Client, error) {
	if c.ID == "" {
		return Client{}, errors.New("sandbox client without an id")
	}
	for _, realm := range c.Realms {
		if s.realms[realm] == nil {
			return Client{}, fmt.Errorf("sandbox client %q names an unknown realm %q", c.ID, realm)
		}
	}
	for _, uri := range append(slices.Clone(c.RedirectURIs), c.PostLogoutRedirectURIs...) {
		if !registrable(uri) {
			return Client{}, fmt.Errorf("sandbox client %q: redirect URI %q is not an exact https address, or http on this machine", c.ID, uri)
		}
	}
	for _, scope := range c.Scopes {
		if !knownScope(scope) {
			return Client{}, fmt.Errorf("sandbox client %q names an unknown scope %q", c.ID, scope)
		}
	}
	switch {
	case c.Public:
		c.Secret = ""
	case c.Secret == "":
		c.Secret = s.mint("SBX-")
	default:
		s.remember(c.Secret)
	}
	if c.Name == "" {
		c.Name = c.ID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c.ID] = c
	return c, nil
}

// registrable: "Jane guide, Step 1": https, fully qualified, no wildcard; RFC 6749 §3.1.2: no fragment; RFC 8252 §7.3: http
// on loopback alone.
func registrable(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || u.User != nil || strings.ContainsAny(uri, "#*\\ ") {
		return false
	}
	at, err := netip.ParseAddr(u.Hostname())
	here := u.Hostname() == "localhost" || err == nil && at.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && here
}

// Clients lists the registered clients with their secrets, in no order.
func (s *Sandbox) Clients() []Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Client
	for _, c := range s.clients {
		all = append(all, c)
	}
	return all
}

// Issuer is the issuer of a realm: the base of all its endpoints.
func (s *Sandbox) Issuer(realm string) string { return s.iam.origin + "/realms/" + realm }

// Clinics lists the two clinics.
func (s *Sandbox) Clinics() []Clinic {
	var all []Clinic
	for _, c := range s.clinics {
		all = append(all, Clinic{Name: c.name, URL: c.url})
	}
	return all
}

// People lists who can log in, with their passwords.
func (s *Sandbox) People() []Person {
	var all []Person
	for _, p := range s.people {
		one := Person{Login: p.Login, Password: p.Password, Name: p.Name, Subject: p.Subject}
		for _, c := range s.clinics {
			if p.Staff[c.key] != "" {
				one.Clinics = append(one.Clinics, c.url)
			}
		}
		all = append(all, one)
	}
	return all
}

// now is the sandbox's own clock: the real one, moved by Advance.
func (s *Sandbox) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nowLocked()
}

func (s *Sandbox) nowLocked() time.Time { return time.Now().Add(s.advanced) }

// shown is the time that the sandbox puts on what it sends: its clock, off by SetSkew.
func (s *Sandbox) shown() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nowLocked().Add(s.skew)
}
