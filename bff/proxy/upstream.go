package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"locum/bff/platform"
)

// Bounds of the connections to platforms.
const (
	maxUpstreams = 1000
	maxLines     = 128 // per clinic
	maxWaiting   = 384 // for one of those
	maxHeaders   = 16 << 10
	idleFor      = 30 * time.Second
	dialFor      = 5 * time.Second
	callFor      = 20 * time.Second // where the platform says nothing
	maxAnswer    = 4 << 20          // likewise
)

// clinicKey is a clinic of a platform, by its address: several may be at one origin.
type clinicKey struct{ platform, address string }

// String is the key of the throttle.
func (k clinicKey) String() string { return k.platform + " " + k.address }

// upstream is one clinic, and the connections to it. A token of this clinic is sent to this origin only.
type upstream struct {
	live    *platform.Live
	address string // of the clinic
	host    string // of its origin, with a port where it names one
	key     string
	face    *face // nil: Jane
	*lines
	used atomic.Int64 // when it was last called, Unix seconds
}

// upstream finds or makes the clinic's. The address was a clinic's of the platform when the connection was made; it must be
// one's still.
func (p *Proxy) upstream(live *platform.Live, address string) (*upstream, error) {
	key := clinicKey{live.ID, address}
	p.mu.RLock()
	u := p.upstreams[key]
	p.mu.RUnlock()
	if u != nil {
		return u, nil
	}
	clinic, err := live.Clinic(address)
	if err != nil || clinic.Address != address {
		return nil, &Error{Code: codeClinic, Err: err}
	}
	made, err := newUpstream(live, key, clinic.Origin)
	if err != nil {
		return nil, &Error{Code: codeClinic, Err: err}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if u := p.upstreams[key]; u != nil {
		return u, nil
	}
	if len(p.upstreams) >= maxUpstreams {
		p.dropOldest()
	}
	p.upstreams[key] = made
	return made, nil
}

// dropOldest forgets the clinic that was called longest ago. A call that has just found it ends undisturbed.
func (p *Proxy) dropOldest() {
	var oldest *upstream
	var at clinicKey
	for key, u := range p.upstreams {
		if oldest == nil || u.used.Load() < oldest.used.Load() {
			oldest, at = u, key
		}
	}
	oldest.close()
	delete(p.upstreams, at)
}

func newUpstream(live *platform.Live, key clinicKey, origin string) (*upstream, error) {
	face, ok := faceOf(live, key.address)
	if !ok || face != nil && face.base.origin != origin {
		return nil, errBase
	}
	at, err := url.Parse(origin)
	if err != nil {
		return nil, err
	}
	lines := linesTo(live, at)
	lines.timeout, lines.maxBody = orDefault(live.Timeout, callFor), orDefault(live.MaxAnswer, maxAnswer)
	u := &upstream{live: live, address: key.address, host: at.Host, key: key.String(), face: face, lines: lines}
	u.used.Store(time.Now().Unix())
	return u, nil
}

var errBase = errors.New("the FHIR base is on another host than the clinic")

// linesTo are connections to an origin of a platform, by its own guarded dialler.
func linesTo(live *platform.Live, at *url.URL) *lines {
	addr := fasthttp.AddMissingPort(at.Host, at.Scheme == "https")
	var config *tls.Config
	if at.Scheme == "https" {
		config = &tls.Config{ServerName: at.Hostname(), MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	}
	return &lines{dial: func(ctx context.Context) (secured, raw net.Conn, err error) {
		if raw, err = live.DialFunc(ctx, "tcp", addr); err == nil {
			secured, err = secure(ctx, raw, config)
		}
		return secured, raw, err
	}}
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// send sends the request once and reads the answer into out. ctx ends a wait for a connection, nothing else.
func (c *call) send(ctx context.Context) error {
	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	c.write(req)
	c.out.Reset()
	c.upstream.used.Store(time.Now().Unix())
	return c.upstream.send(ctx, req, c.out)
}
