package app

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"time"

	"locum/shared"
)

// chart is one patient's record at a FHIR server: who it is, then the sections, each loaded and failing by itself. Everything
// in it is of this patient: an answer that holds another's refuses its section, whatever the server or the proxy let pass.
type chart struct {
	connection shared.Connection
	id         string
	known      bool // who it is has been read
	who        fhirPatient
	zone       zone
	today      date
	sections   []*section
}

// section is one type of resource in a chart.
type section struct {
	kind   string
	scope  string // what would have to be granted; "" where it is
	first  string // its first page
	busy   bool
	loaded bool
	fail   *failure
	found
}

// chartKinds are the sections, in the order in which they are asked for.
var chartKinds = []string{"AllergyIntolerance", "Condition", "MedicationRequest", "Observation"}

const (
	resourcesPerPage = 100
	resourcePages    = 5 // pages that a section follows before it asks
)

// openChart empties a chart and loads a patient's. It belongs in a page's load.
func (p *page) openChart(c *chart, connection shared.Connection, id string, done func(error)) {
	*c = chart{connection: connection, id: id, zone: p.shell.zone("")}
	if forOne(connection) && connection.Launch.Patient != id {
		done(failWith(shared.CodeWrongPatient))
		return
	}
	if !p.shell.show(id, connection) {
		return
	}
	clinic := p.shell.clinic(connection.ID)
	async(p, func() (fhirPatient, error) { return clinic.person(connection, id) }, func(who fhirPatient, err error) {
		if err != nil {
			done(err)
			return
		}
		c.known, c.who, c.today = true, who, c.zone.day(time.Now())
		for _, kind := range chartKinds {
			c.sections = append(c.sections, p.openSection(c, kind))
		}
		if connection.Launch != nil && connection.Launch.Encounter != "" {
			c.sections = append(c.sections, p.openSection(c, "Encounter"))
		}
		done(nil)
	})
}

// openSection loads a section, where what is granted lets it.
func (p *page) openSection(c *chart, kind string) *section {
	s := &section{kind: kind}
	if !granted(c.connection.Scopes, kind) {
		s.scope = c.missing(kind)
		return s
	}
	path := "/" + kind + "?patient=" + url.QueryEscape(c.id) + "&_count=" + strconv.Itoa(resourcesPerPage)
	if kind == "Encounter" {
		path = "/Encounter?patient=" + url.QueryEscape(c.id) + "&_id=" + url.QueryEscape(c.connection.Launch.Encounter)
	}
	s.first = fhirPath(c.connection, path)
	s.next = s.first
	p.readOn(c, s)
	return s
}

// missing is the scope that would let a section be read: the one that is configured for it, else one in plain words.
func (c *chart) missing(kind string) string {
	for _, scope := range c.connection.More {
		if granted([]string{scope}, kind) {
			return scope
		}
	}
	if forOne(c.connection) {
		return "patient/" + kind + ".read"
	}
	return "user/" + kind + ".read"
}

// readOn reads a section's next pages.
func (p *page) readOn(c *chart, s *section) {
	s.busy, s.fail = true, nil
	clinic, at, soFar := p.shell.clinic(c.connection.ID), s.next, s.found
	connection, id := c.connection, c.id
	async(p, func() (found, error) {
		all := found{list: slices.Clip(soFar.list), unread: soFar.unread, next: at}
		for range resourcePages {
			one, err := clinic.resources(connection, s.kind, id, all.next)
			if err != nil {
				return all, err
			}
			all.list, all.unread, all.next = append(all.list, one.list...), all.unread+one.unread, one.next
			if all.next == "" {
				break
			}
		}
		return all, nil
	}, func(all found, err error) {
		s.busy = false
		if err != nil {
			s.fail = failed(err)
			if s.fail.Code == codeWrongRecord || s.fail.Code == shared.CodePlatformBadAnswer { // Nothing of it is trusted.
				s.found = found{next: s.first}
			}
			return
		}
		s.loaded, s.found = true, all
		arrange(s.list, func(a, b resource) int {
			return cmp.Or(cmp.Compare(rank(a), rank(b)), b.at().Compare(a.at()), cmp.Compare(a.ID, b.ID))
		})
	})
}

// rank puts what is current before what is over, and a serious allergy before others.
func rank(r resource) int {
	n := 0
	if over(r) {
		n = 2
	}
	if r.Criticality == "high" {
		n--
	}
	return n
}

// over says whether a problem, a medication or an allergy is not a current one.
func over(r resource) bool {
	switch r.Clinical.code() {
	case "inactive", "remission", "resolved":
		return true
	}
	return r.Type == "MedicationRequest" && slices.Contains([]string{"cancelled", "completed", "stopped"}, r.Status) || r.Verification.code() == "refuted"
}

// at is when a resource happened, as well as it says.
func (r resource) at() time.Time {
	for _, said := range []string{r.Effective, r.EffectivePeriod.Start, r.Issued, r.Period.Start, r.Authored, r.Onset, r.Recorded} {
		if t, _ := fhirTime(said); !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// fhirTime reads a FHIR date or dateTime: a year, a month, a day, or a moment; whole says that it is a moment.
func fhirTime(s string) (t time.Time, whole bool) {
	for _, shape := range []string{time.RFC3339, time.DateOnly, "2006-01", "2006"} {
		if t, err := time.Parse(shape, s); err == nil {
			return t, shape == time.RFC3339
		}
	}
	return time.Time{}, false
}

// fhirDate says a FHIR date as exactly as it was written.
func (z zone) fhirDate(s string) string {
	t, whole := fhirTime(s)
	switch {
	case whole:
		return z.say(z.day(t), shapeDate)
	case len(s) == len(time.DateOnly) && !t.IsZero():
		return z.say(dateOf(t), shapeDate)
	}
	return clip(s, 20)
}

// fhirMoment says a FHIR dateTime with its time of day, where it has one.
func (z zone) fhirMoment(s string) string {
	if t, whole := fhirTime(s); whole {
		return z.stamp(t)
	}
	return z.fhirDate(s)
}

// section finds a section by its type; nil where it is not there.
func (c *chart) section(kind string) *section {
	for _, s := range c.sections {
		if s.kind == kind {
			return s
		}
	}
	return nil
}
