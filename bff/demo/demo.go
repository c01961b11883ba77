// Package demo is Locum wired to a sandbox on loopback in a temporary directory: what `locum demo` runs and what e2e
// drives. It never listens beyond loopback, never asks for a real platform's secret, and keeps nothing unless it is
// given a directory. Only cmd/locum and e2e may import it.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"locum/bff"
	"locum/bff/account"
	"locum/bff/config"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/secret"
)

// Options of a demo. Listen is Locum's own address, "localhost:8080" when empty; port 0 picks one. Dir holds the data
// and is kept; empty means a temporary directory that Close removes. Verbose logs at debug level where Log is nil. Stream is
// how long a stream of events lasts, where it is not the ordinary time.
type Options struct {
	Listen  string
	Dir     string
	Log     *slog.Logger
	Verbose bool
	Stream  time.Duration
}

// Person is a demo practitioner who may sign in to Locum. The password is new at every start.
type Person struct{ Login, Password, Name string }

// Demo is a running Locum and the sandbox behind it.
type Demo struct {
	URL     string
	Dir     string // where the data lies
	Server  *bff.Server
	Sandbox *sandbox.Sandbox
	People  []Person

	stop      context.CancelFunc
	served    chan struct{} // closed when Serve has returned, and err is set
	err       error
	temporary bool
}

// The two realms of the simulated Jane as two platforms: ids, names, and how each knows Locum.
var realms = []struct{ realm, id, name, client string }{
	{sandbox.RealmProduction, "jane", "Jane", "locum-demo"},
	{sandbox.RealmSandbox, "jane-sandbox", "Jane partner sandbox", "locum-demo-sandbox"},
}

// scopes are what the demo asks for: everything that its pages use, the recording of observations included.
var scopes = []string{"appointments:read", "patients:read", "staff_members:read", "treatments:read", "disciplines:read",
	"locations:read", "companies:read", "observations:read", "observations:create", "observations:update"}

// people may sign in to Locum; the sandbox has its own, who work at its clinics.
var people = []Person{{Login: "robin", Name: "Robin Sampleworth"}, {Login: "noor", Name: "Noor Exampleson"}}

// Start opens and serves everything; it returns when the address answers. The demo ends with ctx or by Close.
func Start(ctx context.Context, o Options) (*Demo, error) {
	d := &Demo{served: make(chan struct{})}
	ln, err := listen(o.Listen)
	if err != nil {
		return nil, err
	}
	if err := d.open(ln, o); err != nil {
		return nil, errors.Join(err, ln.Close(), d.release())
	}
	ctx, d.stop = context.WithCancel(ctx)
	go func() {
		defer close(d.served)
		d.err = d.Server.Serve(ctx, ln)
	}()
	return d, nil
}

// Wait returns when the server has stopped, with its error if that was not asked for.
func (d *Demo) Wait() error {
	<-d.served
	return d.err
}

// Close stops Locum, then the sandbox, and removes the temporary directory.
func (d *Demo) Close() error {
	d.stop()
	<-d.served
	return d.release()
}

func (d *Demo) release() error {
	var errs []error
	if d.Server != nil {
		errs = append(errs, d.Server.Close())
	}
	if d.Sandbox != nil {
		errs = append(errs, d.Sandbox.Close())
	}
	if d.temporary {
		errs = append(errs, os.RemoveAll(d.Dir))
	}
	return errors.Join(errs...)
}

// listen takes loopback alone: the demo's sign-in is one click.
func listen(address string) (net.Listener, error) {
	if address == "" {
		address = "localhost:8080"
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("demo address %q: %w", address, err)
	}
	// The address that is announced is localhost's: of the loopback addresses, only these two answer to that name.
	if host != "localhost" && host != "127.0.0.1" && host != "::1" {
		return nil, fmt.Errorf("the demo listens on this machine only: use localhost:PORT instead of %q", address)
	}
	ln, err := net.Listen("tcp", address) //nolint:noctx // returns at once
	if err != nil {
		return nil, fmt.Errorf("%w; choose another port with --listen localhost:PORT", err)
	}
	return ln, nil
}

