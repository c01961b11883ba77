package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// records are what a face's FHIR API and athenaOne serve: invented people and what was written about them.
type records struct {
	f       *Face
	born    time.Time // the day that everything else is counted from
	mu      sync.Mutex
	charts  []*chart
	kinds   map[string][]*record // by resource type, the latest first where they have a date
	visits  []*athenaVisit
	numbers int // of the last resource made
}

// record is one resource.
type record struct {
	id, patient, practice string
	at                    time.Time
	version               int
	body                  map[string]any
}

// chart is one patient, in the words of both APIs.
type chart struct {
	number                             int
	practice, id                       string
	first, last, sex, birth            string // birth is YYYY-MM-DD
	phone, email, address, city, state string
}

// athenaVisit is one appointment of athenaOne.
type athenaVisit struct {
	number   int
	chart    *chart
	provider int
	start    time.Time
	minutes  int
	kind     string
	status   string // athenaOne's letter: f future, 3 checked out, x cancelled
	notes    []athenaNote
}

type athenaNote struct {
	id         int
	text, made string
}

// resourceKinds are the types that are served.
var resourceKinds = []string{"Patient", "Practitioner", "Encounter", "Observation", "Condition", "MedicationRequest", "AllergyIntolerance",
	"Appointment", "Organization"}

// id is the id of a resource. athenahealth's carry the practice: a-195900.E-60178.
func (f *Face) id(practice, kind string, number int) string {
	if !f.athena {
		short := map[string]string{"E": "pat", "Provider": "prac", "Practice": "hospital"}[kind]
		if short == "" {
			short = strings.ToLower(kind)
		}
		return fmt.Sprintf("%s-%d", short, number)
	}
	if kind == "Practice" {
		return "a-1.Practice-" + practice
	}
	return "a-" + practice + "." + kind + "-" + strconv.Itoa(number)
}

func (r *records) add(kind, id, patient, practice string, at time.Time, body map[string]any) *record {
	body["resourceType"], body["id"] = kind, id
	one := &record{id: id, patient: patient, practice: practice, at: at, version: 1, body: body}
	r.kinds[kind] = append(r.kinds[kind], one)
	return one
}

// sort puts the latest first.
func (r *records) sort(kind string) {
	slices.SortStableFunc(r.kinds[kind], func(a, b *record) int { return b.at.Compare(a.at) })
}

// chartsFor lists the patients whose records a person may open.
func (r *records) chartsFor(who facePerson) []string {
	if who.patient != "" {
		return []string{who.patient}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for _, c := range r.charts {
		if c.practice == who.practice || !r.f.athena {
			ids = append(ids, c.id)
		}
	}
	return ids
}

// encountersOf lists a patient's encounters, the latest first.
func (r *records) encountersOf(patient string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for _, one := range r.kinds["Encounter"] {
		if one.patient == patient {
			ids = append(ids, one.id)
		}
	}
	return ids
}

// latest is the id of a patient's latest resource of a kind; "" where there is none.
func (r *records) latest(kind, patient string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.kinds[kind] {
		if patient != "" && one.patient == patient {
			return one.id
		}
	}
	return ""
}

// chart is a copy of a patient's chart as it stands.
func (r *records) chart(id string) (chart, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.charts {
		if c.id == id {
			return *c, true
		}
	}
	return chart{}, false
}

func (c *chart) name() string { return c.first + " " + c.last }

func (r *records) nameOf(patient string) string {
	if c, known := r.chart(patient); known {
		return c.name()
	}
	return patient
}

// choices are the records on a picker.
func (r *records) choices(want string, a *faceAttempt) []choice {
	var all []choice
	if want == "encounter" {
		whose := r.nameOf(a.patient)
		for _, id := range r.encountersOf(a.patient) {
			r.mu.Lock()
			at := r.find("Encounter", id).at
			r.mu.Unlock()
			all = append(all, choice{ID: id, Name: at.Format("2 January 2006"), Note: whose})
		}
		return all
	}
	return r.patientsOf(a.login.person)
}

// patientsOf are the patients of a person, to be chosen from.
func (r *records) patientsOf(who facePerson) []choice {
	var all []choice
	for _, id := range r.chartsFor(who) {
		c, _ := r.chart(id)
		all = append(all, choice{ID: id, Name: c.name(), Note: "born " + c.birth})
	}
	return all
}

// find gives a resource. The caller holds mu.
func (r *records) find(kind, id string) *record {
	for _, one := range r.kinds[kind] {
		if one.id == id {
			return one
		}
	}
	return nil
}

// clone is a body that may be changed.
func (one *record) clone() map[string]any {
	raw, err := json.Marshal(one.body)
	body := map[string]any{}
	if err == nil {
		err = json.Unmarshal(raw, &body)
	}
	if err != nil {
		panic("sandbox: a resource that is no JSON: " + err.Error())
	}
	body["meta"] = map[string]any{"versionId": strconv.Itoa(one.version), "lastUpdated": one.at.UTC().Format(time.RFC3339)}
	return body
}

// FacePatient is one invented patient of a face. Encounter is the latest.
type FacePatient struct{ ID, Name, BirthDate, Encounter, Practice string }

// Patients lists them; the first practice's come first.
func (f *Face) Patients() []FacePatient {
	f.records.mu.Lock()
	charts := slices.Clone(f.records.charts)
	f.records.mu.Unlock()
	var all []FacePatient
	for _, one := range charts {
		c, _ := f.records.chart(one.id)
		all = append(all, FacePatient{c.id, c.name(), c.birth, f.records.latest("Encounter", c.id), c.practice})
	}
	return all
}

// Held is how many resources of a type there are, those that were created included.
func (f *Face) Held(kind string) int {
	f.records.mu.Lock()
	defer f.records.mu.Unlock()
	return len(f.records.kinds[kind])
}

// sortedNames are the names of a map in their order.
func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
