package check_test

import (
	"os/exec"
	"testing"

	"locum/bff/check"
)

// TestDiskLow: a file system with little room left, where this machine lets the test have one.
func TestDiskLow(t *testing.T) {
	s := template(t).copied(t, goodText)
	s.move("data", "old")
	if out, err := exec.Command("sh", "-c", `mkdir -m 700 "$1" && mount -t tmpfs -o size=16m,mode=700 none "$1" && cp -p "$2"/* "$1"`, "sh", s.at("data"), s.at("old")).CombinedOutput(); err != nil {
		t.Skipf("no file system of its own can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() { must(t, exec.Command("umount", s.at("data")).Run()) })
	s.expect(s.look(check.Options{}), "warning files.disk-low")
}
