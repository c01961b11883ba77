package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"sync"
)

// keyBits is the size of a signing key: the least that RFC 7518 §3.3 allows.
const keyBits = 2048

// maxShared bounds a keyring; keys beyond it are made anew.
const maxShared = 16

// keyring keeps signing keys for the next sandbox.
type keyring struct {
	mu   sync.Mutex
	made []*rsa.PrivateKey
}

// sharedKeys are those of every sandbox in process.
var sharedKeys keyring

// nth gives the key at place n, and makes it when it is the first to ask.
func (k *keyring) nth(n int) (*rsa.PrivateKey, error) {
	if n >= maxShared {
		return rsa.GenerateKey(rand.Reader, keyBits)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.made) <= n {
		key, err := rsa.GenerateKey(rand.Reader, keyBits)
		if err != nil {
			return nil, err
		}
		k.made = append(k.made, key)
	}
	return k.made[n], nil
}

// nextKey gives a key that this sandbox has not had before.
func (s *Sandbox) nextKey() (*rsa.PrivateKey, error) {
	if s.keys == nil {
		return rsa.GenerateKey(rand.Reader, keyBits)
	}
	return s.keys.nth(int(s.turn.Add(1) - 1))
}
