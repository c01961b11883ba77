package oauth_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// TestLaunchContext: what stands beside a token is read where it can be and dropped where it cannot, and never costs the
// token (SMART App Launch 2.2, "Launch context arrives with your access_token").
func TestLaunchContext(t *testing.T) {
	for _, c := range []struct {
		name, members string
		want          oauth.LaunchContext
	}{
		{"none", ``, oauth.LaunchContext{}},
		{"athenahealth's patient", `"patient":"a-195900.E-60178"`, oauth.LaunchContext{Patient: "a-195900.E-60178"}},
		{"all of it", `"patient":"p1","encounter":"e.1-2","intent":"reconcile-medications","need_patient_banner":true,
			"smart_style_url":"https://ehr.test/styles/v1.json?x=1","tenant":"2ddd6c3a-8e9a-44c6-a305-52111ad302a2"`,
			oauth.LaunchContext{Patient: "p1", Encounter: "e.1-2", Intent: "reconcile-medications", Banner: "yes",
				StyleURL: "https://ehr.test/styles/v1.json?x=1", Tenant: "2ddd6c3a-8e9a-44c6-a305-52111ad302a2"}},
		{"no banner", `"need_patient_banner":false`, oauth.LaunchContext{Banner: "no"}},
		{"a banner as a text", `"need_patient_banner":"true"`, oauth.LaunchContext{Banner: "yes"}},
		{"a banner as a number", `"need_patient_banner":1`, oauth.LaunchContext{}},
		{"nulls", `"patient":null,"encounter":null,"fhirContext":null,"intent":null,"smart_style_url":null`, oauth.LaunchContext{}},
		{"extensions and the unknown", `"__x":{"a":[1]},"https://ehr.test/ext":true,"authorization_details":[{"type":"smart_on_fhir"}]`, oauth.LaunchContext{}},
		{"an intent with control characters", `"intent":"a\u001bb","tenant":"x\u202ey"`, oauth.LaunchContext{}},
		{"an endless intent", `"intent":"` + strings.Repeat("a", 300) + `"`, oauth.LaunchContext{}},
		{"a style without TLS", `"smart_style_url":"http://ehr.test/s.json"`, oauth.LaunchContext{}},
		{"a style that is a script", `"smart_style_url":"javascript:alert(1)"`, oauth.LaunchContext{}},
		{"a style with a user", `"smart_style_url":"https://a:b@ehr.test/s.json"`, oauth.LaunchContext{}},
		{"a style with a fragment", `"smart_style_url":"https://ehr.test/s.json#a"`, oauth.LaunchContext{}},
		{"references", `"fhirContext":[{"reference":"ImagingStudy/123"},{"canonical":"http://x.test/q|1","type":"Questionnaire","role":"https://x.test/roles/a"},
			{"identifier":{"system":"https://ehr.test/ids","value":"A 1"},"type":"DiagnosticReport","role":"launch"}]`,
			oauth.LaunchContext{References: []oauth.LaunchReference{
				{Reference: "ImagingStudy/123", Role: "launch"},
				{Canonical: "http://x.test/q|1", Type: "Questionnaire", Role: "https://x.test/roles/a"},
				{Identifier: "https://ehr.test/ids|A 1", Type: "DiagnosticReport", Role: "launch"}}}},
		{"SMART @191: a missing role is launch", `"fhirContext":[{"reference":"Observation/1"},{"reference":"Observation/2","role":""},{"reference":"Observation/3","role":"x"}]`,
			oauth.LaunchContext{References: []oauth.LaunchReference{{Reference: "Observation/1", Role: "launch"},
				{Reference: "Observation/2", Role: "launch"}, {Reference: "Observation/3", Role: "x"}}}},
		{"references that are none", `"fhirContext":[1,null,[],{},{"type":"X"},{"reference":7},{"reference":"a b"},{"reference":"A/1","reference":"B/2"},{"identifier":"x"},{"reference":"A/1"}]`,
			oauth.LaunchContext{References: []oauth.LaunchReference{{Reference: "A/1", Role: "launch"}}}},
		{"references as an object", `"fhirContext":{"reference":"A/1"}`, oauth.LaunchContext{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := `{"access_token":"opaque","expires_in":"3600"`
			if c.members != "" {
				body += "," + c.members
			}
			token, err := oauth.ParseToken(answer(200, body+"}"))
			if err != nil || token.Access.Empty() || !reflect.DeepEqual(token.Context, c.want) {
				t.Errorf("%+v, %v", token.Context, err)
			}
		})
	}
	many := strings.TrimSuffix(strings.Repeat(`{"reference":"A/1"},`, 1000), ",")
	if token, err := oauth.ParseToken(answer(200, `{"access_token":"a","fhirContext":[`+many+`]}`)); err != nil || len(token.Context.References) != 32 {
		t.Errorf("a thousand references: %d, %v", len(token.Context.References), err)
	}
	if token, err := oauth.ParseToken(answer(200, `{"access_token":"a","patient":"p1","patient":"p2"}`)); !errors.Is(err, oauth.ErrMalformed) || token.Context.Patient != "" {
		t.Errorf("two patients: %v", err)
	}
}

