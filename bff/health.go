package bff

import (
	"github.com/gofiber/fiber/v2"

	"locum/shared"
)

// status is the body of both health answers: nothing a stranger could use.
type status struct {
	Status string `json:"status"`
}

// health is GET /healthz: the process answers.
func (s *Server) health(c *fiber.Ctx) error { return answer(c, status{"ok"}) }

// ready is GET /readyz: the vault can be used and the audit trail written; without either, no call could be made. The
// code says which, the log why.
func (s *Server) ready(c *fiber.Ctx) error {
	if err := s.vault.Healthy(); err != nil {
		return &failure{code: shared.CodeStorage, err: err}
	}
	if err := s.audit.Healthy(); err != nil {
		return &failure{code: shared.CodeAudit, err: err}
	}
	return answer(c, status{"ready"})
}
