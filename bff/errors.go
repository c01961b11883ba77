package bff

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"locum/bff/account"
	"locum/bff/audit"
	"locum/bff/connect"
	"locum/bff/platform"
	"locum/bff/proxy"
	"locum/bff/session"
	"locum/bff/throttle"
	"locum/bff/tokens"
	"locum/bff/vault"
	"locum/shared"
)

// failure is an answer that is not a success: what the caller reads, and in err what only the log may read.
type failure struct {
	status     int // 0: the status of the code
	code       shared.Code
	params     map[string]string
	retryAfter time.Duration
	allow      string // the Allow header of a 405
	close      bool   // the connection cannot be trusted any further
	why        string // for whoever sets up a proxy, in the log alone; never what a caller sent
	err        error
}

func (f *failure) Error() string {
	if f.err != nil {
		return string(f.code) + ": " + f.err.Error()
	}
	return string(f.code)
}

func (f *failure) Unwrap() error { return f.err }

// meanings is the one table from codes to statuses and titles. Titles are for logs and developers; what a practitioner
// reads lives in app/words.
var meanings = map[shared.Code]struct {
	status int
	title  string
}{
	shared.CodeBadRequest:          {fiber.StatusBadRequest, "The request is malformed"},
	shared.CodeUnsafePath:          {fiber.StatusBadRequest, "The path holds something that is refused"},
	shared.CodeInvalidClinic:       {fiber.StatusBadRequest, "This is not an address of a clinic on this platform"},
	shared.CodeUnknownPlatform:     {fiber.StatusBadRequest, "No such platform is configured"},
	shared.CodeInvalidState:        {fiber.StatusBadRequest, "client_state must be 43 base64url characters"},
	shared.CodeSignedOut:           {fiber.StatusUnauthorized, "Signed out"},
	shared.CodeCredentials:         {fiber.StatusUnauthorized, "Login or password is wrong"},
	shared.CodeForbidden:           {fiber.StatusForbidden, "Not from this origin"},
	shared.CodeScopeMissing:        {fiber.StatusForbidden, "A scope is missing"},
	shared.CodeClinicMismatch:      {fiber.StatusForbidden, "The connection belongs to another clinic"},
	shared.CodeNotFound:            {fiber.StatusNotFound, "Not found"},
	shared.CodeLaunchUnknown:       {fiber.StatusNotFound, "This launch is unknown, used or too old"},
	shared.CodeCallRefused:         {fiber.StatusBadRequest, "The platform understood the call and refused it"},
	shared.CodeWrongPatient:        {fiber.StatusForbidden, "The connection was launched for another patient"},
	shared.CodeMethodNotAllowed:    {fiber.StatusMethodNotAllowed, "Method not allowed"},
	shared.CodeConflict:            {fiber.StatusConflict, "Changed meanwhile"},
	shared.CodeReconnectNeeded:     {fiber.StatusConflict, "The platform ended this connection"},
	shared.CodeTooLarge:            {fiber.StatusRequestEntityTooLarge, "Too large"},
	shared.CodeUnsupportedMedia:    {fiber.StatusUnsupportedMediaType, "Unsupported media type"},
	shared.CodeBudgetSpent:         {fiber.StatusTooManyRequests, "The clinic's request budget is spent"},
	shared.CodeTooManyAttempts:     {fiber.StatusTooManyRequests, "Too many attempts"},
	shared.CodeTooManyFlows:        {fiber.StatusTooManyRequests, "Too many connection attempts are pending"},
	shared.CodeInternal:            {fiber.StatusInternalServerError, "Internal error"},
	shared.CodePlatformBadAnswer:   {fiber.StatusBadGateway, "The platform's answer could not be used"},
	shared.CodeOutcomeUnknown:      {fiber.StatusBadGateway, "The write was sent; its outcome is unknown"},
	shared.CodePlatformUnavailable: {fiber.StatusServiceUnavailable, "The platform is unavailable"},
	shared.CodePlatformConfig:      {fiber.StatusServiceUnavailable, "The platform refuses Locum itself"},
	shared.CodeStorage:             {fiber.StatusServiceUnavailable, "Storage is unavailable"},
	shared.CodeAudit:               {fiber.StatusServiceUnavailable, "The audit trail is unavailable"},
}

