package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// lines are the connections to one clinic. They stand in for fasthttp's own client, which cannot say whether a failed
// request had begun to leave, sends into connections that the other end has closed, keeps connections that hold more than
// one answer, repeats requests unless told not to in several places, and leaves a goroutine behind when it is closed.
// They start no goroutine. Where maxLines are open, callers wait in order for one that comes free: a few hundred
// connections more, made at once, take longer than the calls.
type lines struct {
	dial    func(ctx context.Context) (secured, raw net.Conn, err error)
	timeout time.Duration // of dialling, sending and reading together
	maxBody int

	mu      sync.Mutex
	open    int          // and being opened
	idle    []*line      // the one used last is taken first; none while somebody waits
	waiting []chan *line // of those who wait, the first first; each gets one thing: a connection, or nil to open one
	timer   *time.Timer
	down    time.Time // nobody answered at the door then
	closed  bool
}

// send is one request and one answer, without repetition. ctx bounds the wait for a connection and nothing else. The error
// is an *unsentError when no byte of the request has left. A connection found dead before that is replaced, as often as
// needed.
func (s *lines) send(ctx context.Context, req *fasthttp.Request, resp *fasthttp.Response) error {
	var deadline time.Time
	for {
		l, err := s.claim(ctx)
		if err != nil {
			return &unsentError{err}
		}
		if deadline.IsZero() {
			deadline = time.Now().Add(s.timeout)
		}
		if l == nil {
			if l, err = s.connect(deadline); err != nil {
				return &unsentError{err}
			}
		}
		again, err := s.try(l, req, resp, deadline)
		if !again {
			return err
		}
	}
}

// claim gives an idle connection that is alive, or nil where the caller is to open one.
func (s *lines) claim(ctx context.Context) (*line, error) {
	for {
		l, waited, err := s.reserve(ctx)
		if err != nil {
			return nil, err
		}
		switch {
		case l == nil && waited && s.rest() > 0: // those before found nobody at the door
			s.release()
			return nil, errDown
		case l == nil, time.Since(l.idle) < idleFor && !l.isDead():
			return l, nil
		case waited: // its place is theirs
			_ = l.Close()
			return nil, nil
		}
		s.drop(l)
	}
}

var errBusy = errors.New("too many connections to the clinic")

// reserve pops an idle connection, or answers nil where one may be opened, and waits for either where too many are open.
func (s *lines) reserve(ctx context.Context) (l *line, waited bool, err error) {
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		defer s.mu.Unlock()
		l = s.idle[n-1]
		s.idle[n-1] = nil
		s.idle = s.idle[:n-1]
		return l, false, nil
	}
	if s.open < maxLines {
		defer s.mu.Unlock()
		s.open++
		return nil, false, nil
	}
	if len(s.waiting) >= maxWaiting {
		defer s.mu.Unlock()
		return nil, false, errBusy
	}
	mine := make(chan *line, 1)
	s.waiting = append(s.waiting, mine)
	s.mu.Unlock()
	select {
	case l = <-mine:
		return l, true, nil
	case <-ctx.Done():
	}
	if s.leave(mine) {
		return nil, true, fmt.Errorf("%w: %w", errBusy, ctx.Err())
	}
	return <-mine, true, nil // it came in the same moment
}

// leave takes one who waits out of the row; false when their turn has come.
func (s *lines) leave(mine chan *line) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.waiting, mine)
	if i < 0 {
		return false
	}
	s.waiting = slices.Delete(s.waiting, i, i+1)
	return true
}

// hand gives l, or with nil the right to open a connection, to who has waited longest; false when nobody waits. The caller
// holds mu.
func (s *lines) hand(l *line) bool {
	if len(s.waiting) == 0 {
		return false
	}
	s.waiting[0] <- l
	s.waiting = slices.Delete(s.waiting, 0, 1)
	return true
}

func (s *lines) connect(deadline time.Time) (l *line, err error) {
	defer func() {
		if l == nil {
			s.release()
		}
	}()
	ctx, cancel := context.WithDeadline(context.Background(), earlier(deadline, time.Now().Add(dialFor)))
	defer cancel()
	secured, raw, err := s.dial(ctx)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.down = time.Now()
		return nil, err
	}
	return newLine(secured, raw), nil
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

// release gives the place of a connection that is no more to the next.
func (s *lines) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free()
}

func (s *lines) free() {
	if !s.hand(nil) {
		s.open--
	}
}

func (s *lines) drop(l *line) {
	_ = l.Close()
	s.release()
}

func (s *lines) put(l *line) {
	l.idle = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = l.Close()
		s.free()
		return
	}
	if s.hand(l) {
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