// open makes the sandbox, then a configuration that points at it, then Locum. Locum is called localhost and the sandbox
// 127.0.0.1, so that the way between them is a truly cross-site one.
func (d *Demo) open(ln net.Listener, o Options) error {
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		return err
	}
	d.URL = "http://localhost:" + port
	// The faces read the keys that Locum publishes where it listens, whatever name it has there.
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, ln.Addr().String())
	}
	d.Sandbox, err = sandbox.Start(sandbox.Options{Athena: &sandbox.FaceOptions{Dial: dial}, SMART: &sandbox.FaceOptions{Dial: dial}})
	if err != nil {
		return fmt.Errorf("start the sandbox: %w", err)
	}
	cfg, err := d.configure(o)
	if err != nil {
		return err
	}
	d.People = newPeople()
	if d.Server, err = bff.Open(cfg, bff.Options{Log: logger(o), Stream: o.Stream, Demo: &bff.Demo{Cards: cards(d.People)}}); err != nil {
		return err
	}
	return errors.Join(d.register(), d.admit())
}

func logger(o Options) *slog.Logger {
	if o.Log != nil {
		return o.Log
	}
	level := slog.LevelWarn
	if o.Verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// configure writes by hand what a configuration file would say.
func (d *Demo) configure(o Options) (*config.Config, error) {
	public, err := url.Parse(d.URL)
	if err != nil {
		return nil, err
	}
	if d.Dir = o.Dir; d.Dir == "" {
		if d.Dir, err = os.MkdirTemp("", "locum-demo-"); err != nil {
			return nil, err
		}
		d.temporary = true
	}
	cfg := &config.Config{PublicURL: public, DataDir: filepath.Join(d.Dir, "data"), MasterKeyFile: filepath.Join(d.Dir, "master.key")}
	if err := bff.EnsureKeyFile(cfg.MasterKeyFile); err != nil {
		return nil, err
	}
	var clinics []platform.ClinicLink
	for _, clinic := range d.Sandbox.Clinics() {
		clinics = append(clinics, platform.ClinicLink{Name: clinic.Name, URL: clinic.URL})
	}
	for _, r := range realms {
		p, err := platform.Jane(platform.JaneConfig{ID: r.id, Name: r.name, Issuer: d.Sandbox.Issuer(r.realm), ClientID: r.client,
			PublicURL: d.URL, Scopes: scopes, Clinics: clinics})
		if err != nil {
			return nil, fmt.Errorf("platform %s: %w", r.id, err)
		}
		cfg.Platforms = append(cfg.Platforms, p)
	}
	return cfg, d.configureFaces(cfg)
}

// register makes Locum known to the sandbox, for each realm as a client of its own, and the sandbox's secrets to Locum.
func (d *Demo) register() error {
	for _, r := range realms {
		edge := d.URL + "/connect/" + r.id
		client, err := d.Sandbox.Register(sandbox.Client{ID: r.client, Name: "Locum demo", RedirectURIs: []string{edge + "/callback"}})
		if err != nil {
			return err
		}
		d.Sandbox.SetBackchannel(r.client, edge+"/backchannel-logout")
		if err := d.Server.SetClientSecret(r.id, secret.New(client.Secret)); err != nil {
			return err
		}
	}
	return d.registerFaces()
}

// admit gives the people their accounts; in a directory that was kept they are there already and get a new password.
func (d *Demo) admit() error {
	for _, person := range d.People {
		password := secret.New(person.Password)
		_, err := d.Server.Accounts().Add(person.Login, person.Name, password)
		if errors.Is(err, account.ErrExists) {
			err = d.Server.SetPassword(person.Login, password)
		}
		if err != nil {
			return fmt.Errorf("demo account %s: %w", person.Login, err)
		}
	}
	return nil
}

// newPeople draws the passwords: four groups of four letters and digits, 80 bits.
func newPeople() []Person {
	list := make([]Person, len(people))
	for i, person := range people {
		text := strings.ToLower(rand.Text())
		person.Password = strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:16]}, "-")
		list[i] = person
	}
	return list
}

func cards(people []Person) []bff.DemoCard {
	list := make([]bff.DemoCard, len(people))
	for i, person := range people {
		list[i] = bff.DemoCard{Login: person.Login, Name: person.Name, Note: person.Login + " · " + person.Password}
	}
	return list
}
