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
	"sync"
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

// lines are the connections to one clinic. They stand in for fasthttp's own client, which cannot say whether a failed
// request had begun to leave, sends into connections that the other end has closed, keeps connections that hold more than
// one answer, repeats requests unless told not to in several places, and leaves a goroutine behind when it is closed.
// They start no goroutine.
type lines struct {
	dial    func(ctx context.Context) (secured, raw net.Conn, err error)
	timeout time.Duration // of dialling, sending and reading together
	maxBody int

	mu     sync.Mutex
	open   int
	idle   []*line // the one used last is taken first
	timer  *time.Timer
	down   time.Time // nobody answered at the door then
	closed bool
}

// send is one request and one answer, without repetition. The error is an *unsentError when no byte of the request has
// left. A connection found dead before that is replaced, as often as needed.
func (s *lines) send(req *fasthttp.Request, resp *fasthttp.Response) error {
	deadline := time.Now().Add(s.timeout)
	for {
		l, err := s.take(deadline)
		if err != nil {
			return &unsentError{err}
		}
		again, err := s.try(l, req, resp, deadline)
		if !again {
			return err
		}
	}
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

// take gives an idle connection that is alive, or a new one.
func (s *lines) take(deadline time.Time) (*line, error) {
	for {
		l, err := s.reserve()
		if err != nil {
			return nil, err
		}
		if l == nil {
			return s.connect(deadline)
		}
		if time.Since(l.idle) < idleFor && !l.isDead() {
			return l, nil
		}
		s.drop(l)
	}
}

var errBusy = errors.New("too many connections to the clinic")

// reserve pops an idle connection, or answers nil where one may be opened.
func (s *lines) reserve() (*line, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle); n > 0 {
		l := s.idle[n-1]
		s.idle[n-1] = nil
		s.idle = s.idle[:n-1]
		return l, nil
	}
	if s.open >= maxLines {
		return nil, errBusy
	}
	s.open++
	return nil, nil
}

func (s *lines) connect(deadline time.Time) (*line, error) {
	ctx, cancel := context.WithDeadline(context.Background(), earlier(deadline, time.Now().Add(dialFor)))
	defer cancel()
	secured, raw, err := s.dial(ctx)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open--
		s.down = time.Now()
		return nil, err
	}
	return newLine(secured, raw), nil
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

// downFor is how long a clinic is left alone to which no connection could be made.
const downFor = time.Second

// rest is how much of that is left. Without it, calls that fail without being sent, which cost no permit, would follow
// each other as fast as the audit trail can announce them.
func (s *lines) rest() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(0, downFor-time.Since(s.down))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (s *lines) drop(l *line) {
	_ = l.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
}

func (s *lines) put(l *line) {
	l.idle = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = l.Close()
		s.open--
		return
	}
	s.idle = append(s.idle, l)
	if s.timer == nil {
		s.timer = time.AfterFunc(idleFor, s.sweep)
	}
}

// sweep closes what has been idle for long; the oldest stand first.
func (s *lines) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.idle) && time.Since(s.idle[n].idle) >= idleFor {
		_ = s.idle[n].Close()
		n++
	}
	s.open -= n
	s.idle = append(s.idle[:0], s.idle[n:]...)
	clear(s.idle[len(s.idle) : len(s.idle)+n])
	if s.timer = nil; len(s.idle) > 0 && !s.closed {
		s.timer = time.AfterFunc(idleFor-time.Since(s.idle[0].idle), s.sweep)
	}
}

// close closes the idle connections, and those in use when they come back.
func (s *lines) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, l := range s.idle {
		_ = l.Close()
	}
	s.open -= len(s.idle)
	s.idle = nil
	if s.timer != nil {
		s.timer.Stop()
	}
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
