package oauth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"locum/bff/secret"
)

// Auth is the one way in which a client authenticates; its zero value is Jane's, a posted secret ("Jane guide, Step 3").
// PKCE is used whichever it is.
type Auth struct {
	Method    string // one of the four below; "" is AuthPost
	Audience  string // of AuthKey's assertions: AudienceToken, also "", or AudienceIssuer
	Algorithm string // of AuthKey's keys, RS256, RS384 or ES384, where a SigningKey does not name its own
	// RawBasic leaves id and secret of AuthBasic as they are. RFC 6749 §2.3.1 wants both form-encoded first; servers differ
	// for a secret that is changed by it.
	RawBasic bool
}

// The ways to authenticate (RFC 7591 §2, OpenID Connect Core §9). Never are two used at once (RFC 6749 §2.3).
const (
	AuthPost  = "client_secret_post"
	AuthBasic = "client_secret_basic"
	AuthKey   = "private_key_jwt"
	AuthNone  = "none"
)

// The audiences of an assertion: the token endpoint's URL, for requests to other endpoints too (SMART App Launch 2.2,
// "Authentication JWT Claims"), or the issuer, as OpenID Connect wants it since 2025.
const (
	AudienceToken  = "token_endpoint"
	AudienceIssuer = "issuer"
)

// assertionType is the client_assertion_type of a JWT (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func (c ClientConfig) checkAuth() error {
	switch c.Auth.Method {
	case "", AuthPost, AuthBasic:
		if c.Secret == nil {
			return errors.New("no source of the client secret")
		}
		if c.Auth.RawBasic && strings.Contains(c.ID, ":") {
			return errors.New("a client id with a colon cannot be sent raw") // RFC 7617 §2: the first colon ends it
		}
	case AuthKey:
		if c.Key == nil {
			return errors.New("no source of the signing key")
		}
	case AuthNone:
	default:
		return errors.New("unknown client authentication")
	}
	if a := c.Auth.Audience; a != "" && a != AudienceToken && a != AudienceIssuer {
		return errors.New("unknown audience of assertions")
	}
	if a := c.Auth.Algorithm; a != "" && hashes[a] == 0 {
		return errors.New("unknown algorithm of assertions")
	}
	return nil
}

// authenticate adds to a request's form what the client's method puts there, and gives the Authorization header where the
// method has one. An assertion is made for this request alone. The error wraps ErrSecret.
func (c *Client) authenticate(s Server, form url.Values) (header string, err error) {
	switch c.config.Auth.Method {
	case AuthNone:
		form.Set("client_id", c.config.ID) // RFC 6749 §3.2.1
		return "", nil
	case AuthKey:
		assertion, err := c.assertion(s)
		if err != nil {
			return "", err
		}
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
		return "", nil
	}
	key, err := c.secret()
	if err != nil {
		return "", err
	}
	if c.config.Auth.Method == AuthBasic {
		return basic(c.config.ID, key, c.config.Auth.RawBasic), nil
	}
	form.Set("client_id", c.config.ID)
	form.Set("client_secret", key.Reveal())
	return "", nil
}

func (c *Client) secret() (secret.String, error) {
	key, err := c.config.Secret()
	if err != nil {
		return secret.String{}, fmt.Errorf("%w: %w", ErrSecret, err)
	}
	if key.Empty() {
		return secret.String{}, ErrSecret
	}
	return key, nil
}

// basic is the Authorization header of a client (RFC 7617 §2), with id and secret form-encoded (RFC 6749 §2.3.1, appendix
// B) unless raw.
func basic(id string, key secret.String, raw bool) string {
	password := key.Reveal()
	if !raw {
		id, password = url.QueryEscape(id), url.QueryEscape(password)
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+password))
}
