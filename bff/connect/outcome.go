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
	OutcomeLinkNeeded      = "link_needed"      // the person at the platform is nobody here yet
	OutcomeSignInReady     = "sign_in_ready"    // ... is a practitioner here, and nobody is signed in
	OutcomeLinkedElsewhere = "linked_elsewhere" // ... is another practitioner here
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

// unredeemed says what an error of tokens.Redeem, RedeemLaunch or Adopt means.
func unredeemed(err error) string {
	var typed *tokens.Error
	if errors.As(err, &typed) && typed.Code == tokens.CauseLinkedElsewhere {
		return OutcomeLinkedElsewhere
	}
	if code := redeemed[tokens.KindOf(err)]; code != "" {
		return code
	}
	return OutcomeExchangeFailed
}

// Asker is who asks how an attempt ended: a session, or a browser that has none, or both.
type Asker struct {
	Practitioner, Session string
	Browser               Browser
}

// Outcome tells the tab that began an authorization how it ended, as often as it asks within 10 minutes: pending while
// the attempt lives, attempt_expired when it ran out and nothing came back. What a session began is for that session; what
// a browser began without one is for that browser, and once it is somebody's, for them alone. Any other value is an *Error
// of code not_found.
func (c *Connector) Outcome(_ context.Context, by Asker, clientState string) (vault.Outcome, error) {
	if !is256(clientState) {
		return vault.Outcome{}, &Error{Code: CodeInvalidClientState}
	}
	now := time.Now()
	var found vault.Outcome
	err := c.vault.View(func(tx *vault.Tx) (err error) {
		for _, key := range c.keys(by, clientState) {
			found, err = outcome(tx, key)
			if errors.Is(err, vault.ErrNotFound) || err == nil && !now.Before(found.ExpiresAt) {
				found, err = pending(tx, key, now)
			}
			var none *Error
			if !errors.As(err, &none) {
				return err
			}
		}
		return &Error{Code: CodeNotFound}
	})
	if err != nil {
		return vault.Outcome{}, stored(err)
	}
	if found.Practitioner != "" && found.Practitioner != by.Practitioner || found.Session != "" && found.Session != by.Session {
		return vault.Outcome{}, &Error{Code: CodeNotFound}
	}
	return found, nil
}

// keys are where an asker's outcome may lie.
func (c *Connector) keys(by Asker, clientState string) []string {
	var keys []string
	if by.Session != "" {
		keys = append(keys, c.outcomeKey(by.Practitioner, by.Session, clientState))
	}
	for _, flow := range []string{by.Browser.Frame, by.Browser.Flow} {
		if flow != "" {
			keys = append(keys, c.browserKey(c.flowMAC(flow), clientState))
		}
	}
	return keys
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
