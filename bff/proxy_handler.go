package bff

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"locum/bff/proxy"
	"locum/shared"
)

// proxyPrefix is how many segments of the path come before the platform's own: proxy, v1 and the connection.
var proxyPrefix = strings.Count(shared.PathProxy, "/") + 1

// callPlatform is /proxy/v1/{connection}/{path…}: one call of the platform's API, answered in place. The body is
// forwarded as it came; of the headers, the few named here. A caller who leaves does not cancel it.
func (s *Server) callPlatform(c *fiber.Ctx) error {
	e := exchangeOf(c.Context())
	rest, ours := strings.CutPrefix(e.path.String(), shared.PathProxy+"/")
	connection, _, more := strings.Cut(rest, "/")
	if !ours || !more {
		return &failure{code: shared.CodeNotFound}
	}
	if !shared.ValidID(connection) {
		connection = "" // nobody's: refused as such, and recorded like every refused call (T110)
	}
	header := &c.Request().Header
	request := proxy.Request{
		RequestID: e.id, Practitioner: e.session.Practitioner, Session: e.session.ID, Remote: e.caller(),
		Connection: connection, Method: c.Method(), Path: e.path.After(proxyPrefix),
		Query: string(c.Request().URI().QueryString()), Body: c.Request().Body(),
		ContentType:    string(header.ContentType()),
		AcceptLanguage: string(header.Peek(fiber.HeaderAcceptLanguage)), IfNoneMatch: string(header.Peek(fiber.HeaderIfNoneMatch)),
	}
	ctx, cancel := proxy.Within(s.calls, turnTimeout)
	defer cancel()
	err := s.proxy.Do(ctx, &request, c.Response())
	if connection != "" && len(c.Response().Header.Peek(shared.HeaderBudgetClinic)) > 0 {
		s.events.Budget(request.Practitioner, connection)
	}
	return err
}
