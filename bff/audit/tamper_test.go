package audit_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"locum/bff/audit"
)

// plant writes a log and its head file; an empty text writes none.
func plant(t testing.TB, path, log, head string) {
	t.Helper()
	for name, text := range map[string]string{path: log, audit.HeadFile(path): head} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// state is a log with its head file and the anchor of its last line, as they were at one moment.
type state struct {
	log, head string
	anchor    audit.Anchor
}

// grown gives a log closed after five records, and again after eight.
func grown(t *testing.T) (older, newer state) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.log")
	add := func(n int) state {
		l := mustOpen(t, path)
		for range n {
			mustBegin(t, l)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return state{read(t, path), read(t, audit.HeadFile(path)), l.Anchor()}
	}
	return add(5), add(3)
}

// TestT113VerifyNamesThePlace: whatever was done to the log, the head file or both, the line and the reason are named.
// The log of a later day has nine lines: its head and eight intents.
func TestT113VerifyNamesThePlace(t *testing.T) {
	older, newer := grown(t)
	fork, _ := grown(t) // another log under the same key
	whole := strings.SplitAfter(strings.TrimSuffix(newer.log, "\n"), "\n")
	whole[8] += "\n"
	edit := func(f func([]string) []string) state {
		return state{log: strings.Join(f(append([]string{}, whole...)), ""), head: newer.head}
	}
	with := func(i int, old, new string) state {
		return edit(func(s []string) []string { s[i] = strings.Replace(s[i], old, new, 1); return s })
	}
	cases := []struct {
		name   string
		state  state
		anchor audit.Anchor
		line   int
		reason string
	}{
		{"changed", with(2, "prac-1", "prac-2"), audit.Anchor{}, 3, "changed"},
		{"changed time", with(8, `"time":"2`, `"time":"1`), audit.Anchor{}, 9, "changed"},
		{"changed number", with(2, `"seq":3`, `"seq":7`), audit.Anchor{}, 3, "missing"},
		{"dropped", edit(func(s []string) []string { return append(s[:2], s[3:]...) }), audit.Anchor{}, 3, "1 lines are missing"},
		{"dropped and renumbered", edit(func(s []string) []string {
			return append(s[:2], strings.Replace(s[3], `"seq":4`, `"seq":3`, 1))
		}), audit.Anchor{}, 3, "changed"},
		{"swapped", edit(func(s []string) []string { s[2], s[3] = s[3], s[2]; return s }), audit.Anchor{}, 3, "missing"},
		{"repeated", edit(func(s []string) []string { s[3] = s[2]; return s }), audit.Anchor{}, 4, "wrong place"},
		{"inserted", edit(func(s []string) []string { return append(s[:4], append([]string{s[3]}, whole[4:]...)...) }), audit.Anchor{}, 5, "wrong place"},
		{"inserted behind the end", edit(func(s []string) []string { return append(s, strings.Replace(s[8], `"seq":9`, `"seq":10`, 1)) }), audit.Anchor{}, 10, "changed"},
		{"head dropped", edit(func(s []string) []string { return s[1:] }), audit.Anchor{}, 1, "changed"},
		{"cut inside a line", edit(func(s []string) []string { s[8] = s[8][:40]; return s }), audit.Anchor{}, 9, "cut off"},
		{"newline cut", edit(func(s []string) []string { s[8] = strings.TrimSuffix(s[8], "\n"); return s }), audit.Anchor{}, 9, "cut off"},
		{"a foreign line", with(4, whole[4], "{}\n"), audit.Anchor{}, 5, "not a line"},
		{"endless line", with(4, whole[4], strings.Repeat("x", 1<<20)+"\n"), audit.Anchor{}, 5, "longer"},
		{"holes where the head file has seen lines", with(4, whole[4], strings.Repeat("\x00", 300)), audit.Anchor{}, 5, "not a line"},
		{"mac of another line", edit(func(s []string) []string { s[4] = s[4][:len(s[4])-47] + s[3][len(s[3])-47:]; return s }), audit.Anchor{}, 5, "changed"},
		{"tail cut at a line's end", edit(func(s []string) []string { return s[:8] }), audit.Anchor{}, 9, "1 records are missing at the end"},
		{"tail cut to the head", edit(func(s []string) []string { return s[:1] }), audit.Anchor{}, 2, "8 records are missing at the end"},
		{"emptied", state{log: "\n", head: newer.head}, audit.Anchor{}, 1, "not a line"},
		{"removed", state{head: newer.head}, audit.Anchor{}, 1, "the file is missing; its head file has seen 9 records"},
		{"an older file", state{log: older.log, head: newer.head}, audit.Anchor{}, 7, "3 records are missing at the end"},
		{"another log of this key", state{log: fork.log, head: older.head}, audit.Anchor{}, 6, "not the one that the head file has seen"},
		{"head file removed", state{log: newer.log}, audit.Anchor{}, 10, "head file is not beside"},
		{"head file changed", state{log: older.log, head: strings.Replace(newer.head, "9", "6", 1)}, audit.Anchor{}, 7, "head file beside the audit log was changed"},
		{"head file emptied", state{log: newer.log, head: "\n"}, audit.Anchor{}, 10, "head file beside the audit log was changed"},
		{"older pair", older, newer.anchor, 7, "record 9, which an anchor names, is not here: the log has records 1 to 6"},
		{"another pair", fork, older.anchor, 6, "not the one that an anchor names"},
	}
	for _, c := range cases {
		t.Run("T113 "+c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			plant(t, path, c.state.log, c.state.head)
			var anchors []audit.Anchor
			if c.anchor.Seq > 0 {
				mustVerify(t, path) // without the anchor it holds: that is what the anchor is for
				anchors = append(anchors, c.anchor)
			}
			_, err := audit.Verify(path, key, anchors...)
			var broken *audit.VerifyError
			if !errors.As(err, &broken) || broken.Line != c.line || !strings.Contains(broken.Reason, c.reason) {
				t.Fatalf("got %v, want line %d and %q", err, c.line, c.reason)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "audit.log")
	plant(t, path, newer.log, older.head) // what a power cut may leave
	if r, err := audit.Verify(path, key, older.anchor, newer.anchor); err != nil || r.LastSeq != 9 || r.Anchor != newer.anchor {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := audit.Verify(path, []byte("another key")); err == nil {
		t.Error("another key verifies")
	}
	if _, err := audit.Verify(filepath.Join(t.TempDir(), "none"), key); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestT113OpenLeavesACutLogAlone: a log that is shorter than what its head file has seen is not gone on with. Who moves the
// head file away says that this is known, and the log says so for ever.
func TestT113OpenLeavesACutLogAlone(t *testing.T) {
	older, newer := grown(t)
	for name, log := range map[string]string{"older": older.log, "removed": "", "emptied": ""} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			plant(t, path, log, newer.head)
			if name == "emptied" {
				os.WriteFile(path, nil, 0o600)
			}
			l, err := audit.Open(path, key, "b")
			if err == nil {
				l.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), "has seen record 9") || !strings.Contains(err.Error(), "move the head file away") {
				t.Errorf("the error does not say what to do: %v", err)
			}
			if now, _ := os.ReadFile(path); string(now) != log {
				t.Error("the log was touched")
			}
		})
	}
	path := filepath.Join(t.TempDir(), "audit.log")
	plant(t, path, older.log, "")
	for range 2 {
		mustOpen(t, path).Close() // says so once
	}
	r := mustVerify(t, path)
	if len(r.Gaps) != 1 || r.Gaps[0].Line != 7 || r.LastSeq != 7 {
		t.Errorf("%+v", r)
	}
	plant(t, path, fork(t), older.head)
	if l, err := audit.Open(path, key, "b"); err == nil {
		l.Close()
		t.Error("another log of this key was opened beside this head file")
	}
	plant(t, path, older.log, strings.Replace(older.head, `"seq":"0`, `"seq":"1`, 1))
	if l, err := audit.Open(path, key, "b"); err == nil {
		l.Close()
		t.Error("a changed head file was believed")
	}
}

// fork is another log of eight intents under the same key.
func fork(t *testing.T) string {
	t.Helper()
	_, newer := grown(t)
	return newer.log
}

// TestT113HeadFileComesBack: who takes the head file from under a running log gains nothing.
func TestT113HeadFileComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path)
	mustBegin(t, l)
	for _, harm := range []func() error{
		func() error { return os.Remove(audit.HeadFile(path)) },
		func() error { return os.Rename(audit.HeadFile(path), path+".away") },
	} {
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		mustBegin(t, l)
		eventually(t, "a new head file", func() bool { _, err := audit.Verify(path, key); return err == nil })
	}
	l.Close()
	if r := mustVerify(t, path); r.Intents != 3 || len(r.Gaps) != 0 {
		t.Errorf("%+v", r)
	}
}

// TestT113Anchors are found in the log of the process, whatever stands around them.
func TestT113Anchors(t *testing.T) {
	older, newer := grown(t)
	text := `{"time":"2026-11-22T08:00:00Z","level":"INFO","msg":"audit checkpoint","anchor":"` + older.anchor.String() + `"}` + "\n" +
		"08:12:55 audit checkpoint anchor=" + newer.anchor.String() + " more=12:34\n"
	found, err := audit.FindAnchors(strings.NewReader(text))
	if err != nil || len(found) != 2 || found[0] != older.anchor || found[1] != newer.anchor {
		t.Fatalf("%v, %v", found, err)
	}
	for _, bad := range []string{"", "7", "7:", "0:" + strings.Repeat("A", 43), "7:" + strings.Repeat("A", 42), "7:" + strings.Repeat("!", 43), "-1:" + strings.Repeat("A", 43)} {
		if a, err := audit.ParseAnchor(bad); err == nil {
			t.Errorf("%q is read as %v", bad, a)
		}
	}
	if _, err := audit.FindAnchors(strings.NewReader("nothing here\n")); err == nil {
		t.Error("a text without an anchor passes")
	}
}
