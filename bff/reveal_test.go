package bff_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// reveals is where a secret is shown, and how often: the places at which to look when one is feared to have got out. A
// new one is a decision, made here.
var reveals = map[string]int{
	"bff": 7, "bff/account": 4, "bff/ask": 2, "bff/check": 1, "bff/connect": 1, "bff/control": 1, "bff/keys": 1, "bff/oauth": 20, "bff/proxy": 2, "bff/session": 1, "bff/tokens": 1, "bff/vault": 3,
}

// TestSecretsAreRevealedInFewPlaces counts the calls of Reveal outside tests and outside the type itself.
func TestSecretsAreRevealedInFewPlaces(t *testing.T) {
	found := map[string]int{}
	top := root(t)
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		room, err := filepath.Rel(top, filepath.Dir(path))
		if err != nil || room == filepath.Join("bff", "secret") {
			return err
		}
		source, err := os.ReadFile(path)
		if n := strings.Count(string(source), ".Reveal()"); n > 0 {
			found[filepath.ToSlash(room)] += n
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(found, reveals) {
		t.Errorf("secrets are revealed at %v, want %v", found, reveals)
	}
}
