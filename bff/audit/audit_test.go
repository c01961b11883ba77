package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"locum/bff/audit"
)

var key = bytes.Repeat([]byte{7}, 32)

var intent = audit.Intent{
	RequestID: "req-1", Practitioner: "prac-1", Session: "sess-hash", Remote: "203.0.113.9", Platform: "jane", Clinic: "https://a.example",
	Connection: "conn-1", Operation: "patients.get", Class: "patients", Method: "GET", Record: "PATIENT-4711",
}

func mustOpen(t testing.TB, path string) *audit.Log {
	t.Helper()
	l, err := audit.Open(path, key, "boot-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func mustBegin(t testing.TB, l *audit.Log) *audit.Entry {
	t.Helper()
	e, err := l.Begin(t.Context(), intent)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func mustVerify(t testing.TB, path string) audit.Report {
	t.Helper()
	r, err := audit.Verify(path, key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func lines(t testing.TB, path string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(read(t, path)) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, m)
	}
	return all
}

// TestT110CompleteRecord: every field of an access, in UTC, the record's id only as a keyed hash.
func TestT110CompleteRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path)
	mustBegin(t, l).End(audit.ResultAnswered, 200)
	if err := l.Refuse(t.Context(), intent, "scope_missing"); err != nil {
		t.Fatal(err)
	}
	if err := l.Event(t.Context(), audit.Event{Kind: "sign_in", Practitioner: "prac-1", Code: "password"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := lines(t, path)
	want := map[string]any{
		"kind": "intent", "boot": "boot-1", "request": "req-1", "who": "prac-1", "session": "sess-hash", "remote": "203.0.113.9",
		"platform": "jane", "clinic": "https://a.example", "connection": "conn-1", "operation": "patients.get", "class": "patients",
		"method": "GET", "record": audit.RecordMAC(key, "jane", "https://a.example", "PATIENT-4711"),
	}
	for name, value := range want {
		if got[1][name] != value {
			t.Errorf("%s is %v, want %v", name, got[1][name], value)
		}
	}
	when, err := time.Parse(time.RFC3339Nano, got[1]["time"].(string))
	if err != nil || when.Location() != time.UTC || time.Since(when) > time.Minute {
		t.Errorf("time %v: %v", got[1]["time"], err)
	}
	if len(got) != 5 {
		t.Fatalf("%d lines", len(got))
	}
	var kinds []string
	for _, m := range got {
		kinds = append(kinds, m["kind"].(string))
		switch m["kind"] {
		case "outcome":
			if m["intent"] != got[1]["seq"] || m["result"] != "answered" || m["status"] != 200.0 {
				t.Errorf("outcome %v", m)
			}
		case "refused":
			if m["code"] != "scope_missing" || m["record"] != want["record"] || m["operation"] != "patients.get" {
				t.Errorf("refused %v", m)
			}
		}
	}
	if kinds[0] != "head" || strings.Contains(read(t, path), "4711") {
		t.Errorf("kinds %v, or the record's own id is in the file", kinds)
	}
	r := mustVerify(t, path)
	if r.Lines != 5 || r.Intents != 1 || r.Open != 0 || r.LastSeq != 5 || r.First.After(r.Last) {
		t.Errorf("%+v", r)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

// TestT114ValuesAreCleaned: whatever a field holds, each record is one line of JSON that no terminal obeys.
func TestT114ValuesAreCleaned(t *testing.T) {
	cases := []struct{ name, value string }{
		{"newline", "a\nb"}, {"quote", `"},{"`}, {"backslash", `\`}, {"escape", "\x1b[2J"}, {"nul", "\x00"}, {"DEL and C1", "\x7f\u0085"},
		{"separators", "\u2028\u2029"}, {"bidi", "\u202e\u2066"}, {"not UTF-8", "\xff\xfe\x80"}, {"long", strings.Repeat("é", 5000)},
		{"long and broken", strings.Repeat("\x80", 5000)}, {"emoji", "👩‍⚕️"},
	}
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path)
	for _, c := range cases {
		if err := l.Event(t.Context(), audit.Event{Kind: "test", Code: c.value}); err != nil {
			t.Fatal(err)
		}
	}
	got := lines(t, path)[1:]
	if len(got) != len(cases) {
		t.Fatalf("%d lines for %d events", len(got), len(cases))
	}
	for i, c := range cases {
		code := got[i]["code"].(string)
		if want := strings.ToValidUTF8(c.value, ""); len(c.value) < 200 && utf8.ValidString(c.value) && code != want {
			t.Errorf("%s: %q became %q", c.name, c.value, code)
		}
		if len(code) > 1024 {
			t.Errorf("%s: %d bytes", c.name, len(code))
		}
	}
	for _, r := range read(t, path) {
		if r < 0x20 && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0x202e {
			t.Errorf("%U stands in the file", r)
		}
	}
	mustVerify(t, path)
}

func TestConcurrentBegin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path)
	const workers, calls = 50, 40
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := range calls {
				in := intent
				in.RequestID = fmt.Sprintf("%d-%d", w, i)
				e, err := l.Begin(context.Background(), in)
				if err != nil {
					t.Error(err)
					return
				}
				if i%2 == 0 {
					e.End(audit.ResultAnswered, 200)
					e.End(audit.ResultUnknown, 0) // the first counts
				}
			}
		})
	}
	all.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if r := mustVerify(t, path); r.Intents != workers*calls || r.Open != workers*calls/2 || r.Lines != 1+workers*calls*3/2 {
		t.Fatalf("%+v", r)
	}
	seen := map[any]bool{}
	for _, m := range lines(t, path) {
		if m["kind"] == "intent" {
			seen[m["request"]] = true
		}
	}
	if len(seen) != workers*calls {
		t.Fatalf("%d distinct intents", len(seen))
	}
}

// TestDurableBeforeBeginReturns: when Begin answers, another reader finds the line.
func TestDurableBeforeBeginReturns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path)
	for i := range 20 {
		mustBegin(t, l)
		if r := mustVerify(t, path); r.Intents != i+1 {
			t.Fatalf("%d intents after %d", r.Intents, i+1)
		}
	}
}

func TestClosed(t *testing.T) {
	l := mustOpen(t, filepath.Join(t.TempDir(), "audit.log"))
	e := mustBegin(t, l)
	l.Close()
	l.Close()
	e.End(audit.ResultAnswered, 200)
	if _, err := l.Begin(t.Context(), intent); !errors.Is(err, audit.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	if err := l.Healthy(); !errors.Is(err, audit.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
}

func benchmarkBegin(b *testing.B, workers int) {
	l := mustOpen(b, filepath.Join(b.TempDir(), "audit.log"))
	b.SetParallelism(max(1, workers/2)) // times GOMAXPROCS
	b.ReportAllocs()
	one := func() {
		e, err := l.Begin(context.Background(), intent)
		if err != nil {
			b.Error(err)
			return
		}
		e.End(audit.ResultAnswered, 200)
	}
	if workers == 1 {
		for b.Loop() {
			one()
		}
		return
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			one()
		}
	})
}

func BenchmarkBegin1(b *testing.B)  { benchmarkBegin(b, 1) }
func BenchmarkBegin64(b *testing.B) { benchmarkBegin(b, 64) }
