package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"locum/bff/sandbox"
)

// TestFHIR: each row is one request with one set of scopes for the first patient, and how it is answered; issue is the code
// of the OperationOutcome, count the resources of the Bundle on its first page.
func TestFHIR(t *testing.T) {
	const user, patient = "user/*.read user/Observation.write", "launch/patient patient/*.rs"
	rows := []struct {
		name, scopes, method, path string
		status                     int
		issue                      string
		count                      int
	}{
		{"read", user, "GET", "Patient/" + ada, 200, "", -1},
		{"read of another practice", user, "GET", "Patient/a-195901.E-70001", 403, "forbidden", -1},
		{"read of nobody", user, "GET", "Patient/a-195900.E-1", 404, "not-found", -1},
		{"unknown type", user, "GET", "Basic/1", 404, "not-supported", -1},
		{"no such interaction", user, "DELETE", "Patient/" + ada, 405, "not-supported", -1},
		{"search by name", user, "GET", "Patient?family=invent" + practice, 200, "", 1},
		{"search without ah-practice", user, "GET", "Patient?family=invent", 400, "invalid", -1},
		{"search in another practice", user, "GET", "Patient?family=e&ah-practice=Organization/a-1.Practice-195901", 400, "invalid", -1},
		{"global search", user, "GET", "Patient?" + practice[1:], 400, "forbidden", -1},
		{"global search of observations", user, "GET", "Observation?category=vital-signs" + practice, 400, "forbidden", -1},
		{"vital signs, the latest first", user, "GET", "Observation?patient=" + ada + "&category=vital-signs&_count=5" + practice, 200, "", 5},
		{"one kind of them", user, "GET", "Observation?patient=" + ada + "&code=http://loinc.org|85354-9" + practice, 200, "", 14},
		{"two kinds", user, "GET", "Observation?patient=" + ada + "&code=8867-4,85354-9&_count=100" + practice, 200, "", 28},
		{"none before", user, "GET", "Observation?patient=" + ada + "&date=lt1999-01-01" + practice, 200, "", 0},
		{"conditions", user, "GET", "Condition?patient=" + ada + practice, 200, "", 3},
		{"active ones", user, "GET", "Condition?patient=" + ada + "&clinical-status=active" + practice, 200, "", 2},
		{"medicines", user, "GET", "MedicationRequest?patient=Patient/" + ada + "&status=active" + practice, 200, "", 2},
		{"allergies", user, "GET", "AllergyIntolerance?patient=" + ada + practice, 200, "", 1},
		{"appointments", user, "GET", "Appointment?patient=" + ada + practice, 200, "", 2},
		{"encounters", user, "GET", "Encounter?patient=" + ada + practice, 200, "", 14},
		{"practitioners", user, "GET", "Practitioner?name=robin" + practice, 200, "", 1},
		{"a parameter that is none", user, "GET", "Patient?family=x&everything=1" + practice, 400, "not-supported", -1},
		{"v1 read is read and search", "user/Condition.read", "GET", "Condition?patient=" + ada + practice, 200, "", 3},
		{"v2 r is not s", "user/Condition.r", "GET", "Condition?patient=" + ada + practice, 403, "forbidden", -1},
		{"another type", "user/Condition.rs", "GET", "Patient/" + ada, 403, "forbidden", -1},
		{"v2 with a query", "user/Condition.rs?clinical-status=active", "GET", "Condition?patient=" + ada + practice, 200, "", 2},
		{"the launch patient", patient, "GET", "Patient/" + ada, 200, "", -1},
		{"another than the launch patient", patient, "GET", "Patient/a-195900.E-60179", 403, "forbidden", -1},
		{"a search for another", patient, "GET", "Observation?patient=a-195900.E-60179" + practice, 403, "forbidden", -1},
		{"a search that finds only them", patient, "GET", "Patient?name=e" + practice, 200, "", 1},
		{"a practitioner is no patient's", patient, "GET", "Practitioner/a-195900.Provider-12", 200, "", -1},
		{"a patient scope without a patient", "patient/*.rs", "GET", "Patient/" + ada, 403, "forbidden", -1},
	}
	g := newFace(t, true)
	tokens := map[string]any{}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			g := g.inTest(t)
			if tokens[row.scopes] == nil {
				tokens[row.scopes] = g.connect("client_secret_basic", sandbox.Choice{}, "scope", row.scopes)["access_token"]
			}
			got := g.call(row.method, row.path, tokens[row.scopes], "")
			equal(t, "status", got.StatusCode, row.status)
			equal(t, "type", got.Header.Get("Content-Type"), "application/fhir+json")
			equal(t, "issue", issueOf(got), row.issue)
			if row.count >= 0 {
				entries, _ := got.json["entry"].([]any)
				equal(t, "entries", len(entries), row.count)
			}
		})
	}
}

