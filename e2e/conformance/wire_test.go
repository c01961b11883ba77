package conformance_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"locum/bff/oauth"
	"locum/bff/secret"
	"locum/shared"
)

// requirement is one of SMART App Launch 2.2, by its id, as a property of what was heard of a connection.
type requirement struct {
	name  string
	holds func(w *walk) error
}

// is compares.
func is[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s is %v, want %v", what, got, want)
	}
	return nil
}

// ok is an error where something does not hold.
func ok(holds bool, what string, values ...any) error {
	if !holds {
		return fmt.Errorf(what, values...)
	}
	return nil
}

// requested are those of the authorization request.
var requested = []requirement{
	{"@3 state is sent", func(w *walk) error { return ok(w.request.Get("state") != "", "no state") }},
	{"@13 PKCE, whoever the client is", func(w *walk) error { return is("method", w.request.Get("code_challenge_method"), "S256") }},
	{"@32 response_type is code", func(w *walk) error { return is("response_type", w.request.Get("response_type"), "code") }},
	{"@33 client_id", func(w *walk) error { return is("client_id", w.request.Get("client_id"), w.app.id+"-client") }},
	{"@34 redirect_uri", func(w *walk) error {
		return is("redirect_uri", w.request.Get("redirect_uri"), w.site.url+shared.CallbackPath(w.app.id))
	}},
	{"@35 launch is the EHR's", func(w *walk) error { return is("launch", w.request.Get("launch"), w.launch) }},
	{"@36 no launch without an EHR", func(w *walk) error { return is("launch", w.request.Has("launch"), w.ehr) }},
	{"@37 scope", func(w *walk) error { return ok(len(w.scopes()) > 3, "scope is %v", w.scopes()) }},
	{"@39 state is the browser's", func(w *walk) error { return ok(len(w.flow) == 43, "the flow cookie is %q", w.flow) }},
	{"@40 state has 122 bits and more", func(w *walk) error {
		return ok(len(w.request.Get("state")) >= 43 && len(slices.Compact(slices.Sorted(strings.SplitSeq(w.request.Get("state"), "")))) > 16, "state %s", w.request.Get("state"))
	}},
	{"@41 aud is the FHIR base", func(w *walk) error {
		if w.ehr && w.iss != w.request.Get("aud") {
			return fmt.Errorf("aud is %s, launched with %s", w.request.Get("aud"), w.iss)
		}
		return is("aud", w.request.Get("aud"), w.app.face.FHIRBase())
	}},
	{"@44 code_challenge is of the verifier", func(w *walk) error {
		verifier := granting(w.said, "authorization_code").form.Get("code_verifier")
		return is("code_challenge", w.request.Get("code_challenge"), oauth.Challenge(secret.New(verifier)))
	}},
	{"@45 code_challenge_method", func(w *walk) error { return is("method", w.request.Get("code_challenge_method"), "S256") }},
	{"@47 openid and fhirUser", func(w *walk) error { return w.asks("openid", "fhirUser") }},
	{"@50 GET or POST", func(w *walk) error { return is("endpoint", w.endpoint, w.app.face.Endpoints().Authorize) }},
	{"@51 each parameter once", func(w *walk) error {
		for name, values := range w.request {
			if len(values) != 1 {
				return fmt.Errorf("%s stands %d times", name, len(values))
			}
		}
		return nil
	}},
	{"@150 context by scope", func(w *walk) error { return ok(slices.ContainsFunc(w.scopes(), isLaunch), "scope is %v", w.scopes()) }},
	{"@151 context scopes begin with launch", func(w *walk) error { return ok(slices.ContainsFunc(w.scopes(), isLaunch), "scope is %v", w.scopes()) }},
	{"@152 launch/patient", func(w *walk) error {
		if w.ehr {
			return w.asks("launch")
		}
		return w.asks("launch/patient")
	}},
	{"@161 launch ties the request to the EHR's session", func(w *walk) error {
		if !w.ehr {
			return nil
		}
		return ok(w.launch != "" && w.request.Get("launch") == w.launch && slices.Contains(w.scopes(), "launch"), "launch %q", w.request.Get("launch"))
	}},
	{"@166 context is asked for", func(w *walk) error {
		if w.ehr {
			return nil
		}
		return w.asks("launch/patient")
	}},
	{"@196 fhirUser beside openid", func(w *walk) error { return w.asks("openid", "fhirUser") }},
	{"@211 no max_age", func(w *walk) error {
		return ok(!w.request.Has("max_age") && !w.request.Has("claims") && !w.request.Has("auth_time"), "%v", w.request)
	}},
	{"@216 offline_access by scope", func(w *walk) error {
		if w.ehr { // it ends with the access token, as it was configured
			return ok(!slices.Contains(w.scopes(), "offline_access"), "scope is %v", w.scopes())
		}
		return w.asks("offline_access")
	}},
}

func isLaunch(scope string) bool { return scope == "launch" || strings.HasPrefix(scope, "launch/") }

func (w *walk) scopes() []string { return strings.Fields(w.request.Get("scope")) }

func (w *walk) asks(scopes ...string) error {
	for _, scope := range scopes {
		if !slices.Contains(w.scopes(), scope) {
			return fmt.Errorf("%s is not asked for: %v", scope, w.scopes())
		}
	}
	return nil
}

