package oauth

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
)

// Server is one authorization server. Issuer, Authorization, Token and JWKS are required; an empty Revocation,
// Introspection or EndSession means that the server has none. It is configured, or comes from a document that the caller
// has compared with the one it believed before (Metadata.Server, Pinned): a client never moves an endpoint by itself.
type Server struct {
	Issuer        string
	Authorization string
	Token         string
	Revocation    string
	Introspection string
	EndSession    string
	JWKS          string
	// RequireIss says that the server promises iss in every authorization response, so that an answer without it is
	// refused (RFC 9207 §2.4).
	RequireIss bool
	// AuthorizePost says that the server takes authorization requests as posted forms too (SMART App Launch 2.2,
	// capability authorize-post).
	AuthorizePost bool
	// IntrospectionMethod is POST (RFC 7662 §2.1) or GET (athenahealth guide, Additional OAuth Endpoints); "" is POST and, where
	// the server has no such method there, GET.
	IntrospectionMethod string
	// KeysByClient says that the key set is asked for with the client's id (the same guide: client_id is required there).
	KeysByClient bool
}

// AcceptsIss says whether an authorization response with this iss ("" when it had none) can come from the server.
// The comparison is of plain strings, without any normalisation (RFC 9207 §2.4). It is the issuer's name that stands
// there; the iss of a SMART launch is another thing, the FHIR base URL, and never compared here.
func (s Server) AcceptsIss(iss string) bool {
	if iss == "" {
		return !s.RequireIss
	}
	return iss == s.Issuer
}

// ErrUndiscovered says that nothing was sent because the server's endpoints are not known yet (Use).
var ErrUndiscovered = errors.New("the server's endpoints are not known yet")

// Server is the server that the client speaks to; one without endpoints before Use gave it.
func (c *Client) Server() Server { return *c.server.Load() }

// Use makes a discovered server the client's, from the next request on. A refused one changes nothing. Whether it may
// replace the one before is for the caller to say (Pinned).
func (c *Client) Use(s Server) error {
	if err := s.check(); err != nil {
		return err
	}
	if before := c.server.Swap(&s); before.JWKS != s.JWKS || before.Issuer != s.Issuer {
		c.keys.forget()
	}
	return nil
}

// known is Server for a request, which is not sent before there is one.
func (c *Client) known() (Server, error) {
	if s := c.Server(); !s.undiscovered() {
		return s, nil
	}
	return Server{}, &TransportError{Err: ErrUndiscovered}
}

// undiscovered says that a server has no endpoint at all, though perhaps an issuer.
func (s Server) undiscovered() bool {
	return s.Authorization == "" && s.Token == "" && s.JWKS == "" && s.Revocation == "" && s.Introspection == "" && s.EndSession == ""
}

func (c ClientConfig) check() error {
	switch {
	case c.ID == "":
		return errors.New("oauth client: no client id")
	case c.Dial == nil:
		return errors.New("oauth client: no dial function")
	}
	if err := c.checkAuth(); err != nil {
		return fmt.Errorf("oauth client: %w", err)
	}
	for _, name := range c.IDAlgorithms {
		if hashes[name] == 0 {
			return errors.New("oauth client: signatures are by RS256, RS384 or ES384")
		}
	}
	if err := checkURL(c.RedirectURI, true); err != nil {
		return fmt.Errorf("oauth client: redirect uri: %w", err)
	}
	if c.Server.undiscovered() {
		return nil
	}
	return c.Server.check()
}

func (s Server) check() error {
	for _, e := range []struct {
		name, url string
		optional  bool
		browser   bool // the browser goes there, not this client
	}{
		{name: "issuer", url: s.Issuer}, {name: "authorization endpoint", url: s.Authorization},
		{name: "token endpoint", url: s.Token}, {name: "jwks", url: s.JWKS},
		{name: "revocation endpoint", url: s.Revocation, optional: true},
		{name: "introspection endpoint", url: s.Introspection, optional: true},
		{name: "end session endpoint", url: s.EndSession, optional: true, browser: true},
	} {
		if e.url == "" && e.optional {
			continue
		}
		if err := checkURL(e.url, e.browser); err != nil {
			return fmt.Errorf("oauth client: %s: %w", e.name, err)
		}
	}
	switch s.IntrospectionMethod {
	case "", "GET", "POST":
		return nil
	}
	return errors.New("oauth client: introspection is by GET or POST")
}

// checkURL accepts https URLs, and http ones of this machine: at a literal loopback address, or, where only a browser goes,
// localhost, which browsers never resolve elsewhere.
func checkURL(raw string, browser bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.New("not a URL")
	case u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" || !isPort(u.Port()):
		return errors.New("not a plain absolute URL")
	case u.Scheme == "https", u.Scheme == "http" && (isLoopback(u.Hostname()) || browser && u.Hostname() == "localhost"):
		return nil
	}
	return errors.New("not https (http is for loopback only)")
}

// isLoopback says whether host is a literal loopback address.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// isPort says whether s is a port number, or nothing.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil && n > 0
}
