package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/vault"
)

// Most is how many keys a platform has at once, as athenahealth allows.
const Most = 5

// DefaultCache is how long others may keep a copy of a set, where the configuration says nothing.
const DefaultCache = 15 * time.Minute

// assertionLife is the longest that anything signed is good for (SMART App Launch 2.2, "Authentication JWT Claims").
const assertionLife = 5 * time.Minute

// Errors of the operations; test with errors.Is. What wraps them names the next step.
var (
	ErrNone      = errors.New("there is no signing key")
	ErrFull      = fmt.Errorf("there are %d signing keys already, which is the most", Most)
	ErrLast      = errors.New("it is the only signing key")
	ErrUnknown   = errors.New("no such signing key")
	ErrRotating  = errors.New("a rotation is under way")
	ErrSoon      = errors.New("too early")
	ErrUnused    = errors.New("signing keys are not used")
	ErrSize      = errors.New("no such size of key")
	ErrAlgorithm = errors.New("no such signature algorithm")
)

// Store holds the signing keys of all platforms. Its methods may be called from any goroutine.
type Store struct {
	vault     *vault.Vault
	platforms []*platform.Platform

	mu   sync.Mutex // held while records change
	sets atomic.Pointer[map[string][]entry]
}

// entry is a key in memory.
type entry struct {
	record vault.SigningKey // without its private half
	signer signer
	public jwk
}

func (e entry) key() Key {
	r := e.record
	return Key{ID: r.ID, Platform: r.Platform, Algorithm: r.Algorithm, CreatedAt: r.CreatedAt, SignsFrom: r.SignsFrom, RetireAt: r.RetireAt}
}

func keysOf(entries []entry) []Key {
	list := make([]Key, len(entries))
	for i, e := range entries {
		list[i] = e.key()
	}
	return list
}

// New reads the keys. A damaged one is left out, and the vault reports it; Signer then names the next step.
func New(v *vault.Vault, platforms []*platform.Platform) (*Store, error) {
	s := &Store{vault: v, platforms: platforms}
	if err := s.reload(); err != nil {
		return nil, fmt.Errorf("read the signing keys: %w", err)
	}
	return s, nil
}

// reload fills the memory from the vault. After New the caller holds mu.
func (s *Store) reload() error {
	sets := map[string][]entry{}
	err := s.vault.View(func(tx *vault.Tx) error {
		clear(sets)
		return vault.SigningKeys.Each(tx, func(r vault.SigningKey) error {
			signer, public, err := parse(r)
			if err != nil {
				return nil // nothing can be signed with it, and it must not cost the others theirs
			}
			r.Private = vault.SigningKey{}.Private
			sets[r.Platform] = append(sets[r.Platform], entry{r, signer, public})
			return nil
		})
	})
	if err != nil {
		return err
	}
	for _, entries := range sets {
		slices.SortFunc(entries, func(a, b entry) int { return a.record.CreatedAt.Compare(b.record.CreatedAt) })
	}
	s.sets.Store(&sets)
	return nil
}

func (s *Store) entries(id string) []entry { return (*s.sets.Load())[id] }

// OfService is the id under which the keys of a platform's service stand.
func OfService(platform string) string { return platform + "/service" }

// Signer is the key that signs now. It costs a look into memory. ErrNone where there is none.
func (s *Store) Signer(id string) (oauth.SigningKey, error) {
	entries := s.entries(id)
	i := signing(keysOf(entries), time.Now())
	if i < 0 {
		return oauth.SigningKey{}, fmt.Errorf("%w for %q: run `locum keys create %s`", ErrNone, id, Typed(id))
	}
	e := entries[i]
	return oauth.SigningKey{ID: e.record.ID, Algorithm: e.record.Algorithm, Private: e.signer}, nil
}

// Public is the JSON Web Key Set (RFC 7517 §5) of all that is published now under some ids: public members alone.
func (s *Store) Public(ids ...string) ([]byte, error) {
	set := struct {
		Keys []jwk `json:"keys"`
	}{Keys: []jwk{}}
	now := time.Now()
	for _, id := range ids {
		for _, e := range s.entries(id) {
			if e.key().published(now) {
				set.Keys = append(set.Keys, e.public)
			}
		}
	}
	return json.Marshal(set)
}

// Sets are the ids whose keys the platform publishes: its own, and its service's, where they authenticate by keys. None:
// there is nothing to publish.
func Sets(p *platform.Platform) []string {
	var ids []string
	if p.Auth.Method == oauth.AuthKey {
		ids = append(ids, p.ID)
	}
	if p.Service != nil && p.Service.Auth.Method == oauth.AuthKey {
		ids = append(ids, OfService(p.ID))
	}
	return ids
}

// CacheOf is how long others may keep a copy of the platform's set. A copy is taken at any time, so whoever serves one lets it
// live for a part of this.
func CacheOf(p *platform.Platform) time.Duration {
	if p.JWKSCache > 0 {
		return p.JWKSCache
	}
	return DefaultCache
}
