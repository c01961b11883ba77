package bff

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"locum/bff/connect"
	"locum/bff/platform"
	"locum/bff/vault"
	"locum/shared"
)

// listPlatforms is GET /api/v1/platforms: where a practitioner may connect to.
func (s *Server) listPlatforms(c *fiber.Ctx) error {
	all := s.platforms.All()
	list := make([]shared.Platform, 0, len(all))
	for _, live := range all {
		list = append(list, wirePlatform(live.Platform))
	}
	return answer(c, shared.Platforms{Platforms: list})
}

// wirePlatform is what the app may know of a platform.
func wirePlatform(p *platform.Platform) shared.Platform {
	wire := shared.Platform{ID: p.ID, Kind: p.Kind, Name: p.Name, Hint: p.Hint, Scopes: p.Scopes, Ending: p.Ending}
	for _, clinic := range p.Clinics {
		wire.Clinics = append(wire.Clinics, shared.ClinicLink{Name: clinic.Name, URL: clinic.URL})
	}
	return wire
}

// beginConnect is POST /api/v1/connect: it stores an attempt and tells the tab where to navigate.
func (s *Server) beginConnect(c *fiber.Ctx) error {
	var r shared.ConnectRequest
	if err := read(c, &r); err != nil {
		return err
	}
	if _, known := shared.PagePath(r.Context.Page, r.Context.Params); !known {
		return &failure{code: shared.CodeBadRequest, params: map[string]string{"reason": "context"}}
	}
	e := exchangeOf(c.Context())
	ctx, cancel := s.call()
	defer cancel()
	begun, err := s.connect.Begin(ctx, connect.BeginRequest{
		Practitioner: e.session.Practitioner, Session: e.session.ID,
		Platform: r.Platform, Clinic: r.Clinic, ClientState: r.ClientState, Connection: r.Connection, Scopes: r.Scopes,
		Context: vault.Context{Page: r.Context.Page, Params: r.Context.Params},
		Flow:    cookieValue(e.cookies, s.cookies.flow), RequestID: e.id, Remote: e.remote.String(),
	})
	if err != nil {
		return s.recordForeign(c, r.Connection, err)
	}
	s.cookies.setFlow(c, begun.Flow.Reveal())
	return answer(c, shared.ConnectAnswer{AuthorizationURL: begun.AuthorizationURL})
}

// showOutcome is POST /api/v1/connect/outcome: how the attempt that this tab began has ended. It is a POST because the
// tab's value shall stand in no URL.
func (s *Server) showOutcome(c *fiber.Ctx) error {
	var r shared.OutcomeRequest
	if err := read(c, &r); err != nil {
		return err
	}
	e := exchangeOf(c.Context())
	ctx, cancel := s.call()
	defer cancel()
	outcome, err := s.connect.Outcome(ctx, e.session.Practitioner, e.session.ID, r.ClientState)
	if err != nil {
		return err
	}
	if outcome.Code == string(shared.OutcomeConnected) { // the other tabs have not heard of it
		s.events.Connection(e.session.Practitioner, outcome.Connection, shared.StateConnected, "")
	}
	return answer(c, shared.Outcome{
		Code: shared.Code(outcome.Code), Connection: outcome.Connection, Platform: outcome.Platform, Clinic: outcome.Clinic,
		Context: shared.Context{Page: outcome.Context.Page, Params: outcome.Context.Params},
	})
}

// callback is GET /connect/{platform}/callback, the one redirect URI of a platform. It comes from another site, so the
// session cookie is absent; the state finds the attempt and the flow cookie the browser. Whatever the platform said, the
// tab ends on a page of ours, without code and state in its address (RFC 9700 §4.2, T003).
func (s *Server) callback(c *fiber.Ctx) error {
	e := exchangeOf(c.Context())
	if prefetched(c) {
		// The state is good for one use: a browser that only looks ahead must not spend it.
		c.Status(fiber.StatusServiceUnavailable)
		return nil
	}
	ctx, cancel := s.call()
	defer cancel()
	result := s.connect.Finish(ctx, connect.FinishRequest{
		Platform: c.Params("platform"), RawQuery: string(c.Request().URI().QueryString()),
		Flow: cookieValue(e.cookies, s.cookies.flow), RequestID: e.id, Remote: e.remote.String(),
	})
	if result.FlowDone {
		s.cookies.clearFlow(c)
	}
	if result.Known {
		return seeOther(c, pathOutcome)
	}
	return s.showStray(c, shared.Code(result.Code))
}

// pathOutcome is the page that explains how an attempt ended.
const pathOutcome = "/connections/outcome"

// prefetched says whether the browser only looks ahead (the Sec-Purpose header; Purpose in older browsers).
func prefetched(c *fiber.Ctx) bool {
	return strings.Contains(strings.ToLower(c.Get("Sec-Purpose")+c.Get("Purpose")), "prefetch")
}
