package sandbox

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// write is POST {type} and PUT {type}/{id} (FHIR R4 §3.1.0.8 and §3.1.0.4): each request that arrives writes once.
func (f *Face) write(w http.ResponseWriter, r *http.Request, b bearer, kind, id string) {
	letter := "c"
	if id != "" {
		letter = "u"
	}
	rules := b.rules(kind, letter)
	if len(rules) == 0 {
		f.forbidden(w, kind)
		return
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	raw, err := io.ReadAll(r.Body)
	body := map[string]any{}
	if err == nil {
		err = json.Unmarshal(raw, &body)
	}
	subject, _ := body["subject"].(map[string]any)
	reference, _ := subject["reference"].(string)
	c, known := f.records.chart(strings.TrimPrefix(strings.TrimPrefix(reference, f.FHIRBase()+"/"), "Patient/"))
	switch {
	case !slices.Contains([]string{fhirType, "application/json"}, media):
		f.outcome(w, http.StatusUnsupportedMediaType, "not-supported", "The body must be "+fhirType)
	case err != nil || body["resourceType"] != kind:
		f.outcome(w, http.StatusBadRequest, "structure", "The body is no "+kind)
	case !known || body["status"] == nil || body["code"] == nil:
		f.outcome(w, http.StatusUnprocessableEntity, "required", "status, code and the subject of a known patient are required.")
	case id == "":
		f.create(w, b, rules, kind, c, body)
	default:
		f.update(w, b, rules, kind, id, r.Header.Get("If-Match"), c, body)
	}
}

func (f *Face) create(w http.ResponseWriter, b bearer, rules []rule, kind string, c chart, body map[string]any) {
	now := f.s.now()
	f.records.mu.Lock()
	one := &record{patient: c.id, practice: c.practice, at: now, version: 1, body: body}
	allowed := f.sees(b, rules, one) && len(f.records.kinds[kind]) < maxHeld
	var answer map[string]any
	if allowed {
		f.records.numbers++
		one.id = f.id(c.practice, kind, f.records.numbers)
		body["id"] = one.id
		delete(body, "meta")
		f.records.kinds[kind] = slices.Insert(f.records.kinds[kind], 0, one)
		answer = one.clone()
	}
	f.records.mu.Unlock()
	if !allowed {
		f.outcome(w, http.StatusForbidden, "forbidden", "The access token does not open this record.")
		return
	}
	w.Header().Set("Location", f.FHIRBase()+"/"+kind+"/"+one.id+"/_history/1")
	w.Header().Set("ETag", `W/"1"`)
	f.answer(w, http.StatusCreated, answer)
}

func (f *Face) update(w http.ResponseWriter, b bearer, rules []rule, kind, id, match string, c chart, body map[string]any) {
	f.records.mu.Lock()
	one := f.records.find(kind, id)
	status, code, problem := http.StatusOK, "", ""
	var answer map[string]any
	switch {
	case one == nil:
		status, code, problem = http.StatusNotFound, "not-found", kind+"/"+id+" does not exist."
	case !f.sees(b, rules, one) || one.patient != c.id:
		status, code, problem = http.StatusForbidden, "forbidden", "The access token does not open this record."
	case body["id"] != id:
		status, code, problem = http.StatusBadRequest, "invalid", "The id of the body is not that of the address."
	case match != "" && match != `W/"`+strconv.Itoa(one.version)+`"`: // FHIR R4 §3.1.0.5
		status, code, problem = http.StatusPreconditionFailed, "conflict", "The resource has changed meanwhile."
	default:
		delete(body, "meta")
		one.body, one.version = body, one.version+1
		answer = one.clone()
		w.Header().Set("ETag", `W/"`+strconv.Itoa(one.version)+`"`)
	}
	f.records.mu.Unlock()
	if problem != "" {
		f.outcome(w, status, code, problem)
		return
	}
	f.answer(w, status, answer)
}
