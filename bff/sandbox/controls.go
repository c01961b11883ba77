package sandbox

import (
	"fmt"
	"strings"
	"time"
)

// SetIDToken says whether an ID token comes though openid was not asked for, as in the example answer of "Jane guide,
// Step 3", or only with openid (the default, OpenID Connect Core §3.1.2.1).
func (s *Sandbox) SetIDToken(always bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.alwaysID = always
}

// Advance moves the sandbox's own clock forward (or back): tokens, codes, sessions and rate windows age by d at once,
// and the Date of every answer moves with it.
func (s *Sandbox) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advanced += d
}

// SetSkew puts the clock that the identity server shows off by d: the Date of every answer and the exp, iat and auth_time
// of what it signs. What it issues lives as long as before: only a client that compares the two clocks can tell. Advance
// is the other thing: time that passes.
func (s *Sandbox) SetSkew(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = d
}

// SetLifetimes changes how long the tokens live that are issued from now on, to the second: expires_in,
// refresh_expires_in and exp follow, and so does the idle limit of the login behind them. 0 is the default: 300 s and
// 1800 s. A refresh token never outlives its login, which lives 10 hours, or as long as refresh says where that is longer.
func (s *Sandbox) SetLifetimes(access, refresh time.Duration) {
	if access = access.Truncate(time.Second); access <= 0 {
		access = lifeAccess
	}
	if refresh = refresh.Truncate(time.Second); refresh <= 0 {
		refresh = lifeRefresh
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = lifetimes{access, refresh, max(lifeLogin, refresh)}
}

// SetSession changes how long a login lives without a refresh (Keycloak's SSO Session Idle, 0 is 30 minutes) and with them
// (SSO Session Max, 0 is 10 hours), to the second, those that began before included. refresh_expires_in is idle or what is
// left to the end, whichever is less. Keycloak lets an idle login live two minutes longer than it says; the refresh tokens
// do not.
func (s *Sandbox) SetSession(idle, longest time.Duration) {
	if idle = idle.Truncate(time.Second); idle <= 0 {
		idle = lifeRefresh
	}
	if longest = longest.Truncate(time.Second); longest <= 0 {
		longest = lifeLogin
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life.refresh, s.life.login = idle, longest
	for _, r := range s.realms {
		for l := range r.sessions() {
			l.until, l.ends = l.used.Add(idle), l.started.Add(longest)
		}
	}
}

// SetStated says whether a token answer tells how long the refresh token lives (the default) or leaves refresh_expires_in
// out, as Keycloak does for offline tokens and Okta always.
func (s *Sandbox) SetStated(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy.quiet = !on
}

// nextGrant is what the next authorization or token will have wrong with it; each part is used once.
type nextGrant struct {
	errorCode, errorText string
	only, add            []string
	iss                  *string
	alter                []func(claims map[string]any)
}

// SetAnswerScope says whether a token answer has a scope member, as Keycloak's have, or none, as in the example of "Jane
// guide, Step 3" (the default).
func (s *Sandbox) SetAnswerScope(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy.scope = on
}

// SetDate says whether the identity server's answers carry a Date (the default; a proxy before it adds one) or none, as
// Keycloak's own. The clinics' always do.
func (s *Sandbox) SetDate(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy.dateless = !on
}

// AuthorizeError makes the next valid authorization request come straight back with error=code (RFC 6749 §4.1.2.1).
// Keycloak's own case is "temporarily_unavailable" with the description "authentication_expired".
func (s *Sandbox) AuthorizeError(code, description string) {
	s.change(func(n *nextGrant) { n.errorCode, n.errorText = code, description })
}

// DenyNext is AuthorizeError with access_denied: the practitioner refuses.
func (s *Sandbox) DenyNext() { s.AuthorizeError("access_denied", "User denied consent") }

// GrantOnly makes the next consent grant no more than scopes, whatever is ticked.
func (s *Sandbox) GrantOnly(scopes ...string) { s.change(func(n *nextGrant) { n.only = scopes }) }

// AddScope makes the next consent grant scopes that nobody asked for.
func (s *Sandbox) AddScope(scopes ...string) { s.change(func(n *nextGrant) { n.add = scopes }) }

// WrongAudience gives the next access token this audience instead of the clinic asked for.
func (s *Sandbox) WrongAudience(audience ...string) {
	s.AlterClaims(func(claims map[string]any) { claims["aud"] = audience })
}

// AlterClaims lets alter change the claims of the next access token before it is signed.
func (s *Sandbox) AlterClaims(alter func(claims map[string]any)) {
	s.change(func(n *nextGrant) { n.alter = append(n.alter, alter) })
}

// BadIss puts iss into the next authorization response instead of the issuer (RFC 9207 §2).
func (s *Sandbox) BadIss(iss string) { s.change(func(n *nextGrant) { n.iss = &iss }) }

// OmitIss leaves iss out of the next authorization response.
func (s *Sandbox) OmitIss() { s.BadIss("") }

func (s *Sandbox) change(f func(*nextGrant)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.faults.next)
}

// Revoke ends what login has granted at the clinic with this origin, as an administrator would: refresh tokens answer
// invalid_grant and access tokens are refused at once. "" stands for every login or every clinic. It says how many
// authorizations ended.
func (s *Sandbox) Revoke(login, clinicURL string) int {
	return s.eachChain(login, clinicURL, func(r *realm, c *chain) {
		c.end(endedSession)
		r.dropAccess(c)
	})
}

// RevokeAccess makes the clinic refuse the access tokens issued so far; refreshing still works. It says how many
// authorizations that met.
func (s *Sandbox) RevokeAccess(login, clinicURL string) int {
	return s.eachChain(login, clinicURL, (*realm).dropAccess)
}

// eachChain visits the authorizations that have not ended.
func (s *Sandbox) eachChain(login, clinicURL string, visit func(*realm, *chain)) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.realms {
		for _, c := range r.chains() {
			mine := login == "" || strings.EqualFold(login, c.person.Login)
			if c.live() && mine && (clinicURL == "" || clinicURL == c.clinic.url) {
				n++
				visit(r, c)
			}
		}
	}
	return n
}

// RotateKeys gives the realm a new signing key; the old ones stay in its key set until RetireKeys.
func (s *Sandbox) RotateKeys(realm string) error {
	r := s.realms[realm]
	if r == nil {
		return fmt.Errorf("sandbox has no realm %q", realm)
	}
	if err := s.ensureKey(r); err != nil {
		return err
	}
	return s.addKey(r)
}

// RetireKeys drops every key of the realm but the one that signs: tokens signed by the others no longer verify.
func (s *Sandbox) RetireKeys(realm string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.realms[realm]; r != nil && len(r.keys) > 1 {
		r.keys = r.keys[len(r.keys)-1:]
	}
}
