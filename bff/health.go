package bff

import (
	"errors"

	"github.com/gofiber/fiber/v2"

	"locum/bff/vault"
	"locum/shared"
)

// status is the body of both health answers: nothing a stranger could use.
type status struct {
	Status string `json:"status"`
}

// health is GET /healthz: the process answers.
func (s *Server) health(c *fiber.Ctx) error { return answer(c, status{"ok"}) }

// ready is GET /readyz: the vault can be read and the audit trail written; without either, no call could be made.
func (s *Server) ready(c *fiber.Ctx) error {
	stored := s.vault.View(func(*vault.Tx) error { return nil })
	if err := errors.Join(stored, s.audit.Healthy()); err != nil {
		return &failure{code: shared.CodeStorage, err: err}
	}
	return answer(c, status{"ready"})
}
