package bff

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"locum/bff/account"
	"locum/bff/audit"
	"locum/bff/config"
	"locum/bff/connect"
	"locum/bff/control"
	"locum/bff/events"
	"locum/bff/keys"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/proxy"
	"locum/bff/secret"
	"locum/bff/service"
	"locum/bff/session"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// AuditFile and AuditKeyPurpose are package audit's, for whoever wires it.
const (
	AuditFile       = audit.FileName
	AuditKeyPurpose = audit.KeyPurpose
)

// Options are what a caller may add to a configuration. Zero values: the default logger, each platform's own guarded
// dialler, no demo cards, a random boot id, no setup.
type Options struct {
	Log  *slog.Logger
	Dial oauth.DialFunc
	Demo *Demo
	Boot string
	// Stream is how long a stream of events lasts before its tab asks for the next. Zero: 55 seconds.
	Stream time.Duration
	// Setup lets whoever can read the data directory make the first account, at /setup, while there is none.
	Setup bool
	// Control listens for operators' commands on a socket in the data directory.
	Control bool

	bounds bounds // zero: the defaults. Only tests have others.
}

// Demo makes the sign-in page offer one-click cards. They are honoured for callers on a loopback address only.
type Demo struct{ Cards []DemoCard }

// DemoCard is one account that a click signs in to. Note is shown beside it.
type DemoCard struct{ Login, Name, Note string }

// Server is Locum, opened and wired.
type Server struct {
	cfg    *config.Config
	log    *slog.Logger
	demo   *Demo
	origin string // of the public URL, as a browser writes it
	host   []byte // of the public URL

	vault     *vault.Vault
	audit     *audit.Log
	accounts  *account.Store
	sessions  *session.Manager
	events    *events.Hub
	keys      *keys.Store
	platforms *platform.Registry
	tokens    *tokens.Keeper
	services  *service.Keeper
	proxy     *proxy.Proxy
	connect   *connect.Connector
	setup     *account.Setup  // nil: not asked for, or there is an account
	control   *control.Server // nil: not asked for, or not to be had here

	assets   *assets
	pages    pages
	policies policies
	cookies  cookies
	reports  reportBudget
	// refusedLogouts and refusedLaunches bound what strangers can have written down.
	refusedLogouts, refusedLaunches reportBudget

	bounds bounds
	tls    *tls.Config // nil: plain http
	http   *fasthttp.Server
	router fasthttp.RequestHandler

	life     context.Context // ends when Close begins: what is under way is told
	end      context.CancelFunc
	calls    context.Context // ends when Serve is told to: no call to a platform is begun after that, or waits for its turn
	endCalls context.CancelFunc

	chores  sync.WaitGroup
	paced   int // the garbage collector's percentage, once set; the sweep's own
	closing sync.Once
	closed  error
}

// Bounds of one request and of the end. A platform's answer is waited for inside the handler, which no time-out of these
// cuts.
const (
	bodyLimit   = 64 << 10
	headerLimit = 16 << 10
	lastWait    = 20 * time.Second // for answers under way when Serve ends: as long as a platform may take over its own
	sweepEvery  = time.Minute
	firstRest   = time.Second // after the start, which reads everything
	restEvery   = 15 * time.Second
	anchorEvery = time.Hour
)

// bounds of the connections: how long one may take to send a whole request, to take an answer and to say nothing between
// two requests, and how many are open at once; and how long a stream of events lasts and may say nothing, and how often
// it looks for its caller.
type bounds struct {
	read, send, idle time.Duration
	connections      int
	stream           time.Duration
	beat, look       time.Duration
}

// defaultBounds: with their buffers and a full body each, the connections take a third of a gigabyte at the very worst.
var defaultBounds = bounds{read: 15 * time.Second, send: 30 * time.Second, idle: 75 * time.Second, connections: 4096,
	stream: streamLife, beat: streamBeat, look: streamLook}

// withDefaults fills in what the options leave open.
func (b bounds) withDefaults(stream time.Duration) bounds {
	if b.connections == 0 {
		d := defaultBounds
		b.read, b.send, b.idle, b.connections = d.read, d.send, d.idle, d.connections
	}
	b.stream = cmp.Or(b.stream, stream, defaultBounds.stream)
	b.beat, b.look = cmp.Or(b.beat, defaultBounds.beat), cmp.Or(b.look, defaultBounds.look)
	return b
}

// Accounts is who may sign in.
func (s *Server) Accounts() *account.Store { return s.accounts }

// SetClientSecret seals the secret that a platform gave to Locum. It takes effect with the next request to the platform.
func (s *Server) SetClientSecret(id string, v secret.String) error {
	if _, err := s.platforms.Get(id); err != nil {
		return fmt.Errorf("platform %q: %w; see platforms in the configuration", id, err)
	}
	return s.vault.SetClientSecret(id, v)
}

// SetServiceSecret is SetClientSecret for the platform's service, whose secret is its own.
func (s *Server) SetServiceSecret(id string, v secret.String) error {
	live, err := s.platforms.Get(id)
	if err != nil {
		return fmt.Errorf("platform %q: %w; see platforms in the configuration", id, err)
	}
	if live.Service == nil {
		return fmt.Errorf("platform %q has no service; see service in its block of the configuration", id)
	}
	defer s.services.Retry(id)
	return s.vault.SetClientSecret(keys.OfService(id), v)
}

