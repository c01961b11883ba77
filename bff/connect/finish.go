package connect

import (
	"context"
	"errors"
	"time"

	"locum/bff/audit"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// FinishRequest is a callback: the platform of its path, the raw query, and the value of the flow cookie, or "".
type FinishRequest struct {
	Platform, RawQuery, Flow string
	RequestID, Remote        string
}

// Result is how a callback ended. Code is one of the Outcome constants; Known says that an attempt was found and its
// outcome stored for the tab that began it; FlowDone that no attempt with this flow cookie is left, so it may be cleared;
// Framed that the tab is a frame, and this a window that was opened for the way to the platform and back.
type Result struct {
	Code                    string
	Known, FlowDone, Framed bool
}

// Finish takes the attempt that the callback's state names and ends it, once. The order of the checks:
//
//  1. the query is an authorization response, and its state names an attempt, which is taken: read and deleted in one
//     transaction, durable before anything is sent, so a code is redeemed at most once (T017);
//  2. the callback is the one of the attempt's platform, and the attempt has not run out;
//  3. the flow cookie is the one of the browser that began;
//  4. the session that began, if one did, is still alive for that practitioner;
//  5. iss is the issuer of the platform's authorization server, on error responses too (RFC 9207 §2.4). It has nothing to do
//     with the iss of a launch, which is a FHIR base: no iss of a callback ever chooses a server;
//  6. the response is no error;
//  7. the code is redeemed (tokens.Redeem), that of a launch without making a connection of it yet (see launched).
//
// Whoever presents a valid state ends the attempt, whether the rest is right or not: who has learnt another's state can
// end that attempt but never use it, and the tab that began is told (other_browser). Nothing that a stranger may send
// keeps an attempt open for a second try. A state that names nothing changes nothing and costs one look-up; it is logged
// and not audited, since nobody is signed in here.
//
// The caller must not call Finish for HEAD or a prefetch. A caller who leaves does not stop it.
func (c *Connector) Finish(ctx context.Context, r FinishRequest) Result {
	ctx = context.WithoutCancel(ctx)
	params, err := oauth.ParseCallback(r.RawQuery)
	if err != nil {
		c.log.Info("callback not readable", "platform", r.Platform, "request", r.RequestID, "error", err)
		return Result{Code: OutcomeUnknownAttempt}
	}
	attempt, done, err := c.take(params.State, r.Flow)
	if err != nil {
		c.log.Info("callback without an attempt", "platform", r.Platform, "request", r.RequestID, "error", err)
		if errors.Is(err, vault.ErrNotFound) {
			return Result{Code: OutcomeUnknownAttempt}
		}
		return Result{Code: OutcomeTryAgain}
	}
	outcome := c.judge(ctx, attempt, params, r)
	if outcome.Code != OutcomeConnected && outcome.Pending == "" {
		c.noteFailure(ctx, outcome, r)
	}
	result := Result{Code: outcome.Code, FlowDone: done, Framed: attempt.Framed}
	if err := c.keep(outcome); err != nil {
		c.log.Error("outcome not stored", "request", r.RequestID, "code", outcome.Code, "error", err)
		c.tokens.Abandon(outcome.Pending)
		return result
	}
	result.Known = true
	return result
}

// take reads and deletes the attempt. done says that no attempt or launch with the same flow value is left, and that the browser needs
// it for no outcome. The look-up before it keeps a flood of unknown states from writing anything.
func (c *Connector) take(state, flow string) (attempt vault.Attempt, done bool, err error) {
	err = c.vault.View(func(tx *vault.Tx) error {
		_, err := vault.Attempts.Get(tx, state)
		return err
	})
	if err != nil {
		return vault.Attempt{}, false, err
	}
	err = c.vault.Update(func(tx *vault.Tx) (err error) {
		if attempt, err = vault.Attempts.Take(tx, state); err != nil {
			return err
		}
		now := time.Now()
		if _, err := liveAttempts(tx, now); err != nil {
			return err
		}
		open, err := liveLaunches(tx, now)
		if err != nil {
			return err
		}
		used, err := c.knows(tx, open, flow, now)
		done = flow != "" && same(attempt.Flow, c.flowMAC(flow)) && attempt.Browser != attempt.Flow && !used
		return err
	})
	return attempt, done, err
}

// judge walks the checks and gives the outcome. Of the platform's words only a code of the closed list survives (T020).
func (c *Connector) judge(ctx context.Context, a vault.Attempt, params oauth.CallbackParams, r FinishRequest) vault.Outcome {
	outcome := outcomeOf(a, "", time.Now().Add(lifetime))
	live, err := c.platforms.Get(a.Platform)
	switch {
	case err != nil:
		outcome.Code = OutcomeMisconfigured
	case r.Platform != a.Platform:
		outcome.Code = OutcomeMixUp
	case !time.Now().Before(a.ExpiresAt):
		outcome.Code = OutcomeExpired
	case r.Flow == "" || !same(a.Flow, c.flowMAC(r.Flow)):
		outcome.Code = OutcomeOtherBrowser
	case a.Session != "" && !c.sessions.Alive(a.Session, a.Practitioner):
		outcome.Code = OutcomeSessionEnded
	case c.discover(ctx, live.ID) != nil: // known before, and not since a restart
		outcome.Code = OutcomeUnavailable
	case !live.OAuth.Server().AcceptsIss(params.Iss):
		outcome.Code = OutcomeMixUp
	case params.Error != "":
		outcome.Code = refused(params.Error)
		if fix, known := repairs[params.Error]; known { // RFC 6749 §4.1.2.1; no other word of the platform's is written down
			c.log.Warn("authorization refused", "platform", live.ID, "request", r.RequestID, "code", params.Error, "fix", named(fix, live))
		}
	case a.Kind == KindEHR:
		return c.launched(ctx, live, a, params, r, outcome)
	default:
		outcome.Code, outcome.Connection = c.redeem(ctx, live, a, params, r)
	}
	return outcome
}

// redeem spends the code and says how that went, and which connection came of it.
func (c *Connector) redeem(ctx context.Context, live *platform.Live, a vault.Attempt, params oauth.CallbackParams, r FinishRequest) (code, connection string) {
	made, err := c.tokens.Redeem(ctx, tokens.Redemption{Attempt: a, Code: params.Code, RequestID: r.RequestID, Remote: r.Remote})
	if err == nil {
		return OutcomeConnected, made.ID
	}
	c.log.Warn("code not redeemed", "platform", live.ID, "request", r.RequestID, "error", err, "fix", repair(live, err))
	return unredeemed(err), a.Connection
}

// noteDeadline bounds the wait for an audit record that nothing depends on.
const noteDeadline = 5 * time.Second

// noteFailure appends the audit record of an authorization that did not connect; nothing depends on it any more.
func (c *Connector) noteFailure(ctx context.Context, o vault.Outcome, r FinishRequest) {
	ctx, cancel := context.WithTimeout(ctx, noteDeadline)
	defer cancel()
	err := c.audit.Event(ctx, audit.Event{
		Kind: "connect_failed", RequestID: r.RequestID, Practitioner: o.Practitioner, Session: o.Session, Remote: r.Remote,
		Platform: o.Platform, Clinic: o.Clinic, Connection: o.Connection, Code: o.Code,
	})
	if err != nil {
		c.log.Error("audit record lost", "kind", "connect_failed", "request", r.RequestID, "error", err)
	}
}
