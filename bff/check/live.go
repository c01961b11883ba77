package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"locum/bff/ask"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/secret"
)

// longest bounds the questions to all platforms together, each of which has a deadline of its own.
const longest = 5 * time.Minute

// live asks each platform what only it can know, then whether its clinics and Locum itself can be reached.
func (c *checker) live(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	for i, p := range c.cfg.Platforms {
		if p.Kind == platform.KindJane {
			c.ask(ctx, i, p)
		} else {
			c.askApp(ctx, i, p)
		}
	}
	c.reachPublic(ctx)
}

// question is one platform being asked.
type question struct {
	*checker
	*platform.Platform
	i      int
	client *oauth.Client
	// resource is the clinic that authorizations are asked for; "" where none is configured.
	resource string
}

func (c *checker) ask(ctx context.Context, i int, p *platform.Platform) {
	client, err := oauth.NewClient(oauth.ClientConfig{
		Server: p.Server, ID: p.ClientID, RedirectURI: p.RedirectURI, Dial: p.Dial,
		Secret: func() (secret.String, error) { return c.secrets[p.ID], nil },
	})
	if err != nil {
		c.setting(Error, "live.unusable", entry(i), err.Error(), "correct the platform's issuer")
		return
	}
	defer client.Close()
	q := question{checker: c, Platform: p, i: i, client: client}
	if len(p.Clinics) > 0 {
		q.resource = p.Clinics[0].URL
	}
	if !q.metadata(ctx) {
		c.unseen("the rest of "+p.ID, "its issuer has to answer first")
		return
	}
	q.keys(ctx)
	q.registration(ctx, q.credentials(ctx))
	q.clinics(ctx)
}

// find adds a finding about a key of the platform's entry, or the entry itself.
func (q question) find(s Severity, code, key, cause, fix string) {
	at := entry(q.i)
	if key != "" {
		at += "." + key
	}
	q.setting(s, code, at, cause, fix)
}

// unreachable explains why no answer came from an endpoint.
func (q question) unreachable(what string, err error) {
	switch {
	case errors.Is(err, oauth.ErrCertificate):
		q.find(Error, "live.tls", "issuer", what+": "+oauth.ErrCertificate.Error()+why(err), "see that nothing intercepts TLS on the way, and that this machine's clock and certificates are right")
	case errors.Is(err, platform.ErrAddress):
		q.find(Error, "live.address", "issuer", what+": its name leads to an address that is not public", "correct the issuer, or this machine's DNS")
	default:
		q.find(Error, "live.unreachable", "issuer", what+": no answer"+why(err), "see that this machine may connect there: DNS, firewall, proxy; and that the issuer is right")
	}
}

// why is the system's word for a failure, which holds nothing that the other side said.
func why(err error) string {
	var transport *oauth.TransportError
	if errors.As(err, &transport) {
		return " (" + strings.TrimPrefix(transport.Err.Error(), oauth.ErrCertificate.Error()+": ") + ")"
	}
	return ""
}

// metadata compares what the server says of itself with what Locum goes by. It says whether asking on makes sense.
func (q question) metadata(ctx context.Context) bool {
	m, err := q.client.ReadMetadata(ctx)
	var refused *oauth.ResponseError
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
		q.find(Error, "live.realm", "issuer", "the server has no such realm", "write the realm's exact issuer")
		return false
	case errors.As(err, &refused):
		q.find(Error, "live.unreachable", "issuer", fmt.Sprintf("the server answers with status %d", refused.Status), "try again later; and see that the issuer is right")
		return false
	case errors.Is(err, oauth.ErrMalformed):
		q.find(Error, "live.metadata", "issuer", "what answers there is no OpenID provider: its metadata cannot be read", "write the realm's exact issuer")
		return false
	case err != nil:
		q.unreachable("the issuer", err)
		return false
	}
	q.clock(m)
	if m.Server().Issuer != q.Server.Issuer {
		q.find(Error, "live.issuer", "issuer", "the server calls itself by another issuer, so every token would be refused", "write the issuer exactly as the realm's metadata has it")
		return true
	}
	q.endpoints(m)
	q.promises(m)
	return true
}

// endpoints: what the document does not name is not compared.
func (q question) endpoints(m oauth.Metadata) {
	for _, e := range []struct {
		name, ours, theirs string
		required           bool
	}{
		{"authorization", q.Server.Authorization, m.Server().Authorization, true},
		{"token", q.Server.Token, m.Server().Token, true},
		{"key set", q.Server.JWKS, m.Server().JWKS, true},
		{"revocation", q.Server.Revocation, m.Server().Revocation, false},
		{"introspection", q.Server.Introspection, m.Server().Introspection, false},
		{"end session", q.Server.EndSession, m.Server().EndSession, false},
	} {
		if e.ours != e.theirs && (e.required || e.theirs != "") {
			q.find(Error, "live.endpoint", "issuer", "the server's "+e.name+" endpoint is not "+e.ours, "ask "+q.Name+" whether its endpoints have moved; this version of Locum knows the documented ones")
		}
	}
}

// promises are what Locum relies on: iss in every answer (RFC 9207 §3), S256 (RFC 8414 §2), and the secret in the form.
func (q question) promises(m oauth.Metadata) {
	if q.Server.RequireIss && !m.Server().RequireIss {
		q.find(Error, "live.iss", "issuer", "the server does not promise iss in its authorization responses, and Locum refuses one without it", "ask "+q.Name+" to turn it on for the realm")
	}
	if !slices.Contains(m.ChallengeMethods, "S256") {
		q.find(Error, "live.pkce", "issuer", "the server does not offer S256 code challenges, and Locum uses no other", "ask "+q.Name+" to turn PKCE on for the realm")
	}
	if m.TokenAuthMethods != nil && !slices.Contains(m.TokenAuthMethods, "client_secret_post") {
		q.find(Error, "live.auth-method", "issuer", "the server takes no client secret by form, the only way this version knows", "ask "+q.Name+" for client_secret_post")
	}
}

func (q question) clock(m oauth.Metadata) {
	if f, ok := ask.Clock(m.ClockAhead, "the issuer's"); m.ClockSaid && !ok {
		q.find(Severity(f.Severity), f.Code, "issuer", f.Cause, f.Fix)
	}
}

func (q question) keys(ctx context.Context) {
	_, err := q.client.CountKeys(ctx)
	var transport *oauth.TransportError
	var refused *oauth.ResponseError
	switch {
	case err == nil:
	case errors.As(err, &transport):
		q.unreachable("the key set", err)
	case errors.As(err, &refused):
		q.find(Error, "live.keys", "issuer", fmt.Sprintf("the key set answers with status %d, so no token can be verified", refused.Status), "try again later; then ask "+q.Name)
	default:
		q.find(Error, "live.keys", "issuer", "the server publishes no RS256 signing key, so no token can be verified", "ask "+q.Name)
	}
}