func issueOf(got reply) string {
	issues, _ := got.json["issue"].([]any)
	if len(issues) == 0 {
		return ""
	}
	first, _ := issues[0].(map[string]any)
	code, _ := first["code"].(string)
	return code
}

// linkOf is the address of a Bundle's link.
func linkOf(got reply, relation string) string {
	links, _ := got.json["link"].([]any)
	for _, one := range links {
		if link, _ := one.(map[string]any); link["relation"] == relation {
			text, _ := link["url"].(string)
			return text
		}
	}
	return ""
}

// TestFHIRPaging: the links of a search are absolute and lead through everything once.
func TestFHIRPaging(t *testing.T) {
	g := newFace(t, true)
	token := g.connect("client_secret_basic", sandbox.Choice{}, "scope", "user/Observation.rs")["access_token"]
	seen := map[string]bool{}
	at := "Observation?patient=" + ada + practice
	pages := 0
	for ; at != "" && pages < 20; pages++ {
		got := g.call("GET", at, token, "")
		equal(t, "status", got.StatusCode, 200)
		entries, _ := got.json["entry"].([]any)
		for _, one := range entries {
			entry, _ := one.(map[string]any)
			full, _ := entry["fullUrl"].(string)
			seen[full] = true
		}
		if at = linkOf(got, "next"); at != "" && !strings.HasPrefix(at, g.FHIRBase()+"/Observation?") {
			t.Fatalf("next is %s", at)
		}
	}
	equal(t, "pages", pages, 5)
	equal(t, "observations", len(seen), 84)
}

// TestFHIRHostile: what no honest server sends.
func TestFHIRHostile(t *testing.T) {
	g := newFace(t, true)
	token := g.connect("client_secret_basic", sandbox.Choice{}, "scope", "user/*.rs")["access_token"]
	g.HostileLink("https://evil.test/r4/Observation?x=1", 1)
	got := g.call("GET", "Condition?patient="+ada+practice, token, "")
	equal(t, "next", linkOf(got, "next"), "https://evil.test/r4/Observation?x=1")
	equal(t, "next, once", linkOf(g.call("GET", "Condition?patient="+ada+practice, token, ""), "next"), "")
	g.ForeignReference("https://evil.test/Patient/1", 1)
	got = g.call("GET", "Appointment?patient="+ada+practice, token, "")
	equal(t, "references", strings.Count(got.text, "https://evil.test/Patient/1"), 1)
	g.AlterFHIR(func(answer map[string]any) { answer["id"] = "other" }, 1)
	equal(t, "altered", g.call("GET", "Patient/"+ada, token, "").json["id"], any("other"))
	equal(t, "altered, once", g.call("GET", "Patient/"+ada, token, "").json["id"], any(ada))
	g.s.Fail(g.At("fhir/Patient"), 503, 1)
	equal(t, "outage", g.call("GET", "Patient/"+ada, token, "").StatusCode, 503)
	g.s.Fail(g.At("v1"), 500, 1)
	equal(t, "athenaOne is elsewhere", g.call("GET", "Patient/"+ada, token, "").StatusCode, 200)
	equal(t, "counted", g.s.Count(g.At("fhir/Patient")), 4)
}

