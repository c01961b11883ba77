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
	key := indexKey(path.raw)
	rules, tail := p.rules(key), path.raw[len(key):]
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
	return Call{Operation: rules[hit].operation, Path: path.raw, Record: rules[hit].record(tail)}, nil
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

// rule is an operation, ready to be compared: with the part of its template that comes after the index key.
type rule struct {
	operation *Operation
	tail      string
	slashes   int // in tail
}

// fit is the number of literal segments when the tail of a path fits, and -1 when it does not.
func (r *rule) fit(tail string) int {
	if strings.Count(tail, "/") != r.slashes {
		return -1
	}
	literals := 0
	for want, got, more := r.tail, tail, true; more; {
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

// record is the value of the operation's RecordParam in the tail of a path that fits.
func (r *rule) record(tail string) string {
	if r.operation.RecordParam == "" {
		return ""
	}
	for want, got, more := r.tail, tail, true; more; {
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

// index sorts operations by the first three segments of their templates, which are literal in every row:
// /api/2026-01-01/patients.
func index(operations []Operation) map[string][]rule {
	byKey := map[string][]rule{}
	for i := range operations {
		o := &operations[i]
		key := indexKey(o.FullPath())
		tail := o.FullPath()[len(key):]
		byKey[key] = append(byKey[key], rule{o, tail, strings.Count(tail, "/")})
	}
	return byKey
}

// rules are the operations that may have a path with this key.
func (p *Platform) rules(key string) []rule {
	if p.index == nil {
		return index(p.Operations)[key]
	}
	return p.index[key]
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
