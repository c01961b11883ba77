package sandbox

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// searchParams are the parameters that a type is searched with, besides those of every search.
var searchParams = map[string][]string{
	"Patient":            {"name", "family", "given", "birthdate", "gender", "identifier", "phone", "email", "address-postalcode", "active"},
	"Practitioner":       {"name", "family", "given", "identifier", "active"},
	"Organization":       {"name"},
	"Encounter":          {"patient", "subject", "date", "status", "class", "type", "participant", "appointment"},
	"Observation":        {"patient", "subject", "category", "code", "date", "status", "encounter"},
	"Condition":          {"patient", "subject", "category", "clinical-status", "code", "encounter", "onset-date", "recorded-date"},
	"MedicationRequest":  {"patient", "subject", "intent", "status", "code", "encounter", "authoredon", "date"},
	"AllergyIntolerance": {"patient", "clinical-status", "code", "date"},
	"Appointment":        {"patient", "practitioner", "actor", "location", "date", "status"},
}

// anySearch are the parameters of every search.
var anySearch = []string{"_id", "_count", "_sort", "_format", "_lastUpdated", "_total", "cursor", "ah-practice"}

// narrowing are the parameters of which athenahealth wants one: a search over everybody is refused.
var narrowing = []string{"_id", "patient", "subject", "name", "family", "identifier", "practitioner", "actor", "encounter"}

const pageSize, pageMost = 20, 100

// postedSearch is POST {type}/_search (FHIR R4 §3.1.1.1.3).
func (f *Face) postedSearch(w http.ResponseWriter, r *http.Request, b bearer, kind string) {
	form, problem := readFaceForm(r)
	if problem != nil {
		f.outcome(w, http.StatusBadRequest, "invalid", problem.description)
		return
	}
	f.search(w, b, kind, form)
}

// search is GET {type}?….
func (f *Face) search(w http.ResponseWriter, b bearer, kind string, query url.Values) {
	rules := b.rules(kind, "s")
	if len(rules) == 0 {
		f.forbidden(w, kind)
		return
	}
	if code, problem := f.checkSearch(b, kind, query); problem != "" {
		f.outcome(w, http.StatusBadRequest, code, problem)
		return
	}
	if asked := strings.TrimPrefix(first(query, "patient", "subject"), "Patient/"); asked != "" &&
		!slices.ContainsFunc(rules, func(r rule) bool { return r.patient == "" || r.patient == asked }) {
		f.outcome(w, http.StatusForbidden, "forbidden", "The access token does not open this record.")
		return
	}
	f.records.mu.Lock()
	var found []map[string]any
	for _, one := range f.records.kinds[kind] {
		if f.sees(b, rules, one) && matches(one, query) {
			found = append(found, one.clone())
		}
	}
	f.records.mu.Unlock()
	if query.Get("_sort") == "date" { // the latest come first otherwise
		slices.Reverse(found)
	}
	f.answer(w, http.StatusOK, f.page(kind, query, found))
}

func first(query url.Values, names ...string) string {
	for _, name := range names {
		if value := query.Get(name); value != "" {
			return value
		}
	}
	return ""
}

// checkSearch says what is wrong with a search, with the code of its OperationOutcome.
func (f *Face) checkSearch(b bearer, kind string, query url.Values) (code, problem string) {
	for _, name := range sortedNames(query) {
		plain, _, _ := strings.Cut(name, ":")
		if !slices.Contains(anySearch, plain) && !slices.Contains(searchParams[kind], plain) {
			return "not-supported", "Unknown search parameter " + strconv.Quote(name) + " for " + kind
		}
	}
	if !f.athena {
		return "", ""
	}
	if query.Get("ah-practice") != "Organization/"+f.id(b.practice, "Practice", 0) {
		return "invalid", "Could not determine what practice to search in. Name it with ah-practice."
	}
	if kind != "Practitioner" && kind != "Organization" && first(query, narrowing...) == "" {
		return "forbidden", "Global search is not permitted. Give one of [[patient],[_id]]."
	}
	return "", ""
}

// page is the searchset Bundle from the cursor on, with absolute links (FHIR R4 §3.1.1.5).
func (f *Face) page(kind string, query url.Values, found []map[string]any) map[string]any {
	size, err := strconv.Atoi(query.Get("_count"))
	if err != nil || size <= 0 {
		size = pageSize
	}
	size = min(size, pageMost)
	at := readCursor(query.Get("cursor"))
	total := len(found)
	found = found[min(at, total):]
	address := func(cursor int) string {
		next := url.Values{}
		for name, values := range query {
			next[name] = values
		}
		next.Del("cursor")
		if cursor > 0 {
			next.Set("cursor", writeCursor(cursor))
		}
		return f.FHIRBase() + "/" + kind + "?" + next.Encode()
	}
	links := []any{map[string]any{"relation": "self", "url": address(at)}}
	if len(found) > size {
		found = found[:size]
		links = append(links, map[string]any{"relation": "next", "url": address(at + size)})
	}
	entries := make([]any, 0, len(found))
	for _, body := range found {
		id, _ := body["id"].(string)
		entries = append(entries, map[string]any{"fullUrl": f.FHIRBase() + "/" + kind + "/" + id, "resource": body, "search": map[string]any{"mode": "match"}})
	}
	return map[string]any{"resourceType": "Bundle", "type": "searchset", "total": total, "link": links, "entry": entries}
}

