package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"locum/bff/vault"
)

// initialise runs `locum init` and gives the exit code and what was printed.
func initialise(t *testing.T, dir string, args ...string) (int, string) {
	t.Helper()
	var out strings.Builder
	code := run(t.Context(), append([]string{"init", "-c", filepath.Join(dir, "locum.yaml")}, args...), streams{out: &out, err: &out})
	return code, out.String()
}

// TestT071InitUnderAnyUmask: what holds secrets is its owner's alone, whatever the umask gives away.
func TestT071InitUnderAnyUmask(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := t.TempDir()
	if code, out := initialise(t, dir); code != 0 {
		t.Fatal(out)
	}
	for name, want := range map[string]os.FileMode{"locum.yaml": 0o600, "master.key": 0o600, "data": 0o700 | os.ModeDir} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%s has mode %v, want %v; %v", name, info.Mode(), want, err)
		}
	}
}

// TestInitAtOnce: of several that run at the same time one makes the installation, and the others leave it alone.
func TestInitAtOnce(t *testing.T) {
	dir := t.TempDir()
	const racers = 8
	codes, outs := make([]int, racers), make([]string, racers)
	var all sync.WaitGroup
	for i := range racers {
		all.Go(func() { codes[i], outs[i] = initialise(t, dir, "--client-id", fmt.Sprintf("racer-%d", i)) })
	}
	all.Wait()
	winners := 0
	for i, code := range codes {
		if code == 0 {
			winners++
			text, err := os.ReadFile(filepath.Join(dir, "locum.yaml"))
			if err != nil || !strings.Contains(string(text), fmt.Sprintf(`"racer-%d"`, i)) {
				t.Errorf("the winner's configuration is not there: %v\n%s", err, text)
			}
		}
	}
	if winners != 1 {
		t.Errorf("%d made the installation: %q", winners, outs)
	}
	if _, err := vault.ReadKeyFile(filepath.Join(dir, "master.key")); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "data")); err != nil || !info.IsDir() {
		t.Error(err)
	}
}

// TestInitTakesBackWhatItMade: where the configuration cannot be written, no key is left that somebody might take for one
// that matters.
func TestInitTakesBackWhatItMade(t *testing.T) {
	dir := t.TempDir()
	if code, out := initialise(t, filepath.Join(dir, strings.Repeat("x", 300))); code == 0 {
		t.Error(out)
	}
	// One page of room: the key takes it.
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=4k,mode=700", "none", dir).CombinedOutput(); err != nil {
		t.Skipf("no file system of its own can be mounted here: %v: %s", err, out)
	}
	defer func() {
		if err := exec.Command("umount", dir).Run(); err != nil {
			t.Error(err)
		}
	}()
	if code, out := initialise(t, dir); code == 0 || !strings.Contains(out, "no space left on device") {
		t.Errorf("exit code %d: %s", code, out)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
