package sandbox

import (
	"net/http"
	"strings"
	"time"
)

// Kind is what an identity server does with a refresh token that was used.
type Kind string

// The kinds. The first three are Keycloak's, the others Okta's.
const (
	KindK0 Kind = "K0" // "Revoke Refresh Token" off: a new string each time, the old ones stay good to their end
	KindK1 Kind = "K1" // on, maximum reuse 0: spent at once
	KindK2 Kind = "K2" // on, maximum reuse n: good n more times, until a successor is used
	KindO0 Kind = "O0" // static: the same string comes back and lives on
	KindO1 Kind = "O1" // rotating with a leeway: the old one is good within it, and afterwards ends the whole chain
)

// opaque says whether the kind's refresh tokens are strings without a structure.
func (k Kind) opaque() bool { return k == KindO0 || k == KindO1 }

// reuse is how often a token may be used again after its first use.
func (s *Sandbox) reuse(k Kind) int {
	if k == KindK2 {
		return s.policy.reuse
	}
	return 0
}

// policy is how used refresh tokens are treated; Sandbox.mu guards it.
type policy struct {
	reuse  int           // of K2
	leeway time.Duration // of O1
	detach bool          // a reuse ends all chains of the client in the login, and not one alone
	reach  Reach         // of a revocation
	// How the server answers: without refresh_expires_in, without a Date, with a scope member.
	quiet, dateless, scope bool
	audience               bool // introspection tells of an access token whom it names in aud, and nobody else
}

// SetKind makes both realms treat used refresh tokens so. The default is K1.
func (s *Sandbox) SetKind(kind Kind) {
	for name := range s.realms {
		s.SetKindOf(name, kind)
	}
}

// SetKindOf is SetKind for one realm. An unknown realm changes nothing.
func (s *Sandbox) SetKindOf(realm string, kind Kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.realms[realm]; r != nil {
		r.kind = kind
	}
}

// SetRotation is SetKind: K1 for on, which is the default, and K0 for off.
func (s *Sandbox) SetRotation(on bool) {
	if on {
		s.SetKind(KindK1)
		return
	}
	s.SetKind(KindK0)
}

// SetReuse is how many more times K2 takes a used refresh token: Keycloak's "Refresh Token Max Reuse". The default is 1.
func (s *Sandbox) SetReuse(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy.reuse = max(n, 0)
}

// SetLeeway is how long O1 takes a used refresh token: Okta allows 0 to 60 s, 30 s is its default and the sandbox's.
func (s *Sandbox) SetLeeway(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy.leeway = max(d, 0)
}

// SetDetach says whether a reuse that K1 or K2 does not allow ends every chain of the client in the login, as Keycloak's
// does because they hang on one client session, or only the chain it belongs to.
func (s *Sandbox) SetDetach(all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy.detach = all
}

// find reads a refresh token that the realm has handed out, whatever its age. It changes nothing. The caller holds
// Sandbox.mu.
func (s *Sandbox) find(r *realm, raw string, now time.Time) (*issued, *tokenError) {
	if held := r.refresh[raw]; held != nil && held.text != "" {
		return held, nil
	}
	if !strings.Contains(raw, ".") && r.kind.opaque() {
		return nil, invalidGrant(endedOkta)
	}
	claims, err := r.readRefresh(raw)
	if err != nil {
		return nil, invalidGrant("Invalid refresh token")
	}
	held := r.refresh[claims.ID]
	switch {
	case held != nil:
		return held, nil
	case !now.Add(s.skew).Before(claims.ExpiresAt.Time):
		return nil, invalidGrant(endedIdle)
	}
	return nil, invalidGrant(endedSession)
}

// verdict is what holds against a refresh token: nothing when refused is nil.
type verdict struct {
	refused *tokenError
	reuse   bool // it was used before, and a refresh with it has consequences
}

func refuses(description string) verdict { return verdict{refused: invalidGrant(description)} }

