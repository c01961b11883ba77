package platform_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"locum/bff/oauth"
	"locum/bff/platform"
)

func TestSMARTDefaults(t *testing.T) {
	p := smartAt(t, "https://ehr.example/tenant/fhir", nil)
	if p.Server != (oauth.Server{}) || !p.Discover || p.FHIRBase != "https://ehr.example/tenant/fhir" || p.SendScope || !p.Opaque || p.Name != "ehr.example" {
		t.Errorf("%+v", p)
	}
	if p.Auth != (oauth.Auth{Method: oauth.AuthBasic}) || p.Refresh.Window != 0 {
		t.Errorf("%+v %+v", p.Auth, p.Refresh)
	}
	for _, input := range []string{"", "https://ehr.example/tenant/fhir"} {
		got, err := p.Clinic(input)
		if err != nil || got != (platform.Clinic{Address: "https://ehr.example/tenant/fhir", Origin: "https://ehr.example", Host: "ehr.example", Name: "ehr.example"}) {
			t.Errorf("%q: %+v, %v", input, got, err)
		}
	}
	if _, err := p.Clinic("https://ehr.example"); err == nil {
		t.Error("the origin alone is accepted")
	}
	if !slices.Contains(p.RequestScopes(nil), "user/Patient.rs") {
		t.Errorf("scopes %v", p.RequestScopes(nil))
	}
	alone := smartAt(t, "", func(c *platform.SMARTConfig) { c.Issuer = "https://ehr.example/fhir" })
	if alone.FHIRBase != "https://ehr.example/fhir" || alone.Server.Issuer != alone.FHIRBase {
		t.Errorf("an issuer alone: %+v", alone)
	}
	key := smartAt(t, "https://ehr.example", func(c *platform.SMARTConfig) { c.Auth.Method = oauth.AuthKey })
	if key.Auth.Algorithm != "RS384" {
		t.Errorf("%+v", key.Auth)
	}
}

