package sandbox

import "net/http"

// Reach is how far the revocation of a refresh token goes.
type Reach string

// The reaches. Whatever the reach, access tokens live on to their expiry, as the guide says.
const (
	// ReachLogin ends all that the client has in the token's login, and the login itself when no other client is in it, as
	// Keycloak 26 does (its documents say more).
	ReachLogin Reach = "login"
	// ReachPerson does that in every login of the same person, as Keycloak did before.
	ReachPerson Reach = "person"
	// ReachChain ends what the token belongs to and nothing else (RFC 7009 §2.1).
	ReachChain Reach = "chain"
)

// SetRevokeReach says how far the revocation of a refresh token goes. The default is ReachLogin.
func (s *Sandbox) SetRevokeReach(reach Reach) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy.reach = reach
}

// SetRevokeAll is SetRevokeReach: ReachPerson for on and ReachChain for off.
func (s *Sandbox) SetRevokeAll(on bool) {
	if on {
		s.SetRevokeReach(ReachPerson)
		return
	}
	s.SetRevokeReach(ReachChain)
}

// revoke is POST …/revoke (RFC 7009), "Jane guide, Revoking a Refresh Token". A refresh token, a spent one too, ends what
// SetRevokeReach says, and the access token lives on to its expiry, as the guide says; an access token ends alone. No logout
// token is sent. An authenticated client gets 200 for its own tokens and for what is none: as in Keycloak the body of a
// failure names invalid_token (RFC 7009 §2.2 lets the client ignore it).
func (s *Sandbox) revoke(w http.ResponseWriter, r *http.Request, realm *realm) {
	form, client, refused := s.readForm(r, realm)
	if refused == nil && form.Get("token") == "" {
		refused = invalidRequest("Token not provided")
	}
	if refused == nil {
		refused = s.revokeToken(realm, client, form.Get("token"))
	}
	if refused != nil {
		refused.write(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

func (s *Sandbox) revokeToken(realm *realm, client Client, raw string) *tokenError {
	access, err := s.readAccess(realm, raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.nowLocked()
	var held *issued
	if err == nil {
		held = realm.access[access.ID]
	} else {
		held, _ = s.find(realm, raw, now)
	}
	switch {
	case held == nil:
		return &tokenError{http.StatusOK, "invalid_token", "Invalid token"}
	case held.chain.client != client.ID:
		return invalidRequest("Unmatching clients")
	case err == nil:
		delete(realm.access, access.ID)
		return nil
	}
	c := held.chain
	if c.ended != "" || !c.login.alive(now) || c.login.clients[client.ID] == nil {
		return &tokenError{http.StatusOK, "invalid_token", "Invalid token"}
	}
	switch s.policy.reach {
	case ReachPerson:
		for l := range realm.sessions() {
			if l.person.Subject == c.person.Subject {
				l.forget(client.ID)
			}
		}
	case ReachLogin:
		c.login.forget(client.ID)
	default:
		c.end(endedSession)
	}
	return nil
}

// forget takes a client out of the login, which is over when it was the last.
func (l *session) forget(client string) {
	if l.clients[client] == nil {
		return
	}
	delete(l.clients, client)
	l.over = l.over || len(l.clients) == 0
}
