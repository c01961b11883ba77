package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	categories = []string{"vital_signs", "laboratory", "exam"}
	valueTypes = []string{"string", "boolean", "numeric"}
)

// observationBody is what may be sent. A nil member was not sent; id,
// created_at and updated_at are in the schema, but the platform makes them and
// what is sent for them is ignored.
type observationBody struct {
	ID           *string `json:"id"`
	CreatedAt    *string `json:"created_at"`
	UpdatedAt    *string `json:"updated_at"`
	PatientID    *string `json:"patient_id"`
	Practitioner *string `json:"practitioner_id"`
	Category     *string `json:"category"`
	observationChange
}

// observationChange is the part that an update may send too.
type observationChange struct {
	Encounter   *string      `json:"encounter_id"`
	Note        *string      `json:"note"`
	IssuedAt    *string      `json:"issued_at"`
	Values      *[]valueBody `json:"values"`
	DocumentIDs *[]string    `json:"document_ids"`
}

type valueBody struct {
	ID        *string `json:"id"`
	Code      *string `json:"code"`
	System    *string `json:"system"`
	Display   *string `json:"display"`
	Value     *string `json:"value"`
	ValueType *string `json:"value_type"`
	Unit      *string `json:"unit"`
}

// createObservation answers 201 with the stored observation, or 400 with
// everything that is wrong.
func createObservation(x *call) {
	var body struct {
		Data *observationBody `json:"data"`
	}
	if wrong := x.decode(&body); wrong != nil {
		x.bad(*wrong)
		return
	}
	if body.Data == nil {
		x.bad(issue{ID: "REQUIRED", Path: "/data", Message: "is required"})
		return
	}
	if wrong := body.Data.check(x); len(wrong) > 0 {
		x.bad(wrong...)
		return
	}
	o := &observation{
		PatientID: *body.Data.PatientID, Category: *body.Data.Category, Practitioner: x.grant.StaffID,
		Values: []observationValue{}, DocumentIDs: []string{}, issued: x.now,
	}
	if who := body.Data.Practitioner; who != nil {
		o.Practitioner = *who
	}
	body.Data.apply(o)
	x.c.data.add(o, x.now)
	x.write(http.StatusCreated, o)
}

// updateObservation answers 200 with the changed observation, 404, 400 for a
// body it cannot read, or 422 for values it cannot take.
func updateObservation(x *call) {
	var body struct {
		Data *observationChange `json:"data"`
	}
	id := x.ids[0]
	if !slices.ContainsFunc(x.c.data.record(x.now), func(o *observation) bool { return strings.EqualFold(o.ID, id) }) {
		x.missing()
		return
	}
	if wrong := x.decode(&body); wrong != nil {
		x.bad(*wrong)
		return
	}
	if body.Data == nil {
		x.bad(issue{ID: "REQUIRED", Path: "/data", Message: "is required"})
		return
	}
	if wrong := body.Data.check(); len(wrong) > 0 {
		x.refuse(http.StatusUnprocessableEntity, wrong...)
		return
	}
	if o := x.c.data.amend(id, x.now, body.Data.apply); o != nil {
		x.write(http.StatusOK, o)
		return
	}
	x.missing()
}

// check lists what is wrong with a new observation.
func (b *observationBody) check(x *call) (wrong []issue) {
	d := x.c.data.settled(x.now)
	known := func(id string) bool {
		return slices.ContainsFunc(d.patients, func(p *patient) bool { return p.ID == id })
	}
	employed := func(id string) bool {
		return slices.ContainsFunc(d.staff, func(m staffMember) bool { return m.ID == id })
	}
	switch {
	case b.PatientID == nil:
		wrong = append(wrong, issue{"REQUIRED", "/data/patient_id", "is required"})
	case !known(*b.PatientID):
		wrong = append(wrong, issue{"NOT_FOUND", "/data/patient_id", "is not a patient of this clinic"})
	}
	switch {
	case b.Category == nil:
		wrong = append(wrong, issue{"REQUIRED", "/data/category", "is required"})
	case !slices.Contains(categories, *b.Category):
		wrong = append(wrong, issue{"INVALID", "/data/category", "must be one of " + strings.Join(categories, ", ")})
	}
	if b.Practitioner != nil && !employed(*b.Practitioner) {
		wrong = append(wrong, issue{"NOT_FOUND", "/data/practitioner_id", "is not a staff member of this clinic"})
	}
	return append(wrong, b.observationChange.check()...)
}

// check lists what is wrong with the part that both writes share.
func (b *observationChange) check() (wrong []issue) {
	if b.Encounter != nil && !isUUID(*b.Encounter) {
		wrong = append(wrong, issue{"INVALID", "/data/encounter_id", "must be a UUID"})
	}
	if b.IssuedAt != nil {
		if _, err := time.Parse(time.RFC3339, *b.IssuedAt); err != nil {
			wrong = append(wrong, issue{"INVALID", "/data/issued_at", "must be an ISO 8601 date-time"})
		}
	}
	if b.DocumentIDs != nil && len(*b.DocumentIDs) > 0 {
		wrong = append(wrong, issue{"NOT_FOUND", "/data/document_ids/0", "is not a verified document"})
	}
	if b.Values != nil {
		for i, v := range *b.Values {
			wrong = append(wrong, v.check("/data/values/"+strconv.Itoa(i))...)
		}
	}
	return wrong
}

func (v *valueBody) check(path string) (wrong []issue) {
	for _, part := range []struct {
		name  string
		value *string
	}{{"code", v.Code}, {"system", v.System}, {"value", v.Value}, {"value_type", v.ValueType}} {
		if part.value == nil || *part.value == "" {
			wrong = append(wrong, issue{"REQUIRED", path + "/" + part.name, "is required"})
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	switch _, err := strconv.ParseFloat(*v.Value, 64); {
	case !slices.Contains(valueTypes, *v.ValueType):
		wrong = append(wrong, issue{"INVALID", path + "/value_type", "must be one of " + strings.Join(valueTypes, ", ")})
	case *v.ValueType == "numeric" && (err != nil || strings.Trim(*v.Value, "+-.0123456789eE") != ""):
		wrong = append(wrong, issue{"INVALID", path + "/value", "must be a number"})
	case *v.ValueType == "boolean" && *v.Value != "true" && *v.Value != "false":
		wrong = append(wrong, issue{"INVALID", path + "/value", "must be true or false"})
	}
	return wrong
}

// apply puts what was sent and checked into o.
func (b *observationChange) apply(o *observation) {
	if b.Encounter != nil {
		o.Encounter = *b.Encounter
	}
	if b.Note != nil {
		o.Note = *b.Note
	}
	if b.IssuedAt != nil {
		o.issued, _ = time.Parse(time.RFC3339, *b.IssuedAt) // checked
	}
	if b.Values == nil {
		return
	}
	o.Values = []observationValue{}
	for _, v := range *b.Values {
		o.Values = append(o.Values, observationValue{
			Code: *v.Code, System: *v.System, Value: *v.Value, ValueType: *v.ValueType,
			Display: text(v.Display), Unit: text(v.Unit),
		})
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
