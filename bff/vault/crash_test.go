package vault_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"locum/bff/vault"
)

// TestKillLosesNothing kills a process that writes, over and over, and compacts, in mid-work. Each time the database opens
// again and holds every write that the process had reported.
func TestKillLosesNothing(t *testing.T) {
	if dir := os.Getenv("VAULT_TEST_WRITER"); dir != "" {
		writeUntilKilled(t, dir)
	}
	base := t.TempDir()
	if err := vault.CreateKeyFile(filepath.Join(base, "key")); err != nil {
		t.Fatal(err)
	}
	acknowledged := 0
	for kill := range 12 {
		acknowledged = killAfter(t, base, 1+kill*5, acknowledged)
		v := mustOpen(t, filepath.Join(base, "data"), mustKey(t, base))
		a, err := get(v, vault.Accounts, "a")
		if err != nil || a.Failures < acknowledged {
			t.Fatalf("kill %d: %d writes acknowledged, %d kept (%v)", kill, acknowledged, a.Failures, err)
		}
		mustClose(t, v)
	}
}

// killAfter lets a writer report so many writes, kills it, and answers the last number that it reported.
func killAfter(t *testing.T, base string, writes, before int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKillLosesNothing$")
	cmd.Env = append(os.Environ(), "VAULT_TEST_WRITER="+base)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last, seen := before, 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Errorf("the writer says %q", lines.Text())
			break
		}
		if last, seen = n, seen+1; seen == writes {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	return last
}

func writeUntilKilled(t *testing.T, base string) {
	v := mustOpen(t, filepath.Join(base, "data"), mustKey(t, base))
	a, err := get(v, vault.Accounts, "a")
	if err != nil {
		a = vault.Account{}
	}
	for {
		a.Failures++
		mustPut(t, v, vault.Accounts, "a", &a)
		fmt.Println(a.Failures)
		if a.Failures%7 == 0 {
			if err := v.Compact(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func mustKey(t *testing.T, base string) vault.MasterKey {
	t.Helper()
	key, err := vault.ReadKeyFile(filepath.Join(base, "key"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}
