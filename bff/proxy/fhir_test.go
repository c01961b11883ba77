package proxy_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"locum/bff/platform"
	"locum/bff/proxy"
)

// Paths of a FHIR API and of athenaOne, a patient of practice 195900, and scopes for all of it.
const (
	fhirPatient  = "/fhir/r4/Patient"
	fhirRecord   = "/fhir/r4/Observation"
	onePatients  = "/v1/195900/patients"
	ada          = "a-195900.E-60178"
	grace        = "a-195900.E-60179"
	everyFHIR    = "user/*.cruds"
	emptyBundle  = `{"resourceType":"Bundle","type":"searchset"}`
	observationA = `{"resourceType":"Observation","status":"final","subject":{"reference":"Patient/` + ada + `"}}`
)

func fhirReply(status int, body string) string {
	return reply(status, "Content-Type: application/fhir+json;charset=utf-8", body)
}

// athena is a rig before a fake athenahealth, whose answers are empty bundles.
func athena(t testing.TB, s setup) (*rig, *fake) {
	t.Helper()
	f := newFake(t, "127.0.0.1:7001")
	f.always(fhirReply(200, emptyBundle))
	s.kind, s.fakes = cmp.Or(s.kind, "athena"), []*fake{f}
	s.scopes = cmp.Or(s.scopes, everyFHIR)
	return newRig(t, s), f
}

func (r *rig) search(path, query string) *proxy.Request {
	q := r.request("GET", path)
	q.Query = query
	return q
}

func (r *rig) form(method, path, body string) *proxy.Request {
	q := r.request(method, path)
	q.ContentType, q.Body = "application/x-www-form-urlencoded", []byte(body)
	return q
}

// TestT075FHIRRequest: the platform sees these lines and no others, of a FHIR call and of athenaOne's.
func TestT075FHIRRequest(t *testing.T) {
	r, f := athena(t, setup{})
	always := []string{"Host: 127.0.0.1:7001", "Authorization: Bearer " + token(0), "Accept-Encoding: identity", "User-Agent: Locum"}
	const fhir, plain, own = "Accept: application/fhir+json", "Accept: application/json", "ah-practice=Organization%2Fa-1.Practice-195900"
	versioned := r.write("PUT", fhirRecord+"/o1", observationA)
	versioned.IfMatch, versioned.ContentType = `W/"3"`, "application/fhir+json"
	typed := r.search(fhirPatient+"/"+ada, "")
	typed.AcceptLanguage, typed.IfNoneMatch = "fr-CA", `W/"1"`
	for _, c := range []struct {
		name, line string
		request    *proxy.Request
		more       []string
		body       string
	}{
		{"read", "GET " + fhirPatient + "/" + ada, typed, []string{fhir, "Accept-Language: fr-CA", `If-None-Match: W/"1"`}, ""},
		{"search", "GET " + fhirRecord + "?patient=" + ada + "&" + own, r.search(fhirRecord, "patient="+ada), []string{fhir}, ""},
		{"search without a query", "GET " + fhirRecord + "?" + own, r.search(fhirRecord, ""), []string{fhir}, ""},
		{"the practice as the caller has it", "GET " + fhirRecord + "?code=x&" + own, r.search(fhirRecord, own+"&code=x"), []string{fhir}, ""},
		{"twice the same parameter", "GET " + fhirRecord + "?date=ge2026-01-01&date=lt2026-02-01&" + own, r.search(fhirRecord, "date=ge2026-01-01&date=lt2026-02-01"), []string{fhir}, ""},
		{"create", "POST " + fhirRecord, r.write("POST", fhirRecord, observationA), []string{fhir, "Content-Type: application/fhir+json", "Prefer: return=representation"}, observationA},
		{"update", "PUT " + fhirRecord + "/o1", versioned, []string{fhir, "Content-Type: application/fhir+json", "Prefer: return=representation", `If-Match: W/"3"`}, observationA},
		{"athenaOne", "GET " + onePatients + "/60178", r.search(onePatients+"/60178", ""), []string{plain}, ""},
		{"athenaOne, form", "PUT " + onePatients + "/60178", r.form("PUT", onePatients+"/60178", "email=a%40b.example&address1=1+Main%20St"),
			[]string{plain, "Content-Type: application/x-www-form-urlencoded"}, "email=a%40b.example&address1=1%20Main%20St"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.always(jsonReply(200, emptyBundle))
			r.mustDo(c.request)
			headers := append(slices.Clone(always), c.more...)
			if c.body != "" {
				headers = append(headers, fmt.Sprint("Content-Length: ", len(c.body)))
			}
			wantRequest(t, f.last(t), c.line+" HTTP/1.1", headers, c.body)
		})
	}
}

