package tokens

import "locum/bff/vault"

// SetVault gives an idle Keeper the same database again after it was closed under it.
func (k *Keeper) SetVault(v *vault.Vault) { k.vault = v }
