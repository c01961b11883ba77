package config_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"locum/bff/config"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/throttle"
)

// goodApps states every key of the kinds with SMART scopes, none at its default.
const goodApps = `public_url: https://locum.example.org
administrators: [" Maya@Harbour.ca ", sam]
embedded: {frame_ancestors: ["https://preview.athenahealth.com", "https://ehr.example:8443"]}
platforms:
  - id: athena
    kind: athenahealth
    name: Practice
    base: http://127.0.0.1:7103
    issuer: https://athena.okta.test/oauth2/aus1
    client_id: 0oa1
    auth: {method: private_key_jwt, algorithm: ES384, audience: issuer, jwks_cache: 1h}
    id_token_algorithms: [RS256, ES384]
    practices: [{id: 195900, name: North}, {id: 195901}]
    scopes: [openid, offline_access, user/Patient.rs]
    more_scopes: [user/Observation.cu]
    launch: {scopes: [patient/*.read]}
    standalone: [launch/patient, launch/encounter]
    introspection: GET
    service:
      name: Nightly
      client_id: 0oa2
      auth: {method: client_secret_basic, encoding: raw}
      scopes: ["athena/service/Athenanet.MDP.*"]
      operations: [athena.ping]
    limits: {endpoint: {requests: 7, window: 2s}, clinic: {requests: 9, window: 3s}}
    refresh: {rotation: leeway, leeway: 30s, window: 720h, per_minute: 30}
    on_disconnect: forget
  - id: ehr
    kind: smart
    fhir_base: https://ehr.example/tenant/fhir
    issuer: https://ehr.example/auth
    client_id: locum
    auth: {method: none}
    launch: {enabled: false}
    standalone: []
    send_scope: true
    metadata_since: 2026-11-20T14:00:00Z
`

func TestEveryKeyOfApps(t *testing.T) {
	c, err := config.Parse("locum.yaml", []byte(goodApps))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Administrators, []string{"maya@harbour.ca", "sam"}) ||
		!slices.Equal(c.Embedded.FrameAncestors, []string{"https://preview.athenahealth.com", "https://ehr.example:8443"}) {
		t.Errorf("%v %v", c.Administrators, c.Embedded)
	}
	p := c.Platforms[0]
	if p.Auth != (oauth.Auth{Method: oauth.AuthKey, Algorithm: "ES384", Audience: oauth.AudienceIssuer}) || p.JWKSCache != time.Hour ||
		p.KeysURI != "https://locum.example.org/connect/athena/jwks.json" || p.LaunchURI != "https://locum.example.org/connect/athena/launch" {
		t.Errorf("%+v %s %s %s", p.Auth, p.JWKSCache, p.KeysURI, p.LaunchURI)
	}
	if p.Name != "Practice" || p.FHIRBase != "http://127.0.0.1:7103/fhir/r4" || p.Server.Issuer != "https://athena.okta.test/oauth2/aus1" ||
		p.Server.IntrospectionMethod != "GET" || !slices.Equal(p.IDAlgorithms, []string{"RS256", "ES384"}) || p.Ending != platform.EndingForget {
		t.Errorf("%+v", p)
	}
	if !slices.Equal(p.Scopes, []string{"offline_access", "user/Patient.rs"}) || !slices.Equal(p.MoreScopes, []string{"user/Observation.cu"}) ||
		!slices.Equal(p.LaunchScopes, []string{"patient/*.read"}) || !slices.Equal(p.Standalone, []string{"launch/patient", "launch/encounter"}) {
		t.Errorf("%v %v %v %v", p.Scopes, p.MoreScopes, p.LaunchScopes, p.Standalone)
	}
	if !reflect.DeepEqual(p.Service, &platform.Service{ClientID: "0oa2", Name: "Nightly", Auth: oauth.Auth{Method: oauth.AuthBasic, RawBasic: true},
		Scopes: []string{"athena/service/Athenanet.MDP.*"}, Operations: []string{"athena.ping"}}) {
		t.Errorf("%+v", p.Service)
	}
	if len(p.Clinics) != 2 || p.Clinics[0] != (platform.ClinicLink{Name: "North", URL: "http://127.0.0.1:7103/v1/195900"}) || p.Clinics[1].Name != "Practice 195901" {
		t.Errorf("%v", p.Clinics)
	}
	if p.Limits != (throttle.Limits{Endpoint: throttle.Limit{N: 7, Window: 2 * time.Second}, Clinic: throttle.Limit{N: 9, Window: 3 * time.Second}}) ||
		p.Refresh != (platform.RefreshPolicy{Kind: platform.KindRotating, Leeway: 30 * time.Second, Window: 720 * time.Hour, PerMinute: 30}) {
		t.Errorf("%+v %+v", p.Limits, p.Refresh)
	}
	s := c.Platforms[1]
	if s.Auth != (oauth.Auth{Method: oauth.AuthNone}) || s.Launch || s.LaunchURI != "" || s.KeysURI != "" || len(s.Standalone) != 0 || !s.SendScope ||
		s.FHIRBase != "https://ehr.example/tenant/fhir" || s.Server.Issuer != "https://ehr.example/auth" || !s.MetadataSince.Equal(time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", s)
	}
}