// TestLaunchPatientThatCannotBeTold: a connection that was launched for somebody is never one that was launched for nobody.
// The refresh token is given all the same, to be revoked.
func TestLaunchPatientThatCannotBeTold(t *testing.T) {
	long := strings.Repeat("a", 65)
	for name, members := range map[string]string{
		"a patient that is a reference": `"patient":"Patient/1"`,
		"a patient that is a number":    `"patient":1,"encounter":"e"`,
		"a patient that is a path":      `"patient":"../../admin"`,
		"a patient of 65 characters":    `"patient":"` + long + `"`,
		"a patient with a line break":   `"patient":"a\nb"`,
		"a patient beyond ASCII":        `"patient":"é"`,
	} {
		t.Run(name, func(t *testing.T) {
			token, err := oauth.ParseToken(answer(200, `{"access_token":"a","refresh_token":"r",`+members+`}`))
			if !errors.Is(err, oauth.ErrMalformed) || token.Refresh.Reveal() != "r" || !token.Access.Empty() {
				t.Errorf("%v", err)
			}
		})
	}
}

// FuzzLaunchContext: nothing that stands beside a token costs it, and what is read fits a path, a header and a line.
func FuzzLaunchContext(f *testing.F) {
	for _, seed := range []string{`"a-195900.E-60178"`, `[{"reference":"A/1","role":"x"}]`, `true`, `null`, `{"system":"a","value":"b"}`, `"https://ehr.test/s?a=b"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if !json.Valid([]byte(value)) {
			return
		}
		for _, name := range []string{"patient", "encounter", "intent", "tenant", "need_patient_banner", "smart_style_url", "fhirContext"} {
			body := `{"access_token":"a","` + name + `":` + value + `}`
			token, err := oauth.ParseToken(oauth.Answer{Status: 200, Body: secret.New(body)})
			if err != nil && name != "patient" { // see TestLaunchPatientThatCannotBeTold
				if without, _ := oauth.ParseToken(oauth.Answer{Status: 200, Body: secret.New(`{"access_token":"a","x":` + value + `}`)}); !without.Access.Empty() {
					t.Fatalf("%s costs the token: %v", name, err)
				}
			}
			if err != nil {
				continue
			}
			k := token.Context
			all := []string{k.Patient, k.Encounter, k.Intent, k.Tenant, k.StyleURL, k.Banner}
			for _, r := range k.References {
				all = append(all, r.Reference, r.Canonical, r.Identifier, r.Type, r.Role)
			}
			for _, text := range all {
				if len(text) > 2048 || strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f || r == 0xfffd }) {
					t.Fatalf("%s: %q", name, text)
				}
			}
			if strings.ContainsAny(k.Patient+k.Encounter, "/ ?#%") {
				t.Fatalf("an id that is a path: %q", k.Patient+k.Encounter)
			}
		}
	})
}
