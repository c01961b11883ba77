package sandbox

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Canned is an answer to give instead of the real one, for what no honest server sends. A zero Status is 200.
type Canned struct {
	Status int
	Header map[string]string
	Body   string
}

func (c *Canned) write(w http.ResponseWriter) {
	for name, value := range c.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(max(c.Status, http.StatusOK))
	_, _ = w.Write([]byte(c.Body))
}

// faults are what the controls have planned; Sandbox.mu guards them.
type faults struct {
	plans []*plan
	next  nextGrant
	// rotation is whether a refresh spends its token: Keycloak's "Revoke Refresh Token" with a maximum reuse of 0.
	rotation  bool
	revokeAll bool // a revocation ends every authorization of its client and person
	alwaysID  bool // an ID token comes without openid
}

// plan is one planned fault; left counts down.
type plan struct {
	where  Endpoint
	left   int
	delay  time.Duration
	canned *Canned
	cut    bool
	lose   bool
}

// take uses up what is planned for where: the first delay and the first other fault.
func (f *faults) take(s *Sandbox, where Endpoint) plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	var now plan
	var acted bool
	kept := f.plans[:0]
	for _, p := range f.plans {
		switch {
		case !p.where.covers(where):
		case p.delay > 0 && now.delay == 0:
			now.delay = p.delay
			p.left--
		case p.delay == 0 && !acted:
			acted = true
			now.canned, now.cut, now.lose = p.canned, p.cut, p.lose
			p.left--
		}
		if p.left > 0 {
			kept = append(kept, p)
		}
	}
	f.plans = kept
	return now
}

func (s *Sandbox) plan(p plan) {
	if p.left <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.plans = append(s.faults.plans, &p)
}

// Fail answers the next n requests at where with status, unprocessed. A 429 carries Retry-After: 60 and X-Throttle-Match
// as "Jane guide, Rate Limits" describes; the identity server's body is an OAuth error, the clinics' {object, code, message}.
func (s *Sandbox) Fail(where Endpoint, status, n int) {
	canned := &Canned{Status: status, Header: map[string]string{"Content-Type": "application/json"}}
	if status == http.StatusTooManyRequests {
		canned.Header["Retry-After"] = "60"
		canned.Header["X-Throttle-Match"] = "sandbox/" + string(where)
	}
	switch {
	case EndpointAPI.covers(where):
		canned.Body = fmt.Sprintf(`{"object":"error","code":%q,"message":"planned by the sandbox"}`, strconv.Itoa(status))
	case status >= http.StatusInternalServerError:
		canned.Body = `{"error":"server_error","error_description":"planned by the sandbox"}`
	default:
		canned.Body = `{"error":"invalid_request","error_description":"planned by the sandbox"}`
	}
	s.plan(plan{where: where, left: n, canned: canned})
}

// Answer gives the next n requests at where a canned answer, unprocessed.
func (s *Sandbox) Answer(where Endpoint, answer Canned, n int) {
	answer.Header = maps.Clone(answer.Header)
	s.plan(plan{where: where, left: n, canned: &answer})
}

// Slow delays the next n requests at where by d before they are processed. A caller who leaves meanwhile is processed
// all the same, as by any server that has read the request.
func (s *Sandbox) Slow(where Endpoint, d time.Duration, n int) {
	if d > 0 {
		s.plan(plan{where: where, left: n, delay: d})
	}
}

// Cut closes the connection of the next n requests at where before anything is processed.
func (s *Sandbox) Cut(where Endpoint, n int) { s.plan(plan{where: where, left: n, cut: true}) }

// LoseNextResponse processes and commits the next request at where, then closes the connection without a byte of answer.
func (s *Sandbox) LoseNextResponse(where Endpoint) { s.plan(plan{where: where, left: 1, lose: true}) }

// Calm forgets every fault and every change of the next authorization that is still planned.
func (s *Sandbox) Calm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.plans, s.faults.next = nil, nextGrant{}
}

// SetRotation says whether a refresh spends its refresh token (the default) or leaves it usable; a new one comes back
// either way, as from Keycloak.
func (s *Sandbox) SetRotation(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.rotation = on
}

// SetRevokeAll says whether a revocation ends every authorization that the same person has given the same client, at
// every clinic, as Keycloak's does, or only the one it names (the default).
func (s *Sandbox) SetRevokeAll(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.revokeAll = on
}

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
	s.life = lifetimes{access, refresh}
}

// nextGrant is what the next authorization or token will have wrong with it; each part is used once.
type nextGrant struct {
	errorCode, errorText string
	only, add            []string
	iss                  *string
	alter                []func(claims map[string]any)
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
		c.end(endedRevoked)
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
	seen := map[*chain]bool{}
	for _, r := range s.realms {
		for _, t := range r.refresh {
			c := t.chain
			mine := login == "" || strings.EqualFold(login, c.person.Login)
			if c.ended == "" && !seen[c] && mine && (clinicURL == "" || clinicURL == c.clinic.url) {
				seen[c] = true
				visit(r, c)
			}
		}
	}
	return len(seen)
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
