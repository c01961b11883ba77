// Package account knows the practitioners who may sign in, and how they prove it: passwords by NIST SP 800-63B-4, hashed
// with argon2id, guessed at slowly. It tells nobody which logins exist, never keeps or prints a password, and knows nothing
// of cookies. bff, demo and the command line import it.
package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"

	"locum/bff/secret"
	"locum/bff/vault"
)

// Errors of a Store; test with errors.Is.
var (
	ErrNotFound    = errors.New("account: not found")
	ErrExists      = errors.New("account: the login is taken")
	ErrCredentials = errors.New("account: login or password is wrong") // and nothing tells which, or that it is disabled
	ErrBusy        = errors.New("account: too many sign-ins at once")
)

// LoginError says why a login or a name, as Field has it, cannot be one.
type LoginError struct{ Field, Reason string }

// Fields of a LoginError.
const (
	FieldLogin = "login"
	FieldName  = "name"
)

func (e *LoginError) Error() string { return "account: " + e.Reason }

// ThrottledError says that an attempt was refused unseen, and when the next one is looked at. RetryAfter is 0 where waiting
// does not help: maxFailures in a row, after which an administrator must set a new password.
type ThrottledError struct{ RetryAfter time.Duration }

func (e *ThrottledError) Error() string {
	if e.RetryAfter == 0 {
		return "account: too many failed attempts; an administrator must set a new password"
	}
	return fmt.Sprintf("account: too many attempts; the next one in %v", e.RetryAfter)
}

// Account is a practitioner who may sign in, unless Disabled.
type Account struct {
	ID       string // 26 characters of base32, 130 random bits; never reused
	Login    string // normalised: what Verify and the others compare
	Name     string
	Disabled bool
}

// Store is the accounts of a vault; a running vault has one. All its methods may be called from any goroutine.
type Store struct {
	vault   *vault.Vault
	hash    hasher
	remotes *rates
	unknown *tallies // failures for logins that do not exist: they are slowed down like the others

	changing sync.Mutex // held from the change of an account, or its reading, to that of byID
	mu       sync.RWMutex
	byID     map[string]Account
}

// New is the store of a vault's accounts.
func New(v *vault.Vault) *Store { return newStore(v, hashParams) }

func newStore(v *vault.Vault, params argon2id.Params) *Store {
	return &Store{vault: v, hash: newHasher(params), remotes: newRates(), unknown: newTallies()}
}

// Add makes an account: *LoginError, *PasswordError, ErrExists, ErrBusy. An empty name becomes the login. It takes the place
// of an account whose record is damaged, with another id: what belonged to the old one stays out of reach.
func (s *Store) Add(login, name string, password secret.String) (Account, error) {
	r, err := s.prepare(login, name, password)
	if err != nil {
		return Account{}, err
	}
	err = s.vault.Update(func(tx *vault.Tx) error { return vault.Accounts.Put(tx, r.Login, &r) })
	if errors.Is(err, vault.ErrConflict) {
		err = ErrExists
	}
	if err != nil {
		return Account{}, fmt.Errorf("add account: %w", err)
	}
	return public(r), nil // byID learns of it when it is asked for
}

// prepare makes the record of a new account, or says what Add says.
func (s *Store) prepare(login, name string, password secret.String) (vault.Account, error) {
	login, err := normaliseLogin(login)
	if err != nil {
		return vault.Account{}, err
	}
	if name, err = normaliseName(name, login); err != nil {
		return vault.Account{}, err
	}
	if _, err := s.ByLogin(login); !errors.Is(err, ErrNotFound) && !errors.Is(err, vault.ErrIntegrity) {
		if err == nil {
			err = ErrExists
		}
		return vault.Account{}, err
	}
	hash, err := s.hashNew(login, name, password)
	if err != nil {
		return vault.Account{}, err
	}
	return vault.Account{ID: rand.Text(), Login: login, Name: name, PasswordHash: hash, CreatedAt: time.Now()}, nil
}

