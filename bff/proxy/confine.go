package proxy

import (
	"slices"
	"strings"
)

// A connection that was launched for a patient shows that patient's banner. So it may be asked for that patient alone,
// wherever a request names one; what names nobody (a practitioner, today's appointments) is not touched.

var errWrongPatient = &Error{Code: codePatient}

// Search parameters whose value is a patient, or may be one where its type is not written (FHIR R4, "Search Parameters").
var (
	patientParams = []string{"patient", "subject", "beneficiary", "patientid"}
	actorParams   = []string{"actor", "performer", "recipient", "sender", "author", "source", "subscriber", "requester", "participant"}
)

// confine refuses a request that names another patient than the connection was launched for, or looks for people. It also
// notes whom the request names, for the audit trail.
func (c *call) confine(params []param, page *page) error {
	var found []string
	people := c.operation.Resource == "Patient"
	if id := c.pathPatient(); id != "" {
		found = append(found, id)
	}
	for _, p := range params {
		ids, fine := named(p, people, c.patient != "")
		if !fine {
			return errWrongPatient
		}
		found = append(found, ids...)
	}
	if len(found) > 0 && !slices.ContainsFunc(found, func(id string) bool { return id != found[0] }) {
		c.named = found[0]
	}
	switch {
	case c.patient == "":
		return nil
	case slices.ContainsFunc(found, func(id string) bool { return !c.isLaunched(id) }):
		return errWrongPatient
	case page != nil: // the search that it is a part of was looked at
		c.confined = page.confined
		return nil
	case people && len(found) == 0: // looks for people, or adds one
		return errWrongPatient
	}
	// A record that is asked for by its id, or by what it belongs to, names nobody before it is there; then it has to be hers.
	c.confined = len(found) > 0 || c.operation.FHIR && (c.operation.Interaction == "r" || slices.ContainsFunc(params, ofOne))
	return nil
}

// ofOne says whether a search parameter leads to the records of one patient without a word of whom.
func ofOne(p param) bool { return p.name == "_id" || p.name == "encounter" || p.name == "appointment" }

// named gives the patients that a parameter names. Strictly, what may name one in a way that cannot be compared is not fine,
// and an id that may be a patient's counts as one.
func named(p param, people, strictly bool) (ids []string, fine bool) {
	name, modifier, _ := strings.Cut(p.name, ":")
	chained := strings.Contains(p.name, ".")
	name, _, _ = strings.Cut(name, ".")
	whole := slices.Contains(patientParams, name) || people && name == "_id"
	indirect := name == "_has" || name == "_filter" || name == "_list" || name == "_query"
	typed, _, _ := strings.Cut(modifier, ".")
	indirect = indirect || chained || whole && typed != "" && typed != "Patient"
	if indirect {
		return nil, !strictly
	}
	for value := range strings.SplitSeq(p.value, ",") {
		id, is := patientIn(value)
		bare := !strings.Contains(value, "/")
		switch {
		case is:
			ids = append(ids, id)
		case bare && (whole || typed == "Patient"):
			ids = append(ids, value)
		case strictly && bare && typed == "" && slices.Contains(actorParams, name):
			ids = append(ids, value) // whose it is only the platform knows
		}
	}
	return ids, true
}

// pathPatient is the patient in the path: behind Patient/ of FHIR, or in the place of {patientid}.
func (c *call) pathPatient() string {
	if c.operation.FHIR {
		id, _ := patientIn(c.operation.Path)
		return id
	}
	template, path := strings.Split(c.operation.FullPath(), "/"), strings.Split(c.operation.Path, "/")
	if i := slices.Index(template, "{patientid}"); i >= 0 && i < len(path) {
		return path[i]
	}
	return ""
}

// isLaunched says whether an id is the launched patient's. athenaOne has the number alone: 60178 is a-195900.E-60178.
func (c *call) isLaunched(id string) bool {
	if id == c.patient {
		return true
	}
	f := c.upstream.face
	return !c.operation.FHIR && f.practice != "" && "a-"+f.practice+".E-"+id == c.patient
}
