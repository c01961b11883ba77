package audit_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"locum/bff/audit"
)

// TestTornTail: whatever a crash leaves of the last write, the log goes on, says what was cut off, and keeps it.
func TestTornTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path)
	mustBegin(t, l)
	mustBegin(t, l)
	head := read(t, audit.HeadFile(path)) // it has not seen the last line
	mustBegin(t, l)
	l.Close()
	log := read(t, path)
	last := strings.LastIndexByte(strings.TrimSuffix(log, "\n"), '\n') + 1 // begin of the last line
	cases := map[string]string{
		"one byte missing": log[:len(log)-1],
		"half a line":      log[:last+100],
		"one byte":         log[:last+1],
		"a hole":           log[:last+20] + strings.Repeat("\x00", 200) + log[last+220:],
		"only holes":       log[:last] + strings.Repeat("\x00", 4096),
	}
	for name, torn := range cases {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			plant(t, path, torn, head)
			if r := mustVerify(t, path); r.LastSeq != 3 || r.Unfinished != len(torn)-last {
				t.Errorf("before the start: %+v", r)
			}
			l := mustOpen(t, path)
			mustBegin(t, l).End(audit.ResultAnswered, 200)
			l.Close()
			got := lines(t, path)
			if len(got) != 6 || got[3]["kind"] != "torn" || got[3]["bytes"] != float64(len(torn)-last) {
				t.Fatalf("got %v", got)
			}
			if read(t, path+".torn.4") != torn[last:] {
				t.Error("what was cut off is not kept")
			}
			if r := mustVerify(t, path); r.Torn != 1 || r.Intents != 3 || r.Open != 2 {
				t.Errorf("%+v", r)
			}
		})
	}
	t.Run("crash between setting aside and recording", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.log")
		plant(t, path, log[:last], head)
		os.WriteFile(path+".torn.4", []byte("half"), 0o600)
		mustOpen(t, path).Close()
		if got := lines(t, path); len(got) != 4 || got[3]["kind"] != "torn" || got[3]["bytes"] != 4.0 {
			t.Fatalf("got %v", got)
		}
		mustOpen(t, path).Close()
		if got := lines(t, path); len(got) != 4 {
			t.Fatal("recorded twice")
		}
	})
	t.Run("the head itself", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.log")
		os.WriteFile(path, []byte(log[:30]), 0o600)
		mustOpen(t, path).Close()
		if r := mustVerify(t, path); r.Torn != 1 || r.Lines != 2 {
			t.Fatalf("%+v", r)
		}
	})
}

// TestOpenRefusesChangedLog: what no crash can have done is not repaired but reported, and the file is left alone.
func TestOpenRefusesChangedLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path)
	for range 3 {
		mustBegin(t, l)
	}
	l.Close()
	changed := strings.Replace(read(t, path), `"seq":3,"time":"2`, `"seq":3,"time":"3`, 1)
	os.WriteFile(path, []byte(changed), 0o600)
	if l, err := audit.Open(path, key, "b"); err == nil {
		l.Close()
		t.Error("opened a changed log")
	}
	if read(t, path) != changed {
		t.Error("touched a changed log")
	}
	other := filepath.Join(t.TempDir(), "audit.log")
	mustOpen(t, other).Close()
	if l, err := audit.Open(other, []byte("another key"), "b"); err == nil {
		l.Close()
		t.Error("opened with another key")
	}
}

// TestOpenLongLog: only the end of a long log is read, and the chain goes on.
func TestOpenLongLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path)
	var all sync.WaitGroup
	long := audit.Event{Kind: "test", Code: strings.Repeat("x", 250), Clinic: strings.Repeat("y", 250), Remote: strings.Repeat("z", 250)}
	for range 64 {
		all.Go(func() {
			for range 100 {
				if err := l.Event(context.Background(), long); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	l.Close()
	if info, _ := os.Stat(path); info.Size() < 5<<20 {
		t.Fatalf("only %d bytes", info.Size())
	}
	l = mustOpen(t, path)
	mustBegin(t, l)
	l.Close()
	if r := mustVerify(t, path); r.Lines != 6402 || r.Intents != 1 {
		t.Fatalf("%+v", r)
	}
}

// TestWritesAreBounded: a full queue of the longest records there can be goes to the disk in pieces, each of a size that
// Open takes for the work of a crash, and in order.
func TestWritesAreBounded(t *testing.T) {
	total := 0
	for _, size := range audit.Takes(1024, 17<<10) {
		if total += size; size > 1<<20 {
			t.Errorf("a write of %d bytes", size)
		}
	}
	if total != 1024*(17<<10) {
		t.Errorf("%d bytes in all", total)
	}
}
