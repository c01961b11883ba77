package bff

import (
	"context"
	"log/slog"
	"net"

	"locum/bff/account"
	"locum/bff/config"
	"locum/bff/oauth"
	"locum/bff/secret"
)

// AuditFile is the name of the audit trail inside the data directory, AuditKeyPurpose what vault.DeriveKey is asked
// for to chain it.
const (
	AuditFile       = "audit.log"
	AuditKeyPurpose = "audit"
)

// Options are what a caller may add to a configuration. Zero values: the default logger, each platform's own guarded
// dialler, no demo cards, a random boot id.
type Options struct {
	Log  *slog.Logger
	Dial oauth.DialFunc
	Demo *Demo
	Boot string
}

// Demo makes the sign-in page offer one-click cards. They are honoured for callers on a loopback address only.
type Demo struct{ Cards []DemoCard }

// DemoCard is one account that a click signs in to. Note is shown beside it.
type DemoCard struct{ Login, Name, Note string }

// Server is Locum, opened and wired.
type Server struct{}

// Open opens the vault, the audit trail and every room above them, and renders the pages.
func Open(cfg *config.Config, o Options) (*Server, error) { panic("todo") }

// Accounts is who may sign in.
func (s *Server) Accounts() *account.Store { panic("todo") }

// SetClientSecret seals the secret that a platform gave to Locum.
func (s *Server) SetClientSecret(platform string, v secret.String) error { panic("todo") }

// Serve answers on ln until ctx ends, then finishes what was begun.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error { panic("todo") }

// Close gives everything back that Open took.
func (s *Server) Close() error { panic("todo") }
