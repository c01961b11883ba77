package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"time"

	"github.com/valyala/fasthttp"

	"locum/bff/platform"
)

// Bounds of the connections to platforms.
const (
	maxUpstreams  = 1000
	maxConns      = 512 // per clinic
	maxHeaders    = 16 << 10
	idleFor       = 30 * time.Second
	dialFor       = 5 * time.Second
	callFor       = 20 * time.Second // where the platform says nothing
	defaultAnswer = 4 << 20
)

// clinicKey is a clinic of a platform.
type clinicKey struct{ platform, origin string }

// String is the key of the throttle.
func (k clinicKey) String() string { return k.platform + " " + k.origin }

// upstream is one clinic, and the connections to it. A token of this clinic is sent to this origin only.
type upstream struct {
	live        *platform.Live
	origin, key string
	client      *fasthttp.HostClient
	timeout     time.Duration
}

// upstream finds or makes the clinic's. The origin was a clinic of the platform when the connection was made; it must be
// one still.
func (p *Proxy) upstream(live *platform.Live, origin string) (*upstream, error) {
	key := clinicKey{live.ID, origin}
	p.mu.RLock()
	u := p.upstreams[key]
	p.mu.RUnlock()
	if u != nil {
		return u, nil
	}
	clinic, err := live.Clinic(origin)
	if err != nil || clinic.Origin != origin {
		return nil, &Error{Code: codeClinic, Err: err}
	}
	made, err := newUpstream(live, key)
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
	var oldest clinicKey
	var at time.Time
	for key, u := range p.upstreams {
		if used := u.client.LastUseTime(); at.IsZero() || used.Before(at) {
			oldest, at = key, used
		}
	}
	p.upstreams[oldest].client.CloseIdleConnections()
	delete(p.upstreams, oldest)
}

func newUpstream(live *platform.Live, key clinicKey) (*upstream, error) {
	at, err := url.Parse(key.origin)
	if err != nil {
		return nil, err
	}
	secure := at.Scheme == "https"
	addr := fasthttp.AddMissingPort(at.Host, secure)
	u := &upstream{live: live, origin: key.origin, key: key.String(), timeout: live.Timeout}
	if u.timeout <= 0 {
		u.timeout = callFor
	}
	answer := live.MaxAnswer
	if answer <= 0 {
		answer = defaultAnswer
	}
	var config *tls.Config
	if secure {
		config = &tls.Config{ServerName: at.Hostname(), MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	}
	u.client = &fasthttp.HostClient{
		Addr: addr, IsTLS: secure, DialTimeout: dialer(live, config), MaxConns: maxConns, MaxIdleConnDuration: idleFor,
		ConnPoolStrategy: fasthttp.LIFO, ReadBufferSize: maxHeaders, MaxResponseBodySize: answer,
		// One attempt: a repeated request is another request, to the platform's limits and to its records.
		MaxIdemponentCallAttempts: 1,
		RetryIfErr:                func(*fasthttp.Request, int, error) (bool, bool) { return false, false },
		NoDefaultUserAgentHeader:  true, DisablePathNormalizing: true, SecureErrorLogMessage: true,
	}
	return u, nil
}

// dialer opens a connection by the platform's guarded dialler, TLS included, so that all that fails here has sent
// nothing of a request.
func dialer(live *platform.Live, config *tls.Config) fasthttp.DialFuncWithTimeout {
	return func(addr string, timeout time.Duration) (net.Conn, error) {
		if timeout <= 0 || timeout > dialFor {
			timeout = dialFor
		}
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		raw, err := live.DialFunc(ctx, "tcp", addr)
		if err != nil {
			return nil, &unsentError{err}
		}
		w := &wire{Conn: raw, raw: raw}
		if config == nil {
			return w, nil
		}
		secured := tls.Client(raw, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, &unsentError{err}
		}
		w.Conn = secured
		return w, nil
	}
}

// staleTries bounds how many dead connections in a row are set aside.
const staleTries = 4

// send sends the request once and reads the answer into out. A connection that the platform had closed while it lay idle
// is noticed before a byte is written; then the next is taken, and that is not another attempt.
func (c *call) send() (err error) {
	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	c.write(req)
	for range staleTries {
		req.SetTimeout(c.upstream.timeout)
		if err = c.upstream.client.Do(req, c.out); !isStale(err) {
			return err
		}
	}
	return err
}
