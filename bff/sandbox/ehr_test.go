package sandbox_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/sandbox"
)

// TestLaunch: what the EHR launches an app with comes back beside the tokens (SMART App Launch 2.2, EHR launch).
func TestLaunch(t *testing.T) {
	const scopes = "openid fhirUser launch patient/*.rs"
	start := func(g *faceRig, l sandbox.Launch) string {
		g.Helper()
		l.App = "client_secret_basic"
		at, err := g.Launch(l)
		must(g.T, err)
		u, err := url.Parse(at)
		must(g.T, err)
		if !strings.HasPrefix(at, launchAt+"?") {
			g.Errorf("launch URL is %s", at)
		}
		equal(g, "iss", u.Query().Get("iss"), g.FHIRBase())
		return u.Query().Get("launch")
	}
	rows := []struct {
		name  string
		check func(g *faceRig)
	}{
		{"patient, encounter and the rest", func(g *faceRig) {
			bo := g.Patients()[1]
			value := start(g, sandbox.Launch{Patient: bo.ID, Intent: "reconcile-medications"})
			got := g.connect("client_secret_basic", sandbox.Choice{}, "scope", scopes, "launch", value)
			for name, want := range map[string]any{"patient": bo.ID, "encounter": bo.Encounter, "need_patient_banner": true,
				"intent": "reconcile-medications", "smart_style_url": g.Origin() + "/style.json", "tenant": "a-1.Practice-195900"} {
				equal(g, name, got[name], want)
			}
			if got["fhirContext"] == nil || claimsOf(g.T, got["id_token"])["patient"] != nil {
				g.Errorf("context %v", got)
			}
			equal(g, "style", g.get(g.Origin() + "/style.json").json["color_text"], any("#1b2430"))
		}},
		{"without a patient", func(g *faceRig) {
			value := start(g, sandbox.Launch{Patient: "-", NoBanner: true})
			got := g.connect("client_secret_basic", sandbox.Choice{}, "scope", scopes, "launch", value)
			equal(g, "patient", got["patient"], nil)
			equal(g, "encounter", got["encounter"], nil)
			equal(g, "need_patient_banner", got["need_patient_banner"], any(false))
		}},
		{"a launch is used once", func(g *faceRig) {
			value := start(g, sandbox.Launch{})
			g.connect("client_secret_basic", sandbox.Choice{}, "scope", scopes, "launch", value)
			equal(g, "again", g.approve(sandbox.Choice{}, "scope", scopes, "launch", value).Get("error"), "invalid_request")
		}},
		{"launch needs its scope", func(g *faceRig) {
			value := start(g, sandbox.Launch{})
			equal(g, "error", g.approve(sandbox.Choice{}, "launch", value).Get("error"), "invalid_request")
		}},
		{"a launch lives ten minutes", func(g *faceRig) {
			value := start(g, sandbox.Launch{})
			g.s.Advance(11 * time.Minute)
			equal(g, "late", g.approve(sandbox.Choice{}, "scope", scopes, "launch", value).Get("error"), "invalid_request")
		}},
		{"a launch is for one app", func(g *faceRig) {
			value := start(g, sandbox.Launch{})
			equal(g, "other", g.approve(sandbox.Choice{}, "client_id", "none", "scope", scopes, "launch", value).Get("error"), "invalid_request")
		}},
		{"a launch is for who works in the EHR", func(g *faceRig) {
			value := start(g, sandbox.Launch{Login: robin})
			equal(g, "other", g.approve(sandbox.Choice{Login: "noor@example.test"}, "scope", scopes, "launch", value).Get("error"), "access_denied")
		}},
		{"the second time nobody is asked", func(g *faceRig) {
			b, err := g.s.NewBrowser()
			must(g.T, err)
			for i := range 2 {
				at := g.ask("scope", scopes, "launch", start(g, sandbox.Launch{}))
				before := g.s.Count(g.At("login"))
				_, err = b.ApproveAs(at, nil, sandbox.Choice{})
				must(g.T, err)
				equal(g, "a page was shown", g.s.Count(g.At("login")) > before, i == 0)
			}
		}},
		{"authorize-post", func(g *faceRig) {
			at, err := url.Parse(g.ask("scope", scopes, "launch", start(g, sandbox.Launch{})))
			must(g.T, err)
			back, err := g.ApproveForm(g.Endpoints().Authorize, at.Query(), sandbox.Choice{})
			must(g.T, err)
			if !strings.HasPrefix(back, faceCallback+"?code=") {
				g.Errorf("callback is %s", back)
			}
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) { row.check(newFace(t, true)) })
	}
}

