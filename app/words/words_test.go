package words_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"locum/app/words"
	"locum/shared"
)

// every code that shared knows and may reach a practitioner.
var problemCodes = []shared.Code{
	shared.CodeBadRequest, shared.CodeUnsafePath, shared.CodeSignedOut, shared.CodeForbidden, shared.CodeScopeMissing,
	shared.CodeClinicMismatch, shared.CodeNotFound, shared.CodeMethodNotAllowed, shared.CodeConflict, shared.CodeTooLarge,
	shared.CodeUnsupportedMedia, shared.CodeBudgetSpent, shared.CodeTooManyAttempts, shared.CodeInternal,
	shared.CodePlatformBadAnswer, shared.CodeOutcomeUnknown, shared.CodePlatformUnavailable, shared.CodeReconnectNeeded,
	shared.CodePlatformConfig, shared.CodeStorage, shared.CodeAudit, shared.CodeInvalidClinic, shared.CodeUnknownPlatform,
	shared.CodeInvalidState, shared.CodeTooManyFlows, shared.CodeCredentials, shared.CodeCallRefused, shared.CodeWrongPatient,
	shared.CodeLaunchUnknown,
	words.CodeOffline, words.CodeCrashed, words.CodeUpstreamRefused, words.CodeUpstreamMissing, words.CodeUpstreamInvalid,
	words.CodeWrongRecord, words.CodeNewVersion,
}

func TestEveryCodeHasWords(t *testing.T) {
	for _, lang := range words.Languages {
		w := words.For(lang)
		for _, code := range problemCodes {
			if say, _ := w.Problems.Find(code); say.Title == "" || say.Text == "" || say.Next == "" {
				t.Errorf("%s: problem %q has no words", lang, code)
			}
		}
		for _, code := range shared.OutcomeCodes {
			if say, _ := w.Outcomes.Find(code); say.Title == "" || say.Text == "" || say.Next == "" {
				t.Errorf("%s: outcome %q has no words", lang, code)
			}
		}
		for _, state := range []string{shared.StateConnected, shared.StateRefreshing, shared.StateDegraded, shared.StateReconnect,
			shared.StateMisconfigured, shared.StateEnded} {
			if say := w.ConnectionState(state); say.Title == "" || say.Text == "" {
				t.Errorf("%s: state %q has no words", lang, state)
			}
		}
		if got := w.Problem("no such code"); got != w.Problem(shared.CodeInternal) {
			t.Errorf("%s: an unknown problem reads %q", lang, got.Title)
		}
		if got := w.Outcome("no such code"); got != w.Outcome(shared.OutcomeTryAgain) {
			t.Errorf("%s: an unknown outcome reads %q", lang, got.Title)
		}
	}
}

func TestLanguagesHaveTheSameSentences(t *testing.T) {
	reference := sentences(reflect.ValueOf(*words.For("en")), "")
	for _, lang := range words.Languages {
		got := sentences(reflect.ValueOf(*words.For(lang)), "")
		for key, sentence := range reference {
			other, ok := got[key]
			switch {
			case !ok:
				t.Errorf("%s lacks %s", lang, key)
			case sentence != "" && strings.TrimSpace(other) == "":
				t.Errorf("%s: %s is empty", lang, key)
			case placeholders(sentence) != placeholders(other):
				t.Errorf("%s: %s has other {names} than English: %q", lang, key, other)
			}
		}
		for key := range got {
			if _, ok := reference[key]; !ok {
				t.Errorf("%s has %s and English has not", lang, key)
			}
		}
	}
	if len(reference) < 250 {
		t.Errorf("only %d sentences were found: the walk is broken", len(reference))
	}
}

// optional are the sentences that may be empty.
func optional(path string) bool {
	return strings.HasPrefix(path, ".ConnectionStates[") && strings.HasSuffix(path, ".Next")
}

func TestNoSentenceIsEmpty(t *testing.T) {
	for _, lang := range words.Languages {
		for key, sentence := range sentences(reflect.ValueOf(*words.For(lang)), "") {
			if sentence == "" && !optional(key) {
				t.Errorf("%s: %s is empty", lang, key)
			}
		}
	}
}

func sentences(v reflect.Value, path string) map[string]string {
	found := map[string]string{}
	switch v.Kind() {
	case reflect.String:
		found[path] = v.String()
	case reflect.Struct:
		for i := range v.NumField() {
			merge(found, sentences(v.Field(i), path+"."+v.Type().Field(i).Name))
		}
	case reflect.Slice: // An entry's first field is its key.
		for i := range v.Len() {
			merge(found, sentences(v.Index(i).Field(1), path+"["+v.Index(i).Field(0).String()+"]"))
		}
	}
	return found
}

func merge(into, from map[string]string) {
	for key, value := range from {
		into[key] = value
	}
}

// placeholders lists the {names} of a sentence, sorted by place in the alphabet of the whole.
func placeholders(sentence string) string {
	names := map[string]bool{}
	for part := range strings.SplitSeq(sentence, "{") {
		if name, _, ok := strings.Cut(part, "}"); ok {
			names[name] = true
		}
	}
	var list []string
	for _, name := range []string{"n", "name", "time", "clinic", "date", "zone", "query", "left", "limit", "scope", "example", "platform", "values", "names"} {
		if names[name] {
			list = append(list, name)
			delete(names, name)
		}
	}
	return strings.Join(append(list, slices.Sorted(maps.Keys(names))...), ",")
}

func TestPick(t *testing.T) {
	for name, c := range map[string]struct{ header, want string }{
		"none":               {"", "en"},
		"french":             {"fr", "fr"},
		"canadian french":    {"fr-CA,fr;q=0.9,en;q=0.8", "fr"},
		"english first":      {"en-CA,fr;q=0.9", "en"},
		"weight decides":     {"en;q=0.3, fr;q=0.7", "fr"},
		"refused":            {"fr;q=0, de", "en"},
		"unknown only":       {"de-DE,de", "en"},
		"malformed weight":   {"fr;q=x", "en"},
		"weight above one":   {"fr;q=7", "en"},
		"unknown then known": {"de, fr;q=0.1", "fr"},
		"upper case":         {"FR-fr", "fr"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := words.Pick(c.header); got != c.want {
				t.Errorf("Pick(%q) = %q, want %q", c.header, got, c.want)
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		lang string
		n    int
		want string
	}{
		"english none": {"en", 0, "0 minutes"},
		"english one":  {"en", 1, "1 minute"},
		"english many": {"en", 5, "5 minutes"},
		"french none":  {"fr", 0, "0 minute"},
		"french many":  {"fr", 5, "5 minutes"},
	} {
		t.Run(name, func(t *testing.T) {
			w := words.For(c.lang)
			if got := w.N(w.Common.Minutes, c.n); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
