package bff

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"locum/bff/tokens"
	"locum/shared"
)

// diagnose is POST /api/v1/connections/{connection}/diagnosis: it has the platform asked about a connection, which changes
// nothing. It is guarded like a change, because it costs the platform a question. Another's is as unknown as one that never
// was.
func (s *Server) diagnose(c *fiber.Ctx) error {
	id := c.Params("connection")
	ctx, cancel := s.call()
	defer cancel()
	found, err := s.tokens.Diagnose(ctx, exchangeOf(c.Context()).session.Practitioner, id)
	if err != nil {
		return s.recordForeign(c, id, err)
	}
	return answer(c, shared.Diagnosis{
		AskedAt: found.Asked.UTC(), Reachable: found.Reachable, Code: found.Code, Access: wireHalf(found.Access),
		Renewal: wireHalf(found.Refresh), SameSignIn: found.SameLogin, ClockSeconds: int(found.Clock / time.Second),
		Rotation: found.Kind,
	})
}

func wireHalf(h tokens.Half) shared.DiagnosisHalf {
	return shared.DiagnosisHalf{Found: h.Found, EndsAt: moment(h.EndsAt), Scopes: h.Scopes}
}
