package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"locum/bff/secret"
)

// Answer is a complete answer of the token endpoint, raw and not interpreted: the caller stores it before it asks
// ParseToken what it means, so that a crash in between loses no token.
type Answer struct {
	Status     int
	Body       secret.String // at most 64 kB
	ReceivedAt time.Time     // when the last byte had come; lifetimes count from here
	RetryAfter string        // the header, as it came; "" where it is longer than 64 bytes (RFC 9110 §10.2.3)
}

// TransportError says that no complete answer came. Sent is false only when no byte of the request was written, so
// that repeating it is safe; otherwise the server may have acted on it.
type TransportError struct {
	Sent bool
	Err  error
}

func (e *TransportError) Error() string {
	if e.Sent {
		return "outcome unknown: " + e.Err.Error()
	}
	return "not sent: " + e.Err.Error()
}

func (e *TransportError) Unwrap() error { return e.Err }

var (
	// ErrSecret says that a request was not sent because the client secret could not be read or is empty, or because there
	// is no key to sign with: the client cannot authenticate.
	ErrSecret = errors.New("no client secret")
	// ErrTooLarge says that an answer was larger than 64 kB.
	ErrTooLarge = errors.New("answer too large")
	// ErrCertificate says that nothing was sent because the server's certificate is not accepted.
	ErrCertificate = errors.New("the server's certificate is not accepted")
	// ErrNoEndpoint says that the server has no such endpoint.
	ErrNoEndpoint = errors.New("no such endpoint")
)

// Exchange redeems an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.5). The error is a *TransportError, or wraps
// ErrSecret; any complete answer, whatever its status, is an Answer. The request is sent at most once.
func (c *Client) Exchange(ctx context.Context, code, verifier secret.String) (Answer, error) {
	return c.token(ctx, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code.Reveal()},
		"code_verifier": {verifier.Reveal()},
		"redirect_uri":  {c.config.RedirectURI},
	})
}

// Refresh trades a refresh token for new tokens (RFC 6749 §6). No scopes ask for those that it already has; some ask for
// a part of them, which is how athenahealth wants it ("athenahealth guide, Refresh a Token"). Errors as Exchange.
func (c *Client) Refresh(ctx context.Context, refresh secret.String, scopes []string) (Answer, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()}}
	if len(scopes) > 0 {
		form.Set("scope", strings.Join(scopes, " "))
	}
	return c.token(ctx, form)
}

// ClientCredentials asks for a token of the client's own (RFC 6749 §4.4), for these scopes, of which there must be some
// ("athenahealth guide, Input Parameters"). A client without a credential gets none. Errors as Exchange.
func (c *Client) ClientCredentials(ctx context.Context, scopes []string) (Answer, error) {
	switch {
	case c.config.Auth.Method == AuthNone:
		return Answer{}, fmt.Errorf("a public client has no token of its own: %w", ErrSecret)
	case len(scopes) == 0:
		return Answer{}, &TransportError{Err: errors.New("no scope to ask for")}
	}
	return c.token(ctx, url.Values{"grant_type": {"client_credentials"}, "scope": {strings.Join(scopes, " ")}})
}

// Revoke asks the server to forget a token; hint is "refresh_token", "access_token" or "" (RFC 7009 §2.1). Nil means
// that it answered 200, which it also does for a token that it did not know (§2.2). Otherwise the error is a
// *ResponseError, a *TransportError, or wraps ErrSecret or ErrNoEndpoint.
func (c *Client) Revoke(ctx context.Context, token secret.String, hint string) error {
	server, err := c.known()
	switch {
	case err != nil:
		return err
	case server.Revocation == "":
		return fmt.Errorf("revocation: %w", ErrNoEndpoint)
	}
	form := url.Values{"token": {token.Reveal()}}
	if hint != "" {
		form.Set("token_type_hint", hint)
	}
	answer, err := c.post(ctx, server, server.Revocation, form)
	if err != nil {
		return err
	}
	if answer.Status != http.StatusOK {
		return parseError(answer)
	}
	return nil
}

// token sends one request to the token endpoint.
func (c *Client) token(ctx context.Context, form url.Values) (Answer, error) {
	server, err := c.known()
	if err != nil {
		return Answer{}, err
	}
	return c.post(ctx, server, server.Token, form)
}

