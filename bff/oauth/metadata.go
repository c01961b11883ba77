package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Metadata is what a server says about itself (OpenID Connect Discovery §3, RFC 8414 §2; SMART App Launch 2.2,
// "Conformance"). A list is nil where the document has none.
type Metadata struct {
	server           Server
	ChallengeMethods []string
	TokenAuthMethods []string
	GrantTypes       []string
	Scopes           []string
	Capabilities     []string      // of SMART alone
	ClockAhead       time.Duration // of the server against this machine, to a second; 0 where it sent no date
	ClockSaid        bool          // it sent a date
}

// Server is the server that the document describes. RequireIss is authorization_response_iss_parameter_supported
// (RFC 9207 §3), AuthorizePost the capability authorize-post. What documents do not say is zero: the way to introspect,
// how keys are asked for.
func (m Metadata) Server() Server {
	s := m.server
	s.AuthorizePost = m.Can("authorize-post")
	return s
}

// Can says whether the server claims a capability of SMART App Launch 2.2, "sso-openid-connect" for one.
func (m Metadata) Can(capability string) bool { return slices.Contains(m.Capabilities, capability) }

// Document is the answer to a question for a server's SMART configuration. Raw is for ParseMetadata; it is "" where the
// server says that the document with the given ETag is still its own.
type Document struct {
	Raw        string // at most 64 kB
	ETag       string // "" where it sent none that fits a header
	Unchanged  bool
	ReceivedAt time.Time
	ClockAhead time.Duration // as Metadata's
	ClockSaid  bool
}

// FetchMetadata reads the SMART configuration that belongs to a FHIR base URL, which may end in a slash, once and
// without following anything (SMART App Launch 2.2, "Using Well-Known"). etag is the last document's, or "". The error is
// a *TransportError, or a *ResponseError for any status but 200 and 304.
func FetchMetadata(ctx context.Context, dial DialFunc, base, etag string) (Document, error) {
	if err := checkURL(base, false); err != nil {
		return Document{}, &TransportError{Err: fmt.Errorf("fhir base url: %w", err)}
	}
	request, err := http.NewRequest(http.MethodGet, strings.TrimRight(base, "/")+"/.well-known/smart-configuration", nil)
	if err != nil {
		return Document{}, &TransportError{Err: errors.New("request cannot be built")}
	}
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	c := open(ClientConfig{Dial: dial}) // of nobody: it holds no secret and knows no server
	defer c.Close()
	began := time.Now()
	answer, headers, err := c.do(ctx, request)
	if err != nil {
		return Document{}, err
	}
	d := Document{ReceivedAt: answer.ReceivedAt}
	d.ClockAhead, d.ClockSaid = ahead(headers.Get("Date"), began, answer.ReceivedAt)
	if tag := headers.Get("ETag"); len(tag) <= 256 && isVisible(tag) {
		d.ETag = tag
	}
	switch {
	case answer.Status == http.StatusNotModified && etag != "":
		d.Unchanged = true
		return d, nil
	case answer.Status != http.StatusOK:
		return Document{}, &ResponseError{Status: answer.Status, RetryAfter: answer.RetryAfter}
	}
	d.Raw = answer.Body.Reveal()
	return d, nil
}

// ahead is how far a Date header is ahead of this machine: it has whole seconds and was put on between the request and
// the answer.
func ahead(date string, began, received time.Time) (time.Duration, bool) {
	at, err := http.ParseTime(date)
	if err != nil {
		return 0, false
	}
	return at.Sub(began.Add(received.Sub(began) / 2)).Round(time.Second), true
}

// MetadataError says why a SMART configuration is of no use: Member is the name of what is missing or wrong in it.
type MetadataError struct {
	Member string
	Err    error
}

func (e *MetadataError) Error() string {
	return "smart-configuration: " + e.Member + ": " + e.Err.Error()
}

func (e *MetadataError) Unwrap() []error { return []error{ErrMalformed, e.Err} }

var errMissing = errors.New("missing")

// ParseMetadata reads the SMART configuration of the FHIR server at base: one JSON object whose members each stand once.
// Required are authorization_endpoint, token_endpoint, capabilities and S256; plain and other methods count for nothing.
// Relative endpoints are taken from base as from a directory (SMART App Launch 2.2, "Sample Response"); all must be
// https, http on loopback, without user information, query or fragment. Issuer and key set may be on other hosts than the
// endpoints, or missing: a server without the capability sso-openid-connect has none. The error is a *MetadataError.
func ParseMetadata(base string, raw []byte) (Metadata, error) {
	if len(raw) > maxBody {
		return Metadata{}, &MetadataError{"document", ErrTooLarge}
	}
	m, err := parseMetadata(raw)
	if err != nil {
		return Metadata{}, &MetadataError{"document", err}
	}
	root, err := url.Parse(strings.TrimRight(base, "/") + "/")
	if err != nil {
		return Metadata{}, &MetadataError{"base", errors.New("not a URL")}
	}
	for _, e := range m.endpoints() {
		switch {
		case *e.url == "" && e.required:
			return Metadata{}, &MetadataError{e.member, errMissing}
		case *e.url == "":
			continue
		}
		to, err := root.Parse(*e.url)
		if err != nil {
			return Metadata{}, &MetadataError{e.member, errors.New("not a URL")}
		}
		if err := checkURL(to.String(), e.browser); err != nil {
			return Metadata{}, &MetadataError{e.member, err}
		}
		*e.url = to.String()
	}
	switch {
	case m.server.Issuer != "" && checkURL(m.server.Issuer, false) != nil:
		return Metadata{}, &MetadataError{"issuer", errors.New("not a plain https URL")}
	case !slices.Contains(m.ChallengeMethods, "S256"):
		return Metadata{}, &MetadataError{"code_challenge_methods_supported", errors.New("S256 is missing")}
	case m.Capabilities == nil:
		return Metadata{}, &MetadataError{"capabilities", errMissing}
	}
	return m, nil
}

// endpoint is one place that a document names.
type endpoint struct {
	member   string
	url      *string
	required bool
	browser  bool // only the browser goes there
}

func (m *Metadata) endpoints() []endpoint {
	return []endpoint{
		{member: "authorization_endpoint", url: &m.server.Authorization, required: true},
		{member: "token_endpoint", url: &m.server.Token, required: true},
		{member: "jwks_uri", url: &m.server.JWKS},
		{member: "revocation_endpoint", url: &m.server.Revocation},
		{member: "introspection_endpoint", url: &m.server.Introspection},
		{member: "end_session_endpoint", url: &m.server.EndSession, browser: true},
	}
}

// parseMetadata reads the members of a document and judges none.
func parseMetadata(body []byte) (Metadata, error) {
	all, err := parseMembers(body)
	if err != nil {
		return Metadata{}, err
	}
	var m Metadata
	var faults []error
	m.server.Issuer, err = all.text("issuer")
	faults = append(faults, err)
	for _, e := range m.endpoints() {
		*e.url, err = all.text(e.member)
		faults = append(faults, err)
	}
	for name, to := range map[string]any{
		"authorization_response_iss_parameter_supported": &m.server.RequireIss,
		"code_challenge_methods_supported":               &m.ChallengeMethods,
		"token_endpoint_auth_methods_supported":          &m.TokenAuthMethods,
		"grant_types_supported":                          &m.GrantTypes,
		"scopes_supported":                               &m.Scopes,
		"capabilities":                                   &m.Capabilities,
	} {
		if raw, ok := all[name]; ok && json.Unmarshal(raw, to) != nil {
			faults = append(faults, fmt.Errorf("%w: %s", ErrMalformed, name))
		}
	}
	return m, errors.Join(faults...)
}