// TestExampleShowsTheDefaultsOfApps: what the example states for the new kinds is what leaving it out gives.
func TestExampleShowsTheDefaultsOfApps(t *testing.T) {
	full, err := config.Parse("locum.yaml", config.Example())
	if err != nil {
		t.Fatal(err)
	}
	short, err := config.Parse("locum.yaml", []byte(`public_url: https://locum.example.org
platforms:
  - {id: athena-preview, name: athenahealth (preview), kind: athenahealth, environment: preview, issuer: "https://athena.okta.com/oauth2/your-preview-issuer", client_id: your-preview-client-id, practices: [{id: 195900, name: Sandbox practice}]}
  - {id: ehr, name: Harbour EHR, kind: smart, issuer: "https://ehr.example.org/fhir/r4", client_id: your-smart-client-id}
`))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range short.Platforms {
		shown := *full.Platforms[2+2*i]
		shown.Refresh.KeepAlive = "" // always, which "" stands for
		shown.IDAlgorithms = nil     // RS256 alone, which none stands for
		shown.Server.Issuer = p.Server.Issuer
		if len(shown.MoreScopes) != 0 || shown.MoreScopes == nil && p.MoreScopes != nil {
			t.Errorf("%s: more scopes %v", p.ID, shown.MoreScopes)
		}
		shown.MoreScopes = p.MoreScopes
		if !reflect.DeepEqual(&shown, p) {
			t.Errorf("%s: the example says\n%+v\nthe default is\n%+v", p.ID, &shown, p)
		}
	}
}

// goodAthena is a minimal file for athenahealth; each case below replaces or adds lines.
const goodAthena = `public_url: https://locum.example.org
platforms:
  - id: athena
    kind: athenahealth
    environment: production
    client_id: 0oa1
    practices:
      - id: 195900
`

