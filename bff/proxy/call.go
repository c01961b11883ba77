package proxy

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"locum/bff/audit"
	"locum/bff/platform"
	"locum/bff/service"
	"locum/bff/throttle"
	"locum/bff/tokens"
)

// call is one run of Do.
type call struct {
	proxy     *Proxy
	request   *Request
	out       *fasthttp.Response
	lease     tokens.Lease
	upstream  *upstream
	operation platform.Call
	query     string
	shaped         // nothing for Jane
	service   bool // the application itself calls
	announced bool // an intent is in the audit trail
	doubted   bool // the platform has refused a fresh token before
}

// run is the way of a call, in order: whose connection, which clinic, which rule, which token and scope, then a permit, the
// intent, and one request; after a 401, with another token, the last three once more.
func (c *call) run(ctx context.Context) error {
	if err := c.admit(ctx); err != nil {
		return err
	}
	status, err := c.attempt(ctx)
	if err != nil || status != fasthttp.StatusUnauthorized {
		c.worked(status)
		return err
	}
	if err := over(ctx); err != nil {
		return err
	}
	// The platform has not processed what it did not authorise, so a write is repeated too.
	lease, err := c.another(ctx)
	if err != nil {
		return err
	}
	if err := c.use(lease); err != nil {
		return err
	}
	status, err = c.attempt(ctx)
	if err == nil && status == fasthttp.StatusUnauthorized {
		c.rejected()
		return &Error{Code: codeBadAnswer, Err: errors.New("a fresh token was refused")}
	}
	c.worked(status)
	return err
}

// rejected notes that a fresh token was refused.
func (c *call) rejected() {
	if c.service {
		c.proxy.services.Rejected(c.lease)
	} else {
		c.proxy.tokens.Rejected(c.lease)
	}
}

// worked heals a connection whose fresh token was refused before; a failure of the platform says nothing about a token.
func (c *call) worked(status int) {
	switch {
	case c.service && status > 0 && status < fasthttp.StatusInternalServerError:
		c.proxy.services.Worked(c.lease)
	case c.doubted && status > 0 && status < fasthttp.StatusInternalServerError:
		c.proxy.tokens.Worked(c.lease)
	}
}

// admit does everything that needs no permit. A token is asked for last, so that nothing is refreshed for a call that is
// refused anyway, and so that the record of a call without a token says what it was for.
func (c *call) admit(ctx context.Context) error {
	r := c.request
	if service.IsID(r.Connection) {
		return c.admitService(ctx)
	}
	connection, err := c.proxy.tokens.Standing(r.Practitioner, r.Connection)
	if err != nil {
		return err
	}
	c.lease.Connection, c.lease.Platform, c.lease.Clinic = connection.ID, connection.Platform, connection.Clinic
	c.doubted = connection.Cause == tokens.CauseInvalidToken
	live, err := c.proxy.platforms.Get(connection.Platform)
	if err != nil {
		return err
	}
	if c.upstream, err = c.proxy.upstream(live, connection.Clinic); err != nil {
		return err
	}
	if c.operation, err = live.Match(r.Method, r.Path); err != nil {
		return err
	}
	if c.upstream.face != nil {
		err = c.shape(connection.Patient)
	} else if c.query, err = c.operation.Query(r.Query); err == nil {
		err = c.plainBody()
	}
	if err != nil {
		return err
	}
	if err := over(ctx); err != nil {
		return err
	}
	lease, err := c.proxy.tokens.Fresh(ctx, r.Practitioner, r.Connection)
	if err != nil {
		return err
	}
	return c.use(lease)
}

// over refuses to begin anything once the caller's time has ended: no refresh, no wait for a turn, no request.
func over(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return &Error{Code: codeUnavailable, Err: err}
	}
	return nil
}

// use takes a token, if it is one for this call: of the same clinic, with the scope.
func (c *call) use(lease tokens.Lease) error {
	if lease.Platform != c.lease.Platform || lease.Clinic != c.lease.Clinic {
		return &Error{Code: codeClinic}
	}
	c.lease = lease
	if !c.operation.Granted(lease.Scopes) {
		return &Error{Code: codeScope, Params: map[string]string{"scope": c.operation.Scope}}
	}
	return nil
}

