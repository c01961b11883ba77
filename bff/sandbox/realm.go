package sandbox

import (
	"crypto/rsa"
	"maps"
	"time"
)

// Lifetimes of a realm: "Jane guide, Step 3" for the tokens, Keycloak's defaults for the rest.
const (
	lifeAccess  = 5 * time.Minute
	lifeRefresh = 30 * time.Minute // SSO Session Idle
	lifeLogin   = 10 * time.Hour   // SSO Session Max
	lifeCode    = time.Minute
	lifeAttempt = 30 * time.Minute // time to log in and consent
	idleGrace   = 2 * time.Minute  // Keycloak ends an idle session that much later than it says
)

// maxHeld bounds each of a realm's tables.
const maxHeld = 20_000

// realm is one issuer of the identity server. Sandbox.mu guards its tables.
type realm struct {
	name, issuer string
	secret       []byte       // HMAC key of the refresh tokens, which only this realm reads
	keys         []signingKey // the last one signs
	kind         Kind
	notBefore    int64     // tokens issued up to this turn are stale
	notBeforeAt  time.Time // when an administrator said so: not-before-policy; zero: never
	gate         count     // what arrived at the token endpoint

	attempts map[string]*attempt // by handle, until the answer or half an hour later
	logins   map[string]*session // by cookie
	codes    map[string]*code    // by code; kept after use, so that a replay is seen
	refresh  map[string]*issued  // by jti; an opaque token is its own
	access   map[string]*issued  // by jti
	leaving  map[string]*leave   // logout pages that wait for a click, by handle
	consents map[consentKey]bool // false: given once and withdrawn since
}

type signingKey struct {
	id  string
	key *rsa.PrivateKey
}

// consentKey is who consented to what client.
type consentKey struct{ subject, client string }

// lifetimes are those of what is issued from now on; Sandbox.mu guards them.
type lifetimes struct{ access, refresh, login time.Duration }

// session is one login of a person in one browser: Keycloak's user session. Its sid is the session_state of every
// authorization given from it.
type session struct {
	sid     string
	person  person
	started time.Time
	used    time.Time
	until   time.Time // SSO Session Idle ends it then, unless it is used before
	ends    time.Time // SSO Session Max ends it then
	over    bool      // logged out
	clients map[string]*clientSession
}

// clientSession is what binds a client to a login: all chains of the client in the login hang on it. Whoever detaches it
// ends them together, and the next authorization makes another.
type clientSession struct{ client string }

func (l *session) alive(now time.Time) bool {
	return !l.over && now.Before(l.until.Add(idleGrace)) && now.Before(l.ends)
}

// use keeps the session alive for as long as a refresh token issued now lives.
func (l *session) use(now time.Time, life lifetimes) {
	l.used = now
	if until := now.Add(life.refresh); until.After(l.until) {
		l.until = until
	}
	if ends := l.started.Add(life.login); ends.After(l.ends) {
		l.ends = ends
	}
}

// attach gives the client's session of the login.
func (l *session) attach(client string) *clientSession {
	if l.clients == nil {
		l.clients = map[string]*clientSession{}
	}
	if l.clients[client] == nil {
		l.clients[client] = &clientSession{client: client}
	}
	return l.clients[client]
}

// chain is one authorization: one person, one client, one clinic, and the tokens that follow from one code.
type chain struct {
	login   *session
	session *clientSession
	client  string
	person  person
	clinic  *clinic
	scopes  []string // as granted
	nonce   string
	ended   string // why no refresh token works any more, in the server's words; "" while they do

	presented string // id of the refresh token that was used last
	uses      int    // how often it was
	stale     int64  // tokens issued up to this turn are stale, but for the one presented
	newest    *issued
	refreshes int // granted
	spent     int // refresh tokens that were presented and no longer good
}

// Why a chain has ended: the error_description of every later refresh.
const (
	endedSession  = "Session not active"
	endedIdle     = "Token is not active"
	endedDetached = "Session doesn't have required client"
	endedOkta     = "The refresh token is invalid or expired."
)

func (c *chain) end(why string) {
	if c.ended == "" {
		c.ended = why
	}
}

// live says whether nothing but time has ended the chain.
func (c *chain) live() bool {
	return c.ended == "" && !c.login.over && c.login.clients[c.client] == c.session
}

// issued is a token that was handed out.
type issued struct {
	id     string
	chain  *chain
	scopes []string
	made   time.Time
	until  time.Time
	turn   int64     // number of its issue
	used   time.Time // of a refresh token: when another first took its place; zero: none has
	text   string    // of an opaque refresh token
}

func newRealm(name, issuer string, secret []byte) *realm {
	return &realm{
		name: name, issuer: issuer, secret: secret, kind: KindK1, attempts: map[string]*attempt{}, logins: map[string]*session{},
		codes: map[string]*code{}, refresh: map[string]*issued{}, access: map[string]*issued{}, leaving: map[string]*leave{},
		consents: map[consentKey]bool{},
	}
}

// full sweeps out what time has ended when a table is full, and says whether one still is. The caller holds Sandbox.mu.
func (r *realm) full(now time.Time) bool {
	sizes := func() int {
		return max(len(r.attempts), len(r.logins), len(r.codes), len(r.refresh), len(r.access), len(r.leaving))
	}
	if sizes() < maxHeld {
		return false
	}
	gone := func(_ string, t *issued) bool { return !now.Before(t.until) }
	maps.DeleteFunc(r.refresh, gone)
	maps.DeleteFunc(r.access, gone)
	maps.DeleteFunc(r.attempts, func(_ string, a *attempt) bool { return now.After(a.created.Add(2 * lifeAttempt)) })
	maps.DeleteFunc(r.logins, func(_ string, l *session) bool { return !l.alive(now) })
	maps.DeleteFunc(r.codes, func(_ string, c *code) bool { return now.After(c.created.Add(lifeRefresh)) })
	maps.DeleteFunc(r.leaving, func(_ string, l *leave) bool { return now.After(l.created.Add(lifeAttempt)) })
	return sizes() >= maxHeld
}

// dropAccess makes the clinics refuse the chain's access tokens. The caller holds Sandbox.mu.
func (r *realm) dropAccess(c *chain) {
	for id, t := range r.access {
		if t.chain == c {
			delete(r.access, id)
		}
	}
}

// chains lists the authorizations that still hold a refresh token. The caller holds Sandbox.mu.
func (r *realm) chains() []*chain {
	seen := map[*chain]bool{}
	var all []*chain
	for _, t := range r.refresh {
		if !seen[t.chain] {
			seen[t.chain] = true
			all = append(all, t.chain)
		}
	}
	return all
}

// sessions lists the logins behind the realm's cookies and tokens. The caller holds Sandbox.mu.
func (r *realm) sessions() map[*session]bool {
	all := map[*session]bool{}
	for _, l := range r.logins {
		all[l] = true
	}
	for _, t := range r.refresh {
		all[t.chain.login] = true
	}
	for _, c := range r.codes {
		if c.attempt.login != nil {
			all[c.attempt.login] = true
		}
	}
	return all
}
