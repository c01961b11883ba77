//go:build linux || darwin

package check

import "syscall"

// freeSpace is how many bytes an ordinary user may still write in the file system of dir; not ok where nobody says.
func freeSpace(dir string) (uint64, bool) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, false
	}
	return fs.Bavail * uint64(fs.Bsize), true
}