// plainBody refuses a body where none belongs, and any that is not JSON. Document upload, the one operation that is not,
// comes with streaming.
func (c *call) plainBody() error {
	switch c.operation.Method {
	case fasthttp.MethodPost, fasthttp.MethodPut, fasthttp.MethodPatch:
		if c.operation.Multipart || len(c.request.Body) > 0 && !isJSON(c.request.ContentType) {
			return &Error{Code: codeUnsupported}
		}
	default:
		if len(c.request.Body) > 0 {
			return &Error{Code: codeBadRequest, Params: map[string]string{"reason": "body"}}
		}
	}
	return nil
}

// attempt takes a permit, announces the request, sends it once and says what became of it to all three. It answers
// (401, nil) where the platform refused the token; else the answer is in out, or an error says why there is none.
func (c *call) attempt(ctx context.Context) (int, error) {
	permit, err := c.turn(ctx)
	if err != nil {
		return 0, err
	}
	defer permit.Abandon() // counts only if nothing below was reached
	entry, err := c.announce()
	if err != nil {
		permit.Unsent()
		return 0, err
	}
	err = c.send(ctx)
	status := c.out.StatusCode()
	switch {
	case isUnsent(err):
		permit.Unsent()
		entry.End(audit.ResultUnsent, 0)
		return 0, c.failed(codeUnavailable, err)
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		permit.Done() // the platform has answered; what it said is more than we take
		entry.End(audit.ResultAnswered, status)
		return 0, c.unusable(err)
	case err != nil:
		permit.Abandon()
		entry.End(audit.ResultUnknown, 0)
		return 0, c.failed(c.silence(err), err)
	}
	entry.End(audit.ResultAnswered, status)
	if c.upstream.face != nil {
		c.heed(permit, status)
	}
	if status == fasthttp.StatusTooManyRequests {
		return 0, c.frozen(permit)
	}
	permit.Done()
	if status == fasthttp.StatusUnauthorized {
		return status, nil
	}
	return status, c.answer(status)
}

var errDown = errors.New("the clinic could not be reached a moment ago")

// patience is how long a call waits for its turn while a person looks at the page. Whose turn is further off learns so at
// once, with the time at which to come back; a call in the background waits as long as its ctx allows.
const patience = 15 * time.Second

func (c *call) turn(ctx context.Context) (*throttle.Permit, error) {
	if err := over(ctx); err != nil {
		return nil, err
	}
	if rest := c.upstream.rest(); rest > 0 {
		return nil, &Error{Code: codeUnavailable, RetryAfter: rest, Err: errDown}
	}
	if !c.request.Background {
		var cancel context.CancelFunc
		ctx, cancel = Within(ctx, patience)
		defer cancel()
	}
	permit, err := c.proxy.limiter.Acquire(ctx, throttle.Request{
		Clinic: c.upstream.key, Class: c.operation.Class, Practitioner: c.who(),
		Background: c.request.Background, Limits: c.upstream.live.Limits,
	})
	var refused *throttle.RefusedError
	if err == nil || errors.As(err, &refused) {
		return permit, err
	}
	return nil, &Error{Code: codeUnavailable, Err: err} // the caller's time was over before
}

// announce writes the intent. What is left of the caller's patience does not bound it: the turn has come.
func (c *call) announce() (*audit.Entry, error) {
	entry, err := c.proxy.audit.Begin(c.proxy.recorder.recording(), c.intent())
	c.announced = c.announced || err == nil
	return entry, err
}

// silence is the code for a request whose answer never came, or cannot be read.
func (c *call) silence(err error) string {
	switch {
	case c.operation.Write:
		return codeUnknown
	case errors.Is(err, errMalformed):
		return codeBadAnswer
	}
	return codeUnavailable
}

