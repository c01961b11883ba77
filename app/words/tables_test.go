package words_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"locum/app/words"
)

// found answers what a pattern's first group finds in the sources that a glob names.
func found(t *testing.T, glob, pattern string) (all []string) {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no source at %s: %v", glob, err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(source), -1) {
			all = append(all, match[1])
		}
	}
	return all
}

// The words are on this side and the codes on the other; nothing but this test keeps the two together.
func TestEveryCauseAndClassHasWords(t *testing.T) {
	causes := found(t, "../../bff/tokens/errors.go", `Cause[A-Z]\w+\s*= "(\w+)"`)
	classes := found(t, "../../bff/platform/jane_catalogue.go", `Class: "(\w+)"`)
	classes = append(classes, found(t, "../../bff/platform/athena_catalogue.go", `Class: "(\w+)"`)...)
	classes = append(classes, found(t, "../../bff/platform/fhir_catalogue.go", `\{"([A-Z]\w+)", \[\]string`)...)
	if len(causes) < 15 || len(classes) < 37 {
		t.Fatalf("only %d causes and %d classes were found: the patterns are out of date", len(causes), len(classes))
	}
	for _, lang := range words.Languages {
		w := words.For(lang)
		for _, cause := range causes {
			if cause == "not_found" || cause == "closing" { // Of an error alone: no connection has them.
				continue
			}
			if strings.TrimSpace(w.Cause(cause)) == "" {
				t.Errorf("%s: cause %q has no words", lang, cause)
			}
		}
		for _, class := range classes {
			if said, ok := w.Classes.Find(class); !ok || said == "" {
				t.Errorf("%s: class %q has no words", lang, class)
			}
		}
	}
}

// TestEveryRefusalHasWords: what the proxy says of a platform's refusal, and of an answer that it refused itself.
func TestEveryRefusalHasWords(t *testing.T) {
	reasons := found(t, "../../bff/proxy/understood.go", `\sreason[A-Z]\w+\s*= "(\w+)"`)
	if len(reasons) < 12 {
		t.Fatalf("only %d reasons were found: the pattern is out of date", len(reasons))
	}
	for _, lang := range words.Languages {
		for _, reason := range append(reasons, "wrong_patient", "foreign_page") {
			if said, ok := words.For(lang).Refusals.Find(reason); !ok || said == "" {
				t.Errorf("%s: reason %q has no words", lang, reason)
			}
		}
	}
}

// TestScopesOnFHIR: both versions of SMART's scopes are said by their meaning, and nothing else is taken for one.
func TestScopesOnFHIR(t *testing.T) {
	for scope, want := range map[string]string{
		"patient/Observation.read": "See the patient’s measurements", "user/Observation.rs": "See measurements", "user/Condition.*": "See and change problems",
		"patient/*.read": "See the patient’s whole record", "system/Patient.rs": "See identity data without a signed-in person",
		"user/Observation.cu": "See and change measurements", "patient/Observation.rs?category=laboratory": "See the patient’s measurements",
		"user/NutritionOrder.r": "See NutritionOrder", "patients:read": "See patients", "launch/patient": "Let you choose a patient there", "user/x": "user/x",
	} {
		if got := words.For("en").Scope(scope); got != want {
			t.Errorf("%s is said as %q, want %q", scope, got, want)
		}
	}
}

// TestTheLifeHasWords: whatever a timeline, a remedy and a diagnosis can hold is said in words.
func TestTheLifeHasWords(t *testing.T) {
	steps := found(t, "../../bff/tokens/timeline.go", `\sStep[A-Z]\w+\s*= "(\w+)"`)
	probes := found(t, "../../bff/tokens/timeline.go", `\sProbe[A-Z]\w+\s*= "(\w+)"`)
	triggers := append(found(t, "../../bff/tokens/flight.go", `\strigger[A-Z]\w+\s*= "(\w+)"`), "several")
	nexts := found(t, "../../bff/tokens/causes.go", `\sNext[A-Z]\w+\s*= "(\w+)"`)
	settings := found(t, "../../bff/tokens/causes.go", `\sSetting[A-Z]\w+\s*= "([\w.]+)"`)
	kinds := found(t, "../../bff/platform/refresh.go", `\sKind[A-Z]\w+\s*= "(\w*)"`)
	keeps := found(t, "../../bff/platform/refresh.go", `\sKeep[A-Z]\w+\s*= "(\w+)"`)
	endings := found(t, "../../bff/platform/refresh.go", `\sEnding[A-Z]\w+\s*= "(\w+)"`)
	became := found(t, "../../shared/wire.go", `\sEnding[A-Z]\w+\s*= "(\w+)"`)
	states := found(t, "../../shared/wire.go", `\sState[A-Z]\w+\s*= "(\w+)"`)
	if len(steps) < 20 || len(probes) != 3 || len(triggers) < 8 || len(nexts) < 6 || len(settings) < 7 || len(kinds) != 6 || len(keeps) != 3 ||
		len(endings) != 3 || len(became) != 4 || len(states) != 6 {
		t.Fatalf("%d steps, %d probes, %d triggers, %d nexts, %d settings, %d kinds, %d policies, %d and %d endings, %d states: the patterns are out of date",
			len(steps), len(probes), len(triggers), len(nexts), len(settings), len(kinds), len(keeps), len(endings), len(became), len(states))
	}
	for _, lang := range words.Languages {
		w := words.For(lang)
		for _, c := range []struct {
			name  string
			codes []string
			table words.Table
		}{
			{"step", steps, w.Life.Steps}, {"probe", probes, w.Life.Codes}, {"finding", append(probes, "none", "unsupported"), w.Diagnosis.Founds},
			{"trigger", triggers, w.Life.Triggers}, {"next step", nexts, w.Life.Nexts}, {"setting", settings, w.Life.Settings},
			{"rotation", kinds, w.Life.Rotations}, {"policy", keeps, w.Life.KeepAlive}, {"ending", endings, w.Connections.Endings},
			{"what became of it", became, w.Connections.Ended}, {"what Locum did", states, w.Life.Did},
		} {
			for _, code := range c.codes {
				if said, ok := c.table.Find(code); !ok || strings.TrimSpace(said) == "" {
					t.Errorf("%s: %s %q has no words", lang, c.name, code)
				}
			}
		}
	}
}