// TestStandalone: the app asks for a patient, or an encounter, and the person chooses.
func TestStandalone(t *testing.T) {
	g := newFace(t, true)
	bo := g.Patients()[1]
	got := g.connect("client_secret_basic", sandbox.Choice{Patient: bo.ID, Encounter: bo.Encounter}, "scope", "openid launch/patient launch/encounter patient/*.rs")
	equal(t, "patient", got["patient"], any(bo.ID))
	equal(t, "encounter", got["encounter"], any(bo.Encounter))
	equal(t, "no style", got["smart_style_url"], nil)
	got = g.connect("client_secret_basic", sandbox.Choice{Login: "ada@example.test", Patient: bo.ID}, "scope", "openid fhirUser launch/patient patient/*.rs")
	equal(t, "a patient has one record", got["patient"], any(ada))
	equal(t, "fhirUser", claimsOf(t, got["id_token"])["fhirUser"], any(g.FHIRBase()+"/Patient/"+ada))
	equal(t, "denied", g.approve(sandbox.Choice{Deny: true}).Get("error"), "access_denied")
	g.AuthorizeError("server_error", "x")
	equal(t, "planned", g.approve(sandbox.Choice{}).Get("error"), "server_error")
	g.GrantOnly("openid")
	equal(t, "granted", g.connect("client_secret_basic", sandbox.Choice{})["scope"], any("openid"))
	g.AddScope("user/Condition.read")
	equal(t, "granted more", g.connect("client_secret_basic", sandbox.Choice{}, "scope", "openid")["scope"], any("openid user/Condition.read"))
}

// TestMetadata: athenahealth's document has the members of the real one; both need what SMART App Launch 2.2 requires.
func TestMetadata(t *testing.T) {
	for _, athena := range []bool{true, false} {
		g := newFace(t, athena)
		got := g.get(g.FHIRBase() + "/.well-known/smart-configuration")
		for _, name := range []string{"authorization_endpoint", "token_endpoint", "issuer", "jwks_uri", "capabilities", "grant_types_supported",
			"code_challenge_methods_supported", "introspection_endpoint", "revocation_endpoint"} {
			if got.json[name] == nil {
				t.Errorf("%s: no %s", g.Face.Name(), name)
			}
		}
		equal(t, "issuer", got.json["issuer"], any(g.Issuer()))
		equal(t, "304", g.call("GET", "/"+strings.TrimPrefix(g.FHIRBase(), g.Origin()+"/")+"/.well-known/smart-configuration", "", "",
			"If-None-Match", got.Header.Get("ETag")).StatusCode, http.StatusNotModified)
		g.SetCapabilities("sso-openid-connect")
		g.AlterMetadata(func(document map[string]any) { document["issuer"] = "https://evil.test" })
		got = g.get(g.FHIRBase() + "/.well-known/smart-configuration")
		equal(t, "altered", got.json["issuer"], any("https://evil.test"))
		if strings.Contains(got.text, "sso-openid-connect") {
			t.Error("the capability is still there")
		}
	}
	raw, err := os.ReadFile("../../../shared/platforms/data/athena-preview-smart-configuration.json")
	if err != nil {
		t.Skip("the real document is not here")
	}
	var real map[string]any
	must(t, json.Unmarshal(raw, &real))
	g := newFace(t, true)
	got := g.get(g.FHIRBase() + "/.well-known/smart-configuration")
	for name := range real {
		if got.json[name] == nil {
			t.Errorf("the real document has %s", name)
		}
	}
	for name := range got.json {
		if real[name] == nil {
			t.Errorf("the real document has no %s", name)
		}
	}
}

