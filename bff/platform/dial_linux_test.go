package platform_test

import (
	"context"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"locum/bff/platform"
)

// TestT085BlackHole: a listener that accepts nobody and whose queue is full. The kernel drops what comes, and the guarded
// dialler waits no longer than its caller.
func TestT085BlackHole(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := "127.0.0.1:" + strconv.Itoa(name.(*syscall.SockaddrInet4).Port)
	c := janeConfig()
	c.Clinics = []platform.ClinicLink{{Name: "Hole", URL: "http://" + addr}}
	p, err := platform.Jane(c)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // the first few fill the queue
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		var conn net.Conn
		conn, err = p.Dial(ctx, "tcp", addr)
		cancel()
		if err != nil {
			break
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	if network, ok := err.(net.Error); !ok || !network.Timeout() {
		t.Errorf("the queue never filled, or %v", err)
	}
}
