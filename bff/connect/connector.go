package connect

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"log/slog"
	"sync"
	"time"

	"locum/bff/audit"
	"locum/bff/platform"
	"locum/bff/session"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// Config is what a Connector stands on; all but Log, Pages and Active are needed. Pages is the closed list of places that a
// Context may lead back to: the name of a page and the names of its parameters. nil: the caller of Begin has checked
// the name itself, and only its form is checked here. Active says whether a practitioner may sign in; nil: everyone may.
type Config struct {
	Vault     *vault.Vault
	Sessions  *session.Manager
	Tokens    *tokens.Keeper
	Platforms *platform.Registry
	Audit     *audit.Log
	Log       *slog.Logger
	Pages     map[string][]string
	Active    func(practitioner string) bool
}

// Bounds of what is pending.
const (
	lifetime        = 10 * time.Minute // of an attempt, of an outcome, and of a launch
	maxPerSession   = 8                // attempts; the oldest makes room
	maxPerPerson    = 32               // attempts of one practitioner in all their sessions; a new one is refused
	maxAttempts     = 2000             // attempts of everybody; a new one is refused, so nobody pushes another's out
	maxUnsigned     = 500              // of them, those of browsers without a session
	maxOutcomes     = 16               // of one session, or of one browser without; the oldest makes room
	maxScopes       = 100
	maxContextParam = 8
)

// Connector begins and finishes authorizations. It keeps nothing in memory but who is just calling: what is pending survives
// a restart.
type Connector struct {
	vault     *vault.Vault
	sessions  *session.Manager
	tokens    *tokens.Keeper
	platforms *platform.Registry
	audit     *audit.Log
	log       *slog.Logger
	pages     map[string][]string
	active    func(practitioner string) bool
	callers   quota // of launches, by address

	confirming sync.Map // keys of outcomes that somebody answers just now
}

// New makes a Connector.
func New(cfg Config) *Connector {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Active == nil {
		cfg.Active = func(string) bool { return true }
	}
	return &Connector{
		vault: cfg.Vault, sessions: cfg.Sessions, tokens: cfg.Tokens, platforms: cfg.Platforms, audit: cfg.Audit,
		log: cfg.Log, pages: cfg.Pages, active: cfg.Active,
	}
}

// Codes of an Error. bff answers with the shared code of the same name.
const (
	CodeInvalidClientState = "invalid_client_state" // not 43 base64url characters
	CodeUnknownPlatform    = "unknown_platform"
	CodeInvalidClinic      = "invalid_clinic" // Reason says why
	CodeTooManyFlows       = "too_many_flows"
	CodeNotFound           = "not_found"   // the connection, or the outcome; another practitioner's is not told apart
	CodeBadRequest         = "bad_request" // Reason: "context", "scopes" or "launch"
	CodeSignedOut          = "signed_out"  // the session ended between the request and now
	CodeStorage            = "storage_unavailable"
	CodeAudit              = "audit_unavailable"      // it could not be written down, so it was not done
	CodeLaunchRefused      = "launch_refused"         // Reason says why; an outcome's word, for a page
	CodeLaunchUnknown      = "launch_unknown"         // unknown, used, too old, or another browser's
	CodeUnavailable        = "platform_unavailable"   // its metadata could not be had
	CodeMisconfigured      = "platform_misconfigured" // its metadata is not what was agreed on
)

// Error is a refusal. Code is one of the Code constants, Reason its parameter where one
// exists.
type Error struct {
	Code, Reason string
	Err          error
}

// Error says code, reason and cause.
func (e *Error) Error() string {
	text := "connect: " + e.Code
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// stored wraps an error of the vault, unless it is ours already.
func stored(err error) error {
	var own *Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	return &Error{Code: CodeStorage, Err: err}
}

// random gives 256 bits as 43 base64url characters.
func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// is256 says whether s has the form of 256 random bits: 43 base64url characters. Whether they are random is the
// browser's business; nothing depends on it.
func is256(s string) bool {
	if len(s) != 43 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// newFlow is the flow value that an attempt brings in where the browser has none: 256 bits that nobody can make from the
// state, which is no secret, without the vault's key.
func (c *Connector) newFlow(state string) string { return c.vault.MAC("connect.flow.value", state) }

// flowMAC is what an attempt stores of the flow cookie.
func (c *Connector) flowMAC(value string) string { return c.vault.MAC("connect.flow", value) }

// outcomeKey is what an attempt stores of the browser's value, and the key of its outcome. Session and practitioner are
// part of it: who sends another's value finds nothing.
func (c *Connector) outcomeKey(practitioner, session, clientState string) string {
	return c.vault.MAC("connect.outcome", practitioner, session, clientState)
}
