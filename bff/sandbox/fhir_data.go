package sandbox

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// newRecords makes everything that a face serves; now fixes its days.
func newRecords(f *Face, now time.Time) *records {
	y, m, d := now.UTC().Date()
	r := &records{f: f, born: time.Date(y, m, d, 0, 0, 0, 0, time.UTC), kinds: map[string][]*record{}, numbers: 900_000}
	for _, one := range patientTable {
		c := one.chart
		c.id = f.id(c.practice, "E", c.number)
		r.charts = append(r.charts, &c)
		r.addPatient(&c)
		r.addStory(&c, one)
	}
	r.addStaff()
	for _, kind := range resourceKinds {
		r.sort(kind)
	}
	return r
}

// story is an invented patient with what their record says.
type story struct {
	chart
	problems  []coded
	medicines []coded
	allergies []coded
	pressure  float64 // systolic, in mmHg
	weight    float64 // kg
	height    float64 // cm
	visits    int
}

// coded is a term of a terminology: SNOMED CT or RxNorm by where it stands. Note is free text beside it.
type coded struct{ code, text, note string }

// patientTable is everybody. The last is at another practice.
var patientTable = []story{
	{chart: chart{number: 60178, practice: Practice, first: "Ada", last: "Inventson", sex: "female", birth: "1968-04-09", phone: "555-0101",
		email: "ada@example.test", address: "1 Placeholder Lane", city: "Fictionville", state: "MA"},
		problems:  []coded{{"38341003", "Hypertensive disorder", "active"}, {"44054006", "Type 2 diabetes mellitus", "active"}, {"195662009", "Acute viral pharyngitis", "resolved"}},
		medicines: []coded{{"314076", "Lisinopril 10 MG Oral Tablet", "one tablet a day"}, {"860975", "Metformin 500 MG Oral Tablet", "one tablet twice a day with meals"}},
		allergies: []coded{{"91936005", "Allergy to penicillin", "hives"}}, pressure: 148, weight: 84, height: 168, visits: 14},
	{chart: chart{number: 60179, practice: Practice, first: "Bo", last: "Madeup", sex: "male", birth: "1985-11-23", phone: "555-0102",
		email: "bo@example.test", address: "2 Placeholder Lane", city: "Fictionville", state: "MA"},
		problems:  []coded{{"195967001", "Asthma", "active"}},
		medicines: []coded{{"745679", "Albuterol 0.09 MG/ACTUAT Metered Dose Inhaler", "two puffs when needed"}},
		allergies: []coded{{"232347008", "Allergy to dander", "sneezing"}}, pressure: 121, weight: 77, height: 181, visits: 8},
	{chart: chart{number: 60180, practice: Practice, first: "Cleo", last: "Fauxname", sex: "female", birth: "2016-02-29", phone: "555-0103",
		email: "", address: "3 Placeholder Lane", city: "Fictionville", state: "MA"},
		problems:  []coded{{"65363002", "Otitis media", "resolved"}},
		medicines: nil, allergies: []coded{{"91935009", "Allergy to peanut", "swelling"}}, pressure: 101, weight: 31, height: 134, visits: 6},
	{chart: chart{number: 60181, practice: Practice, first: "Dov", last: "Pretendberg", sex: "male", birth: "1941-07-14", phone: "555-0104",
		email: "dov@example.test", address: "4 Placeholder Lane", city: "Fictionville", state: "MA"},
		problems:  []coded{{"42343007", "Congestive heart failure", "active"}, {"49436004", "Atrial fibrillation", "active"}, {"431855005", "Chronic kidney disease stage 1", "active"}},
		medicines: []coded{{"855332", "Warfarin Sodium 5 MG Oral Tablet", "as the last INR says"}, {"310429", "Furosemide 20 MG Oral Tablet", "one tablet each morning"}},
		allergies: []coded{{"294505008", "Allergy to amoxicillin", "rash"}, {"300916003", "Allergy to latex", "itching"}}, pressure: 139, weight: 91, height: 174, visits: 22},
	{chart: chart{number: 60182, practice: Practice, first: "Eun", last: "Exemplar", sex: "female", birth: "1993-09-01", phone: "555-0105",
		email: "eun@example.test", address: "5 Placeholder Lane", city: "Fictionville", state: "MA"},
		problems: []coded{{"77386006", "Pregnancy", "active"}}, medicines: []coded{{"849574", "Prenatal vitamin Oral Tablet", "one tablet a day"}},
		allergies: nil, pressure: 112, weight: 66, height: 163, visits: 9},
	{chart: chart{number: 60183, practice: Practice, first: "Finn", last: "Nobody-Real", sex: "other", birth: "2001-12-31", phone: "555-0106",
		email: "finn@example.test", address: "6 Placeholder Lane", city: "Fictionville", state: "MA"}, pressure: 118, weight: 70, height: 176, visits: 3},
	{chart: chart{number: 70001, practice: OtherPractice, first: "Gale", last: "Elsewhere", sex: "female", birth: "1977-05-05", phone: "555-0107",
		email: "gale@example.test", address: "7 Placeholder Lane", city: "Otherton", state: "NH"},
		problems: []coded{{"38341003", "Hypertensive disorder", "active"}}, pressure: 141, weight: 72, height: 170, visits: 5},
}

