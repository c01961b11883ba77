package bff

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"locum/bff/platform"
	"locum/bff/proxy"
	"locum/bff/service"
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
	ifMatch, fine := onlyOne(header.PeekAll(fiber.HeaderIfMatch))
	if !fine {
		return &failure{code: shared.CodeBadRequest, params: reason("if_match")}
	}
	request := proxy.Request{
		RequestID: e.id, Practitioner: e.session.Practitioner, Session: e.session.ID, Remote: e.caller(),
		Connection: connection, Method: c.Method(), Path: e.path.After(proxyPrefix),
		Query: string(c.Request().URI().QueryString()), Body: c.Request().Body(),
		ContentType:    string(header.ContentType()),
		AcceptLanguage: string(header.Peek(fiber.HeaderAcceptLanguage)), IfNoneMatch: string(header.Peek(fiber.HeaderIfNoneMatch)),
		IfMatch: ifMatch, Administrator: service.IsID(connection) && s.administers(e.session.Practitioner),
	}
	ctx, cancel := proxy.Within(s.calls, turnTimeout)
	defer cancel()
	err := s.proxy.Do(ctx, &request, c.Response())
	if connection != "" && len(c.Response().Header.Peek(shared.HeaderBudgetClinic)) > 0 {
		s.events.Budget(request.Practitioner, connection)
	}
	return err
}

// onlyOne is the one value of a header that stands once; with two, which version a write was meant for is not for us to guess.
func onlyOne(values [][]byte) (string, bool) {
	switch len(values) {
	case 0:
		return "", true
	case 1:
		return string(values[0]), true
	}
	return "", false
}

// showStyle is GET /api/v1/connections/{connection}/style: how the platform wants the page to look.
func (s *Server) showStyle(c *fiber.Ctx) error {
	id := c.Params("connection")
	ctx, cancel := s.call()
	defer cancel()
	style, err := s.proxy.Style(ctx, exchangeOf(c.Context()).session.Practitioner, id)
	if err != nil {
		return s.recordForeign(c, id, err)
	}
	return answer(c, shared.Style{Values: style.Values})
}

// administers says whether a practitioner is an administrator: one whose login the configuration names.
func (s *Server) administers(practitioner string) bool {
	who, err := s.accounts.ByID(practitioner)
	return err == nil && s.isAdministrator(who.Login)
}

// What some platforms take in the place of plain JSON.
const (
	mediaFHIR = "application/fhir+json" // FHIR R4 §3.1.0.1.9
	mediaForm = fiber.MIMEApplicationForm
)

// changesThere is changes for a call of a platform. FHIR's JSON is as far from any form as JSON is. A form's own media type is
// let through where the request says its exact origin besides, as a browser does: the app's header alone keeps other pages
// from sending it, and this is the second proof in the place of the media type.
func (s *Server) changesThere(c *fiber.Ctx) error {
	switch mediaType(c.Get(fiber.HeaderContentType)) {
	default:
		return s.changes(c)
	case mediaFHIR:
	case mediaForm:
		if string(exchangeOf(c.Context()).origin) != s.origin {
			return errForbidden
		}
	}
	if !s.fromOurApp(c) {
		return errForbidden
	}
	return c.Next()
}

// speaksThat refuses at a connection of Jane's what is no plain JSON, as everywhere else.
func (s *Server) speaksThat(c *fiber.Ctx) error {
	if contentType := c.Get(fiber.HeaderContentType); contentType == "" || isJSON(contentType) {
		return c.Next()
	}
	connection := c.Params("connection")
	if service.IsID(connection) {
		return c.Next()
	}
	standing, err := s.tokens.Standing(exchangeOf(c.Context()).session.Practitioner, connection)
	if err != nil {
		return s.recordForeign(c, connection, err)
	}
	if live, err := s.platforms.Get(standing.Platform); err != nil || live.Kind == platform.KindJane {
		return errForbidden
	}
	return c.Next()
}
