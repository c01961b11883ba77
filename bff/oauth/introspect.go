package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"locum/bff/secret"
)

// Introspection is what a server says of a token (RFC 7662 §2.2). Of one that is not active it says nothing else. Dates are
// zero where the server states none, as for an offline token; SID is Keycloak's name of the login.
type Introspection struct {
	Active                            bool
	ExpiresAt, IssuedAt               time.Time
	Scope                             string
	Subject, SID, ClientID, TokenType string
}

// Introspect asks whether a token is still good, which changes nothing at the server. hint is "refresh_token" or
// "access_token": Keycloak takes a token without a hint for an access token, and says of every token whose audience the
// client is not, so of Jane's access tokens too, that it is not active. So only an active answer is evidence of an access
// token, and of a refresh token both are.
//
// The error is a *ResponseError, a *TransportError, or wraps ErrMalformed, ErrSecret or ErrNoEndpoint; none of them says
// anything about the token.
func (c *Client) Introspect(ctx context.Context, token secret.String, hint string) (Introspection, error) {
	server, err := c.known()
	switch {
	case err != nil:
		return Introspection{}, err
	case server.Introspection == "":
		return Introspection{}, fmt.Errorf("introspection: %w", ErrNoEndpoint)
	}
	form := url.Values{"token": {token.Reveal()}}
	if hint != "" {
		form.Set("token_type_hint", hint)
	}
	answer, err := c.post(ctx, server, server.Introspection, form)
	if err != nil {
		return Introspection{}, err
	}
	return ParseIntrospection(answer)
}

// ParseIntrospection reads an introspection answer: one object whose members each stand once, active a boolean, and the
// members that are used of the types that RFC 7662 §2.2 gives them. The error is a *ResponseError, or wraps ErrMalformed.
func ParseIntrospection(answer Answer) (Introspection, error) {
	if answer.Status != http.StatusOK {
		return Introspection{}, parseError(answer)
	}
	m, err := parseMembers([]byte(answer.Body.Reveal()))
	if err != nil {
		return Introspection{}, err
	}
	switch string(m["active"]) {
	case "false":
		return Introspection{}, nil
	case "true":
	default:
		return Introspection{}, fmt.Errorf("%w: active is no boolean", ErrMalformed)
	}
	found := Introspection{Active: true}
	for name, to := range map[string]*string{
		"scope": &found.Scope, "sub": &found.Subject, "sid": &found.SID, "client_id": &found.ClientID, "token_type": &found.TokenType,
	} {
		if *to, err = m.text(name); err != nil {
			return Introspection{}, err
		}
	}
	for name, to := range map[string]*time.Time{"exp": &found.ExpiresAt, "iat": &found.IssuedAt} {
		if *to, err = m.date(name); err != nil {
			return Introspection{}, err
		}
	}
	for _, short := range []string{found.SID, found.ClientID, found.TokenType} {
		if len(short) > maxSession || !isVisible(short) {
			return Introspection{}, fmt.Errorf("%w: a name of other characters than visible ASCII", ErrMalformed)
		}
	}
	if !isScope(found.Scope) || found.Subject != "" && !isSubject(found.Subject) {
		return Introspection{}, fmt.Errorf("%w: scope or sub", ErrMalformed)
	}
	return found, nil
}

// date is a NumericDate member; the zero time when absent, null or 0, which is how Keycloak writes "no end".
func (m members) date(name string) (time.Time, error) {
	raw, ok := m[name]
	if !ok || string(raw) == "null" {
		return time.Time{}, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return time.Time{}, fmt.Errorf("%w: %s", ErrMalformed, name)
	}
	at, err := date(jwt.MapClaims{name: value}, name)
	switch {
	case err != nil:
		return time.Time{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	case at.Unix() == 0:
		return time.Time{}, nil
	}
	return at, nil
}
