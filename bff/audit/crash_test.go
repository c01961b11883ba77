package audit_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"locum/bff/audit"
)

const (
	victimLog = "LOCUM_TEST_AUDIT_LOG"   // the log that TestKilled writes until it is killed
	killCount = "LOCUM_TEST_AUDIT_KILLS" // how many times, instead of a few
)

// TestKilled is the victim of TestT113KillNeverCriesWolf: it writes records as fast as it can and prints anchors.
func TestKilled(t *testing.T) {
	path := os.Getenv(victimLog)
	if path == "" {
		return // a process of its own, started by TestT113KillNeverCriesWolf
	}
	l, err := audit.Open(path, key, "victim")
	if err != nil {
		fmt.Println("refused", err)
		return
	}
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				e, err := l.Begin(context.Background(), intent)
				if err != nil {
					fmt.Println("failed", err)
					return
				}
				e.End(audit.ResultAnswered, 200)
				if w == 0 {
					fmt.Println("anchor", l.Anchor())
				}
			}
		}()
	}
	select {}
}

// TestT113KillNeverCriesWolf: a process that is killed at any moment leaves a log that holds, with every anchor it has
// given away in it, and that the next process goes on with.
func TestT113KillNeverCriesWolf(t *testing.T) {
	kills := 12
	if n, err := strconv.Atoi(os.Getenv(killCount)); err == nil {
		kills = n
	}
	path := filepath.Join(t.TempDir(), "audit.log")
	unfinished, records := 0, 0
	for range kills {
		anchors := kill(t, path, time.Duration(rand.IntN(25))*time.Millisecond)
		r, err := audit.Verify(path, key, anchors...)
		if err != nil || len(r.Gaps) > 0 {
			t.Fatalf("after a kill: %+v, %v", r, err)
		}
		if r.Unfinished > 0 {
			unfinished++
		}
		records = r.Lines
	}
	mustOpen(t, path).Close()
	r := mustVerify(t, path)
	t.Logf("%d kills, %d records, %d with an unfinished end, %d set aside", kills, records, unfinished, r.Torn)
}

// kill starts a victim, kills it some time after its first record, and gives the anchors that it has printed.
func kill(t *testing.T, path string, after time.Duration) (anchors []audit.Anchor) {
	t.Helper()
	victim := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	victim.Env = append(os.Environ(), victimLog+"="+path)
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var once sync.Once
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		a, err := audit.ParseAnchor(rest)
		if word != "anchor" || err != nil {
			_ = victim.Process.Kill()
			t.Errorf("the victim says %q", lines.Text())
			break
		}
		anchors = append(anchors, a)
		once.Do(func() { time.AfterFunc(after, func() { _ = victim.Process.Kill() }) })
	}
	_ = victim.Wait() // killed
	if len(anchors) == 0 {
		t.Fatal("the victim wrote nothing")
	}
	return anchors[max(0, len(anchors)-50):] // one cut off in the middle would not parse
}

// TestAnEmptyHeadFileIsNone: a crash between making the head file and writing it must not keep the log from being opened.
// Beside a log that has lines it counts as missing, which the log then says.
func TestAnEmptyHeadFileIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	empty := func() {
		t.Helper()
		if err := os.WriteFile(audit.HeadFile(path), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	empty()
	l := mustOpen(t, path)
	mustBegin(t, l)
	l.Close()
	if r := mustVerify(t, path); len(r.Gaps) > 0 {
		t.Errorf("a first start: %+v", r)
	}
	empty()
	l = mustOpen(t, path)
	mustBegin(t, l)
	l.Close()
	if r := mustVerify(t, path); len(r.Gaps) != 1 {
		t.Errorf("emptied under a log with lines: %+v", r)
	}
}

// TestT113PowerCutNeverCriesWolf: after a power cut the disk has some older state of the head file, and of the log at
// least what was synced by then, more or less of the rest, perhaps with holes. Whatever it is, the log holds and goes on.
func TestT113PowerCutNeverCriesWolf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path)
	type moment struct {
		head    string
		durable int
	}
	moments := []moment{{read(t, audit.HeadFile(path)), len(read(t, path))}}
	for n := range 4 {
		mustBegin(t, l)
		seq := fmt.Sprintf(`"seq":"%020d"`, n+2)
		eventually(t, "seen", func() bool { return strings.Contains(read(t, audit.HeadFile(path)), seq) })
		moments = append(moments, moment{read(t, audit.HeadFile(path)), len(read(t, path))})
	}
	l.Close()
	log := read(t, path)
	random := rand.New(rand.NewPCG(1, 2))
	tried := 0
	for i, m := range moments {
		for range 12 {
			end := m.durable + random.IntN(len(log)-m.durable+1)
			disk := []byte(log[:end])
			if hole := m.durable + random.IntN(end-m.durable+1); random.IntN(2) == 0 {
				clear(disk[hole:min(end, hole+1+random.IntN(512))])
			}
			cut := filepath.Join(t.TempDir(), "audit.log")
			plant(t, cut, string(disk), moments[random.IntN(i+1)].head)
			if _, err := audit.Verify(cut, key); err != nil {
				t.Fatalf("head file of moment %d, %d of %d bytes: %v", i, end, len(log), err)
			}
			l := mustOpen(t, cut)
			mustBegin(t, l)
			l.Close()
			if r := mustVerify(t, cut); len(r.Gaps) > 0 || r.Unfinished > 0 {
				t.Fatalf("%+v", r)
			}
			tried++
		}
	}
	t.Logf("%d power cuts", tried)
}

// TestT113VerifyWhileItIsWritten: a reader beside the writer sees a log that holds, at any moment.
func TestT113VerifyWhileItIsWritten(t *testing.T) {
	const workers, calls = 8, 100
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path)
	written := make(chan struct{})
	var writers sync.WaitGroup
	for range workers {
		writers.Go(func() {
			for range calls {
				e, err := l.Begin(context.Background(), intent)
				if err != nil {
					t.Error(err)
					return
				}
				e.End(audit.ResultAnswered, 200)
			}
		})
	}
	go func() {
		defer close(written)
		writers.Wait()
	}()
	readings := 0
	for reading := true; reading; readings++ {
		select {
		case <-written:
			reading = false
		default:
		}
		anchor := l.Anchor()
		if r, err := audit.Verify(path, key, anchor); err != nil || r.LastSeq < anchor.Seq {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	l.Close()
	if r := mustVerify(t, path); r.Intents != workers*calls {
		t.Errorf("%+v", r)
	}
	t.Logf("%d readings", readings)
}
