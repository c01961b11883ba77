package vault

import (
	"errors"
	"fmt"
	"math"
)

// Tx is a transaction. It is valid inside the function that View or Update gave it to, and there in one goroutine.
type Tx struct {
	store   storeTx
	master  MasterKey
	seal    *sealer
	index   *keyedHash
	damaged []Damage // met by this transaction
}

// Collection is a named set of records of one type. The package's variables are all there are.
type Collection[T any] struct {
	name       string // of the bucket
	schema     byte   // version of the on-disk form
	fields     func(*T, *codec)
	generation func(*T) *uint64
}

// Get reads the record of a key: ErrNotFound, or ErrIntegrity.
func (c Collection[T]) Get(tx *Tx, key string) (T, error) {
	place := c.place(tx, key)
	value := tx.store.get(c.name, place)
	if value == nil {
		var none T
		return none, ErrNotFound
	}
	return c.read(tx, place, value)
}

// Put writes a record if its Generation is the stored one, 0 standing for "not there yet", and counts it up in v. Else
// ErrConflict: somebody was faster, or the record is new or gone. The count in v is right only if the transaction commits.
// Where the stored one is damaged, a new record (Generation 0) takes its place, the damaged bytes being set aside; any
// other is ErrIntegrity.
func (c Collection[T]) Put(tx *Tx, key string, v *T) error {
	place, generation := c.place(tx, key), c.generation(v)
	stored, err := c.stored(tx, place)
	if errors.Is(err, ErrIntegrity) && *generation == 0 {
		err = tx.setAside(c.name, place)
	}
	if err != nil {
		return err
	}
	if *generation != stored || stored == math.MaxUint64 {
		return ErrConflict
	}
	plain, err := encode(func(e *codec) { c.fields(v, e) })
	if err != nil {
		return err
	}
	value, err := tx.seal.seal(c.name, place, c.schema, stored+1, plain)
	if err != nil {
		return err
	}
	if err := tx.store.put(c.name, place, value); err != nil {
		return err
	}
	*generation = stored + 1
	return nil
}

// Delete removes the record of a key, readable or not; nil where there is none.
func (c Collection[T]) Delete(tx *Tx, key string) error {
	return tx.store.delete(c.name, c.place(tx, key))
}

// Take reads and removes in one: ErrNotFound, or ErrIntegrity.
func (c Collection[T]) Take(tx *Tx, key string) (T, error) {
	v, err := c.Get(tx, key)
	if err != nil {
		return v, err
	}
	return v, c.Delete(tx, key)
}

// Each calls fn for every record, in no order that means anything, and stops at its first error, which it returns as it
// is. fn sees the collection as it was when Each began and may change it. A damaged record is left out and reported (see
// OnDamage): nobody can tell whose it was, and it must not cost the others theirs.
func (c Collection[T]) Each(tx *Tx, fn func(T) error) error {
	type entry struct{ place, value []byte }
	var entries []entry
	tx.store.each(c.name, nil, func(place, value []byte) bool {
		entries = append(entries, entry{place, value})
		return true
	})
	for _, e := range entries {
		v, err := c.read(tx, e.place, e.value)
		if errors.Is(err, ErrIntegrity) {
			continue
		}
		if err != nil {
			return err
		}
		if err := fn(v); err != nil {
			return err
		}
	}
	return nil
}

// Count says how many records there are, damaged ones in their places included; it takes time in proportion.
func (c Collection[T]) Count(tx *Tx) int {
	n := 0
	tx.store.each(c.name, nil, func(_, _ []byte) bool {
		n++
		return true
	})
	return n
}

// SetAside says how many damaged records of the collection were set aside and not dropped since.
func (c Collection[T]) SetAside(tx *Tx) int { return tx.countAside()[c.name] }

// place is the key in the file: HMAC-SHA256 of the bucket's name and the key, so that the file tells no id.
func (c Collection[T]) place(tx *Tx, key string) []byte { return tx.index.sum(c.name, key) }

func (c Collection[T]) read(tx *Tx, place, value []byte) (T, error) {
	var v, none T
	schema, generation, plain, err := tx.seal.open(c.name, place, value)
	if err != nil {
		tx.met(c.name, place)
		return none, err
	}
	if schema < 1 || schema > c.schema { // an older form reads as one whose new fields are empty
		return none, fmt.Errorf("%w: a record in %s has schema %d and this one knows %d", ErrVersion, c.name, schema, c.schema)
	}
	if err := decode(plain, func(d *codec) { c.fields(&v, d) }); err != nil {
		tx.met(c.name, place)
		return none, fmt.Errorf("vault: a record in %s: %w", c.name, errors.Join(ErrIntegrity, err))
	}
	*c.generation(&v) = generation
	return v, nil
}

// stored is the generation in the file, 0 for none; it is believed only when the value authenticates.
func (c Collection[T]) stored(tx *Tx, place []byte) (uint64, error) {
	value := tx.store.get(c.name, place)
	if value == nil {
		return 0, nil
	}
	_, generation, _, err := tx.seal.open(c.name, place, value)
	if err != nil {
		tx.met(c.name, place)
	}
	return generation, err
}
