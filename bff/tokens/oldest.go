package tokens

import "time"

// Oldest is when the first of the connections was made; the zero time where there is none. One that is only begun does not
// count.
func (k *Keeper) Oldest() (first time.Time) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, h := range k.conns {
		if at := h.now.Load().view.ConnectedAt; !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}
