package tokens

import "time"

// States of a connection, as stored and shown.
const (
	StateConnected     = "connected"
	StateDegraded      = "degraded"
	StateReconnect     = "needs_reconnect"
	StateMisconfigured = "misconfigured"
)

// View is a connection without its tokens. Its slices are shared and must not be changed.
type View struct {
	ID, Practitioner, Platform, Clinic, ClinicName string
	State, Cause                                   string
	Scopes, Requested, Roles, StaffMembers         []string
	ConnectedAt, RefreshedAt                       time.Time
	FreshFor                                       time.Duration // of the current access token; 0 when it has run out
	KeptFor                                        time.Duration // of the connection without a call; 0 when no end is stated
}
