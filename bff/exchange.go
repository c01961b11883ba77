package bff

import (
	"crypto/rand"
	"encoding/hex"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"locum/bff/platform"
	"locum/bff/session"
	"locum/shared"
)

// exchange is one request and its answer, as Locum itself sees them: what the pre-filter read, who asks, and which
// policy the answer gets. It lives as long as fasthttp's RequestCtx.
type exchange struct {
	id      string
	start   time.Time
	path    platform.Path // zero for "/"
	cookies []byte        // the one Cookie line; nil when there is none or several
	origin  []byte        // Origin
	site    []byte        // Sec-Fetch-Site, and its relatives
	mode    []byte
	dest    []byte
	remote  netip.Addr // the caller, behind the trusted proxies
	address string     // remote, written once; see caller
	local   bool       // the socket's other end is loopback, and so is the caller
	session session.Session
	framed  bool   // the session is that of a page inside an EHR's
	pattern string // the route's, for the log; never the path
	answer  *policy
	failure *failure
}

// caller is the caller's address as logs and the audit trail have it.
func (e *exchange) caller() string {
	if e.address == "" {
		e.address = e.remote.String()
	}
	return e.address
}

// exchangeKey is where an exchange hangs in fasthttp's user values.
type exchangeKey struct{}

// exchangeOf is the exchange of ctx. Every handler runs below handle, which hung it there.
func exchangeOf(ctx *fasthttp.RequestCtx) *exchange {
	e, _ := ctx.UserValue(exchangeKey{}).(*exchange)
	if e == nil {
		e = &exchange{id: newRequestID(), start: time.Now()}
		ctx.SetUserValue(exchangeKey{}, e)
	}
	return e
}

// begin opens the exchange of a request with the strictest policy: a route that serves anything else says so.
func (s *Server) begin(ctx *fasthttp.RequestCtx) *exchange {
	e := &exchange{id: newRequestID(), start: time.Now(), answer: s.policies.api, remote: addressOf(ctx.RemoteAddr())}
	ctx.SetUserValue(exchangeKey{}, e)
	return e
}

// handle is the first of ours that a parsed request meets: request id, pre-filter, router, and on the way out, whatever
// happened, the headers and one line of log.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	e := s.begin(ctx)
	defer s.finish(ctx, e)
	defer s.rescue(ctx)
	if refusal := s.admit(ctx, e); refusal != nil {
		e.pattern = "refused"
		s.problem(ctx, refusal)
		return
	}
	s.router(ctx)
}

// finish puts the policy's headers on the answer, last, so that nothing can have removed them, and logs it.
func (s *Server) finish(ctx *fasthttp.RequestCtx, e *exchange) {
	e.answer.apply(&ctx.Response.Header)
	ctx.Response.Header.Set(shared.HeaderRequestID, e.id)
	s.logExchange(ctx, e)
}

// rescue turns a panic into a 500. fasthttp itself would let it end the process. The panic's value may quote a record,
// so only its stack is logged.
func (s *Server) rescue(ctx *fasthttp.RequestCtx) {
	if recovered := recover(); recovered != nil {
		e := exchangeOf(ctx)
		s.log.Error("panic", "request_id", e.id, "route", e.pattern, "stack", string(debug.Stack()))
		s.problem(ctx, &failure{code: shared.CodeInternal})
	}
}

// newRequestID is 96 bits of randomness in hex.
func newRequestID() string {
	var b [12]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:])
}