// exchanged are those of the token request.
var exchanged = []requirement{
	{"@62 a posted form", func(w *walk) error {
		s := granting(w.said, "authorization_code")
		return ok(s.method == http.MethodPost && s.url.RawQuery == "" && strings.HasSuffix(w.app.face.Endpoints().Token, s.url.Path) &&
			s.header.Get("Content-Type") == "application/x-www-form-urlencoded", "%s %s %v", s.method, s.url, s.header)
	}},
	{"@63 a public client authenticates by nothing", func(w *walk) error {
		s := granting(w.said, "authorization_code")
		return ok(!w.app.public() || !authenticated(s), "%v %v", s.header, s.form)
	}},
	{"@64 a confidential client authenticates", func(w *walk) error {
		s := granting(w.said, "authorization_code")
		return ok(w.app.public() || authenticated(s), "%v %v", s.header, s.form)
	}},
	{"@67 grant_type", func(w *walk) error { return is("requests", w.count("authorization_code"), 1) }},
	{"@68 the code that came", func(w *walk) error {
		return is("code", granting(w.said, "authorization_code").form.Get("code"), w.code)
	}},
	{"@69 the same redirect_uri", func(w *walk) error {
		return is("redirect_uri", granting(w.said, "authorization_code").form.Get("redirect_uri"), w.request.Get("redirect_uri"))
	}},
	{"@70 code_verifier", func(w *walk) error {
		return is("verifier", len(granting(w.said, "authorization_code").form.Get("code_verifier")), 43)
	}},
	{"@71 client_id of a public client", func(w *walk) error {
		id := granting(w.said, "authorization_code").form.Get("client_id")
		return ok(!w.app.public() || id == w.app.id+"-client", "client_id is %q", id)
	}},
	{"@72 no client_id of a confidential client", func(w *walk) error {
		s := granting(w.said, "authorization_code")
		posts := w.app.method == oauth.AuthPost // an option that is none of SMART's, off unless it is configured
		return ok(w.app.public() || posts || !s.form.Has("client_id"), "%v", s.form)
	}},
	{"@93 Bearer at the FHIR API", func(w *walk) error {
		s := at(w.said, "/Patient/"+w.patient)
		return ok(strings.HasPrefix(s.header.Get("Authorization"), "Bearer ") && s.url.Query().Get("access_token") == "", "%v", s.header)
	}},
	{"@345 Basic with id and secret", func(w *walk) error {
		for _, s := range w.said {
			if s.method != http.MethodPost || w.app.method != oauth.AuthBasic {
				continue
			}
			text, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.header.Get("Authorization"), "Basic "))
			if err != nil || string(text) != w.app.id+"-client:a%3Ab%2Bc%25d+%C3%A9%2F" || s.form.Has("client_secret") {
				return fmt.Errorf("%s %s, %v", s.url, text, s.form)
			}
		}
		return nil
	}},
}

// authenticated says whether a request proves who sent it.
func authenticated(s said) bool {
	return s.header.Get("Authorization") != "" || s.form.Has("client_secret") || s.form.Has("client_assertion")
}

func (w *walk) count(grant string) int {
	n := 0
	for _, s := range w.said {
		if s.form.Get("grant_type") == grant {
			n++
		}
	}
	return n
}

// renewed are those of a refresh, which a connection of an EHR launch does not have.
var renewed = []requirement{
	{"@105 grant_type", func(w *walk) error {
		return ok(w.ehr || w.count("refresh_token") == 1, "%d refreshes", w.count("refresh_token"))
	}},
	{"@106 refresh_token", func(w *walk) error {
		return ok(w.ehr || granting(w.said, "refresh_token").form.Get("refresh_token") != "", "none")
	}},
	{"@108 no scope that was not granted", func(w *walk) error {
		if w.ehr {
			return nil
		}
		for _, scope := range strings.Fields(granting(w.said, "refresh_token").form.Get("scope")) {
			if err := w.asks(scope); err != nil {
				return err
			}
		}
		return nil
	}},
	{"@270 introspection as of RFC 7662", func(w *walk) error {
		s := that(w.said, func(s said) bool { return strings.HasSuffix(s.url.Path, "/introspect") })
		return ok(w.ehr || s.method == http.MethodPost && s.form.Get("token") != "" && s.form.Get("token_type_hint") != "", "%s %s %v", s.method, s.url, s.form)
	}},
}

// TestWire holds every connection that the site can make, and what can befall one on its way, against the requirements.
func TestWire(t *testing.T) {
	s := open(t)
	s.signIn()
	var walks []*walk
	for _, a := range s.apps {
		walks = append(walks, s.standalone(a), s.launched(a))
	}
	for _, r := range slices.Concat(requested, exchanged, renewed, discovered) {
		s.run(t, r.name, func(t *testing.T) {
			for _, w := range walks {
				if err := r.holds(w); err != nil {
					t.Errorf("%s, from the EHR %t: %v", w.app.id, w.ehr, err)
				}
			}
		})
	}
	s.run(t, "@2 no two states are alike", func(t *testing.T) {
		seen := map[string]bool{}
		for _, w := range walks {
			seen[w.request.Get("state")] = true
		}
		if len(seen) != len(walks) {
			t.Errorf("%d states of %d requests", len(seen), len(walks))
		}
	})
	s.run(t, "@153 launch/encounter", func(t *testing.T) {
		w := s.connect(s.app("smart"), "launch/patient", "launch/encounter")
		if err := w.asks("launch/patient", "launch/encounter"); err != nil {
			t.Error(err)
		}
	})
	s.backend(t)
	s.callback(t)
	s.identity(t)
	s.noTokenInACookie(t)
}
