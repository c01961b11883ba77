package conformance_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/shared"
)

// departure is an authorization that has come as far as the callback's address.
func (s *site) departure(a app) (callback *url.URL, state string) {
	s.t.Helper()
	state = secret.Random().Reveal()
	var begun shared.ConnectAnswer
	s.call(http.MethodPost, shared.PathConnect, shared.ConnectRequest{Platform: a.id, Clinic: s.clinic(a), ClientState: state,
		Context: shared.Context{Page: shared.PageHome}}, &begun)
	back, err := a.face.Approve(begun.AuthorizationURL, sandbox.Choice{})
	must(s.t, err)
	callback, err = url.Parse(back)
	must(s.t, err)
	return callback, state
}

// callback: a response is this browser's own and of this session, or nothing comes of it; and it leads nowhere else.
func (s *site) callback(t *testing.T) {
	smart := s.app("smart")
	for _, c := range []struct {
		name   string
		change func(q url.Values)
		alone  bool // without the browser's cookies
		good   bool
	}{
		{"@4 the state that was sent", func(url.Values) {}, false, true},
		{"@4 another state", func(q url.Values) { q.Set("state", strings.Repeat("a", 43)+"."+strings.Repeat("b", 43)) }, false, false},
		{"@60 no state", func(q url.Values) { q.Del("state") }, false, false},
		{"@60 a state that is cut", func(q url.Values) { q.Set("state", q.Get("state")[:40]) }, false, false},
		{"@61 in another browser", func(url.Values) {}, true, false},
		{"@6 with somewhere to go", func(q url.Values) {
			for _, name := range []string{"redirect_uri", "next", "url", "target_link_uri", "returnTo"} {
				q.Set(name, "https://evil.test/")
			}
		}, false, true},
	} {
		s.run(t, c.name, func(t *testing.T) {
			callback, _ := s.departure(smart)
			q := callback.Query()
			c.change(q)
			callback.RawQuery = q.Encode()
			kept := s.cookies
			if c.alone {
				s.cookies = map[string]string{}
			}
			from := s.tap.mark()
			a := s.navigate(callback.String())
			s.cookies = kept
			if asked := granting(s.tap.since(from), "authorization_code").method != ""; asked != c.good {
				t.Errorf("%s; the code was redeemed: %t", a.Status, asked)
			}
			if at := a.Header.Get("Location"); at != "" && (!strings.HasPrefix(at, "/") || strings.HasPrefix(at, "//")) || strings.Contains(at+string(a.body), "evil.test") {
				t.Errorf("it leads to %s", at)
			}
		})
	}
}

// noTokenInACookie: what a platform has minted is in no cookie, whatever was done.
func (s *site) noTokenInACookie(t *testing.T) {
	s.run(t, "@7 no token in a cookie", func(t *testing.T) {
		minted := s.box.Minted()
		for name, values := range s.jar {
			for _, value := range values {
				if slices.ContainsFunc(minted, func(m string) bool { return strings.Contains(value, m) }) || len(value) > 128 {
					t.Errorf("%s holds %d characters", name, len(value))
				}
			}
		}
		if len(minted) < 20 || len(s.jar) < 2 {
			t.Errorf("%d tokens, %d cookies", len(minted), len(s.jar))
		}
	})
}

// identity: an id_token that is not right makes no connection, and one that is names a resource that can be read.
func (s *site) identity(t *testing.T) {
	for _, id := range []string{"athena", "smart"} {
		a := s.app(id)
		for name, alter := range map[string]func(claims map[string]any){
			"@201 another issuer":              func(c map[string]any) { c["iss"] = "https://evil.test" },
			"@201 another audience":            func(c map[string]any) { c["aud"] = "somebody-else" },
			"@201 an old one":                  func(c map[string]any) { c["exp"], c["iat"] = 1000000000, 999999000 },
			"@201 another nonce":               func(c map[string]any) { c["nonce"] = "another" },
			"@201 nobody":                      func(c map[string]any) { delete(c, "sub") },
			"@218 the FHIR base as its issuer": func(c map[string]any) { c["iss"] = a.face.FHIRBase() + "/" },
		} {
			s.run(t, name+" "+id, func(t *testing.T) {
				callback, state := s.departure(a)
				a.face.AlterID(alter)
				s.navigate(callback.String())
				var outcome shared.Outcome
				s.call(http.MethodPost, shared.PathOutcome, shared.OutcomeRequest{ClientState: state}, &outcome)
				if outcome.Code == shared.OutcomeConnected || outcome.Connection != "" {
					t.Errorf("the outcome is %s", outcome.Code)
				}
			})
		}
		s.run(t, "@202 fhirUser is a resource "+id, func(t *testing.T) {
			w := s.connect(a)
			var list shared.Connections
			s.call(http.MethodGet, shared.PathConnections, nil, &list)
			at := slices.IndexFunc(list.Connections, func(c shared.Connection) bool { return c.ID == w.connection })
			if at < 0 || !strings.HasPrefix(list.Connections[at].FHIRUser, "Practitioner/") {
				t.Fatalf("%+v", list.Connections)
			}
			base := strings.TrimPrefix(a.face.FHIRBase(), a.face.Origin())
			got := s.call(http.MethodGet, shared.PathProxy+"/"+w.connection+base+"/"+list.Connections[at].FHIRUser, nil, nil)
			if got.StatusCode != http.StatusOK || !strings.Contains(string(got.body), `"Practitioner"`) {
				t.Errorf("%s %s", got.Status, got.body)
			}
		})
	}
}
