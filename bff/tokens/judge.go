package tokens

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
)

// verdict is what an unsuccessful token request means for its connection: what the caller is told, the cause that is
// shown, and the phase its record is left in.
type verdict struct {
	kind  Kind
	cause string
	phase string
}

// ours are the error codes of RFC 6749 §5.2 that speak about Locum's registration and not about the practitioner's
// grant. Nothing is erased for them (T051).
var ours = []string{CauseInvalidClient, CauseUnauthorized, CauseInvalidScope, CauseInvalidRequest, CauseGrantType}

// codeTarget is the error code of RFC 8707 §2. Keycloak answers with it after it has spent the refresh token.
const codeTarget = "invalid_target"

// party is who was refused, and by whom, as far as the reading of a refusal depends on it.
type party struct {
	kind  string // of the platform
	auth  oauth.Auth
	clock time.Duration // how far the server's clock is ahead
}

func partyOf(live *platform.Live) party { return party{live.Kind, live.Auth, live.OAuth.ClockOffset()} }

// Judge reads an error of a token endpoint for another client than the connections' own: how it authenticates to a platform
// of this kind, and by how much that server's clock is ahead.
func Judge(kind string, auth oauth.Auth, clock time.Duration, err error) (Kind, string) {
	v := judge(party{kind, auth, clock}, err)
	return v.kind, v.cause
}

// clockBears is how far two clocks may differ before that explains the refusal of an assertion.
const clockBears = time.Minute

// unauthenticated is why a server does not take this client for who it says it is (RFC 6749 §5.2, invalid_client).
func (p party) unauthenticated() string {
	switch {
	case p.auth.Method == oauth.AuthKey && p.clock.Abs() > clockBears:
		return CauseClock
	case p.auth.Method == oauth.AuthKey:
		return CauseAssertion
	case p.kind == platform.KindAthena && (p.auth.Method == oauth.AuthPost || p.auth.Method == ""):
		return CausePosted // athenahealth guide, Token Endpoint, Troubleshooting
	}
	return CauseInvalidClient
}

// judge reads an error of the token endpoint (RFC 6749 §5.2 and refresh-protocol D4, steps 3, 5 and 6). Only
// invalid_grant ends a connection, and only as a client error: what a failing gateway says is no confirmation.
func judge(p party, err error) verdict {
	var transport *oauth.TransportError
	if errors.As(err, &transport) {
		if transport.Sent {
			return verdict{Unavailable, CauseNoAnswer, phaseInflight}
		}
		return verdict{Unavailable, CauseUnreachable, ""}
	}
	if errors.Is(err, oauth.ErrMalformed) {
		return verdict{Unavailable, CauseNoAnswer, phaseInflight}
	}
	var response *oauth.ResponseError
	if !errors.As(err, &response) { // nothing was sent: Locum has no client secret to send, for instance
		if p.auth.Method == oauth.AuthKey {
			return verdict{Misconfigured, CauseNoKey, ""}
		}
		return verdict{Misconfigured, CauseInvalidClient, ""}
	}
	switch status := response.Status; {
	case status < 300, status >= 500 && status != http.StatusServiceUnavailable: // done, perhaps, and not as it should be
		return verdict{Unavailable, CauseNoAnswer, phaseInflight}
	case status >= 500 || status == http.StatusTooManyRequests:
		return verdict{Unavailable, CauseUnavailable, ""}
	case response.Code == CauseInvalidGrant:
		return verdict{ReconnectNeeded, CauseInvalidGrant, ""}
	case response.Policy: // athenahealth says 401 for this as well
		return verdict{Misconfigured, CausePolicy, ""}
	case status == http.StatusUnauthorized, response.Code == CauseInvalidClient: // Keycloak calls it unauthorized_client
		return verdict{Misconfigured, p.unauthenticated(), ""}
	case slices.Contains(ours, response.Code):
		return verdict{Misconfigured, response.Code, ""}
	case response.Code == codeTarget:
		return verdict{Unavailable, CauseUnavailable, phaseInflight}
	}
	return verdict{Unavailable, CauseUnavailable, ""}
}
