package tokens

import "locum/bff/vault"

// SetVault gives an idle Keeper the same database again after it was closed under it.
func (k *Keeper) SetVault(v *vault.Vault) { k.vault = v }

// Ticks is how often the background has looked up.
func (k *Keeper) Ticks() int {
	k.schedule.mu.Lock()
	defer k.schedule.mu.Unlock()
	return k.schedule.ticks
}
