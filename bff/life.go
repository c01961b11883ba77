package bff

import (
	"cmp"
	"time"

	"github.com/gofiber/fiber/v2"

	"locum/bff/platform"
	"locum/bff/tokens"
	"locum/bff/vault"
	"locum/shared"
)

// showLife is GET /api/v1/connections/{connection}/life: why a connection is as it is, and what helps. Another's is as
// unknown as one that never was.
func (s *Server) showLife(c *fiber.Ctx) error {
	id := c.Params("connection")
	life, err := s.tokens.Life(exchangeOf(c.Context()).session.Practitioner, id)
	if err != nil {
		return s.recordForeign(c, id, err)
	}
	return answer(c, s.wireLife(life))
}

func (s *Server) wireLife(l tokens.Life) shared.Life {
	wire := shared.Life{
		Connection: s.wireConnection(l.View), Next: l.Remedy.Next, By: l.Remedy.By, Since: moment(l.Since),
		RetrySeconds: seconds(time.Until(l.RetryAt)), Rotation: l.Kind, RotationObserved: l.Observed,
		KeepAlive: cmp.Or(l.Policy.KeepAlive, platform.KeepAlways),
		EndedAt:   moment(l.EndedAt), ToldTo: moment(l.ToldTo), Steps: make([]shared.LifeStep, len(l.Steps)),
	}
	for i, step := range l.Steps {
		wire.Steps[i] = wireStep(step)
	}
	live, err := s.platforms.Get(l.View.Platform)
	if err != nil {
		return wire
	}
	if clinic, err := live.Clinic(l.View.Clinic); err == nil {
		wire.Connection.Clinic.Name = cmp.Or(wire.Connection.Clinic.Name, clinic.Name)
	}
	wire.Connection.Clinic.Name = cmp.Or(wire.Connection.Clinic.Name, l.View.Clinic)
	return wire
}

func wireStep(s vault.Step) shared.LifeStep {
	return shared.LifeStep{At: s.At, Until: moment(s.Until), Count: s.Count, What: s.What, Trigger: s.Trigger, Code: s.Code,
		Detail: s.Detail, Parent: s.Parent, Child: s.Child}
}

// moment leaves a time out that is none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
