package vault

import (
	"fmt"
	"syscall"
)

// Rest tells the kernel that the pages of the file, which reading it maps into the process one by one, are not needed for
// now. Nothing is lost: they stay in the kernel's cache, and what is read next is mapped again. It is worth its while after
// everything was read, as at the start.
func (v *Vault) Rest() error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.store == nil {
		return ErrClosed
	}
	return v.store.rest()
}

func (s *store) rest() error {
	return s.View(func(tx storeTx) error { // while a transaction is open the file is not mapped anew
		_, _, errno := syscall.Syscall(syscall.SYS_MADVISE, s.db.Info().Data, uintptr(tx.tx.Size()), syscall.MADV_DONTNEED)
		if errno != 0 {
			return fmt.Errorf("vault: madvise: %w", errno)
		}
		return nil
	})
}
