package crash_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tracer is strace on a running server: it makes system calls fail that touch one file, or kills the server at one. Its
// counts ("when=2") are those of a thread: what one goroutine does without waiting for another stays on one.
type tracer struct {
	t    testing.TB
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// inject attaches strace with rules such as "fdatasync:error=EIO:when=1" for the calls that touch file ("" for any file).
// It returns when they are in force, and skips the test where strace is missing or may not attach.
func (s *site) inject(p *process, file string, rules ...string) *tracer {
	s.t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		s.t.Skip("strace is not installed (.ci/setup installs it): faults of system calls cannot be made")
	}
	log := filepath.Join(s.t.TempDir(), "strace")
	args := []string{"-f", "-y", "-e", "signal=none", "-o", log, "-p", strconv.Itoa(p.cmd.Process.Pid)}
	var calls []string
	for _, rule := range rules {
		call, _, _ := strings.Cut(rule, ":")
		calls = append(calls, call)
		args = append(args, "-e", "inject="+rule)
	}
	args = append(args, "-e", "trace="+strings.Join(calls, ","))
	if file != "" {
		args = append(args, "-P", file)
	}
	tr := &tracer{t: s.t, cmd: exec.Command("strace", args...), log: log, done: make(chan struct{})}
	pipe, err := tr.cmd.StderrPipe()
	must(s.t, err)
	must(s.t, tr.cmd.Start())
	attached, said := make(chan bool, 1), bytes.Buffer{}
	go func() {
		defer close(tr.done)
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			said.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), " attached") {
				select {
				case attached <- true:
				default:
				}
			}
		}
		_ = tr.cmd.Wait()
	}()
	s.t.Cleanup(func() { tr.end() })
	select {
	case <-attached:
	case <-tr.done:
		s.t.Skipf("strace may not attach here: faults of system calls cannot be made\n%s", said.String())
	case <-time.After(20 * time.Second):
		s.t.Fatal("strace does not attach")
	}
	return tr
}

// end detaches strace, after which the system is whole again, and gives the calls that were made to fail, in order.
func (tr *tracer) end() (hits []string) {
	_ = tr.cmd.Process.Signal(os.Interrupt)
	select {
	case <-tr.done:
	case <-time.After(20 * time.Second):
		_ = tr.cmd.Process.Kill()
		<-tr.done
	}
	b, err := os.ReadFile(tr.log)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "(INJECTED)") {
			hits = append(hits, strings.TrimSpace(line))
		}
	}
	return hits
}

// every is the calls to let fail: one of most, or none where it is 0, and all of them in the campaign.
func every(t testing.TB, most int, few ...int) []int {
	if !campaigning(t) {
		return slices.DeleteFunc(few, func(n int) bool { return n == 0 })
	}
	all := make([]int, most)
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// when is a rule for the n-th call of a thread.
func when(call, fault string, n int) string { return fmt.Sprintf("%s:%s:when=%d", call, fault, n) }
