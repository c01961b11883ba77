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

// conclude reads a stored answer: parse, check, publish. Whatever it finds, the record leaves phase answered, unless the
// platform's keys cannot be fetched to check it just now.
func (k *Keeper) conclude(h *held, c vault.Connection, live *platform.Live, answer oauth.Answer) error {
	token, err := oauth.ParseToken(answer)
	if err != nil {
		v := judge(partyOf(live), err)
		if v.kind == ReconnectNeeded {
			return k.refused(h, c, live, description(err))
		}
		if withdrawn(live, answer) {
			v.kind, v.cause = Unavailable, CauseConsent
		}
		if v.cause == CauseInvalidScope { // the next try asks what was granted (toAsk)
			c.RefreshScopes = nil
		}
		switch {
		case !token.Refresh.Empty(): // an answer without an access token to use, and with the newest refresh token
			c.Refresh, v.phase, h.doubt = token.Refresh, "", false
			c.Reuses = 0
		case v.phase == "": // not processed
			c.Reuses = max(0, c.Reuses-1)
		default:
			h.doubt = true
		}
		return k.failed(h, c, v, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), wireDeadline)
	defer cancel()
	grant, err := check(ctx, live, c, token, nil)
	if err == nil {
		err = grant.renews(c)
	}
	switch KindOf(err) {
	case WrongPerson, WrongClinic:
		// Never adopted, whatever else is right about it: the chain now belongs to somebody else (T042, T044).
		err = k.end(h, c, codeOf(err))
		k.surrender(c, token, answer.ReceivedAt)
		return err
	case BadToken:
		// The old refresh token may be spent, so the new one is kept; the access token is not used.
		c.Refresh, c.Reuses = kept(token.Refresh, c.Refresh), 0
		h.doubt = false
		return k.failed(h, c, verdict{kind: BadToken, cause: CauseBadToken}, err)
	}
	if err != nil {
		return k.failed(h, c, verdict{kind: Unavailable, cause: CauseUnreachable, phase: phaseAnswered}, err)
	}
	return k.publish(h, c, live, token, grant, answer.ReceivedAt)
}

// withdrawn says whether an answer tells that the person has taken their consent back. Keycloak says it as invalid_scope, and
// Locum is not at fault.
func withdrawn(live *platform.Live, answer oauth.Answer) bool {
	_, err := oauth.ParseToken(answer)
	return err != nil && live.EndOf(description(err)) == platform.EndConsent
}

// description is what a token endpoint said beside its error code.
func description(err error) string {
	var response *oauth.ResponseError
	if errors.As(err, &response) {
		return response.Description
	}
	return ""
}

// publish makes the new token durable, then visible. An answer without a refresh token, or with an empty one, keeps the
// old one (RFC 6749 §6).
func (k *Keeper) publish(h *held, c vault.Connection, live *platform.Live, token oauth.Token, grant proof, received time.Time) error {
	next := granted(c, live, token, grant, received)
	if err := k.put(&next, k.refreshed(h, c, next)...); err != nil {
		return k.unstored(h, err)
	}
	next.ReceivedAt = received // with its monotonic reading
	k.show(h, currentOf(next))
	h.doubt, h.suspect, h.doubted = false, false, time.Time{}
	if time.Since(received) < wireDeadline && !token.Refresh.Empty() { // and not read back
		k.learn(h, live, c, next)
	}
	if more := excess(next); len(more) > 0 && !slices.Equal(more, excess(c)) {
		k.note(audit.Event{Kind: "excess_scope", Code: strings.Join(more, " ")}, next)
	}
	k.log.Debug("token refreshed", "connection", c.ID, "platform", c.Platform)
	return nil
}

// refreshed are the steps of a refresh that succeeded.
func (k *Keeper) refreshed(h *held, c, next vault.Connection) []vault.Step {
	s := vault.Step{What: StepRefreshed, Trigger: h.trigger, Parent: k.fingerprint(c.Refresh), Child: k.fingerprint(next.Refresh)}
	if h.trigger == triggerBoot && h.sent.IsZero() {
		s.What = StepRecovered
	}
	steps := []vault.Step{s}
	if !next.EndsAt.IsZero() && next.EndsAt.Sub(c.EndsAt).Abs() > time.Minute {
		steps = append(steps, vault.Step{What: StepForecast, Trigger: triggerPlatform, Until: next.EndsAt})
	}
	return steps
}

// granted gives the record with a verified token in it.
func granted(c vault.Connection, live *platform.Live, token oauth.Token, grant proof, received time.Time) vault.Connection {
	c.Access, c.Refresh = token.Access, kept(token.Refresh, c.Refresh)
	c.ReceivedAt, c.ExpiresIn, c.RefreshExpiresIn = received, token.ExpiresIn, token.RefreshExpiresIn
	c.Reuses, c.DoubtSince = 0, time.Time{}
	c.Scopes, c.Roles, c.StaffMembers = scopesOf(c, live, token, grant), grant.Roles, grant.StaffMembers
	c.FHIRUser = grant.fhirUser
	c = foreseen(windowed(c, live), live, grant.SignedIn)
	if c.SID = grant.SID; c.SID == "" {
		c.SID = token.SessionState
	}
	c.State, c.Cause = StateConnected, ""
	c.Phase, c.Raw, c.RawStatus = "", secret.String{}, 0
	c.RefreshedAt = received
	return c
}

// foreseen gives the record with the absolute end of the login behind it, as far as it shows. A refresh token whose life
// is clearly shorter than it was is capped by that end; when the end then moves, it was none, and the lives are shorter now.
// A configured maximum counts from the sign-in, where a token tells it, and otherwise from the connection's first token.
func foreseen(c vault.Connection, live *platform.Live, signedIn time.Time) vault.Connection {
	window, before := c.RefreshExpiresIn, c.EndsAt
	c.EndsAt = time.Time{}
	if live.Opaque && c.Refresh.Empty() { // no offline_access: it ends with its access token
		c.EndsAt = c.ReceivedAt.Add(c.ExpiresIn)
		return c
	}
	if most := live.Refresh.SessionMax; most > 0 {
		switch {
		case !signedIn.IsZero():
			c.EndsAt = signedIn.Add(most - live.OAuth.ClockOffset())
		case !before.IsZero():
			c.EndsAt = before
		default:
			c.EndsAt = c.ReceivedAt.Add(most)
		}
	}
	c.WindowMax = max(c.WindowMax, window)
	if window <= 0 || window > c.WindowMax-max(c.WindowMax/10, 2*time.Second) {
		return c
	}
	end := c.ReceivedAt.Add(window)
	if !before.IsZero() && end.Sub(before) > time.Minute && live.Refresh.SessionMax == 0 {
		c.WindowMax = window
		return c
	}
	c.EndsAt = end
	return c
}

// windowed gives the record with the life of an unused refresh token as it is configured, where the answer does not say one:
// athenahealth's is 90 days "from the most recent token request that used or generated that refresh token" (its guide, Output
// Parameters). It says so of offline_access; how long one is good that lives while the person is there, nobody says.
func windowed(c vault.Connection, live *platform.Live) vault.Connection {
	if c.RefreshExpiresIn == 0 && live.Refresh.Window > 0 && !c.Refresh.Empty() && !isOnline(c.Scopes) {
		c.RefreshExpiresIn = live.Refresh.Window
		c.WindowMax = 0 // it says nothing about an end
	}
	return c
}

func kept(fresh, old secret.String) secret.String {
	if fresh.Empty() {
		return old
	}
	return fresh
}
