package platform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"locum/bff/oauth"
)

// Pin is the metadata document of a discovered server that is believed, with what it was fetched by.
type Pin struct {
	Platform, Base, ETag, Document string
	FetchedAt, CheckedAt           time.Time
}

// Codes of a DiscoveryError.
const (
	DiscoveryUnreachable = "unreachable" // no answer, or none with a document
	DiscoveryUnusable    = "unusable"    // the document breaks SMART App Launch 2.2, "Conformance", or has unsafe endpoints
	DiscoveryNoIdentity  = "no_identity" // the server does not say who signed in: no sso-openid-connect
	DiscoveryContradicts = "contradicts" // another issuer, host or promise than what is configured or was believed
)

// DiscoveryError says why a server's metadata document is not used. Its text is for the operator and names the setting.
type DiscoveryError struct {
	Platform, Base, Code string
	Err                  error
}

func (e *DiscoveryError) Error() string {
	where := e.Base + "/.well-known/smart-configuration"
	switch e.Code {
	case DiscoveryUnreachable:
		return where + " cannot be read (check fhir_base): " + e.Err.Error()
	case DiscoveryNoIdentity:
		return where + " offers no OpenID Connect (" + e.Err.Error() + "): Locum cannot tell who signed in there, and does not connect"
	case DiscoveryContradicts:
		return where + " contradicts what is configured or was believed before (" + e.Err.Error() + "): if the server's operator " +
			"confirms the change, set issuer, or metadata_since to today's date"
	}
	return where + " is not usable (check fhir_base): " + e.Err.Error()
}

func (e *DiscoveryError) Unwrap() error { return e.Err }

const (
	metadataAge   = 24 * time.Hour   // how long a document is believed without another look
	metadataRetry = 10 * time.Minute // after a look that gave nothing, while there is one that is believed
	metadataPause = 5 * time.Second  // the same, while there is none: callers share an answer
)

// discovery is what a registry knows of one server that is discovered.
type discovery struct {
	live *Live
	from Sources

	mu      sync.Mutex
	loaded  bool
	pin     Pin
	known   oauth.Metadata // of pin; used by the client
	believe bool           // pin and known are there
	next    time.Time      // of the next look
	flight  *flight        // the look under way
	last    *DiscoveryError
	told    string // the text of the last refusal that was reported
}

// flight is one look that its callers share.
type flight struct {
	done chan struct{}
	err  *DiscoveryError
}

