//go:build race

package keys_test

import (
	"os"
	"runtime"
	"testing"
)

// TestMain keeps one thread running Go code at a time under the race detector. Go 1.26's runs the channel timers of one
// synctest bubble under one context of its own, on whichever thread meets them, and ends the process where two do at once
// ("ThreadSanitizer: CHECK failed", slot_locked). What it looks for are missing happens-before edges, which one thread has too.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	os.Exit(m.Run())
}
