package crash_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"locum/bff/vault"
)

// TestT067FirstStart kills the command that makes the database, or lets one of its calls fail, at each call that reaches
// the disk. It leaves nothing or a whole database: the command given again does its work, and nothing is left over.
func TestT067FirstStart(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed (.ci/setup installs it)")
	}
	fresh := newSite(t, newSandbox(t))
	hit, tried := 0, 0
	for _, fault := range []string{"signal=KILL", "error=EIO", "error=ENOSPC"} {
		for _, call := range []string{"fdatasync", "pwrite64", "fsync", "ftruncate", "linkat", "openat", "write"} {
			for n := 1; n <= 12; n++ {
				if !campaigning(t) && (n > 2 || fault == "error=ENOSPC") {
					break
				}
				tried++
				if !born(t, fresh, call, fault, n) {
					break
				}
				hit++
			}
		}
	}
	t.Logf("%d of %d faults were met", hit, tried)
	if hit < 10 {
		t.Error("nothing was tried")
	}
}

func born(t *testing.T, fresh *site, call, fault string, n int) (hit bool) {
	t.Helper()
	s := fresh.copy(t)
	must(t, os.RemoveAll(s.path("data")))
	log := filepath.Join(t.TempDir(), "strace")
	args := []string{"-f", "-y", "-qq", "-e", "signal=none", "-o", log, "-e", "trace=" + call, "-e", "inject=" + when(call, fault, n)}
	if call == "openat" || call == "write" {
		for _, name := range []string{vault.FileName, vault.FileName + ".mark", "audit.log", "audit.head"} { // and nothing of the program itself
			args = append(args, "-P", s.path("data", name))
		}
	}
	args = append(append(args, binary), s.command("secret", "set", "jane")...)
	cmd := exec.Command("strace", args...)
	cmd.Stdin = strings.NewReader(clientSecret)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	trace, err := os.ReadFile(log)
	if err != nil {
		t.Skipf("strace may not trace here: %s", out)
	}
	what := fmt.Sprintf("%s %s %d", call, fault, n)
	hit = strings.Contains(string(trace), "(INJECTED)") || strings.Contains(string(trace), "killed by SIGKILL")
	if hit && exit != nil && !strings.HasPrefix(fault, "signal") && !strings.Contains(string(out), "locum: ") {
		t.Errorf("%s: the cause is not said: %s", what, out)
	}
	if e := s.do(0, clientSecret, "secret", "set", "jane"); e.code != 0 {
		t.Errorf("%s, and then again: exit %d: %s\nbefore: %s", what, e.code, e.err, out)
	}
	left, err := filepath.Glob(s.path("data", vault.FileName+".*"))
	must(t, err)
	for _, name := range left {
		if !strings.HasSuffix(name, ".mark") {
			t.Errorf("%s: %s is left over", what, name)
		}
	}
	return hit
}
