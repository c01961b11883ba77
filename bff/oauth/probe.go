package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// This file asks a server questions that change nothing there, for an operator who wants to know whether an installation
// would work. Nothing that it learns is used to speak OAuth: the endpoints stay the configured ones.

// ReadMetadata reads the document that belongs to the issuer. The error is a *TransportError, a *ResponseError for any
// status but 200, or wraps ErrMalformed.
func (c *Client) ReadMetadata(ctx context.Context) (Metadata, error) {
	request, err := http.NewRequest(http.MethodGet, c.Server().Issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return Metadata{}, &TransportError{Err: errors.New("request cannot be built")}
	}
	began := time.Now()
	answer, headers, err := c.do(ctx, request)
	if err != nil {
		return Metadata{}, err
	}
	if answer.Status != http.StatusOK {
		return Metadata{}, &ResponseError{Status: answer.Status}
	}
	m, err := parseMetadata([]byte(answer.Body.Reveal()))
	m.ClockAhead, m.ClockSaid = ahead(headers.Get("Date"), began, answer.ReceivedAt)
	return m, err
}

// CountKeys reads the server's key set and counts the keys that VerifyAccess could use. The error is a *TransportError,
// a *ResponseError, or says that the answer is no key set.
func (c *Client) CountKeys(ctx context.Context) (int, error) {
	body, err := c.fetchKeys(ctx)
	if err != nil {
		return 0, err
	}
	keys, err := parseKeys(body, c.algorithms())
	return len(keys), err
}

// AuthorizationAnswer is what the authorization endpoint did with a request that nobody followed. Back says that it sent
// the browser to the client's redirect URI, which it does only for a client and a redirect URI that it knows (RFC 6749
// §4.1.2.1); Code is then the error it sent along, "" where it is not well formed, Iss and State what stood beside it.
type AuthorizationAnswer struct {
	Status                        int
	Back                          bool
	Code, Description, Iss, State string
}

// AskAuthorization sends an authorization request as a browser would that has not signed in, once, and follows nothing.
// With Prompt none the server shows no page and begins no sign-in (OpenID Connect Core §3.1.2.1). The error is a
// *TransportError.
func (c *Client) AskAuthorization(ctx context.Context, r AuthorizationRequest) (AuthorizationAnswer, error) {
	if _, err := c.known(); err != nil {
		return AuthorizationAnswer{}, err
	}
	request, err := http.NewRequest(http.MethodGet, c.AuthorizationURL(r), nil)
	if err != nil {
		return AuthorizationAnswer{}, &TransportError{Err: errors.New("request cannot be built")}
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return AuthorizationAnswer{}, err
	}
	defer end()
	request.Header.Set("User-Agent", "Locum")
	response, err := c.wire.RoundTrip(request.WithContext(ctx))
	if err != nil {
		return AuthorizationAnswer{}, &TransportError{Sent: true, Err: cause(err, true)}
	}
	defer response.Body.Close() // unread: the page is for people
	if response.StatusCode < http.StatusOK {
		return AuthorizationAnswer{}, &TransportError{Sent: true, Err: errAnswer}
	}
	answer := AuthorizationAnswer{Status: response.StatusCode}
	c.readBack(&answer, response.Header.Get("Location"))
	return answer, nil
}

// readBack reads a Location that leads to the client's redirect URI; any other leaves the answer as it is.
func (c *Client) readBack(answer *AuthorizationAnswer, location string) {
	to, err := url.Parse(location)
	if location == "" || err != nil || answer.Status < 300 || answer.Status > 399 {
		return
	}
	query, err := url.ParseQuery(to.RawQuery)
	to.RawQuery, to.Fragment = "", ""
	if err != nil || to.String() != c.config.RedirectURI {
		return
	}
	answer.Back = true
	if code := query.Get("error"); isErrorCode(code) {
		answer.Code = code
	}
	answer.Description = printable(query.Get("error_description"), 200)
	answer.Iss, answer.State = query.Get("iss"), query.Get("state")
}
