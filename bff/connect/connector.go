package connect

import (
	"context"
	"log/slog"

	"locum/bff/audit"
	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/session"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// Config is what a Connector stands on; all but Log and Pages are needed. Pages is the closed list of places that a
// Context may lead back to: the name of a page and the names of its parameters. nil: the caller of Begin has checked
// the name itself, and only its form is checked here.
type Config struct {
	Vault     *vault.Vault
	Sessions  *session.Manager
	Tokens    *tokens.Keeper
	Platforms *platform.Registry
	Audit     *audit.Log
	Log       *slog.Logger
	Pages     map[string][]string
}

// Connector begins and finishes authorizations.
type Connector struct{}

// BeginRequest is what a signed-in practitioner asks for. Flow is the value of the flow cookie, or "".
type BeginRequest struct {
	Practitioner, Session                     string
	Platform, Clinic, ClientState, Connection string
	Scopes                                    []string
	Context                                   vault.Context
	Flow                                      string
	RequestID, Remote                         string
}

// BeginAnswer says where the tab navigates, and the value of the flow cookie to set (SameSite=Lax, HttpOnly, 10 minutes).
type BeginAnswer struct {
	AuthorizationURL string
	Flow             secret.String
}

// FinishRequest is a callback: the platform of its path, the raw query, and the value of the flow cookie, or "".
type FinishRequest struct {
	Platform, RawQuery, Flow string
	RequestID, Remote        string
}

// Result is how a callback ended. Code is one of the Outcome constants; Known says that an attempt was found and its
// outcome stored for the tab that began it; FlowDone that the flow cookie has no attempt left and may be cleared.
type Result struct {
	Code            string
	Known, FlowDone bool
}

// Error is a refusal of Begin or Outcome. Code is one of the Code constants, Reason its parameter where one exists.
type Error struct {
	Code, Reason string
	Err          error
}

func (e *Error) Error() string { panic("todo") }
func (e *Error) Unwrap() error { return e.Err }

func New(Config) *Connector { panic("todo") }
func (c *Connector) Begin(ctx context.Context, r BeginRequest) (BeginAnswer, error) {
	panic("todo")
}
func (c *Connector) Finish(ctx context.Context, r FinishRequest) Result { panic("todo") }
func (c *Connector) Outcome(ctx context.Context, practitioner, session, clientState string) (vault.Outcome, error) {
	panic("todo")
}
func (c *Connector) Forget(session string) error { panic("todo") }
