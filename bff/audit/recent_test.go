package audit_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"locum/bff/audit"
)

// aRun opens the log as another run of the process.
func aRun(t testing.TB, path, boot string) *audit.Log {
	t.Helper()
	l, err := audit.Open(path, key, boot)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// begin records an intent for a class.
func begin(t testing.TB, l *audit.Log, class string) *audit.Entry {
	t.Helper()
	in := intent
	in.Class = class
	e, err := l.Begin(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// classes writes what was sent as class or class?, where nobody knows its end, the newest first.
func classes(r audit.Recent) string {
	var b strings.Builder
	for _, s := range r.Sent {
		b.WriteString(" " + s.Class)
		if !s.Answered {
			b.WriteByte('?')
		}
	}
	return strings.TrimSpace(b.String())
}

// TestT104Recent: what the trail tells of the requests of earlier runs, however those ended.
func TestT104Recent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	start := time.Now()
	l := aRun(t, path, "one")
	begin(t, l, "answered").End(audit.ResultAnswered, 200)
	begin(t, l, "refused").End(audit.ResultAnswered, 429)
	begin(t, l, "lost").End(audit.ResultUnknown, 0)
	begin(t, l, "unsent").End(audit.ResultUnsent, 0)
	begin(t, l, "open")
	if err := l.Event(t.Context(), audit.Event{Kind: "sign_in", Practitioner: `of "outcome","intent":1`, Code: `\`}); err != nil {
		t.Fatal(err)
	}
	if err := l.Event(t.Context(), audit.Event{Kind: "freeze", Platform: "jane", Clinic: "https://a.example", Code: "patients endpoint 61"}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	l = aRun(t, path, "two")
	begin(t, l, `a "quoted" \ one`).End(audit.ResultAnswered, 200)
	l.Close()
	l = aRun(t, path, "three")
	r := l.Recent(time.Hour, time.Hour)
	if got := classes(r); got != `a "quoted" \ one open? lost? refused answered` {
		t.Errorf("sent: %s", got)
	}
	if r.Gap == nil || r.Gap.Begins.Before(start.Add(-time.Second)) || r.Gap.Begins.After(time.Now()) {
		t.Errorf("the trail begins: %+v", r.Gap)
	}
	if len(r.Freeze) != 1 || r.Freeze[0].Platform != "jane" || r.Freeze[0].Clinic != "https://a.example" || r.Freeze[0].Code != "patients endpoint 61" {
		t.Errorf("frozen: %+v", r.Freeze)
	}
	past := time.Since(start)
	for _, s := range r.Sent {
		if s.Ago < 0 || s.Ago > past || s.Platform != intent.Platform || s.Clinic != intent.Clinic || s.Practitioner != intent.Practitioner {
			t.Errorf("%+v", s)
		}
	}
	if open, lost := r.Sent[1], r.Sent[2]; open.Ago > lost.Ago {
		t.Errorf("what was open when its run ended is %s old, what was given up before %s", open.Ago, lost.Ago)
	}
}

// TestT104RecentAges: between lines of one clock that counts; between two clocks no time has passed, as far as is known,
// and no date is believed.
func TestT104RecentAges(t *testing.T) {
	const second = time.Second
	// What a run wrote, by its own clock. Dates are those of a machine whose clock was set forward by a day, and back.
	type line struct {
		boot, date, class, result string // boot and, if any, clock
		up                        time.Duration
		intent                    int
	}
	day := []string{"2026-11-21T08:00:00Z", "2026-11-22T08:00:00Z"}
	sent := func(boot, class string, up time.Duration) line {
		return line{boot, day[len(class)%2], class, "", up, 0}
	}
	done := func(boot string, intent int, up time.Duration) line {
		return line{boot, day[intent%2], "", audit.ResultAnswered, up, intent}
	}
	for _, c := range []struct {
		name   string
		lines  []line
		within time.Duration
		want   string // class and age in seconds, the newest first
		gap    string // its age, where there is one
	}{
		{"one run", []line{sent("a", "x", 10*second), done("a", 2, 12*second), sent("a", "y", 20*second), done("a", 4, 30*second)},
			time.Hour, "y 0, x 18", "20"},
		{"an answer long after", []line{sent("a", "x", 0), sent("a", "y", 1*second), done("a", 3, 2*second), done("a", 2, 3600*second)},
			60 * second, "x 0", ""},
		{"open when killed", []line{sent("a", "x", 10*second), sent("a", "y", 20*second), done("a", 3, 40*second)}, time.Hour, "y 0, x? 0", "30"},
		{"the run before", []line{sent("a", "x", 10*second), done("a", 2, 15*second), sent("a", "y", 20*second), sent("b", "z", 90*second),
			done("b", 5, 100*second)}, time.Hour, "z 0, y? 10, x 15", "20"},
		{"the run before, by the machine's clock", []line{sent("a m", "x", 10*second), done("a m", 2, 15*second), sent("a m", "y", 20*second),
			sent("b m", "z", 90*second), done("b m", 5, 100*second)}, time.Hour, "z 0, y? 10, x 85", "90"},
		{"the machine was started again", []line{sent("a m", "x", 10*second), done("a m", 2, 15*second), sent("a m", "y", 20*second),
			sent("b n", "z", 90*second), done("b n", 5, 100*second)}, time.Hour, "z 0, y? 10, x 15", "20"},
		{"the machine's clock went back", []line{sent("a m", "x", 10*second), done("a m", 2, 15*second), sent("a m", "y", 20*second),
			sent("b m", "z", 3*second), done("b m", 5, 10*second)}, time.Hour, "z 0, y? 7, x 12", "17"},
		{"without a clock, behind one", []line{sent("a m", "x", 10*second), done("a m", 2, 15*second), sent("b", "z", 90*second),
			done("b", 4, 100*second)}, time.Hour, "z 0, x 10", "15"},
		{"long enough ago", []line{sent("a", "x", 0), done("a", 2, second), sent("a", "y", 1000*second), done("a", 4, 1001*second)},
			60 * second, "y 0", ""},
		{"stopped for long, then killed", []line{sent("a m", "w", 0), done("a m", 2, 9*second), sent("a m", "x", 10*second), sent("b m", "z", 1000*second),
			done("b m", 5, 1001*second)}, 60 * second, "z 0, x? 1", "1001"},
		{"at rest for long", []line{sent("a m", "x", 10*second), sent("a m", "y", 80*second), done("a m", 3, 81*second), sent("b m", "z", 1000*second),
			done("b m", 5, 1001*second)}, 60 * second, "z 0", ""},
		{"the same name twice", []line{sent("a", "x", 10*second), done("a", 2, 15*second), sent("a", "y", 2*second), done("a", 4, 9*second)},
			time.Hour, "y 0, x 7", "12"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			w := audit.NewForger(key)
			boot, clock, _ := strings.Cut(c.lines[0].boot, " ")
			w.Line(boot, clock, day[0], c.lines[0].up, `,"kind":"head","format":"locum-audit-1"`)
			for _, x := range c.lines {
				boot, clock, _ := strings.Cut(x.boot, " ")
				if x.result != "" {
					w.Line(boot, clock, x.date, x.up, fmt.Sprintf(`,"kind":"outcome","intent":%d,"result":%q,"status":200`, x.intent, x.result))
					continue
				}
				w.Line(boot, clock, x.date, x.up, fmt.Sprintf(
					`,"kind":"intent","request":"","who":"p","session":"","remote":"","platform":"j","clinic":"c","connection":"","operation":"","class":%q,"method":"GET","record":""`, x.class))
			}
			if err := w.Save(path); err != nil {
				t.Fatal(err)
			}
			var r audit.Recent
			for took, tries := time.Second, 0; took >= time.Second && tries < 20; tries++ { // a machine that is busy adds to the ages
				opened := time.Now()
				l := aRun(t, path, "now")
				r = l.Recent(c.within, c.within)
				took = time.Since(opened)
				must(t, l.Close())
			}
			var got []string
			for _, s := range r.Sent {
				mark := ""
				if !s.Answered {
					mark = "?"
				}
				got = append(got, fmt.Sprintf("%s%s %d", s.Class, mark, int(s.Ago.Seconds()))) // down: Open itself takes time
			}
			if text := strings.Join(got, ", "); text != c.want {
				t.Errorf("sent: %s, want %s", text, c.want)
			}
			gap := ""
			if r.Gap != nil {
				gap = fmt.Sprint(int(r.Gap.Ago.Seconds()))
			}
			if gap != c.gap {
				t.Errorf("a gap of age %q, want %q: %+v", gap, c.gap, r.Gap)
			}
		})
	}
}

// TestT104RecentGaps: where the trail cannot be believed, it says from when on it can.
func TestT104RecentGaps(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		harm         func(t *testing.T, path string)
		sent         string
	}{
		{"the head file is gone", "head file", func(t *testing.T, path string) { must(t, os.Remove(audit.HeadFile(path))) }, ""},
		{"the trail was moved away", "begins", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Remove(audit.HeadFile(path)))
		}, ""},
		{"a line of the version before", "another version", func(t *testing.T, path string) {
			w := audit.NewForger(key)
			w.Old("a", "2026-11-22T08:00:00Z", `,"kind":"head","format":"locum-audit-1"`)
			must(t, w.Save(path))
		}, ""},
		{"it came out of a backup", "backup", func(t *testing.T, path string) {
			l := aRun(t, path, "restored")
			must(t, l.Event(t.Context(), audit.Event{Kind: audit.KindRestored}))
			must(t, l.Close())
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			l := aRun(t, path, "one")
			begin(t, l, "x").End(audit.ResultAnswered, 200)
			l.Close()
			c.harm(t, path)
			l = aRun(t, path, "two")
			r := l.Recent(time.Hour, time.Hour)
			if got := classes(r); got != c.sent || r.Gap == nil || r.Gap.Ago > time.Since(started) || !strings.Contains(r.Gap.Reason, c.reason) {
				t.Errorf("sent %q, gap %+v", got, r.Gap)
			}
		})
	}
	t.Run("more than is read", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.log")
		w := audit.NewForger(key)
		w.Line("a", "m", "2026-11-22T08:00:00Z", 0, `,"kind":"head","format":"locum-audit-1"`)
		const n = 5000
		for i := range n {
			w.Line("a", "m", "2026-11-22T08:00:00Z", time.Duration(i)*time.Second, `,"kind":"sign_in","code":"password","who":"aaaaaaaaaaaaaaaaaaaaaaaa"`)
		}
		must(t, w.Save(path))
		l := aRun(t, path, "two")
		r := l.RecentOf(time.Hour, 600<<10)
		if r.Gap == nil || !strings.Contains(r.Gap.Reason, "more than") || r.Gap.Ago < 40*time.Minute || r.Gap.Ago > time.Hour || r.Read > 1100<<10 {
			t.Errorf("%d bytes: %+v", r.Read, r.Gap)
		}
		if r := l.RecentOf(10*time.Minute, 600<<10); r.Gap != nil || r.Read > 600<<10 {
			t.Errorf("%d bytes for the last ten minutes: %+v", r.Read, r.Gap)
		}
	})
	t.Run("a changed line far from the end", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.log")
		w := audit.NewForger(key)
		w.Line("a", "m", "2026-11-22T08:00:00Z", 0, `,"kind":"head","format":"locum-audit-1"`)
		const n = 40_000 // further than Open looks
		for i := range n {
			w.Line("a", "m", "2026-11-22T08:00:00Z", time.Duration(i)*time.Millisecond, `,"kind":"sign_in","code":"password","who":"aaaaaaaaaaaaaaaaaaaaaaaa"`)
		}
		must(t, w.Save(path))
		text := strings.Replace(read(t, path), "aaaa", "aaab", 1)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		opened := time.Now()
		r := aRun(t, path, "two").Recent(time.Hour, time.Hour)
		if r.Gap == nil || !strings.Contains(r.Gap.Reason, "does not hold") || r.Gap.Ago > time.Since(opened) {
			t.Errorf("%+v", r.Gap)
		}
	})
}

// TestT104RecentFreezes: what was frozen is found as far back as a freeze can last, and nothing else is.
func TestT104RecentFreezes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	w := audit.NewForger(key)
	w.Line("a", "m", "2026-11-22T08:00:00Z", 0, `,"kind":"head","format":"locum-audit-1"`)
	for i := range 120 { // one a minute
		w.Line("a", "m", "2026-11-22T08:00:00Z", time.Duration(i)*time.Minute, `,"kind":"freeze","platform":"j","clinic":"c","code":"patients endpoint 3601"`)
		w.Line("a", "m", "2026-11-22T08:00:00Z", time.Duration(i)*time.Minute, `,"kind":"vault_restored"`)
	}
	w.Line("a", "m", "2026-11-22T08:00:00Z", 130*time.Minute, `,"kind":"sign_in"`)
	must(t, w.Save(path))
	r := aRun(t, path, "two").Recent(6*time.Minute, time.Hour)
	if n := len(r.Freeze); r.Gap != nil || n < 49 || n > 52 || r.Freeze[0].Ago.Round(time.Minute) != 11*time.Minute {
		t.Errorf("%d freezes, gap %+v", n, r.Gap)
	}
}

// TestT104RecentWhileWriting: what Locum itself is just writing is no end of what is known.
func TestT104RecentWhileWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := aRun(t, path, "one")
	begin(t, l, "x").End(audit.ResultAnswered, 200)
	must(t, l.Close())
	l = aRun(t, path, "two")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	_, err = f.WriteString(`{"seq":4,"time":"2026-`)
	must(t, errors.Join(err, f.Close()))
	if r := l.Recent(time.Hour, time.Hour); classes(r) != "x" || r.Gap == nil || r.Gap.Begins.IsZero() {
		t.Errorf("sent %q, gap %+v", classes(r), r.Gap)
	}
}

var started = time.Now()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkRecent reads what was sent in the last seven minutes, of a trail of 300 MB.
func BenchmarkRecent(b *testing.B) {
	path := filepath.Join(b.TempDir(), "audit.log")
	w := audit.NewForger(key)
	w.Line("a", "m", "2026-11-22T08:00:00Z", 0, `,"kind":"head","format":"locum-audit-1"`)
	for i := range 450_000 { // 200 calls a second
		at := time.Duration(i) * 5 * time.Millisecond
		w.Line("a", "m", "2026-11-22T08:00:00Z", at, `,"kind":"intent","request":"abcdefghijklmnopqrstuvwxyz","who":"abcdefghijklmnopqrstuvwxyz","session":"abcdefghijklmnopqrstuvwxyz","remote":"203.0.113.7","platform":"jane","clinic":"https://clinic.example","connection":"abcdefghijklmnopqrstuvwxyz","operation":"listPatients","class":"patients","method":"GET","record":"abcdefghijklmnopqrstuv"`)
		w.Line("a", "m", "2026-11-22T08:00:00Z", at, fmt.Sprintf(`,"kind":"outcome","intent":%d,"result":"answered","status":200`, 2*i+2))
	}
	must(b, w.Save(path))
	l := aRun(b, path, "b")
	for b.Loop() {
		r := l.Recent(6*time.Minute, time.Hour)
		b.ReportMetric(float64(r.Read)/1e6, "MB")
		b.ReportMetric(float64(len(r.Sent)), "requests")
		if r.Gap != nil {
			b.Fatal(r.Gap)
		}
	}
}
