package bff

import (
	"errors"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"locum/bff/keys"
	"locum/shared"
)

// keysShare is the part of a set's cache time that one copy may live: a copy of a copy, and a clock that runs slowly, fit into
// the rest.
const keysShare = 3

// showKeys is GET /connect/{platform}/jwks.json: the public halves of the keys with which Locum signs to this platform, its
// service's too (SMART App Launch 2.2, Client Authentication: Asymmetric, "Registering a client"). It is for everybody, and
// there is none where no key is used.
func (s *Server) showKeys(c *fiber.Ctx) error {
	live, err := s.platforms.Get(c.Params("platform"))
	if err != nil {
		return &failure{code: shared.CodeNotFound, err: err}
	}
	ids := keys.Sets(live.Platform)
	if len(ids) == 0 {
		return &failure{code: shared.CodeNotFound, err: errors.New("the platform is not authenticated to by keys")}
	}
	set, err := s.keys.Public(ids...)
	if err != nil {
		return err
	}
	age := keys.CacheOf(live.Platform) / keysShare
	c.Set(fiber.HeaderCacheControl, "public, max-age="+strconv.Itoa(int(age/time.Second)))
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(set)
}
