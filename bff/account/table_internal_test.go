package account

import (
	"fmt"
	"testing"
	"time"
)

// TestTablesAreBounded fills both tables beyond their size: the newcomer finds room, and what is over goes first.
func TestTablesAreBounded(t *testing.T) {
	now := time.Now()
	r, u := newRates(), newTallies()
	for i := range tableSize + 200 {
		now = now.Add(time.Millisecond)
		if wait := r.take(fmt.Sprint(i), now); wait != 0 {
			t.Fatalf("a newcomer waits %v", wait)
		}
		if err := u.fail(fmt.Sprint(i), now); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.full) > tableSize || len(u.count) > tableSize {
		t.Errorf("%d and %d entries", len(r.full), len(u.count))
	}
	last := fmt.Sprint(tableSize + 199)
	if _, ok := r.full[last]; !ok {
		t.Error("the newest rate is gone")
	}
	if _, ok := u.count[last]; !ok {
		t.Error("the newest tally is gone")
	}
	if _, ok := u.count["0"]; ok {
		t.Error("the oldest tally is still there")
	}
}
