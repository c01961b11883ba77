package sandbox

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// server is one host of the sandbox: an http.Server behind a pipe listener and, where sockets are wanted, a TCP listener.
type server struct {
	host   string // 127.0.0.1:PORT
	origin string // http://127.0.0.1:PORT
	tcp    net.Listener
	pipe   *pipeListener
	http   *http.Server
	served sync.WaitGroup // Serve calls
	conns  sync.WaitGroup // connections being served
}

// newServer takes the address but does not serve yet. Without sockets port stands for port 0.
func newServer(address string, port int, sockets bool) (*server, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsLoopback() {
		return nil, fmt.Errorf("sandbox address %q is not a literal loopback address with a port", address)
	}
	srv := &server{}
	switch {
	case sockets:
		if srv.tcp, err = net.Listen("tcp", at.String()); err != nil { //nolint:noctx // returns at once
			return nil, fmt.Errorf("sandbox: %w", err)
		}
		srv.host = srv.tcp.Addr().String()
	case at.Port() == 0:
		srv.host = netip.AddrPortFrom(at.Addr(), uint16(port)).String()
	default:
		srv.host = at.String()
	}
	srv.origin = "http://" + srv.host
	srv.pipe = newPipeListener(srv.host)
	return srv, nil
}

// serve starts answering with handler.
func (srv *server) serve(handler http.Handler) {
	srv.http = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          log.New(io.Discard, "", 0),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				srv.conns.Add(1)
			case http.StateClosed, http.StateHijacked:
				srv.conns.Done()
			}
		},
	}
	for _, l := range []net.Listener{srv.pipe, srv.tcp} {
		if l != nil {
			srv.served.Go(func() { _ = srv.http.Serve(l) })
		}
	}
}

func (srv *server) close() error {
	var err error
	if srv.http != nil {
		err = srv.http.Close()
	}
	_ = srv.pipe.Close()
	if srv.tcp != nil {
		_ = srv.tcp.Close()
	}
	srv.served.Wait()
	srv.conns.Wait()
	return err
}

// Dial connects to a host of the sandbox without a socket. An address that is none of its own is refused as the kernel
// would refuse it.
func (s *Sandbox) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	for _, srv := range s.servers {
		if sameLoopback(srv.host, addr) {
			return srv.pipe.dial(ctx)
		}
	}
	return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
}

// sameLoopback says whether addr names host, which is a literal address; "localhost" names it too.
func sameLoopback(host, addr string) bool {
	if host == addr {
		return true
	}
	name, port, err := net.SplitHostPort(addr)
	_, own, _ := net.SplitHostPort(host)
	return err == nil && name == "localhost" && port == own
}

// pipeListener accepts net.Pipe connections that dial made.
type pipeListener struct {
	host   string
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener(host string) *pipeListener {
	return &pipeListener{host: host, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	err := error(syscall.ECONNREFUSED)
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	_, _ = client.Close(), server.Close()
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *pipeListener) Addr() net.Addr { return pipeAddr(l.host) }

type pipeAddr string

func (pipeAddr) Network() string  { return "pipe" }
func (a pipeAddr) String() string { return string(a) }
