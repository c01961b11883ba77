package bff_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"locum/bff/sandbox"
	"locum/shared"
)

const patientsOfAClinic = "/api/2026-01-01/patients"

// logoutToken is one of the platform's for the latest sign-in of robin there.
func (b *bench) logoutToken(spoil func(*sandbox.LogoutDraft)) string {
	b.t.Helper()
	token, err := b.sandbox.ForgeLogout("locum", "robin@example.test", spoil)
	must(b.t, err)
	return token
}

// tell sends a logout token as a platform does: no cookie, no origin.
func (b *bench) tell(platform, token string) answer {
	b.t.Helper()
	return b.do(request{"POST", shared.LogoutPath(platform), [][2]string{{"Content-Type", "application/x-www-form-urlencoded"}},
		url.Values{"logout_token": {token}}.Encode()})
}

// wantWell wants a session and its connection to work.
func (b browser) wantWell(what, id string) {
	b.t.Helper()
	if a := b.read("/proxy/v1/" + id + patientsOfAClinic); a.status != http.StatusOK {
		b.t.Errorf("%s: %d %s", what, a.status, a.body)
	}
}

// TestT088BackchannelLogout: a person who logs out at the platform is signed out here before the platform has its answer: every
// session of the practitioners whose connections came of that login, with their streams; the connections say so, the tokens
// are gone, and nobody else notices.
func TestT088BackchannelLogout(t *testing.T) {
	b := open(t, nil)
	one, also, two := b.signIn(loginOne), b.signIn(loginOne), b.signIn(loginTwo)
	id := one.connect("jane", 0, "robin@example.test")
	other := two.connect("jane", 0, "alex@example.test")
	stream, theirs := one.listen(), two.listen()
	stream.until(shared.EventHello)
	theirs.until(shared.EventHello)
	b.sandbox.SetBackchannel("locum", "http://"+b.addr+shared.LogoutPath("jane"))
	b.sandbox.SetBackchannelTransport(hostOf(b.cfg.PublicURL.Host))
	began := time.Now()
	if n := b.sandbox.LogOut("robin@example.test"); n != 1 {
		t.Fatalf("%d logins ended", n)
	}
	t.Logf("told after %v", time.Since(began).Round(time.Microsecond))
	for _, d := range b.sandbox.Deliveries() {
		if d.Status != http.StatusOK {
			t.Errorf("the platform got %d, %v", d.Status, d.Err)
		}
	}
	for name, who := range map[string]browser{"the browser": one, "another of theirs": also} {
		for _, path := range []string{shared.PathSession, "/proxy/v1/" + id + patientsOfAClinic} {
			if a := who.read(path); a.status != http.StatusUnauthorized || a.code(t) != shared.CodeSignedOut {
				t.Errorf("%s: %s: %d", name, path, a.status)
			}
		}
	}
	if e := stream.until(shared.EventSession); e.data != `{"ended":true}` {
		t.Errorf("the tab is told %+v", e)
	}
	stream.over()
	two.wantWell("another practitioner", other)
	again := b.signIn(loginOne)
	var c shared.Connection
	must(t, json.Unmarshal(again.read(shared.PathConnections+"/"+id).body, &c))
	if c.State != shared.StateReconnect || c.Cause != "logged_out" || c.FreshSeconds != 0 {
		t.Errorf("the connection is %s, %s, fresh for %d s", c.State, c.Cause, c.FreshSeconds)
	}
	if a := again.read("/proxy/v1/" + id + patientsOfAClinic); a.status != http.StatusConflict || a.code(t) != shared.CodeReconnectNeeded {
		t.Errorf("a call: %d %s", a.status, a.body)
	}
	if b.sandbox.Count(sandbox.EndpointRefresh) != 0 {
		t.Error("a token of a dead login was refreshed")
	}
}

// hostOf sends requests with the Host that Locum is called by, as whoever resolves the name does.
type hostOf string

func (h hostOf) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Host = string(h)
	return http.DefaultTransport.RoundTrip(r)
}

