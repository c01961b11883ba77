package sandbox_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"locum/bff/sandbox"
)

func sum256(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

func TestPaging(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	for _, path := range []string{"patients", "appointments", "medical-record/observations", "treatments"} {
		t.Run(path, func(t *testing.T) {
			whole := a.all(path, "page[limit]=1000")
			small := a.all(path, fmt.Sprintf("page[limit]=%d", 1+len(whole)/20))
			if ids(whole) != ids(small) || len(whole) < 8 {
				t.Errorf("%d items in one way, %d in the other", len(whole), len(small))
			}
			seen := map[any]bool{}
			for _, item := range whole {
				if seen[item["id"]] {
					t.Errorf("%v twice", item["id"])
				}
				seen[item["id"]] = true
			}
		})
	}
}

// TestPagesFollowLinks follows links.after as it stands and keeps the filters.
func TestPagesFollowLinks(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	staff := items(a.get("staff_members"))[0]["id"].(string)
	query := "staff_member_id[eq]=" + staff + "&sort=-start_at"
	want := ids(a.all("appointments", query))
	next, got := version+"appointments?page[limit]=9&"+query, []map[string]any{}
	for next != "" {
		page := a.send("GET", next, "")
		if page.status != 200 || page.body["limit"].(interface{ String() string }).String() != "9" {
			t.Fatalf("%s: status %d, limit %v", next, page.status, page.body["limit"])
		}
		got = append(got, items(page.body)...)
		next, _ = page.body["links"].(map[string]any)["after"].(string)
		if (next == "") == page.body["hasNextPage"].(bool) || (next == "") != (page.body["cursor"] == nil) {
			t.Fatalf("after %q, hasNextPage %v, cursor %v disagree", next, page.body["hasNextPage"], page.body["cursor"])
		}
	}
	if ids(got) != want {
		t.Error("links lead to other items than cursors")
	}
}

func TestPageRefusals(t *testing.T) {
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	cursor := url.QueryEscape(a.get("patients?page[limit]=5")["cursor"].(string))
	other := a.at(1)
	for _, c := range []struct {
		name, path string
		from       *api
		status     int
	}{
		{"cursor", "patients?page[cursor]=" + cursor, a, 200},
		{"limit with a sign", "patients?page[limit]=%2B5", a, 400},
		{"limit with a zero before", "patients?page[limit]=05", a, 400},
		{"cursor with another limit", "patients?page[limit]=2&page[cursor]=" + cursor, a, 200},
		{"cursor with another sort", "patients?sort=-created_at&page[cursor]=" + cursor, a, 400},
		{"cursor of another list", "staff_members?page[cursor]=" + cursor, a, 400},
		{"cursor of another clinic", "patients?page[cursor]=" + cursor, other, 400},
		{"cursor with a filter added", "patients?public_id[sw]=a&page[cursor]=" + cursor, a, 400},
		{"cursor cut", "patients?page[cursor]=" + cursor[:len(cursor)/2], a, 400},
		{"no cursor", "patients?page[cursor]=", a, 400},
		{"not Base64", "patients?page[cursor]=%00%00", a, 400},
		{"Base64 of something else", "patients?page[cursor]=eyJwYWdlIjozLCJzaXplIjo1fQ==", a, 400},
		{"limit 0", "patients?page[limit]=0", a, 400},
		{"limit below 0", "patients?page[limit]=-5", a, 400},
		{"limit 1001", "patients?page[limit]=1001", a, 400},
		{"limit 1000", "patients?page[limit]=1000", a, 200},
		{"limit in words", "patients?page[limit]=ten", a, 400},
		{"parameter twice", "patients?page[limit]=5&page[limit]=5", a, 400},
		{"parameter unknown", "patients?limit=5", a, 400},
		{"token in the query", "patients?access_token=" + a.token, a, 400},
		{"broken escape", "patients?sort=%zz", a, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.from.send("GET", version+c.path, ""); got.status != c.status {
				t.Errorf("status %d %s; want %d", got.status, got.raw, c.status)
			}
		})
	}
}

func TestPageLimitOfTheServer(t *testing.T) {
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	whole := ids(a.all("patients", ""))
	a.s.SetPageLimit(6)
	first := a.get("patients?page[limit]=50")
	if len(items(first)) != 6 || first["limit"].(interface{ String() string }).String() != "6" {
		t.Errorf("%d items, limit %v", len(items(first)), first["limit"])
	}
	if got := ids(a.all("patients", "page[limit]=50")); got != whole {
		t.Error("a smaller page loses items")
	}
}