// TestFHIRRefusedLocally: what is no call of this clinic's leaves nothing but a record, and costs no permit.
func TestFHIRRefusedLocally(t *testing.T) {
	r, f := athena(t, setup{})
	edit := func(q *proxy.Request, change func(*proxy.Request)) *proxy.Request {
		change(q)
		return q
	}
	form := func(body string) *proxy.Request { return r.form("PUT", onePatients+"/60178", body) }
	many := strings.Repeat("x", 65)
	var fields []string
	for i := range 201 {
		fields = append(fields, fmt.Sprint("f", i, "="))
	}
	for _, c := range []struct {
		name    string
		request *proxy.Request
		code    string
		reason  string
	}{
		{"T081 another practice in the path", r.search("/v1/195901/patients/1", ""), "clinic_mismatch", ""},
		{"T081 a practice that is not configured", r.search("/v1/1/patients/1", ""), "clinic_mismatch", ""},
		{"T081 another practice to search", r.search(fhirRecord, "ah-practice=Organization/a-1.Practice-195901"), "clinic_mismatch", ""},
		{"T081 another practice, encoded", r.search(fhirRecord, "%61h-practice=x"), "clinic_mismatch", ""},
		{"T081 a record of another practice", r.search(fhirPatient+"/a-195901.E-1", ""), "clinic_mismatch", ""},
		{"T081 a patient of another practice", r.search(fhirRecord, "patient=a-195901.E-1"), "clinic_mismatch", ""},
		{"T081 one of several patients", r.search(fhirRecord, "patient="+ada+",Patient/a-195901.E-1"), "clinic_mismatch", ""},
		{"T081 a body about another practice's patient", r.write("POST", fhirRecord, `{"resourceType":"Observation","subject":{"reference":"Patient/a-195901.E-1"}}`), "clinic_mismatch", ""},
		{"T081 a path of another connection in a body", r.write("POST", fhirRecord, `{"resourceType":"Observation","subject":{"reference":"/proxy/v1/c1/fhir/r4/Patient/x"}}`), "clinic_mismatch", ""},
		{"a body of another type", r.write("POST", fhirRecord, `{"resourceType":"Patient"}`), "bad_request", "body"},
		{"a body of no type", r.write("POST", fhirRecord, `{}`), "bad_request", "body"},
		{"a list", r.write("POST", fhirRecord, `[]`), "bad_request", "body"},
		{"no JSON", r.write("POST", fhirRecord, `{"resourceType":"Observation",}`), "bad_request", "body"},
		{"two documents", r.write("POST", fhirRecord, observationA+observationA), "bad_request", "body"},
		{"bad UTF-8", r.write("POST", fhirRecord, `{"resourceType":"Observation","x":"`+"\xff"+`"}`), "bad_request", "body"},
		{"too deep", r.write("POST", fhirRecord, `{"resourceType":"Observation","x":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`}`), "bad_request", "body"},
		{"nothing to create", r.write("POST", fhirRecord, ""), "bad_request", "body"},
		{"a form to create", r.form("POST", fhirRecord, "a=b"), "unsupported_media", ""},
		{"a search with a body", edit(r.search(fhirRecord, ""), func(q *proxy.Request) { q.Body, q.ContentType = []byte("{}"), "application/json" }), "bad_request", "body"},
		{"JSON where a form is due", r.write("PUT", onePatients+"/60178", "{}"), "unsupported_media", ""},
		{"a form in another charset", edit(form("a=b"), func(q *proxy.Request) { q.ContentType += "; charset=utf-16" }), "unsupported_media", ""},
		{"a field twice", form("a=1&a=2"), "bad_request", "form"},
		{"a field twice, in another case", form("a=1&A=2"), "bad_request", "form"},
		{"a field without a name", form("=1"), "bad_request", "form"},
		{"a field with a strange name", form("a%5B%5D=1"), "bad_request", "form"},
		{"a field with a long name", form(many + "=1"), "bad_request", "form"},
		{"an empty pair", form("a=1&"), "bad_request", "form"},
		{"broken encoding", form("a=%zz"), "bad_request", "form"},
		{"a control character", form("a=%00"), "bad_request", "form"},
		{"bad UTF-8 in a form", form("a=%ff"), "bad_request", "form"},
		{"a value too long", form("a=" + strings.Repeat("x", 33<<10)), "bad_request", "form"},
		{"too many fields", form(strings.Join(fields, "&")), "bad_request", "form"},
		{"If-Match where nothing looks at it", edit(form("a=b"), func(q *proxy.Request) { q.IfMatch = `W/"1"` }), "bad_request", "if_match"},
		{"If-Match that is no header", edit(r.write("PUT", fhirRecord+"/o1", observationA), func(q *proxy.Request) { q.IfMatch = "a\r\nb" }), "bad_request", "if_match"},
		{"a page that nobody signed", r.search(fhirRecord, "cursor=x&locum-link=aAAAAAAAAAAAAAAAAAAAAAA"), "bad_request", "link"},
		{"a page without a signature", r.search(fhirRecord, "locum-link="), "bad_request", "link"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := r.do(c.request)
			if own := wantCode(t, err, c.code); own.Params["reason"] != c.reason {
				t.Errorf("reason %q, want %q", own.Params["reason"], c.reason)
			}
		})
	}
	t.Run("a form with a query", func(t *testing.T) {
		var refused *platform.QueryError
		q := form("a=b")
		q.Query = "limit=1"
		if _, err := r.do(q); !errors.As(err, &refused) {
			t.Error(err)
		}
	})
	if clinic, _ := r.proxy.Budgets("athena", f.origin+"/v1/195900"); len(f.seen()) != 0 || clinic.Remaining != clinic.Limit {
		t.Errorf("%d requests, budget %+v", len(f.seen()), clinic)
	}
}

// TestT081PracticesOfOneHost: two practices at one origin share the dialler and nothing else: neither a token nor a budget.
func TestT081PracticesOfOneHost(t *testing.T) {
	r, f := athena(t, setup{})
	second := r.search("/v1/195901/patients/1", "")
	second.Connection = "c1"
	r.mustDo(r.search(fhirRecord, ""))
	r.mustDo(second)
	for i, want := range []string{"195900", "195901"} {
		if seen := f.seen()[i]; !strings.Contains(seen, token(i)+"\r\n") || !strings.Contains(seen, want) || strings.Contains(seen, token(1-i)) {
			t.Errorf("request %d: %q", i, seen)
		}
		if clinic, _ := r.proxy.Budgets("athena", f.origin+"/v1/"+want); clinic.Limit-clinic.Remaining != 1 {
			t.Errorf("%s: %+v", want, clinic)
		}
	}
	if r.proxy.Clinics() != 2 || r.proxy.Lines() != 2 {
		t.Errorf("%d clinics, %d connections to them", r.proxy.Clinics(), r.proxy.Lines())
	}
}

// TestT035MissingFHIRScope: scopes of version 1 and 2 are compared by what they allow.
func TestT035MissingFHIRScope(t *testing.T) {
	for _, c := range []struct {
		scopes string
		codes  [4]string // search, read, create, update of Observation
	}{
		{"user/Observation.read", [4]string{"", "", "scope_missing", "scope_missing"}},
		{"patient/Observation.rs", [4]string{"", "", "scope_missing", "scope_missing"}},
		{"user/Observation.s user/Observation.c", [4]string{"", "scope_missing", "", "scope_missing"}},
		{"user/*.write", [4]string{"scope_missing", "scope_missing", "", ""}},
		{"user/Patient.cruds", [4]string{"scope_missing", "scope_missing", "scope_missing", "scope_missing"}},
	} {
		r, f := athena(t, setup{scopes: c.scopes})
		f.always(fhirReply(200, observationA))
		for i, q := range []*proxy.Request{r.search(fhirRecord, ""), r.search(fhirRecord+"/o1", ""), r.write("POST", fhirRecord, observationA), r.write("PUT", fhirRecord+"/o1", observationA)} {
			_, err := r.do(q)
			if c.codes[i] == "" {
				must(t, err)
			} else {
				wantCode(t, err, c.codes[i])
			}
		}
	}
}
