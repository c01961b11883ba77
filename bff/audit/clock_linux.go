package audit

import (
	"crypto/sha256"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// machineClock names the clock that this machine counts since it was started, and reads it. Nobody sets that clock, and it
// is the same for every process until the machine is started again. The name is "" where it cannot be had.
func machineClock() (name string, now time.Duration) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || len(boot) == 0 {
		return "", 0
	}
	const monotonic = 1 // CLOCK_MONOTONIC, which is Go's too
	var t syscall.Timespec
	if _, _, failed := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, monotonic, uintptr(unsafe.Pointer(&t)), 0); failed != 0 {
		return "", 0
	}
	sum := sha256.Sum256(append([]byte("locum audit v1 clock "), boot...))
	return b64.EncodeToString(sum[:9]), time.Duration(t.Nano())
}
