package shared_test

import (
	"maps"
	"slices"
	"testing"

	"locum/shared"
)

// TestPages: a page's sample is a path of that page alone, and building a path and reading it are inverse.
func TestPages(t *testing.T) {
	for _, page := range shared.Pages {
		found, params, ok := shared.MatchPage(page.Sample)
		if !ok || found.Name != page.Name {
			t.Errorf("%s is read as %q", page.Sample, found.Name)
		}
		if names := slices.Sorted(maps.Keys(params)); !slices.Equal(names, slices.Sorted(slices.Values(page.Names()))) {
			t.Errorf("%s has the names %q, its pattern %q", page.Sample, names, page.Names())
		}
		if path, ok := shared.PagePath(page.Name, params); !ok || path != page.Sample {
			t.Errorf("%s is built as %q", page.Sample, path)
		}
	}
}

// TestNoPage: nothing is decoded, cleaned or guessed.
func TestNoPage(t *testing.T) {
	for _, path := range []string{"", "//", "/schedule", "/schedule/", "/schedule/..", "/schedule/a%2fb", "/schedule/a/b", "/patients/a/b/c",
		"/connections/", "/connections/new/", "schedule/a", "/Schedule/a"} {
		if page, _, ok := shared.MatchPage(path); ok {
			t.Errorf("%q is read as %s", path, page.Name)
		}
	}
	for name, params := range map[string]map[string]string{
		"nowhere": nil, shared.PageSchedule: {"connection": "../x"}, shared.PagePatient: {"connection": "a"}, shared.PagePatients: nil,
	} {
		if path, ok := shared.PagePath(name, params); ok {
			t.Errorf("%s with %v is built as %s", name, params, path)
		}
	}
}
