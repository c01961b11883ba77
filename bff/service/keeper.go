package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"locum/bff/audit"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/tokens"
)

// prefix stands before a platform's id where a connection's id would.
const prefix = "service."

// IsID says whether what stands in the place of a connection's id names a service, known or not.
func IsID(connection string) bool { return strings.HasPrefix(connection, prefix) }

// IDOf is the id of a platform's service.
func IDOf(platform string) string { return prefix + platform }

// Config is what a Keeper stands on. All but Log are needed.
type Config struct {
	Platforms *platform.Registry
	// Secret and Key give the credentials of a service by its platform's id + "/service", before each request.
	Secret func(id string) (secret.String, error)
	Key    func(id string) (oauth.SigningKey, error)
	// Admit waits for the right to one request to a platform's token endpoint, which it shares with the practitioners'
	// connections (tokens.Keeper.Admit).
	Admit func(platform string) (heard func(oauth.Answer, error), err error)
	Audit *audit.Log
	Log   *slog.Logger
}

// Keeper has the services of all platforms. Its methods may be called from any goroutine.
type Keeper struct {
	config   Config
	accounts []*account // in the platforms' order
	serial   atomic.Uint32

	mu      sync.Mutex // before an entry's
	entries map[params]*entry

	gate   sync.Mutex
	closed bool
	work   sync.WaitGroup  // flights; added to under gate
	life   context.Context // ends at Close
	end    context.CancelFunc
}

// account is one service: its client at the platform and nobody else's.
type account struct {
	id      string
	live    *platform.Live
	service *platform.Service
	client  *oauth.Client
}

// New makes the services' clients without touching the network.
func New(c Config) (*Keeper, error) {
	if c.Platforms == nil || c.Secret == nil || c.Key == nil || c.Admit == nil || c.Audit == nil {
		return nil, errors.New("service: platforms, credentials, admission and audit are needed")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{config: c, entries: map[params]*entry{}}
	k.life, k.end = context.WithCancel(context.Background())
	for _, live := range c.Platforms.All() {
		if live.Service == nil {
			continue
		}
		a, err := open(c, live)
		if err != nil {
			k.Close()
			return nil, fmt.Errorf("service of %s: %w", live.ID, err)
		}
		k.accounts = append(k.accounts, a)
	}
	return k, nil
}

func open(c Config, live *platform.Live) (*account, error) {
	id := live.ID + "/service"
	client, err := oauth.NewClient(oauth.ClientConfig{
		Server: live.Server, ID: live.Service.ClientID, RedirectURI: live.RedirectURI, Auth: live.Service.Auth, Dial: live.DialFunc,
		Secret: func() (secret.String, error) { return c.Secret(id) },
		Key:    func() (oauth.SigningKey, error) { return c.Key(id) },
	})
	if err != nil {
		return nil, err
	}
	return &account{id: IDOf(live.ID), live: live, service: live.Service, client: client}, nil
}

// Close ends what is under way and forgets every token.
func (k *Keeper) Close() {
	k.gate.Lock()
	k.closed = true
	k.gate.Unlock()
	k.end()
	for _, a := range k.accounts {
		a.client.Close()
	}
	k.work.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.entries)
}

// find is the service of an id; nil where there is none.
func (k *Keeper) find(id string) *account {
	i := slices.IndexFunc(k.accounts, func(a *account) bool { return a.id == id })
	if i < 0 {
		return nil
	}
	return k.accounts[i]
}

func notFound(id string) error {
	return &tokens.Error{Kind: tokens.NotFound, Connection: id, Code: tokens.CauseNotOurs}
}

// View is what an administrator sees of a service.
type View struct {
	ID, Platform, Name string
	State, Cause       string // as a connection's
	Next               string // what can be done: tokens.Remedy.Next
	Scopes, Operations []string
	FreshFor           time.Duration // of the token in use; 0 where there is none
}

// List gives all services, in the order of the platforms.
func (k *Keeper) List() []View {
	list := make([]View, 0, len(k.accounts))
	for _, a := range k.accounts {
		list = append(list, k.view(a))
	}
	return list
}

// Get gives one service: *tokens.Error of kind NotFound where there is none.
func (k *Keeper) Get(id string) (View, error) {
	a := k.find(id)
	if a == nil {
		return View{}, notFound(id)
	}
	return k.view(a), nil
}

// view shows a service by what became of the tokens for all its scopes.
func (k *Keeper) view(a *account) View {
	v := View{ID: a.id, Platform: a.live.ID, Name: a.service.Name, State: tokens.StateConnected,
		Scopes: slices.Clone(a.service.Scopes), Operations: slices.Clone(a.service.Operations)}
	k.mu.Lock()
	e := k.entries[paramsOf(a, a.service.Scopes)]
	k.mu.Unlock()
	now := time.Now()
	var lasted time.Duration
	if e != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.token != nil {
			v.FreshFor = max(0, e.token.liveUntil.Sub(now))
		}
		if e.failure != nil {
			v.State, v.Cause, lasted = tokens.StateDegraded, e.failure.Code, now.Sub(e.since)
			if e.failure.Kind == tokens.Misconfigured {
				v.State = tokens.StateMisconfigured
			}
		}
	}
	v.Next = tokens.RemedyOf(v.Cause, lasted).Next
	return v
}

// Allows says whether an operation is on the list of a service.
func (k *Keeper) Allows(id, operation string) bool {
	a := k.find(id)
	return a != nil && slices.Contains(a.service.Operations, operation)
}
