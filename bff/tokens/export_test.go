package tokens

import (
	"locum/bff/oauth"
	"locum/bff/vault"
)

// SetVault gives an idle Keeper the same database again after it was closed under it.
func (k *Keeper) SetVault(v *vault.Vault) { k.vault = v }

// Ticks is how often the background has looked up.
func (k *Keeper) Ticks() int {
	k.schedule.mu.Lock()
	defer k.schedule.mu.Unlock()
	return k.schedule.ticks
}

// ShowLate shows what a flight found that ends now.
func (k *Keeper) ShowLate(practitioner string, c vault.Connection) {
	h, _ := k.find(practitioner, c.ID)
	k.show(h, currentOf(c))
}

// Refresh begins what no caller and no keeper would.
func (k *Keeper) Refresh(practitioner, connection string) error {
	h, _ := k.find(practitioner, connection)
	f, err := k.fly(h, reason{trigger: triggerCall})
	if err != nil {
		return err
	}
	<-f.done
	return f.err
}

// Unsaved leaves an answer behind that the vault did not take.
func (k *Keeper) Unsaved(practitioner, connection string, answer oauth.Answer) {
	h, _ := k.find(practitioner, connection)
	h.turn <- struct{}{}
	h.unsaved = &answer
	<-h.turn
}
