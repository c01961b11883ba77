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
	Version string // the request path is /api/ + Version + Path
	Scope   string // needed for it; "" where the platform's documentation states none
	Class   string // the resource: list, get and search of it share one rate limit, whatever the version
	Write   bool   // it may change something, so it is never repeated after an answer or a silence
	// Multipart says that the request body is multipart/form-data; all other bodies are JSON.
	Multipart bool
	// Params are the query parameters it takes, exactly as sent: page[limit], start_at[gte].
	Params []string
	// RecordParam is the {name} whose value is the record that the operation is about; "" for lists.
	RecordParam string
}

// FullPath is the template of the request path.
func (o *Operation) FullPath() string { return "/api/" + o.Version + o.Path }

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
}

// Match finds the operation for a method and path. Methods are compared exactly. Where a literal segment and a {name}
// both fit, the literal wins, so /patients/search is never a patient. Errors: ErrNoOperation, *MethodError.
func (p *Platform) Match(method string, path Path) (Call, error) {
	rules := p.rules(path.raw)
	best, found := -1, false
	for i := range rules {
		if literals := rules[i].fit(path.raw); literals > best {
			best, found = literals, true
		}
	}
	if !found {
		return Call{}, ErrNoOperation
	}
	var allow []string
	for i := range rules {
		if rules[i].fit(path.raw) != best {
			continue
		}
		o := rules[i].operation
		if o.Method == method {
			return Call{Operation: o, Path: path.raw, Record: rules[i].record(path.raw)}, nil
		}
		allow = append(allow, o.Method)
	}
	slices.Sort(allow)
	return Call{}, &MethodError{Allow: slices.Compact(allow)}
}

// rule is an operation with its template, ready to be compared.
type rule struct {
	operation *Operation
	template  string // FullPath
}

// fit is the number of literal segments when the path fits the template, and -1 when it does not.
func (r *rule) fit(path string) int {
	literals := 0
	want, got := r.template, path
	for {
		var w, g string
		var moreWanted, more bool
		w, want, moreWanted = nextSegment(want)
		g, got, more = nextSegment(got)
		switch {
		case moreWanted != more:
			return -1
		case w == g:
			literals++
		case !isName(w) || !validID(g):
			return -1
		}
		if !more {
			return literals
		}
	}
}

// record is the value of the operation's RecordParam in a path that fits.
func (r *rule) record(path string) string {
	if r.operation.RecordParam == "" {
		return ""
	}
	want, got, more := r.template, path, true
	for more {
		var w, g string
		w, want, more = nextSegment(want)
		g, got, _ = nextSegment(got)
		if isName(w) && w[1:len(w)-1] == r.operation.RecordParam {
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

// indexed is the platform with an index over its operations. The key is the path's first three segments, which are
// literal in every row: /api/2026-01-01/patients.
func (p *Platform) indexed() *Platform {
	p.index = map[string][]rule{}
	for i := range p.Operations {
		o := &p.Operations[i]
		key := indexKey(o.FullPath())
		p.index[key] = append(p.index[key], rule{o, o.FullPath()})
	}
	return p
}

// rules are the operations that may have a path.
func (p *Platform) rules(path string) []rule {
	if p.index != nil {
		return p.index[indexKey(path)]
	}
	all := make([]rule, len(p.Operations))
	for i := range p.Operations {
		all[i] = rule{&p.Operations[i], p.Operations[i].FullPath()}
	}
	return all
}

func indexKey(path string) string {
	slashes := 0
	for i := 0; i < len(path); i++ {
		if path[i] == '/' {
			if slashes++; slashes == 4 {
				return path[:i]
			}
		}
	}
	return path
}
