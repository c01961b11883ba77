// Package proxy is the one door to a platform's API. For each call of a practitioner it finds the platform's rule, a
// fresh token and a permit, announces the call durably in the audit trail, sends exactly one request with headers from an
// allow-list, and hands back an answer with headers from another. It never follows a redirect, never repeats a request
// but once after a 401, and never lets a token, a platform's header or a platform's 5xx text through to the caller. bff
// may import it; it imports tokens, throttle, platform, vault, audit and secret.
package proxy

import (
	"context"
	"log/slog"
	"time"

	"github.com/valyala/fasthttp"

	"locum/bff/audit"
	"locum/bff/platform"
	"locum/bff/throttle"
	"locum/bff/tokens"
)

// Config of a Proxy. All fields but Log must be set.
type Config struct {
	Tokens    *tokens.Keeper
	Limiter   *throttle.Limiter
	Platforms *platform.Registry
	Audit     *audit.Log
	Log       *slog.Logger // nil: discard
}

// Proxy calls platforms.
type Proxy struct{}

// New makes a Proxy.
func New(c Config) *Proxy { panic("todo") }

// Close waits for the calls under way and closes the connections to platforms.
func (p *Proxy) Close() { panic("todo") }

// Request is one call of a practitioner. Nothing else of the browser's request reaches the platform.
type Request struct {
	RequestID, Practitioner, Session, Remote, Connection, Method string
	Path                                                         platform.Path // the platform's own, after /proxy/v1/{connection}
	Query                                                        string
	ContentType, Accept, AcceptLanguage, IfNoneMatch             string
	Body                                                         []byte
	Background                                                   bool
}

// Error is a call that was refused or has failed. Code is one of the shared package's codes.
type Error struct {
	Code       string
	RetryAfter time.Duration
	Params     map[string]string
	Err        error
}

func (e *Error) Error() string { return "proxy: " + e.Code }

func (e *Error) Unwrap() error { return e.Err }

// Do makes one call and fills out.
func (p *Proxy) Do(ctx context.Context, r *Request, out *fasthttp.Response) error { panic("todo") }

// Budgets reads what is left of a clinic's limits.
func (p *Proxy) Budgets(platform, clinic string) (clinicLeft throttle.Allowance, byClass map[string]throttle.Allowance) {
	panic("todo")
}
