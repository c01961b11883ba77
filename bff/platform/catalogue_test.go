package platform_test

import (
	"errors"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"locum/bff/platform"
)

func TestCatalogueRows(t *testing.T) {
	p := mustJane(t)
	ids, requests := map[string]bool{}, map[string]bool{}
	idForm, classForm := regexp.MustCompile(`^[a-z]+[A-Za-z]*$`), regexp.MustCompile(`^[a-z_]+$`)
	scopeForm := regexp.MustCompile(`^[a-z_]+:(read|create|update|delete)$`)
	for _, o := range p.Operations {
		if ids[o.ID] || !idForm.MatchString(o.ID) {
			t.Errorf("id %q", o.ID)
		}
		request := o.Method + " " + template(o.FullPath())
		if requests[request] {
			t.Errorf("%s: %s stands twice", o.ID, request)
		}
		ids[o.ID], requests[request] = true, true
		if !classForm.MatchString(o.Class) {
			t.Errorf("%s: class %q", o.ID, o.Class)
		}
		if o.Scope != "" && !scopeForm.MatchString(o.Scope) || o.Scope == "" && !strings.Contains(o.Class, "extensions") {
			t.Errorf("%s: scope %q", o.ID, o.Scope)
		}
		if o.Write != (o.Method != "GET" && o.ID != "searchPatients") {
			t.Errorf("%s: write is %v", o.ID, o.Write)
		}
		if names := regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(o.Path, -1); len(names) > 0 {
			if last := names[len(names)-1][1]; o.RecordParam != last {
				t.Errorf("%s: record %q, want the last of %v", o.ID, o.RecordParam, names)
			}
		} else if o.RecordParam != "" {
			t.Errorf("%s: record %q", o.ID, o.RecordParam)
		}
		if slices.Contains(o.Params, "") || len(slices.Compact(slices.Sorted(slices.Values(o.Params)))) != len(o.Params) {
			t.Errorf("%s: params %v", o.ID, o.Params)
		}
	}
	for _, path := range []string{"treatments", "appointments", "locations", "disciplines", "patients", "staff_members", "company", "medical-record/observations"} {
		if !requests["GET /api/2025-02-28-beta/"+path] {
			t.Errorf("the guide's %s has no row", path)
		}
	}
}

// template is a path template with its names taken out, which the reference chooses differently from row to row.
func template(path string) string { return regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "{}") }

// documented is one operation of Jane's OpenAPI document.
type documented struct {
	scopes, params []string
	multipart      bool
}

const openAPI = "../../../shared/platforms/data/jane-openapi.yaml"

// TestCatalogueAgainstOpenAPI compares the table with Jane's own document where that is at hand.
func TestCatalogueAgainstOpenAPI(t *testing.T) {
	data, err := os.ReadFile(openAPI)
	if err != nil {
		t.Skip("no OpenAPI document at hand")
	}
	operations := readOpenAPI(string(data))
	if len(operations) != 43 {
		t.Fatalf("read %d operations, the document has 43", len(operations))
	}
	for _, o := range mustJane(t).Operations {
		request := o.Method + " " + template(o.FullPath())
		want, ok := operations[request]
		if !ok {
			if !strings.HasSuffix(o.ID, "Beta") {
				t.Errorf("%s: %s is not documented", o.ID, request)
			}
			continue
		}
		delete(operations, request)
		if got := o.Scope; !slices.Equal(want.scopes, strings.Fields(got)) {
			t.Errorf("%s: scope %q, documented %v", o.ID, got, want.scopes)
		}
		if got := slices.Sorted(slices.Values(o.Params)); !slices.Equal(got, want.params) {
			t.Errorf("%s: params\n%v, documented\n%v", o.ID, got, want.params)
		}
		if o.Multipart != want.multipart {
			t.Errorf("%s: multipart %v", o.ID, o.Multipart)
		}
	}
	for request := range maps.Keys(operations) {
		t.Errorf("documented, but without a row: %s", request)
	}
}

