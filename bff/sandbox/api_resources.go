package sandbox

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The lists of the API with the filters and sorts that the reference gives
// each of them.

// dated makes the two columns that most resources have.
func dated[T any](read func(T) dates) []column[T] {
	return []column[T]{
		{name: "created_at", ops: timeOps, sorts: true, time: true, key: func(item T) string { return timeKey(read(item).created) }},
		{name: "updated_at", ops: timeOps, sorts: true, time: true, key: func(item T) string { return timeKey(read(item).updated) }},
	}
}

func publicID[T any](ops string, sorts bool, id func(T) string) column[T] {
	return column[T]{name: "public_id", ops: ops, sorts: sorts, key: id}
}

// booking is a visit as it is known at one moment.
type booking struct {
	*visit
	now time.Time
}

var appointments = collection[booking]{
	name: "appointments", fallback: "start_at",
	columns: append(dated(func(b booking) dates { return dates{b.made, b.updated(b.now)} }),
		publicID(stringOps, false, func(b booking) string { return b.id }),
		column[booking]{name: "start_at", ops: timeOps, sorts: true, time: true, key: func(b booking) string { return timeKey(b.start) }},
		column[booking]{name: "end_at", ops: timeOps, sorts: true, time: true, key: func(b booking) string { return timeKey(b.end) }},
		column[booking]{name: "booked_at", sorts: true, key: func(b booking) string { return timeKey(b.booked) }},
		column[booking]{name: "patient_id", ops: idOps, key: func(b booking) string { return b.patient }},
		column[booking]{name: "staff_member_id", ops: idOps, key: func(b booking) string { return b.staff }},
		column[booking]{name: "location_id", ops: idOps, key: func(b booking) string { return b.location }},
		column[booking]{name: "treatment_id", ops: idOps, key: func(b booking) string { return b.treatment }}),
	load: func(x *call) (all []booking) {
		for _, v := range x.c.data.schedule(x.now) {
			all = append(all, booking{v, x.now})
		}
		return all
	},
	id:   func(b booking) string { return b.id },
	show: func(x *call, b booking) any { return b.show(x.now) },
}

var patients = collection[*patient]{
	name: "patients", fallback: "created_at",
	columns: append(dated(func(p *patient) dates { return p.dates }), publicID(stringOps, true, func(p *patient) string { return p.ID })),
	load:    func(x *call) []*patient { return x.c.data.settled(x.now).patients },
	id:      func(p *patient) string { return p.ID },
	show:    showPatient,
}

// showPatient adds the link into the clinic's own web application.
func showPatient(x *call, p *patient) any {
	shown := *p
	shown.Links.Profile.Web = x.c.url + "/admin#patients/" + p.ID
	return &shown
}

var staffMembers = collection[staffMember]{
	name: "staff_members", fallback: "created_at",
	columns: append(dated(func(m staffMember) dates { return m.dates }), publicID(stringOps, false, func(m staffMember) string { return m.ID })),
	load:    func(x *call) []staffMember { return x.c.data.settled(x.now).staff },
	id:      func(m staffMember) string { return m.ID },
	show:    func(_ *call, m staffMember) any { return m },
}

// offer is a treatment with the clinic that knows who gives it.
type offer struct {
	treatment
	d *clinicData
}

var treatments = collection[offer]{
	name: "treatments", fallback: "created_at",
	columns: append(dated(func(t offer) dates { return t.dates }), publicID(idOps, false, func(t offer) string { return t.ID }),
		column[offer]{name: "staff_member_ids", ops: idOps, has: func(t offer, id string) bool { return t.d.offeredBy(t.treatment, id) }},
		column[offer]{name: "name", sorts: true, key: func(t offer) string { return t.Name }},
		column[offer]{name: "price", sorts: true, key: func(t offer) string { return numberKey(t.Price) }}),
	load: func(x *call) (all []offer) {
		d := x.c.data.settled(x.now)
		for _, t := range d.treatments {
			all = append(all, offer{t, d})
		}
		return all
	},
	id:   func(t offer) string { return t.ID },
	show: func(_ *call, t offer) any { return t.treatment },
}

