package audit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"locum/bff/audit"
)

// descriptor finds the descriptor under which this process has a file open for writing.
func descriptor(t *testing.T, path string) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here: ", err)
	}
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && target == path {
			fd, _ := strconv.Atoi(entry.Name())
			return fd
		}
	}
	t.Fatalf("%s is not open", path)
	return 0
}

// TestT111DeviceErrors: the kernel itself refuses what is written. The descriptor of the log is exchanged for one of a
// device that answers so; the log finds its file again by its name.
func TestT111DeviceErrors(t *testing.T) {
	cases := []struct {
		name string
		open func(*testing.T) *os.File
		want error
	}{
		{"T111 ENOSPC", func(t *testing.T) *os.File { return device(t, "/dev/full") }, syscall.ENOSPC},
		{"T111 EIO", hungUp, syscall.EIO},
		{"T111 fsync refused", func(t *testing.T) *os.File { return drain(t) }, syscall.EINVAL},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			l := mustOpen(t, path)
			kept := mustBegin(t, l)
			bad := c.open(t)
			if err := syscall.Dup3(int(bad.Fd()), descriptor(t, path), syscall.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			_, err := l.Begin(t.Context(), intent)
			if !errors.Is(err, audit.ErrUnavailable) || !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			kept.End(audit.ResultAnswered, 200)
			mustBegin(t, l).End(audit.ResultAnswered, 200) // the file by that name is whole
			l.Close()
			if r := mustVerify(t, path); r.Intents != 2 || r.Open != 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

func device(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no such device here: ", err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// hungUp is a terminal whose other end is gone: whoever writes to it gets EIO.
func hungUp(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	var number, unlock uint32
	ioctl(t, master, syscall.TIOCSPTLCK, &unlock)
	ioctl(t, master, syscall.TIOCGPTN, &number)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		master.Close()
		t.Skip("no terminals here: ", err)
	}
	t.Cleanup(func() { slave.Close() })
	master.Close()
	return slave
}

// drain takes what is written and refuses to sync: a pipe that nobody need read.
func drain(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return w
}

// TestT111VolumeFull: a volume of its own for the log runs full, and has room again.
func TestT111VolumeFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("no file system can be mounted here: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "audit.log")
	l := mustOpen(t, path)
	open := mustBegin(t, l)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 128<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	begun, full := 1, false
	for range 64 { // what fits into the last page still does
		if _, err := l.Begin(t.Context(), intent); err == nil {
			begun++
			continue
		} else if !errors.Is(err, audit.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		full = true
		break
	}
	if !full {
		t.Fatal("the volume is not full")
	}
	open.End(audit.ResultAnswered, 200)
	if err := l.Note(audit.Event{Kind: "sign_out"}); err != nil {
		t.Fatal(err)
	}
	wantUnavailable(t, l)
	wantUnavailable(t, l)
	os.Remove(ballast)
	eventually(t, "healthy", func() bool { return l.Healthy() == nil })
	mustBegin(t, l)
	l.Close()
	r := mustVerify(t, path)
	if r.Intents != begun+1 || r.Open != begun || !strings.Contains(read(t, path), `"kind":"sign_out"`) {
		t.Errorf("%d begun, %+v", begun, r)
	}
}

// TestT111NotesWait for nobody: given away while the log fails, they stand in it when it works again.
func TestT111NotesWait(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	os.Mkdir(dir, 0o700)
	path := filepath.Join(dir, "audit.log")
	l := mustOpen(t, path)
	os.Rename(dir, dir+".away")
	wantUnavailable(t, l)
	if err := l.Note(audit.Event{Kind: "sign_out", Practitioner: "prac-1"}); err != nil {
		t.Fatal(err)
	}
	os.Rename(dir+".away", dir)
	eventually(t, "healthy", func() bool { return l.Healthy() == nil })
	if n := strings.Count(read(t, path), `"kind":"sign_out","who":"prac-1"`); n != 1 {
		t.Errorf("%d notes are in the log", n)
	}
	if err := l.Note(audit.Event{Kind: "sign_out"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "written", func() bool { return strings.Count(read(t, path), `"kind":"sign_out"`) == 2 })
	l.Close()
	mustVerify(t, path)
	if err := l.Note(audit.Event{Kind: "sign_out"}); !errors.Is(err, audit.ErrUnavailable) {
		t.Errorf("after Close: %v", err)
	}
}

// TestT111HeadFileInTheWay: where the head file cannot be written, nothing goes on that it could not show.
func TestT111HeadFileInTheWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l := mustOpen(t, path)
	head := audit.HeadFile(path)
	if err := errors.Join(os.Remove(head), os.MkdirAll(filepath.Join(head, "x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "refused", func() bool { _, err := l.Begin(t.Context(), intent); return errors.Is(err, audit.ErrUnavailable) })
	wantUnavailable(t, l)
	os.RemoveAll(head)
	eventually(t, "healthy", func() bool { return l.Healthy() == nil })
	mustBegin(t, l)
	l.Close()
	mustVerify(t, path)
}

const confined = "LOCUM_TEST_AUDIT_DIR" // where TestConfined works as a user without rights

// TestT111PermissionLost: the directory is closed to the process, then opened again. Root is refused nothing, so the log
// is written by another user.
func TestT111PermissionLost(t *testing.T) {
	dir, err := os.MkdirTemp("", "locum-audit")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	binary, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	self := filepath.Join(dir, "self") // the test's own may lie where nobody may look
	if err := os.WriteFile(self, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	victim := exec.CommandContext(ctx, self, "-test.run=^TestConfined$", "-test.v")
	victim.Dir = dir
	victim.Env = append(os.Environ(), confined+"="+dir)
	if os.Geteuid() == 0 {
		const nobody = 65534
		victim.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := victim.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestConfined") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestConfined is the process of TestT111PermissionLost.
func TestConfined(t *testing.T) {
	root := os.Getenv(confined)
	if root == "" {
		return // a process of its own, started by TestT111PermissionLost
	}
	dir := filepath.Join(root, "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "audit.log")
	l := mustOpen(t, path)
	mustBegin(t, l)
	for _, mode := range []struct {
		path    string
		without os.FileMode
		with    os.FileMode
	}{{dir, 0, 0o700}, {root, 0, 0o755}} {
		os.Chmod(mode.path, mode.without)
		wantUnavailable(t, l)
		if _, err := l.Begin(t.Context(), intent); !errors.Is(err, os.ErrPermission) {
			t.Errorf("got %v", err)
		}
		os.Chmod(mode.path, mode.with)
		mustBegin(t, l)
	}
	l.Close()
	if r := mustVerify(t, path); r.Intents != 3 {
		t.Errorf("%+v", r)
	}
}

func ioctl(t *testing.T, f *os.File, request uintptr, value *uint32) {
	t.Helper()
	if _, _, err := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(value))); err != 0 {
		t.Skip("no terminals here: ", err)
	}
}
