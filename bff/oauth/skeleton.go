package oauth

import (
	"context"
	"errors"
	"net"
	"time"

	"locum/bff/secret"
)

type Server struct {
	Issuer, Authorization, Token, Revocation, Introspection, EndSession, JWKS string
	RequireIss                                                                bool
}
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)
type ClientConfig struct {
	Server          Server
	ID, RedirectURI string
	Secret          func() (secret.String, error)
	Dial            DialFunc
	Timeout         time.Duration
}
type Client struct{}

func NewClient(ClientConfig) (*Client, error) { panic("todo") }
func (c *Client) Close()                      { panic("todo") }

type AuthorizationRequest struct {
	State     string
	Challenge string
	Nonce     string
	Scopes    []string
	Resource  string
	Prompt    string
}

func (c *Client) AuthorizationURL(AuthorizationRequest) string { panic("todo") }
func NewVerifier() secret.String                               { panic("todo") }
func Challenge(verifier secret.String) string                  { panic("todo") }

type Answer struct {
	Status     int
	Body       secret.String
	ReceivedAt time.Time
}

func (c *Client) Exchange(ctx context.Context, code, verifier secret.String) (Answer, error) {
	panic("todo")
}
func (c *Client) Refresh(ctx context.Context, refresh secret.String) (Answer, error) { panic("todo") }
func (c *Client) Revoke(ctx context.Context, token secret.String, hint string) error { panic("todo") }

type TransportError struct {
	Sent bool
	Err  error
}

func (e *TransportError) Error() string { panic("todo") }
func (e *TransportError) Unwrap() error { return e.Err }

type ResponseError struct {
	Status            int
	Code, Description string
}

func (e *ResponseError) Error() string { panic("todo") }

var ErrMalformed = errors.New("malformed token answer")
var ErrCallback = errors.New("malformed callback")

func ParseToken(Answer) (Token, error) { panic("todo") }

type Token struct {
	Access, Refresh, ID         secret.String
	ExpiresIn, RefreshExpiresIn time.Duration
	Scope, SessionState         string
}
type Claims struct {
	Issuer, Subject, AuthorizedParty, ID, Type, SID, Nonce string
	Audience, Scopes                                       []string
	Expiry, IssuedAt                                       time.Time
	Extra                                                  map[string]any
}
type TokenError struct {
	Code string
	Err  error
}

func (e *TokenError) Error() string { panic("todo") }
func (e *TokenError) Unwrap() error { return e.Err }

func (c *Client) VerifyAccess(ctx context.Context, token secret.String) (Claims, error) {
	panic("todo")
}
func (c *Client) VerifyID(ctx context.Context, token, nonce, access secret.String) (Claims, error) {
	panic("todo")
}

type CallbackParams struct {
	Code                           secret.String
	State, Iss, Error, Description string
}

func ParseCallback(rawQuery string) (CallbackParams, error) { panic("todo") }