// TestFHIRWrite: each request that arrives writes once.
func TestFHIRWrite(t *testing.T) {
	g := newFace(t, true)
	token := g.connect("client_secret_basic", sandbox.Choice{}, "scope", "launch/patient patient/Observation.cruds")["access_token"]
	body := map[string]any{"resourceType": "Observation", "status": "final", "subject": map[string]any{"reference": "Patient/" + ada},
		"code": map[string]any{"text": "Mood"}, "valueString": "good"}
	text := func() string { raw, _ := json.Marshal(body); return string(raw) }
	before := g.Held("Observation")
	made := g.call("POST", "Observation", token, text(), "Content-Type", "application/fhir+json")
	equal(t, "create", made.StatusCode, 201)
	id, _ := made.json["id"].(string)
	equal(t, "Location", made.Header.Get("Location"), g.FHIRBase()+"/Observation/"+id+"/_history/1")
	equal(t, "held", g.Held("Observation"), before+1)
	body["id"], body["valueString"] = id, "better"
	equal(t, "update", g.call("PUT", "Observation/"+id, token, text(), "Content-Type", "application/fhir+json", "If-Match", `W/"1"`).StatusCode, 200)
	equal(t, "update of the old one", g.call("PUT", "Observation/"+id, token, text(), "Content-Type", "application/fhir+json", "If-Match", `W/"1"`).StatusCode, 412)
	read := g.call("GET", "Observation/"+id, token, "")
	equal(t, "read", read.json["valueString"], any("better"))
	equal(t, "ETag", read.Header.Get("ETag"), `W/"2"`)
	body["subject"] = map[string]any{"reference": "Patient/a-195900.E-60179"}
	equal(t, "another patient's", g.call("POST", "Observation", token, text(), "Content-Type", "application/fhir+json").StatusCode, 403)
	equal(t, "a form", g.call("POST", "Observation", token, text(), "Content-Type", "application/x-www-form-urlencoded").StatusCode, 415)
	equal(t, "no Observation", g.call("POST", "Observation", token, `{"resourceType":"Patient"}`, "Content-Type", "application/json").StatusCode, 400)
	equal(t, "held at last", g.Held("Observation"), before+1)
}

// TestAthenaOne: the slice of athenahealth's own API, its shapes and its errors.
func TestAthenaOne(t *testing.T) {
	g := newFace(t, true)
	service := g.service("service", "athena/service/Athenanet.MDP.*").json["access_token"]
	user := g.connect("client_secret_basic", sandbox.Choice{}, "scope", "user/Patient.rs user/Appointment.rus")["access_token"]
	patient := g.connect("client_secret_basic", sandbox.Choice{}, "scope", "launch/patient patient/*.*")["access_token"]
	stranger := g.connect("client_secret_basic", sandbox.Choice{Login: alex}, "scope", "user/*.*")["access_token"]
	const form = "application/x-www-form-urlencoded"
	rows := []struct {
		name, method, path, body string
		token                    any
		status                   int
		want                     string // somewhere in the answer
	}{
		{"ping", "GET", "/v1/195900/ping", "", service, 200, `"pong":"true"`},
		{"no bearer", "GET", "/v1/195900/ping", "", nil, 401, "<h1>Developer Inactive</h1>"},
		{"a wrong bearer", "GET", "/v1/195900/ping", "", "x", 401, `"error":"Unauthorized"`},
		{"an unrouted path", "GET", "/v1/195900/nothing", "", service, 404, "Service not registered with API gateway.\n"},
		{"an unrouted root", "GET", "/.well-known/openid-configuration", "", nil, 404, "Service not registered with API gateway.\n"},
		{"another practice", "GET", "/v1/195901/ping", "", service, 403, "195901"},
		{"the other practice's own", "GET", "/v1/195901/ping", "", stranger, 200, "pong"},
		{"patients", "GET", "/v1/195900/patients?lastname=invent", "", service, 200, `"patientid":"60178"`},
		{"patients of everybody", "GET", "/v1/195900/patients", "", service, 400, `"missingfields":["lastname"]`},
		{"a page of patients", "GET", "/v1/195900/patients?dob=0&limit=1", "", user, 200, `"next":"/v1/195900/patients?dob=0\u0026limit=1\u0026offset=1"`},
		{"a patient", "GET", "/v1/195900/patients/60178", "", user, 200, `"dob":"04/09/1968"`},
		{"a patient of another practice", "GET", "/v1/195900/patients/70001", "", service, 404, "The Patient ID is invalid."},
		{"a patient's token", "GET", "/v1/195900/patients/60178", "", patient, 403, "scopes"},
		{"an update", "PUT", "/v1/195900/patients/60178", "homephone=555-9999&email=new%40example.test", service, 200, `"patientid":"60178"`},
		{"an update of what cannot be", "PUT", "/v1/195900/patients/60178", "ssn=1", service, 400, "The field ssn cannot be updated."},
		{"an update without the scope", "PUT", "/v1/195900/patients/60178", "homephone=1", user, 403, "scopes"},
		{"a new patient", "POST", "/v1/195900/patients", "firstname=New&lastname=Invented&dob=01%2F02%2F1990&departmentid=1", service, 200, `"patientid"`},
		{"half a patient", "POST", "/v1/195900/patients", "firstname=New", service, 400, `"missingfields":["lastname","dob","departmentid"]`},
		{"booked", "GET", "/v1/195900/appointments/booked?departmentid=1&startdate=01%2F01%2F2000&enddate=01%2F01%2F2100&patientid=60183", "", user, 200, `"totalcount":5`},
		{"booked without days", "GET", "/v1/195900/appointments/booked?departmentid=1", "", user, 400, `"missingfields":["startdate","enddate"]`},
		{"an appointment", "GET", "/v1/195900/appointments/6017890", "", user, 200, `"appointmentid":"6017890"`},
		{"a note", "POST", "/v1/195900/appointments/6017890/notes", "notetext=Bring+the+list", user, 200, `"success":true`},
		{"the notes", "GET", "/v1/195900/appointments/6017890/notes", "", user, 200, `"notetext":"Bring the list"`},
		{"an empty note", "POST", "/v1/195900/appointments/6017890/notes", "", user, 400, "missingfields"},
		{"a wrong method", "DELETE", "/v1/195900/patients/60178", "", service, 405, "not supported"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := g.inTest(t).call(row.method, row.path, row.token, row.body, "Content-Type", form)
			equal(t, "status", got.StatusCode, row.status)
			if !strings.Contains(got.text, row.want) {
				t.Errorf("answer %s lacks %s", got.text, row.want)
			}
		})
	}
	equal(t, "notes", strings.Join(g.Notes(), ","), "Bring the list")
	got := g.call("GET", "Patient/"+ada, user, "")
	if !strings.Contains(got.text, "new@example.test") {
		t.Errorf("FHIR does not know of the update: %s", got.text)
	}
	g.SetQuotaHeaders(true)
	g.SetAPILimit(sandbox.Limit{N: 1, Window: 24 * 3600e9})
	got = g.call("GET", "/v1/195900/ping", service, "")
	equal(t, "what is left", got.Header.Get("X-RateLimit-Remaining"), "0")
	equal(t, "one too many", g.call("GET", "Patient/"+ada, user, "").StatusCode, http.StatusTooManyRequests)
}

