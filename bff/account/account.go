// Package account knows the practitioners who may sign in, and how they prove it.
package account

import (
	"context"
	"errors"
	"time"

	"locum/bff/secret"
	"locum/bff/vault"
)

type Account struct{ ID, Login, Name string }

var (
	ErrNotFound    = errors.New("account: not found")
	ErrExists      = errors.New("account: the login is taken")
	ErrCredentials = errors.New("account: login or password is wrong")
	ErrBusy        = errors.New("account: too many sign-ins at once")
)

type PasswordError struct{ Reason string }

func (e *PasswordError) Error() string { return "account: password refused: " + e.Reason }

type LoginError struct{ Reason string }

func (e *LoginError) Error() string { return "account: login refused: " + e.Reason }

type ThrottledError struct{ RetryAfter time.Duration }

func (e *ThrottledError) Error() string { return "account: too many attempts" }

type Store struct{}

func New(v *vault.Vault) *Store { panic("todo") }

func (s *Store) Add(login, name string, password secret.String) (Account, error) { panic("todo") }
func (s *Store) Verify(ctx context.Context, login string, password secret.String, remote string) (Account, error) {
	panic("todo")
}
func (s *Store) ByID(id string) (Account, error)                        { panic("todo") }
func (s *Store) ByLogin(login string) (Account, error)                  { panic("todo") }
func (s *Store) List() ([]Account, error)                               { panic("todo") }
func (s *Store) SetPassword(login string, password secret.String) error { panic("todo") }
func (s *Store) SetDisabled(login string, disabled bool) error          { panic("todo") }
