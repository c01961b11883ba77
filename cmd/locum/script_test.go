package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"locum/bff/sandbox"
)

// TestMain lets the scripts run this very program as `locum`.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"locum": main})
}

// TestScripts runs the shell sessions under testdata, which read as the documentation of the command line.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"reachable": reachable, "replace": replace, "mode": mode, "jane": jane,
			"fetch": fetch, "only": only},
	})
}

// reachable URL waits until the address answers 200, as an operator would by reloading.
func reachable(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: reachable URL")
	}
	deadline := time.Now().Add(30 * time.Second)
	for client := (http.Client{Timeout: 2 * time.Second}); ; {
		answer, err := client.Get(args[0])
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not answer: %v", args[0], err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// fetch URL FILE writes what is answered into a file, one JSON object a line.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: fetch URL FILE")
	}
	answer, err := (&http.Client{Timeout: 10 * time.Second}).Get(args[0])
	ts.Check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	ts.Check(err)
	if answer.StatusCode != http.StatusOK {
		ts.Fatalf("%s answers %d", args[0], answer.StatusCode)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.ReplaceAll(string(body), "},{", "},\n{")), 0o600))
}

// only VARIABLE sets a variable to the first field of the one line that the last command printed.
func only(ts *testscript.TestScript, neg bool, args []string) {
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	if neg || len(args) != 1 || len(lines) != 1 {
		ts.Fatalf("usage: only VARIABLE, after a command that prints one line")
	}
	ts.Setenv(args[0], strings.Fields(lines[0])[0])
}

// jane URL runs a simulated Jane that knows Locum at this public URL, and writes its client secret to client-secret.txt.
// JANE_ISSUER and JANE_CLINIC are its addresses.
func jane(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: jane PUBLIC-URL")
	}
	simulated, err := sandbox.Start(sandbox.Options{})
	ts.Check(err)
	ts.Defer(func() { ts.Check(simulated.Close()) })
	client, err := simulated.Register(sandbox.Client{ID: "locum-dev", RedirectURIs: []string{args[0] + "/connect/jane-sandbox/callback"}})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("client-secret.txt"), []byte(client.Secret+"\n"), 0o600))
	ts.Setenv("JANE_ISSUER", simulated.Issuer(sandbox.RealmSandbox))
	ts.Setenv("JANE_CLINIC", simulated.Clinics()[0].URL)
}

// replace FILE OLD NEW edits a file as an operator would.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not contain %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], args[2])), 0o600))
}

// mode FILE 0600 checks a file's permissions.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%#o", info.Mode().Perm()); (got == args[1]) == neg {
		ts.Fatalf("%s has mode %s", args[0], got)
	}
}

// TestReadmeCommandsAreRun holds the README to commands that a test runs: every `locum …` line stands in a script, every
// `make …` names a target of the Makefile.
func TestReadmeCommandsAreRun(t *testing.T) {
	readme, makefile, scripts := read(t, "../../README.md"), read(t, "../../Makefile"), ""
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		scripts += read(t, "testdata/"+entry.Name())
	}
	if lines := strings.Count(readme, "\n"); lines > 150 {
		t.Errorf("the README has %d lines, more than 150", lines)
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(readme, -1) {
		for _, line := range strings.Split(strings.TrimSpace(block[1]), "\n") {
			isRun(t, line, makefile, scripts)
		}
	}
}

func isRun(t *testing.T, line, makefile, scripts string) {
	t.Helper()
	words := strings.Fields(line)
	switch words[0] {
	case "make":
		if !strings.Contains(makefile, "\n"+words[1]+":") {
			t.Errorf("the README says %q, which the Makefile does not know", line)
		}
	case "locum":
		// A script feeds input and output in lines of its own: compare what stands before < and >.
		command := strings.TrimSpace(regexp.MustCompile(`[<>].*$`).ReplaceAllString(line, ""))
		command = strings.ReplaceAll(command, `"`, `'`)
		if !slices.ContainsFunc(strings.Split(scripts, "\n"), func(s string) bool {
			return strings.HasPrefix(strings.TrimSuffix(s, " &"), "exec "+command)
		}) {
			t.Errorf("the README says %q, which no script runs", line)
		}
	default:
		t.Errorf("the README has a command that no test knows: %q", line)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestDemoStopsCleanly starts the demo as `make demo` does, asks it to stop as Ctrl-C does, and expects an orderly end.
func TestDemoStopsCleanly(t *testing.T) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGUSR1)
	defer stop()
	var out strings.Builder
	pipe := &announced{Builder: &out, ready: make(chan struct{})}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"demo", "--listen", "localhost:0"}, streams{in: nil, out: pipe, err: os.Stderr})
	}()
	select {
	case <-pipe.ready:
	case code := <-ended:
		t.Fatalf("the demo ended with %d before it was ready\n%s", code, out.String())
	case <-time.After(60 * time.Second):
		t.Fatal("the demo did not start")
	}
	stop()
	select {
	case code := <-ended:
		if code != 0 || !strings.Contains(out.String(), "Stopped.") {
			t.Errorf("the demo ended with %d\n%s", code, out.String())
		}
	case <-time.After(60 * time.Second):
		t.Fatal("the demo did not stop")
	}
}

// announced tells when the demo has said that it is ready.
type announced struct {
	*strings.Builder
	ready chan struct{}
	said  bool
}

func (a *announced) Write(p []byte) (int, error) {
	n, err := a.Builder.Write(p)
	if !a.said && strings.Contains(a.Builder.String(), "Ctrl-C stops it") {
		a.said = true
		close(a.ready)
	}
	return n, err
}
