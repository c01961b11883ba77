package tokens

import (
	"context"
	"log/slog"

	"locum/bff/audit"
	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/vault"
)

// Config is what a Keeper stands on; all but Log are needed. Node names this process in the durable intent of a
// refresh; "" is a single node.
type Config struct {
	Vault     *vault.Vault
	Platforms *platform.Registry
	Audit     *audit.Log
	Log       *slog.Logger
	Node      string
}

// Keeper holds every connection's current access token in memory, and its chain in the vault.
type Keeper struct{}

// Lease is an access token for one upstream call. Scopes are what the token allows; they are shared and must not be
// changed. Generation tells one token from the next.
type Lease struct {
	Access                       secret.String
	Connection, Platform, Clinic string
	Scopes                       []string
	Generation                   uint64
}

// Redemption is a callback that passed every check of package connect. RequestID and Remote are for the audit trail.
type Redemption struct {
	Attempt           vault.Attempt
	Code              secret.String
	RequestID, Remote string
}

func New(Config) (*Keeper, error) { panic("todo") }
func (k *Keeper) Redeem(ctx context.Context, r Redemption) (vault.Connection, error) {
	panic("todo")
}
func (k *Keeper) Fresh(ctx context.Context, practitioner, connection string) (Lease, error) {
	panic("todo")
}
func (k *Keeper) Refused(ctx context.Context, lease Lease) (Lease, error) { panic("todo") }
func (k *Keeper) Disconnect(ctx context.Context, practitioner, connection string) (revoked bool, err error) {
	panic("todo")
}
func (k *Keeper) List(practitioner string) ([]View, error)          { panic("todo") }
func (k *Keeper) Get(practitioner, connection string) (View, error) { panic("todo") }
func (k *Keeper) Close() error                                      { panic("todo") }
