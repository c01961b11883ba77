package config

import (
	"regexp"
	"testing"
)

// TestExampleNamesEveryKey: whoever reads the example has seen every key that a platform can have, by its name and a colon.
func TestExampleNamesEveryKey(t *testing.T) {
	r := &reader{lines: map[string]int{}}
	names := []string{ // of what stands inside other keys, and of the file itself
		"administrators", "embedded", "frame_ancestors", "method", "encoding", "algorithm", "audience", "jwks_cache", "enabled", "operations",
		"rotation", "reuse", "leeway", "per_minute", "keep_alive", "hours", "session_max", "window", "endpoint", "clinic", "requests", "extension", "tls",
	}
	for _, kind := range kinds {
		_, keys := r.kind(kind)
		for _, key := range keys {
			names = append(names, key.name)
		}
	}
	for _, name := range names {
		if !regexp.MustCompile(`(?m)(^|[ #{(-])` + name + `:`).Match(example) {
			t.Errorf("the example does not name %s", name)
		}
	}
}
