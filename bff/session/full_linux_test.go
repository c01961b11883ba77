package session_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"locum/bff/session"
	"locum/bff/vault"
)

// full lets every write to the open vault find no room, until the disk is as it was again.
func (h *house) full(t *testing.T) (again func()) {
	t.Helper()
	path, fd := filepath.Join(h.dir, vault.FileName), -1
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && target == path {
			fd, _ = strconv.Atoi(e.Name())
		}
	}
	kept, err := syscall.Dup(fd)
	must(t, err)
	device, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	must(t, err)
	defer device.Close()
	must(t, syscall.Dup3(int(device.Fd()), fd, syscall.O_CLOEXEC))
	return func() {
		t.Helper()
		must(t, syscall.Dup3(kept, fd, syscall.O_CLOEXEC))
		must(t, syscall.Close(kept))
	}
}

// TestT088EndedOnAFullDisk: what has ended while nothing could be stored is removed as soon as something can, and no
// restart brings it back: a session that was signed out, the oldest of too many, and all of one person.
func TestT088EndedOnAFullDisk(t *testing.T) {
	for name, remove := range map[string]func(h *house, cookie string) error{
		"signed out a second time": func(h *house, cookie string) error { return h.EndAgain(cookie) },
		"swept":                    func(h *house, _ string) error { _, err := h.Sweep(); return err },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, session.Limits{})
			leaver, s := mustStart(t, h, "ben")
			oldest, _ := mustStart(t, h, "ana")
			for range 9 {
				mustStart(t, h, "ana")
			}
			barred, _ := mustStart(t, h, "eve")
			again := h.full(t)
			if err := h.End(s.ID); err == nil {
				t.Error("the full disk took the end")
			}
			if _, err := h.EndAll("eve"); err == nil {
				t.Error("the full disk took the end of all")
			}
			if _, _, err := h.Start("ana"); err == nil {
				t.Error("the full disk took a session")
			}
			for _, cookie := range []string{leaver, oldest, barred} {
				wantOut(t, h, "at once", cookie)
				if err := h.EndAgain(cookie); err == nil {
					t.Error("the full disk took the end the second time")
				}
			}
			again()
			for i, cookie := range []string{leaver, oldest, barred} {
				must(t, remove(h, cookie))
				wantOut(t, h, fmt.Sprint("after the removal, ", i), cookie)
			}
			h.restart(t)
			wantOut(t, h, "after the restart, who signed out", leaver)
			wantOut(t, h, "after the restart, the oldest", oldest)
			wantOut(t, h, "after the restart, who was barred", barred)
		})
	}
}
