package oauth

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"locum/bff/secret"
)

// DialFunc opens a connection; it is where the address actually dialled is judged.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// ClientConfig describes one registered client at one authorization server.
type ClientConfig struct {
	Server      Server
	ID          string
	RedirectURI string
	Auth        Auth
	// Secret and Key are asked before each request, so that a rotated secret or key needs no restart. Auth says which of
	// them is needed; the other is never asked.
	Secret func() (secret.String, error)
	Key    func() (SigningKey, error)
	// IDAlgorithms are the signature algorithms accepted of the server's tokens, among RS256, RS384 and ES384; empty:
	// RS256 alone.
	IDAlgorithms []string
	Dial         DialFunc
	Timeout      time.Duration // of one request from dialling to the last byte; zero: 10 s
}

// Client is one registered client, authenticating in the one way that its Auth says. It is safe for concurrent use and
// must be closed.
type Client struct {
	config ClientConfig
	server atomic.Pointer[Server] // its config's, or the one given to Use; never nil
	// wire is a transport and no http.Client: it knows no redirect, so an endpoint that redirects gives an answer like any
	// other and never a new destination (RFC 9700 §4.12), and no cookies.
	wire *http.Transport
	keys *keySet

	clock        clock
	introspectBy atomic.Pointer[way] // what has worked, where the server does not say

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
// fragment (RFC 6749 §3.1, §3.2). A config whose Server has no endpoints waits for Use.
func NewClient(config ClientConfig) (*Client, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	return open(config), nil
}

// open makes a client of a config that is good enough for what it will be used for.
func open(config ClientConfig) *Client {
	if config.Timeout <= 0 {
		config.Timeout = defaultTimeout
	}
	c := &Client{config: config}
	c.server.Store(&config.Server)
	c.life, c.end = context.WithCancel(context.Background())
	c.wire = c.transport()
	c.keys = &keySet{client: c}
	return c
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
