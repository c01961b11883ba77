package main

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestLogGathers: lines of answered requests wait a moment for each other; any other line goes out at once and behind
// them, and nothing is lost at the end.
func TestLogGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out counted
		log, flush := logger(streams{err: &out}, slog.LevelInfo)
		want := func(writes int, order string) {
			t.Helper()
			synctest.Wait()
			out.mu.Lock() // a timer writes: to the race detector a sleep is no order
			defer out.mu.Unlock()
			var got strings.Builder
			for line := range strings.Lines(out.text.String()) {
				_, n, _ := strings.Cut(line, `"n":`)
				got.WriteString(n[:1])
			}
			if out.writes != writes || got.String() != order {
				t.Errorf("%d writes of lines %s, want %d of %s", out.writes, got.String(), writes, order)
			}
		}
		log.Info("request", "n", 1)
		log.With("a", 1).Info("request", "n", 2)
		log.Debug("request", "n", 9)
		time.Sleep(gatherLines - time.Millisecond)
		want(0, "")
		time.Sleep(time.Millisecond)
		want(1, "12")
		log.Info("request", "n", 3)
		log.Info("serving", "n", 4)
		want(2, "1234")
		log.Info("request", "n", 5)
		log.Warn("request", "n", 6)
		want(3, "123456")
		log.Info("request", "n", 7)
		flush()
		want(4, "1234567")
		log.Info("request", "n", 8)
		time.Sleep(gatherLines)
		want(5, "12345678")
		log.Info("request", "n", 0, "long", strings.Repeat("x", mostLines))
		want(6, "123456780")
	})
}

// counted is a writer that counts.
type counted struct {
	mu     sync.Mutex
	writes int
	text   strings.Builder
}

func (c *counted) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	return c.text.Write(b)
}