func (r *records) addPatient(c *chart) {
	r.add("Patient", c.id, c.id, c.practice, r.born.AddDate(0, 0, -30), map[string]any{})
	r.rewrite(c)
}

// rewrite makes the FHIR resource of a chart anew, after athenaOne has changed it.
func (r *records) rewrite(c *chart) {
	one := r.find("Patient", c.id)
	telecom := []any{map[string]any{"system": "phone", "value": c.phone, "use": "home"}}
	if c.email != "" {
		telecom = append(telecom, map[string]any{"system": "email", "value": c.email})
	}
	one.body = map[string]any{
		"resourceType": "Patient", "id": c.id, "active": true, "gender": c.sex, "birthDate": c.birth,
		"name":    []any{map[string]any{"use": "official", "family": c.last, "given": []any{c.first}, "text": c.first + " " + c.last}},
		"telecom": telecom, "address": []any{map[string]any{"use": "home", "line": []any{c.address}, "city": c.city, "state": c.state}},
		"identifier":           []any{map[string]any{"system": "https://fhir.sandbox.invalid/sid/patient", "value": strconv.Itoa(c.number)}},
		"managingOrganization": map[string]any{"reference": "Organization/" + r.f.id(c.practice, "Practice", 0)},
	}
}

// addStory writes a patient's record: problems, medicines, allergies, and visits six weeks apart with what was measured.
func (r *records) addStory(c *chart, s story) {
	subject := map[string]any{"reference": "Patient/" + c.id, "display": c.first + " " + c.last}
	provider := 11 + c.number%2
	if c.practice != Practice {
		provider = 31
	}
	doctor := map[string]any{"reference": "Practitioner/" + r.f.id(c.practice, "Provider", provider)}
	began := r.born.AddDate(-2, 0, 0)
	const snomed, active = "http://snomed.info/sct", "active"
	for i, p := range s.problems {
		r.add("Condition", r.f.id(c.practice, "Problem", c.number*10+i), c.id, c.practice, began.AddDate(0, i, 0), map[string]any{
			"clinicalStatus":     codeable("http://terminology.hl7.org/CodeSystem/condition-clinical", p.note, ""),
			"verificationStatus": codeable("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed", ""),
			"category":           []any{codeable("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item", "")},
			"code":               codeable(snomed, p.code, p.text), "subject": subject, "onsetDateTime": began.AddDate(0, i, 0).Format(time.DateOnly),
		})
	}
	for i, p := range s.medicines {
		r.add("MedicationRequest", r.f.id(c.practice, "Rx", c.number*10+i), c.id, c.practice, began.AddDate(0, i, 3), map[string]any{
			"status": active, "intent": "order", "medicationCodeableConcept": codeable("http://www.nlm.nih.gov/research/umls/rxnorm", p.code, p.text),
			"subject": subject, "requester": doctor, "authoredOn": began.AddDate(0, i, 3).Format(time.DateOnly),
			"dosageInstruction": []any{map[string]any{"text": p.note}},
		})
	}
	for i, p := range s.allergies {
		r.add("AllergyIntolerance", r.f.id(c.practice, "Allergy", c.number*10+i), c.id, c.practice, began, map[string]any{
			"clinicalStatus":     codeable("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", active, ""),
			"verificationStatus": codeable("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "confirmed", ""),
			"code":               codeable(snomed, p.code, p.text), "patient": subject, "recordedDate": began.Format(time.DateOnly),
			"reaction": []any{map[string]any{"manifestation": []any{map[string]any{"text": p.note}}}},
		})
	}
	for i := range s.visits {
		r.addVisit(c, s, subject, doctor, provider, i)
	}
	r.addAppointments(c, subject, doctor, provider)
}

// addVisit is the i-th visit before today, with its vital signs.
func (r *records) addVisit(c *chart, s story, subject, doctor map[string]any, provider, i int) {
	at := r.born.AddDate(0, 0, -3-42*i).Add(time.Duration(14+c.number%5) * time.Hour)
	number := c.number*100 + i
	encounter := r.f.id(c.practice, "Encounter", number)
	r.add("Encounter", encounter, c.id, c.practice, at, map[string]any{
		"status": "finished", "class": map[string]any{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory"},
		"type":    []any{codeable("http://snomed.info/sct", "185349003", "Encounter for check up")},
		"subject": subject, "participant": []any{map[string]any{"individual": doctor}},
		"period": map[string]any{"start": at.Format(time.RFC3339), "end": at.Add(25 * time.Minute).Format(time.RFC3339)},
	})
	wave := func(size, phase float64) float64 {
		return math.Round((size*math.Sin(float64(i)*0.9+phase+float64(c.number%7)))*10) / 10
	}
	drift := float64(i) * 0.4
	for n, v := range []vital{
		{code: "8867-4", text: "Heart rate", value: math.Round(72 + wave(9, 1)), unit: "beats/minute", ucum: "/min"},
		{code: "29463-7", text: "Body weight", value: math.Round((s.weight+drift+wave(0.8, 2))*10) / 10, unit: "kg", ucum: "kg"},
		{code: "8302-2", text: "Body height", value: s.height, unit: "cm", ucum: "cm"},
		{code: "8310-5", text: "Body temperature", value: math.Round((36.7+wave(0.4, 3))*10) / 10, unit: "Cel", ucum: "Cel"},
		{code: "59408-5", text: "Oxygen saturation", value: math.Round(97 + wave(1.4, 4)), unit: "%", ucum: "%"},
		{code: "85354-9", text: "Blood pressure", value: math.Round(s.pressure + drift + wave(7, 0)), low: math.Round(s.pressure*0.62 + wave(4, 1)), unit: "mmHg", ucum: "mm[Hg]"},
	} {
		r.addVital(c, v, r.f.id(c.practice, "Vital", number*10+n), encounter, subject, at)
	}
	r.visits = append(r.visits, &athenaVisit{number: number, chart: c, provider: provider, start: at, minutes: 30, kind: "Follow up", status: "3"})
}

// vital is one measurement; low is the diastolic pressure beside the systolic.
type vital struct {
	code, text, unit, ucum string
	value, low             float64
}

func (r *records) addVital(c *chart, v vital, id, encounter string, subject map[string]any, at time.Time) {
	body := map[string]any{
		"status": "final", "code": codeable("http://loinc.org", v.code, v.text), "subject": subject,
		"category":  []any{codeable("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs", "Vital Signs")},
		"encounter": map[string]any{"reference": "Encounter/" + encounter}, "effectiveDateTime": at.Format(time.RFC3339),
	}
	if v.low == 0 {
		body["valueQuantity"] = v.quantity(v.value)
	} else {
		body["component"] = []any{
			map[string]any{"code": codeable("http://loinc.org", "8480-6", "Systolic blood pressure"), "valueQuantity": v.quantity(v.value)},
			map[string]any{"code": codeable("http://loinc.org", "8462-4", "Diastolic blood pressure"), "valueQuantity": v.quantity(v.low)},
		}
	}
	r.add("Observation", id, c.id, c.practice, at, body)
}

func (v vital) quantity(value float64) map[string]any {
	return map[string]any{"value": value, "unit": v.unit, "system": "http://unitsofmeasure.org", "code": v.ucum}
}

// addAppointments books two days ahead: next week and in six weeks.
func (r *records) addAppointments(c *chart, subject, doctor map[string]any, provider int) {
	for i, days := range []int{c.number % 6, 42} {
		at := r.born.AddDate(0, 0, days).Add(time.Duration(15+c.number%4) * time.Hour)
		number := c.number*100 + 90 + i
		r.visits = append(r.visits, &athenaVisit{number: number, chart: c, provider: provider, start: at, minutes: 20, kind: "Office visit", status: "f"})
		r.add("Appointment", r.f.id(c.practice, "Appointment", number), c.id, c.practice, at, map[string]any{
			"status": "booked", "description": "Office visit", "start": at.Format(time.RFC3339), "end": at.Add(20 * time.Minute).Format(time.RFC3339),
			"participant": []any{map[string]any{"actor": subject, "status": "accepted"}, map[string]any{"actor": doctor, "status": "accepted"}},
		})
	}
}

// addStaff is the practitioners and the places they work at.
func (r *records) addStaff() {
	for _, one := range []struct {
		practice, first, last string
		number                int
	}{{Practice, "Robin", "Sampleworth", 11}, {Practice, "Noor", "Exampleson", 12}, {OtherPractice, "Alex", "Testerton", 31}} {
		r.add("Practitioner", r.f.id(one.practice, "Provider", one.number), "", one.practice, r.born, map[string]any{
			"active": true, "name": []any{map[string]any{"family": one.last, "given": []any{one.first}, "text": one.first + " " + one.last}},
			"identifier": []any{map[string]any{"system": "http://hl7.org/fhir/sid/us-npi", "value": fmt.Sprintf("99999%05d", one.number)}},
		})
	}
	for _, practice := range []string{Practice, OtherPractice} {
		if r.f.athena || practice == Practice {
			r.add("Organization", r.f.id(practice, "Practice", 0), "", practice, r.born, map[string]any{"active": true, "name": r.f.title()})
		}
	}
}

func codeable(system, code, text string) map[string]any {
	coding := map[string]any{"system": system, "code": code}
	concept := map[string]any{"coding": []any{coding}}
	if text != "" {
		coding["display"], concept["text"] = text, text
	}
	return concept
}
