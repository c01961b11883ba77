package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// athenaDate is how athenaOne writes a day.
const athenaDate = "01/02/2006"

// oneError is an error of athenaOne: error is the only member to show to a person.
func oneError(w http.ResponseWriter, status int, text, detailed string, more ...string) {
	body := map[string]any{"error": text}
	if detailed != "" {
		body["detailedmessage"] = detailed
	}
	for i := 0; i+1 < len(more); i += 2 {
		body[more[i]] = strings.Split(more[i+1], ",")
	}
	writeJSON(w, status, body)
}

// athenaOne is /v1/{practice}/…: a slice of athenahealth's own API beside FHIR. Whoever may read or write a type in FHIR may do
// so here, and so may a service with athena/service/Athenanet.MDP.*.
func (f *Face) athenaOne(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	practice, leaf := path[0], path[1:]
	kind, handle := f.oneRoute(r.Method, leaf)
	if handle == nil && kind == "" {
		unrouted(w, r)
		return
	}
	if f.spent(w) {
		oneError(w, http.StatusTooManyRequests, "Too many requests.", "The rate limit for this application has been exceeded.")
		return
	}
	b, ok := f.authenticate(w, r)
	letters := map[string]string{http.MethodGet: "rs", http.MethodPut: "u", http.MethodPost: "c"}[r.Method]
	if len(leaf) > 1 && r.Method == http.MethodPost { // what is added below a resource changes it
		letters = "u"
	}
	switch {
	case !ok:
	case handle == nil:
		oneError(w, http.StatusMethodNotAllowed, "The method is not supported.", "")
	case practice != b.practice:
		oneError(w, http.StatusForbidden, "You are not permitted to access practice "+practice+".", "The practice is not among those of this application or user.")
	case kind != "ping" && !b.inOne(kind, letters):
		oneError(w, http.StatusForbidden, "You are not permitted to do this.", "The access token's scopes do not allow it.")
	default:
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		handle(w, r, leaf)
	}
}

// oneRoute finds what serves a path; a kind without a handler means that the method is wrong.
func (f *Face) oneRoute(method string, leaf []string) (kind string, handle func(http.ResponseWriter, *http.Request, []string)) {
	pattern := leaf[0]
	for i, part := range leaf[1:] {
		if i == 0 && part != "booked" {
			part = "*"
		}
		pattern += "/" + part
	}
	routes := map[string]map[string]func(http.ResponseWriter, *http.Request, []string){
		"ping":                 {http.MethodGet: f.ping},
		"patients":             {http.MethodGet: f.onePatients, http.MethodPost: f.oneNewPatient},
		"patients/*":           {http.MethodGet: f.onePatient, http.MethodPut: f.oneUpdatePatient},
		"appointments/booked":  {http.MethodGet: f.oneBooked},
		"appointments/*":       {http.MethodGet: f.oneAppointment},
		"appointments/*/notes": {http.MethodGet: f.oneNotes, http.MethodPost: f.oneNewNote},
	}
	methods, known := routes[pattern]
	if !known {
		return "", nil
	}
	kind = map[string]string{"ping": "ping", "patients": "Patient", "appointments": "Appointment"}[leaf[0]]
	return kind, methods[method]
}

// inOne says whether the token's scopes allow an interaction with a type in athenaOne. A patient's scopes do not: athenaOne is
// for the practice's own people and services.
func (b bearer) inOne(kind, letters string) bool {
	return slices.ContainsFunc(b.token.scopes, func(scope string) bool {
		if b.token.service != "" && serviceScope.MatchString(scope) {
			return strings.HasSuffix(scope, ".*") || strings.HasSuffix(scope, "."+kind)
		}
		a, resource := readAccessScope(scope)
		return resource && a.level != "patient" && (a.kind == kind || a.kind == "*") && strings.ContainsAny(a.letters, letters)
	})
}

func (f *Face) ping(w http.ResponseWriter, _ *http.Request, _ []string) {
	writeJSON(w, http.StatusOK, map[string]string{"pong": "true"})
}

// oneForm reads a form body and says which of the required fields are missing.
func oneForm(w http.ResponseWriter, r *http.Request, required ...string) (url.Values, bool) {
	form, problem := readFaceForm(r)
	if problem != nil {
		oneError(w, http.StatusBadRequest, "The request is malformed.", problem.description)
		return nil, false
	}
	return form, oneFields(w, form, required...)
}

func oneFields(w http.ResponseWriter, form url.Values, required ...string) bool {
	missing := slices.DeleteFunc(slices.Clone(required), func(name string) bool { return form.Get(name) != "" })
	if len(missing) > 0 {
		oneError(w, http.StatusBadRequest, "Additional fields are required.", "The following fields are missing: "+strings.Join(missing, ", "), "missingfields", strings.Join(missing, ","))
	}
	return len(missing) == 0
}

func (c *chart) one() map[string]any {
	born, _ := time.Parse(time.DateOnly, c.birth)
	return map[string]any{
		"patientid": strconv.Itoa(c.number), "firstname": c.first, "lastname": c.last, "dob": born.Format(athenaDate),
		"sex": strings.ToUpper(c.sex[:1]), "homephone": c.phone, "email": c.email, "address1": c.address, "city": c.city, "state": c.state,
		"departmentid": "1", "status": "active",
	}
}

