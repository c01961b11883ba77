package connect

import (
	"context"
	"errors"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/vault"
)

// departure is an attempt on its way to the platform. Of the attempt the caller has filled in whose it is and what is asked
// for; State is the browser's half of it. also joins the transaction that stores it; nil: nothing does.
type departure struct {
	attempt vault.Attempt
	flow    string // the browser's flow value, or ""
	fixed   bool   // the attempt is bound to that value and to no other
	also    func(*vault.Tx) error
}

// ticketLife is how long a window may take to open.
const ticketLife = time.Minute

// longURL is where a request becomes too long for a URL: what proxies and servers on the way take for sure (RFC 9110 §4.1
// asks for 8000).
const longURL = 4000

// depart completes the attempt, stores it, and says where the browser goes: to the platform, or over a ticket where it
// cannot go there itself.
func (c *Connector) depart(live *platform.Live, d departure) (BeginAnswer, error) {
	a := d.attempt
	a.State, a.Platform, a.Verifier, a.CreatedAt = a.State+"."+random(), live.ID, oauth.NewVerifier(), time.Now()
	a.ExpiresAt = a.CreatedAt.Add(lifetime)
	request := oauth.AuthorizationRequest{State: a.State, Challenge: oauth.Challenge(a.Verifier), Scopes: a.Scopes, Launch: a.Launch}
	if live.FHIRBase != "" {
		request.Audience = live.FHIRBase
	} else {
		request.Resource = a.Clinic
	}
	if live.OpenID {
		request.Nonce = random()
		a.Nonce = secret.New(request.Nonce)
	}
	url := live.OAuth.AuthorizationURL(request)
	if url == "" {
		return BeginAnswer{}, &Error{Code: CodeUnavailable}
	}
	post := len(url) > longURL && live.OAuth.Server().AuthorizePost
	ticket := ""
	if a.Framed || post {
		ticket = random()
	}
	d.attempt = a
	flow, err := c.store(d, func(tx *vault.Tx, flow string) error {
		if ticket == "" {
			return nil
		}
		return c.putTicket(tx, ticket, vault.Ticket{URL: secret.New(url), Flow: secret.New(flow), Post: post,
			ExpiresAt: a.CreatedAt.Add(ticketLife)})
	})
	if err != nil {
		return BeginAnswer{}, stored(err)
	}
	answer := BeginAnswer{AuthorizationURL: url, Ticket: secret.New(ticket), Framed: a.Framed}
	if !a.Framed {
		answer.Flow = secret.New(flow)
	}
	return answer, nil
}

// discover finds the platform's server where that is not known yet. Nothing is asked of a platform whose endpoints are
// configured.
func (c *Connector) discover(ctx context.Context, id string) error {
	err := c.platforms.Discover(ctx, id)
	var refused *platform.DiscoveryError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, platform.ErrUnknownPlatform):
		return &Error{Code: CodeUnknownPlatform, Err: err}
	case errors.As(err, &refused) && refused.Code != platform.DiscoveryUnreachable:
		return &Error{Code: CodeMisconfigured, Reason: refused.Code, Err: err}
	}
	return &Error{Code: CodeUnavailable, Err: err}
}