// TestFHIROnSMART: the other face has neither practices nor a ban on global searches.
func TestFHIROnSMART(t *testing.T) {
	g := newFace(t, false)
	if !strings.HasSuffix(g.FHIRBase(), "/sim/abc/fhir") || g.Issuer() != g.FHIRBase() || g.Practice() != "" {
		t.Errorf("base %s, issuer %s, practice %q", g.FHIRBase(), g.Issuer(), g.Practice())
	}
	answer := g.connect("none", sandbox.Choice{Patient: "pat-60179"}, "scope", "openid fhirUser launch/patient offline_access user/Patient.rs")
	equal(t, "patient", answer["patient"], any("pat-60179"))
	equal(t, "fhirUser", claimsOf(t, answer["id_token"])["fhirUser"], any(g.FHIRBase()+"/Practitioner/prac-11"))
	got := g.call("GET", "Patient", answer["access_token"], "")
	equal(t, "total", got.json["total"], any(7.0))
	equal(t, "posted search", g.call("POST", "Patient/_search", answer["access_token"], "name=gale", "Content-Type", "application/x-www-form-urlencoded").json["total"], any(1.0))
	equal(t, "scope is optional", g.renew("none", answer["refresh_token"], "").StatusCode, 200)
	equal(t, "iss of RFC 9207", g.approve(sandbox.Choice{}, "state", "x").Get("iss"), g.Issuer())
	equal(t, "no athenaOne", g.call("GET", "/v1/195900/ping", answer["access_token"], "").StatusCode, 404)
	equal(t, "no bearer", issueOf(g.call("GET", "Patient/pat-60178", "", "")), "login")
	service := g.service("service", "system/Patient.rs")
	equal(t, "expires_in", service.json["expires_in"], any(300.0))
	equal(t, "token_type", service.json["token_type"], any("bearer"))
	form, headers := g.as("client_secret_basic", url.Values{"token": {"x"}})
	equal(t, "introspection by POST", g.post(g.Endpoints().Introspect, form, headers...).json["active"], any(false))
	equal(t, "and not by GET", g.call("GET", g.Endpoints().Introspect+"?token=x", "", "", headers...).StatusCode, 405)
}