// post sends one authenticated form. GetBody is removed, because with it net/http repeats a request on a fresh
// connection when a kept one turns out to be dead: whether to repeat is the caller's decision alone.
func (c *Client) post(ctx context.Context, server Server, endpoint string, form url.Values) (Answer, error) {
	header, err := c.authenticate(server, form)
	if err != nil {
		return Answer{}, err
	}
	request, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return Answer{}, &TransportError{Err: errors.New("request cannot be built")}
	}
	request.GetBody = nil
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.ask(ctx, request, header)
}

// ask sends an authenticated request and learns the server's time from its answer.
func (c *Client) ask(ctx context.Context, request *http.Request, authorization string) (Answer, error) {
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	answer, headers, err := c.do(ctx, request)
	if err == nil && c.tells(answer) {
		c.clock.learn(headers.Get("Date"), answer.ReceivedAt)
	}
	return answer, err
}

// tells says whether an answer's date is the server's: that of a success is, while a gateway's page of errors may come out
// of a cache. The one refusal that counts is that of an assertion, whose dates may be what is wrong: without it a machine
// whose clock is minutes off would never be let in, and never learn why.
func (c *Client) tells(answer Answer) bool {
	if answer.Status == http.StatusOK {
		return true
	}
	return c.config.Auth.Method == AuthKey && parseError(answer).Code == "invalid_client"
}

// do sends a request within the client's deadline and reads its whole answer.
func (c *Client) do(ctx context.Context, request *http.Request) (answer Answer, headers http.Header, err error) {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return Answer{}, nil, err
	}
	defer end()
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{
		WroteHeaders: func() { sent.Store(true) },
		WroteRequest: func(info httptrace.WroteRequestInfo) { sent.CompareAndSwap(false, info.Err == nil) },
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "Locum")
	response, err := c.wire.RoundTrip(request.WithContext(httptrace.WithClientTrace(ctx, trace)))
	if err != nil {
		return Answer{}, nil, &TransportError{Sent: sent.Load(), Err: cause(overdue(ctx, err), sent.Load())}
	}
	defer response.Body.Close()
	if response.StatusCode < http.StatusOK { // 101: what follows is no HTTP, and nobody asked to switch
		return Answer{}, nil, &TransportError{Sent: true, Err: errAnswer}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case err != nil:
		return Answer{}, nil, &TransportError{Sent: true, Err: cause(overdue(ctx, err), true)}
	case len(body) > maxBody:
		return Answer{}, nil, &TransportError{Sent: true, Err: ErrTooLarge}
	}
	answer = Answer{Status: response.StatusCode, Body: secret.New(string(body)), ReceivedAt: time.Now()}
	if after := response.Header.Get("Retry-After"); len(after) <= 64 {
		answer.RetryAfter = after
	}
	return answer, response.Header, nil
}

// errAnswer, errHandshake and errPlain stand for every error of net/http and crypto/tls about what a server said, since
// such an error quotes the server, which chooses its words and may have repeated what it was sent.
var (
	errAnswer    = errors.New("unusable HTTP answer")
	errHandshake = errors.New("no TLS connection")
	errPlain     = errors.New("no TLS connection: the server does not speak TLS")
)

// cause is an error of net/http without anything that the server said: ours, the network's, or one of a closed list.
func cause(err error, sent bool) error {
	var dialled *dialError
	var record tls.RecordHeaderError
	var network net.Error
	switch {
	case errors.As(err, &dialled):
		return dialled.err
	case errors.As(err, &record):
		return errPlain
	}
	for _, known := range []error{context.Canceled, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, known) {
			return known
		}
	}
	switch fault := certificateFault(err); {
	case fault != nil:
		return fault
	case errors.As(err, &network):
		return network
	case sent:
		return errAnswer
	}
	return errHandshake
}

// certificateFault says what is wrong with a certificate, nil for any other error.
func certificateFault(err error) error {
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var other *tls.CertificateVerificationError
	switch {
	case errors.As(err, &host):
		return fmt.Errorf("%w: it is for another host", ErrCertificate)
	case errors.As(err, &authority):
		return fmt.Errorf("%w: it is not signed by an authority that this machine trusts", ErrCertificate)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("%w: it is expired or not valid yet", ErrCertificate)
	case errors.As(err, &other):
		return ErrCertificate
	}
	return nil
}
