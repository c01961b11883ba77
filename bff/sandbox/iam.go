package sandbox

import (
	"crypto/rsa"
	"html/template"
	"net/http"
)

type realm struct {
	name, issuer string
	keys         []signingKey
	chains       map[string]*chain
}

type signingKey struct {
	id  string
	key *rsa.PrivateKey
}

type chain struct {
	person     person
	clinic     *clinic
	ended      string
	access     map[string]bool
	accessDead bool
}

const endedRevoked = "Session not active"

func (c *chain) end(why string) { c.ended = why }

func newRealm(name, issuer string, secret []byte) *realm { return &realm{name: name, issuer: issuer} }

func (s *Sandbox) freshKey(realm string) (*realm, signingKey, error) { panic("todo") }

func (s *Sandbox) iamHandler() http.Handler { return http.NotFoundHandler() }

func parsePages() (*template.Template, error) { return nil, nil }

func (s *Sandbox) authenticate(bearer, clinicURL string) (grant, error) { panic("todo") }

// Approve logs in and consents without a browser.
func (s *Sandbox) Approve(authorizationURL, login string, deny bool) (callbackURL string, err error) {
	panic("todo")
}
