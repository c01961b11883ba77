package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fhirType is the media type of FHIR R4, §2.21.0.6.
const fhirType = "application/fhir+json"

// bearer is what an access token allows: rules, of which one must hold.
type bearer struct {
	token    *faceToken
	practice string
}

// rule is one scope's reach over one type.
type rule struct {
	patient string // "" is everybody
	query   url.Values
}

// fhir is everything below the FHIR base.
func (f *Face) fhir(w http.ResponseWriter, r *http.Request) {
	if f.spent(w) {
		f.outcome(w, http.StatusTooManyRequests, "throttled", "The rate limit for this application has been exceeded.")
		return
	}
	path := strings.Split(strings.TrimPrefix(r.URL.Path, f.base+"/"), "/")
	kind := path[0]
	if kind == "metadata" && len(path) == 1 && r.Method == http.MethodGet {
		f.answer(w, http.StatusOK, map[string]any{"resourceType": "CapabilityStatement", "status": "active", "kind": "instance", "fhirVersion": "4.0.1", "format": []any{"json"}})
		return
	}
	who, ok := f.authenticate(w, r)
	switch {
	case !ok:
	case !slices.Contains(resourceKinds, kind):
		f.outcome(w, http.StatusNotFound, "not-supported", "Unknown resource type "+strconv.Quote(kind))
	case len(path) == 1 && r.Method == http.MethodGet:
		f.search(w, who, kind, r.URL.Query())
	case len(path) == 2 && path[1] == "_search" && r.Method == http.MethodPost:
		f.postedSearch(w, r, who, kind)
	case len(path) == 2 && r.Method == http.MethodGet:
		f.read(w, who, kind, path[1])
	case len(path) == 1 && r.Method == http.MethodPost && kind == "Observation":
		f.write(w, r, who, kind, "")
	case len(path) == 2 && r.Method == http.MethodPut && kind == "Observation":
		f.write(w, r, who, kind, path[1])
	case len(path) > 2:
		f.outcome(w, http.StatusNotFound, "not-found", "There is nothing at this address.")
	default:
		f.outcome(w, http.StatusMethodNotAllowed, "not-supported", "This interaction is not served for "+kind)
	}
}

// spent counts an API request against the quota and says whether it is over.
func (f *Face) spent(w http.ResponseWriter) bool {
	f.s.mu.Lock()
	now, limit, told := f.s.nowLocked(), f.switches.calls, f.switches.quota
	wait := f.quota.add(limit, now)
	used := f.quota.n
	f.s.mu.Unlock()
	if told {
		midnight := now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		quotaHeaders(w, limit, used, midnight.Sub(now))
	}
	if wait > 0 {
		w.Header().Set("Retry-After", retryAfter(wait))
	}
	return wait > 0
}

// authenticate reads the bearer token (RFC 6750 §2.1) and answers where it is none that works.
func (f *Face) authenticate(w http.ResponseWriter, r *http.Request) (bearer, bool) {
	raw, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found || raw == "" {
		w.Header().Set("WWW-Authenticate", "Bearer")
		if f.athena { // its gateway's words for a request without a token
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte("<h1>Developer Inactive</h1>"))
			return bearer{}, false
		}
		f.outcome(w, http.StatusUnauthorized, "login", "The request has no bearer token.")
		return bearer{}, false
	}
	f.s.mu.Lock()
	held := f.access[raw]
	alive := held != nil && f.s.nowLocked().Before(held.until)
	f.s.mu.Unlock()
	if !alive {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		if strings.HasPrefix(r.URL.Path, f.base+"/") {
			f.outcome(w, http.StatusUnauthorized, "login", "The access token is invalid or has expired.")
		} else {
			writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "Unauthorized", "detailedmessage": "The access token is invalid or has expired."})
		}
		return bearer{}, false
	}
	b := bearer{token: held, practice: Practice}
	if held.chain != nil {
		b.practice = held.chain.who.practice
	}
	return b, true
}

// rules are what the token's scopes allow of one interaction (a letter of c, r, u, d and s) with one type.
func (b bearer) rules(kind, letter string) []rule {
	var all []rule
	for _, scope := range b.token.scopes {
		a, resource := readAccessScope(scope)
		if !resource || a.kind != kind && a.kind != "*" || !strings.Contains(a.letters, letter) {
			continue
		}
		one := rule{query: a.query}
		if a.level == "patient" {
			if b.token.chain == nil || b.token.chain.patient == "" {
				continue
			}
			one.patient = b.token.chain.patient
		}
		all = append(all, one)
	}
	return all
}

// sees says whether one of the rules opens a resource to the bearer.
func (f *Face) sees(b bearer, rules []rule, one *record) bool {
	if f.athena && one.practice != b.practice {
		return false
	}
	return slices.ContainsFunc(rules, func(r rule) bool {
		return (r.patient == "" || one.patient == "" || one.patient == r.patient) && matches(one, r.query)
	})
}

// read is GET {type}/{id}. What the bearer may not see is not there.
func (f *Face) read(w http.ResponseWriter, b bearer, kind, id string) {
	rules := b.rules(kind, "r")
	if len(rules) == 0 {
		f.forbidden(w, kind)
		return
	}
	f.records.mu.Lock()
	one := f.records.find(kind, id)
	var body map[string]any
	if one != nil && f.sees(b, rules, one) {
		body = one.clone()
	}
	f.records.mu.Unlock()
	switch {
	case body != nil:
		meta, _ := body["meta"].(map[string]any)
		w.Header().Set("ETag", fmt.Sprintf(`W/"%v"`, meta["versionId"])) // FHIR R4 §3.1.0.5
		f.answer(w, http.StatusOK, body)
	case one != nil && one.patient != "":
		f.outcome(w, http.StatusForbidden, "forbidden", "The access token does not open this record.")
	default:
		f.outcome(w, http.StatusNotFound, "not-found", kind+"/"+id+" does not exist.")
	}
}

func (f *Face) forbidden(w http.ResponseWriter, kind string) {
	w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope"`) // RFC 6750 §3.1
	f.outcome(w, http.StatusForbidden, "forbidden", "The access token's scopes do not allow this with "+kind+".")
}

// outcome answers with an OperationOutcome (FHIR R4 §2.28).
func (f *Face) outcome(w http.ResponseWriter, status int, code, text string) {
	f.answer(w, status, map[string]any{"resourceType": "OperationOutcome", "issue": []any{map[string]any{
		"severity": "error", "code": code, "details": map[string]any{"text": text}, "diagnostics": text,
	}}})
}

// answer sends a resource, changed as was planned.
func (f *Face) answer(w http.ResponseWriter, status int, body map[string]any) {
	f.s.mu.Lock()
	kept := f.planned.fhir[:0]
	for _, one := range f.planned.fhir {
		if one.apply(body) {
			one.left--
		}
		if one.left > 0 {
			kept = append(kept, one)
		}
	}
	f.planned.fhir = kept
	f.s.mu.Unlock()
	w.Header().Set("Content-Type", fhirType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	writeBody(w, body)
}

func writeBody(w http.ResponseWriter, body any) { _ = json.NewEncoder(w).Encode(body) }
