package bff

import (
	"net"
	"slices"
	"time"

	"github.com/valyala/fasthttp"
)

// Routes gives method and path of every route of the table, for the tests that walk them all.
func (s *Server) Routes() [][2]string {
	var list [][2]string
	for _, r := range s.routes() {
		list = append(list, [2]string{r.method, r.path})
	}
	return list
}

// StartSession starts a session of the account without its password and gives the cookie.
func (s *Server) StartSession(login string) (string, error) {
	who, err := s.accounts.ByLogin(login)
	if err != nil {
		return "", err
	}
	cookie, _, err := s.sessions.Start(who.ID)
	return cookie.Reveal(), err
}

// Bound sets how long a connection may take to send a request, to take an answer and to say nothing, and how many there
// may be.
func (o *Options) Bound(read, send, idle time.Duration, connections int) {
	o.bounds = bounds{read: read, send: send, idle: idle, connections: connections}
}

// BoundLooks sets how often a stream looks for its caller and its session.
func (o *Options) BoundLooks(look time.Duration) { o.bounds.look = look }

// BoundStreams sets how long a stream of events lasts and may say nothing, and how many connections there may be. It looks
// for its caller often.
func (o *Options) BoundStreams(stream, beat time.Duration, connections int) {
	o.bounds = defaultBounds
	o.bounds.stream, o.bounds.beat, o.bounds.look, o.bounds.connections = stream, beat, 50*time.Millisecond, connections
}

// BoundSends sets how long an answer may take beside the bounds of streams.
func (o *Options) BoundSends(send, stream, beat time.Duration) {
	o.BoundStreams(stream, beat, 64)
	o.bounds.send = send
}

// Publish tells the streams of an account of a change that is long.
func (s *Server) Publish(login, connection, cause string) {
	if who, err := s.accounts.ByLogin(login); err == nil {
		s.events.Connection(who.ID, connection, "", cause)
	}
}

// Meanings gives every code that the one table knows.
func Meanings() []string {
	var list []string
	for code := range meanings {
		list = append(list, string(code))
	}
	slices.Sort(list)
	return list
}

// LastActive is when the session of a cookie last counted as active.
func (s *Server) LastActive(cookie string) (time.Time, error) {
	found, err := s.sessions.Lookup(cookie)
	return found.LastActive, err
}

// Route puts handler behind the pre-filter in place of the router. It is to be called before anything is served.
func (s *Server) Route(handler fasthttp.RequestHandler) { s.router = handler }

// ServeConn serves one connection to its end.
func (s *Server) ServeConn(conn net.Conn) error { return s.http.ServeConn(conn) }