func (c *call) failed(code string, err error) error {
	c.proxy.log.Warn("platform call failed", "request_id", c.request.RequestID, "platform", c.lease.Platform,
		"clinic", c.lease.Clinic, "operation", c.operation.ID, "code", code, "error", err)
	return &Error{Code: code, Err: err}
}

// frozen obeys a 429 and tells the caller when to come back.
func (c *call) frozen(permit *throttle.Permit) error {
	header := &c.out.Header
	match := string(header.Peek("X-Throttle-Match"))
	wait, stated := throttle.ParseRetryAfter(string(header.Peek(fasthttp.HeaderRetryAfter)), c.platformTime())
	frozen := freeze{class: c.operation.Class}
	frozen.whole, frozen.long = permit.Frozen(match, wait)
	c.noteFreeze(frozen)
	c.proxy.log.Warn("platform answered 429", "request_id", c.request.RequestID, "platform", c.lease.Platform,
		"clinic", c.lease.Clinic, "operation", c.operation.ID, "match", clip(match), "retry_after", wait, "stated", stated,
		"absurd", stated && wait >= throttle.MaxRetryAfter)
	endpoint, clinic := c.budget()
	return &Error{Code: codeBudget, RetryAfter: max(endpoint.Reset, clinic.Reset)}
}

// intent is the audit trail's view of the call. It also serves for a call that was refused before it had a connection or
// an operation.
func (c *call) intent() audit.Intent {
	r := c.request
	in := audit.Intent{
		RequestID: r.RequestID, Practitioner: r.Practitioner, Session: r.Session, Remote: r.Remote,
		Platform: c.lease.Platform, Clinic: c.lease.Clinic, Connection: c.connection(), Method: r.Method,
	}
	if c.operation.Operation != nil {
		in.Operation, in.Class, in.Record = c.operation.ID, c.operation.Class, cmp.Or(c.operation.Record, c.named)
	}
	return in
}

// event is another record about the call.
func (c *call) event(kind, code string) audit.Event {
	r := c.request
	return audit.Event{
		Kind: kind, RequestID: r.RequestID, Practitioner: r.Practitioner, Session: r.Session, Remote: r.Remote,
		Platform: c.lease.Platform, Clinic: c.lease.Clinic, Connection: c.connection(), Code: code,
	}
}

// connection is the caller's connection, or what they asked for in its place if that can be anybody's: 26 characters of
// base 32. What else was written there is not repeated (T114).
func (c *call) connection() string {
	asked := c.request.Connection
	if c.lease.Connection == asked || c.proxy.isService(asked) || len(asked) == 26 && strings.Trim(asked, "abcdefghijklmnopqrstuvwxyz234567") == "" {
		return asked
	}
	return "malformed"
}

// codeOf is the code of an error as the audit trail has it.
func codeOf(err error) string {
	var own *Error
	var refused *throttle.RefusedError
	var method *platform.MethodError
	var query *platform.QueryError
	switch {
	case errors.As(err, &own):
		return own.Code
	case errors.As(err, &refused):
		return codeBudget
	case errors.As(err, &method):
		return codeMethod
	case errors.As(err, &query):
		return codeBadRequest
	case errors.Is(err, platform.ErrNoOperation):
		return codeNotFound
	case errors.Is(err, platform.ErrUnknownPlatform):
		return codePlatformGone
	}
	return tokenCodes[tokens.KindOf(err)]
}

// tokenCodes name the kinds of a token's failure.
var tokenCodes = map[tokens.Kind]string{
	tokens.NotFound:        codeNotFound,
	tokens.ReconnectNeeded: codeReconnect,
	tokens.WrongPerson:     codeReconnect,
	tokens.Misconfigured:   codeMisconfig,
	tokens.Unavailable:     codeUnavailable,
	tokens.Unknown:         codeUnavailable,
	tokens.Storage:         codeStorage,
	tokens.WrongClinic:     codeClinic,
	tokens.BadToken:        codeBadAnswer,
	tokens.Refused:         codeBadAnswer,
}
