package bff

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"locum/shared"
)

// sameOrigin is what Fetch Metadata (W3C) says of a request for the page's own site. The pre-filter has read these headers
// into the exchange: which site, mode and destination a browser says a request is for.
const sameOrigin = "same-origin"

var errForbidden = &failure{code: shared.CodeForbidden}

// changes lets a request through that changes something, when it proves to come from the app's own page: the app's
// header (a cross-origin page would need a preflight that Locum never grants; RFC 10017 §6.1.3.3), the origin, and JSON
// where there is a body, so that no form can have made it.
func (s *Server) changes(c *fiber.Ctx) error {
	contentType := c.Get(fiber.HeaderContentType)
	if !s.fromOurApp(c) || (len(c.Request().Body()) > 0 || contentType != "") && !isJSON(contentType) {
		return errForbidden
	}
	return c.Next()
}

func (s *Server) fromOurApp(c *fiber.Ctx) bool {
	return c.Get(shared.HeaderClient) == shared.ClientApp && s.fromOurOrigin(c)
}

// fromOurOrigin compares with the configured origin and nothing else, so a proxy that ends TLS changes nothing. Every
// statement that is there must be right, and at least one must be there.
func (s *Server) fromOurOrigin(c *fiber.Ctx) bool {
	e := exchangeOf(c.Context())
	origin, site := string(e.origin), string(e.site)
	if site != "" && site != sameOrigin {
		return false
	}
	if origin == "" {
		return site == sameOrigin
	}
	return origin == s.origin
}

// reads lets a request through that reads data by script. What a browser would load into a page, a frame, an image or
// the address bar is refused, whichever site asks: an answer of the API is never content (T077).
func (s *Server) reads(c *fiber.Ctx) error {
	e := exchangeOf(c.Context())
	if site := string(e.site); site != "" && site != sameOrigin {
		return errForbidden
	}
	if mode := string(e.mode); mode == "navigate" || mode == "no-cors" || mode == "websocket" {
		return errForbidden
	}
	if dest := string(e.dest); dest != "" && dest != "empty" {
		return errForbidden
	}
	if origin := string(e.origin); origin != "" && origin != s.origin {
		return errForbidden
	}
	return c.Next()
}

// posts lets the two forms through, sign-in and sign-out: an exact Origin and a form's own media type.
func (s *Server) posts(c *fiber.Ctx) error {
	if string(exchangeOf(c.Context()).origin) != s.origin || !s.fromOurOrigin(c) ||
		mediaType(c.Get(fiber.HeaderContentType)) != fiber.MIMEApplicationForm {
		return errForbidden
	}
	return c.Next()
}

// isJSON takes application/json with no parameter but charset=utf-8.
func isJSON(contentType string) bool {
	if mediaType(contentType) != fiber.MIMEApplicationJSON {
		return false
	}
	_, parameters, some := strings.Cut(contentType, ";")
	return !some || strings.EqualFold(strings.TrimSpace(parameters), "charset=utf-8")
}

func mediaType(contentType string) string {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(media))
}
