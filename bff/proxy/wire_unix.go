//go:build unix

package proxy

import "syscall"

const canPeek = true

// peek says whether a socket has anything to say: bytes, an end or an error.
func peek(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err != syscall.EAGAIN && err != syscall.EWOULDBLOCK
}
