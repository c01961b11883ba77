package bff

import (
	"runtime/debug"
	"testing"
)

// TestHeapMayGrow: by 16 MB where little lives, by half where much does; a percentage that somebody else has set stays.
func TestHeapMayGrow(t *testing.T) {
	before := debug.SetGCPercent(runtimesOwn)
	defer debug.SetGCPercent(before)
	for live, want := range map[uint64]int{0: 1600, 4 << 20: 400, 16 << 20: 100, 32 << 20: 50, 1 << 30: 50} {
		if got := gcPercent(live); got != want {
			t.Errorf("with %d bytes alive: %d %%, want %d", live, got, want)
		}
	}
	var s Server
	for _, live := range []uint64{4 << 20, 16 << 20, 64 << 20, 8 << 20} {
		s.pace(live)
		if got := debug.SetGCPercent(gcPercent(live)); got != gcPercent(live) {
			t.Errorf("with %d bytes alive the percentage is %d", live, got)
		}
	}
	debug.SetGCPercent(77)
	s.pace(4 << 20)
	if got := debug.SetGCPercent(77); got != 77 {
		t.Errorf("an operator's percentage became %d", got)
	}
}