func TestSMARTFaults(t *testing.T) {
	for name, c := range map[string]struct {
		field  string
		change func(*platform.SMARTConfig)
	}{
		"no base":            {"FHIRBase", func(c *platform.SMARTConfig) { c.FHIRBase = "" }},
		"a slash at the end": {"FHIRBase", func(c *platform.SMARTConfig) { c.FHIRBase += "/" }},
		"http":               {"FHIRBase", func(c *platform.SMARTConfig) { c.FHIRBase = "http://ehr.example/fhir" }},
		"a query":            {"FHIRBase", func(c *platform.SMARTConfig) { c.FHIRBase += "?a" }},
		"dots":               {"FHIRBase", func(c *platform.SMARTConfig) { c.FHIRBase = "https://ehr.example/a/../fhir" }},
		"upper case":         {"FHIRBase", func(c *platform.SMARTConfig) { c.FHIRBase = "https://EHR.example/fhir" }},
		"issuer":             {"Issuer", func(c *platform.SMARTConfig) { c.Issuer = "ehr" }},
		"id_tokens by HS256": {"IDAlgorithms", func(c *platform.SMARTConfig) { c.IDAlgorithms = []string{"HS256"} }},
	} {
		config := platform.SMARTConfig{FHIRBase: "https://ehr.example/fhir", AppConfig: platform.AppConfig{ID: "ehr", ClientID: "locum", PublicURL: "https://locum.example"}}
		c.change(&config)
		_, err := platform.SMART(config)
		var fault *platform.FieldError
		if !errors.As(err, &fault) || fault.Field != c.field || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMatchAtAnyDepth(t *testing.T) {
	type want struct{ id, record, practice string }
	for base, prefix := range map[string]string{
		"https://ehr.example": "", "https://ehr.example/fhir": "/fhir", "https://ehr.example/a/b/c/d/fhir": "/a/b/c/d/fhir",
		"https://launch.example/v/r4/sim/WzIsIiIsIiIsIkFVVE8iXQ/fhir": "/v/r4/sim/WzIsIiIsIiIsIkFVVE8iXQ/fhir",
	} {
		p := smartAt(t, base, nil)
		for request, w := range map[string]want{
			"GET /Patient/pat-1":       {"fhir.Patient.read", "pat-1", ""},
			"GET /Observation":         {"fhir.Observation.search", "", ""},
			"POST /Observation":        {"fhir.Observation.create", "", ""},
			"PUT /Observation/o1":      {"fhir.Observation.update", "o1", ""},
			"GET /Observation/o1/more": {},
			"GET /Claim/1":             {},
			"DELETE /Observation/o1":   {},
		} {
			method, tail, _ := strings.Cut(request, " ")
			match(t, p, method, prefix+tail, w.id, w.record, w.practice)
		}
		match(t, p, "GET", "/elsewhere"+prefix+"/Patient/1", "", "", "")
	}
	athena := mustAthena(t, nil)
	for request, w := range map[string]want{
		"GET /fhir/r4/Patient/a-195900.E-60178":  {"fhir.Patient.read", "a-195900.E-60178", ""},
		"GET /v1/195900/ping":                    {"athena.ping", "", "195900"},
		"GET /v1/195901/patients/60178":          {"athena.patients.read", "60178", "195901"},
		"GET /v1/195900/appointments/booked":     {"athena.appointments.booked", "", "195900"},
		"GET /v1/195900/appointments/77":         {"athena.appointments.read", "77", "195900"},
		"POST /v1/195900/appointments/77/notes":  {"athena.appointments.addNote", "77", "195900"},
		"GET /v1/195900/chart/60178/medications": {},
		"GET /oauth2/v1/token":                   {},
		"GET /v1":                                {},
	} {
		method, path, _ := strings.Cut(request, " ")
		match(t, athena, method, path, w.id, w.record, w.practice)
	}
}

func match(t *testing.T, p *platform.Platform, method, raw, id, record, practice string) {
	t.Helper()
	path, err := platform.ParsePath(raw)
	if err != nil {
		t.Fatal(err)
	}
	call, err := p.Match(method, path)
	switch {
	case id == "" && err == nil:
		t.Errorf("%s %s: %s", method, raw, call.ID)
	case id != "" && (err != nil || call.ID != id || call.Record != record || call.Practice != practice):
		t.Errorf("%s %s: %+v, %v", method, raw, call, err)
	}
}

func TestCatalogueOfResources(t *testing.T) {
	for _, p := range []*platform.Platform{mustAthena(t, nil), smartAt(t, "https://ehr.example/fhir", nil)} {
		ids := map[string]bool{}
		for _, o := range p.Operations {
			if ids[o.ID] {
				t.Errorf("%s stands twice", o.ID)
			}
			ids[o.ID] = true
			if o.Write != (o.Method != "GET") || o.Write && o.Interaction != "c" && o.Interaction != "u" {
				t.Errorf("%s: write is %v, %q", o.ID, o.Write, o.Interaction)
			}
			if o.FHIR == strings.HasPrefix(o.ID, "athena.") || o.Class == "" || o.Form != (o.Write && !o.FHIR) {
				t.Errorf("%+v", o)
			}
			if o.Resource != "" && (!p.KnownScope(o.Scope) || p.Offers(o.Scope) != (!o.Write && slices.ContainsFunc(p.Scopes, func(s string) bool { return s == o.Scope }))) {
				t.Errorf("%s: scope %s", o.ID, o.Scope)
			}
		}
	}
	wide := smartAt(t, "https://ehr.example/fhir", func(c *platform.SMARTConfig) { c.MoreScopes = []string{"user/Observation.cu"} })
	for _, o := range wide.Operations {
		if o.ID == "fhir.Observation.create" && (o.Scope != "user/Observation.cu" || !wide.Offers(o.Scope)) {
			t.Errorf("%s needs %s", o.ID, o.Scope)
		}
	}
}

func TestFHIRQueries(t *testing.T) {
	p := smartAt(t, "https://ehr.example/fhir", nil)
	path, err := platform.ParsePath("/fhir/Observation")
	if err != nil {
		t.Fatal(err)
	}
	search, err := p.Match("GET", path)
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]string{
		"date=ge2026-01-01&date=lt2026-02-01&patient=1": "date=ge2026-01-01&date=lt2026-02-01&patient=1",
		"code=http://loinc.org|4548-4":                  "code=http%3A%2F%2Floinc.org%7C4548-4",
		"_include=Observation:subject":                  "",
		"ah-practice=Organization/a-1.Practice-1":       "",
		"subject:Patient=1":                             "",
		"patient.name=x":                                "",
		"cursor=abc":                                    "",
		"date=1&date=2&date=3&date=4&date=5":            "",
	} {
		got, err := search.Query(raw)
		if (err == nil) != (want != "") || got != want {
			t.Errorf("%s: %q, %v", raw, got, err)
		}
	}
	form := platform.Operation{Form: true, Params: []string{"lastname"}}
	if _, err := form.Query("lastname=x"); err == nil {
		t.Error("a form's fields are taken in the query")
	}
}
