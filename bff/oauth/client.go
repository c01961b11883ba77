package oauth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"time"

	"locum/bff/secret"
)

// Server is one authorization server, all of it configured: nothing is discovered at run time, so a tampered metadata
// document cannot move an endpoint. Issuer, Authorization, Token and JWKS are required; an empty Revocation,
// Introspection or EndSession means that the server has none.
type Server struct {
	Issuer        string
	Authorization string
	Token         string
	Revocation    string
	Introspection string
	EndSession    string
	JWKS          string
	// RequireIss says that the server promises iss in every authorization response, so that an answer without it is
	// refused (RFC 9207 §2.4).
	RequireIss bool
}

// AcceptsIss says whether an authorization response with this iss ("" when it had none) can come from the server.
// The comparison is of plain strings, without any normalisation (RFC 9207 §2.4).
func (s Server) AcceptsIss(iss string) bool {
	if iss == "" {
		return !s.RequireIss
	}
	return iss == s.Issuer
}

// DialFunc opens a connection; it is where the address actually dialled is judged.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// ClientConfig describes one registered client at one authorization server.
type ClientConfig struct {
	Server      Server
	ID          string
	RedirectURI string
	// Secret is asked before each request, so that a rotated secret needs no restart.
	Secret  func() (secret.String, error)
	Dial    DialFunc
	Timeout time.Duration // of one request from dialling to the last byte; zero: 10 s
}

// Client is one confidential client, authenticating by client_secret_post ("Jane guide, Step 3"). It is safe for
// concurrent use and must be closed.
type Client struct {
	config ClientConfig
	// wire is a transport and no http.Client: it knows no redirect, so an endpoint that redirects gives an answer like any
	// other and never a new destination (RFC 9700 §4.12), and no cookies.
	wire *http.Transport
	keys *keySet

	clock clock

	life context.Context // ends at Close
	end  context.CancelFunc

	mu     sync.Mutex
	closed bool
	flying sync.WaitGroup // requests, key fetches and dials; added to under mu
}

const (
	defaultTimeout = 10 * time.Second
	maxBody        = 64 << 10
	maxHeaders     = 32 << 10
)

// ErrClosed is the error of a request made after Close.
var ErrClosed = errors.New("oauth client is closed")

// NewClient makes a client without touching the network. It refuses endpoints that are not https, except http on a
// literal loopback address (localhost too, where only browsers go), and endpoints with user information, a query or a
// fragment (RFC 6749 §3.1, §3.2).
func NewClient(config ClientConfig) (*Client, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	if config.Timeout <= 0 {
		config.Timeout = defaultTimeout
	}
	c := &Client{config: config}
	c.life, c.end = context.WithCancel(context.Background())
	c.wire = c.transport()
	c.keys = &keySet{client: c}
	return c, nil
}

// Close ends all requests, waits for them and closes every connection.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.flying.Wait()
	c.wire.CloseIdleConnections()
}

// begin is enter for a request: it ends ctx at the request's deadline, or with the client. Without an error, end must be
// called.
func (c *Client) begin(ctx context.Context) (_ context.Context, end func(), err error) {
	if err := c.enter(); err != nil {
		return nil, nil, &TransportError{Err: err}
	}
	ctx, cancel := within(ctx, c.config.Timeout)
	stop := context.AfterFunc(c.life, cancel)
	return ctx, func() {
		stop()
		cancel()
		c.flying.Done()
	}, nil
}

// enter counts one piece of work that Close has to wait for.
func (c *Client) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	c.flying.Add(1)
	return nil
}

// transport is HTTP/1.1 over our own dial: no proxy from the environment, no transparent decompression, TLS 1.2 or
// newer. Each request has a connection of its own, for two reasons. A request written on a kept connection that the
// server has just closed has an unknown outcome, which for a rotating refresh token is the dearest answer. And net/http
// prints to the standard log what it finds on a kept connection after an answer: with a Content-Length that is too
// short, the rest of the tokens.
func (c *Client) transport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext:            c.dial,
		Protocols:              protocols,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    c.config.Timeout,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeaders,
		MaxConnsPerHost:        32,
		DisableKeepAlives:      true,
	}
}

// dial opens a connection that dies with the client, and soon after its request's deadline in any case. net/http lets a
// dial outlive the request that asked for it, hence the deadline and the count; and it stops watching a connection whose
// server claims to switch protocols, hence the end of the connection itself.
func (c *Client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := c.enter(); err != nil {
		return nil, &dialError{err}
	}
	defer c.flying.Done()
	until := time.Now().Add(c.config.Timeout)
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	conn, err := c.config.Dial(ctx, network, addr)
	if err != nil {
		return nil, &dialError{err}
	}
	shut := func() { _ = conn.Close() }
	overdue, ended := after(c.config.Timeout+time.Second, shut), context.AfterFunc(c.life, shut)
	return &ownedConn{Conn: conn, stop: func() {
		overdue()
		ended()
	}}, nil
}

// ownedConn is a connection that its client closes at its own end.
type ownedConn struct {
	net.Conn
	stop func()
}

func (c *ownedConn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// dialError is an error from before a byte of the server's was read.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }

func (e *dialError) Unwrap() error { return e.err }

func (c ClientConfig) check() error {
	switch {
	case c.ID == "":
		return errors.New("oauth client: no client id")
	case c.Secret == nil:
		return errors.New("oauth client: no source of the client secret")
	case c.Dial == nil:
		return errors.New("oauth client: no dial function")
	}
	s := c.Server
	for _, e := range []struct {
		name, url string
		optional  bool
		browser   bool // the browser goes there, not this client
	}{
		{name: "issuer", url: s.Issuer}, {name: "authorization endpoint", url: s.Authorization},
		{name: "token endpoint", url: s.Token}, {name: "jwks", url: s.JWKS},
		{name: "redirect uri", url: c.RedirectURI, browser: true},
		{name: "revocation endpoint", url: s.Revocation, optional: true},
		{name: "introspection endpoint", url: s.Introspection, optional: true},
		{name: "end session endpoint", url: s.EndSession, optional: true, browser: true},
	} {
		if e.url == "" && e.optional {
			continue
		}
		if err := checkURL(e.url, e.browser); err != nil {
			return fmt.Errorf("oauth client: %s: %w", e.name, err)
		}
	}
	return nil
}

// checkURL accepts https URLs, and http ones of this machine: at a literal loopback address, or, where only a browser goes,
// localhost, which browsers never resolve elsewhere.
func checkURL(raw string, browser bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.New("not a URL")
	case u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" || !isPort(u.Port()):
		return errors.New("not a plain absolute URL")
	case u.Scheme == "https", u.Scheme == "http" && (isLoopback(u.Hostname()) || browser && u.Hostname() == "localhost"):
		return nil
	}
	return errors.New("not https (http is for loopback only)")
}

// isLoopback says whether host is a literal loopback address.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// isPort says whether s is a port number, or nothing.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil && n > 0
}
