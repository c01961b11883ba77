package vault

import (
	"errors"
	"time"

	"locum/bff/secret"
)

// SetClientSecret stores the secret that a platform gave to Locum, in place of an earlier or a damaged one. It takes effect with the
// next request to the platform. It is a transaction of its own.
func (v *Vault) SetClientSecret(platform string, value secret.String) error {
	return v.Update(func(tx *Tx) error {
		record, err := ClientSecrets.Get(tx, platform)
		if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrIntegrity) {
			return err
		}
		record.Platform, record.Value, record.SetAt = platform, value, time.Now()
		return ClientSecrets.Put(tx, platform, &record)
	})
}

// RemoveClientSecret forgets a platform's secret, readable or not; nil where there is none. It is a transaction of its own.
func (v *Vault) RemoveClientSecret(platform string) error {
	return v.Update(func(tx *Tx) error { return ClientSecrets.Delete(tx, platform) })
}