// TestEHRPages: a person opens apps for a patient, in a window of their own or in a frame that cannot navigate the EHR away.
func TestEHRPages(t *testing.T) {
	g := newFace(t, true)
	if !strings.Contains(g.get(g.EHRPage()).text, `value="robin@example.test"`) {
		t.Error("the front page does not ask who is there")
	}
	login := g.post(g.EHROrigin()+"/login", url.Values{"hint": {robin}}, "Origin", g.EHROrigin())
	equal(t, "login", login.StatusCode, http.StatusSeeOther)
	cookie := strings.Split(login.Header.Get("Set-Cookie"), ";")[0]
	page := func(path string) reply {
		return g.call("GET", g.EHROrigin()+path, "", "", "Cookie", cookie)
	}
	if !strings.Contains(page("/").text, "/chart/"+ada) || strings.Contains(page("/").text, "70001") {
		t.Errorf("patients: %s", page("/").text)
	}
	equal(t, "another practice's patient", page("/chart/a-195901.E-70001").StatusCode, 404)
	chart := page("/chart/" + ada + "?app=client_secret_basic")
	if !strings.Contains(chart.text, `sandbox="allow-forms allow-modals allow-popups allow-popups-to-escape-sandbox allow-same-origin allow-scripts allow-downloads"`) ||
		!strings.Contains(chart.text, `src="`+launchAt+"?iss=") {
		t.Errorf("the frame: %s", chart.text)
	}
	policy := chart.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "frame-src http://localhost:9999") || !strings.Contains(policy, "script-src 'self'") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("policy %s", policy)
	}
	if strings.Contains(page("/chart/"+ada).Header.Get("Content-Security-Policy"), "script-src") {
		t.Error("a page without a frame may run a script")
	}
	form := url.Values{"app": {"client_secret_basic"}, "patient": {ada}}
	got := g.post(g.EHROrigin()+"/launch", form, "Cookie", cookie, "Origin", g.EHROrigin())
	if !strings.HasPrefix(got.Header.Get("Location"), launchAt+"?iss=") {
		t.Errorf("launch goes to %q", got.Header.Get("Location"))
	}
	equal(t, "from another site", g.post(g.EHROrigin()+"/launch", form, "Cookie", cookie, "Origin", "https://evil.test").StatusCode, 403)
	equal(t, "a patient does not work here", g.post(g.EHROrigin()+"/login", url.Values{"hint": {"ada@example.test"}}, "Origin", g.EHROrigin()).StatusCode, 200)
	equal(t, "script", g.get(g.EHROrigin()+"/ehr.js").StatusCode, 200)
	equal(t, "a deed", g.post(g.EHROrigin()+"/lab", url.Values{"do": {"rotate"}}, "Origin", g.EHROrigin()).Header.Get("Location"), "/?done=rotate")
	equal(t, "a deed that is none", g.post(g.EHROrigin()+"/lab", url.Values{"do": {"x"}}, "Origin", g.EHROrigin()).StatusCode, 400)
	first := g.connect("client_secret_basic", sandbox.Choice{})["refresh_token"]
	if g.renew("client_secret_basic", first, "openid").json["refresh_token"] == first {
		t.Error("the deed was not done")
	}
	equal(t, "log out", g.post(g.EHROrigin()+"/logout", nil, "Cookie", cookie, "Origin", g.EHROrigin()).StatusCode, http.StatusSeeOther)
	if !strings.Contains(page("/").text, `value="robin@example.test"`) {
		t.Error("the login lives on")
	}
}

// TestHostedKeys: the key set that an app hosts is fetched, kept, and fetched again.
func TestHostedKeys(t *testing.T) {
	answer, asked := keySet(), 0
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		_, _ = w.Write([]byte(answer))
	}))
	defer host.Close()
	g := newFace(t, true)
	_, err := g.Register(sandbox.App{ID: "hosted", Service: true, Auth: "private_key_jwt", JWKSURL: host.URL})
	must(t, err)
	g.apps["hosted"] = sandbox.App{Auth: "private_key_jwt"}
	ask := func() reply { return g.service("hosted", "system/Patient.rs") }
	equal(t, "first", ask().StatusCode, 200)
	equal(t, "second", ask().StatusCode, 200)
	equal(t, "asked", asked, 1)
	answer = strings.ReplaceAll(keySet(), `"r"`, `"r2"`)
	g.s.Advance(2 * time.Minute)
	g.says(ask(), 401, "The client_assertion JWT kid is invalid.")
	answer = keySet()
	equal(t, "an unknown kid is asked for again", ask().StatusCode, 200)
	g.SetKeyCache(90 * time.Second)
	answer = strings.ReplaceAll(keySet(), `"r"`, `"r2"`)
	g.says(ask(), 401, "The client_assertion JWT kid is invalid.")
	answer = keySet()
	g.says(ask(), 401, "The client_assertion JWT kid is invalid.")
	g.s.Advance(90 * time.Second)
	equal(t, "when it is too old", ask().StatusCode, 200)
	host.Close()
	g.SetKeyCache(0)
	g.says(ask(), 401, "The JWKS URL registered for the client could not be read.")
}

