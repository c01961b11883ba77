package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// unsentError is a request of which no byte has left.
type unsentError struct{ cause error }

func (e *unsentError) Error() string { return "not sent: " + e.cause.Error() }

func (e *unsentError) Unwrap() error { return e.cause }

func isUnsent(err error) bool {
	if err == nil {
		return false
	}
	var unsent *unsentError
	return errors.As(err, &unsent)
}

// line is one connection to a clinic. It knows whether a byte of the current request has left.
type line struct {
	net.Conn                 // TLS, or what the kernel knows
	secured  bool            // TLS
	raw      syscall.RawConn // what the kernel knows; nil where it cannot be looked at
	in       *bufio.Reader
	out      *bufio.Writer
	sent     bool
	failure  error // of the last write
	left     int   // how many bytes of an answer, however it is framed, may still come
	cut      error // of the last read
	look     func(fd uintptr)
	dead     bool // what look has seen
	used     bool
	idle     time.Time // since when
}

// Write is the sink of out.
func (l *line) Write(b []byte) (int, error) {
	n, err := l.Conn.Write(b)
	l.sent, l.failure = l.sent || n > 0, err
	return n, err
}

// Read is the source of in. Chunk sizes, their extensions, trailers and interim answers count, which have no bound of their
// own: so many bytes and no more, however little of them is body.
func (l *line) Read(b []byte) (n int, err error) {
	if l.left > 0 {
		n, err = l.Conn.Read(b[:min(len(b), l.left)])
		l.left -= n
	} else {
		err = fasthttp.ErrBodyTooLarge
	}
	l.cut = err
	return n, err
}

// try sends on l. Only after a whole answer with nothing behind it l is kept; else it is closed, whatever happens.
func (s *lines) try(l *line, req *fasthttp.Request, resp *fasthttp.Response, deadline time.Time) (again bool, err error) {
	reused, keep := l.used, false
	defer func() {
		if keep {
			s.put(l)
		} else {
			s.drop(l)
		}
	}()
	stays, err := s.exchange(l, req, resp, deadline)
	keep = err == nil && stays && l.isQuiet()
	return reused && isUnsent(err) && time.Now().Before(deadline), err
}

func (s *lines) exchange(l *line, req *fasthttp.Request, resp *fasthttp.Response, deadline time.Time) (stays bool, err error) {
	l.used, l.sent, l.failure = true, false, nil
	l.left, l.cut = 2*s.maxBody+4*maxHeaders, nil
	err = l.SetDeadline(deadline)
	if err == nil {
		err = req.Write(l.out)
	}
	if err == nil {
		err = l.out.Flush()
	}
	if err != nil && l.failure == nil { // not the connection's: fasthttp's own errors may quote the body
		err = errUnwritable
	}
	if err != nil && !l.sent {
		return false, &unsentError{err}
	}
	if err != nil {
		return false, err
	}
	if stays, err = readAnswer(l.in, resp, s.maxBody); err != nil && l.cut != nil {
		err = l.cut // fasthttp hides it where it stood in a chunk
	}
	return stays, readFailure(err)
}

// isQuiet says that nothing stands behind the answer, neither here nor in TLS, where neither in nor the kernel sees it: a
// read that must not wait finds nothing. Such bytes would be the answer to the next request, perhaps another's. Without
// TLS the kernel is asked before that request, by isDead.
func (l *line) isQuiet() bool {
	if l.in.Buffered() > 0 {
		return false
	}
	if !l.secured && l.raw != nil {
		return true
	}
	if l.SetReadDeadline(time.Unix(1, 0)) != nil {
		return false
	}
	_, err := l.in.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// What can go wrong on a connection. fasthttp's own errors quote the bytes they stumbled over.
var (
	errTimeout   = errors.New("no whole answer in time")
	errBroken    = errors.New("the connection ended before the answer")
	errMalformed = errors.New("the answer is not HTTP")

	errUnwritable = errors.New("the request cannot be written")

	errOtherHost   = errors.New("the clinic's certificate is for another host")
	errNoAuthority = errors.New("the clinic's certificate is not signed by an authority that this machine trusts")
	errExpired     = errors.New("the clinic's certificate is expired or not valid yet")
	errNoTLSInTime = errors.New("no TLS connection in time")
	errNoTLS       = errors.New("no TLS connection")
)

func readFailure(err error) error {
	if err == nil {
		return nil
	}
	var network net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return err
	case errors.As(err, &network) && network.Timeout():
		return errTimeout
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return errBroken
	}
	return errMalformed
}

func newLine(secured, raw net.Conn) *line {
	l := &line{Conn: secured, secured: secured != raw}
	l.in, l.out = bufio.NewReaderSize(l, maxHeaders), bufio.NewWriter(l)
	if socket, ok := raw.(syscall.Conn); ok && canPeek {
		if known, err := socket.SyscallConn(); err == nil {
			l.raw = known
		}
	}
	l.look = func(fd uintptr) { l.dead = peek(fd) }
	return l
}

// secure does TLS on a new connection, so that all that fails until then has sent nothing of a request.
func secure(ctx context.Context, raw net.Conn, config *tls.Config) (net.Conn, error) {
	if config == nil {
		return raw, nil
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, handshakeFailure(err)
	}
	return conn, nil
}

// handshakeFailure is an error of TLS without the words of whoever answered, such as the names in a certificate.
func handshakeFailure(err error) error {
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var network net.Error
	switch {
	case errors.As(err, &host):
		return errOtherHost
	case errors.As(err, &authority):
		return errNoAuthority
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return errExpired
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return errNoTLSInTime
	}
	return errNoTLS
}

// isDead looks at an idle connection without reading: one with an end, an error, or bytes that nobody asked for cannot
// carry the next request. What cannot be looked at counts as alive.
func (l *line) isDead() bool {
	if l.raw == nil {
		return false
	}
	l.dead = false
	err := l.raw.Control(l.look)
	return l.dead || err != nil
}
