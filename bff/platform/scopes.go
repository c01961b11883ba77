package platform

import (
	"slices"
	"strings"
)

// scopeURI stands before a SMART scope where it is written as a URI (SMART App Launch 2.2, "Scopes for requesting FHIR
// resources", URI representation).
const scopeURI = "http://smarthealthit.org/fhir/scopes/"

// PlainScope is a scope without the URI in front that some servers write.
func PlainScope(scope string) string { return strings.TrimPrefix(scope, scopeURI) }

// resourceScope is a SMART scope on FHIR resources, of either version.
type resourceScope struct {
	level        string   // patient, user or system
	resource     string   // a FHIR type, or "*"
	interactions string   // of "cruds", in that order, at least one
	filters      []string // name=value pairs, sorted: only resources that fit them all
}

const allInteractions = "cruds"

// v1Interactions are what SMART App Launch 1.0's words mean in the letters of 2.2.
var v1Interactions = map[string]string{"read": "rs", "write": "cud", "*": allInteractions}

// parseResourceScope reads patient/Observation.rs?category=laboratory and its like (SMART App Launch 2.2, "SMART's scopes
// language"); not ok for any other scope, such as launch/patient or one whose letters stand in another order.
func parseResourceScope(scope string) (s resourceScope, ok bool) {
	s.level, scope, ok = strings.Cut(PlainScope(scope), "/")
	if !ok || s.level != "patient" && s.level != "user" && s.level != "system" {
		return s, false
	}
	scope, query, filtered := strings.Cut(scope, "?")
	if s.resource, s.interactions, ok = strings.Cut(scope, "."); !ok || s.resource != "*" && !isResourceType(s.resource) {
		return s, false
	}
	if letters, v1 := v1Interactions[s.interactions]; v1 {
		s.interactions, ok = letters, !filtered
	} else {
		ok = isInteractions(s.interactions)
	}
	if filtered && ok {
		s.filters = strings.Split(query, "&")
		slices.Sort(s.filters)
		s.filters = slices.Compact(s.filters)
		ok = !slices.ContainsFunc(s.filters, func(filter string) bool {
			name, value, pair := strings.Cut(filter, "=")
			return !pair || name == "" || value == ""
		})
	}
	return s, ok
}

// isInteractions says whether letters are some of "cruds", each once and in this order.
func isInteractions(letters string) bool {
	at := 0
	for i := 0; i < len(letters); i++ {
		n := strings.IndexByte(allInteractions[at:], letters[i])
		if n < 0 {
			return false
		}
		at += n + 1
	}
	return letters != ""
}

// isResourceType says whether s looks like the name of a FHIR resource type.
func isResourceType(s string) bool {
	if s == "" || len(s) > 64 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
}

// covers says whether s allows an interaction on all that w speaks of.
func (s resourceScope) covers(w resourceScope, interaction byte) bool {
	return s.level == w.level && (s.resource == "*" || s.resource == w.resource) && strings.IndexByte(s.interactions, interaction) >= 0 &&
		!slices.ContainsFunc(s.filters, func(filter string) bool { return !slices.Contains(w.filters, filter) })
}

// Covers says whether granted scopes allow all that wanted asks for, by their meaning: patient/Observation.rs is covered by
// patient/*.read, and by patient/Observation.r with patient/Observation.s. The levels patient, user and system are never
// taken for one another. Scopes that are not on FHIR resources are compared as they stand.
func Covers(granted []string, wanted string) bool {
	want, ok := parseResourceScope(wanted)
	if !ok {
		return slices.ContainsFunc(granted, func(scope string) bool { return PlainScope(scope) == PlainScope(wanted) })
	}
	for i := 0; i < len(want.interactions); i++ {
		if !slices.ContainsFunc(granted, func(scope string) bool {
			have, ok := parseResourceScope(scope)
			return ok && have.covers(want, want.interactions[i])
		}) {
			return false
		}
	}
	return true
}

// Granted says whether a token with these scopes may be used for the operation at all. On a FHIR resource any level counts,
// and a scope that is filtered too: which records they mean is for the platform to know.
func (o *Operation) Granted(scopes []string) bool {
	if o.Resource == "" {
		return o.Scope == "" || slices.Contains(scopes, o.Scope)
	}
	return slices.ContainsFunc(scopes, func(scope string) bool {
		if o.ServiceScope != "" && strings.HasPrefix(PlainScope(scope), o.ServiceScope) {
			return true
		}
		have, ok := parseResourceScope(scope)
		return ok && (have.resource == "*" || have.resource == o.Resource) && strings.Contains(have.interactions, o.Interaction)
	})
}
