package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"

	"locum/bff/secret"
)

// AuthorizationRequest is what differs from one authorization to the next. State and Challenge are required; an empty
// Nonce, Resource or Prompt is left out.
type AuthorizationRequest struct {
	State     string
	Challenge string // of Challenge, always S256
	Nonce     string // OpenID Connect Core §3.1.2.1
	Scopes    []string
	Resource  string // RFC 8707 §2: the clinic ("Jane guide, Step 2")
	Prompt    string // "consent" when the practitioner asked to allow more; otherwise the server decides
}

// AuthorizationURL is where the browser goes (RFC 6749 §4.1.1, RFC 7636 §4.3): each parameter once, each value
// percent-encoded. Without a state or an S256 challenge there is nothing safe to send, and the answer is "".
func (c *Client) AuthorizationURL(r AuthorizationRequest) string {
	if r.State == "" || len(r.Challenge) != 43 {
		return ""
	}
	query := make([]string, 0, 10)
	add := func(name, value string) {
		if value != "" {
			query = append(query, name+"="+escape(value))
		}
	}
	add("response_type", "code")
	add("client_id", c.config.ID)
	add("redirect_uri", c.config.RedirectURI)
	add("scope", strings.Join(r.Scopes, " "))
	add("resource", r.Resource)
	add("state", r.State)
	add("nonce", r.Nonce)
	add("code_challenge", r.Challenge)
	add("code_challenge_method", "S256")
	add("prompt", r.Prompt)
	return c.config.Server.Authorization + "?" + strings.Join(query, "&")
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