// tokenCodes says what a failure of a connection's tokens means to a caller.
var tokenCodes = map[tokens.Kind]shared.Code{
	tokens.NotFound:        shared.CodeNotFound,
	tokens.ReconnectNeeded: shared.CodeReconnectNeeded,
	tokens.Misconfigured:   shared.CodePlatformConfig,
	tokens.Unavailable:     shared.CodePlatformUnavailable,
	tokens.Storage:         shared.CodeStorage,
	tokens.BadToken:        shared.CodePlatformBadAnswer,
	tokens.WrongClinic:     shared.CodeClinicMismatch,
	tokens.WrongPerson:     shared.CodeReconnectNeeded,
	tokens.Refused:         shared.CodePlatformBadAnswer,
	tokens.Unknown:         shared.CodePlatformUnavailable,
}

// sentinels are the errors without a type of their own.
var sentinels = []struct {
	err  error
	code shared.Code
}{
	{session.ErrSignedOut, shared.CodeSignedOut},
	{session.ErrFull, shared.CodeTooManyAttempts},
	{account.ErrCredentials, shared.CodeCredentials},
	{account.ErrNotFound, shared.CodeCredentials},
	{account.ErrBusy, shared.CodeTooManyAttempts},
	{account.ErrSetupCode, shared.CodeCredentials},
	{account.ErrSetupLate, shared.CodeCredentials},
	{account.ErrSetupOver, shared.CodeNotFound},
	{errDifferent, shared.CodeBadRequest},
	{audit.ErrUnavailable, shared.CodeAudit},
	{platform.ErrUnsafePath, shared.CodeUnsafePath},
	{platform.ErrNoOperation, shared.CodeNotFound},
	{platform.ErrUnknownPlatform, shared.CodeUnknownPlatform},
	{vault.ErrNotFound, shared.CodeNotFound},
	{vault.ErrConflict, shared.CodeConflict},
	{vault.ErrIntegrity, shared.CodeStorage},
	{vault.ErrCorrupt, shared.CodeStorage},
	{vault.ErrDisk, shared.CodeStorage},
	{vault.ErrClosed, shared.CodeStorage},
	{syscall.ENOSPC, shared.CodeStorage}, // a full disk heals by itself: it is no fault of ours, and no ErrDisk
	{syscall.EDQUOT, shared.CodeStorage},
	{syscall.EFBIG, shared.CodeStorage},
	{context.DeadlineExceeded, shared.CodePlatformUnavailable},
}

// explain turns any error of the rooms below into the failure that the caller reads. What it does not know is internal.
func explain(err error) *failure {
	if known := explainTyped(err); known != nil {
		known.err = err
		var method *platform.MethodError
		if known.code == shared.CodeMethodNotAllowed && errors.As(err, &method) {
			known.allow = strings.Join(method.Allow, ", ")
		}
		return known
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return &failure{code: s.code, err: err}
		}
	}
	return &failure{code: shared.CodeInternal, err: err}
}

func explainTyped(err error) *failure {
	var own *failure
	var fromProxy *proxy.Error
	var fromTokens *tokens.Error
	var fromConnect *connect.Error
	var refused *throttle.RefusedError
	var throttled *account.ThrottledError
	var login *account.LoginError
	var password *account.PasswordError
	var clinic *platform.ClinicError
	var method *platform.MethodError
	var query *platform.QueryError
	var fromFiber *fiber.Error
	switch {
	case errors.As(err, &own):
		copied := *own
		return &copied
	case errors.As(err, &fromProxy):
		return &failure{status: fromProxy.Status, code: shared.Code(fromProxy.Code), params: fromProxy.Params, retryAfter: fromProxy.RetryAfter}
	case errors.As(err, &fromTokens):
		return &failure{code: tokenCodes[fromTokens.Kind], retryAfter: fromTokens.RetryAfter}
	case errors.As(err, &clinic):
		return &failure{code: shared.CodeInvalidClinic, params: reason(clinic.Reason)}
	case errors.As(err, &fromConnect):
		return &failure{code: shared.Code(fromConnect.Code), params: reason(fromConnect.Reason)}
	case errors.As(err, &refused):
		return &failure{code: shared.CodeBudgetSpent, retryAfter: refused.RetryAfter}
	case errors.As(err, &throttled):
		return &failure{code: shared.CodeTooManyAttempts, retryAfter: throttled.RetryAfter}
	case errors.As(err, &login), errors.As(err, &password):
		return &failure{code: shared.CodeBadRequest}
	case errors.As(err, &method):
		return &failure{code: shared.CodeMethodNotAllowed}
	case errors.As(err, &query):
		return &failure{code: shared.CodeBadRequest, params: reason("query")}
	case errors.As(err, &fromFiber):
		return &failure{code: codeOf(fromFiber.Code)}
	}
	return nil
}

