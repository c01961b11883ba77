// Package vault is where everything that Locum keeps lies sealed: one bbolt file whose every value is authenticated
// encryption under a keyset, the keyset under a master key that lives elsewhere. It never holds a plaintext value, name
// or id on disk, never makes a network call, and never creates a database where one already stands, however broken.
// The packages account, session, tokens, connect, proxy and bff import it; it imports secret alone of ours.
package vault

import "errors"

var (
	ErrNotFound  = errors.New("vault: not found")
	ErrConflict  = errors.New("vault: the record has changed meanwhile")
	ErrIntegrity = errors.New("vault: a record does not authenticate")
	ErrWrongKey  = errors.New("vault: the master key is not the one of this database")
	ErrInUse     = errors.New("vault: another process has the database open")
	ErrCorrupt   = errors.New("vault: the database is damaged or not one of Locum's")
)

type Vault struct{}

func Open(dir string, master MasterKey) (*Vault, error)     { panic("todo") }
func (v *Vault) Close() error                               { panic("todo") }
func (v *Vault) View(fn func(*Tx) error) error              { panic("todo") }
func (v *Vault) Update(fn func(*Tx) error) error            { panic("todo") }
func (v *Vault) MAC(purpose string, parts ...string) string { panic("todo") }
func (v *Vault) DeriveKey(purpose string) []byte            { panic("todo") }
func (v *Vault) Compact() error                             { panic("todo") }
func (v *Vault) Reseal() error                              { panic("todo") }

type Tx struct{}

type Collection[T any] struct{}

func (c Collection[T]) Get(tx *Tx, key string) (T, error)   { panic("todo") }
func (c Collection[T]) Put(tx *Tx, key string, v *T) error  { panic("todo") }
func (c Collection[T]) Delete(tx *Tx, key string) error     { panic("todo") }
func (c Collection[T]) Take(tx *Tx, key string) (T, error)  { panic("todo") }
func (c Collection[T]) Each(tx *Tx, fn func(T) error) error { panic("todo") }
func (c Collection[T]) Count(tx *Tx) int                    { panic("todo") }
