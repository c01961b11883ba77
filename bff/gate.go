package bff

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"locum/shared"
)

// gate is the listener that fasthttp accepts from. It keeps two promises that fasthttp does not: the caller for whom there
// is no room gets an answer of ours, and an address that cannot accept for want of descriptors or memory goes on later
// instead of ending the server. Each connection holds a slot until it is closed.
type gate struct {
	net.Listener
	server *Server
	slots  chan struct{}
	shut   chan struct{} // closed by Close
	close  func() error
}

// Waits between two attempts to accept, and how long an answer to a caller without a slot may take: it is the first thing
// on its connection and fits into the kernel's buffer, so it waits for nobody.
const (
	acceptWait    = 5 * time.Millisecond
	maxAcceptWait = time.Second
	refusalTime   = time.Second
)

// What is still taken from a caller who has been refused: for so long, and so much.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 16 << 20
)

// newGate leaves half of the process's descriptors to calls upstream, files and whatever else keeps Locum alive.
func (s *Server) newGate(ln net.Listener) *gate {
	slots := s.bounds.connections
	if half := descriptors() / 2; half > 0 && half < slots {
		s.log.Warn("few open files are allowed, so few connections are", "connections", half, "wanted", slots)
		slots = half
	}
	g := &gate{Listener: ln, server: s, slots: make(chan struct{}, slots), shut: make(chan struct{})}
	g.close = sync.OnceValue(func() error {
		close(g.shut)
		return ln.Close()
	})
	return g
}

// descriptors is how many files and sockets this process may have open; 0 where that is not known.
func descriptors() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(limit.Cur, 1<<20))
}

// Close ends Accept; a second one does nothing.
func (g *gate) Close() error { return g.close() }

// Accept gives the next connection that there is room for.
func (g *gate) Accept() (net.Conn, error) {
	for wait := acceptWait; ; {
		conn, err := g.Listener.Accept()
		if err != nil && !passing(err) {
			return nil, err
		}
		if err != nil {
			g.server.log.Warn("no connection can be accepted for now", "error", err, "wait", wait)
			select {
			case <-g.shut:
				return nil, net.ErrClosed
			case <-time.After(wait):
				wait = min(2*wait, maxAcceptWait)
			}
			continue
		}
		wait = acceptWait
		select {
		case g.slots <- struct{}{}:
			return &guest{Conn: conn, leave: sync.OnceFunc(func() { <-g.slots }), send: g.server.bounds.send}, nil
		default:
			g.server.turnAway(conn)
		}
	}
}

// passing says whether accepting may work again by itself: the caller left, or the machine is short of something.
func passing(err error) bool {
	for _, lack := range []error{syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EINTR} {
		if errors.Is(err, lack) {
			return true
		}
	}
	return false
}

// guest is a connection that holds a slot.
type guest struct {
	net.Conn
	leave  func()
	linger atomic.Bool

	send  time.Duration // what a piece of an answer may take
	whole time.Time     // when all of it must be out; zero: no deadline is set
	moves bool          // a piece of it is out
}

// A piece of an answer that moves has its own time, so that a slow but steady line gets the app's megabyte, and who takes
// nothing is dropped as soon as ever. The whole may take patience times as long.
const (
	piece    = 64 << 10
	patience = 10
)

// SetWriteDeadline begins the time of an answer.
func (c *guest) SetWriteDeadline(t time.Time) error {
	c.moves, c.whole = false, time.Time{}
	if !t.IsZero() {
		c.whole = t.Add((patience - 1) * c.send)
	}
	return c.Conn.SetWriteDeadline(t)
}

// Write sends p in pieces.
func (c *guest) Write(p []byte) (n int, err error) {
	for err == nil && n < len(p) {
		if err = c.extend(); err != nil {
			break
		}
		var m int
		m, err = c.Conn.Write(p[n:min(len(p), n+piece)])
		n, c.moves = n+m, true
	}
	return n, err
}

func (c *guest) extend() error {
	if !c.moves || c.whole.IsZero() {
		return nil
	}
	next := time.Now().Add(c.send)
	if next.After(c.whole) {
		next = c.whole
	}
	return c.Conn.SetWriteDeadline(next)
}

// Close gives the slot back. After a refusal it closes in stages (RFC 9112 §9.6): the answer goes out and the rest of the
// request is thrown away, since closing over unread bytes would destroy the answer on its way, and a proxy in front would
// report a failure instead.
func (c *guest) Close() error {
	defer c.leave()
	if c.linger.Swap(false) {
		c.drain()
	}
	return c.Conn.Close()
}

func (c *guest) drain() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if ok && half.CloseWrite() == nil && c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
}

// stirs says whether the caller has closed the connection or sent something more. It is looked for without reading a byte:
// the next request may lie there.
func (c *guest) stirs() bool {
	socket, ok := c.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	var first [1]byte
	var found error
	err = raw.Control(func(fd uintptr) { // not Read, which would wait
		_, _, found = syscall.Recvfrom(int(fd), first[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return err != nil || !errors.Is(found, syscall.EAGAIN) && !errors.Is(found, syscall.EINTR)
}

// guestOf is the connection of ctx as the gate knows it; nil where it came another way.
func guestOf(ctx *fasthttp.RequestCtx) *guest {
	conn := ctx.Conn()
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	g, _ := conn.(*guest)
	return g
}

// closeInStages has the connection of ctx closed so, once its answer is written.
func closeInStages(ctx *fasthttp.RequestCtx) {
	if g := guestOf(ctx); g != nil {
		g.linger.Store(true)
	}
}

// turnAway answers 503 to a caller for whom there is no slot, without reading a byte, and closes. Over TLS that would
// take a handshake, so there the connection is closed only.
func (s *Server) turnAway(conn net.Conn) {
	defer conn.Close()
	if s.tls != nil {
		return
	}
	var ctx fasthttp.RequestCtx
	ctx.Init(&fasthttp.Request{}, conn.RemoteAddr(), transportLog{s.log})
	e := s.begin(&ctx)
	e.pattern = "full"
	s.problem(&ctx, &failure{status: fasthttp.StatusServiceUnavailable, code: shared.CodeInternal, retryAfter: time.Second, close: true})
	s.finish(&ctx, e)
	if conn.SetDeadline(time.Now().Add(refusalTime)) != nil {
		return
	}
	out := bufio.NewWriter(conn)
	if ctx.Response.Write(out) == nil {
		_ = out.Flush() // whether it arrives is the caller's affair
	}
}
