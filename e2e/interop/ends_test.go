package interop_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"locum/shared"
)

var ends = []feature{
	{"a stolen refresh token is found out, and reported with its cause", showTheft},
	{"an administrator ends the login: told by back-channel logout", showAdministrator},
	{"the practitioner signs out at Keycloak: told by back-channel logout", showSignOut},
	{"disconnect spares the sign-in's other clinic, and revokes with the last", showDisconnect},
	{"disconnect while Keycloak is away is made good later", showOutbox},
	{"a barred account: the cause is said, and a reconnect heals", showBarred},
}

// showTheft presents the refresh token that Locum has already spent, as somebody with an old copy of it would. It is
// Keycloak that finds out, and it ends every connection of the sign-in.
func showTheft(t *testing.T, s *site) string {
	p, v := s.practitioner(t), s.visitor("robin")
	c, sibling := p.connect(t, v, 0), p.connect(t, v, 1)
	tap := s.keycloak.proxy
	var newest, before string
	eventually(t, patient, "a renewal", func() bool {
		c.call(t)
		newest, before = tap.newest(c.chain)
		return before != ""
	})
	time.Sleep(1100 * time.Millisecond) // Keycloak tells older from newer by the second
	status, text := s.keycloak.present(t, s.realm, before)
	if s.realm.kind() == "K0" {
		if status != http.StatusOK || !s.keycloak.active(t, s.realm, newest) {
			t.Errorf("without rotation it answers %d %s", status, text)
		}
		c.disconnect(t)
		sibling.disconnect(t)
		return "nothing to find out: without rotation every token is good"
	}
	if want := s.realm.kind() == "K2"; (status == http.StatusOK) != want {
		t.Fatalf("the thief gets %d %s", status, text)
	}
	got, other := c.settled(t), sibling.settled(t)
	want := map[string]string{"K1": "detached", "K2": "superseded"}[s.realm.kind()]
	if got != shared.StateReconnect+" "+want || other != shared.StateReconnect+" detached" {
		t.Errorf("the connections show %q and %q: %s", got, other, c.steps(t))
	}
	if n := len(tap.refreshes(c.chain)); n > 12 {
		t.Errorf("%d token requests", n)
	}
	for _, ended := range []connection{c, sibling} {
		again, outcome := p.attempt(t, v, map[*clinic]int{s.clinics[1]: 1}[ended.at], ended.id)
		if outcome.Code != shared.OutcomeConnected || again.id != ended.id {
			t.Fatalf("reconnect: %s", outcome.Code)
		}
		if a := again.call(t); a.status != http.StatusOK {
			t.Errorf("after the reconnect: %v", a)
		}
	}
	c.disconnect(t)
	sibling.disconnect(t)
	return want + ", its sibling detached; both renewed in place without a password"
}

// tab is an open tab of Locum's: it hears the stream of events.
type tab struct{ events chan string }

// listen opens a stream of events as a tab does.
func (p *practitioner) listen(t testing.TB) *tab {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", p.site.url()+shared.PathEvents, nil)
	must(t, err)
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set(shared.HeaderClient, shared.ClientApp)
	r.AddCookie(&http.Cookie{Name: "locum-dev-session", Value: p.session})
	response, err := (&http.Client{Transport: p.http.Transport}).Do(r)
	must(t, err)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("events: %s", response.Status)
	}
	h, done := &tab{events: make(chan string, 1000)}, make(chan struct{})
	go func() {
		defer close(done)
		defer response.Body.Close()
		defer close(h.events)
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if name, is := strings.CutPrefix(lines.Text(), "event:"); is {
				h.events <- strings.TrimSpace(name)
			}
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	return h
}

// signedOut waits until the tab hears that its session is over, and has its stream cut.
func (h *tab) signedOut(t testing.TB) {
	t.Helper()
	heard, limit := false, time.After(20*time.Second)
	for {
		select {
		case name, open := <-h.events:
			if heard = heard || name == shared.EventSession; !open {
				if !heard {
					t.Error("the tab's stream ends without a word")
				}
				return
			}
		case <-limit:
			t.Fatal("the tab hears nothing")
		}
	}
}

// logout ends the login of two connections in a way that Keycloak tells Locum of, and holds what becomes of them.
func (s *site) logout(t *testing.T, end func(c connection, v *visitor)) string {
	p, v := s.practitioner(t), s.visitor("robin")
	c, sibling := p.connect(t, v, 0), p.connect(t, v, 1)
	untouched := p.connect(t, s.visitor("noor"), 0)
	open := p.listen(t)
	began := time.Now()
	end(c, v)
	open.signedOut(t)
	took, before := time.Since(began), len(s.keycloak.proxy.refreshes(c.chain))
	if a := p.send(t, "GET", shared.PathConnections, "", ""); a.status != http.StatusUnauthorized {
		t.Errorf("the session lives on: %v", a)
	}
	*p = *s.practitioner(t) // signs in to Locum again
	for _, ended := range []connection{c, sibling} {
		if got := ended.shows(t); got != shared.StateReconnect+" logged_out" {
			t.Errorf("the connection shows %q", got)
		}
		if a := ended.call(t); a.status == http.StatusOK {
			t.Error("a call goes through after the logout")
		}
	}
	if got := untouched.shows(t); got != shared.StateConnected {
		t.Errorf("another login's connection shows %q", got)
	}
	if a := untouched.call(t); a.status != http.StatusOK {
		t.Errorf("another login's call: %v", a)
	}
	if len(s.keycloak.proxy.refreshes(c.chain)) > before {
		t.Error("an ended connection is renewed")
	}
	for _, gone := range []connection{c, sibling, untouched} {
		gone.disconnect(t)
	}
	return fmt.Sprintf("two connections ended, session and open tab cut after %.1f s; the other login's connection lives on", took.Seconds())
}

