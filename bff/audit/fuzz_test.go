package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"locum/bff/audit"
)

// FuzzValues: whatever stands in a field, the record is one line of valid JSON, and the log holds.
func FuzzValues(f *testing.F) {
	for _, seed := range []string{"", "a", "\n", `"}`, "\u2028", "\xff", strings.Repeat("é", 300), "{\"mac\":\"x\"}\n"} {
		f.Add(seed, seed)
	}
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(dir) })
	f.Fuzz(func(t *testing.T, a, b string) {
		path := filepath.Join(dir, "audit.log")
		os.Remove(path)
		os.Remove(audit.HeadFile(path))
		l := mustOpen(t, path)
		in := intent
		in.Remote, in.Method, in.Record = a, b, a+b
		if err := l.Refuse(t.Context(), in, b); err != nil {
			t.Fatal(err)
		}
		l.Close()
		text := read(t, path)
		if strings.Count(text, "\n") != 2 || !utf8.ValidString(text) {
			t.Fatalf("%q", text)
		}
		var m map[string]any
		if err := json.Unmarshal([]byte(strings.SplitAfter(text, "\n")[1]), &m); err != nil {
			t.Fatal(err)
		}
		if len(a) <= 256 && utf8.ValidString(a) && m["remote"] != a {
			t.Fatalf("%q became %q", a, m["remote"])
		}
		mustVerify(t, path)
	})
}

// TestQueueFull: when the disk hangs, callers wait no longer than they said.
func TestQueueFull(t *testing.T) {
	l := mustOpen(t, filepath.Join(t.TempDir(), "audit.log"))
	l.Fill()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := l.Begin(ctx, intent)
		failed <- err
	}()
	cancel()
	if err := <-failed; !errors.Is(err, audit.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}