// onePatients is GET /patients: one of the names or the date of birth is required.
func (f *Face) onePatients(w http.ResponseWriter, r *http.Request, _ []string) {
	query := r.URL.Query()
	if first(query, "lastname", "firstname", "dob") == "" {
		oneError(w, http.StatusBadRequest, "Additional fields are required.", "One of firstname, lastname and dob is required.", "missingfields", "lastname")
		return
	}
	f.records.mu.Lock()
	found := []any{}
	for _, c := range f.records.charts {
		one := c.one()
		fits := c.practice == Practice
		for _, name := range []string{"lastname", "firstname", "dob"} {
			text, _ := one[name].(string)
			fits = fits && strings.HasPrefix(strings.ToLower(text), strings.ToLower(query.Get(name)))
		}
		if fits {
			found = append(found, one)
		}
	}
	f.records.mu.Unlock()
	onePage(w, r, "patients", found)
}

// onePage answers with a page of a list: limit, offset, and addresses of its neighbours without a host.
func onePage(w http.ResponseWriter, r *http.Request, name string, found []any) {
	query := r.URL.Query()
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit <= 0 {
		limit = 100
	}
	offset, _ := strconv.Atoi(query.Get("offset"))
	offset = min(max(offset, 0), len(found))
	body := map[string]any{"totalcount": len(found)}
	if end := offset + limit; end < len(found) {
		query.Set("offset", strconv.Itoa(end))
		body["next"] = r.URL.Path + "?" + query.Encode()
	}
	body[name] = found[offset:min(offset+limit, len(found))]
	writeJSON(w, http.StatusOK, body)
}

// byNumber finds a patient of the practice by athenaOne's number. The caller holds records.mu.
func (r *records) byNumber(text string) *chart {
	for _, c := range r.charts {
		if strconv.Itoa(c.number) == text && c.practice == Practice {
			return c
		}
	}
	return nil
}

func noPatient(w http.ResponseWriter) {
	oneError(w, http.StatusNotFound, "The Patient ID is invalid.", "The patient does not exist in this practice.")
}

func (f *Face) onePatient(w http.ResponseWriter, _ *http.Request, leaf []string) {
	f.records.mu.Lock()
	c := f.records.byNumber(leaf[1])
	var body []any
	if c != nil {
		body = []any{c.one()}
	}
	f.records.mu.Unlock()
	if c == nil {
		noPatient(w)
		return
	}
	writeJSON(w, http.StatusOK, body)
}

// oneUpdatePatient is PUT /patients/{id}: what the form names is changed, in FHIR too.
func (f *Face) oneUpdatePatient(w http.ResponseWriter, r *http.Request, leaf []string) {
	form, ok := oneForm(w, r)
	if !ok {
		return
	}
	f.records.mu.Lock()
	c := f.records.byNumber(leaf[1])
	unknown := ""
	if c != nil {
		fields := c.fields()
		for _, name := range sortedNames(form) {
			if fields[name] == nil {
				unknown = name
			}
		}
		for name, values := range form {
			if unknown == "" {
				*fields[name] = values[0]
			}
		}
		f.records.rewrite(c)
		f.records.find("Patient", c.id).version++
	}
	f.records.mu.Unlock()
	switch {
	case c == nil:
		noPatient(w)
	case unknown != "":
		oneError(w, http.StatusBadRequest, "The field "+unknown+" cannot be updated.", "")
	default:
		writeJSON(w, http.StatusOK, []any{map[string]string{"patientid": leaf[1]}})
	}
}

// fields are those of a chart that athenaOne changes.
func (c *chart) fields() map[string]*string {
	return map[string]*string{"homephone": &c.phone, "email": &c.email, "address1": &c.address, "city": &c.city, "state": &c.state, "firstname": &c.first, "lastname": &c.last}
}

// oneNewPatient is POST /patients. Each request that arrives registers somebody, were they there before.
func (f *Face) oneNewPatient(w http.ResponseWriter, r *http.Request, _ []string) {
	form, ok := oneForm(w, r, "firstname", "lastname", "dob", "departmentid")
	if !ok {
		return
	}
	born, err := time.Parse(athenaDate, form.Get("dob"))
	if err != nil {
		oneError(w, http.StatusBadRequest, "The date of birth is invalid.", "dob must be MM/DD/YYYY.")
		return
	}
	f.records.mu.Lock()
	full := len(f.records.charts) >= maxHeld
	f.records.numbers++
	c := &chart{number: f.records.numbers, practice: Practice, first: form.Get("firstname"), last: form.Get("lastname"),
		sex: "unknown", birth: born.Format(time.DateOnly), phone: form.Get("homephone"), email: form.Get("email")}
	c.id = f.id(Practice, "E", c.number)
	if !full {
		f.records.charts = append(f.records.charts, c)
		f.records.addPatient(c)
	}
	f.records.mu.Unlock()
	if full {
		oneError(w, http.StatusServiceUnavailable, "The sandbox is full. Start it again.", "")
		return
	}
	writeJSON(w, http.StatusOK, []any{map[string]string{"patientid": strconv.Itoa(c.number)}})
}
