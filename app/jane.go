package app

import (
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"locum/shared"
)

// janeVersion is the dated version of Jane's API that the pages are written for (jane-openapi.yaml).
const janeVersion = "2026-01-01"

// The shapes of Jane's API, as far as the pages show them.

type appointment struct {
	ID        string    `json:"id"`
	StartAt   time.Time `json:"start_at"`
	EndAt     time.Time `json:"end_at"`
	Staff     string    `json:"staff_member_id"`
	Patient   string    `json:"patient_id"`
	Location  string    `json:"location_id"`
	Treatment string    `json:"treatment_id"`
	First     bool      `json:"first_visit"`
	State     string    `json:"state"`
}

// off says whether the appointment does not take place.
func (a appointment) off() bool { return a.State == "cancelled" || a.State == "archived" }

type patient struct {
	ID        string  `json:"id"`
	Prefix    string  `json:"prefix"`
	First     string  `json:"first_name"`
	Middle    string  `json:"middle_name"`
	Last      string  `json:"last_name"`
	Preferred string  `json:"preferred_name"`
	Sex       string  `json:"sex"`
	Gender    string  `json:"gender"`
	Pronouns  string  `json:"pronouns"`
	Born      string  `json:"date_of_birth"`
	Guardian  string  `json:"guardian_name"`
	Since     string  `json:"patient_since"`
	Number    string  `json:"patient_number"`
	Email     string  `json:"email"`
	Status    string  `json:"status"`
	Phones    []phone `json:"phone_numbers"`
}

type phone struct {
	Type    string `json:"type"`
	Number  string `json:"number"`
	Primary bool   `json:"is_primary"`
}

// name is the legal name: first, middle, last.
func (p patient) name() string { return joinWords(p.First, p.Middle, p.Last) }

// reachable is the number to call: the primary one, else the first.
func (p patient) reachable() string {
	for _, phone := range p.Phones {
		if phone.Primary {
			return phone.Number
		}
	}
	if len(p.Phones) > 0 {
		return p.Phones[0].Number
	}
	return ""
}

type staffMember struct {
	ID        string `json:"id"`
	Prefix    string `json:"prefix"`
	First     string `json:"first_name"`
	Last      string `json:"last_name"`
	Preferred string `json:"preferred_name"`
	Suffix    string `json:"suffix"`
}

func (s staffMember) name() string {
	first := s.First
	if s.Preferred != "" {
		first = s.Preferred
	}
	return joinWords(s.Prefix, first, s.Last)
}

// named is a treatment or a location.
type named struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type company struct {
	Name     string `json:"name"`
	TimeZone string `json:"time_zone"`
}

type observation struct {
	ID           string      `json:"id,omitempty"`
	Patient      string      `json:"patient_id,omitempty"`
	Practitioner string      `json:"practitioner_id,omitempty"`
	Category     string      `json:"category,omitempty"`
	CreatedAt    *time.Time  `json:"created_at,omitempty"`
	IssuedAt     *time.Time  `json:"issued_at,omitempty"`
	Note         string      `json:"note,omitempty"`
	Values       []component `json:"values,omitempty"`
}

type component struct {
	Code    string `json:"code"`
	System  string `json:"system"`
	Display string `json:"display,omitempty"`
	Value   string `json:"value"`
	Type    string `json:"value_type"`
	Unit    string `json:"unit,omitempty"`
}

// at is when the observation was made: issued, else created.
func (o observation) at() time.Time {
	switch {
	case o.IssuedAt != nil:
		return *o.IssuedAt
	case o.CreatedAt != nil:
		return *o.CreatedAt
	}
	return time.Time{}
}

// listing is a page of any of Jane's lists.
type listing[T any] struct {
	Items  []T    `json:"items"`
	Cursor string `json:"cursor"`
	More   bool   `json:"hasNextPage"`
}

// written wraps what is sent: Jane takes { "data": {…} }.
type written[T any] struct {
	Data T `json:"data"`
}

func joinWords(parts ...string) string {
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}

// clinic is the door to one connection's platform, and what is remembered of its slow-moving names for a few minutes, so
// that a page costs few requests of the clinic's budget. Safe for several goroutines.
type clinic struct {
	client     *client
	connection string

	mu       sync.Mutex
	budget   shared.Budget
	budgeted bool
	notedAt  time.Time // when an answer told the budget last
	company  *company
	names    map[string]remembered // by kind and id
}

type remembered struct {
	name string
	at   time.Time
}

const (
	rememberFor   = 10 * time.Minute
	rememberMost  = 2000 // names per clinic; beyond, all are forgotten
	idsPerRequest = 100  // "maximum 100 values", jane-openapi.yaml, StringFilterSchema
	pageSize      = 100
	pagesMost     = 5 // pages that one view follows
)

func newClinic(c *client, connection string) *clinic {
	return &clinic{client: c, connection: connection, names: map[string]remembered{}}
}

// call is one request of the platform's own path, below its version. It notes the budget that the answer carries.
func (c *clinic) call(method, path string, query url.Values, in, out any) error {
	full := shared.PathProxy + "/" + c.connection + "/api/" + janeVersion + path
	if len(query) > 0 {
		full += "?" + query.Encode()
	}
	answer, err := c.client.call(method, full, in, out)
	c.note(answer.budgets)
	return err
}

