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
	replace := make([]string, 0, len(pairs))
	for i := 0; i+1 < len(pairs); i += 2 {
		replace = append(replace, "{"+pairs[i]+"}", pairs[i+1])
	}
	return strings.NewReplacer(replace...).Replace(sentence)
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

// Problem explains an error code; one it does not know is explained as an internal error.
func (w *Words) Problem(code shared.Code) Say {
	if say, ok := w.Problems[code]; ok {
		return say
	}
	return w.Problems[shared.CodeInternal]
}

// Outcome explains the end of an authorization; a code outside shared.OutcomeCodes is explained as "try again".
func (w *Words) Outcome(code shared.Code) Say {
	if say, ok := w.Outcomes[code]; ok {
		return say
	}
	return w.Outcomes[shared.OutcomeTryAgain]
}

// Scope says what a scope allows; one that has no words is shown as it is.
func (w *Words) Scope(scope string) string { return label(w.Scopes, scope) }

// label looks up a value of a platform's vocabulary; one that it does not know is shown as it is.
func label(table map[string]string, value string) string {
	if text, ok := table[value]; ok {
		return text
	}
	return value
}

// AppointmentState names a value of Jane's appointment.state.
func (w *Words) AppointmentState(v string) string { return label(w.AppointmentStates, v) }

// Sex names a value of Jane's patient.sex.
func (w *Words) Sex(v string) string { return label(w.Sexes, v) }

// PatientStatus names a value of Jane's patient.status.
func (w *Words) PatientStatus(v string) string { return label(w.PatientStatuses, v) }

// Category names a value of Jane's observation.category.
func (w *Words) Category(v string) string { return label(w.Categories, v) }

// Measure names what a LOINC code measures; for one without words it answers fallback.
func (w *Words) Measure(code, fallback string) string {
	if text, ok := w.Measures[code]; ok {
		return text
	}
	if fallback != "" {
		return fallback
	}
	return code
}