// judge says what holds against a refresh token at this moment, in Keycloak's order and words. It changes nothing, so that
// introspection may ask. reuse false leaves out whether the token was used before. The caller holds Sandbox.mu.
func (s *Sandbox) judge(r *realm, held *issued, now time.Time) verdict {
	if v := s.judgeSession(r, held, now); v.refused != nil {
		return v
	}
	return s.judgeReuse(r, held, now)
}

// judgeSession is judge without the question whether the token was used before.
func (s *Sandbox) judgeSession(r *realm, held *issued, now time.Time) verdict {
	c := held.chain
	session := c.login.clients[c.client]
	switch {
	case held.turn <= r.notBefore:
		return refuses("Stale token")
	case !now.Before(held.until) && held.text != "":
		return refuses(endedOkta)
	case !now.Before(c.login.ends):
		return refuses(endedSession)
	case !now.Before(held.until):
		return refuses(endedIdle)
	case !c.login.alive(now):
		return refuses(endedSession)
	case s.disabled[c.person.Subject]:
		return refuses("User disabled")
	case c.ended != "":
		return refuses(c.ended)
	case session == nil:
		return refuses(endedDetached)
	case session != c.session:
		return refuses("refresh token issued before the client session started")
	case !r.consents[consentKey{c.person.Subject, c.client}]:
		return verdict{refused: &tokenError{http.StatusBadRequest, "invalid_scope", "Client no longer has requested consent from user"}}
	}
	return verdict{}
}

// judgeReuse: Keycloak keeps for each chain the token that was presented last, how often it was, and when a refresh was
// last granted; a token older than that is stale. (It compares whole seconds, so that two refreshes within one second
// escape it; the sandbox does not let them.) Okta keeps the time at which a token was replaced.
func (s *Sandbox) judgeReuse(r *realm, held *issued, now time.Time) verdict {
	c := held.chain
	switch r.kind {
	case KindK1, KindK2:
		switch {
		case c.presented != "" && c.presented != held.id && held.turn <= c.stale:
			return verdict{invalidGrant("Stale token"), true}
		case c.presented == held.id && c.uses > s.reuse(r.kind):
			return verdict{invalidGrant("Maximum allowed refresh token reuse exceeded"), true}
		}
	case KindO1:
		if !held.used.IsZero() && !now.Before(held.used.Add(s.policy.leeway)) {
			return verdict{invalidGrant(endedOkta), true}
		}
	}
	return verdict{}
}

// punish is what a refresh with a used token does besides being refused. The caller holds Sandbox.mu.
func (s *Sandbox) punish(r *realm, c *chain) {
	switch {
	case r.kind == KindO1:
		c.end(endedOkta)
		r.dropAccess(c)
	default:
		s.detach(c)
	}
}

// detach takes the chain's client out of its login, with all chains on the same client session, or ends the one chain
// alone: SetDetach. The caller holds Sandbox.mu.
func (s *Sandbox) detach(c *chain) {
	if !s.policy.detach {
		c.end(endedDetached)
		return
	}
	if c.login.clients[c.client] == c.session {
		delete(c.login.clients, c.client)
	}
}

// spend notes that a refresh with the token is granted now. The caller holds Sandbox.mu.
func (s *Sandbox) spend(r *realm, held *issued, now time.Time) {
	c := held.chain
	c.refreshes++
	switch r.kind {
	case KindK1, KindK2: // without rotation Keycloak counts nothing
		if c.presented != held.id {
			c.presented, c.uses = held.id, 0
		}
		c.uses++
		c.stale = s.turnLocked()
	case KindO1:
		for _, t := range []*issued{held, c.newest} {
			if t.used.IsZero() {
				t.used = now
			}
		}
	}
}

// turnLocked numbers what happens, finer than any clock. The caller holds Sandbox.mu.
func (s *Sandbox) turnLocked() int64 {
	s.turns++
	return s.turns
}
