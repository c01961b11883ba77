//go:build !linux

package audit

import "time"

// machineClock is not known here: each run counts from its own beginning.
func machineClock() (name string, now time.Duration) { return "", 0 }
