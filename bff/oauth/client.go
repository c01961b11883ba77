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
	http   *http.Client
	keys   *keySet

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
// literal loopback address, and endpoints with user information, a query or a fragment (RFC 6749 §3.1, §3.2).
func NewClient(config ClientConfig) (*Client, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	if config.Timeout <= 0 {
		config.Timeout = defaultTimeout
	}
	c := &Client{config: config}
	c.life, c.end = context.WithCancel(context.Background())
	c.http = &http.Client{
		Transport: c.transport(),
		// A token endpoint that redirects is an error, never a new destination (RFC 9700 §4.12).
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
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
	c.http.CloseIdleConnections()
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

// dial opens a connection that dies with the client. net/http lets a dial outlive the request that asked for it, hence
// the deadline and the count.
func (c *Client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.flying.Done()
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	conn, err := c.config.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &ownedConn{Conn: conn, stop: context.AfterFunc(c.life, func() { _ = conn.Close() })}, nil
}

// ownedConn is a connection that its client closes at its own end.
type ownedConn struct {
	net.Conn
	stop func() bool
}

func (c *ownedConn) Close() error {
	c.stop()
	return c.Conn.Close()
}

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
	}{
		{"issuer", s.Issuer, false}, {"authorization endpoint", s.Authorization, false},
		{"token endpoint", s.Token, false}, {"jwks", s.JWKS, false}, {"redirect uri", c.RedirectURI, false},
		{"revocation endpoint", s.Revocation, true}, {"introspection endpoint", s.Introspection, true},
		{"end session endpoint", s.EndSession, true},
	} {
		if e.url == "" && e.optional {
			continue
		}
		if err := checkURL(e.url); err != nil {
			return fmt.Errorf("oauth client: %s: %w", e.name, err)
		}
	}
	return nil
}

// checkURL accepts https URLs, and http ones of this machine.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.New("not a URL")
	case u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "":
		return errors.New("not a plain absolute URL")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("not https (http is for loopback only)")
}

// isLoopback says whether host is a literal loopback address, or localhost, which browsers never resolve elsewhere.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
