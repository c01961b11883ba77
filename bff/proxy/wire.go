package proxy

import (
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// unsentError is a request of which no byte has left.
type unsentError struct{ cause error }

func (e *unsentError) Error() string { return "not sent: " + e.cause.Error() }

func (e *unsentError) Unwrap() error { return e.cause }

// errStale says that an idle connection was closed by the other end, or holds bytes that nobody asked for.
var errStale = errors.New("the idle connection is dead")

func isUnsent(err error) bool {
	var unsent *unsentError
	return errors.As(err, &unsent) || errors.Is(err, fasthttp.ErrNoFreeConns)
}

func isStale(err error) bool { return errors.Is(err, errStale) }

// wire is a connection that knows whether a request has begun to leave. fasthttp sets the write deadline once before each
// request: that is where one request ends and the next begins.
type wire struct {
	net.Conn          // TLS, or raw
	raw      net.Conn // what the kernel knows
	used     bool     // a request has been written
	sent     bool     // a byte of the current one has
	fresh    bool     // the current one is the first
}

// SetWriteDeadline implements net.Conn, and marks the begin of a request.
func (w *wire) SetWriteDeadline(t time.Time) error {
	w.fresh, w.used, w.sent = !w.used, true, false
	return w.Conn.SetWriteDeadline(t)
}

// Write implements net.Conn.
func (w *wire) Write(b []byte) (int, error) {
	if !w.sent && !w.fresh && isDead(w.raw) {
		return 0, &unsentError{errStale}
	}
	n, err := w.Conn.Write(b)
	if n > 0 {
		w.sent = true
	}
	if err != nil && !w.sent {
		return n, &unsentError{err}
	}
	return n, err
}

// Handshake tells fasthttp that TLS, where there is any, is done.
func (w *wire) Handshake() error { return nil }

// isDead looks at an idle connection without reading: one with an end, an error, or bytes to read cannot carry the next
// request. What cannot be looked at counts as alive.
func isDead(conn net.Conn) bool {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	dead := false
	err = raw.Control(func(fd uintptr) { dead = peek(fd) })
	return dead || err != nil
}
