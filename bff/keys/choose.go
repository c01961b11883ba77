package keys

import (
	"cmp"
	"slices"
	"time"
)

// Key is what may be known of a signing key. Platform is a platform's id, or its service's; SignsFrom is zero for a spare,
// RetireAt as long as no end is in sight.
type Key struct {
	ID        string    `json:"id"` // its thumbprint (RFC 7638), the kid of what it signs
	Platform  string    `json:"platform"`
	Algorithm string    `json:"algorithm"` // RS256, RS384, ES384
	CreatedAt time.Time `json:"created_at"`
	SignsFrom time.Time `json:"signs_from"`
	RetireAt  time.Time `json:"retire_at"`
}

// States of a key.
const (
	StateSigning = "signing"
	StateNext    = "next"    // published; it signs from SignsFrom
	StateSpare   = "spare"   // published; a rotation takes it
	StateLeaving = "leaving" // signs no more; published until RetireAt, for what it has signed
)

// Status is a key and what it does at the moment it was asked for.
type Status struct {
	Key
	State string `json:"state"`
}

func (k Key) published(now time.Time) bool { return k.RetireAt.IsZero() || now.Before(k.RetireAt) }

func (k Key) spare() bool { return k.SignsFrom.IsZero() }

// begun says whether the key's time to sign has come. That of a spare never has.
func (k Key) begun(now time.Time) bool { return !k.spare() && !now.Before(k.SignsFrom) }

// signing finds the key that signs at a moment; -1 where there is none. It is the published one whose time has come last.
// Where no key's has, which is what a clock that was set back looks like, the first that would come: a server that has the
// set has that one too, and a signature by it is better than none.
func signing(keys []Key, now time.Time) int {
	best := -1
	for i, k := range keys {
		if k.published(now) && k.begun(now) && (best < 0 || later(k, keys[best]) > 0) {
			best = i
		}
	}
	if best >= 0 {
		return best
	}
	for i, k := range keys {
		if k.published(now) && (best < 0 || sooner(k, keys[best])) {
			best = i
		}
	}
	return best
}

// later orders keys by when they begin to sign, and makes of keys that begin together an order as well.
func later(a, b Key) int {
	return cmp.Or(a.SignsFrom.Compare(b.SignsFrom), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
}

// sooner puts those first that are to sign, then the spares, the oldest first.
func sooner(a, b Key) bool {
	if a.spare() != b.spare() {
		return b.spare()
	}
	return later(a, b) < 0
}

// status says what each published key does, in the order in which they were made.
func status(keys []Key, now time.Time) []Status {
	at := signing(keys, now)
	list := []Status{}
	for i, k := range keys {
		s := Status{Key: k, State: StateLeaving}
		switch {
		case !k.published(now):
			continue
		case i == at:
			s.State = StateSigning
		case k.spare():
			s.State = StateSpare
		case !k.begun(now):
			s.State = StateNext
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Status) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID)) })
	return list
}
