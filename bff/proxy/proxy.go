// Package proxy is the one door to a platform's API. For each call of a practitioner it finds the platform's rule, a
// fresh token and a permit, announces the call durably in the audit trail, sends exactly one request with headers from an
// allow-list, and hands back an answer with headers from another. It never follows a redirect, never repeats a request
// but once after a 401, and never lets a token, a platform's header or the text of a platform's failure through to the
// caller. bff may import it; it imports tokens, service, throttle, platform and audit.
package proxy

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"locum/bff/audit"
	"locum/bff/platform"
	"locum/bff/service"
	"locum/bff/throttle"
	"locum/bff/tokens"
)

// Config of a Proxy. All fields but Log, Services and LinkKey must be set.
type Config struct {
	Tokens    *tokens.Keeper
	Limiter   *throttle.Limiter
	Platforms *platform.Registry
	Audit     *audit.Log
	Log       *slog.Logger    // nil: discard. It gets operation ids and clinics, never a path, an id of a record or a body
	Services  *service.Keeper // nil: there are none
	// LinkKey signs the pages of searches, so that those of before a restart still lead on. nil: a random one.
	LinkKey []byte
}

// Proxy calls platforms. Its methods may be called at once from many goroutines.
type Proxy struct {
	tokens    *tokens.Keeper
	limiter   *throttle.Limiter
	platforms *platform.Registry
	audit     *audit.Log
	log       *slog.Logger
	services  *service.Keeper
	links     links

	mu        sync.RWMutex
	closed    bool
	upstreams map[clinicKey]*upstream
	calls     sync.WaitGroup
	refusals  refusals
	styles    styles
	recorder  recorder
}

// New makes a Proxy.
func New(c Config) *Proxy {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.LinkKey == nil {
		c.LinkKey = make([]byte, 32)
		_, _ = rand.Read(c.LinkKey) // it never fails (crypto/rand)
	}
	return &Proxy{
		tokens: c.Tokens, limiter: c.Limiter, platforms: c.Platforms, audit: c.Audit, log: c.Log,
		services: c.Services, links: links{c.LinkKey}, upstreams: map[clinicKey]*upstream{},
	}
}

// Close refuses new calls, waits for those under way and closes the connections to platforms. The audit log must still be
// open.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.calls.Wait()
	p.styles.asking.Wait()
	p.endRefusals()
	p.recorder.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.upstreams {
		u.close()
	}
}

// enter counts a call that Close waits for; false when the Proxy is closing. Pair it with calls.Done.
func (p *Proxy) enter() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return false
	}
	p.calls.Add(1)
	return true
}

// Request is one call of a practitioner. Nothing else of the browser's request reaches the platform. Do keeps nothing of
// it after it has returned.
type Request struct {
	RequestID, Practitioner, Session, Remote, Connection, Method string
	Path                                                         platform.Path // the platform's own, after /proxy/v1/{connection}
	Query                                                        string        // raw
	// ContentType must be JSON where there is a body, or a form where the operation takes one. The caller's Accept is not
	// asked for: only JSON is fetched. IfMatch is of use for FHIR updates.
	ContentType, AcceptLanguage, IfNoneMatch, IfMatch string
	Body                                              []byte
	Background                                        bool
	// Administrator says that the practitioner may call services; for others there are none.
	Administrator bool
}

// Error is a call that was refused or has failed. Code is one of package shared's codes, and never the platform's text.
type Error struct {
	Code       string
	Status     int           // the HTTP status that goes with it; 0: the code's own
	RetryAfter time.Duration // 0 where waiting does not help
	Params     map[string]string
	Err        error // for the log
}

func (e *Error) Error() string {
	if e.Err != nil {
		return "proxy: " + e.Code + ": " + e.Err.Error()
	}
	return "proxy: " + e.Code
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Codes, as package shared has them.
const (
	codeBadRequest   = "bad_request"
	codeUnsupported  = "unsupported_media"
	codeScope        = "scope_missing"
	codeClinic       = "clinic_mismatch"
	codePatient      = "wrong_patient"
	codeRefused      = "call_refused"
	codeBadAnswer    = "platform_bad_answer"
	codeUnknown      = "outcome_unknown"
	codeUnavailable  = "platform_unavailable"
	codeBudget       = "budget_spent"
	codeNotFound     = "not_found"
	codeMethod       = "method_not_allowed"
	codeReconnect    = "reconnect_needed"
	codeMisconfig    = "platform_misconfigured"
	codeStorage      = "storage_unavailable"
	codeAudit        = "audit_unavailable"
	codePlatformGone = "unknown_platform"
)

// Budgets reads what is left of a clinic's limits: the clinic's own, and those of its endpoint classes in use.
func (p *Proxy) Budgets(platform, clinic string) (clinicLeft throttle.Allowance, byClass map[string]throttle.Allowance) {
	live, err := p.platforms.Get(platform)
	if err != nil {
		return throttle.Allowance{}, map[string]throttle.Allowance{}
	}
	return p.limiter.Budgets(clinicKey{platform, clinic}.String(), live.Limits)
}

// Do makes one call and fills out. ctx bounds the wait for a token and a turn, patience that for a turn too; once the
// request is on its way, neither the end of ctx nor a caller who leaves stops it, because the permit is spent and a write
// may be done. Every call leaves one audit record per request sent, or one of its refusal (their flood: see refusals).
//
// Errors: *Error; *tokens.Error; *throttle.RefusedError; platform.ErrNoOperation, *platform.MethodError,
// *platform.QueryError, platform.ErrUnknownPlatform; audit.ErrUnavailable. With an error out holds at most the budget
// headers.
func (p *Proxy) Do(ctx context.Context, r *Request, out *fasthttp.Response) error {
	out.Reset()
	c := call{proxy: p, request: r, out: out}
	if !p.enter() {
		return c.refused(&Error{Code: codeUnavailable})
	}
	defer p.calls.Done()
	err := c.run(ctx)
	if err != nil {
		out.Reset()
		if !c.announced {
			err = c.refused(err)
		}
	}
	c.writeBudget()
	return err
}
