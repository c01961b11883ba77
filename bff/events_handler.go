package bff

import (
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"locum/bff/events"
	"locum/bff/session"
	"locum/shared"
)

// How a stream goes. Every one ends by itself: a proxy that buffers, a tab that is gone and a machine that slept show
// within a minute. Not all end at once, and who could not have one comes back later.
const (
	streamLife  = 55 * time.Second
	streamBeat  = 15 * time.Second // proxies give up after a silence of a minute or so
	streamLook  = 3 * time.Second  // for a caller who is gone: a write tells only at the second beat
	streamRetry = time.Second
	streamWait  = 15 * time.Second // until who was displaced, or can take no stream, asks again
	eventStream = "text/event-stream"
)

// newHub bounds the streams: of all connections that there is room for, a quarter may wait for events.
func (s *Server) newHub() *events.Hub {
	room := s.bounds.connections
	if half := descriptors() / 2; half > 0 {
		room = min(room, half)
	}
	return events.New(events.Limits{All: max(1, room/4)})
}

// Streams is how many streams of events are open.
func (s *Server) Streams() int { return s.events.Streams() }

// streamEvents is GET /api/v1/events: what an open tab should know at once, as server-sent events. Like every reading it
// is no activity. The body is read by the goroutine of its connection, which waits for events in Read: there is no other.
func (s *Server) streamEvents(c *fiber.Ctx) error {
	e := exchangeOf(c.Context())
	c.Set(fiber.HeaderContentType, eventStream)
	c.Set("X-Accel-Buffering", "no") // nginx would keep events back
	if !takesStream(c) {
		return c.Send(s.briefly(e.session.Practitioner))
	}
	subscription, err := s.events.Subscribe(e.session.Practitioner, e.session.ID)
	switch {
	case errors.Is(err, events.ErrClosed), errors.Is(err, events.ErrFull):
		return &failure{status: fiber.StatusServiceUnavailable, code: shared.CodeInternal, retryAfter: streamWait, err: err}
	case err != nil:
		return err
	}
	if !s.stillIn(e.session) { // ended before there was anything to end
		subscription.Close()
		return session.ErrSignedOut
	}
	stream := s.newStream(e, subscription)
	stream.caller = guestOf(c.Context())
	c.Context().Response.SetBodyStream(stream, -1)
	return nil
}

// takesStream says whether the caller asks for a stream and can tell where it ends: chunks are HTTP/1.1's (RFC 9112 §6.1).
func takesStream(c *fiber.Ctx) bool {
	return c.Request().Header.IsHTTP11() && strings.Contains(c.Get(fiber.HeaderAccept), eventStream)
}

// briefly is a whole stream for who takes none: who is there, and when to ask again.
func (s *Server) briefly(practitioner string) []byte {
	text := s.hello(s.events.Mark(practitioner))
	return appendEvent(text, shared.EventBye, "", shared.Bye{Wait: int(streamWait / time.Second)})
}

func (s *Server) hello(mark string) []byte {
	text := []byte("retry: " + strconv.Itoa(int(streamRetry/time.Millisecond)) + "\n")
	return appendEvent(text, shared.EventHello, mark,
		shared.Hello{Build: s.assets.hash, Retry: int(streamRetry / time.Millisecond), Lasts: seconds(s.bounds.stream)})
}

// stillIn says whether a session lives, and its account may.
func (s *Server) stillIn(of session.Session) bool {
	return s.sessions.Alive(of.ID, of.Practitioner) && s.accounts.Active(of.Practitioner)
}

// stream is the body of one answer.
type stream struct {
	server       *Server
	subscription *events.Subscription
	session      session.Session
	caller       *guest // nil: it came by another way than the gate
	request      string
	begun, ends  time.Time
	spoke        time.Time // when something was last given out
	out          []byte
	told         int
	over         bool
}

func (s *Server) newStream(e *exchange, subscription *events.Subscription) *stream {
	now := time.Now()
	life := s.bounds.stream - time.Duration(rand.Int64N(int64(s.bounds.stream)/10+1)) //nolint:gosec // spreads, hides nothing
	return &stream{server: s, subscription: subscription, session: e.session, request: e.id,
		begun: now, spoke: now, ends: now.Add(life), out: s.hello(subscription.Mark())}
}

// Read waits for the next event. What fasthttp is given it sends at once, in a chunk of its own; the time for that is
// the gate's, from the moment it is sent.
func (r *stream) Read(p []byte) (n int, err error) {
	defer func() {
		if recovered := recover(); recovered != nil { // its value may quote a record
			r.server.log.Error("panic", "request_id", r.request, "route", shared.PathEvents, "stack", string(debug.Stack()))
			r.over, n, err = true, 0, io.EOF
		}
	}()
	for len(r.out) == 0 {
		if r.over {
			return 0, io.EOF
		}
		r.wait()
	}
	n = copy(p, r.out)
	if r.out = r.out[n:]; len(r.out) == 0 {
		r.spoke = time.Now()
	}
	return n, nil
}

// wait lets pass what time there is until the next thing that has to be said, and says it. A session that runs out is
// nobody's deed, and neither is a caller's leaving: so both are looked for.
func (r *stream) wait() {
	beat, now := r.spoke.Add(r.server.bounds.beat), time.Now()
	left, _ := r.server.sessions.Remaining(r.session)
	until := beat
	for _, at := range []time.Time{now.Add(left), r.ends, now.Add(r.server.bounds.look)} {
		if at.Before(until) {
			until = at
		}
	}
	e, some := r.subscription.Next(until)
	now = time.Now()
	switch {
	case some:
		r.tell(e)
	case !r.server.stillIn(r.session):
		r.tell(events.Event{Kind: events.Ended})
	case !now.Before(r.ends), r.caller != nil && r.caller.stirs():
		r.last(shared.EventBye, shared.Bye{})
	case !now.Before(beat):
		r.out = append(r.out, ":\n\n"...)
	}
}

func (r *stream) tell(e events.Event) {
	switch e.Kind {
	case events.Connection:
		r.say(shared.EventConnection, e.Mark, shared.ConnectionEvent{Connection: e.Connection, State: e.State, Cause: e.Cause})
	case events.Budget:
		r.say(shared.EventBudget, "", shared.BudgetEvent{Connection: e.Connection})
	case events.Ended:
		r.last(shared.EventSession, shared.SessionEvent{Ended: true})
	case events.Displaced:
		r.last(shared.EventBye, shared.Bye{Wait: int(streamWait / time.Second)})
	case events.Closed:
		r.last(shared.EventBye, shared.Bye{Wait: int(streamRetry / time.Second)})
	}
}

func (r *stream) say(name, mark string, v any) {
	r.told++
	r.out = appendEvent(r.out, name, mark, v)
}

// last says the last thing.
func (r *stream) last(name string, v any) {
	r.say(name, "", v)
	r.over = true
}

// Close is fasthttp's word for the end, whichever side it came from.
func (r *stream) Close() error {
	r.subscription.Close()
	r.server.log.Debug("stream ended", "request_id", r.request, "took", time.Since(r.begun), "events", r.told, "by_us", r.over)
	return nil
}

// appendEvent writes one event (HTML §9.2.6). JSON holds no line feed, so one line of data is enough.
func appendEvent(text []byte, name, mark string, v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		return text
	}
	if mark != "" {
		text = append(text, "id: "+mark+"\n"...)
	}
	text = append(text, "event: "+name+"\ndata: "...)
	return append(append(text, data...), "\n\n"...)
}