// TestT088LogoutRacesCalls: a hundred callers while the login ends: none that begins after the platform has its answer
// gets anything.
func TestT088LogoutRacesCalls(t *testing.T) {
	for name, end := range map[string]func(b *bench, one browser, token string) int{
		"back-channel logout": func(b *bench, _ browser, token string) int { return b.tell("jane", token).status },
		"sign-out": func(b *bench, one browser, _ string) int {
			return b.form(shared.PathSignOut, [][2]string{one.cookies()}, nil).status
		},
		"disabled": func(b *bench, _ browser, _ string) int {
			if err := b.server.SetDisabled(loginOne, true); err != nil {
				return 0
			}
			return http.StatusOK
		},
	} {
		t.Run("T088 "+name, func(t *testing.T) {
			b := open(t, nil)
			one := b.signIn(loginOne)
			id := one.connect("jane", 0, "robin@example.test")
			token := b.logoutToken(nil)
			var over atomic.Bool
			var before, after, late atomic.Int32
			var callers sync.WaitGroup
			for range 20 {
				callers.Go(func() {
					for range 5 {
						began := over.Load()
						a := one.read("/proxy/v1/" + id + patientsOfAClinic)
						switch {
						case a.status == http.StatusOK && began:
							late.Add(1)
						case a.status == http.StatusOK:
							before.Add(1)
						default:
							after.Add(1)
						}
					}
				})
			}
			until(t, func() bool { return before.Load() > 10 })
			if status := end(b, one, token); status != http.StatusOK && status != http.StatusSeeOther {
				t.Errorf("the end: %d", status)
			}
			over.Store(true)
			callers.Wait()
			t.Logf("%d calls answered, %d refused", before.Load(), after.Load())
			if late.Load() != 0 {
				t.Errorf("%d calls succeeded that began after the end", late.Load())
			}
			if a := one.read(shared.PathSession); a.status != http.StatusUnauthorized {
				t.Errorf("the old cookie: %d", a.status)
			}
		})
	}
}

// TestT043ForgedLogouts: what the sandbox can think of, and what only a request can be: each is refused with its reason, which
// the audit trail has too, and changes nothing.
func TestT043ForgedLogouts(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	others := b.sandbox.Minted()
	reasons := map[string]string{
		"another issuer": "issuer", "the issuer with a slash more": "issuer", "no issuer": "issuer",
		"another client's audience": "audience", "an audience without the client": "audience", "no audience": "audience",
		"signed by a stranger": "signature", "signed with the client's secret": "algorithm", "signed with the public key": "algorithm",
		"alg none": "algorithm", "an unknown key": "unknown_key", "with a nonce": "nonce", "with an empty nonce": "nonce",
		"no events": "event", "another event": "event", "an event that is no object": "event", "events as a list": "event",
		"neither sub nor sid": "login", "an empty sid and no sub": "login", "no jti": "jti", "no iat": "malformed",
		"issued an hour ago": "lifetime", "issued in an hour": "not_yet_valid", "no exp": "malformed", "expired": "expired",
		"typ of an access token": "type",
	}
	refused := func(name string, a answer, reason string) {
		t.Helper()
		var problem shared.Problem
		if a.status == http.StatusBadRequest {
			must(t, json.Unmarshal(a.body, &problem))
		}
		if a.status != http.StatusBadRequest || problem.Params["reason"] != reason || a.header.Get("Cache-Control") != "no-store" ||
			a.header.Get("Set-Cookie") != "" || !strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") {
			t.Errorf("%s: %d %s, want the reason %s", name, a.status, a.body, reason)
		}
	}
	seen := 0
	for _, f := range sandbox.LogoutForgeries() {
		if f.Name == "typ of an ID token" { // §2.4 recommends another, and older Keycloaks send this one
			continue
		}
		seen++
		refused(f.Name, b.tell("jane", b.logoutToken(f.Spoil)), reasons[f.Name])
	}
	if seen < 25 {
		t.Errorf("only %d forgeries", seen)
	}
	good := b.logoutToken(nil)
	form, body := [2]string{"Content-Type", "application/x-www-form-urlencoded"}, url.Values{"logout_token": {good}}.Encode()
	for _, c := range []struct {
		name, reason string
		request      request
	}{
		{"the parameter twice", "malformed", request{"POST", shared.LogoutPath("jane"), [][2]string{form}, body + "&" + body}},
		{"no parameter", "malformed", request{"POST", shared.LogoutPath("jane"), [][2]string{form}, "token=" + good}},
		{"in the address", "malformed", request{"POST", shared.LogoutPath("jane") + "?" + body, [][2]string{form}, ""}},
		{"as JSON", "malformed", request{"POST", shared.LogoutPath("jane"), [][2]string{{"Content-Type", "application/json"}}, `{"logout_token":"` + good + `"}`}},
		{"without a media type", "malformed", request{"POST", shared.LogoutPath("jane"), nil, body}},
		{"for another platform", "issuer", request{"POST", shared.LogoutPath("jane-two"), [][2]string{form}, body}},
		{"sixteen kilobytes", "malformed", request{"POST", shared.LogoutPath("jane"), [][2]string{form}, body + strings.Repeat("A", 16<<10)}},
	} {
		want := c.reason
		a := b.do(c.request)
		if c.name == "for another platform" { // whose keys do not know it either
			want = "unknown_key"
		}
		refused(c.name, a, want)
	}
	tokens := 0
	for _, minted := range others {
		if strings.Count(minted, ".") == 2 {
			tokens++
			if a := b.tell("jane", minted); a.status != http.StatusBadRequest {
				t.Errorf("T043 a token that the platform gave for something else: %d", a.status)
			}
		}
	}
	if tokens == 0 {
		t.Error("no other token was tried")
	}
	for name, r := range map[string]request{
		"another method": {"GET", shared.LogoutPath("jane"), nil, ""}, "no such platform": {"POST", shared.LogoutPath("nowhere"), [][2]string{form}, body},
	} {
		if a := b.do(r); a.status != http.StatusMethodNotAllowed && a.status != http.StatusNotFound {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	one.wantWell("after all of them", id)
	if n := strings.Count(b.recorded(), `"logout_refused"`); n == 0 || n > 20 {
		t.Errorf("%d records of refused logout tokens", n)
	}
	if strings.Contains(b.log.String()+b.recorded(), good[:40]) {
		t.Error("a logout token was written down")
	}
	if a := b.tell("jane", good); a.status != http.StatusOK || len(a.body) != 0 || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Set-Cookie") != "" {
		t.Errorf("the good one: %d %s %v", a.status, a.body, a.header)
	}
	refused("the good one again", b.tell("jane", good), "replayed")
	if a := one.read(shared.PathSession); a.status != http.StatusUnauthorized {
		t.Errorf("the session: %d", a.status)
	}
}