// A cursor is opaque to clients.
func writeCursor(at int) string {
	return base64.RawURLEncoding.EncodeToString([]byte("at:" + strconv.Itoa(at)))
}

func readCursor(text string) int {
	raw, _ := base64.RawURLEncoding.DecodeString(text)
	at, _ := strconv.Atoi(strings.TrimPrefix(string(raw), "at:"))
	return max(at, 0)
}

// matches says whether a resource is among those a query asks for. What is no filter of the sandbox is passed over.
func matches(one *record, query url.Values) bool {
	for name, values := range query {
		plain, _, _ := strings.Cut(name, ":")
		for _, value := range values {
			if !one.fits(plain, value) {
				return false
			}
		}
	}
	return true
}

// fits says whether one parameter holds; a comma is an or (FHIR R4 §3.1.1.4.20), but for dates.
func (one *record) fits(name, value string) bool {
	either := func(test func(string) bool) bool { return slices.ContainsFunc(strings.Split(value, ","), test) }
	switch name {
	case "_id":
		return either(func(v string) bool { return v == one.id })
	case "patient", "subject":
		return either(func(v string) bool { return strings.TrimPrefix(v, "Patient/") == one.patient })
	case "name", "family", "given":
		return either(func(v string) bool { return strings.Contains(strings.ToLower(names(one.body)), strings.ToLower(v)) })
	case "birthdate":
		return one.body["birthDate"] == strings.TrimPrefix(value, "eq")
	case "gender", "intent":
		return either(func(v string) bool { return one.body[name] == v })
	case "status":
		return either(func(v string) bool { return one.body["status"] == v })
	case "category", "code", "clinical-status":
		member := map[string]string{"clinical-status": "clinicalStatus"}[name]
		if member == "" {
			member = name
		}
		return either(func(v string) bool { return hasCode(one.body[member], v) })
	case "identifier":
		_, v, found := strings.Cut(value, "|")
		if !found {
			v = value
		}
		return hasMember(one.body["identifier"], "value", v)
	case "practitioner":
		return hasMember(one.body["participant"], "reference", "Practitioner/"+strings.TrimPrefix(value, "Practitioner/"))
	case "encounter":
		return hasMember(one.body["encounter"], "reference", "Encounter/"+strings.TrimPrefix(value, "Encounter/"))
	case "actor":
		return hasMember(one.body["participant"], "reference", value)
	case "date", "authoredon", "onset-date", "recorded-date", "_lastUpdated":
		return onDate(one, value)
	}
	return true
}

// onDate compares whole days in UTC, or seconds where the parameter has a time: ge, le, gt, lt and eq.
func onDate(one *record, value string) bool {
	how := "eq"
	if len(value) > 2 && value[0] >= 'a' {
		how, value = value[:2], value[2:]
	}
	at := one.at.UTC().Format("2006-01-02T15:04:05Z")
	at = at[:min(len(value), len(at))]
	switch how {
	case "ge":
		return at >= value
	case "gt":
		return at > value
	case "le":
		return at <= value
	case "lt":
		return at < value
	}
	return at == value
}

func names(body map[string]any) string {
	list, _ := body["name"].([]any)
	if len(list) == 0 {
		text, _ := body["name"].(string)
		return text
	}
	name, _ := list[0].(map[string]any)
	text, _ := name["text"].(string)
	return text
}

// hasCode looks for a code, or system|code, in CodeableConcepts.
func hasCode(value any, want string) bool {
	system, code, found := strings.Cut(want, "|")
	if !found {
		system, code = "", want
	}
	switch v := value.(type) {
	case map[string]any:
		if v["code"] == code && (system == "" || v["system"] == system) {
			return true
		}
		return hasCode(v["coding"], want)
	case []any:
		return slices.ContainsFunc(v, func(one any) bool { return hasCode(one, want) })
	}
	return false
}

// hasMember looks for a member with this text, at any depth.
func hasMember(value any, name, want string) bool {
	switch v := value.(type) {
	case map[string]any:
		if v[name] == want {
			return true
		}
		for _, inner := range v {
			if hasMember(inner, name, want) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(one any) bool { return hasMember(one, name, want) })
	}
	return false
}