func showAdministrator(t *testing.T, s *site) string {
	return s.logout(t, func(c connection, _ *visitor) {
		s.keycloak.admin.do(t, "DELETE", "/"+s.realm.name+"/sessions/"+c.chain.sid, nil, nil)
	})
}

// showSignOut goes through Keycloak's own page (OpenID Connect RP-Initiated Logout 1.0).
func showSignOut(t *testing.T, s *site) string {
	return s.logout(t, func(_ connection, v *visitor) { v.signOut(t) })
}

// showDisconnect ends the two connections of a sign-in, one after the other. Keycloak's revocation would end both at once, so
// the first only loses its access; with the last one the sign-in's tokens are revoked.
func showDisconnect(t *testing.T, s *site) string {
	p, v := s.practitioner(t), s.visitor("robin")
	c, last := p.connect(t, v, 0), p.connect(t, v, 1)
	first := c.disconnect(t)
	if a := c.call(t); a.status != http.StatusNotFound {
		t.Errorf("a call of it: %v", a)
	}
	time.Sleep(time.Duration(s.realm.access) * time.Second) // the other's token runs out: it is renewed
	if a := last.call(t); a.status != http.StatusOK || last.shows(t) != shared.StateConnected {
		t.Errorf("its sibling: %v, shows %q", a, last.shows(t))
	}
	if first.Ending != shared.EndingExpires {
		t.Errorf("of the first it says %q", first.Ending)
	}
	newest, _ := s.keycloak.proxy.newest(last.chain)
	second := last.disconnect(t)
	if second.Ending != shared.EndingRevoked {
		t.Errorf("of the last it says %q", second.Ending)
	}
	if s.keycloak.active(t, s.realm, newest) {
		t.Error("the refresh token lives on")
	}
	return "first: " + first.Ending + ", its sibling lives on; last: " + second.Ending
}

// showOutbox disconnects while Keycloak cannot be reached, and kills Locum on top of it.
func showOutbox(t *testing.T, s *site) string {
	c := s.practitioner(t).connect(t, s.visitor("robin"), 0)
	newest, _ := s.keycloak.proxy.newest(c.chain)
	s.keycloak.proxy.set(s.realm.name, true)
	defer s.keycloak.proxy.set(s.realm.name, false)
	if done := c.disconnect(t); done.Ending != shared.EndingPending {
		t.Errorf("it says %q", done.Ending)
	}
	s.server.kill()
	s.start()
	if !s.keycloak.active(t, s.realm, newest) {
		t.Fatal("the refresh token is dead already")
	}
	s.keycloak.proxy.set(s.realm.name, false)
	began := time.Now()
	// Keycloak is not asked before Locum says that it is done: a revocation that meets an introspection of the same login is
	// answered 200 and done by halves (26.7.3).
	eventually(t, patient, "Locum says that it is revoked", func() bool { return strings.Contains(c.steps(t), ", revoked") })
	took := time.Since(began)
	if s.keycloak.active(t, s.realm, newest) {
		t.Error("the refresh token lives on")
	}
	return fmt.Sprintf("through a kill -9, revoked %.0f s after Keycloak was back", took.Seconds())
}

// showBarred bars the person's account for a while.
func showBarred(t *testing.T, s *site) string {
	p, v := s.practitioner(t), s.visitor("noor")
	c := p.connect(t, v, 0)
	var users []map[string]any
	s.keycloak.admin.do(t, "GET", "/"+s.realm.name+"/users?username=noor&exact=true", nil, &users)
	if len(users) != 1 {
		t.Fatalf("%d users", len(users))
	}
	enable := func(on bool) {
		s.keycloak.admin.do(t, "PUT", "/"+s.realm.name+"/users/"+users[0]["id"].(string), map[string]any{"enabled": on}, nil)
	}
	enable(false)
	defer enable(true)
	got := c.settled(t)
	if got != shared.StateReconnect+" user_disabled" {
		t.Errorf("the connection shows %q", got)
	}
	enable(true)
	again, outcome := p.attempt(t, s.visitor("noor"), 0, c.id)
	if outcome.Code != shared.OutcomeConnected || again.id != c.id {
		t.Fatalf("reconnect: %s", outcome.Code)
	}
	if a := again.call(t); a.status != http.StatusOK {
		t.Errorf("after the reconnect: %v", a)
	}
	again.disconnect(t)
	return "user_disabled"
}
