package audit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"locum/bff/audit"
)

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatal("never: ", what)
}

func wantUnavailable(t *testing.T, l *audit.Log) {
	t.Helper()
	if _, err := l.Begin(t.Context(), intent); !errors.Is(err, audit.ErrUnavailable) {
		t.Fatalf("got %v, want ErrUnavailable", err)
	}
	if err := l.Healthy(); !errors.Is(err, audit.ErrUnavailable) {
		t.Fatalf("got %v, want ErrUnavailable", err)
	}
}

// TestT111FailsClosedAndHeals: the directory goes and comes back under a running log.
func TestT111FailsClosedAndHeals(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	os.Mkdir(dir, 0o700)
	path := filepath.Join(dir, "audit.log")
	l := mustOpen(t, path)
	open := mustBegin(t, l)
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	wantUnavailable(t, l)
	open.End(audit.ResultAnswered, 200) // kept until the log works again
	wantUnavailable(t, l)
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	mustBegin(t, l).End(audit.ResultUnsent, 0)
	if err := l.Healthy(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if r := mustVerify(t, path); r.Intents != 2 || r.Open != 0 {
		t.Fatalf("%+v", r)
	}
}

// TestT111HealsByAsking: Healthy alone brings a log back, so that a readiness probe may keep calls away meanwhile.
func TestT111HealsByAsking(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	os.Mkdir(dir, 0o700)
	l := mustOpen(t, filepath.Join(dir, "audit.log"))
	os.Rename(dir, dir+".away")
	wantUnavailable(t, l)
	os.Rename(dir+".away", dir)
	eventually(t, "healthy", func() bool { return l.Healthy() == nil })
}

// TestT111LostFile: the file is deleted under a running log. A new one goes on with the numbers, so the gap shows.
func TestT111LostFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path)
	mustBegin(t, l)
	mustBegin(t, l)
	os.Remove(path)
	wantUnavailable(t, l)
	mustBegin(t, l)
	l.Close()
	if got := lines(t, path); got[0]["seq"] != 4.0 || got[0]["kind"] != "head" {
		t.Fatalf("got %v", got[0])
	}
	if r := mustVerify(t, path); r.Intents != 1 {
		t.Fatalf("%+v", r)
	}
}

// TestT111FileReplaced: another file in the place of the log is never written to.
func TestT111FileReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path)
	mustBegin(t, l)
	os.Rename(path, path+".mine")
	os.WriteFile(path, []byte("something else entirely, and of some length, so that it could hold a line of ours\n"), 0o600)
	wantUnavailable(t, l)
	wantUnavailable(t, l)
	os.Rename(path+".mine", path)
	mustBegin(t, l)
	l.Close()
	if r := mustVerify(t, path); r.Intents != 2 {
		t.Fatalf("%+v", r)
	}
}

// TestT111DiskFull: a file-size limit makes a write stop half-way, as a full disk does.
func TestT111DiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path)
	e := mustBegin(t, l)
	e.End(audit.ResultAnswered, 200)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	full := before
	full.Cur = uint64(info.Size()) + 300
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		t.Skip("no file-size limit here: ", err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)
	wantUnavailable(t, l)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	mustBegin(t, l).End(audit.ResultAnswered, 200)
	l.Close()
	if r := mustVerify(t, path); r.Intents != 2 || r.Open != 0 {
		t.Fatalf("%+v\n%s", r, read(t, path))
	}
}

// TestLeaverIsUnsent: an intent whose caller went away before it was durable is followed by "unsent", or never written.
func TestLeaverIsUnsent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path)
	left := 0
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		e, err := l.Begin(ctx, intent)
		switch {
		case err == nil:
			e.End(audit.ResultAnswered, 200)
		case errors.Is(err, audit.ErrUnavailable) && errors.Is(err, context.Canceled):
			left++
		default:
			t.Fatal(err)
		}
	}
	l.Close()
	if r := mustVerify(t, path); r.Open != 0 || r.Intents < 200-left {
		t.Fatalf("%d left, %+v", left, r)
	}
}

// TestT111FileChangedInPlace: whoever cuts or extends the log under a running process stops one call, not the log. What
// was added stands aside, and behind a cut to nothing a new head shows how many lines are gone.
func TestT111FileChangedInPlace(t *testing.T) {
	cases := []struct {
		name    string
		change  func(path string) error
		first   uint64
		intents int
		torn    int
		goesOn  bool
	}{
		{"cut to nothing", func(path string) error { return os.Truncate(path, 0) }, 4, 2, 0, true},
		{"cut short", func(path string) error { return os.Truncate(path, 700) }, 1, 0, 0, false},
		{"extended", func(path string) error { return appendTo(path, "{}\n") }, 1, 4, 1, true},
		{"extended by half a line", func(path string) error { return appendTo(path, `{"seq":4,`) }, 1, 4, 1, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			l := mustOpen(t, path)
			mustBegin(t, l)
			mustBegin(t, l)
			if err := c.change(path); err != nil {
				t.Fatal(err)
			}
			wantUnavailable(t, l)
			if !c.goesOn {
				wantUnavailable(t, l)
				return
			}
			mustBegin(t, l)
			l.Close()
			l = mustOpen(t, path) // a restart finds a log that holds
			mustBegin(t, l)
			l.Close()
			if r := mustVerify(t, path); r.FirstSeq != c.first || r.Intents != c.intents || r.Torn != c.torn {
				t.Errorf("%+v", r)
			}
		})
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}
