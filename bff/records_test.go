package bff_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"locum/bff"
	"locum/bff/config"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/shared"
)

// write sends a body to a platform as the app does, with headers of its own.
func (b browser) write(method, path, contentType, body string, more ...[2]string) answer {
	b.t.Helper()
	header := [][2]string{b.cookies(), {"Origin", b.origin}, {"Sec-Fetch-Site", "same-origin"}, {shared.HeaderClient, shared.ClientApp}, {"Content-Type", contentType}}
	return b.do(request{method, path, append(header, more...), body})
}

// wantProblem checks a problem's status, code and reason.
func wantProblem(t *testing.T, a answer, status int, code shared.Code, reason string) {
	t.Helper()
	var p shared.Problem
	must(t, json.Unmarshal(a.body, &p))
	if a.status != status || p.Code != code || p.Params["reason"] != reason {
		t.Errorf("got %d %s %v, want %d %s %s", a.status, p.Code, p.Params, status, code, reason)
	}
}

// pages follows a search to its end and gives the ids it found.
func (b browser) pages(path string) (ids []string, pages int) {
	b.t.Helper()
	for path != "" && pages < 50 {
		a := b.read(path)
		if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/fhir+json" {
			b.t.Fatalf("%s: %d %s %s", path, a.status, a.header.Get("Content-Type"), a.body)
		}
		var bundle struct {
			Link  []struct{ Relation, URL string }
			Entry []struct{ Resource struct{ ID string } }
		}
		must(b.t, json.Unmarshal(a.body, &bundle))
		for _, e := range bundle.Entry {
			ids = append(ids, e.Resource.ID)
		}
		pages, path = pages+1, ""
		for _, l := range bundle.Link {
			if l.Relation == "next" {
				path = l.URL // as it stands: that is the contract
			}
		}
	}
	return ids, pages
}

