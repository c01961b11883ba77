package bff

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"locum/bff/audit"
)

// TestT113AnchorsAtEveryLevel: an anchor is evidence and no chatter; no log level leaves it out.
func TestT113AnchorsAtEveryLevel(t *testing.T) {
	trail, err := audit.Open(filepath.Join(t.TempDir(), "audit.log"), make([]byte, 32), "boot")
	if err != nil {
		t.Fatal(err)
	}
	defer trail.Close()
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		var out bytes.Buffer
		s := &Server{log: slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: level})), audit: trail, life: t.Context()}
		s.logAnchor()
		if !strings.Contains(out.String(), trail.Anchor().String()) {
			t.Errorf("at %v the log says %q", level, out.String())
		}
	}
}
