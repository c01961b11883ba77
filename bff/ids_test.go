package bff_test

import (
	"strings"
	"testing"

	"locum/bff/platform"
	"locum/shared"
)

// TestOneRuleForIDs: the words both halves share and the allow-list take the same identifiers.
func TestOneRuleForIDs(t *testing.T) {
	candidates := []string{"", ".", "..", "...", strings.Repeat("a", 64), strings.Repeat("a", 65), "é", "a/b", "a b"}
	for b := range 256 {
		candidates = append(candidates, string([]byte{byte(b)}), "x"+string([]byte{byte(b)})+"y")
	}
	valid := 0
	for _, id := range candidates {
		if shared.ValidID(id) != platform.ValidID(id) {
			t.Errorf("%q: shared says %v, platform %v", id, shared.ValidID(id), platform.ValidID(id))
		}
		if platform.ValidID(id) {
			valid++
		}
	}
	if valid != 2+2*66-1 { // "..." and 64 a's; 66 bytes, of which "." alone is none
		t.Errorf("%d of the candidates are identifiers", valid)
	}
}
