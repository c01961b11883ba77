package platform

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// ErrUnknownPlatform says that no platform has the id.
var ErrUnknownPlatform = errors.New("unknown platform")

// Live is a platform with what is needed to talk to it.
type Live struct {
	*Platform
	OAuth    *oauth.Client
	DialFunc oauth.DialFunc // for its API

	discovery *discovery // nil: nothing is discovered
}

// Sources are where a registry gets what it does not keep. They are asked whenever something is needed, from any goroutine;
// id is a platform's, or a platform's + "/service" for its Service. A nil function stands for one that has nothing.
type Sources struct {
	Secret func(id string) (secret.String, error)
	Key    func(id string) (oauth.SigningKey, error)
	// Load and Save keep what was discovered across restarts; Load gives the zero Pin where there is none. Refused is told of
	// each document that must not be used, once as long as the server says the same; it belongs in the audit trail.
	Load    func(id string) (Pin, error)
	Save    func(Pin) error
	Refused func(*DiscoveryError)
}

// Registry holds the configured platforms, in their configured order. It is safe for concurrent use.
type Registry struct {
	byID map[string]*Live
	all  []*Live

	life   context.Context // of looks at metadata; ends at Close
	end    context.CancelFunc
	mu     sync.Mutex
	closed bool
	flying sync.WaitGroup // looks; added to under mu
}

// NewRegistry makes an OAuth client for each platform without touching the network. A nil dial means each platform's own
// Dial.
func NewRegistry(platforms []*Platform, from Sources, dial oauth.DialFunc) (*Registry, error) {
	r := &Registry{byID: map[string]*Live{}}
	r.life, r.end = context.WithCancel(context.Background())
	for _, p := range platforms {
		live, err := open(p, from, dial)
		if err == nil && r.byID[p.ID] != nil {
			live.OAuth.Close()
			err = errors.New("stands twice")
		}
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("platform %s: %w", p.ID, err)
		}
		r.byID[p.ID] = live
		r.all = append(r.all, live)
	}
	return r, nil
}

func open(p *Platform, from Sources, dial oauth.DialFunc) (*Live, error) {
	if dial == nil {
		dial = p.Dial
	}
	config := oauth.ClientConfig{Server: p.Server, ID: p.ClientID, RedirectURI: p.RedirectURI, Auth: p.Auth, IDAlgorithms: p.IDAlgorithms, Dial: dial}
	if from.Secret != nil {
		config.Secret = func() (secret.String, error) { return from.Secret(p.ID) }
	}
	if from.Key != nil {
		config.Key = func() (oauth.SigningKey, error) { return from.Key(p.ID) }
	}
	client, err := oauth.NewClient(config)
	if err != nil {
		return nil, err
	}
	live := &Live{Platform: p, OAuth: client, DialFunc: dial}
	if p.Discover {
		live.discovery = &discovery{live: live, from: from}
	}
	return live, nil
}

// Get is the platform with the id, or ErrUnknownPlatform.
func (r *Registry) Get(id string) (*Live, error) {
	live, ok := r.byID[id]
	if !ok {
		return nil, ErrUnknownPlatform
	}
	return live, nil
}

// All are the platforms in their configured order. The caller must not change the slice.
func (r *Registry) All() []*Live { return r.all }

// fly counts one look that Close has to wait for; false after Close.
func (r *Registry) fly() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.flying.Add(1)
	}
	return !r.closed
}

// Close closes every client and waits for what they are doing.
func (r *Registry) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.end()
	r.flying.Wait()
	for _, live := range r.all {
		live.OAuth.Close()
	}
}