func TestSort(t *testing.T) {
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	names := func(sort string) string {
		var out []string
		for _, item := range a.all("treatments", "sort="+sort) {
			out = append(out, item["name"].(string))
		}
		return strings.Join(out, ", ")
	}
	up := strings.Split(names("name"), ", ")
	if !slices.IsSorted(up) {
		t.Errorf("not sorted: %v", up)
	}
	slices.Reverse(up)
	if got := names("-name"); got != strings.Join(up, ", ") {
		t.Errorf("-name gives %v", got)
	}
	if got := names("price,-name"); !strings.HasPrefix(got, "Active Rehab, Physiotherapy: Follow-up, Acupuncture, Massage: 45") {
		t.Errorf("price,-name gives %v", got)
	}
	for _, bad := range []string{"", "price,", "nonsense", "-", "name,name", "--name", "description"} {
		if got := a.send("GET", version+"treatments?sort="+bad, ""); got.status != 400 {
			t.Errorf("sort=%s: status %d", bad, got.status)
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	visits := a.all("appointments", "page[limit]=500")
	middle := visits[len(visits)/2]
	start, id := middle["start_at"].(string), middle["id"].(string)
	field := func(name string, want any) func(map[string]any) bool {
		return func(v map[string]any) bool { return v[name] == want }
	}
	before := func(v map[string]any) bool { return v["start_at"].(string) < start }
	for _, c := range []struct {
		name, query string
		keep        func(map[string]any) bool
	}{
		{"eq", "public_id[eq]=" + id, field("id", id)},
		{"eq of two", "public_id[eq]=" + id + "," + visits[0]["id"].(string), func(v map[string]any) bool { return v["id"] == id || v["id"] == visits[0]["id"] }},
		{"ne", "public_id[ne]=" + id, func(v map[string]any) bool { return v["id"] != id }},
		{"sw", "public_id[sw]=" + id[:13], func(v map[string]any) bool { return strings.HasPrefix(v["id"].(string), id[:13]) }},
		{"co", "public_id[co]=" + strings.ToUpper(id[9:20]), func(v map[string]any) bool { return strings.Contains(v["id"].(string), id[9:20]) }},
		{"lt", "start_at[lt]=" + start, before},
		{"gte", "start_at[gte]=" + start, func(v map[string]any) bool { return !before(v) }},
		{"gt and lte make a window", "start_at[gt]=" + visits[3]["start_at"].(string) + "&start_at[lte]=" + start,
			func(v map[string]any) bool {
				return v["start_at"].(string) > visits[3]["start_at"].(string) && v["start_at"].(string) <= start
			}},
		{"with an offset", "start_at[eq]=" + url.QueryEscape(offset(t, start)), field("start_at", start)},
		{"staff", "staff_member_id[eq]=" + middle["staff_member_id"].(string), field("staff_member_id", middle["staff_member_id"])},
		{"patient and location", "patient_id[eq]=" + middle["patient_id"].(string) + "&location_id[eq]=" + middle["location_id"].(string),
			func(v map[string]any) bool {
				return v["patient_id"] == middle["patient_id"] && v["location_id"] == middle["location_id"]
			}},
		{"treatment", "treatment_id[eq]=" + middle["treatment_id"].(string), field("treatment_id", middle["treatment_id"])},
		{"nobody", "patient_id[eq]=" + noID, func(map[string]any) bool { return false }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want []map[string]any
			for _, v := range visits {
				if c.keep(v) {
					want = append(want, v)
				}
			}
			if got := a.all("appointments", "page[limit]=500&"+c.query); ids(got) != ids(want) {
				t.Errorf("%d appointments, want %d", len(got), len(want))
			}
		})
	}
}

// offset writes a UTC time as a clock in India would.
func offset(t *testing.T, at string) string {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.In(time.FixedZone("", 5*3600+1800)).Format(time.RFC3339)
}

func TestFilterRefusals(t *testing.T) {
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	for _, query := range []string{
		"appointments?start_at[gte]=2026-01-01", "appointments?start_at[gte]=2026-01-01T10:00Z",
		"appointments?start_at[gte]=2026-01-01T10:00:00", "appointments?start_at[gte]=2026-01-01T10:00:00.000Z",
		"appointments?start_at[gte]=2026-01-01T10:00:00+05:30", // the plus is a space
		"appointments?start_at[gte]=2026-02-30T10:00:00Z", "appointments?start_at[co]=2026-01-01T10:00:00Z",
		"appointments?start_at=2026-01-01T10:00:00Z", "appointments?start_at[gte=2026-01-01T10:00:00Z",
		"appointments?patient_id[ne]=" + noID, "appointments?booked_at[gte]=2026-01-01T10:00:00Z",
		"appointments?public_id[eq]=", "appointments?state[eq]=booked", "treatments?public_id[sw]=a",
		"appointments?public_id[eq]=" + strings.Repeat("a,", 100) + "a",
		"medical-record/observations?patient_id[eq]=1", "medical-record/observations?category[eq]=x-ray",
		"medical-record/observations?issued_at[gte]=2026-01-01T10:00:00Z", "medical-record/care-plans?category[eq]=x",
		"medical-record/medications?sort=nonsense",
	} {
		if got := a.send("GET", version+query, ""); got.status != http.StatusBadRequest {
			t.Errorf("%s: status %d", query, got.status)
		}
	}
	robin := items(a.get("staff_members?sort=created_at"))[0]["id"].(string)
	if got := a.all("treatments", "staff_member_ids[eq]="+robin); len(got) != 3 {
		t.Errorf("Robin gives %d treatments, want 3", len(got))
	}
}

func TestSearch(t *testing.T) {
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	everyone := a.all("patients", "")
	post := func(body string) answer { return a.send("POST", version+"patients/search", body) }
	for _, c := range []struct {
		name, words string
		least, most int
	}{
		{"surname, any case", "tEsTeRtOn", 3, 12}, {"first and last", "sam testerton", 2, 2}, {"spaces", "  sam   testerton ", 2, 2},
		{"number", "1041", 1, 1}, {"e-mail", "patient.1001@", 1, 1}, {"telephone", "(416) 555-0110", 1, 3},
		{"right to left", "تجريبي", 1, 1}, {"markup", "<script>", 1, 1}, {"preferred name", "sunny 🌻", 1, 1},
		{"nobody", "no such person", 0, 0}, {"everyone", "", len(everyone), len(everyone)}, {"wildcards are text", "%", 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := post(`{"search":{"co":` + quote(c.words) + `},"page":{"limit":100}}`)
			if n := len(items(got.body)); got.status != 200 || n < c.least || n > c.most {
				t.Errorf("status %d, %d found; want %d to %d", got.status, n, c.least, c.most)
			}
			if _, ok := got.body["links"]; ok {
				t.Error("the answer has links")
			}
		})
	}
	var paged []map[string]any
	for cursor := ""; ; {
		got := post(`{"search":{"co":""},"sort":"-created_at","page":{"limit":7` + cursor + `}}`)
		paged = append(paged, items(got.body)...)
		if !got.body["hasNextPage"].(bool) {
			break
		}
		cursor = `,"cursor":` + quote(got.body["cursor"].(string))
	}
	if ids(paged) != ids(a.all("patients", "sort=-created_at")) {
		t.Error("search by pages differs from the list")
	}
	for _, body := range []string{
		``, `[]`, `{}`, `{"search":null}`, `{"search":{"co":"` + strings.Repeat("é", 256) + `"}}`, `{"search":{"eq":"x"}}`,
		`{"search":{"co":"x"},"public_id":{"eq":"1"}}`, `{"search":{"co":1}}`, `{"search":{"co":"x"},"page":{"limit":0}}`,
		`{"search":{"co":"x"},"page":{"limit":1001}}`, `{"search":{"co":"x"},"page":{"cursor":"x"}}`, `{"search":{"co":"x"}} {}`,
		`{"search":{"co":"x"},"sort":"last_name"}`,
	} {
		if got := post(body); got.status != 400 {
			t.Errorf("%.60s: status %d", body, got.status)
		}
	}
	if got := post(`{"search":{"co":"` + strings.Repeat("é", 255) + `"}}`); got.status != 200 {
		t.Errorf("255 characters: status %d %s", got.status, got.raw)
	}
}
