package app

import (
	"crypto/rand"
	"encoding/base64"
	"net/url"
	"strings"

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
	again := func() { p.authorize(connection, scopes) }
	if p.keeps != nil && p.keeps() {
		p.authorizeAside(connection, scopes)
		return
	}
	if framed() {
		p.departBeside(func() (attempt, error) { return p.beginFor(connection, scopes) },
			func(a attempt, err error) { p.failedWith(err, again) })
		return
	}
	async(p, func() (attempt, error) { return p.beginFor(connection, scopes) },
		func(a attempt, err error) { p.depart(a, err, again) })
}

// attempt is an authorization that Locum has prepared: where the browser goes, and the browser's own value of it.
// Inside a frame it is an address of our own that a window begins at.
type attempt struct{ url, value string }

// beginFor asks for an attempt that reconnects or widens a connection and leads back here. It blocks.
func (p *page) beginFor(connection string, scopes []string) (attempt, error) {
	c, err := p.shell.connection(connection)
	if err != nil {
		return attempt{}, err
	}
	return p.begin(shared.ConnectRequest{
		Platform: c.Platform.ID, Clinic: c.Clinic.URL, Connection: c.ID, Scopes: scopes, Context: p.here(),
	})
}

// begin asks Locum for an attempt. It blocks.
func (p *page) begin(r shared.ConnectRequest) (attempt, error) {
	r.ClientState = newClientState()
	answer, err := p.shell.client.connect(r)
	if err != nil {
		return attempt{}, err
	}
	return attemptOf(answer, r.ClientState)
}

// attemptOf takes an answer's address, if it is one to go to.
func attemptOf(answer shared.ConnectAnswer, value string) (attempt, error) {
	switch ticket, ours := strings.CutPrefix(answer.TicketURL, shared.PathTicket+"/"); {
	case ours && shared.ValidID(ticket):
		return attempt{answer.TicketURL, value}, nil
	case safeAuthorizationURL(answer.AuthorizationURL):
		return attempt{answer.AuthorizationURL, value}, nil
	}
	return attempt{}, failWith(shared.CodePlatformBadAnswer)
}

// departBeside sends the practitioner to a platform in a window of its own, since the EHR's frame neither shows it nor may
// leave. The window is opened in the click itself; where the browser does not let it, the outcome page offers a link. refused
// is told why nothing began.
func (p *page) departBeside(begin func() (attempt, error), refused func(attempt, error)) {
	window := openAside()
	async(p, begin, func(a attempt, err error) {
		if err != nil {
			window.close()
			refused(a, err)
			return
		}
		keep(attemptKey, a.value)
		forget(asideKey)
		p.shell.ticket = ""
		if !window.lead(a.url) {
			p.shell.ticket = a.url
		}
		if path, ok := shared.PagePath(shared.PageOutcome, nil); ok {
			turnTo(path)
		}
	})
}

// depart keeps the attempt's value in this tab and leaves for the platform, or says why not.
func (p *page) depart(a attempt, err error, again func()) {
	if err != nil {
		p.failedWith(err, again)
		return
	}
	p.busy++ // Until the document is gone the page waits; a second click must not begin a second attempt.
	keep(attemptKey, a.value)
	forget(asideKey) // this tab is not one that was opened for a sign-in alone, whatever it was before
	leave(a.url)
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