// SetPassword replaces a password and forgets the failures: ErrNotFound, *PasswordError, ErrBusy. It removes the
// practitioner's sessions from the vault; a running session.Manager must be told as well (EndAll).
func (s *Store) SetPassword(login string, password secret.String) error {
	a, err := s.ByLogin(login)
	if err != nil {
		return err
	}
	hash, err := s.hashNew(a.Login, a.Name, password)
	if err != nil {
		return err
	}
	return s.change(a.Login, func(tx *vault.Tx, r *vault.Account) error {
		r.PasswordHash, r.Failures, r.LastFailure = hash, 0, time.Time{}
		return endSessions(tx, r.ID)
	})
}

// SetDisabled bars an account from signing in, or lets it in again: ErrNotFound. As SetPassword, barring removes the
// sessions from the vault alone.
func (s *Store) SetDisabled(login string, disabled bool) error {
	return s.change(login, func(tx *vault.Tx, r *vault.Account) error {
		r.Disabled = disabled
		if !disabled {
			return nil
		}
		return endSessions(tx, r.ID)
	})
}

// change reads, changes and writes one account in one transaction.
func (s *Store) change(login string, fn func(*vault.Tx, *vault.Account) error) error {
	login, err := normaliseLogin(login)
	if err != nil {
		return ErrNotFound
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	var r vault.Account
	err = s.vault.Update(func(tx *vault.Tx) (err error) {
		if r, err = vault.Accounts.Get(tx, login); err != nil {
			return err
		}
		if err := fn(tx, &r); err != nil {
			return err
		}
		return vault.Accounts.Put(tx, login, &r)
	})
	if errors.Is(err, vault.ErrNotFound) {
		return ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("change account: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID != nil {
		s.byID[r.ID] = public(r)
	}
	return nil
}

// endSessions makes an ended sign-in final where no session.Manager runs, as on the command line.
func endSessions(tx *vault.Tx, id string) error {
	return vault.Sessions.Each(tx, func(r vault.Session) error {
		if r.Practitioner != id {
			return nil
		}
		return vault.Sessions.Delete(tx, r.ID)
	})
}

// ByLogin finds an account by its login, however it is written: ErrNotFound.
func (s *Store) ByLogin(login string) (Account, error) {
	login, err := normaliseLogin(login)
	if err != nil {
		return Account{}, ErrNotFound
	}
	var r vault.Account
	err = s.vault.View(func(tx *vault.Tx) (err error) {
		r, err = vault.Accounts.Get(tx, login)
		return err
	})
	if errors.Is(err, vault.ErrNotFound) {
		return Account{}, ErrNotFound
	}
	if err != nil {
		return Account{}, fmt.Errorf("read account: %w", err)
	}
	return public(r), nil
}

// ByID finds an account by its id, disabled or not: ErrNotFound. It is answered from memory.
func (s *Store) ByID(id string) (Account, error) {
	if a, ok := s.remembered(id); ok {
		return a, nil
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	all, err := s.List()
	if err != nil {
		return Account{}, err
	}
	byID := make(map[string]Account, len(all))
	for _, a := range all {
		byID[a.ID] = a
	}
	s.mu.Lock()
	s.byID = byID
	s.mu.Unlock()
	if a, ok := byID[id]; ok {
		return a, nil
	}
	return Account{}, ErrNotFound
}

func (s *Store) remembered(id string) (Account, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, ok := s.byID[id]
	return a, ok
}

// Active says whether an id is an account's that is not disabled, for every call of a signed-in browser: what begins after
// SetDisabled has returned is told so. An account that cannot be read is not active.
func (s *Store) Active(id string) bool {
	a, err := s.ByID(id)
	return err == nil && !a.Disabled
}

// List gives all accounts, by login.
func (s *Store) List() ([]Account, error) {
	var all []Account
	err := s.vault.View(func(tx *vault.Tx) error {
		all = nil
		return vault.Accounts.Each(tx, func(r vault.Account) error {
			all = append(all, public(r))
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	sortByLogin(all)
	return all, nil
}

func public(r vault.Account) Account {
	return Account{ID: r.ID, Login: r.Login, Name: r.Name, Disabled: r.Disabled}
}

// hashNew checks a new password and hashes it.
func (s *Store) hashNew(login, name string, password secret.String) (secret.String, error) {
	normal, err := acceptable(password, login, name)
	if err != nil {
		return secret.String{}, err
	}
	release, err := s.hash.acquire(context.Background())
	if err != nil {
		return secret.String{}, err
	}
	defer release()
	return s.hash.make(normal)
}
