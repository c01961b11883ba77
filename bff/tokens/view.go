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
	StateRefreshing    = "refreshing"      // its token has run out and a new one is on its way (shown, never stored)
	StateDegraded      = "degraded"        // the platform cannot be reached; the current token works while it lasts
	StateReconnect     = "needs_reconnect" // ended, or run out unused (shown, never stored); Cause says why
	StateMisconfigured = "misconfigured"   // the platform refuses Locum itself
	StateEnded         = "ended"           // disconnected: only its timeline is left (shown, never stored)
)

// View is a connection without its tokens. Its slices are shared and must not be changed.
type View struct {
	ID, Practitioner, Platform, Clinic, ClinicName string
	State, Cause                                   string
	Scopes, Requested, Roles, StaffMembers         []string
	ConnectedAt, RefreshedAt                       time.Time
	FreshFor                                       time.Duration // of the current access token; 0 when it has run out
	KeptFor                                        time.Duration // of the connection without a call; 0 when no end is stated
	EndsAt                                         time.Time     // when it ends however it is used; zero when that is not known
	FHIRUser, Issuer                               string        // of the id_token, where access tokens are not read
	Launch                                         vault.LaunchContext
	Missing, Excess                                []string // asked for and not granted, and the other way round, by their meaning
}

// List gives the practitioner's connections, the oldest first. It reads memory alone.
func (k *Keeper) List(practitioner string) ([]View, error) {
	now := time.Now()
	k.mu.RLock()
	var views []View
	for _, h := range k.conns {
		if h.practitioner == practitioner && !h.gone.Load() {
			views = append(views, k.shown(h, now))
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
	return k.shown(h, time.Now()), nil
}

// shown is the connection's view; one whose platform is not configured any more works for nobody.
func (k *Keeper) shown(h *held, now time.Time) View {
	view := h.shown(now)
	if _, err := k.platforms.Get(h.platform); err != nil && view.State != StateReconnect {
		view.State, view.Cause = StateMisconfigured, CauseUnknownSystem
	}
	return view
}

// shown is the connection's view as of now, a refresh under way included.
func (h *held) shown(now time.Time) View {
	view := h.now.Load().shown(now)
	if view.State == StateConnected && view.FreshFor == 0 {
		h.mu.Lock()
		flying := h.flight != nil
		h.mu.Unlock()
		if flying {
			view.State = StateRefreshing
		}
	}
	return view
}

// shown is the view as of now. A connection that nobody has used until both its tokens ran out needs the practitioner,
// although only the platform's invalid_grant ends it: a call would still ask, and the platform may be kinder than it said.
// One that the platform refuses for Locum's own fault stays misconfigured, since reconnecting would not help.
func (cur *current) shown(now time.Time) View {
	view := cur.view
	view.FreshFor = max(0, cur.liveUntil.Sub(now))
	if cur.finite && view.FreshFor == 0 && view.State != StateMisconfigured {
		view.State, view.Cause = StateReconnect, endOf(view.Launch)
	}
	if cur.keptUntil.IsZero() {
		return view
	}
	view.KeptFor = max(0, left(cur.keptUntil, now))
	if view.KeptFor == 0 && view.FreshFor == 0 && view.State != StateMisconfigured {
		view.State, view.Cause = StateReconnect, CauseExpired
	}
	return view
}

// left is the shorter of what the monotonic and the wall clock say: the first stands still while a machine sleeps.
func left(until, now time.Time) time.Duration {
	return min(until.Sub(now), until.Round(0).Sub(now.Round(0)))
}

func viewOf(c vault.Connection) View {
	return View{
		ID: c.ID, Practitioner: c.Practitioner, Platform: c.Platform, Clinic: c.Clinic, ClinicName: c.ClinicName,
		State: c.State, Cause: c.Cause, Scopes: c.Scopes, Requested: c.Requested, Roles: c.Roles,
		StaffMembers: c.StaffMembers, ConnectedAt: c.ConnectedAt, RefreshedAt: c.RefreshedAt, EndsAt: c.EndsAt,
		FHIRUser: c.FHIRUser, Issuer: c.Issuer, Launch: c.Launch, Missing: missing(c), Excess: excess(c),
	}
}

func notFound(connection string) *Error {
	return &Error{Kind: NotFound, Connection: connection, Code: CauseNotOurs}
}
