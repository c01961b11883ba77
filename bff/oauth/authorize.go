package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"

	"locum/bff/secret"
)

// AuthorizationRequest is what differs from one authorization to the next. State and Challenge are required; an empty
// Nonce, Resource, Audience, Launch or Prompt is left out.
type AuthorizationRequest struct {
	State     string
	Challenge string // of Challenge, always S256
	Nonce     string // OpenID Connect Core §3.1.2.1
	Scopes    []string
	Resource  string        // RFC 8707 §2: the clinic ("Jane guide, Step 2")
	Audience  string        // aud: the FHIR base URL (SMART App Launch 2.2, "Obtain authorization code")
	Launch    secret.String // the value that the EHR launched with, byte for byte
	Prompt    string        // "consent" when the practitioner asked to allow more; otherwise the server decides
}

// AuthorizationURL is where the browser goes (RFC 6749 §4.1.1, RFC 7636 §4.3): each parameter once, each value
// percent-encoded. Without a state or an S256 challenge there is nothing safe to send, and before the server is known
// nowhere to send it: the answer is "".
func (c *Client) AuthorizationURL(r AuthorizationRequest) string {
	fields := c.authorization(r)
	if fields == nil {
		return ""
	}
	query := make([]string, len(fields))
	for i, field := range fields {
		query[i] = field.name + "=" + escape(field.value)
	}
	return c.Server().Authorization + "?" + strings.Join(query, "&")
}

// AuthorizationForm is the same request as a form that the browser posts to endpoint, for a server with AuthorizePost
// (SMART App Launch 2.2, capability authorize-post; OpenID Connect Core §3.1.2.1). Where there is nothing to send,
// endpoint is "".
func (c *Client) AuthorizationForm(r AuthorizationRequest) (endpoint string, fields url.Values) {
	sent := c.authorization(r)
	if sent == nil {
		return "", nil
	}
	fields = make(url.Values, len(sent))
	for _, field := range sent {
		fields.Set(field.name, field.value)
	}
	return c.Server().Authorization, fields
}

// parameter is one of an authorization request.
type parameter struct{ name, value string }

// authorization lists the parameters of a request in their order; nil where there is nothing to send.
func (c *Client) authorization(r AuthorizationRequest) []parameter {
	if r.State == "" || len(r.Challenge) != 43 || c.Server().Authorization == "" {
		return nil
	}
	all := []parameter{
		{"response_type", "code"}, {"client_id", c.config.ID}, {"redirect_uri", c.config.RedirectURI},
		{"scope", strings.Join(r.Scopes, " ")}, {"resource", r.Resource}, {"aud", r.Audience}, {"launch", r.Launch.Reveal()},
		{"state", r.State}, {"nonce", r.Nonce}, {"code_challenge", r.Challenge}, {"code_challenge_method", "S256"}, {"prompt", r.Prompt},
	}
	return slices.DeleteFunc(all, func(p parameter) bool { return p.value == "" })
}

// escape percent-encodes everything but unreserved characters; a space is %20, which every reader understands.
func escape(value string) string {
	return strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
}

// NewVerifier is a fresh code verifier of 256 random bits as 43 unreserved characters (RFC 7636 §4.1).
func NewVerifier() secret.String { return secret.Random() }

// Challenge is the S256 code challenge of a verifier: BASE64URL(SHA256(verifier)), 43 characters (RFC 7636 §4.2).
func Challenge(verifier secret.String) string {
	sum := sha256.Sum256([]byte(verifier.Reveal()))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
