package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// cores are where things run: the one that is measured on, and the other for the load and the upstream. A machine with one
// core shares it.
type cores struct{ measured, other int }

func allCores() cores {
	n := runtime.NumCPU()
	return cores{measured: n - 1, other: 0}
}

// settle keeps this process, and every thread it will start, on the other core.
func (c cores) settle() error {
	runtime.GOMAXPROCS(1)
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if tid, err := strconv.Atoi(entry.Name()); err == nil {
			if err := pin(tid, c.other); err != nil {
				return err
			}
		}
	}
	return nil
}

// start runs a command on the measured core alone; it dies with this process. A child takes its core from the thread that
// starts it.
func (c cores) start(command *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := pin(0, c.measured); err != nil {
		return err
	}
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	command.Env = append(os.Environ(), "GOMAXPROCS=1")
	err := command.Start()
	if again := pin(0, c.other); err == nil {
		err = again
	}
	return err
}

// pin is sched_setaffinity(2) with one core; tid 0 is the calling thread.
func pin(tid, core int) error {
	var mask [16]uint64
	mask[core/64] = 1 << (core % 64)
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, uintptr(tid), unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
	if errno != 0 {
		return fmt.Errorf("pin to core %d: %w", core, errno)
	}
	return nil
}

// cpuTime is what a process has used of a processor so far, by the kernel's clock of that process: all its threads, the
// ended ones too, in user and kernel mode, to the nanosecond (clock_getcpuclockid(3)).
func cpuTime(pid int) (time.Duration, error) {
	const schedulerClock = 2
	clock := uintptr(^pid<<3 | schedulerClock)
	var at syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&at)), 0); errno != 0 {
		return 0, fmt.Errorf("processor time of %d: %w", pid, errno)
	}
	return time.Duration(at.Nano()), nil
}

// resident is VmRSS of a process, in bytes.
func resident(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kb, err := strconv.ParseInt(strings.Fields(string(rest))[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("process %d tells no VmRSS", pid)
}

// ticker is a timerfd(2), read through the runtime's poller: unlike a timer of the runtime it is not late by a
// millisecond when the process has nothing else to do.
type ticker struct{ file *os.File }

func newTicker(every time.Duration) (*ticker, error) {
	const nonBlocking = syscall.O_NONBLOCK | syscall.O_CLOEXEC
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, 1, nonBlocking, 0) // 1: CLOCK_MONOTONIC
	if errno != 0 {
		return nil, fmt.Errorf("timer: %w", errno)
	}
	t := &ticker{os.NewFile(fd, "timerfd")}
	spec := [2]syscall.Timespec{syscall.NsecToTimespec(int64(every)), syscall.NsecToTimespec(int64(every))}
	_, _, errno = syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
	if errno != 0 {
		t.close()
		return nil, fmt.Errorf("timer: %w", errno)
	}
	return t, nil
}

// wait gives how many ticks have passed since the last call, at least one.
func (t *ticker) wait() int {
	var b [8]byte
	if _, err := t.file.Read(b[:]); err != nil {
		return 1
	}
	return int(binary.NativeEndian.Uint64(b[:]))
}

func (t *ticker) close() { _ = t.file.Close() }
