package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"locum/bff/secret"
)

// Codes of a TokenError that only a logout token has.
const (
	TokenEvent    = "event"    // it does not say that somebody has logged out
	TokenLogin    = "login"    // it names neither a login nor a person
	TokenID       = "jti"      // it has no id, so that it could not be told from a replay
	TokenLifetime = "lifetime" // it would be good for longer than maxLogoutLife
)

const (
	// eventLogout is the one event of a logout token (OpenID Connect Back-Channel Logout 1.0 §2.4).
	eventLogout = "http://schemas.openid.net/event/backchannel-logout"
	// maxLogoutLife is how long after its issue a logout token may end: it is remembered until then. The specification
	// recommends two minutes, which is what Keycloak gives it.
	maxLogoutLife = time.Hour
	maxTokenID    = 256
)

// Logout says that a person's login at the server has ended: the one named SID, or, where that is empty, every login of
// Subject. Subject may be empty where SID is not. ID tells this message from every other of the server's until ExpiresAt, which is by
// this machine's clock.
type Logout struct {
	Subject, SID, ID string
	ExpiresAt        time.Time
}

// VerifyLogout checks a logout token (OpenID Connect Back-Channel Logout 1.0 §2.6, but for the replay, which is for the
// caller to find): signature as VerifyAccess, exact issuer, this client in its audience, iat and exp, the event, an id,
// a login or a person, and no nonce. Whatever names another type is refused: no other token can stand in for one, and one
// for no other. The error is a *TokenError.
//
// Anybody may send one, so a key that is not known is asked for once a minute at most, and never instead of one that a
// token of the server's own needs.
func (c *Client) VerifyLogout(ctx context.Context, token secret.String) (Logout, error) {
	claims, err := c.signed(ctx, token, "logout+jwt", c.keys.strange)
	if err != nil {
		return Logout{}, err
	}
	_, nonce := claims.Extra["nonce"]
	switch {
	case claims.Type != "" && claims.Type != "Logout":
		return Logout{}, &TokenError{Code: TokenType}
	case nonce: // so that it is no id_token (§2.4)
		return Logout{}, &TokenError{Code: TokenNonce}
	case !isLogout(claims.Extra["events"]):
		return Logout{}, &TokenError{Code: TokenEvent}
	case !slices.Contains(claims.Audience, c.config.ID):
		return Logout{}, &TokenError{Code: TokenAudience}
	case claims.IssuedAt.IsZero():
		return Logout{}, &TokenError{Code: TokenMalformed, Err: errors.New("no iat")}
	case claims.Expiry.Sub(claims.IssuedAt) > maxLogoutLife:
		return Logout{}, &TokenError{Code: TokenLifetime}
	case claims.ID == "" || len(claims.ID) > maxTokenID || !isVisible(claims.ID):
		return Logout{}, &TokenError{Code: TokenID}
	case claims.Subject == "" && claims.SID == "":
		return Logout{}, &TokenError{Code: TokenLogin}
	case claims.Subject != "" && !isSubject(claims.Subject):
		return Logout{}, &TokenError{Code: TokenSubject}
	case len(claims.SID) > maxSession || !isVisible(claims.SID):
		return Logout{}, &TokenError{Code: TokenLogin}
	}
	return Logout{Subject: claims.Subject, SID: claims.SID, ID: claims.ID, ExpiresAt: claims.Expiry.Add(-c.ClockOffset())}, nil
}

// isLogout says whether the events claim holds the logout event, whose value is an object (§2.4).
func isLogout(claim any) bool {
	events, _ := claim.(map[string]any)
	_, isObject := events[eventLogout].(map[string]any)
	return isObject
}

// ParseLogoutForm reads the body of a back-channel logout request (§2.5): a form that holds logout_token, once; parameters
// that the specification does not name are ignored. The error says nothing of what came.
func ParseLogoutForm(body string) (secret.String, error) {
	params, err := parseParams(body)
	token := params["logout_token"]
	if err != nil || token == "" || len(token) > maxToken || strings.Count(token, ".") != 2 {
		return secret.String{}, &TokenError{Code: TokenMalformed}
	}
	return secret.New(token), nil
}

// EndSession asks the server to end the login that a refresh token belongs to, with all that hangs on it, as Keycloak's
// end-session endpoint does for an authenticated client. idToken may be empty. Nil means that it said so: the login is over, or
// was over before. Errors as Revoke.
func (c *Client) EndSession(ctx context.Context, refresh, idToken secret.String) error {
	server, err := c.known()
	switch {
	case err != nil:
		return err
	case server.EndSession == "":
		return fmt.Errorf("end session: %w", ErrNoEndpoint)
	}
	form := url.Values{"refresh_token": {refresh.Reveal()}}
	if !idToken.Empty() {
		form.Set("id_token_hint", idToken.Reveal())
	}
	answer, err := c.post(ctx, server, server.EndSession, form)
	if err != nil {
		return err
	}
	if answer.Status != http.StatusNoContent && answer.Status != http.StatusOK {
		return parseError(answer)
	}
	return nil
}
