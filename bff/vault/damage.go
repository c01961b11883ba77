package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
)

// asideBucket holds what was set aside. Its keys are bucket | 0x00 | place | the first 8 bytes of the value's SHA-256,
// its values
//
//	length of the keyset: uvarint | keyset as in "meta" | the damaged value, as it was found
//
// A damaged value is never thrown away in silence: two rows that somebody has exchanged are both whole, only not in their
// places. Hence the keyset beside it: the key that sealed the value is dropped by the very compaction that sets it aside.
const asideBucket = "aside"

// maxReported bounds the damaged records that are reported one by one; beyond it they are only counted.
const maxReported = 1000

// Damage names a record that does not authenticate in its place. Whose it was, nobody can tell: what would say so is
// inside.
type Damage struct {
	Collection string
	Place      string // 16 hex digits of the keyed hash of its key: the same for the same record, and useless otherwise
}

// Damaged counts the damaged records of a collection: those that still lie in their places, and those set aside.
type Damaged struct {
	Collection      string
	InPlace, SetOff int
}

// damageReports tells each damaged record once to who wants to know.
type damageReports struct {
	mu   sync.Mutex
	tell func(Damage)
	seen map[Damage]bool
}

// OnDamage names who is told of every damaged record that is met, once per record and process, after the transaction that
// met it and outside of it. What was met before, or counted by Damaged, is not told.
func (v *Vault) OnDamage(tell func(Damage)) {
	v.reports.mu.Lock()
	defer v.reports.mu.Unlock()
	v.reports.tell = tell
}

// note remembers what was met and gives what is to be told.
func (r *damageReports) note(met []Damage) (tell func(Damage), fresh []Damage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range met {
		if r.seen[d] || len(r.seen) >= maxReported {
			continue
		}
		if r.seen == nil {
			r.seen = map[Damage]bool{}
		}
		r.seen[d] = true
		fresh = append(fresh, d)
	}
	return r.tell, fresh
}

// report tells what a transaction has met.
func (v *Vault) report(met []Damage) {
	if len(met) == 0 {
		return
	}
	tell, fresh := v.reports.note(met)
	if tell == nil {
		return
	}
	for _, d := range fresh {
		tell(d)
	}
}

// Damaged opens every value once and counts those that do not authenticate, by collection; none for a sound vault. It takes
// time in proportion to the database.
func (v *Vault) Damaged() ([]Damaged, error) {
	var all []Damaged
	err := v.view(func(tx *Tx) error {
		all = nil
		setOff := tx.countAside()
		for _, bucket := range collections {
			d := Damaged{Collection: bucket, SetOff: setOff[bucket]}
			tx.store.each(bucket, nil, func(place, value []byte) bool {
				if _, _, _, err := tx.seal.open(bucket, place, value); err != nil {
					d.InPlace++
					tx.met(bucket, place)
				}
				return true
			})
			if d.InPlace+d.SetOff > 0 {
				all = append(all, d)
			}
		}
		v.reports.note(tx.damaged)
		return nil
	})
	return all, err
}

// DropDamaged removes for good what was set aside, and counts it. The bytes are gone with the next Compact.
func (v *Vault) DropDamaged() (dropped int, err error) {
	err = v.Update(func(tx *Tx) error {
		dropped = 0
		for _, n := range tx.countAside() {
			dropped += n
		}
		return tx.store.drop(asideBucket)
	})
	return dropped, err
}

func (tx *Tx) countAside() map[string]int {
	count := map[string]int{}
	tx.store.each(asideBucket, nil, func(key, _ []byte) bool {
		for _, bucket := range collections {
			if bytes.HasPrefix(key, []byte(bucket+"\x00")) {
				count[bucket]++
			}
		}
		return true
	})
	return count
}

// met notes a value that does not authenticate.
func (tx *Tx) met(bucket string, place []byte) {
	tx.damaged = append(tx.damaged, Damage{bucket, hex.EncodeToString(place[:min(8, len(place))])})
}

// setAside moves the damaged value of a place into asideBucket.
func (tx *Tx) setAside(bucket string, place []byte) error {
	value := slices.Clone(tx.store.get(bucket, place))
	keys, err := wrapKeyset(tx.master, tx.seal)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(value)
	entry := binary.AppendUvarint(nil, uint64(len(keys)))
	entry = append(append(entry, keys...), value...)
	return errors.Join(
		tx.store.put(asideBucket, slices.Concat([]byte(bucket), []byte{0}, place, sum[:8]), entry),
		tx.store.delete(bucket, place))
}
