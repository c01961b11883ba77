package tokens

import (
	"time"
	"unsafe"

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

// Tick makes the background look up now.
func (k *Keeper) Tick() { k.tick(time.Now()) }

// Clock makes the Keeper see a wall clock that has run ahead of the monotonic one by d, as after a sleep of the machine or a
// step of its clock; a negative d is a step back. No flight may be under way.
func (k *Keeper) Clock(d time.Duration) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, h := range k.conns {
		next := *h.now.Load()
		for _, at := range []*time.Time{&next.received, &next.freshUntil, &next.liveUntil, &next.keptUntil} {
			setBack(at, d)
		}
		h.now.Store(&next)
	}
	k.schedule.mu.Lock()
	setBack(&k.schedule.last, d)
	k.schedule.mu.Unlock()
}

// setBack moves the wall clock's reading of a time and leaves the monotonic one alone, which package time does not do. Whole
// seconds stand above the nanoseconds of its first word (time.Time).
func setBack(at *time.Time, d time.Duration) {
	const monotonic = 1 << 63
	if word := (*uint64)(unsafe.Pointer(at)); *word&monotonic != 0 {
		*word -= uint64(d/time.Second) << 30
	}
}

// FillPending takes every place for chains that nobody has adopted.
func (k *Keeper) FillPending() { k.waiting.room = maxPending }
