package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"locum/bff/vault"
)

// standIn puts a device in the place of the open database, below the vault's feet, and takes it away again: every write to
// /dev/full is refused for want of room, and /dev/null takes every write and refuses to sync.
func standIn(t *testing.T, database, device string) (takeAway func()) {
	t.Helper()
	fd := descriptorOf(t, database)
	kept, err := syscall.Dup(fd)
	mustDo(t, err)
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	mustDo(t, err)
	defer f.Close()
	mustDo(t, syscall.Dup3(int(f.Fd()), fd, syscall.O_CLOEXEC))
	return func() {
		t.Helper()
		mustDo(t, syscall.Dup3(kept, fd, syscall.O_CLOEXEC))
		mustDo(t, syscall.Close(kept))
	}
}

func descriptorOf(t *testing.T, path string) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	mustDo(t, err)
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && target == path {
			fd, err := strconv.Atoi(e.Name())
			mustDo(t, err)
			return fd
		}
	}
	t.Fatalf("%s is not open", path)
	return 0
}

func write(v *vault.Vault, id string) error {
	return v.Update(func(tx *vault.Tx) error { return vault.Sessions.Put(tx, id, &vault.Session{ID: id}) })
}

// TestT068FullDisk: a write is refused with the cause, what is there can be read, and once there is room the next one
// succeeds, without a restart.
func TestT068FullDisk(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	v := mustOpen(t, dir, key)
	mustDo(t, write(v, "before"))
	takeAway := standIn(t, filepath.Join(dir, vault.FileName), "/dev/full")
	for range 3 {
		if err := write(v, "refused"); !errors.Is(err, syscall.ENOSPC) || errors.Is(err, vault.ErrDisk) {
			t.Errorf("a write to a full disk: %v", err)
		}
	}
	if _, err := get(v, vault.Sessions, "before"); err != nil || v.Healthy() != nil {
		t.Errorf("reading beside a full disk: %v, %v", err, v.Healthy())
	}
	takeAway()
	mustDo(t, write(v, "after"))
	mustClose(t, v)
	v = mustOpen(t, dir, key)
	for id, want := range map[string]error{"before": nil, "refused": vault.ErrNotFound, "after": nil} {
		if _, err := get(v, vault.Sessions, id); !errors.Is(err, want) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// TestT069ARefusedSyncIsFinal: after it nothing is acknowledged and nothing shown, until the vault is opened again.
func TestT069ARefusedSyncIsFinal(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	path := filepath.Join(dir, vault.FileName)
	v := mustOpen(t, dir, key)
	mustDo(t, write(v, "before"))
	takeAway := standIn(t, path, "/dev/null")
	err := write(v, "refused")
	takeAway()
	if !errors.Is(err, vault.ErrDisk) || !strings.Contains(err.Error(), path) || !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a write that was not synced: %v", err)
	}
	for what, err := range map[string]error{
		"writing": write(v, "later"), "compacting": v.Compact(), "health": v.Healthy(),
		"reading": v.View(func(*vault.Tx) error { return nil }),
	} {
		if !errors.Is(err, vault.ErrDisk) {
			t.Errorf("%s afterwards: %v", what, err)
		}
	}
	mustClose(t, v)
	if mark := readFile(t, path+".mark"); !bytes.Contains(mark, []byte(" open ")) {
		t.Errorf("the mark claims %q", mark)
	}
	v = mustOpen(t, dir, key)
	if _, err := get(v, vault.Sessions, "before"); err != nil {
		t.Error(err)
	}
	mustDo(t, write(v, "later"))
}

// TestT062FileCutShortUnderTheVault: a page that cannot be read any more, as on a failing disk, is an error and not the end
// of the process; after a write that met it nothing is written.
func TestT062FileCutShortUnderTheVault(t *testing.T) {
	for _, left := range []int64{0, 4096, 8192} {
		t.Run(fmt.Sprint(left, " bytes left"), func(t *testing.T) {
			dir, key := t.TempDir(), newKey(t)
			v := mustOpen(t, dir, key)
			mustDo(t, write(v, "s"))
			mustDo(t, os.Truncate(filepath.Join(dir, vault.FileName), left))
			if _, err := get(v, vault.Sessions, "s"); !errors.Is(err, vault.ErrCorrupt) {
				t.Errorf("reading: %v", err)
			}
			if err := write(v, "t"); !errors.Is(err, vault.ErrCorrupt) || !errors.Is(v.Healthy(), vault.ErrDisk) {
				t.Errorf("writing: %v, then %v", err, v.Healthy())
			}
			if _, err := get(v, vault.Sessions, "s"); !errors.Is(err, vault.ErrDisk) {
				t.Errorf("reading again: %v", err)
			}
			if err := v.Close(); !errors.Is(err, vault.ErrDisk) {
				t.Errorf("closing: %v", err)
			}
		})
	}
}

// TestT062NobodyWaitsForALostLock: who waits to write, while the one who writes meets a page that cannot be read, is told so
// too. bbolt's own lock is never free again.
func TestT062NobodyWaitsForALostLock(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	v := mustOpen(t, dir, key)
	mustDo(t, write(v, "s"))
	answers := make(chan error, 2)
	go func() {
		answers <- v.Update(func(tx *vault.Tx) error {
			go func() { answers <- write(v, "t") }()
			for stack := make([]byte, 1<<20); bytes.Count(stack[:runtime.Stack(stack, true)], []byte(".(*store).Update(")) < 2; {
				runtime.Gosched()
			}
			mustDo(t, os.Truncate(filepath.Join(dir, vault.FileName), 0))
			_, err := vault.Sessions.Get(tx, "s")
			return err
		})
	}()
	for range 2 {
		select {
		case err := <-answers:
			if !errors.Is(err, vault.ErrDisk) {
				t.Errorf("got %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("somebody waits for ever")
		}
	}
	if err := v.Rest(); !errors.Is(err, vault.ErrDisk) {
		t.Errorf("a rest: %v", err)
	}
	if err := v.Close(); !errors.Is(err, vault.ErrDisk) {
		t.Errorf("closing: %v", err)
	}
}

// TestT069AMarkThatCannotBeWritten: where the first write since the start cannot take back what the mark claims, a disk that
// is full may have room later, and any other refusal is final.
func TestT069AMarkThatCannotBeWritten(t *testing.T) {
	for device, final := range map[string]bool{"/dev/full": false, "/dev/null": true} {
		t.Run(device, func(t *testing.T) {
			dir, key := t.TempDir(), newKey(t)
			mustClose(t, mustOpen(t, dir, key))
			v := mustOpen(t, dir, key)
			takeAway := standIn(t, filepath.Join(dir, vault.FileName+".mark"), device)
			if err := write(v, "refused"); err == nil || errors.Is(err, vault.ErrDisk) != final {
				t.Errorf("the first write: %v", err)
			}
			takeAway()
			if err := write(v, "after"); errors.Is(err, vault.ErrDisk) != final || errors.Is(v.Healthy(), vault.ErrDisk) != final {
				t.Errorf("the next write: %v; %v", err, v.Healthy())
			}
		})
	}
}

// TestT068FullDiskAtCreation runs this binary again with a bound on the size of files: creation fails with the cause,
// leaves nothing behind that would be taken for a database, and succeeds once there is room.
func TestT068FullDiskAtCreation(t *testing.T) {
	if dir := os.Getenv("VAULT_TEST_NO_ROOM"); dir != "" {
		createWithoutRoom(t, dir)
		return
	}
	for _, room := range []int{0, 100, 4096, 20000, 40000} {
		t.Run(fmt.Sprint(room, " bytes"), func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestT068FullDiskAtCreation$", "-test.v")
			cmd.Env = append(os.Environ(), "VAULT_TEST_NO_ROOM="+t.TempDir(), fmt.Sprint("VAULT_TEST_ROOM=", room))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func createWithoutRoom(t *testing.T, base string) {
	dir, key := filepath.Join(base, "data"), newKey(t)
	room, err := strconv.Atoi(os.Getenv("VAULT_TEST_ROOM"))
	mustDo(t, err)
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	mustDo(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	mustDo(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(room), Max: limit.Max}))
	v, err := vault.Open(dir, key)
	if err == nil {
		err = errors.Join(write(v, "s"), v.Close())
	}
	mustDo(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	if room < 40000 && !errors.Is(err, syscall.EFBIG) && !strings.Contains(fmt.Sprint(err), "file too large") {
		t.Errorf("without room: %v", err)
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if name := e.Name(); name != vault.FileName+".mark" && (err != nil && name != vault.FileName || strings.Contains(name, "aside")) {
			t.Errorf("left behind: %s", name)
		}
	}
	v = mustOpen(t, dir, key)
	mustDo(t, write(v, "another"))
	mustClose(t, v)
	mustClose(t, mustOpen(t, dir, key))
}
