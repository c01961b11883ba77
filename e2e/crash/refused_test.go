package crash_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"locum/shared"
)

// Exit codes of the program, as an operator's scripts know them.
const (
	exitFailed   = 1
	exitWrongKey = 3
	exitInUse    = 4
	exitDamaged  = 5
)

// TestT071SecondProcess: whoever else opens the data directory is told so and ends, and the first is unharmed.
func TestT071SecondProcess(t *testing.T) {
	s := newSite(t, newSandbox(t), "ada", "ben")
	j := s.begin(t)
	for _, args := range [][]string{{"serve"}, {"compact"}} {
		e := s.do(0, "", args...)
		if e.code != exitInUse || !strings.Contains(e.err, "another process") || !strings.Contains(e.err, "stop") {
			t.Errorf("locum %v beside a server: exit %d, %q", args, e.code, e.err)
		}
	}
	if done := j.changes(); len(done) != len(deeds())-1 {
		t.Errorf("of the first only %v work", done)
	}
	if a, err := j.b.get(shared.PathReady); err != nil || a.status != http.StatusOK {
		t.Errorf("/readyz: %v %v", a, err)
	}
	if code := j.process.stop(); code != 0 {
		t.Errorf("the first stopped with %d", code)
	}
	s.verify()
}

// TestT062NothingIsGuessed starts the server on what is not its own, or not whole. It ends with a code, names the file and
// the next step, and changes nothing: above all it makes no new, empty database where there was one.
func TestT062NothingIsGuessed(t *testing.T) {
	whole := newSite(t, newSandbox(t), "ada")
	for _, c := range []struct {
		name  string
		harm  func(s *site) error
		code  int
		words []string
	}{
		{"T063 another key", func(s *site) error {
			defer s.must("", "keys", "create")
			return os.Remove(s.path("master.key"))
		}, exitWrongKey, []string{"master key", "master_key_file in"}},
		{"no key", func(s *site) error { return os.Remove(s.path("master.key")) }, exitFailed, []string{"master.key", "put the copy of the master key back"}},
		{"T071 a key that others may read", func(s *site) error { return os.Chmod(s.path("master.key"), 0o644) },
			exitFailed, []string{"master.key", "0600"}},
		{"T062 another program's file", func(s *site) error {
			return os.WriteFile(s.database(), append([]byte("SQLite format 3\x00"), make([]byte, 1<<15)...), 0o600)
		}, exitDamaged, []string{"locum.db", "not one of Locum's"}},
		{"T062 an empty file", func(s *site) error { return os.Truncate(s.database(), 0) }, exitDamaged, []string{"locum.db"}},
		{"T062 half a file", func(s *site) error { return os.Truncate(s.database(), 8192) }, exitDamaged, []string{"locum.db"}},
		{"T062 no database where one was", func(s *site) error { return os.Remove(s.database()) }, exitDamaged,
			[]string{"locum.db", "gone"}},
		{"a directory in its place", func(s *site) error {
			return errors.Join(os.Remove(s.database()), os.Mkdir(s.database(), 0o700))
		}, exitDamaged, []string{"locum.db"}},
		{"T113 a changed audit trail", func(s *site) error {
			b, err := os.ReadFile(s.trail())
			return errors.Join(err, os.WriteFile(s.trail(), bytes.Replace(b, []byte("account_added"), []byte("account_adder"), 1), 0o600))
		}, exitFailed, []string{"audit"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := whole.copy(t)
			must(t, c.harm(s))
			before := contents(t, s.path("data"))
			e := s.do(0, "", "serve")
			if e.code != c.code {
				t.Errorf("exit %d, want %d", e.code, c.code)
			}
			for _, word := range c.words {
				if !strings.Contains(e.err, word) {
					t.Errorf("it does not say %q:\n%s", word, e.err)
				}
			}
			if strings.Contains(e.err, "panic") || strings.Contains(e.err, "goroutine") {
				t.Errorf("it panics:\n%s", e.err)
			}
			if after := contents(t, s.path("data")); before["locum.db"] != after["locum.db"] || before["audit.log"] != after["audit.log"] {
				t.Error("the database or the trail has changed")
			}
			said := strings.Split(strings.TrimSpace(e.err), "\n")
			t.Logf("exit %d: %s", e.code, said[len(said)-1])
		})
	}
}

// copy is the same installation in another directory, stopped.
func (s *site) copy(t *testing.T) *site {
	t.Helper()
	other := *s
	other.t, other.dir = t, t.TempDir()
	must(t, filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == s.dir {
			return err
		}
		target := filepath.Join(other.dir, strings.TrimPrefix(path, s.dir))
		if entry.IsDir() {
			return os.Mkdir(target, 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, b, 0o600)
	}))
	return &other
}

// contents reads the files of a directory; one that is none of its files counts as such.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	all := map[string]string{}
	for _, entry := range entries {
		all[entry.Name()] = "no file"
		if b, err := os.ReadFile(filepath.Join(dir, entry.Name())); err == nil {
			all[entry.Name()] = "file " + string(b)
		}
	}
	return all
}
