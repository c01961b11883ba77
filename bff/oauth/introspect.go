package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
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
// The question is posted (RFC 7662 §2.1), or asked by GET where the server wants that, or has no such method as POST there.
// Which it was is remembered until another server is used.
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
	method := server.IntrospectionMethod
	if remembered := c.introspectBy.Load(); method == "" && remembered != nil && remembered.at == server.Introspection {
		method = remembered.method
	}
	if method == http.MethodGet {
		return read(c.introspectByGet(ctx, server, token, hint))
	}
	form := url.Values{"token": {token.Reveal()}}
	if hint != "" {
		form.Set("token_type_hint", hint)
	}
	answer, err := c.post(ctx, server, server.Introspection, form)
	if err != nil || method == http.MethodPost || !knowsNoPost(answer.Status) || !c.mayGet() {
		return read(answer, err)
	}
	second, err := c.introspectByGet(ctx, server, token, hint)
	found, err := read(second, err)
	if err == nil {
		c.introspectBy.Store(&way{server.Introspection, http.MethodGet})
		return found, nil
	}
	if knowsNoPost(second.Status) {
		return read(answer, nil) // there is nothing either way
	}
	return found, err
}

// way is how an endpoint is asked.
type way struct{ at, method string }

// knowsNoPost says whether a status means that an endpoint is not there for POST.
func knowsNoPost(status int) bool {
	return status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented
}

// mayGet says whether the client can authenticate without a body: a secret never stands in a URL (RFC 6749 §2.3.1).
func (c *Client) mayGet() bool { return c.config.Auth.Method != AuthPost && c.config.Auth.Method != "" }

// introspectByGet asks as athenahealth documents it ("athenahealth guide, Additional OAuth Endpoints"): token and hint in
// the query, both required. So the token stands in a URL, which therefore is nowhere logged and in no error here.
func (c *Client) introspectByGet(ctx context.Context, server Server, token secret.String, hint string) (Answer, error) {
	if !c.mayGet() {
		return Answer{}, fmt.Errorf("introspection by GET with a posted secret: %w", ErrNoEndpoint)
	}
	if hint == "" {
		hint = "access_token"
	}
	query := url.Values{"token": {token.Reveal()}, "token_type_hint": {hint}}
	header, err := c.authenticate(server, query)
	if err != nil {
		return Answer{}, err
	}
	request, err := http.NewRequest(http.MethodGet, server.Introspection+"?"+query.Encode(), nil)
	if err != nil {
		return Answer{}, &TransportError{Err: errors.New("request cannot be built")}
	}
	return c.ask(ctx, request, header)
}

// read is ParseIntrospection of an answer that may not have come.
func read(answer Answer, err error) (Introspection, error) {
	if err != nil {
		return Introspection{}, err
	}
	return ParseIntrospection(answer)
}

// ParseIntrospection reads an introspection answer: one object whose members each stand once, active a boolean, and the
// members that are used of the types that RFC 7662 §2.2 gives them, but that a date may be a text of digits and the scopes
// a list of texts, as gateways in front of a server write them. The error is a *ResponseError, or wraps ErrMalformed.
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
	if found.Scope, err = m.scopes(); err != nil {
		return Introspection{}, err
	}
	for name, to := range map[string]*string{
		"sub": &found.Subject, "sid": &found.SID, "client_id": &found.ClientID, "token_type": &found.TokenType,
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

// scopes is scope, in the form of a text.
func (m members) scopes() (string, error) {
	var list []string
	if raw := m["scope"]; len(raw) == 0 || raw[0] != '[' {
		return m.text("scope")
	} else if json.Unmarshal(raw, &list) != nil {
		return "", fmt.Errorf("%w: scope", ErrMalformed)
	}
	return strings.Join(list, " "), nil
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
	if text, ok := value.(string); ok && text != "" && strings.Trim(text, "0123456789") == "" {
		value = json.Number(text)
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