// Keys are the keys that sign to platforms.
func (s *Server) Keys() *keys.Store { return s.keys }

// newHTTP builds Fiber's router and fasthttp's server with nothing left at a default that trusts, echoes or waits for
// ever.
func (s *Server) newHTTP() {
	app := fiber.New(fiber.Config{
		Immutable: true, StrictRouting: true, CaseSensitive: true, DisableStartupMessage: true,
		BodyLimit: bodyLimit, ReadBufferSize: headerLimit,
		// The gate counts connections; a worker of fasthttp's ends a moment after its connection, so this limit is never met.
		Concurrency: 2 * s.bounds.connections,
		ReadTimeout: s.bounds.read, WriteTimeout: s.bounds.send, IdleTimeout: s.bounds.idle,
		EnableTrustedProxyCheck: true, TrustedProxies: prefixes(s.cfg), EnableIPValidation: true,
		DisablePreParseMultipartForm: true, ErrorHandler: s.onError,
	})
	s.mount(app, s.routes())
	s.router = app.Handler()
	s.http = app.Server()
	s.http.Handler = s.handle
	s.http.ErrorHandler = s.onUnreadable
	s.http.ExpectHandler = s.refuseExpectation
	s.http.NoDefaultServerHeader = true
	s.http.SecureErrorLogMessage = true
	s.http.Logger = transportLog{s.log}
	s.http.CloseOnShutdown = true
}

func prefixes(cfg *config.Config) []string {
	list := make([]string, 0, len(cfg.TrustedProxies))
	for _, prefix := range cfg.TrustedProxies {
		list = append(list, prefix.String())
	}
	return list
}

// refuseExpectation answers "Expect: 100-continue" with 417 (RFC 9110 §10.1.1 lets a server do so): bodies are small,
// and no byte is to be invited before the pre-filter has read the head.
func (s *Server) refuseExpectation(ctx *fasthttp.RequestCtx) int {
	e := s.begin(ctx)
	e.pattern = "refused"
	s.problem(ctx, expectationFailed())
	s.finish(ctx, e)
	return fiber.StatusExpectationFailed
}

// readTLS reads the certificate before anything is served. HTTP/1.1 alone is offered: fasthttp has no HTTP/2, and a
// browser would choose it if it were offered.
func readTLS(files *config.TLS) (*tls.Config, error) {
	if files == nil {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the TLS certificate: %w; tls in the configuration names PEM files, %s and its key %s",
			err, files.CertFile, files.KeyFile)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}, nil
}

// Serve answers on ln until ctx ends, then takes no new connection and finishes what was begun. It speaks TLS where that
// is configured. While it serves, connections are kept alive in the background.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	ln = s.newGate(ln)
	if s.tls != nil {
		ln = tls.NewListener(ln, s.tls)
	}
	s.tokens.Start()
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(ln) }()
	select {
	case err := <-served:
		if err == nil { // fasthttp's word for a listener that somebody else has closed
			err = net.ErrClosed
		}
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.endCalls()
	s.tokens.Halt()
	s.events.Close()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWait)
	defer cancel()
	// Where ctx ended before fasthttp had taken the listener, shutting down does nothing: closing it ends the wait.
	return errors.Join(unlessClosed(s.http.ShutdownWithContext(stopping)), unlessClosed(ln.Close()), <-served)
}

func unlessClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// sweep deletes ended sessions and the old timelines of disconnected connections, gives memory back, and logs an anchor of
// the audit trail now and then, until Close.
func (s *Server) sweep() {
	defer s.chores.Done()
	ticker, anchors := time.NewTicker(sweepEvery), time.NewTicker(anchorEvery)
	resting := time.NewTimer(firstRest)
	defer resting.Stop()
	defer ticker.Stop()
	defer anchors.Stop()
	for {
		select {
		case <-s.life.Done():
			return
		case <-anchors.C:
			s.logAnchor()
			if _, err := s.tokens.Forget(); err != nil {
				s.log.Warn("what is left of disconnected connections could not be deleted", "error", err)
			}
			if err := s.keys.Sweep(); err != nil {
				s.log.Warn("signing keys that have left could not be deleted", "error", err)
			}
		case <-resting.C:
			s.rest()
			resting.Reset(restEvery)
		case <-ticker.C:
			if _, err := s.sessions.Sweep(); err != nil {
				s.log.Warn("ended sessions could not be deleted", "error", err)
			}
			if err := s.connect.Sweep(); err != nil {
				s.log.Warn("launches and attempts that have run out could not be deleted", "error", err)
			}
		}
	}
}

// logAnchor names the last record of the audit trail where the log of the process goes, which may be another machine: who
// puts older files in the place of the newer ones cannot change it there (T113). No log level leaves it out.
func (s *Server) logAnchor() {
	level := slog.LevelInfo
	for level < slog.LevelError && !s.log.Enabled(s.life, level) {
		level += slog.LevelWarn - slog.LevelInfo
	}
	s.log.Log(s.life, level, "audit checkpoint", "anchor", s.audit.Anchor().String())
}
