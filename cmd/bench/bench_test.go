package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the bench start this program as one of the other proxies.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "proxy" {
		exit(serveRival(os.Args[2], os.Args[3], os.Stdout))
	}
	os.Exit(m.Run())
}

// TestBenchRuns does a little of every measurement with the real binary. Nothing is judged but that it can be measured, and
// what holds at any speed: one refresh for a herd, every call answered, no window above its limit.
func TestBenchRuns(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "locum")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "locum/cmd/locum")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	var out strings.Builder
	r, err := measure(t.Context(), binary, filepath.Join(dir, "stage"), smoke)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + out.String())
	if r.herd.refreshes != 1 || r.herd.successes != smoke.herd {
		t.Errorf("the herd of %d made %d refreshes and had %d successes", smoke.herd, r.herd.refreshes, r.herd.successes)
	}
	if r.quota.overruns != 0 || r.quota.worst == 0 {
		t.Errorf("%d windows above the limit, %d requests at most in one", r.quota.overruns, r.quota.worst)
	}
	for _, name := range []string{"locum", "fasthttp", "fiber", "reverse", "reverse-default"} {
		if c := r.costs[name]; c == nil || len(c.small) != smoke.rounds || c.small[0] <= 0 || c.large[0] <= 0 {
			t.Errorf("%s was not measured: %+v", name, c)
		}
	}
	if len(r.stored) != 1 || r.stored[0].idle == 0 || r.stored[0].still == 0 || r.idle == 0 || len(r.starts) != 1 {
		t.Errorf("memory and starts were not measured: %+v", r)
	}
}