// readOpenAPI reads the few things that the test needs from the document's regular layout, line by line.
func readOpenAPI(text string) map[string]documented {
	pathLine := regexp.MustCompile(`^  (/api/\S+):$`)
	methodLine := regexp.MustCompile(`^    (get|put|post|patch|delete):$`)
	scopeLine := regexp.MustCompile(`^        - (\w+:\w+)$`)
	nameLine := regexp.MustCompile(`^      - name: (\S+)$`)
	refLine := regexp.MustCompile(`^      - \$ref: '#/components/parameters/page_(\w+)'$`)
	filterLine := regexp.MustCompile(`^          \$ref: '#/components/schemas/(String|DateTime|Id)FilterSchema'$`)
	operators := map[string][]string{
		"String": {"eq", "ne", "co", "gt", "gte", "lt", "lte", "sw"}, "DateTime": {"eq", "ne", "gt", "gte", "lt", "lte"}, "Id": {"eq"},
	}
	all := map[string]documented{}
	path, request, name := "", "", ""
	for line := range strings.SplitSeq(text, "\n") {
		if m := pathLine.FindStringSubmatch(line); m != nil {
			path, request = m[1], ""
			continue
		}
		if m := methodLine.FindStringSubmatch(line); m != nil && path != "" {
			request = strings.ToUpper(m[1]) + " " + template(path)
			all[request] = documented{}
			continue
		}
		if !strings.HasPrefix(line, "  ") && line != "" {
			path, request = "", "" // components
		}
		if request == "" {
			continue
		}
		o := all[request]
		switch {
		case scopeLine.MatchString(line):
			o.scopes = append(o.scopes, scopeLine.FindStringSubmatch(line)[1])
		case refLine.MatchString(line):
			o.params = append(o.params, "page["+refLine.FindStringSubmatch(line)[1]+"]")
		case nameLine.MatchString(line):
			name = nameLine.FindStringSubmatch(line)[1]
		case line == "        in: query":
			o.params = append(o.params, name)
		case filterLine.MatchString(line):
			o.params = slices.DeleteFunc(o.params, func(p string) bool { return p == name })
			for _, operator := range operators[filterLine.FindStringSubmatch(line)[1]] {
				o.params = append(o.params, name+"["+operator+"]")
			}
		case strings.TrimSpace(line) == "multipart/form-data:":
			o.multipart = true
		}
		slices.Sort(o.params)
		all[request] = o
	}
	return all
}

func TestMatch(t *testing.T) {
	p := mustJane(t)
	const id = "019d8e34-8307-7b0e-b6c2-5d03ca0bfb37"
	for _, c := range []struct{ name, method, path, want, record string }{
		{"list", "GET", "/api/2026-01-01/appointments", "listAppointments", ""},
		{"get", "GET", "/api/2026-01-01/appointments/" + id, "getAppointment", id},
		{"single resource", "GET", "/api/2026-01-01/company", "getCompany", ""},
		{"a search is no patient", "POST", "/api/2026-01-01/patients/search", "searchPatients", ""},
		{"a get of the search is no patient either", "GET", "/api/2026-01-01/patients/search", "allow POST", ""},
		{"create", "POST", "/api/2026-01-01/medical-record/observations", "createObservation", ""},
		{"update", "PATCH", "/api/2026-01-01/medical-record/observations/" + id, "updateObservation", id},
		{"inner record", "GET", "/api/2026-01-01/medical-record/care-plans/a/activities/b", "getCarePlanActivity", "b"},
		{"outer record", "POST", "/api/2026-01-01/medical-record/care-plans/a/activities", "createCarePlanActivity", "a"},
		{"beta", "GET", "/api/2025-02-28-beta/medical-record/observations/" + id, "getObservationBeta", id},
		{"beta only", "DELETE", "/api/2025-02-28-beta/extensions/7", "deleteExtension", "7"},
		{"T072 delete of a patient", "DELETE", "/api/2026-01-01/patients/" + id, "allow GET", ""},
		{"T072 create of an appointment", "POST", "/api/2026-01-01/appointments", "allow GET", ""},
		{"T072 head", "HEAD", "/api/2026-01-01/patients", "allow GET", ""},
		{"T072 lower case", "get", "/api/2026-01-01/patients", "allow GET", ""},
		{"T072 trace", "TRACE", "/api/2026-01-01/medical-record/observations", "allow GET POST", ""},
		{"T072 another version", "GET", "/api/2026-01-02/patients", "", ""},
		{"T072 no version", "GET", "/api/patients", "", ""},
		{"T072 stable path under beta", "GET", "/api/2025-02-28-beta/webhooks", "", ""},
		{"T072 deeper", "GET", "/api/2026-01-01/patients/a/b", "", ""},
		{"T072 another API", "GET", "/admin/api/v2/patients", "", ""},
		{"T072 root", "GET", "/", "", ""},
		{"T072 id of 65 characters", "GET", "/api/2026-01-01/patients/" + strings.Repeat("a", 65), "", ""},
		{"T072 id with a dollar", "GET", "/api/2026-01-01/patients/$everything", "", ""},
		{"T072 id with a colon", "GET", "/api/2026-01-01/patients/a:b", "", ""},
		{"T072 case of a segment", "GET", "/api/2026-01-01/Patients", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, err := platform.ParsePath(c.path)
			if err != nil {
				t.Fatal(err)
			}
			call, err := p.Match(c.method, path)
			got := ""
			var wrong *platform.MethodError
			switch {
			case errors.As(err, &wrong):
				got = "allow " + strings.Join(wrong.Allow, " ")
			case err == nil:
				got = call.ID
				if call.Path != c.path {
					t.Errorf("path %s", call.Path)
				}
			case !errors.Is(err, platform.ErrNoOperation):
				t.Fatal(err)
			}
			if got != c.want || call.Record != c.record {
				t.Errorf("%q, record %q, %v", got, call.Record, err)
			}
			bare := platform.Platform{Operations: p.Operations}
			if again, errAgain := bare.Match(c.method, path); again.Operation != call.Operation && again.ID != call.ID || (err == nil) != (errAgain == nil) {
				t.Errorf("without an index: %v, %v", again, errAgain)
			}
		})
	}
	if _, err := p.Match("GET", platform.Path{}); !errors.Is(err, platform.ErrNoOperation) {
		t.Errorf("the zero path: %v", err)
	}
}