// Discover makes sure that a platform's server is known. At once nil for platforms whose endpoints are configured, and
// while a document is believed: a daily look, also at whether the server still says the same, happens beside. Otherwise it
// waits for a first look, which all callers share; the error is then a *DiscoveryError, ErrUnknownPlatform or ctx's.
func (r *Registry) Discover(ctx context.Context, id string) error {
	live, err := r.Get(id)
	if err != nil {
		return err
	}
	if live.discovery == nil {
		return nil
	}
	current, err := r.look(live.discovery)
	if current == nil || err != nil {
		return err
	}
	select {
	case <-current.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if current.err != nil {
		return current.err
	}
	return nil
}

// look starts a look where one is due, and gives the flight that a caller has to wait for; nil where it has not.
func (r *Registry) look(d *discovery) (*flight, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.loaded {
		if err := d.load(); err != nil {
			return nil, err
		}
	}
	if d.flight == nil && time.Now().After(d.next) {
		if !r.fly() {
			return nil, oauth.ErrClosed
		}
		d.flight = &flight{done: make(chan struct{})}
		go func(current *flight) {
			defer r.flying.Done()
			d.fetch(r.life, current)
		}(d.flight)
	}
	switch {
	case d.believe:
		return nil, nil
	case d.flight == nil && d.last != nil:
		return nil, d.last
	}
	return d.flight, nil
}

// load takes the pin of an earlier run, unless the configuration has left it behind.
func (d *discovery) load() error {
	if d.from.Load != nil {
		pin, err := d.from.Load(d.live.ID)
		if err != nil {
			return fmt.Errorf("read the metadata of %s: %w", d.live.ID, err)
		}
		if known, ok := d.live.Believed(pin); ok && d.live.OAuth.Use(d.live.discovered(known)) == nil {
			d.pin, d.known, d.believe = pin, known, true
			if d.next = pin.CheckedAt.Add(metadataAge); pin.CheckedAt.After(time.Now()) { // the clock was set back
				d.next = time.Time{}
			}
		}
	}
	d.loaded = true
	return nil
}

// Believed reads a pin; not ok where it is none for this configuration any more.
func (p *Platform) Believed(pin Pin) (oauth.Metadata, bool) {
	if pin.Base != p.FHIRBase || pin.Document == "" || pin.FetchedAt.Before(p.MetadataSince) {
		return oauth.Metadata{}, false
	}
	known, err := oauth.ParseMetadata(pin.Base, []byte(pin.Document))
	return known, err == nil && p.Accepts(known) == nil
}

// discovered is the server that a document describes, with what the operator configured of it. Unless that is GET, no token is
// put into a URL there, where it may be logged (RFC 7662 §4): not even where a POST was answered with 404.
func (p *Platform) discovered(m oauth.Metadata) oauth.Server {
	server := m.Server()
	server.IntrospectionMethod = cmp.Or(p.Server.IntrospectionMethod, http.MethodPost)
	return server
}

// Accepts says why a document cannot be this platform's; nil where it can. Whether it may replace another one is said by
// oauth.Pinned.
func (p *Platform) Accepts(m oauth.Metadata) *DiscoveryError {
	server := m.Server()
	switch {
	case server.Issuer == "" || server.JWKS == "" || !m.Can("sso-openid-connect"):
		return p.refused(DiscoveryNoIdentity, errors.New("issuer, jwks_uri or the capability sso-openid-connect is missing"))
	case p.Server.Issuer != "" && p.Server.Issuer != server.Issuer:
		return p.refused(DiscoveryContradicts, errors.New("issuer"))
	}
	return nil
}

func (p *Platform) refused(code string, err error) *DiscoveryError {
	return &DiscoveryError{Platform: p.ID, Base: p.FHIRBase, Code: code, Err: err}
}

// fetch is one look.
func (d *discovery) fetch(ctx context.Context, current *flight) {
	d.mu.Lock()
	etag := d.pin.ETag
	if !d.believe {
		etag = ""
	}
	d.mu.Unlock()
	document, err := oauth.FetchMetadata(ctx, d.live.DialFunc, d.live.FHIRBase, etag)
	d.mu.Lock()
	refusal := d.learn(document, err)
	pin, saved := d.pin, refusal == nil
	if saved {
		d.last, d.told = nil, ""
	}
	tell := !saved && refusal.Code != DiscoveryUnreachable && refusal.Error() != d.told
	if tell {
		d.told = refusal.Error()
	}
	if d.last = refusal; !saved && !d.believe {
		current.err = refusal
	}
	d.flight = nil
	d.mu.Unlock()
	defer close(current.done)
	if saved && d.from.Save != nil {
		_ = d.from.Save(pin) // lost, it is fetched and judged anew after the next start
	}
	if tell && d.from.Refused != nil {
		d.from.Refused(refusal)
	}
}

// learn takes what a look gave: a document that may replace the one before, or nothing new.
func (d *discovery) learn(document oauth.Document, err error) *DiscoveryError {
	now := time.Now()
	d.next = now.Add(metadataRetry)
	if !d.believe {
		d.next = now.Add(metadataPause)
	}
	if err != nil {
		return d.live.refused(DiscoveryUnreachable, err)
	}
	if document.Unchanged {
		d.pin.CheckedAt, d.next = now, now.Add(metadataAge)
		return nil
	}
	known, err := oauth.ParseMetadata(d.live.FHIRBase, []byte(document.Raw))
	if err != nil {
		return d.live.refused(DiscoveryUnusable, err)
	}
	if refusal := d.live.Accepts(known); refusal != nil {
		return refusal
	}
	if d.believe {
		if err := oauth.Pinned(d.known, known); err != nil {
			return d.live.refused(DiscoveryContradicts, err)
		}
	}
	if err := d.live.OAuth.Use(d.live.discovered(known)); err != nil {
		return d.live.refused(DiscoveryUnusable, err)
	}
	d.pin = Pin{d.live.ID, d.live.FHIRBase, document.ETag, document.Raw, now, now}
	d.known, d.believe, d.next = known, true, now.Add(metadataAge)
	return nil
}

// Metadata is the document that is believed of a discovered platform; not ok for any other, and before the first.
func (r *Registry) Metadata(id string) (_ oauth.Metadata, ok bool) {
	live, err := r.Get(id)
	if err != nil || live.discovery == nil {
		return oauth.Metadata{}, false
	}
	d := live.discovery
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known, d.believe
}

// Contradiction is why the last look at a discovered platform's metadata was refused; nil where it was not.
func (r *Registry) Contradiction(id string) *DiscoveryError {
	live, err := r.Get(id)
	if err != nil || live.discovery == nil {
		return nil
	}
	d := live.discovery
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}
