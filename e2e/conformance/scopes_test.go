package conformance_test

import (
	"slices"
	"strings"
	"testing"

	"locum/bff/oauth"
	"locum/bff/platform"
)

// configured is a platform that asks for these scopes, or the error that they are.
func configured(scopes ...string) (*platform.Platform, error) {
	return platform.SMART(platform.SMARTConfig{FHIRBase: "https://ehr.example/fhir/r4", AppConfig: platform.AppConfig{
		ID: "ehr", ClientID: "locum", PublicURL: "https://locum.example", Auth: oauth.Auth{Method: oauth.AuthBasic}, Scopes: scopes}})
}

// interactions are the letters of what Locum may do with observations under a scope.
func interactions(t *testing.T, scope string) string {
	t.Helper()
	p, err := configured(scope)
	if err != nil {
		t.Fatalf("%s: %v", scope, err)
	}
	if !slices.Contains(p.RequestScopes(nil), scope) {
		t.Errorf("%s is asked for as %v", scope, p.RequestScopes(nil))
	}
	letters := ""
	for _, o := range p.Operations {
		if o.Resource == "Observation" && o.Granted([]string{scope}) {
			letters += o.Interaction
		}
	}
	return letters
}

// TestScopeLetters: what each letter of a scope stands for, in what is asked for and in what may then be done.
func TestScopeLetters(t *testing.T) {
	for _, c := range []struct{ name, scope, want string }{
		{"@120 c is create", "user/Observation.c", "c"},
		{"@121 r is read", "user/Observation.r", "r"},
		{"@122 u is update", "user/Observation.u", "u"},
		{"@124 d is delete, which Locum has none of", "user/Observation.d", ""},
		{"@125 s is search", "user/Observation.s", "s"},
		{"@125 rs is both", "user/Observation.rs", "sr"},
		{"@132 a query limits it", "user/Observation.rs?category=laboratory&status=final", "sr"},
		{"@137 patient", "patient/Observation.r", "r"},
		{"@141 user", "user/Observation.cruds", "srcu"},
		{"@146 a wildcard for the type", "patient/*.rs", "sr"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := interactions(t, c.scope); got != c.want {
				t.Errorf("%s allows %q, want %q", c.scope, got, c.want)
			}
		})
	}
}

// TestScopeLanguage: a scope that is none in SMART's language is refused in the configuration, and covers nothing in an answer.
func TestScopeLanguage(t *testing.T) {
	for _, scope := range []string{
		"patient/Observation.sr", "patient/Observation.rr", "patient/Observation.", "patient/observation.r", "Patient/Observation.r", "patient.Observation.r",
		"patient/Observation.r?", "patient/Observation.r?category", "patient/Observation.r?=a", "patient/Observation.x", "practice/Observation.r", "patient/Observation.r&a=b",
	} {
		t.Run("@135 "+scope, func(t *testing.T) {
			if _, err := configured(scope); err == nil {
				t.Errorf("%s is asked for", scope)
			}
			if platform.Covers([]string{scope}, "patient/Observation.r") {
				t.Errorf("%s covers something", scope)
			}
		})
	}
	t.Run("@215 online_access", func(t *testing.T) {
		p, err := configured("online_access", "patient/*.r")
		if err != nil || !slices.Contains(p.RequestScopes(nil), "online_access") {
			t.Errorf("it is not asked for: %v", err)
		}
	})
	t.Run("@219 as a URI", func(t *testing.T) {
		if !platform.Covers([]string{"http://smarthealthit.org/fhir/scopes/patient/*.r"}, "patient/Observation.r") {
			t.Error("the prefix is not understood")
		}
		p, err := configured("patient/*.r")
		if err != nil || slices.ContainsFunc(p.RequestScopes(nil), func(s string) bool { return strings.Contains(s, ":") }) {
			t.Errorf("asked for by a URI: %v", err)
		}
	})
}

// TestScopeDefaults: what is asked for where the operator says nothing is enough to show the schedule and the record, and
// changes nothing.
func TestScopeDefaults(t *testing.T) {
	app := platform.AppConfig{ID: "ehr", ClientID: "locum", PublicURL: "https://locum.example", Auth: oauth.Auth{Method: oauth.AuthBasic}}
	smart, err1 := platform.SMART(platform.SMARTConfig{FHIRBase: "https://ehr.example/fhir/r4", AppConfig: app})
	athena, err2 := platform.Athena(platform.AthenaConfig{Environment: platform.AthenaProduction, AppConfig: app, Practices: []platform.Practice{{ID: "195900"}}})
	must(t, err1)
	must(t, err2)
	for _, p := range []*platform.Platform{smart, athena} {
		all := slices.Concat(p.RequestScopes(nil), p.LaunchRequest(nil))
		t.Run("@46 nothing that writes "+p.Kind, func(t *testing.T) {
			for _, o := range p.Operations {
				if o.Write && o.Granted(all) {
					t.Errorf("%s is asked for", o.ID)
				}
			}
		})
		t.Run("@148 no wildcard "+p.Kind, func(t *testing.T) {
			if slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, "*") }) || len(all) < 10 {
				t.Errorf("%v", all)
			}
		})
	}
}