func (c *clinic) note(headers [2]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if whole, ok := readAllowance(headers[1]); ok {
		c.budget.Clinic, c.budgeted, c.notedAt = whole, true, time.Now()
	}
}

// noted says whether an answer told the budget within a time.
func (c *clinic) noted(within time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.notedAt) < within
}

// noteBudget takes the budget from elsewhere.
func (c *clinic) noteBudget(whole shared.Allowance) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.budget.Clinic, c.budgeted = whole, true
}

// allowance is the clinic's budget as the last answer told it; false before the first.
func (c *clinic) allowance() (shared.Allowance, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.budget.Clinic, c.budgeted
}

// all follows the cursor of a list through at most pagesMost pages.
func all[T any](c *clinic, path string, query url.Values) (items []T, more bool, err error) {
	if query.Get("page[limit]") == "" {
		query.Set("page[limit]", strconv.Itoa(pageSize))
	}
	for range pagesMost {
		var list listing[T]
		if err := c.call("GET", path, query, nil, &list); err != nil {
			return items, false, err
		}
		items = append(items, list.Items...)
		if !list.More || list.Cursor == "" {
			return items, false, nil
		}
		query.Set("page[cursor]", list.Cursor)
	}
	return items, true, nil
}

// zoneName is the clinic's time zone; "" where it cannot be known, which is no reason to show nothing.
func (c *clinic) zoneName() string {
	c.mu.Lock()
	known := c.company
	c.mu.Unlock()
	if known != nil {
		return known.TimeZone
	}
	var answer company
	if c.call("GET", "/company", nil, nil, &answer) != nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.company = &answer
	return answer.TimeZone
}

// appointments answers those that begin in [from, to), of some staff members (none: of all), by start.
func (c *clinic) appointments(from, to time.Time, staff []string) ([]appointment, error) {
	query := url.Values{
		"start_at[gte]": {from.UTC().Format(time.RFC3339)}, "start_at[lt]": {to.UTC().Format(time.RFC3339)}, "sort": {"start_at"},
	}
	if len(staff) > 0 {
		query.Set("staff_member_id[eq]", strings.Join(staff[:min(len(staff), idsPerRequest)], ","))
	}
	items, _, err := all[appointment](c, "/appointments", query)
	return items, err
}

// patientAppointments answers a patient's latest appointments, the latest first; those of another patient never.
func (c *clinic) patientAppointments(id string) ([]appointment, error) {
	var list listing[appointment]
	query := url.Values{"patient_id[eq]": {id}, "sort": {"-start_at"}, "page[limit]": {strconv.Itoa(pageSize)}}
	if err := c.call("GET", "/appointments", query, nil, &list); err != nil {
		return nil, err
	}
	for _, a := range list.Items {
		if a.Patient != id {
			return nil, failWith(codeWrongRecord)
		}
	}
	return list.Items, nil
}

// patient answers the record asked for, and never another.
func (c *clinic) patient(id string) (p patient, err error) {
	if err := c.call("GET", "/patients/"+id, nil, nil, &p); err != nil {
		return patient{}, err
	}
	if p.ID != id {
		return patient{}, failWith(codeWrongRecord)
	}
	return p, nil
}

// patients answers one page of the list.
func (c *clinic) patients(cursor string, limit int) (list listing[patient], err error) {
	query := url.Values{"page[limit]": {strconv.Itoa(limit)}}
	if cursor != "" {
		query.Set("page[cursor]", cursor)
	}
	err = c.call("GET", "/patients", query, nil, &list)
	return list, err
}

// search answers one page of the patients that contain text: a POST, so that no name stands in an address.
func (c *clinic) search(text, cursor string, limit int) (list listing[patient], err error) {
	page := map[string]any{"limit": limit}
	if cursor != "" {
		page["cursor"] = cursor
	}
	body := map[string]any{"search": map[string]string{"co": clip(text, 250)}, "page": page}
	err = c.call("POST", "/patients/search", nil, body, &list)
	return list, err
}

// observations answers a patient's observations, the latest first; those of another patient never.
func (c *clinic) observations(id string) ([]observation, error) {
	items, _, err := all[observation](c, "/medical-record/observations", url.Values{"patient_id[eq]": {id}, "sort": {"-issued_at"}})
	if err != nil {
		return nil, err
	}
	for _, o := range items {
		if o.Patient != id {
			return nil, failWith(codeWrongRecord)
		}
	}
	return items, nil
}

// record creates an observation. It is sent once: after an unknown outcome only a person decides to send it again.
func (c *clinic) record(o observation) (made observation, err error) {
	err = c.call("POST", "/medical-record/observations", nil, written[observation]{o}, &made)
	return made, err
}

// note changes the note of an observation.
func (c *clinic) changeNote(id, text string) (made observation, err error) {
	change := struct {
		Note string `json:"note"`
	}{text}
	err = c.call("PATCH", "/medical-record/observations/"+id, nil, written[any]{change}, &made)
	return made, err
}
