package sandbox

import (
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestBounds: what the sandbox remembers does not grow without end, and what is over makes room.
func TestBounds(t *testing.T) {
	s, err := InProcess(Options{Clients: []Client{{ID: "locum", RedirectURIs: []string{"http://localhost/cb"}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, now := s.realms[RealmProduction], time.Now()
	for i := range maxHeld {
		key := strconv.Itoa(i)
		r.attempts[key] = &attempt{id: key, created: now}
		r.logins[key] = &session{until: now.Add(lifeRefresh), ends: now.Add(lifeLogin)}
		r.codes[key] = &code{created: now}
		r.refresh[key] = &issued{until: now.Add(lifeRefresh)}
		r.access[key] = &issued{until: now.Add(lifeAccess)}
	}
	full := func(at time.Time) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return r.full(at)
	}
	if !full(now) {
		t.Error("ten thousand live entries are not too many")
	}
	ask := s.Issuer(RealmProduction) + "/protocol/openid-connect/auth?client_id=locum&redirect_uri=http%3A%2F%2Flocalhost%2Fcb&state=x&scope=patients%3Aread" +
		"&response_type=code&code_challenge_method=S256&code_challenge=" + strings.Repeat("x", 43) + "&resource=" + url.QueryEscape(s.Clinics()[0].URL)
	if _, err := s.Approve(ask, "robin@example.test", false); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("authorizing at a full sandbox: %v", err)
	}
	if full(now.Add(lifeLogin + time.Hour)) {
		t.Error("ended entries were not swept out")
	}
	if _, err := s.Approve(ask, "robin@example.test", false); err != nil {
		t.Error(err)
	}
	for range maxMinted + 10 {
		s.remember("x")
	}
	for range maxLog + 10 {
		s.record(httptest.NewRequest("GET", "/", nil), EndpointIAM, nil)
	}
	if len(s.minted) > maxMinted || len(s.log.entries) > maxLog {
		t.Errorf("%d secrets and %d requests are kept", len(s.minted), len(s.log.entries))
	}
}