// TestRecordsOfALaunchedPatient: over HTTP, from the launch to the record: pages, the patient and no other, refusals in a
// problem with its own status, an update of a version, the style.
func TestRecordsOfALaunchedPatient(t *testing.T) {
	b := openEHR(t, ehrOptions{app: func(c *platform.AppConfig) {
		c.LaunchScopes = []string{"patient/*.read", "patient/Observation.write", "user/Practitioner.read"}
	}})
	one := b.linked(loginOne, "athena", "robin@example.test")
	patient := b.athena.Patients()[0].ID
	_, outcome := b.launched(&one, "athena", sandbox.Launch{Login: "robin@example.test", Patient: patient})
	if outcome.Code != shared.OutcomeConnected {
		t.Fatalf("outcome is %+v", outcome)
	}
	at := shared.PathProxy + "/" + outcome.Connection + "/fhir/r4"

	ids, pages := one.pages(at + "/Observation?patient=" + patient + "&_count=25")
	once := slices.Clone(ids)
	slices.Sort(once)
	if pages < 2 || len(slices.Compact(once)) != len(ids) {
		t.Errorf("%d observations on %d pages: %v", len(ids), pages, ids)
	}
	other := b.athena.Patients()[1].ID
	wantProblem(t, one.read(at+"/Patient/"+other), 403, shared.CodeWrongPatient, "")
	wantProblem(t, one.read(at+"/Observation?patient="+other), 403, shared.CodeWrongPatient, "")
	wantProblem(t, one.read(at+"/Patient?name=a"), 403, shared.CodeWrongPatient, "")
	wantProblem(t, one.read(at+"/Observation/nobody-s"), 404, shared.CodeCallRefused, "not_found")
	wantProblem(t, one.read(at+"/Observation?patient="+patient+"&locum-link=x"), 400, shared.CodeBadRequest, "link")
	wantProblem(t, one.read(shared.PathProxy+"/"+outcome.Connection+"/v1/195901/patients/1"), 403, shared.CodeClinicMismatch, "")

	body := `{"resourceType":"Observation","status":"final","code":{"text":"Pulse"},"subject":{"reference":"Patient/` + patient + `"}}`
	a := one.write("POST", at+"/Observation", "application/fhir+json", body)
	var made struct{ ID string }
	must(t, json.Unmarshal(a.body, &made))
	if a.status != http.StatusCreated || made.ID == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	read := one.read(at + "/Observation/" + made.ID)
	version := [2]string{"If-Match", read.header.Get("ETag")}
	path, change := at+"/Observation/"+made.ID, strings.Replace(string(read.body), "Pulse", "Pulse at rest", 1)
	wantProblem(t, one.write("PUT", path, "application/fhir+json", change, version, version), 400, shared.CodeBadRequest, "if_match")
	if a := one.write("PUT", path, "application/fhir+json", change, version); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	wantProblem(t, one.write("PUT", path, "application/fhir+json", change, version), 412, shared.CodeCallRefused, "changed")

	notes := shared.PathProxy + "/" + outcome.Connection + "/v1/195900/patients/60178"
	const form = "application/x-www-form-urlencoded"
	wantProblem(t, one.write("PUT", notes, form, "email=a"), 403, shared.CodeScopeMissing, "")
	wantProblem(t, one.write("PUT", notes, "text/plain", "email=a"), 403, shared.CodeForbidden, "")
	wantProblem(t, b.do(request{"PUT", notes, [][2]string{one.cookies(), {"Content-Type", form}, {shared.HeaderClient, shared.ClientApp}, {"Sec-Fetch-Site", "same-origin"}}, "a=b"}),
		403, shared.CodeForbidden, "")
	wantProblem(t, b.do(request{"PUT", notes, [][2]string{one.cookies(), {"Content-Type", form}, {"Origin", b.origin}, {"Sec-Fetch-Site", "same-origin"}}, "a=b"}),
		403, shared.CodeForbidden, "")
	wantProblem(t, b.do(request{"PUT", path, [][2]string{one.cookies(), {"Content-Type", "application/fhir+json"}, {"Origin", b.origin}}, body}), 403, shared.CodeForbidden, "")
	jane := one.connect("jane", 0, "robin@example.test")
	for _, media := range []string{form, "application/fhir+json"} {
		wantProblem(t, one.write("POST", shared.PathProxy+"/"+jane+"/api/2026-01-01/medical-record/observations", media, "{}"), 403, shared.CodeForbidden, "")
		wantProblem(t, one.write("POST", shared.PathProxy+"/"+strings.Repeat("a", 26)+"/api/2026-01-01/medical-record/observations", media, "{}"), 404, shared.CodeNotFound, "")
	}

	style := decoded[shared.Style](t, one.read(shared.PathConnections+"/"+outcome.Connection+"/style"))
	if !strings.HasPrefix(style.Values["color_text"], "#") || len(style.Values["color_background"]) != 7 {
		t.Errorf("style %v", style)
	}
	two := b.signIn(loginTwo)
	wantProblem(t, two.read(shared.PathConnections+"/"+outcome.Connection+"/style"), 404, shared.CodeNotFound, "")
	wantProblem(t, two.read(at+"/Patient/"+patient), 404, shared.CodeNotFound, "")
}

// TestServicesAreForAdministrators: a service answers the administrator and is unknown to everybody else.
func TestServicesAreForAdministrators(t *testing.T) {
	b := openEHR(t, ehrOptions{
		app: func(c *platform.AppConfig) {
			if c.ID == "athena" {
				c.Service = &platform.Service{ClientID: "machine", Name: "Machine", Scopes: []string{"athena/service/Athenanet.MDP.*"},
					Operations: []string{"athena.ping", "athena.patients.read"}}
			}
		},
		change: func(cfg *config.Config, _ *bff.Options) { cfg.Administrators = []string{loginOne} },
	})
	machine, err := b.athena.Register(sandbox.App{ID: "machine", Service: true})
	must(t, err)
	must(t, b.server.SetServiceSecret("athena", secret.New(machine.Secret)))
	one, two := b.signIn(loginOne), b.signIn(loginTwo)
	at := shared.PathProxy + "/service.athena/v1/195900"
	if a := one.read(at + "/ping"); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := one.read(at + "/patients/60178"); a.status != http.StatusOK || !strings.Contains(string(a.body), "60178") {
		t.Errorf("%d %s", a.status, a.body)
	}
	wantProblem(t, one.read(at+"/appointments/1"), 404, shared.CodeNotFound, "")
	wantProblem(t, one.read(shared.PathProxy+"/service.athena/v1/195901/ping"), 403, shared.CodeClinicMismatch, "")
	wantProblem(t, two.read(at+"/ping"), 404, shared.CodeNotFound, "")
	wantProblem(t, two.read(at+"/appointments/1"), 404, shared.CodeNotFound, "")
	wantProblem(t, two.read(shared.PathProxy+"/service.jane/v1/195900/ping"), 404, shared.CodeNotFound, "")
}
