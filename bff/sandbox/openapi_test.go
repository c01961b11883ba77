package sandbox_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"locum/bff/sandbox"
)

// reference is Jane's own description of its API, where it is at hand.
const reference = "../../../shared/platforms/data/jane-openapi.yaml"

// spec is an OpenAPI document as plain maps.
type spec struct {
	root map[string]any
}

func readSpec(t *testing.T) *spec {
	t.Helper()
	root, err := parsedReference()
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("Jane's OpenAPI description is not at %s: nothing to compare with", reference)
	}
	must(t, err)
	return &spec{root}
}

// parsedReference reads the description once: no test changes it.
var parsedReference = sync.OnceValues(func() (root map[string]any, err error) {
	raw, err := os.ReadFile(reference)
	if err == nil {
		err = yaml.Unmarshal(raw, &root)
	}
	return root, err
})

// dig walks down maps; nil when something is missing.
func dig(v any, names ...string) any {
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// resolve follows a $ref.
func (s *spec) resolve(schema map[string]any) map[string]any {
	ref, ok := schema["$ref"].(string)
	if !ok {
		return schema
	}
	found, _ := dig(s.root, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...).(map[string]any)
	return found
}

// check lists where value departs from schema. It is stricter than JSON
// Schema: a property that the schema does not name is a fault even where the
// schema is silent about others.
func (s *spec) check(schema map[string]any, value any, at string) (wrong []string) {
	schema = s.resolve(schema)
	if !hasType(schema["type"], value) {
		return []string{fmt.Sprintf("%s: %v is no %v", at, value, schema["type"])}
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, value) {
		wrong = append(wrong, fmt.Sprintf("%s: %v is none of %v", at, value, enum))
	}
	switch v := value.(type) {
	case string:
		if problem := checkText(schema, v); problem != "" {
			wrong = append(wrong, fmt.Sprintf("%s: %q %s", at, v, problem))
		}
	case []any:
		inner, _ := schema["items"].(map[string]any)
		for i, item := range v {
			wrong = append(wrong, s.check(inner, item, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case map[string]any:
		wrong = append(wrong, s.checkObject(schema, v, at)...)
	}
	return wrong
}

func (s *spec) checkObject(schema map[string]any, v map[string]any, at string) (wrong []string) {
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			wrong = append(wrong, at+": "+name.(string)+" is missing")
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	if len(properties) == 0 {
		return wrong // an object without a description
	}
	for name, item := range v {
		inner, ok := properties[name].(map[string]any)
		if !ok {
			wrong = append(wrong, at+": "+name+" is not described")
			continue
		}
		wrong = append(wrong, s.check(inner, item, at+"."+name)...)
	}
	return wrong
}

func hasType(want any, value any) bool {
	if list, ok := want.([]any); ok {
		return slices.ContainsFunc(list, func(one any) bool { return hasType(one, value) })
	}
	switch v := value.(type) {
	case nil:
		return want == "null"
	case string:
		return want == "string"
	case bool:
		return want == "boolean"
	case json.Number:
		_, err := v.Int64()
		return want == "number" || want == "integer" && err == nil
	case []any:
		return want == "array"
	default:
		return want == "object"
	}
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func checkText(schema map[string]any, v string) string {
	var err error
	switch schema["format"] {
	case "uuid":
		if !uuidForm.MatchString(v) {
			return "is no UUID"
		}
	case "date-time":
		_, err = time.Parse(time.RFC3339, v)
	case "date":
		_, err = time.Parse(time.DateOnly, v)
	case "email":
		_, err = mail.ParseAddress(v)
	case "uri":
		_, err = url.ParseRequestURI(v)
	}
	if err != nil {
		return err.Error()
	}
	if pattern, ok := schema["pattern"].(string); ok && !compiled(pattern).MatchString(v) {
		return "does not match " + pattern
	}
	return ""
}

var patterns sync.Map // of the reference, by their text

func compiled(pattern string) *regexp.Regexp {
	found, ok := patterns.Load(pattern)
	if !ok {
		found, _ = patterns.LoadOrStore(pattern, regexp.MustCompile(pattern))
	}
	return found.(*regexp.Regexp)
}

// judge compares one answer with what the operation documents for its status.
func (s *spec) judge(t *testing.T, method, template string, got answer) {
	t.Helper()
	responses, _ := dig(s.root, "paths", template, strings.ToLower(method), "responses").(map[string]any)
	documented, ok := responses[fmt.Sprint(got.status)].(map[string]any)
	if !ok {
		if got.status != http.StatusUnauthorized && got.status != http.StatusForbidden && got.status != http.StatusUnsupportedMediaType &&
			got.status != http.StatusTooManyRequests {
			t.Errorf("%s %s: status %d is not documented: %s", method, template, got.status, got.raw)
		}
		return
	}
	schema, _ := dig(documented, "content", "application/json", "schema").(map[string]any)
	if schema == nil {
		if got.raw != "" {
			t.Errorf("%s %s %d: a body where none is documented: %s", method, template, got.status, got.raw)
		}
		return
	}
	d := json.NewDecoder(strings.NewReader(got.raw))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		t.Errorf("%s %s %d: %v in %q", method, template, got.status, err, got.raw)
		return
	}
	wrong := s.check(schema, value, "answer")
	for _, w := range wrong[:min(5, len(wrong))] {
		t.Errorf("%s %s %d: %s", method, template, got.status, w)
	}
}

// operation is one method of one path template of the reference.
type operation struct{ method, template string }

func (s *spec) operations() (all []operation) {
	paths, _ := s.root["paths"].(map[string]any)
	for template, methods := range paths {
		for method := range methods.(map[string]any) {
			all = append(all, operation{strings.ToUpper(method), template})
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.template+a.method, b.template+b.method) })
	return all
}

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

// fill puts an id into each placeholder of a template.
func fill(template, id string) string { return placeholder.ReplaceAllString(template, id) }

// TestEveryOperationAnswersAsDocumented sends each operation of the reference
// in several ways and compares every answer with the documented schema.
func TestEveryOperationAnswersAsDocumented(t *testing.T) {
	t.Parallel()
	s := readSpec(t)
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	poor := *a
	poor.signIn("alex@example.test", "openid")
	operations := s.operations()
	if len(operations) != 43 {
		t.Errorf("the reference has %d operations, 43 are known", len(operations))
	}
	for _, op := range operations {
		body := ""
		if op.method != "GET" && op.method != "DELETE" {
			body = `{"data":{}}`
		}
		kind := with("Accept", "application/json")
		if strings.HasSuffix(op.template, "/document-uploads") {
			kind = with("Content-Type", "multipart/form-data; boundary=x")
		}
		for _, id := range []string{noID, "1"} {
			got := a.send(op.method, fill(op.template, id), body, kind)
			if got.status == 405 || got.status >= 500 || (got.status == 404 && !strings.Contains(op.template, "{")) {
				t.Errorf("%s %s: status %d", op.method, op.template, got.status)
			}
			s.judge(t, op.method, op.template, got)
		}
		path := fill(op.template, noID)
		if got := a.send(op.method, path, body, kind, without("Authorization")); got.status != 401 {
			t.Errorf("%s %s without a token: status %d", op.method, op.template, got.status)
		} else {
			s.judge(t, op.method, op.template, got)
		}
		if got := poor.send(op.method, path, body, kind); got.status != 403 && strings.HasPrefix(op.template, version) {
			t.Errorf("%s %s without scopes: status %d", op.method, op.template, got.status)
		} else {
			s.judge(t, op.method, op.template, got)
		}
		if op.method == "GET" && op.template != "/api/2026-01-01/webhooks" && !strings.Contains(op.template, "2025-02-28-beta") &&
			!strings.Contains(op.template, "{") {
			got := a.send("GET", path+"?nonsense[eq]=1", "")
			if got.status != 400 {
				t.Errorf("GET %s with an unknown filter: status %d", op.template, got.status)
			}
			if !strings.HasSuffix(op.template, "/medications") { // documents no 400
				s.judge(t, op.method, op.template, got)
			}
		}
	}
}

// TestScopesAreTheDocumentedOnes withdraws each operation's documented scope.
func TestScopesAreTheDocumentedOnes(t *testing.T) {
	t.Parallel()
	s := readSpec(t)
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	tokens := map[string]string{} // by scope
	for _, op := range s.operations() {
		security, _ := dig(s.root, "paths", op.template, strings.ToLower(op.method), "security").([]any)
		if len(security) == 0 {
			continue
		}
		scopes, _ := dig(security[0], "OAuth2").([]any)
		if len(scopes) != 1 {
			continue
		}
		scope := scopes[0].(string)
		only := *a
		if only.token = tokens[scope]; only.token == "" {
			only.signIn("robin@example.test", scope)
			tokens[scope] = only.token
		}
		kind := with("Accept", "application/json")
		if strings.HasSuffix(op.template, "/document-uploads") {
			kind = with("Content-Type", "multipart/form-data; boundary=x")
		}
		got := only.send(op.method, fill(op.template, noID), `{"data":{}}`, kind)
		if got.status == 401 || got.status == 403 && op.template != "/api/2026-01-01/webhooks" {
			t.Errorf("%s %s with %s: status %d", op.method, op.template, scopes[0], got.status)
		}
	}
}

// TestRecordsObeyTheReference reads every record of both clinics, each alone
// and in its list, and writes some, and compares with the schemas.
func TestRecordsObeyTheReference(t *testing.T) {
	t.Parallel()
	s := readSpec(t)
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	for i := range a.s.Clinics() {
		clinic := a.at(i)
		for list, member := range map[string]string{
			"appointments": "{appointment_id}", "patients": "{patient_id}", "staff_members": "{staff_member_id}", "treatments": "{id}",
			"disciplines": "{discipline_id}", "locations": "{location_id}", "medical-record/observations": "{observation_id}",
		} {
			all := clinic.send("GET", version+list+"?page[limit]=1000", "")
			s.judge(t, "GET", version+list, all)
			s.judge(t, "GET", version+list, clinic.send("GET", version+list+"?page[limit]=1", ""))
			found := items(all.body)
			for n := 0; n < len(found); n += 1 + len(found)/20 {
				got := clinic.send("GET", version+list+"/"+found[n]["id"].(string), "")
				if got.status != 200 {
					t.Errorf("%s: status %d", list, got.status)
				}
				s.judge(t, "GET", version+list+"/"+member, got)
			}
		}
		s.judge(t, "GET", version+"company", clinic.send("GET", version+"company", ""))
		s.judge(t, "POST", version+"patients/search", clinic.send("POST", version+"patients/search", `{"search":{"co":"a"},"page":{"limit":3}}`))
		patient := items(clinic.get("patients"))[0]["id"].(string)
		made := clinic.send("POST", observationsPath, `{"data":{"patient_id":"`+patient+`","category":"laboratory"}}`)
		s.judge(t, "POST", observationsPath, made)
		template := observationsPath + "/{observation_id}"
		s.judge(t, "PATCH", template, clinic.send("PATCH", observationsPath+"/"+made.body["id"].(string), `{"data":{"note":"x"}}`))
		s.judge(t, "PATCH", template, clinic.send("PATCH", observationsPath+"/"+made.body["id"].(string), `{"data":{"issued_at":"x"}}`))
	}
	a.s.SetLimits(sandbox.Limits{Endpoint: sandbox.Limit{N: 1, Window: time.Hour}})
	for range 2 {
		if got := a.send("GET", version+"locations", ""); got.status == 429 {
			s.judge(t, "GET", version+"locations", got)
		}
	}
}

// TestTheComparisonFindsFaults keeps the tests above honest.
func TestTheComparisonFindsFaults(t *testing.T) {
	s := readSpec(t)
	patients, _ := dig(s.root, "components", "schemas", "patient-2").(map[string]any)
	for body, fault := range map[string]string{
		`{"id":"` + noID + `"}`:                                    "",
		`{}`:                                                       "missing",
		`{"id":"1"}`:                                               "UUID",
		`{"id":"` + noID + `","status":"well"}`:                    "none of",
		`{"id":"` + noID + `","shoe_size":1}`:                      "not described",
		`{"id":"` + noID + `","do_not_email":"no"}`:                "is no boolean",
		`{"id":"` + noID + `","date_of_birth":"1.2.1990"}`:         "parsing",
		`{"id":"` + noID + `","country":"Canada"}`:                 "match",
		`{"id":"` + noID + `","phone_numbers":[{"number":"1"}]}`:   "missing",
		`{"id":"` + noID + `","first_name":null}`:                  "is no string",
		`{"id":"` + noID + `","deep_links":{"profile":{"app":1}}}`: "not described",
	} {
		d := json.NewDecoder(strings.NewReader(body))
		d.UseNumber()
		var value any
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		wrong := strings.Join(s.check(patients, value, "patient"), "; ")
		if (fault == "") != (wrong == "") || !strings.Contains(wrong, fault) {
			t.Errorf("%s: found %q, want %q", body, wrong, fault)
		}
	}
}
