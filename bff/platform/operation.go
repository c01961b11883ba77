package platform

import (
	"errors"
	"slices"
	"strings"
)

// Operation is one row of a platform's API: what Locum may ask for, and what that needs. What has no row is refused.
type Operation struct {
	ID      string // stable; the same in the audit trail and the documentation
	Method  string // exactly as sent, upper case
	Path    string // without the version, with {names}: /patients/{patient_id}
	Version string // the request path is /api/ + Version + Path; "" where Path is all of it
	Scope   string // needed for it; "" where the platform's documentation states none
	Class   string // the resource: list, get and search of it share one rate limit, whatever the version
	Write   bool   // it may change something, so it is never repeated after an answer or a silence
	// Multipart and Form say that the request body is multipart/form-data, or application/x-www-form-urlencoded; all other
	// bodies are JSON.
	Multipart, Form bool
	// FHIR says that the answer, and the body if there is one, is FHIR R4: application/fhir+json.
	FHIR bool
	// Resource is a FHIR type and Interaction one of c, r, u, d, s (SMART App Launch 2.2): what a scope must allow. "" where
	// Scope says it all. ServiceScope is the beginning of scopes that allow it to the application itself.
	Resource, Interaction, ServiceScope string
	// Params are the query parameters it takes, exactly as sent: page[limit], start_at[gte]; where Form is set, the fields of
	// the body, and no query is taken.
	Params []string
	// RecordParam is the {name} whose value is the record that the operation is about; "" for lists.
	RecordParam string
}

// FullPath is the template of the request path.
func (o *Operation) FullPath() string {
	if o.Version == "" {
		return o.Path
	}
	return "/api/" + o.Version + o.Path
}

// ErrNoOperation says that no row has the path.
var ErrNoOperation = errors.New("no such operation")

// MethodError says that rows have the path, but none the method. Allow holds their methods, sorted.
type MethodError struct{ Allow []string }

func (e *MethodError) Error() string {
	return "method not allowed; allowed: " + strings.Join(e.Allow, ", ")
}

// Call is an operation and the request that asks for it.
type Call struct {
	*Operation
	Path   string // the request path, byte-equal to the template with ids in it
	Record string // the value of RecordParam, or ""
	// Practice is the practice that the path names (athenaOne), or "": it has to be the connection's.
	Practice string
}

// Match finds the operation for a method and path. Methods are compared exactly. Where a literal segment and a {name}
// both fit, the literal wins, so /patients/search is never a patient. Errors: ErrNoOperation, *MethodError.
func (p *Platform) Match(method string, path Path) (Call, error) {
	rules, tail := p.rules(path.raw), path.raw
	best, hit := -1, -1
	for i := range rules {
		switch n := rules[i].fit(tail); {
		case n < 0 || n < best:
		case rules[i].operation.Method == method:
			best, hit = n, i
		case n > best:
			best, hit = n, -1
		}
	}
	switch {
	case best < 0:
		return Call{}, ErrNoOperation
	case hit < 0:
		return Call{}, &MethodError{Allow: allowed(rules, tail, best)}
	}
	found := &rules[hit]
	call := Call{Operation: found.operation, Path: path.raw, Practice: found.value(practiceParam, tail)}
	if found.operation.RecordParam != "" {
		call.Record = found.value(found.operation.RecordParam, tail)
	}
	return call, nil
}

// allowed are the methods of the rules that fit as well as the best.
func allowed(rules []rule, tail string, best int) []string {
	var methods []string
	for i := range rules {
		if rules[i].fit(tail) == best {
			methods = append(methods, rules[i].operation.Method)
		}
	}
	slices.Sort(methods)
	return slices.Compact(methods)
}

// rule is an operation, ready to be compared.
type rule struct {
	operation *Operation
	template  string
	slashes   int // in template
}

// fit is the number of literal segments when a path fits, and -1 when it does not.
func (r *rule) fit(path string) int {
	if strings.Count(path, "/") != r.slashes {
		return -1
	}
	literals := 0
	for want, got, more := r.template, path, true; more; {
		var w, g string
		w, want, more = nextSegment(want)
		g, got, _ = nextSegment(got)
		switch {
		case w == g:
			literals++
		case !isName(w) || !ValidID(g):
			return -1
		}
	}
	return literals
}

// value is what stands in the place of {name} in a path that fits; "" where the template has no such place.
func (r *rule) value(name, path string) string {
	for want, got, more := r.template, path, true; more; {
		var w, g string
		w, want, more = nextSegment(want)
		g, got, _ = nextSegment(got)
		if isName(w) && w[1:len(w)-1] == name {
			return g
		}
	}
	return ""
}

// nextSegment cuts "/a/b/c" into "a" and "/b/c", and says whether there is such a rest.
func nextSegment(path string) (segment, rest string, more bool) {
	path = strings.TrimPrefix(path, "/")
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:], true
	}
	return path, "", false
}

func isName(segment string) bool {
	return strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}")
}

// index sorts operations by the segment of their templates that names the resource, which is literal in every row: the
// third of /api/2026-01-01/patients, the one after a FHIR base.
func index(operations []Operation, depth int) map[string][]rule {
	bySegment := map[string][]rule{}
	for i := range operations {
		path := operations[i].FullPath()
		key := segment(path, depth)
		bySegment[key] = append(bySegment[key], rule{&operations[i], path, strings.Count(path, "/")})
	}
	return bySegment
}

// rules are the operations that may have a path.
func (p *Platform) rules(path string) []rule {
	if p.index == nil {
		return index(p.Operations, p.depth)[segment(path, p.depth)]
	}
	return p.index[segment(path, p.depth)]
}

// segment is the one of a path with n before it; "" when there are fewer.
func segment(path string, n int) string {
	for more := true; more; n-- {
		var here string
		if here, path, more = nextSegment(path); n == 0 {
			return here
		}
	}
	return ""
}
