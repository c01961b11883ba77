package interop_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"locum/shared"
)

// The three ways in which Keycloak treats refresh tokens. Access tokens live for 8 s, so that renewals come often.
var rotations = []realm{
	{name: "k0", access: 8, idle: 1800, most: 36000},
	{name: "k1", rotate: true, access: 8, idle: 1800, most: 36000},
	{name: "k2", rotate: true, reuse: 1, access: 8, idle: 1800, most: 36000},
}

// TestKeycloak runs Locum against a real Keycloak, with a site of its own for each realm.
func TestKeycloak(t *testing.T) {
	began := time.Now()
	k, b := startKeycloak(t), &table{}
	t.Cleanup(func() {
		if binary.dir != "" {
			_ = os.RemoveAll(binary.dir)
		}
	})
	t.Run("realms", func(t *testing.T) {
		at := func(r realm, name, more string, features []feature) {
			r.name += name
			t.Run(r.kind()+name, func(t *testing.T) {
				t.Parallel()
				b.run(t, newSite(t, k, r, more), features)
			})
		}
		for _, r := range rotations {
			t.Run(r.kind()+"-wire", func(t *testing.T) {
				t.Parallel()
				b.run(t, &site{realm: r}, []feature{{"the sandbox answers as Keycloak does",
					func(t *testing.T, _ *site) string { return agree(t, k, r) }}})
			})
			at(r, "-flows", "", flows)
			at(r, "-ends", "", ends)
			at(r, "-faults", "", faults)
		}
		strict := rotations[1]
		at(realm{rotate: true, access: 8, idle: 24, most: 36000}, "-idle", "", idle)
		at(realm{rotate: true, access: 8, idle: 30, most: 75}, "-max", "", most)
		strict.consent = true
		at(strict, "-consent", "", consents)
	})
	b.print(k, time.Since(began))
}

// patient is how long a test waits for what has to come. A doubt is settled no sooner than 15 s after it arose.
const patient = 90 * time.Second

var flows = []feature{
	{"connects, and the clinic takes the token", showConnect},
	{"renews, and every call goes through", showRefresh},
	{"twenty calls at once are one renewal", showOneFlight},
	{"a new signing key is taken at once", showKeyRotation},
	{"the app's diagnosis tells what lives", showDiagnosis},
}

var faults = []feature{
	{"a request that never arrived ends nothing", showLostRequest},
	{"a lost answer costs no more than the token in it", showLostAnswer},
	{"kill -9 while an answer is on its way", showKill},
	{"Keycloak away: degraded, then well by itself", showAway},
	{"a wrong client secret heals once it is right", showSecret},
}

func showConnect(t *testing.T, s *site) string {
	v := s.visitor("robin")
	c := s.practitioner(t).connect(t, v, 0)
	defer c.disconnect(t)
	if a := c.call(t); a.status != http.StatusOK {
		t.Fatalf("the clinic answers %v", a)
	}
	if got := c.shows(t); got != shared.StateConnected {
		t.Errorf("the connection shows %q", got)
	}
	view, _ := c.view(t)
	if len(view.Excess) > 0 || len(view.StaffMembers) != 1 || view.StaffMembers[0] != staff {
		t.Errorf("the connection's claims are %+v", view)
	}
	s.clean(t)
	return "by Keycloak's sign-in form, S256, aud = the clinic alone"
}

// showRefresh calls for some lifetimes of an access token.
func showRefresh(t *testing.T, s *site) string {
	c := s.practitioner(t).connect(t, s.visitor("robin"), 0)
	defer c.disconnect(t)
	before, _, _ := s.clinics[0].seen()
	calls := 0
	for began := time.Now(); time.Since(began) < time.Duration(3*s.realm.access)*time.Second; time.Sleep(250 * time.Millisecond) {
		if a := c.call(t); a.status != http.StatusOK {
			t.Fatalf("call %d: %v", calls, a)
		}
		calls++
	}
	tokens, _, _ := s.clinics[0].seen()
	if tokens-before < 3 {
		t.Errorf("%d access tokens in three lifetimes", tokens-before)
	}
	s.clean(t)
	s.unspent(t)
	return fmt.Sprintf("%d calls, %d access tokens, 0 refused", calls, tokens-before)
}

