package sandbox

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// How far the observation series reach around the clinic's first day. What
// lies ahead shows when the clock gets there.
const (
	seriesBack  = 240
	seriesAhead = 90
)

// observation is the reference's observation. Optional text is left out when
// empty: its type is string, never null.
type observation struct {
	ID           string             `json:"id"`
	PatientID    string             `json:"patient_id"`
	Practitioner string             `json:"practitioner_id,omitempty"`
	Encounter    string             `json:"encounter_id,omitempty"`
	Category     string             `json:"category"`
	CreatedAt    string             `json:"created_at"`
	UpdatedAt    string             `json:"updated_at"`
	IssuedAt     string             `json:"issued_at"`
	Note         string             `json:"note,omitempty"`
	Values       []observationValue `json:"values"`
	DocumentIDs  []string           `json:"document_ids"`

	created, updated, issued time.Time
}

// observationValue is one component. Value is text whatever ValueType says.
type observationValue struct {
	ID        string `json:"id"`
	Code      string `json:"code"`
	System    string `json:"system"`
	Display   string `json:"display,omitempty"`
	Value     string `json:"value"`
	ValueType string `json:"value_type"`
	Unit      string `json:"unit,omitempty"`
}

// The coding systems of the series: LOINC where a code exists, else the
// sandbox's own, which nobody can mistake for a real one.
const (
	loinc    = "http://loinc.org"
	homemade = "https://codes.example.test/sandbox"
)

// measure is one thing that is measured: its code and how its number is read.
type measure struct {
	code, system, display, unit string
	decimals                    int
}

var (
	systolic    = measure{"8480-6", loinc, "Systolic blood pressure", "mm[Hg]", 0}
	diastolic   = measure{"8462-4", loinc, "Diastolic blood pressure", "mm[Hg]", 0}
	heartRate   = measure{"8867-4", loinc, "Heart rate", "/min", 0}
	weight      = measure{"29463-7", loinc, "Body weight", "kg", 1}
	pain        = measure{"72514-3", loinc, "Pain severity 0-10 verbal numeric rating", "{score}", 0}
	hemoglobin  = measure{"4548-4", loinc, "Hemoglobin A1c", "%", 1}
	cholesterol = measure{"14647-2", loinc, "Cholesterol", "mmol/L", 1}
	flexion     = measure{"shoulder-flexion", homemade, "Shoulder flexion, active", "deg", 0}
)

func (m measure) at(value float64) observationValue {
	return observationValue{Code: m.code, System: m.system, Display: m.display, Unit: m.unit,
		Value: strconv.FormatFloat(value, 'f', m.decimals, 64), ValueType: "numeric"}
}

// body is what a patient's series start from and where they go.
type body struct {
	systolic, diastolic, rate, kilos, pain, sugar, fat, reach float64
}

func newBody(throw *rand.Rand) body {
	between := func(low, high float64) float64 { return low + throw.Float64()*(high-low) }
	return body{between(108, 152), between(66, 94), between(56, 88), between(44, 112), between(4, 9), between(4.9, 8.4), between(3.4, 6.9), between(70, 140)}
}

