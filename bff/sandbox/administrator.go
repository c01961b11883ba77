package sandbox

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// LogOut ends every login of a person, in both realms, as an administrator or another application does: no refresh token
// of theirs works any more ("Session not active"), introspection and userinfo refuse their access tokens, which the clinics
// take to their expiry, and every client with an address for it gets a logout token before LogOut returns. It says how many
// logins ended.
func (s *Sandbox) LogOut(login string) int {
	return s.logOutWhere(func(l *session) bool { return strings.EqualFold(l.person.Login, login) })
}

// LogOutSession is LogOut for the one login with this sid.
func (s *Sandbox) LogOutSession(sid string) int {
	return s.logOutWhere(func(l *session) bool { return l.sid == sid })
}

func (s *Sandbox) logOutWhere(which func(*session) bool) int {
	n := 0
	for _, r := range s.realms {
		var chosen []*session
		s.mu.Lock()
		for l := range r.sessions() {
			if which(l) && !l.over {
				chosen = append(chosen, l)
			}
		}
		s.mu.Unlock()
		if len(chosen) > 0 && s.logOut(r, chosen...) == nil {
			n += len(chosen)
		}
	}
	return n
}

// Detach takes a client out of every login of a person, as a reuse of a refresh token does: "Session doesn't have required
// client". It says how many logins it was taken out of.
func (s *Sandbox) Detach(login, client string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.realms {
		for l := range r.sessions() {
			if strings.EqualFold(l.person.Login, login) && l.clients[client] != nil {
				delete(l.clients, client)
				n++
			}
		}
	}
	return n
}

// PushNotBefore revokes everything that the realm has issued before now (Keycloak's not-before policy; "" is both realms):
// refreshing answers "Stale token", the clinics refuse the access tokens, and later answers name the time in
// not-before-policy. TakeNotBeforeBack undoes it.
func (s *Sandbox) PushNotBefore(realm string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, r := range s.realms {
		if realm == "" || realm == name {
			r.notBefore, r.notBeforeAt = s.turnLocked(), s.nowLocked()
		}
	}
}

// TakeNotBeforeBack makes good again what PushNotBefore has revoked, in both realms.
func (s *Sandbox) TakeNotBeforeBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.realms {
		r.notBefore, r.notBeforeAt = 0, time.Time{}
	}
}

// notBefore is the not-before-policy of an answer, in seconds since the epoch; 0 when nobody has pushed one.
func (s *Sandbox) notBefore(r *realm) int {
	if r.notBeforeAt.IsZero() {
		return 0
	}
	return int(r.notBeforeAt.Add(s.skew).Unix())
}

// SetDisabled disables a person's account or enables it again: refreshing answers "User disabled", and nobody can log in
// with it.
func (s *Sandbox) SetDisabled(login string, disabled bool) {
	if who, known := s.person(login); known {
		s.disable(who.Subject, disabled)
	}
}

// SetClientDisabled disables a client or enables it again: the token endpoint answers invalid_client.
func (s *Sandbox) SetClientDisabled(client string, disabled bool) { s.disable(client, disabled) }

func (s *Sandbox) disable(key string, disabled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disabled[key] = disabled
}

func (s *Sandbox) isDisabled(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.disabled[key]
}

// WithdrawConsent takes back what a person has allowed a client, as they or an administrator do: the client is taken out of
// every login of theirs ("Session doesn't have required client") and gets a logout token for each. It says how many logins
// that met.
func (s *Sandbox) WithdrawConsent(login, client string) int {
	n := 0
	for _, r := range s.realms {
		if s.ensureKey(r) != nil {
			continue
		}
		s.mu.Lock()
		var letters []Delivery
		for l := range r.sessions() {
			if strings.EqualFold(l.person.Login, login) && l.clients[client] != nil && !l.over {
				letters = append(letters, s.letters(r, l, client)...)
				delete(l.clients, client)
				n++
			}
		}
		s.mu.Unlock()
		s.send(letters)
	}
	return n
}

// LoseConsent makes refreshing answer invalid_scope, "Client no longer has requested consent from user", until the person
// consents anew: Keycloak's answer when what they once allowed no longer covers what the client has.
func (s *Sandbox) LoseConsent(login, client string) {
	who, known := s.person(login)
	if !known {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.realms {
		delete(r.consents, consentKey{who.Subject, client})
	}
}

// ChangeSecret gives a client a new secret, made by the sandbox, and returns the client: with the old one the token
// endpoint answers unauthorized_client. Register sets a given one.
func (s *Sandbox) ChangeSecret(client string) (Client, error) {
	s.mu.Lock()
	c, known := s.clients[client]
	s.mu.Unlock()
	if !known {
		return Client{}, fmt.Errorf("sandbox has no client %q", client)
	}
	c.Secret = ""
	return s.Register(c)
}

// TokenWindow is what came to a realm's token endpoint.
type TokenWindow struct {
	All     int // since the start or the last SetTokenLimit
	Worst   int // the most within one window's length, wherever it begins
	Refused int // answered 429
}

// SetTokenLimit limits the token endpoint of each realm as Limit says: what is over it is answered 429 with Retry-After,
// unprocessed. N = 0 refuses nothing and counts all the same. Counts start anew.
func (s *Sandbox) SetTokenLimit(limit Limit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = limit
	for _, r := range s.realms {
		r.gate = count{}
	}
}

// TokenWindow tells what came to the realm's token endpoint, refused requests and those that met a planned fault included.
func (s *Sandbox) TokenWindow(realm string) TokenWindow {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.realms[realm]
	if r == nil {
		return TokenWindow{}
	}
	return TokenWindow{All: r.gate.all, Worst: r.gate.worst, Refused: r.gate.refused}
}

// throttled answers a token request that is one too many.
func (s *Sandbox) throttled(w http.ResponseWriter, r *http.Request) bool {
	entry, _ := r.Context().Value(entryKey{}).(*Request)
	if entry == nil || entry.wait <= 0 {
		return false
	}
	w.Header().Set("Retry-After", retryAfter(entry.wait))
	writeOAuthError(w, http.StatusTooManyRequests, "temporarily_unavailable", "Too many requests")
	return true
}
