package account

import (
	"github.com/alexedwards/argon2id"

	"locum/bff/vault"
)

// InsecureNew hashes passwords so cheaply that whoever reads the database finds them.
func InsecureNew(v *vault.Vault) *Store {
	return newStore(v, argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
}