// newSeries makes every patient's observations but those of the last three
// patients, who have none: an empty page must look right too.
func newSeries(d *clinicData) []*observation {
	var all []*observation
	for i, p := range d.patients {
		if i < len(d.patients)-3 {
			all = append(all, d.series(p)...)
		}
	}
	slices.SortFunc(all, func(a, b *observation) int {
		if c := a.created.Compare(b.created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}

// series makes one patient's observations: vital signs about weekly, an
// examination about monthly, a laboratory report about every other month.
func (d *clinicData) series(p *patient) []*observation {
	throw := dice(d.spec.key, "series", p.ID)
	b := newBody(throw)
	var out []*observation
	until := d.born.AddDate(0, 0, seriesAhead)
	day, n := d.born.AddDate(0, 0, -seriesBack+throw.IntN(7)), 0
	for ; day.Before(until); day = day.AddDate(0, 0, 5+throw.IntN(6)) {
		if !p.coming(day) {
			continue
		}
		done := 1 - math.Exp(-float64(n)/9) // recovery: fast, then slow
		at := clock(day, 9*60+throw.IntN(8*60))
		by := d.staff[throw.IntN(len(d.staff))].ID
		out = append(out, d.observe(p, at, by, "vital_signs", b.vitals(throw, n, done)...))
		if n%4 == 1 {
			o := d.observe(p, at.Add(7*time.Minute), by, "exam", b.exam(throw, done)...)
			o.Note = notes[throw.IntN(len(notes))]
			out = append(out, o)
		}
		if n%8 == 3 {
			out = append(out, d.observe(p, at.Add(26*time.Hour), by, "laboratory", b.laboratory(throw, done)...))
		}
		n++
	}
	return out
}

func (b body) vitals(throw *rand.Rand, n int, done float64) []observationValue {
	jitter := func(by float64) float64 { return (throw.Float64()*2 - 1) * by }
	out := []observationValue{
		systolic.at(b.systolic - 9*done + jitter(7)), diastolic.at(b.diastolic - 5*done + jitter(5)),
		heartRate.at(b.rate - 4*done + jitter(6)),
		pain.at(max(0, min(10, b.pain*(1-0.75*done)+jitter(1)))),
	}
	if n%3 == 0 {
		out = append(out, weight.at(b.kilos*(1-0.03*done)+jitter(0.6)))
	}
	return out
}

func (b body) laboratory(throw *rand.Rand, done float64) []observationValue {
	return []observationValue{
		hemoglobin.at(b.sugar - 0.6*done + throw.Float64()*0.3), cholesterol.at(b.fat - 0.5*done + throw.Float64()*0.4),
	}
}

func (b body) exam(throw *rand.Rand, done float64) []observationValue {
	side := []string{"left", "right", "both sides"}[throw.IntN(3)]
	return []observationValue{
		flexion.at(b.reach + (178-b.reach)*done - throw.Float64()*6),
		{Code: "impingement-sign", System: homemade, Display: "Impingement sign", Value: strconv.FormatBool(throw.Float64() > done), ValueType: "boolean"},
		{Code: "affected-side", System: homemade, Display: "Affected side", Value: side, ValueType: "string"},
	}
}

// notes are what practitioners write; some of it looks like markup, and one is long.
var notes = [...]string{
	"Range improving, home exercises done most days.",
	"Reports stiffness in the morning; <10 minutes. Plan: continue & re-test.",
	"Slept badly.\nPain 3/10 at rest, 6/10 overhead.",
	"Patient asks: \"When can I row again?\" Discussed load, <em>not</em> before full painless reach.",
	strings.TrimSpace(strings.Repeat("A long made-up note that goes on and on to see how a page wraps it. ", 12)),
	"Went for a swim 🏊 without trouble.",
}

func (d *clinicData) observe(p *patient, at time.Time, by, category string, values ...observationValue) *observation {
	o := &observation{
		ID: uuid7(at, d.spec.key, p.ID, category), PatientID: p.ID, Practitioner: by, Category: category,
		Encounter: uuid4(d.spec.key, "encounter", p.ID, at.Format(time.DateOnly)),
		Values:    values, DocumentIDs: []string{}, issued: at, created: at.Add(3 * time.Minute), updated: at.Add(3 * time.Minute),
	}
	o.date()
	o.number()
	return o
}

// date writes the three times in their wire form.
func (o *observation) date() {
	o.CreatedAt, o.UpdatedAt, o.IssuedAt = stamp(o.created), stamp(o.updated), stamp(o.issued)
}

// number gives each component without an id one that follows from its place.
func (o *observation) number() {
	for i := range o.Values {
		if o.Values[i].ID == "" {
			o.Values[i].ID = uuid7(o.created, o.ID, itoa(i))
		}
	}
}

// chart makes the series when they are first asked for. The caller holds d.mu.
func (d *clinicData) chart(now time.Time) {
	d.settle(now)
	if d.observations == nil {
		d.observations = newSeries(d)
	}
}

// record lists the observations that exist at now. Callers may keep the
// pointers: an observation is replaced, never changed.
func (d *clinicData) record(now time.Time) []*observation {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.chart(now)
	out := make([]*observation, 0, len(d.observations))
	for _, o := range d.observations {
		if !o.created.After(now) {
			out = append(out, o)
		}
	}
	return out
}

// add stores a new observation under an id of its own.
func (d *clinicData) add(o *observation, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.chart(now)
	d.written++
	o.ID = uuid7(now, d.spec.key, "written", itoa(d.written))
	o.created, o.updated = now, now
	o.date()
	o.number()
	d.observations = append(d.observations, o)
}

// amend replaces the observation with what change makes of a copy of it.
// It returns nil when there is none with this id at now.
func (d *clinicData) amend(id string, now time.Time, change func(*observation)) *observation {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.chart(now)
	for i, old := range d.observations {
		if strings.EqualFold(old.ID, id) && !old.created.After(now) {
			next := *old
			change(&next)
			next.updated = now
			next.date()
			next.number()
			d.observations[i] = &next
			return &next
		}
	}
	return nil
}