func showOneFlight(t *testing.T, s *site) string {
	c := s.practitioner(t).connect(t, s.visitor("robin"), 0)
	defer c.disconnect(t)
	time.Sleep(time.Duration(s.realm.access) * time.Second) // the token runs out
	before := len(s.keycloak.proxy.refreshes(c.chain))
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			other := *c.practitioner
			if a, err := other.try("GET", shared.PathProxy+"/"+c.id+"/api/2026-01-01/patients", "", ""); err != nil || a.status != http.StatusOK {
				t.Errorf("call: %v %v", a, err)
			}
		})
	}
	calls.Wait()
	if n := len(s.keycloak.proxy.refreshes(c.chain)) - before; n > 1 {
		t.Errorf("%d token requests for 20 calls at once", n)
	}
	if got := c.shows(t); got != shared.StateConnected {
		t.Errorf("the connection shows %q", got)
	}
	s.unspent(t)
	return ""
}

// fall has the connection meet the fault that is armed for its chain.
func (c connection) fall(t testing.TB, f fault) {
	t.Helper()
	began := c.site.keycloak.proxy.lose(c.chain, f)
	eventually(t, patient, "the connection is renewed", func() bool {
		select {
		case <-began:
			return true
		default:
			c.call(t)
			return false
		}
	})
}

// settled waits until the connection shows that it is connected by a newer token, or that it has ended.
func (c connection) settled(t testing.TB) string {
	t.Helper()
	tap := c.site.keycloak.proxy
	since, shown := len(tap.refreshes(c.chain)), ""
	eventually(t, patient, "the doubt is settled", func() bool {
		a := c.call(t)
		shown = c.shows(t)
		if strings.HasPrefix(shown, shared.StateReconnect) {
			return true
		}
		return shown == shared.StateConnected && a.status == http.StatusOK && len(tap.refreshes(c.chain)) > since
	})
	return shown
}

// showLostRequest loses a renewal before Keycloak has seen it: the refresh token is as good as before, under every kind.
func showLostRequest(t *testing.T, s *site) string {
	c := s.practitioner(t).connect(t, s.visitor("robin"), 0)
	defer c.disconnect(t)
	c.fall(t, fault{before: true})
	lost := time.Now()
	if got := c.settled(t); got != shared.StateConnected {
		t.Errorf("the connection shows %q: %s", got, c.steps(t))
	}
	s.unspent(t)
	return fmt.Sprintf("connected again after %.0f s without the practitioner", time.Since(lost).Seconds())
}

// showLostAnswer loses the answer to a renewal that Keycloak has made. Under K1 the new token is lost with it: the
// connection ends, and no spent token is presented. Under K0 and K2 the old token is good for another try.
func showLostAnswer(t *testing.T, s *site) string {
	p, v := s.practitioner(t), s.visitor("robin")
	c := p.connect(t, v, 0)
	defer c.disconnect(t)
	c.fall(t, fault{})
	lost, probes := time.Now(), s.keycloak.proxy.probed(s.realm.name)
	got, want := c.settled(t), shared.StateConnected
	if s.realm.kind() == "K1" {
		want = shared.StateReconnect + " lost_answer"
	}
	took := time.Since(lost).Seconds()
	if got != want {
		t.Fatalf("the connection shows %q, want %q: %s", got, want, c.steps(t))
	}
	if s.realm.kind() != "K1" {
		if a := c.call(t); a.status != http.StatusOK {
			t.Errorf("the next call: %v", a)
		}
		return fmt.Sprintf("connected again after %.0f s without the practitioner", took)
	}
	if s.keycloak.proxy.probed(s.realm.name) == probes {
		t.Error("Keycloak was not asked")
	}
	s.unspent(t)
	again, outcome := p.attempt(t, v, 0, c.id)
	if outcome.Code != shared.OutcomeConnected || again.id != c.id {
		t.Fatalf("reconnect: %s", outcome.Code)
	}
	if a := again.call(t); a.status != http.StatusOK {
		t.Errorf("after the reconnect: %v", a)
	}
	return fmt.Sprintf("ended as lost_answer after %.0f s by introspection, 0 spent tokens presented, renewed in place", took)
}

// clean holds that the clinics refused nothing that they were not told to refuse.
func (s *site) clean(t testing.TB) {
	t.Helper()
	for _, c := range s.clinics {
		if _, _, refused := c.seen(); len(refused) > 0 {
			t.Errorf("a clinic refused a token: %v", refused)
		}
	}
}

// unspent holds that Locum presented no token that Keycloak had answered before, where that could end something.
func (s *site) unspent(t testing.TB) {
	t.Helper()
	if n := s.keycloak.proxy.spent(s.realm.name); n > 0 && s.realm.kind() == "K1" {
		t.Errorf("%d spent tokens presented", n)
	}
}