func reason(code string) map[string]string {
	if code == "" {
		return nil
	}
	return map[string]string{"reason": code}
}

// codeOf is for the few statuses that Fiber's own router gives.
func codeOf(status int) shared.Code {
	switch status {
	case fiber.StatusNotFound:
		return shared.CodeNotFound
	case fiber.StatusMethodNotAllowed:
		return shared.CodeMethodNotAllowed
	case fiber.StatusRequestEntityTooLarge, fiber.StatusRequestHeaderFieldsTooLarge:
		return shared.CodeTooLarge
	case fiber.StatusUnsupportedMediaType:
		return shared.CodeUnsupportedMedia
	}
	if status >= fiber.StatusInternalServerError {
		return shared.CodeInternal
	}
	return shared.CodeBadRequest
}

// onError is Fiber's error handler: whatever a handler returned becomes a problem.
func (s *Server) onError(c *fiber.Ctx, err error) error {
	s.problem(c.Context(), explain(err))
	return nil
}

// onUnreadable answers a request that fasthttp could not read. err quotes the request, cookies included, so nothing
// of it is repeated anywhere; the connection ends. fasthttp sets the time for an answer only behind a handler: without
// it, the one of the answer before, perhaps long past, would keep this one from being sent.
func (s *Server) onUnreadable(ctx *fasthttp.RequestCtx, err error) {
	if ctx.Conn().SetWriteDeadline(time.Now().Add(s.bounds.send)) != nil {
		return // it is closed
	}
	exchange := s.begin(ctx)
	exchange.pattern = "unreadable"
	defer s.finish(ctx, exchange)
	f := &failure{status: fiber.StatusBadRequest, code: shared.CodeBadRequest, close: true}
	var small *fasthttp.ErrSmallBuffer
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &small):
		f.status, f.code = fiber.StatusRequestHeaderFieldsTooLarge, shared.CodeTooLarge
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		f.status, f.code = fiber.StatusRequestEntityTooLarge, shared.CodeTooLarge
	case errors.As(err, &timeout) && timeout.Timeout():
		f.status = fiber.StatusRequestTimeout
	}
	s.problem(ctx, f)
	ctx.Response.SkipBody = ctx.IsHead() // as fasthttp does behind a handler
}

// problem writes f as RFC 9457 application/problem+json in place of whatever the answer held.
func (s *Server) problem(ctx *fasthttp.RequestCtx, f *failure) {
	exchange := exchangeOf(ctx)
	meaning, known := meanings[f.code]
	if !known {
		f.code, meaning = shared.CodeInternal, meanings[shared.CodeInternal]
	}
	if f.status == 0 {
		f.status = meaning.status
	}
	wait := seconds(f.retryAfter)
	body, err := json.Marshal(shared.Problem{Type: "about:blank", Title: meaning.title, Status: f.status, Code: f.code,
		Params: f.params, RequestID: exchange.id, RetryAfter: wait})
	if err != nil {
		body = []byte("{}")
	}
	exchange.failure, exchange.answer = f, s.policies.api
	header := &ctx.Response.Header
	endpoint, clinic := string(header.Peek(shared.HeaderBudgetEndpoint)), string(header.Peek(shared.HeaderBudgetClinic))
	ctx.Response.Reset()
	setIf(header, shared.HeaderBudgetEndpoint, endpoint)
	setIf(header, shared.HeaderBudgetClinic, clinic)
	ctx.SetStatusCode(f.status)
	header.SetContentType("application/problem+json")
	if wait > 0 {
		header.Set(fiber.HeaderRetryAfter, strconv.Itoa(wait))
	}
	setIf(header, fiber.HeaderAllow, f.allow)
	if f.close {
		header.SetConnectionClose()
		closeInStages(ctx)
	}
	ctx.SetBody(body)
}

func setIf(header *fasthttp.ResponseHeader, name, value string) {
	if value != "" {
		header.Set(name, value)
	}
}