// numberKey makes a price sortable text.
func numberKey(n float64) string {
	text := strconv.FormatFloat(n, 'f', 2, 64)
	return strings.Repeat("0", max(0, 12-len(text))) + text
}

var disciplines = collection[discipline]{
	name: "disciplines", fallback: "created_at",
	columns: append(dated(func(d discipline) dates { return d.dates }), publicID(stringOps, false, func(d discipline) string { return d.ID }),
		column[discipline]{name: "name", sorts: true, key: func(d discipline) string { return d.Name }}),
	load: func(x *call) []discipline { return x.c.data.settled(x.now).disciplines },
	id:   func(d discipline) string { return d.ID },
	show: func(_ *call, d discipline) any { return d },
}

var locations = collection[location]{
	name: "locations", fallback: "created_at",
	columns: append(dated(func(l location) dates { return l.dates }), publicID(stringOps, false, func(l location) string { return l.ID }),
		column[location]{name: "name", sorts: true, key: func(l location) string { return l.Name }}),
	load: func(x *call) []location { return x.c.data.settled(x.now).locations },
	id:   func(l location) string { return l.ID },
	show: func(_ *call, l location) any { return l },
}

var observations = collection[*observation]{
	name: "observations", fallback: "created_at", anyID: true, before: true,
	columns: append(sortOnly(dated(func(o *observation) dates { return dates{o.created, o.updated} })),
		column[*observation]{name: "issued_at", sorts: true, key: func(o *observation) string { return timeKey(o.issued) }},
		column[*observation]{name: "patient_id", ops: idOps, uuid: true, key: func(o *observation) string { return o.PatientID }},
		column[*observation]{name: "category", ops: idOps, values: categories, key: func(o *observation) string { return o.Category }},
		column[*observation]{name: "encounter_id", ops: idOps, uuid: true, key: func(o *observation) string { return o.Encounter }}),
	load: func(x *call) []*observation { return x.c.data.record(x.now) },
	id:   func(o *observation) string { return o.ID },
	show: func(_ *call, o *observation) any { return o },
}

// sortOnly takes the filters off columns.
func sortOnly[T any](columns []column[T]) []column[T] {
	for i := range columns {
		columns[i].ops = ""
	}
	return columns
}

// nothing is the item of lists that are always empty.
type nothing struct{}

// carePlans is empty, and just as particular about its parameters.
var carePlans = collection[nothing]{
	name: "care_plans", fallback: "created_at", before: true,
	columns: append(sortOnly(dated(func(nothing) dates { return dates{} })),
		column[nothing]{name: "patient_id", ops: idOps, uuid: true},
		column[nothing]{name: "category", ops: idOps, values: []string{"treatment_plan"}},
		column[nothing]{name: "encounter_id", ops: idOps, uuid: true}),
	load: func(*call) []nothing { return nil },
}

var medications = collection[nothing]{
	name: "medications", fallback: "created_at",
	columns: sortOnly(dated(func(nothing) dates { return dates{} })),
	load:    carePlans.load,
}

// listMedications answers in the one list shape that differs from the others.
func listMedications(x *call) {
	sel, wrong := medications.selectBy(x)
	if wrong == nil {
		_, wrong = medications.page(x, sel)
	}
	if wrong != nil {
		x.bad(*wrong)
		return
	}
	x.write(http.StatusOK, map[string]any{
		"items":      []nothing{},
		"pagination": map[string]any{"cursor": nil, "next_cursor": nil, "prev_cursor": nil, "has_next_page": false},
	})
}

func getCompany(x *call) {
	if x.r.URL.RawQuery != "" {
		x.bad(issue{ID: "INVALID_PARAMETER", Message: "This endpoint takes no parameters."})
		return
	}
	x.write(http.StatusOK, x.c.data.spec.describe(x.c.url))
}
