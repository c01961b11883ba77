package interop_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"locum/shared"
)

var idle = []feature{
	{"an unused connection is kept past the idle end of its login", showKept},
	{"a login that Locum slept through has ended, and is said to", showIdle},
}

var most = []feature{
	{"the end of a login is foreseen, and nothing storms towards it", showMax},
}

var consents = []feature{
	{"consent is refused, given, and taken back", showConsent},
}

// showKept makes no call for three times as long as an unused login lives.
func showKept(t *testing.T, s *site) string {
	c := s.practitioner(t).connect(t, s.visitor("robin"), 0)
	if a := c.call(t); a.status != http.StatusOK {
		t.Fatalf("call: %v", a)
	}
	lasts := 3 * time.Duration(s.realm.idle) * time.Second
	time.Sleep(lasts) // what is to be shown is that time passes
	if got := c.shows(t); got != shared.StateConnected {
		t.Fatalf("the connection shows %q: %s", got, c.steps(t))
	}
	if a := c.call(t); a.status != http.StatusOK {
		t.Errorf("call: %v", a)
	}
	s.unspent(t)
	n := len(s.keycloak.proxy.refreshes(c.chain))
	c.disconnect(t)
	return fmt.Sprintf("%.0f s without a call, %d renewals", lasts.Seconds(), n)
}

// showIdle stops Locum for longer than the login lives.
func showIdle(t *testing.T, s *site) string {
	p, v := s.practitioner(t), s.visitor("robin")
	c := p.connect(t, v, 0)
	s.server.stop()
	time.Sleep(time.Duration(s.realm.idle+3) * time.Second)
	s.start()
	got := c.settled(t)
	if got != shared.StateReconnect+" session_ended" && got != shared.StateReconnect+" expired" {
		t.Errorf("the connection shows %q: %s", got, c.steps(t))
	}
	again, outcome := p.attempt(t, v, 0, c.id)
	if outcome.Code != shared.OutcomeConnected || again.id != c.id {
		t.Fatalf("reconnect: %s", outcome.Code)
	}
	if a := again.call(t); a.status != http.StatusOK {
		t.Errorf("after the reconnect: %v", a)
	}
	again.disconnect(t)
	return strings.TrimPrefix(got, shared.StateReconnect+" ") + "; renewed in place"
}

// showMax works until the login's absolute end.
func showMax(t *testing.T, s *site) string {
	c := s.practitioner(t).connect(t, s.visitor("robin"), 0)
	began := time.Now()
	var foreseen time.Duration
	shown, calls := "", 0
	for time.Since(began) < time.Duration(s.realm.most+30)*time.Second {
		c.call(t)
		calls++
		view, ok := c.view(t)
		if !ok {
			t.Fatal("the connection is gone")
		}
		if view.EndsAt != nil && foreseen == 0 {
			foreseen = time.Since(began)
			if off := view.EndsAt.Sub(began.Add(time.Duration(s.realm.most) * time.Second)).Abs(); off > 5*time.Second {
				t.Errorf("the end is foreseen %v off", off)
			}
		}
		if shown = strings.TrimSpace(view.State + " " + view.Cause); view.State == shared.StateReconnect {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	ended := time.Since(began)
	if !slices.Contains([]string{"session_max", "session_ended"}, strings.TrimPrefix(shown, shared.StateReconnect+" ")) {
		t.Errorf("the connection shows %q: %s", shown, c.steps(t))
	}
	if foreseen == 0 || ended-foreseen < 10*time.Second {
		t.Errorf("the end is foreseen after %v, and comes after %v", foreseen, ended)
	}
	n := len(s.keycloak.proxy.refreshes(c.chain))
	if n > s.realm.most/2 {
		t.Errorf("%d token requests", n)
	}
	c.disconnect(t)
	return fmt.Sprintf("%s after %.0f s, foreseen after %.0f s, %d calls, %d renewals",
		strings.TrimPrefix(shown, shared.StateReconnect+" "), ended.Seconds(), foreseen.Seconds(), calls, n)
}

// showConsent goes through Keycloak's consent page, both ways, and has the consent taken back afterwards.
func showConsent(t *testing.T, s *site) string {
	p := s.practitioner(t)
	unwilling := s.visitor("noor")
	unwilling.refuses = true
	if _, outcome := p.attempt(t, unwilling, 0, ""); outcome.Code != shared.OutcomeDenied {
		t.Errorf("a refused consent is %s", outcome.Code)
	}
	v := s.visitor("robin")
	c := p.connect(t, v, 0)
	if !slices.Equal(v.pages, []string{"sign-in", "consent"}) {
		t.Errorf("Keycloak showed %v", v.pages)
	}
	var users []map[string]any
	s.keycloak.admin.do(t, "GET", "/"+s.realm.name+"/users?username=robin&exact=true", nil, &users)
	s.keycloak.admin.do(t, "DELETE", "/"+s.realm.name+"/users/"+users[0]["id"].(string)+"/consents/"+clientID, nil, nil)
	eventually(t, patient, "the logout that Keycloak makes of it signs out here too", func() bool {
		return p.send(t, "GET", shared.PathConnections, "", "").status == http.StatusUnauthorized
	})
	*p = *s.practitioner(t) // signs in to Locum again
	if got := c.shows(t); got != shared.StateReconnect+" logged_out" {
		t.Errorf("the connection shows %q", got)
	}
	again, outcome := p.attempt(t, s.visitor("robin"), 0, c.id)
	if outcome.Code != shared.OutcomeConnected {
		t.Errorf("reconnect: %s", outcome.Code)
	}
	again.disconnect(t)
	return "denied; later logged_out by back-channel logout; given again"
}
