package sandbox

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// column is one field that a list can be filtered or sorted by. key gives its
// value in a form that sorts as text: see timeKey and numberKey.
type column[T any] struct {
	name   string
	ops    string // the operators allowed, separated by spaces; "" = not filterable
	sorts  bool
	time   bool     // values are date-times
	uuid   bool     // values must be UUIDs
	values []string // the only values allowed, if any
	key    func(T) string
	has    func(T, string) bool // replaces equality, for fields with several values
}

// The operators of the reference's three filter schemas.
const (
	idOps     = "eq"
	timeOps   = "eq ne gt gte lt lte"
	stringOps = "eq ne co gt gte lt lte sw"
)

// maxValues is how many values an eq filter may list.
const maxValues = 100

// filter is one field[op]=value, ready to be asked.
type filter[T any] func(T) bool

// secondExact is a date-time to the second with its offset: the reference asks
// for ISO 8601 "precise to the second".
var secondExact = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(Z|[+-]\d{2}:\d{2})$`)

// timeKey makes a time sortable text, to the second as it is shown.
func timeKey(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// parseFilter reads the name and value of a parameter; name is "field[op]".
func parseFilter[T any](columns []column[T], name, value string) (filter[T], *issue) {
	field, op, ok := strings.Cut(strings.TrimSuffix(name, "]"), "[")
	at := slices.IndexFunc(columns, func(c column[T]) bool { return c.name == field && c.ops != "" })
	if !ok || !strings.HasSuffix(name, "]") || at < 0 {
		return nil, &issue{ID: "INVALID_PARAMETER", Path: name, Message: "is not a known parameter"}
	}
	c := columns[at]
	if !slices.Contains(strings.Fields(c.ops), op) {
		return nil, &issue{ID: "INVALID_FILTER", Path: name, Message: "does not support the operator " + op}
	}
	wanted := []string{value}
	if op == "eq" {
		wanted = strings.Split(value, ",")
	}
	if len(wanted) > maxValues {
		return nil, &issue{ID: "INVALID_FILTER", Path: name, Message: "has more than 100 values"}
	}
	for i, v := range wanted {
		parsed, wrong := c.parse(v)
		if wrong != "" {
			return nil, &issue{ID: "INVALID_FILTER", Path: name, Message: wrong}
		}
		wanted[i] = parsed
	}
	return c.test(op, wanted), nil
}

// parse brings one value into the form of key, or says what is wrong with it.
func (c *column[T]) parse(value string) (parsed, wrong string) {
	switch {
	case c.time:
		at, err := time.Parse(time.RFC3339, value)
		if err != nil || !secondExact.MatchString(value) {
			return "", "must be an ISO 8601 date-time precise to the second"
		}
		return timeKey(at), ""
	case value == "":
		return "", "must not be empty"
	case c.uuid && !isUUID(value):
		return "", "must be a UUID"
	case c.values != nil && !slices.Contains(c.values, value):
		return "", "must be one of " + strings.Join(c.values, ", ")
	}
	return value, ""
}

func (c *column[T]) test(op string, wanted []string) filter[T] {
	first := strings.ToLower(wanted[0])
	compare := func(keep func(int) bool) filter[T] {
		return func(item T) bool { return keep(strings.Compare(strings.ToLower(c.key(item)), first)) }
	}
	switch op {
	case "gt":
		return compare(func(n int) bool { return n > 0 })
	case "gte":
		return compare(func(n int) bool { return n >= 0 })
	case "lt":
		return compare(func(n int) bool { return n < 0 })
	case "lte":
		return compare(func(n int) bool { return n <= 0 })
	case "ne":
		return compare(func(n int) bool { return n != 0 })
	case "co":
		return func(item T) bool { return strings.Contains(strings.ToLower(c.key(item)), first) }
	case "sw":
		return func(item T) bool { return strings.HasPrefix(strings.ToLower(c.key(item)), first) }
	default:
		return func(item T) bool {
			return slices.ContainsFunc(wanted, func(one string) bool { return c.equals(item, one) })
		}
	}
}

func (c *column[T]) equals(item T, value string) bool {
	if c.has != nil {
		return c.has(item, value)
	}
	return strings.EqualFold(c.key(item), value)
}

// order is one part of sort=a,-b.
type order[T any] struct {
	key  func(T) string
	desc bool
}

func parseSort[T any](columns []column[T], value string) ([]order[T], *issue) {
	var out []order[T]
	var seen []string
	for part := range strings.SplitSeq(value, ",") {
		name, desc := strings.CutPrefix(part, "-")
		at := slices.IndexFunc(columns, func(c column[T]) bool { return c.name == name && c.sorts })
		if at < 0 || slices.Contains(seen, name) {
			return nil, &issue{ID: "INVALID_SORT", Path: "sort", Message: "cannot sort by " + part}
		}
		seen = append(seen, name)
		out = append(out, order[T]{columns[at].key, desc})
	}
	return out, nil
}
