// Package words holds every sentence that a person reads in Locum, in English and in French, keyed by code where a code
// names the cause. It never formats dates, never escapes, and knows nothing of pages; app, and bff for the plain
// sign-in page, import it. It imports shared for the codes.
package words

import (
	"strconv"
	"strings"

	"locum/shared"
)

// Languages are the languages that Locum speaks; the first is the default.
var Languages = []string{"en", "fr"}

// For returns the words of a language of Languages; any other is answered in the first.
func For(lang string) *Words {
	if lang == "fr" {
		return &french
	}
	return &english
}

// Pick chooses one of Languages by an Accept-Language header or a navigator.language (RFC 9110 §12.5.4). Regions are
// ignored, a language with q=0 is refused, and whoever asks for none of them gets the first.
func Pick(acceptLanguage string) string {
	best, weight := Languages[0], 0.0
	for part := range strings.SplitSeq(acceptLanguage, ",") {
		tag, q := weighted(part)
		for _, lang := range Languages {
			if q > weight && tag == lang {
				best, weight = lang, q
			}
		}
	}
	return best
}

// weighted reads "fr-CA;q=0.8" as ("fr", 0.8). A malformed weight counts as 0.
func weighted(part string) (tag string, q float64) {
	tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
	tag, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
	name, value, ok := strings.Cut(strings.TrimSpace(params), "=")
	if !ok {
		return tag, 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || strings.TrimSpace(name) != "q" || q < 0 || q > 1 {
		return tag, 0
	}
	return tag, q
}

// Say is how one code is explained: what happened, what it means, and the label of the next step.
type Say struct{ Title, Text, Next string }

// Plural is a sentence in its two numbers; {n} stands for the count.
type Plural struct{ One, Other string }

// N is the sentence for a count. French counts 0 as one, English does not.
func (w *Words) N(p Plural, n int) string {
	sentence := p.Other
	if n == 1 || n == 0 && w.Lang == "fr" {
		sentence = p.One
	}
	return Fill(sentence, "n", strconv.Itoa(n))
}

// Fill replaces {name} by its value, for pairs of name and value.
func Fill(sentence string, pairs ...string) string {
	var filled strings.Builder
	for {
		before, rest, found := strings.Cut(sentence, "{")
		filled.WriteString(before)
		if !found {
			return filled.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				filled.WriteString(pairs[i+1])
			}
		}
		sentence = after
	}
}

// Codes that only the app itself can meet: they never travel, so shared does not know them.
const (
	CodeOffline         shared.Code = "offline"          // Locum could not be reached
	CodeCrashed         shared.Code = "crashed"          // a handler panicked
	CodeUpstreamRefused shared.Code = "upstream_refused" // the platform answered 401 or 403 itself
	CodeUpstreamMissing shared.Code = "upstream_missing" // the platform answered 404
	CodeUpstreamInvalid shared.Code = "upstream_invalid" // the platform answered 400 or 422: what was sent is not right
	CodeWrongRecord     shared.Code = "wrong_record"     // the platform answered with another patient's record
	CodeNewVersion      shared.Code = "new_version"      // the open tab is older than the server
)

// Table names the values of a vocabulary. Tables are lists and not maps, because a map's literal is code that the
// browser downloads and runs, and a list's is data.
type Table []struct{ Key, Text string }

// Find looks a value up.
func (t Table) Find(key string) (string, bool) {
	for _, entry := range t {
		if entry.Key == key {
			return entry.Text, true
		}
	}
	return "", false
}

// or looks a value up; one that it does not know is shown as it is.
func (t Table) or(key string) string {
	if text, ok := t.Find(key); ok {
		return text
	}
	return key
}

// Explained explains codes.
type Explained []struct {
	Code shared.Code
	Say  Say
}

// Find looks a code up.
func (e Explained) Find(code shared.Code) (Say, bool) {
	for _, entry := range e {
		if entry.Code == code {
			return entry.Say, true
		}
	}
	return Say{}, false
}

// States explains the states of a connection.
type States []struct {
	State string
	Say   Say
}

// Problem explains an error code; one it does not know is explained as an internal error.
func (w *Words) Problem(code shared.Code) Say {
	if say, ok := w.Problems.Find(code); ok {
		return say
	}
	say, _ := w.Problems.Find(shared.CodeInternal)
	return say
}

// Outcome explains the end of an authorization; a code outside shared.OutcomeCodes is explained as "try again".
func (w *Words) Outcome(code shared.Code) Say {
	if say, ok := w.Outcomes.Find(code); ok {
		return say
	}
	say, _ := w.Outcomes.Find(shared.OutcomeTryAgain)
	return say
}

// ConnectionState explains a state of a connection; one without words is shown as it is.
func (w *Words) ConnectionState(state string) Say {
	for _, entry := range w.ConnectionStates {
		if entry.State == state {
			return entry.Say
		}
	}
	return Say{Title: state}
}

// Cause says why a connection is not as it should be; a code without words says nothing.
func (w *Words) Cause(code string) string {
	text, _ := w.Causes.Find(code)
	return text
}

// Scope says what a scope allows; one that has no words is shown as it is.
func (w *Words) Scope(scope string) string {
	if said := w.fhir(scope); said != "" {
		return said
	}
	return w.Scopes.or(scope)
}

// Class names an endpoint class of a rate budget.
func (w *Words) Class(v string) string { return w.Classes.or(v) }

// AppointmentState names a value of Jane's appointment.state.
func (w *Words) AppointmentState(v string) string { return w.AppointmentStates.or(v) }

// Sex names a value of Jane's patient.sex.
func (w *Words) Sex(v string) string { return w.Sexes.or(v) }

// PatientStatus names a value of Jane's patient.status.
func (w *Words) PatientStatus(v string) string { return w.PatientStatuses.or(v) }

// Category names a value of Jane's observation.category.
func (w *Words) Category(v string) string { return w.Categories.or(v) }

// Measure names what a LOINC code measures; for one without words it answers fallback.
func (w *Words) Measure(code, fallback string) string {
	if text, ok := w.Measures.Find(code); ok {
		return text
	}
	if fallback != "" {
		return fallback
	}
	return code
}