func TestFindingsOfApps(t *testing.T) {
	smart := func(more string) string {
		return "public_url: https://locum.example.org\nplatforms:\n  - id: ehr\n    kind: smart\n    client_id: x\n" + more
	}
	service := "    service:\n      client_id: 0oa2\n      scopes: [system/Patient.rs]\n      operations: [fhir.Patient.read]\n"
	for _, c := range []struct{ name, text, finding string }{
		{"a key of jane", goodAthena + "    clinic_domains: [a.b]\n", "9 platforms[0].clinic_domains: it belongs to kind jane"},
		{"a key of athenahealth", smart("    environment: preview\n    fhir_base: https://ehr.example\n"), "6 platforms[0].environment: it belongs to kind athenahealth"},
		{"a key of smart", good + "    fhir_base: https://ehr.example\n", "7 platforms[0].fhir_base: it belongs to kind smart"},
		{"a key of both others", good + "    auth: {method: none}\n", "7 platforms[0].auth: it belongs to kind athenahealth and smart"},
		{"a key of nobody", goodAthena + "    practises: []\n", "9 platforms[0].practises: did you mean practices?"},
		{"inline secret", goodAthena + "    client_secret: hunter2\n", "9 platforms[0].client_secret: `locum secret set athena`"},
		{"inline secret below auth", goodAthena + "    auth: {secret: hunter2}\n", "9 platforms[0].auth.secret: `locum secret set athena`"},
		{"inline secret of the service", goodAthena + service + "      client_secret: hunter2\n", "13 platforms[0].service.client_secret: `locum secret set athena --service`"},
		{"no environment", strings.Replace(goodAthena, "    environment: production\n", "", 1), "3 platforms[0].environment: preview or production"},
		{"another environment", strings.Replace(goodAthena, "production", "staging", 1), "5 platforms[0].environment: preview or production"},
		{"preview without issuer", strings.Replace(goodAthena, "production", "preview", 1), "3 platforms[0].issuer: api.preview.platform.athenahealth.com/fhir/r4/.well-known/smart-configuration"},
		{"practice by name", strings.Replace(goodAthena, "id: 195900", "id: north", 1), "7 platforms[0].practices: 195900"},
		{"method unknown", goodAthena + "    auth: {method: client_secret_jwt}\n", "9 platforms[0].auth.method: client_secret_basic, client_secret_post, private_key_jwt, none"},
		{"encoding of a posted secret", goodAthena + "    auth:\n      method: client_secret_post\n      encoding: form\n", "11 platforms[0].auth.encoding: belongs to method: client_secret_basic"},
		{"raw with keys", goodAthena + "    auth:\n      method: private_key_jwt\n      encoding: raw\n", "11 platforms[0].auth.encoding: belongs to method: client_secret_basic"},
		{"audience of a secret", goodAthena + "    auth: {audience: issuer}\n", "9 platforms[0].auth.audience: belongs to method: private_key_jwt"},
		{"algorithm of none", goodAthena + "    auth: {method: none, algorithm: RS384}\n", "9 platforms[0].auth.algorithm: belongs to method: private_key_jwt"},
		{"another algorithm", goodAthena + "    auth: {method: private_key_jwt, algorithm: PS256}\n", "9 platforms[0].auth.algorithm: RS256, RS384, ES384"},
		{"another audience", goodAthena + "    auth: {method: private_key_jwt, audience: me}\n", "9 platforms[0].auth.audience: token_endpoint or issuer"},
		{"cache without keys", goodAthena + "    auth: {jwks_cache: 1h}\n", "9 platforms[0].auth.jwks_cache: belongs to method: private_key_jwt"},
		{"cache of days", goodAthena + "    auth: {method: private_key_jwt, jwks_cache: 72h}\n", "9 platforms[0].auth.jwks_cache: from 1m to 48h"},
		{"GET and a posted secret", goodAthena + "    auth: {method: client_secret_post}\n    introspection: GET\n", "10 platforms[0].introspection: no body to post the secret in"},
		{"service by none", goodAthena + service + "      auth: {method: none}\n", "13 platforms[0].service.auth.method: needs an authenticated client"},
		{"service of the same client", goodAthena + strings.Replace(service, "0oa2", "0oa1", 1), "10 platforms[0].service.client_id: an application and credentials each"},
		{"service without scopes", goodAthena + strings.Replace(service, "[system/Patient.rs]", "[]", 1), "11 platforms[0].service.scopes: at least one scope"},
		{"service of an unknown operation", goodAthena + strings.Replace(service, "fhir.Patient.read", "fhir.Patient.delete", 1), "12 platforms[0].service.operations: is no operation; there are fhir.Patient.search"},
		{"launch among the scopes", goodAthena + "    scopes: [launch]\n", "9 platforms[0].scopes: leave launch out"},
		{"letters out of order", goodAthena + "    scopes: [user/Patient.sr]\n", "9 platforms[0].scopes: letters in the order cruds"},
		{"another type", goodAthena + "    launch:\n      scopes: [patient/Claim.read]\n", "10 platforms[0].launch.scopes: it uses Patient, Practitioner"},
		{"scopes of no launch", goodAthena + "    launch:\n      enabled: false\n      scopes: [patient/Patient.read]\n", "11 platforms[0].launch.scopes: or write enabled: true"},
		{"another context", goodAthena + "    standalone: [launch/location]\n", "9 platforms[0].standalone: launch/patient, launch/encounter"},
		{"HS256", goodAthena + "    id_token_algorithms: [HS256]\n", "9 platforms[0].id_token_algorithms: RS256, RS384, ES384"},
		{"introspection by PUT", goodAthena + "    introspection: PUT\n", "9 platforms[0].introspection: GET, POST"},
		{"end_session", goodAthena + "    on_disconnect: end_session\n", "9 platforms[0].on_disconnect: revoke, forget"},
		{"rotation of Keycloak", goodAthena + "    refresh: {rotation: strict}\n", "9 platforms[0].refresh.rotation: learn, static or leeway"},
		{"a window of minutes", goodAthena + "    refresh: {window: 1m}\n", "9 platforms[0].refresh.window: from 10m"},
		{"a window of Jane's", good + "    refresh: {window: 24h}\n", "7 platforms[0].refresh.window: known here"},
		{"no base", smart(""), "3 platforms[0].fhir_base: exact FHIR base URL"},
		{"a base with a slash", smart("    fhir_base: https://ehr.example/fhir/\n"), "6 platforms[0].fhir_base: no slash"},
		{"no day", smart("    fhir_base: https://ehr.example\n    metadata_since: yesterday\n"), "7 platforms[0].metadata_since: such as 2026-11-22"},
		{"a day to come", smart("    fhir_base: https://ehr.example\n    metadata_since: 2999-01-01\n"), "7 platforms[0].metadata_since: in the future"},
		{"a wildcard ancestor", goodAthena + "embedded:\n  frame_ancestors:\n    - https://*.athenahealth.com\n", "11 embedded.frame_ancestors[0]: a wildcard lets every host"},
		{"an ancestor with a path", goodAthena + "embedded: {frame_ancestors: [\"https://a.example/app\"]}\n", "9 embedded.frame_ancestors[0]: nothing else"},
		{"an ancestor in plain http", goodAthena + "embedded: {frame_ancestors: [\"http://a.example\"]}\n", "9 embedded.frame_ancestors[0]: nothing else"},
		{"nobody embeds", goodAthena + "embedded: {frame_ancestors: []}\n", "9 embedded: names nobody"},
		{"embedded in plain http", strings.Replace(goodAthena, "https://locum.example.org", "http://localhost:8080", 1) + "embedded: {frame_ancestors: [\"https://a.example\"]}\n", "9 embedded: in plain http"},
		{"an ancestor on this machine", goodAthena + "embedded: {frame_ancestors: [\"http://127.0.0.1:9\"]}\n", "9 embedded: in plain http"},
		{"embedded and no launch", goodAthena + "    launch: {enabled: false}\nembedded: {frame_ancestors: [\"https://a.example\"]}\n", "10 embedded: no platform here is launched"},
		{"an administrator twice", goodAthena + "administrators: [maya, MAYA]\n", "9 administrators[1]: stands twice"},
		{"everyone an administrator", goodAthena + "administrators: [\"*\"]\n", "9 administrators[0]: login of an account"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.Parse("dir/locum.yaml", []byte(c.text))
			var faults *config.Error
			if !errors.As(err, &faults) {
				t.Fatalf("no finding: %v", err)
			}
			where, what, _ := strings.Cut(c.finding, ": ")
			at, path, _ := strings.Cut(where, " ")
			if f := faults.Findings[0]; len(faults.Findings) != 1 || fmt.Sprint(f.Line) != at || f.Path != path || !strings.Contains(f.Cause+": "+f.Fix, what) || f.Code == "" {
				t.Errorf("want %s, found\n%v", c.finding, err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

func TestSheetOfApps(t *testing.T) {
	c, err := config.Parse("locum.yaml", []byte(strings.Replace(goodApps, "{method: client_secret_basic, encoding: raw}", "{method: private_key_jwt}", 1)))
	if err != nil {
		t.Fatal(err)
	}
	sheet := c.RegistrationSheet()
	for _, want := range []string{
		"FHIR base URL     http://127.0.0.1:7103/fhir/r4", "practices         195900 195901", "redirect URI      https://locum.example.org/connect/athena/callback",
		"launch URL        https://locum.example.org/connect/athena/launch", "authentication    private_key_jwt (ES384)",
		"JWKS URL          https://locum.example.org/connect/athena/jwks.json", "client id         0oa1",
		"scopes            openid fhirUser offline_access user/Patient.rs launch/patient launch/encounter", "launch scopes     openid fhirUser launch patient/*.read",
		"2-legged client   0oa2", "its way in        private_key_jwt (RS256)", "its scopes        athena/service/Athenanet.MDP.*", "authentication    none",
	} {
		if !strings.Contains(sheet, want) {
			t.Errorf("the registration sheet lacks %s:\n%s", want, sheet)
		}
	}
	if strings.Contains(sheet, "logout told to") {
		t.Errorf("it asks for what is not used:\n%s", sheet)
	}
}
