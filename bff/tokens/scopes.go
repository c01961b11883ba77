package tokens

import (
	"context"
	"slices"
	"strings"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/vault"
)

// Scopes that ask for a kind of refresh token (OpenID Connect Core §11; SMART App Launch 2.2, "Scopes for requesting a
// refresh token").
const (
	scopeOffline = "offline_access"
	scopeOnline  = "online_access"
)

// excess is what was granted although it was not asked for (RFC 6749 §3.3; T035), by its meaning: patient/Observation.rs is
// no excess where patient/*.read was asked for.
func excess(c vault.Connection) []string { return uncovered(c.Scopes, c.Requested) }

// missing is what was asked for and not granted, by its meaning. What asks for a context or an identity is left out: whether
// that came the answer shows by itself, and servers leave it out of scope as they like.
func missing(c vault.Connection) []string {
	return slices.DeleteFunc(uncovered(c.Requested, c.Scopes), func(scope string) bool {
		return ofLaunch(scope) || slices.Contains([]string{"openid", "fhirUser", "profile"}, platform.PlainScope(scope))
	})
}

// uncovered are those of the scopes that others do not cover.
func uncovered(scopes, by []string) []string {
	var rest []string
	for _, scope := range scopes {
		if !platform.Covers(by, scope) {
			rest = append(rest, scope)
		}
	}
	return rest
}

// ofLaunch says whether a scope asks for launch context, which comes with an authorization alone.
func ofLaunch(scope string) bool {
	scope = platform.PlainScope(scope)
	return scope == "launch" || strings.HasPrefix(scope, "launch/")
}

// refreshScopes are what a refresh asks for, of what was granted: a subset of it, whose scopes stand as the platform wrote
// them (SMART App Launch 2.2, refresh request; athenahealth guide, "Refresh a Token"). Left out is the context of a launch,
// which the chain keeps, and what was never asked for. What identifies the person and what keeps the chain alive stay in:
// a server may drop what a refresh does not name.
func refreshScopes(granted, requested []string) []string {
	var scopes []string
	for _, scope := range granted {
		if !ofLaunch(scope) && platform.Covers(requested, scope) && !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	if len(scopes) == 0 {
		return granted
	}
	return scopes
}

// toAsk are the scopes to send with a refresh; nil where none are sent.
func (k *Keeper) toAsk(live *platform.Live, c vault.Connection) []string {
	switch {
	case !live.SendScope:
		return nil
	case len(c.RefreshScopes) > 0:
		return c.RefreshScopes
	}
	return k.chooseScopes(live, c)
}

// chooseScopes finds out what the platform has granted, where the set that was remembered is refused or there is none: it is
// asked (RFC 7662), and where it does not say, the last answer's scopes are taken.
func (k *Keeper) chooseScopes(live *platform.Live, c vault.Connection) []string {
	granted := c.Scopes
	ctx, cancel := context.WithTimeout(k.ctx, probeDeadline)
	defer cancel()
	if found, err := live.OAuth.Introspect(ctx, c.Refresh, "refresh_token"); err == nil && found.Active && found.Scope != "" {
		granted = strings.Fields(found.Scope)
	} else if err != nil {
		k.log.Info("granted scopes not told", "connection", c.ID, "platform", c.Platform, "error", err)
	}
	return refreshScopes(granted, c.Requested)
}

// scopesOf are the scopes of the chain after an answer. One that names none has given what was asked for (RFC 6749 §5.1),
// which at a refresh is what there was; and what a refresh did not ask for because it comes but once was not taken back.
func scopesOf(c vault.Connection, live *platform.Live, token oauth.Token, grant proof) []string {
	if !live.Opaque {
		if len(grant.Scopes) == 0 { // a token that does not name its scopes: then the answer does (RFC 6749 §5.1)
			return strings.Fields(token.Scope)
		}
		return grant.Scopes
	}
	had := c.Scopes
	if len(had) == 0 {
		had = c.Requested
	}
	if len(grant.Scopes) == 0 {
		return had
	}
	scopes := grant.Scopes
	for _, scope := range c.Scopes {
		if ofLaunch(scope) && !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// isOnline says whether a chain is meant to live only while its person is there (SMART App Launch 2.2, online_access).
func isOnline(scopes []string) bool {
	return slices.Contains(scopes, scopeOnline) && !slices.Contains(scopes, scopeOffline)
}
