package service

// Entries is how many sets of parameters are remembered.
func (k *Keeper) Entries() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.entries)
}
