package sandbox

import (
	"context"
	"maps"
	"net/http"
	"strings"
)

// Presented counts the refresh tokens that came to the token endpoint, each by what introspection would have said of it
// the moment it came, whatever became of the request.
type Presented struct {
	All      int
	Inactive int            // those that were not good when they came
	Spent    int            // of the inactive ones, those that had been used before
	Why      map[string]int // of the inactive ones, by the words of the refusal
}

// Presented tells what came so far, both realms together.
func (s *Sandbox) Presented() Presented {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.presented
	p.Why = maps.Clone(p.Why)
	return p
}

// SpentPresented is Presented().Spent: how often a refresh token came that the client could have known to be used up.
func (s *Sandbox) SpentPresented() int { return s.Presented().Spent }

// entryKey is where a request carries its entry of the log.
type entryKey struct{}

func withEntry(r *http.Request, entry *Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), entryKey{}, entry))
}

// present notes a token request as it arrives, and the refresh token in it. The caller holds Sandbox.mu.
func (s *Sandbox) present(entry *Request) {
	if !EndpointToken.covers(entry.Where) {
		return
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(entry.Path, "/realms/"), "/")
	r := s.realms[name]
	if r == nil {
		return
	}
	now := s.nowLocked()
	entry.wait = r.gate.add(s.gate, now)
	if entry.Where != EndpointRefresh {
		return
	}
	s.presented.All++
	held, refused := s.find(r, entry.Form().Get("refresh_token"), now)
	v := verdict{refused: refused}
	if held != nil {
		v = s.judge(r, held, now)
	}
	s.inactive(entry, held, v)
}

// presentedLate notes a token that was good when it came and used up when its turn came: two requests held it at once.
// The caller holds Sandbox.mu.
func (s *Sandbox) presentedLate(r *http.Request, held *issued, v verdict) {
	if entry, _ := r.Context().Value(entryKey{}).(*Request); entry != nil && entry.Inactive == "" {
		s.inactive(entry, held, v)
	}
}

func (s *Sandbox) inactive(entry *Request, held *issued, v verdict) {
	if v.refused == nil {
		return
	}
	entry.Inactive, entry.Spent = v.refused.description, v.reuse
	s.presented.Inactive++
	if s.presented.Why == nil {
		s.presented.Why = map[string]int{}
	}
	s.presented.Why[entry.Inactive]++
	if v.reuse {
		s.presented.Spent++
		held.chain.spent++
	}
}

// Chain is one authorization as the identity server keeps it.
type Chain struct {
	Realm, Client, Login, Clinic string
	SID                          string // of the login
	Refreshes                    int    // granted
	Spent                        int    // refresh tokens of it that came when they were used up
	Ended                        string // why its newest refresh token would be refused now; "" when it would not
}

// Chains lists the authorizations that still hold a refresh token, in no order.
func (s *Sandbox) Chains() []Chain {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Chain
	for _, r := range s.realms {
		for _, c := range r.chains() {
			one := Chain{
				Realm: r.name, Client: c.client, Login: c.person.Login, Clinic: c.clinic.url, SID: c.login.sid,
				Refreshes: c.refreshes, Spent: c.spent,
			}
			if v := s.judge(r, c.newest, s.nowLocked()); v.refused != nil {
				one.Ended = v.refused.description
			}
			all = append(all, one)
		}
	}
	return all
}
