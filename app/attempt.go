package app

import (
	"crypto/rand"
	"encoding/base64"
	"net/url"

	"locum/shared"
)

// attemptKey is the one entry of sessionStorage: the browser's own value of the authorization that this tab began. It
// is there from the start of the attempt until its outcome is known, and is good for nothing without the session.
const attemptKey = "locum.attempt"

// newClientState is 256 bits of the browser's CSPRNG (crypto/rand reads crypto.getRandomValues) as 43 base64url
// characters.
func newClientState() string {
	var bits [32]byte
	rand.Read(bits[:]) // Never fails: crypto/rand ends the program rather than answer weak bytes.
	return base64.RawURLEncoding.EncodeToString(bits[:])
}

// here is the page's place as a context to come back to: a page's name and opaque ids, nothing else.
func (p *page) here() shared.Context { return shared.Context{Page: p.name, Params: p.params} }

// authorize reconnects or widens an existing connection and comes back here.
func (p *page) authorize(connection string, scopes []string) {
	async(p, func() (string, error) {
		c, err := p.shell.connection(connection)
		if err != nil {
			return "", err
		}
		return p.begin(shared.ConnectRequest{
			Platform: c.Platform.ID, Clinic: c.Clinic.URL, Connection: c.ID, Scopes: scopes, Context: p.here(),
		})
	}, func(url string, err error) { p.depart(url, err, func() { p.authorize(connection, scopes) }) })
}

// begin asks Locum for an attempt and keeps its browser value in this tab. It blocks.
func (p *page) begin(r shared.ConnectRequest) (string, error) {
	r.ClientState = newClientState()
	answer, err := p.shell.client.connect(r)
	if err != nil {
		return "", err
	}
	if !safeAuthorizationURL(answer.AuthorizationURL) {
		return "", failWith(shared.CodePlatformBadAnswer)
	}
	keep(attemptKey, r.ClientState)
	return answer.AuthorizationURL, nil
}

// depart leaves for the platform, or says why not.
func (p *page) depart(url string, err error, again func()) {
	if err != nil {
		p.failedWith(err, again)
		return
	}
	p.busy++ // Until the document is gone the page waits; a second click must not begin a second attempt.
	leave(url)
}

// safeAuthorizationURL accepts an absolute https address, or http to a loopback host for a sandbox: never a
// javascript: address, whatever answered.
func safeAuthorizationURL(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	host := u.Hostname()
	return u.Scheme == "https" || u.Scheme == "http" && (host == "127.0.0.1" || host == "localhost" || host == "::1")
}