// TestT088LogoutWithoutKeys: a logout token that cannot be judged just now is neither obeyed nor refused for good.
func TestT088LogoutWithoutKeys(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	must(t, b.sandbox.RotateKeys(sandbox.RealmProduction))
	b.sandbox.Fail(sandbox.EndpointCerts, 503, 1)
	token := b.logoutToken(nil)
	if a := b.tell("jane", token); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	one.wantWell("meanwhile", id)
}

// TestDiagnosis: what the platform says of a connection, asked at most once in ten seconds, by its owner alone, and without
// anything in it that could be used.
func TestDiagnosis(t *testing.T) {
	b := open(t, nil)
	one, two := b.signIn(loginOne), b.signIn(loginTwo)
	id := one.connect("jane", 0, "robin@example.test")
	path := fmt.Sprintf("%s/%s/diagnosis", shared.PathConnections, id)
	a := one.change("POST", path, nil)
	var found shared.Diagnosis
	must(t, json.Unmarshal(a.body, &found))
	if a.status != http.StatusOK || !found.Reachable || found.Code != "" || found.Renewal.Found != "active" || !found.SameSignIn ||
		found.Renewal.EndsAt == nil || len(found.Renewal.Scopes) == 0 || found.Access.Found != "unusable" {
		t.Errorf("%d %s", a.status, a.body)
	}
	checkNoSecret(t, b, "diagnosis", a)
	checkKeys(t, "diagnosis", a, describedKeys(t))
	asked := b.sandbox.Count(sandbox.EndpointIntrospect)
	if again := one.change("POST", path, nil); string(again.body) != string(a.body) || b.sandbox.Count(sandbox.EndpointIntrospect) != asked {
		t.Errorf("asked again within ten seconds: %s", again.body)
	}
	if a := two.change("POST", path, nil); a.status != http.StatusNotFound || !strings.Contains(b.recorded(), id) {
		t.Errorf("another practitioner: %d %s", a.status, a.body)
	}
	if a := one.read(path); a.status != http.StatusMethodNotAllowed {
		t.Errorf("by GET: %d", a.status)
	}
	if a := b.do(request{"POST", path, [][2]string{one.cookies(), {"Origin", b.origin}}, ""}); a.status != http.StatusForbidden {
		t.Errorf("by a form: %d", a.status)
	}
	if b.sandbox.Count(sandbox.EndpointIntrospect) != asked || b.sandbox.Count(sandbox.EndpointRefresh) != 0 {
		t.Error("somebody else had the platform asked, or something was refreshed")
	}
	var life shared.Life
	must(t, json.Unmarshal(one.read(shared.PathConnections+"/"+id+"/life").body, &life))
	if last := life.Steps[len(life.Steps)-1]; last.What != "diagnosed" || last.Code != "active" {
		t.Errorf("the timeline ends with %+v", last)
	}
}
