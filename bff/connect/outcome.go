package connect

import (
	"context"
	"errors"
	"time"

	"locum/bff/tokens"
	"locum/bff/vault"
)

// Outcomes: the closed list of how an authorization ends, the same words as package shared's.
const (
	OutcomeConnected       = "connected"
	OutcomeDenied          = "denied"
	OutcomeTryAgain        = "try_again"
	OutcomeExpired         = "attempt_expired"
	OutcomeUnknownAttempt  = "attempt_unknown"
	OutcomeOtherBrowser    = "other_browser"
	OutcomeSessionEnded    = "session_ended"
	OutcomeMixUp           = "mix_up"
	OutcomePlatformRefused = "platform_refused"
	OutcomeExchangeFailed  = "exchange_failed"
	OutcomeWrongClinic     = "wrong_clinic"
	OutcomeWrongPerson     = "wrong_person"
	OutcomeBadToken        = "bad_token"
	OutcomeMisconfigured   = "platform_misconfigured"
	OutcomeUnavailable     = "platform_unavailable"
	OutcomePending         = "pending"
)

// refused reads the error of an authorization response (RFC 6749 §4.1.2.1). Keycloak says temporarily_unavailable when
// the sign-in there took too long: trying again helps.
func refused(code string) string {
	switch code {
	case "access_denied":
		return OutcomeDenied
	case "temporarily_unavailable", "server_error":
		return OutcomeTryAgain
	}
	return OutcomePlatformRefused
}

// redeemed says what an error of tokens.Redeem means to the practitioner. A connection that was disconnected meanwhile
// (NotFound), a lost answer (Unknown) and a full disk have one thing in common: beginning again is the next step.
var redeemed = map[tokens.Kind]string{
	tokens.NotFound:        OutcomeExchangeFailed,
	tokens.ReconnectNeeded: OutcomeExchangeFailed,
	tokens.Refused:         OutcomeExchangeFailed,
	tokens.Unknown:         OutcomeExchangeFailed,
	tokens.Storage:         OutcomeExchangeFailed,
	tokens.Misconfigured:   OutcomeMisconfigured,
	tokens.Unavailable:     OutcomeUnavailable,
	tokens.BadToken:        OutcomeBadToken,
	tokens.WrongClinic:     OutcomeWrongClinic,
	tokens.WrongPerson:     OutcomeWrongPerson,
}

// Outcome tells the tab that began an authorization how it ended, as often as it asks within 10 minutes: pending while
// the attempt lives, attempt_expired when it ran out and nothing came back. Any other value, or the value of another
// session or practitioner, is an *Error of code not_found.
func (c *Connector) Outcome(_ context.Context, practitioner, session, clientState string) (vault.Outcome, error) {
	if !is256(clientState) {
		return vault.Outcome{}, &Error{Code: CodeInvalidClientState}
	}
	key, now := c.outcomeKey(practitioner, session, clientState), time.Now()
	var found vault.Outcome
	err := c.vault.View(func(tx *vault.Tx) (err error) {
		found, err = outcome(tx, key)
		if errors.Is(err, vault.ErrNotFound) || err == nil && !now.Before(found.ExpiresAt) {
			found, err = pending(tx, key, now)
		}
		return err
	})
	if err != nil {
		return vault.Outcome{}, stored(err)
	}
	if found.Practitioner != practitioner || found.Session != session {
		return vault.Outcome{}, &Error{Code: CodeNotFound}
	}
	return found, nil
}

// pending looks for an attempt that is still open.
func pending(tx *vault.Tx, key string, now time.Time) (vault.Outcome, error) {
	found := vault.Outcome{}
	err := vault.Attempts.Each(tx, func(a vault.Attempt) error {
		if a.ClientState != key || !found.ExpiresAt.Before(a.ExpiresAt) {
			return nil
		}
		found = outcomeOf(a, OutcomePending, a.ExpiresAt)
		return nil
	})
	if err == nil && found.Key == "" {
		return found, &Error{Code: CodeNotFound}
	}
	if !now.Before(found.ExpiresAt) {
		found.Code = OutcomeExpired
	}
	return found, err
}