// TestFaceApps: what cannot be registered.
func TestFaceApps(t *testing.T) {
	g := newFace(t, true)
	private := strings.Replace(keySet(), `"kty"`, `"d":"AQ","kty"`, 1)
	for name, app := range map[string]sandbox.App{
		"no id":                          {},
		"unknown method":                 {ID: "x", Auth: "client_secret_jwt"},
		"keys without the method":        {ID: "x", JWKS: keySet()},
		"the method without keys":        {ID: "x", Auth: "private_key_jwt"},
		"two key sets":                   {ID: "x", Auth: "private_key_jwt", JWKS: keySet(), JWKSURL: "http://localhost:1/"},
		"a private key":                  {ID: "x", Auth: "private_key_jwt", JWKS: private},
		"a key set elsewhere":            {ID: "x", Auth: "private_key_jwt", JWKSURL: "https://keys.example.test/"},
		"a public service":               {ID: "x", Service: true, Auth: "none"},
		"a service with a redirect":      {ID: "x", Service: true, RedirectURIs: []string{faceCallback}},
		"a service with a user's scope":  {ID: "x", Service: true, Scopes: []string{"user/Patient.read"}},
		"a login with a service's scope": {ID: "x", Scopes: []string{"athena/service/Athenanet.MDP.*"}},
		"a redirect that is no address":  {ID: "x", RedirectURIs: []string{"http://example.test/"}},
	} {
		if _, err := g.Register(app); err == nil {
			t.Errorf("%s was registered", name)
		}
	}
	for _, o := range []sandbox.Options{
		{Athena: &sandbox.FaceOptions{Address: "0.0.0.0:0"}}, {Athena: &sandbox.FaceOptions{EHR: "localhost:0"}},
		{SMART: &sandbox.FaceOptions{Address: "127.0.0.1:7100"}}, {SMART: &sandbox.FaceOptions{Apps: []sandbox.App{{}}}},
	} {
		if s, err := sandbox.InProcess(o); err == nil {
			_ = s.Close()
			t.Errorf("%+v started", o)
		}
	}
}

// TestFacesTogether: all faces on sockets, beside the simulated Jane.
func TestFacesTogether(t *testing.T) {
	s, err := sandbox.Start(sandbox.Options{Athena: &sandbox.FaceOptions{}, SMART: &sandbox.FaceOptions{Issuer: "https://issuer.example.test"}})
	must(t, err)
	defer s.Close()
	for _, at := range []string{s.Athena().FHIRBase() + "/.well-known/smart-configuration", s.SMART().FHIRBase() + "/metadata", s.Athena().EHRPage(),
		s.SMART().EHRPage(), s.Issuer("jane") + "/protocol/openid-connect/certs", s.Athena().Endpoints().Keys} {
		u, err := url.Parse(at)
		must(t, err)
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
		must(t, err)
		conn.Close()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
		must(t, err)
		answer, err := http.DefaultClient.Do(r)
		must(t, err)
		answer.Body.Close()
		equal(t, at, answer.StatusCode, 200)
	}
	http.DefaultClient.CloseIdleConnections()
	equal(t, "issuer", s.SMART().Issuer(), "https://issuer.example.test")
}

// TestFaceInABubble: a face in process lives on a bubble's clock, and so do its faults.
func TestFaceInABubble(t *testing.T) {
	keySet() // made outside: the keys are the whole program's
	synctest.Test(t, func(t *testing.T) {
		g := newFace(t, true)
		got := g.connect("private_key_jwt", sandbox.Choice{})
		time.Sleep(time.Hour)
		equal(t, "in an hour", g.call("GET", "Patient/"+ada, got["access_token"], "").StatusCode, 401)
		g.s.LoseNextResponse(g.At("token/refresh_token"))
		form, _ := g.as("private_key_jwt", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got["refresh_token"].(string)}, "scope": {"openid"}})
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.Endpoints().Token, strings.NewReader(form.Encode()))
		must(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if answer, err := g.http.Do(r); err == nil {
			answer.Body.Close()
			t.Error("the answer was not lost")
		}
		equal(t, "refreshed all the same", g.Face.Chains()[0].Refreshes, 1)
		g.s.Hang(g.At("fhir"), 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err = http.NewRequestWithContext(ctx, http.MethodGet, g.FHIRBase()+"/Patient/"+ada, nil)
		must(t, err)
		if answer, err := g.http.Do(r); err == nil {
			answer.Body.Close()
			t.Error("the request did not hang")
		}
		g.s.SetSkew(10 * time.Minute) // the face's clock is ahead, so that every assertion has expired
		g.says(g.send("private_key_jwt", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}), 401, "The client_assertion token is expired.")
	})
}
