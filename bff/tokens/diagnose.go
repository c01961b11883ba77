package tokens

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"locum/bff/audit"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/vault"
)

// diagnoseEvery is the least time between two questions about one connection: who asks sooner gets the last answer again.
const diagnoseEvery = 10 * time.Second

// ProbeNone is found where a connection has no such token; see ProbeActive, ProbeInactive and ProbeUnusable.
const ProbeNone = "none"

// Half is what the platform says of one of the tokens. EndsAt is by this machine's clock, zero where nothing is stated.
type Half struct {
	Found  string // one of the Probe constants
	EndsAt time.Time
	Scopes []string
}

// Diagnosis is what a platform says about a connection when it is asked: nothing is changed by it, there or here. Of an
// access token that is a clinic's "inactive" is never said: Keycloak says so of every token that is for somebody else.
type Diagnosis struct {
	Asked           time.Time
	Reachable       bool   // it answered
	Code            string // a cause, where it could not be asked or would not say
	Access, Refresh Half
	Granted         []string      // what the platform says was granted; nil where it does not say
	SameLogin       bool          // the refresh token belongs to the login that the connection came of, as far as the platform says
	Clock           time.Duration // how far the platform's clock is ahead
	Kind            string        // of rotation: platform.Kind*
}

// Diagnose asks the platform about the practitioner's connection, by introspection (RFC 7662): read-only, at most once in
// ten seconds. While a refresh is under way it asks again with what came of it, so that a token that was replaced meanwhile
// is not taken for a dead one. Errors are of kind NotFound, ReconnectNeeded (the record is damaged), Misconfigured,
// Storage, Unavailable (Locum is stopping).
func (k *Keeper) Diagnose(ctx context.Context, practitioner, connection string) (Diagnosis, error) {
	h, ok := k.find(practitioner, connection)
	if !ok {
		return Diagnosis{}, notFound(connection)
	}
	if !k.enter() {
		return Diagnosis{}, closing(connection)
	}
	defer k.working.Done()
	h.asking.Lock()
	defer h.asking.Unlock()
	if last := h.asked; last != nil && time.Since(last.Asked) < diagnoseEvery {
		return *last, nil
	}
	live, err := k.platforms.Get(h.platform)
	if err != nil {
		return Diagnosis{}, &Error{Kind: Misconfigured, Connection: connection, Code: CauseUnknownSystem, Err: err}
	}
	var d Diagnosis
	var c vault.Connection
	for range 2 {
		if c, err = k.read(h); err != nil {
			return Diagnosis{}, err
		}
		d = k.question(ctx, live, c)
		if after, err := k.read(h); err != nil || after.Refresh.Equal(c.Refresh) {
			break
		}
	}
	if h.gone.Load() {
		return Diagnosis{}, notFound(connection)
	}
	h.asked = &d
	k.jot(c, vault.Step{What: StepDiagnosed, Trigger: triggerPractitioner, Code: d.told(), Parent: k.fingerprint(c.Refresh)})
	k.note(audit.Event{Kind: "diagnosed", Code: d.told()}, c)
	return d, nil
}

// told is the diagnosis in one word.
func (d Diagnosis) told() string {
	if d.Refresh.Found == ProbeNone {
		return d.Access.Found
	}
	return d.Refresh.Found
}

// question asks about both tokens of the record.
func (k *Keeper) question(ctx context.Context, live *platform.Live, c vault.Connection) Diagnosis {
	d := Diagnosis{Asked: time.Now(), Reachable: true, Clock: live.OAuth.ClockOffset(), Kind: k.Rotation(live.ID).Kind}
	if err := k.reach(live); err != nil {
		d.Reachable, d.Code = false, err.Code
	}
	refresh, found := k.half(ctx, live, &d, c.Refresh, "refresh_token")
	d.Refresh, d.SameLogin = refresh, refresh.Found == ProbeActive && (found.SID == "" || found.SID == c.SID)
	d.Access, _ = k.half(ctx, live, &d, c.Access, "access_token")
	if d.Granted = refresh.Scopes; len(d.Granted) == 0 {
		d.Granted = d.Access.Scopes
	}
	if d.Access.Found == ProbeInactive && !live.Opaque {
		d.Access.Found = ProbeUnusable
	}
	return d
}

// half asks about one token. What went wrong stands in d.
func (k *Keeper) half(ctx context.Context, live *platform.Live, d *Diagnosis, token secret.String, hint string) (Half, oauth.Introspection) {
	if token.Empty() {
		return Half{Found: ProbeNone}, oauth.Introspection{}
	}
	if !d.Reachable {
		return Half{Found: ProbeUnusable}, oauth.Introspection{}
	}
	ctx, cancel := context.WithTimeout(ctx, probeDeadline)
	defer cancel()
	found, err := live.OAuth.Introspect(ctx, token, hint)
	switch {
	case err != nil:
		d.Code = unasked(live, err)
		var transport *oauth.TransportError
		d.Reachable = !errors.As(err, &transport)
		return Half{Found: ProbeUnusable}, oauth.Introspection{}
	case !found.Active:
		return Half{Found: ProbeInactive}, found
	}
	half := Half{Found: ProbeActive, Scopes: strings.Fields(found.Scope)}
	slices.Sort(half.Scopes)
	if !found.ExpiresAt.IsZero() {
		half.EndsAt = found.ExpiresAt.Add(-d.Clock)
	}
	return half, found
}

// unasked is the cause of a question that was not answered.
func unasked(live *platform.Live, err error) string {
	if errors.Is(err, oauth.ErrNoEndpoint) {
		return NotRevokedUnsupported
	}
	return judge(partyOf(live), err).cause
}
