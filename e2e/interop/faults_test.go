package interop_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"locum/shared"
)

// showKill kills Locum while Keycloak's answer is on its way to it. What the next process finds is a request whose outcome
// it cannot know.
func showKill(t *testing.T, s *site) string {
	p, v := s.practitioner(t), s.visitor("noor")
	c := p.connect(t, v, 0)
	held := make(chan struct{})
	c.fall(t, fault{held: held})
	s.server.kill()
	close(held)
	s.start()
	began := time.Now()
	got, want := c.settled(t), shared.StateConnected
	if s.realm.kind() == "K1" {
		want = shared.StateReconnect + " lost_answer"
	}
	if got != want {
		t.Fatalf("the connection shows %q, want %q: %s", got, want, c.steps(t))
	}
	s.unspent(t)
	if s.realm.kind() == "K1" {
		return fmt.Sprintf("lost_answer, %.0f s after the start, 0 spent tokens presented", time.Since(began).Seconds())
	}
	c.disconnect(t)
	return fmt.Sprintf("connected %.0f s after the start, without the practitioner", time.Since(began).Seconds())
}

// showAway cuts Keycloak off: the token that Locum has goes on working, and the connection comes back without a word.
func showAway(t *testing.T, s *site) string {
	c := s.practitioner(t).connect(t, s.visitor("robin"), 0)
	defer c.disconnect(t)
	if a := c.call(t); a.status != http.StatusOK {
		t.Fatalf("call: %v", a)
	}
	s.keycloak.proxy.set(s.realm.name, true)
	defer s.keycloak.proxy.set(s.realm.name, false)
	worked := false
	eventually(t, patient, "the connection shows that Keycloak is away", func() bool {
		a := c.call(t)
		shown := c.shows(t)
		worked = worked || strings.HasPrefix(shown, shared.StateDegraded) && a.status == http.StatusOK
		return strings.HasPrefix(shown, shared.StateDegraded) && a.status != http.StatusOK
	})
	if !worked {
		t.Error("no call went through while the token still worked")
	}
	s.keycloak.proxy.set(s.realm.name, false)
	began := time.Now()
	if got := c.settled(t); got != shared.StateConnected {
		t.Errorf("the connection shows %q: %s", got, c.steps(t))
	}
	s.unspent(t)
	return fmt.Sprintf("connected %.0f s after Keycloak was back", time.Since(began).Seconds())
}

// showSecret changes the client's secret at Keycloak, as an administrator who forgets to tell Locum's operator.
func showSecret(t *testing.T, s *site) string {
	c := s.practitioner(t).connect(t, s.visitor("robin"), 0)
	defer c.disconnect(t)
	client := s.client(t)
	set := func(secret string) {
		client["secret"] = secret
		s.keycloak.admin.do(t, "PUT", "/"+s.realm.name+"/clients/"+client["id"].(string), client, nil)
	}
	set("another-secret-that-nobody-told-locum")
	defer set(clientSecret)
	eventually(t, patient, "the platform shows as misconfigured", func() bool {
		c.call(t)
		return c.shows(t) == shared.StateMisconfigured+" invalid_client"
	})
	set(clientSecret)
	began := time.Now()
	if got := c.settled(t); got != shared.StateConnected {
		t.Errorf("the connection shows %q: %s", got, c.steps(t))
	}
	return fmt.Sprintf("misconfigured, no connection lost, well %.0f s after the repair", time.Since(began).Seconds())
}

// client is Keycloak's own record of Locum.
func (s *site) client(t testing.TB) map[string]any {
	t.Helper()
	var found []map[string]any
	s.keycloak.admin.do(t, "GET", "/"+s.realm.name+"/clients?clientId="+clientID, nil, &found)
	if len(found) != 1 {
		t.Fatalf("%d clients %s", len(found), clientID)
	}
	return found[0]
}

// showKeyRotation adds a key that signs from now on.
func showKeyRotation(t *testing.T, s *site) string {
	c := s.practitioner(t).connect(t, s.visitor("robin"), 0)
	defer c.disconnect(t)
	if a := c.call(t); a.status != http.StatusOK {
		t.Fatalf("call: %v", a)
	}
	_, before, _ := c.at.seen()
	var about struct{ ID string }
	s.keycloak.admin.do(t, "GET", "/"+s.realm.name, nil, &about)
	s.keycloak.admin.do(t, "POST", "/"+s.realm.name+"/components", map[string]any{
		"name": "another", "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider", "parentId": about.ID,
		"config": map[string][]string{"priority": {"200"}, "enabled": {"true"}, "active": {"true"}, "keySize": {"2048"}},
	}, nil)
	calls := 0
	eventually(t, patient, "a token signed by the new key reaches the clinic", func() bool {
		if a := c.call(t); a.status != http.StatusOK {
			t.Fatalf("call %d after the change: %v", calls, a)
		}
		calls++
		_, keys, _ := c.at.seen()
		return keys > before
	})
	s.clean(t)
	return fmt.Sprintf("%d calls, 0 refused", calls)
}

// showDiagnosis asks the platform by way of the app.
func showDiagnosis(t *testing.T, s *site) string {
	v := s.visitor("robin")
	c := s.practitioner(t).connect(t, v, 0)
	defer c.disconnect(t)
	said := c.diagnosis(t)
	if !said.Reachable || said.Renewal.Found != "active" || !said.SameSignIn || said.Access.Found == "inactive" {
		t.Errorf("of a living connection it says %+v", said)
	}
	if said.Rotation != "" && said.Rotation != s.realm.kind() {
		t.Errorf("the rotation is %s", said.Rotation)
	}
	return fmt.Sprintf("renewal %s, access %s", said.Renewal.Found, said.Access.Found)
}

func (c connection) diagnosis(t testing.TB) (said shared.Diagnosis) {
	t.Helper()
	a := c.send(t, "POST", shared.PathConnections+"/"+c.id+"/diagnosis", "application/json", "{}")
	if a.status != http.StatusOK || json.Unmarshal(a.body, &said) != nil {
		t.Fatalf("diagnosis: %v", a)
	}
	if strings.Contains(string(a.body), "eyJ") {
		t.Error("there is a token in it")
	}
	return said
}
