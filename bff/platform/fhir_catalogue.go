package platform

import (
	"slices"
	"strings"
)

// fhirType is a type of resource, with its search parameters (FHIR R4, "Search Parameters" of each) and what may be written.
type fhirType struct {
	name   string
	params []string
	writes string // of c and u
}

// fhirTypes are those that the schedule and the patient's record show. Chained parameters and included resources are left
// out: they answer with types that no scope was compared with.
var fhirTypes = []fhirType{
	{"Patient", []string{"name", "family", "given", "birthdate", "gender", "identifier", "phone", "email", "address-postalcode", "active"}, ""},
	{"Practitioner", []string{"name", "family", "given", "identifier", "active"}, ""},
	{"Encounter", []string{"patient", "subject", "date", "status", "class", "type", "participant", "appointment"}, ""},
	{"Observation", []string{"patient", "subject", "category", "code", "date", "status", "encounter"}, "cu"},
	{"Condition", []string{"patient", "subject", "category", "clinical-status", "code", "encounter", "onset-date", "recorded-date"}, ""},
	{"MedicationRequest", []string{"patient", "subject", "status", "intent", "code", "encounter", "authoredon"}, ""},
	{"AllergyIntolerance", []string{"patient", "clinical-status", "code", "date"}, ""},
	{"Appointment", []string{"patient", "practitioner", "actor", "location", "date", "status"}, ""},
}

// fhirCommon are the parameters of every search. Those that lead to a next page are each server's own and come from its
// answers alone, which the proxy signs.
var fhirCommon = []string{"_id", "_count", "_sort", "_lastUpdated", "_total"}

// fhirOperations are the operations on a FHIR R4 API below a path.
func fhirOperations(base string) []Operation {
	var all []Operation
	for _, t := range fhirTypes {
		row := func(name, method, tail, interaction string) *Operation {
			all = append(all, Operation{
				ID: "fhir." + t.name + "." + name, Method: method, Path: base + "/" + t.name + tail, Class: t.name, FHIR: true,
				Resource: t.name, Interaction: interaction,
			})
			return &all[len(all)-1]
		}
		row("search", "GET", "", "s").Params = slices.Concat(t.params, fhirCommon)
		row("read", "GET", "/{id}", "r").RecordParam = "id"
		if strings.Contains(t.writes, "c") {
			row("create", "POST", "", "c").Write = true
		}
		if strings.Contains(t.writes, "u") {
			o := row("update", "PUT", "/{id}", "u")
			o.Write, o.RecordParam = true, "id"
		}
	}
	return all
}

// catalogue gives a platform its operations. Each that is on a resource gets the scope that is configured for it, so that a
// practitioner can be asked for it; where none is, one in the words of reads and writes. depth is that of the segment that
// names the resource.
func (p *Platform) catalogue(operations []Operation, depth int, reads, writes string) {
	for i := range operations {
		o := &operations[i]
		if o.Resource == "" {
			continue
		}
		configured := slices.IndexFunc(slices.Concat(p.Scopes, p.MoreScopes, p.LaunchScopes), func(scope string) bool {
			return o.Granted([]string{scope})
		})
		switch {
		case configured >= 0:
			o.Scope = slices.Concat(p.Scopes, p.MoreScopes, p.LaunchScopes)[configured]
		case o.Write:
			o.Scope = "user/" + o.Resource + "." + writes
		default:
			o.Scope = "user/" + o.Resource + "." + reads
		}
	}
	p.Operations, p.depth = operations, depth
	p.index = index(operations, depth)
}
