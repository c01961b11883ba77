package audit_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/audit"
)

// TestHeadFileStaysOpen: a running log writes to the head file that it has, and neither opens nor syncs it again. What it
// has is exchanged for a device here, so that the file itself must stay as it was until the log is closed.
func TestHeadFileStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.log")
		l := mustOpen(t, path)
		null := device(t, "/dev/null")
		if err := syscall.Dup3(int(null.Fd()), descriptor(t, audit.HeadFile(path)), syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		before := read(t, audit.HeadFile(path))
		mustBegin(t, l)
		time.Sleep(time.Second) // in the bubble, it costs nothing
		synctest.Wait()
		if read(t, audit.HeadFile(path)) != before {
			t.Error("the head file was opened again")
		}
		l.Close()
		if read(t, audit.HeadFile(path)) == before {
			t.Error("a closed log has an unseen end")
		}
		mustVerify(t, path)
	})
}

// TestT111OutcomeKeptBesideTheHeadFile: an outcome that is written and not synced is not lost when the head file cannot be
// written: it would stand behind what is durable, and be taken for torn.
func TestT111OutcomeKeptBesideTheHeadFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.log")
		l := mustOpen(t, path)
		mustBegin(t, l).End(audit.ResultAnswered, 200)
		time.Sleep(50 * time.Millisecond) // the outcome is written, and the head file not due yet
		synctest.Wait()
		head := audit.HeadFile(path)
		if err := os.Remove(head); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(head, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if err := os.Remove(head); err != nil {
			t.Fatal(err)
		}
		mustBegin(t, l).End(audit.ResultAnswered, 200)
		l.Close()
		if r := mustVerify(t, path); r.Intents != 2 || r.Open != 0 {
			t.Errorf("%+v", r)
		}
	})
}
