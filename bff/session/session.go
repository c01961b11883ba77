// Package session knows which browser is speaking, and for whom.
package session

import (
	"errors"
	"time"

	"locum/bff/secret"
	"locum/bff/vault"
)

var ErrSignedOut = errors.New("session: signed out")

type Session struct {
	ID, Practitioner      string
	CreatedAt, LastActive time.Time
}

type Limits struct{ Idle, Absolute time.Duration }

type Manager struct{}

func New(v *vault.Vault, limits Limits) (*Manager, error)                    { panic("todo") }
func (m *Manager) Start(practitioner string) (secret.String, Session, error) { panic("todo") }
func (m *Manager) Lookup(cookie string) (Session, error)                     { panic("todo") }
func (m *Manager) Alive(id, practitioner string) bool                        { panic("todo") }
func (m *Manager) Touch(id string) error                                     { panic("todo") }
func (m *Manager) End(id string) error                                       { panic("todo") }
func (m *Manager) EndAll(practitioner string) (int, error)                   { panic("todo") }
func (m *Manager) Remaining(s Session) (idle, absolute time.Duration)        { panic("todo") }
func (m *Manager) Sweep() (int, error)                                       { panic("todo") }