func TestQuery(t *testing.T) {
	p := mustJane(t)
	operation := func(id string) *platform.Operation {
		i := slices.IndexFunc(p.Operations, func(o platform.Operation) bool { return o.ID == id })
		return &p.Operations[i]
	}
	for _, c := range []struct{ name, id, raw, want, param string }{
		{"none", "listAppointments", "", "", ""},
		{"a day", "listAppointments", "start_at[gte]=2026-11-22T00:00:00-05:00&start_at[lt]=2026-11-23T00:00:00-05:00&sort=start_at",
			"sort=start_at&start_at%5Bgte%5D=2026-11-22T00%3A00%3A00-05%3A00&start_at%5Blt%5D=2026-11-23T00%3A00%3A00-05%3A00", ""},
		{"encoded already", "listAppointments", "page%5Blimit%5D=50&patient_id%5Beq%5D=a%2Cb", "page%5Blimit%5D=50&patient_id%5Beq%5D=a%2Cb", ""},
		{"a space", "listPatients", "public_id[sw]=a+b%20c", "public_id%5Bsw%5D=a%20b%20c", ""},
		{"an ampersand in a value", "listPatients", "public_id[eq]=a%26sort%3Db", "public_id%5Beq%5D=a%26sort%3Db", ""},
		{"no value", "listPatients", "sort", "sort=", ""},
		{"T072 unknown parameter", "listAppointments", "include=everything", "!", ""},
		{"T072 operator that the field lacks", "listAppointments", "patient_id[gt]=a", "!", ""},
		{"T072 parameter of another operation", "getPatient", "sort=a", "!", ""},
		{"T072 other case", "listAppointments", "Sort=a", "!", ""},
		{"T072 twice", "listAppointments", "sort=a&sort=b", "!", "sort"},
		{"T072 twice, once encoded", "listAppointments", "sort=a&%73ort=b", "!", "sort"},
		{"T072 empty pair", "listAppointments", "sort=a&", "!", ""},
		{"T072 semicolon", "listAppointments", "sort=a;page[limit]=1", "!", "sort"},
		{"T072 fragment", "listAppointments", "sort=a#b", "!", "sort"},
		{"T072 CRLF", "listAppointments", "sort=a%0d%0aX:y", "!", "sort"},
		{"T072 bad UTF-8", "listAppointments", "sort=%ff", "!", "sort"},
		{"T072 broken encoding", "listAppointments", "sort=%zz", "!", "sort"},
		{"T072 broken encoding in a name", "listAppointments", "%zz=1", "!", ""},
		{"T072 endless value", "listAppointments", "sort=" + strings.Repeat("a", 3000), "!", "sort"},
		{"T072 endless query", "listAppointments", "sort=" + strings.Repeat("a", 5000), "!", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := operation(c.id).Query(c.raw)
			if c.want == "!" {
				var refusal *platform.QueryError
				if !errors.As(err, &refusal) || refusal.Param != c.param || refusal.Reason == "" {
					t.Errorf("%q, %v", got, err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("%q, %v", got, err)
			}
			if values, err := url.ParseQuery(got); err != nil || len(values) != strings.Count(got, "=") {
				t.Errorf("reads back as %v, %v", values, err)
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	p := mustJane(b)
	path, err := platform.ParsePath("/api/2026-01-01/medical-record/observations/019d8e34-8307-7b0e-b6c2-5d03ca0bfb37")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := p.Match("GET", path); err != nil {
			b.Fatal(err)
		}
	}
}
