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
	if len(causes) < 15 || len(classes) < 20 {
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
