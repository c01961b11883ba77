package bff

import (
	"github.com/gofiber/fiber/v2"

	"locum/shared"
)

// listServices is GET /api/v1/services: the application's own connections, for administrators. For everybody else there is no
// such address.
func (s *Server) listServices(c *fiber.Ctx) error {
	if !s.administers(exchangeOf(c.Context()).session.Practitioner) {
		return s.notFound(c)
	}
	list := []shared.Service{}
	for _, v := range s.services.List() {
		one := shared.Service{ID: v.ID, Platform: shared.Platform{ID: v.Platform, Name: v.Platform}, Name: v.Name, State: v.State,
			Cause: v.Cause, Next: v.Next, Scopes: v.Scopes, Operations: v.Operations, Fresh: seconds(v.FreshFor)}
		if live, err := s.platforms.Get(v.Platform); err == nil {
			one.Platform = wirePlatform(live.Platform)
		}
		list = append(list, one)
	}
	return answer(c, shared.Services{Services: list})
}
