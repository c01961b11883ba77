package keys_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"locum/bff/keys"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/vault"
)

// shelf is a vault on disk with a Store that can be closed and opened again.
type shelf struct {
	*keys.Store
	t     testing.TB
	vault *vault.Vault
	dir   string
	key   vault.MasterKey
	all   []*platform.Platform
}

// platforms: J and A authenticate by keys, P by a posted secret, A has a service with keys of its own.
func platforms() []*platform.Platform {
	byKey := func(algorithm string) oauth.Auth { return oauth.Auth{Method: oauth.AuthKey, Algorithm: algorithm} }
	return []*platform.Platform{
		{ID: "j", Auth: byKey(keys.ES384)},
		{ID: "a", Auth: byKey(keys.ES384), Service: &platform.Service{Auth: byKey(keys.ES384)}, JWKSCache: time.Hour},
		{ID: "r", Auth: byKey("")},
		{ID: "p"},
	}
}

func open(t testing.TB) *shelf {
	t.Helper()
	base := t.TempDir()
	file := filepath.Join(base, "master.key")
	if err := vault.CreateKeyFile(file); err != nil {
		t.Fatal(err)
	}
	key, err := vault.ReadKeyFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{t: t, dir: filepath.Join(base, "data"), key: key, all: platforms()}
	s.start()
	t.Cleanup(func() { _ = s.vault.Close() })
	return s
}

func (s *shelf) start() {
	s.t.Helper()
	var err error
	if s.vault, err = vault.Open(s.dir, s.key); err != nil {
		s.t.Fatal(err)
	}
	if s.Store, err = keys.New(s.vault, s.all); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) restart() {
	s.t.Helper()
	if err := s.vault.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.start()
}

// must is a command that succeeds; it gives the key.
func (s *shelf) must(c keys.Command) keys.Status {
	s.t.Helper()
	report, err := s.Run(c)
	if err != nil {
		s.t.Fatalf("%s: %v", c.Op, err)
	}
	return *report.Key
}

func (s *shelf) create(target keys.Target) keys.Status {
	s.t.Helper()
	return s.must(keys.Command{Op: keys.OpCreate, Target: target})
}

// signs is the id of the key that signs now, "" for none.
func (s *shelf) signs(id string) string {
	s.t.Helper()
	key, err := s.Signer(id)
	if err != nil && !errors.Is(err, keys.ErrNone) {
		s.t.Fatal(err)
	}
	return key.ID
}

// published are the ids in the public sets, in their order.
func (s *shelf) published(ids ...string) []string {
	s.t.Helper()
	list := []string{}
	for _, member := range s.set(ids...) {
		list = append(list, member["kid"].(string))
	}
	return list
}

func (s *shelf) set(ids ...string) []map[string]any {
	s.t.Helper()
	raw, err := s.Public(ids...)
	if err != nil {
		s.t.Fatal(err)
	}
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(raw, &set); err != nil {
		s.t.Fatal(err)
	}
	return set.Keys
}

func (s *shelf) records() (n int) {
	s.t.Helper()
	err := s.vault.View(func(tx *vault.Tx) error { n = vault.SigningKeys.Count(tx); return nil })
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// edit moves one of j's keys in time, and reads everything again.
func (s *shelf) edit(kid string, signs, retire time.Time) {
	s.t.Helper()
	err := s.vault.Update(func(tx *vault.Tx) error {
		r, err := vault.SigningKeys.Get(tx, "j/"+kid)
		if err != nil {
			return err
		}
		r.SignsFrom, r.RetireAt = signs, retire
		return vault.SigningKeys.Put(tx, "j/"+kid, &r)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.restart()
}

var (
	j       = keys.Target{Platform: "j"}
	a       = keys.Target{Platform: "a"}
	service = keys.Target{Platform: "a", Service: true}
)
