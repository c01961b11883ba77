package platform

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// QueryError says why a query was refused. Param is the name of the parameter, "" for the query as a whole or a name
// that cannot be repeated safely; the value is never part of it.
type QueryError struct{ Param, Reason string }

func (e *QueryError) Error() string {
	if e.Param == "" {
		return "query: " + e.Reason
	}
	return "query parameter " + e.Param + ": " + e.Reason
}

const (
	maxQuery      = 4096
	maxQueryValue = 2048 // a cursor, or a comma-separated list of ids
	maxRepeats    = 4    // of a parameter in a FHIR search
)

// Query reads a raw query, refuses parameters that the operation does not take, that stand twice, or whose value is
// not printable UTF-8, and writes the rest anew: sorted by name, everything but unreserved characters percent-encoded.
// In a FHIR search a parameter may stand four times: a resource has to fit all of them (FHIR R4, Search, "Combining
// parameters"). No query is "". The error is a *QueryError.
func (o *Operation) Query(raw string) (string, error) {
	switch {
	case raw == "":
		return "", nil
	case o.Form:
		return "", &QueryError{Reason: "this operation takes a form and no query"}
	}
	if len(raw) > maxQuery {
		return "", &QueryError{Reason: "too long"}
	}
	var pairs []string
	seen := map[string]int{}
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, err := o.param(pair)
		if err != nil {
			return "", err
		}
		switch seen[name]++; {
		case seen[name] > 1 && !o.FHIR:
			return "", &QueryError{name, "stands twice"}
		case seen[name] > maxRepeats:
			return "", &QueryError{name, "stands too often"}
		}
		pairs = append(pairs, escape(name)+"="+escape(value))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&"), nil
}

func (o *Operation) param(pair string) (name, value string, err error) {
	rawName, rawValue, _ := strings.Cut(pair, "=")
	name, err = url.QueryUnescape(rawName)
	if err != nil || !slices.Contains(o.Params, name) {
		return "", "", &QueryError{Reason: "a parameter that this operation does not take"}
	}
	value, err = url.QueryUnescape(rawValue)
	switch {
	case err != nil:
		return "", "", &QueryError{name, "percent-encoding"}
	case strings.ContainsAny(rawValue, ";#?"):
		return "", "", &QueryError{name, "separator"}
	case len(value) > maxQueryValue:
		return "", "", &QueryError{name, "too long"}
	case !isPrintable(value):
		return "", "", &QueryError{name, "control character or bad UTF-8"}
	}
	return name, value, nil
}

// isPrintable says whether s is UTF-8 without control characters.
func isPrintable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 })
}

// escape percent-encodes everything but unreserved characters (RFC 3986 §2.3).
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
