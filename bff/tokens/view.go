package tokens

import (
	"cmp"
	"slices"
	"time"

	"locum/bff/vault"
)

// States of a connection, as stored and shown.
const (
	StateConnected     = "connected"
	StateDegraded      = "degraded"        // the platform cannot be reached; the current token works while it lasts
	StateReconnect     = "needs_reconnect" // ended; Cause says why
	StateMisconfigured = "misconfigured"   // the platform refuses Locum itself
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

// List gives the practitioner's connections, the oldest first. It reads memory alone.
func (k *Keeper) List(practitioner string) ([]View, error) {
	now := time.Now()
	k.mu.RLock()
	var views []View
	for _, h := range k.conns {
		if h.practitioner == practitioner && !h.gone.Load() {
			views = append(views, h.now.Load().shown(now))
		}
	}
	k.mu.RUnlock()
	slices.SortFunc(views, func(a, b View) int {
		return cmp.Or(a.ConnectedAt.Compare(b.ConnectedAt), cmp.Compare(a.ID, b.ID))
	})
	return views, nil
}

// Get gives one connection of the practitioner's, or an Error of kind NotFound.
func (k *Keeper) Get(practitioner, connection string) (View, error) {
	h, ok := k.find(practitioner, connection)
	if !ok {
		return View{}, notFound(connection)
	}
	return h.now.Load().shown(time.Now()), nil
}

func (cur *current) shown(now time.Time) View {
	view := cur.view
	view.FreshFor = max(0, cur.liveUntil.Sub(now))
	if !cur.keptUntil.IsZero() {
		view.KeptFor = max(0, cur.keptUntil.Sub(now))
	}
	return view
}

func viewOf(c vault.Connection) View {
	return View{
		ID: c.ID, Practitioner: c.Practitioner, Platform: c.Platform, Clinic: c.Clinic, ClinicName: c.ClinicName,
		State: c.State, Cause: c.Cause, Scopes: c.Scopes, Requested: c.Requested, Roles: c.Roles,
		StaffMembers: c.StaffMembers, ConnectedAt: c.ConnectedAt, RefreshedAt: c.RefreshedAt,
	}
}

func notFound(connection string) *Error {
	return &Error{Kind: NotFound, Connection: connection, Code: CauseNotOurs}
}
