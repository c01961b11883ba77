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
	wire := shared.Platform{ID: p.ID, Kind: p.Kind, Name: p.Name, Hint: p.Hint, Scopes: p.Scopes, Ending: p.Ending,
		FHIR: pathOf(p.FHIRBase), Standalone: p.Standalone, Launch: p.Launch}
	for _, clinic := range p.Clinics {
		wire.Clinics = append(wire.Clinics, shared.ClinicLink{Name: clinic.Name, URL: clinic.URL})
	}
	return wire
}

// pathOf is what stands behind the origin of an address.
func pathOf(address string) string { return strings.TrimPrefix(address, platform.OriginOf(address)) }

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
		Flow:    cookieValue(e.cookies, s.cookies.flow), Framed: e.framed, RequestID: e.id, Remote: e.remote.String(),
	})
	if err != nil {
		return s.recordForeign(c, r.Connection, err)
	}
	return s.answerBegun(c, begun)
}

// showOutcome is POST /api/v1/connect/outcome: how the attempt that this tab began has ended. It is a POST because the
// tab's value shall stand in no URL. A launch may have been begun by a browser that is not signed in: then its flow cookie
// asks, and the answer may be the question whether to sign in as somebody. Only once the page has said as whom, and names
// them, the session begins.
func (s *Server) showOutcome(c *fiber.Ctx) error {
	var r shared.OutcomeRequest
	if err := read(c, &r); err != nil {
		return err
	}
	e := exchangeOf(c.Context())
	ctx, cancel := s.call()
	defer cancel()
	outcome, err := s.connect.Outcome(ctx, s.asker(e), r.ClientState)
	if err != nil {
		return s.unfound(e, err)
	}
	if outcome.Code == connect.OutcomeSignInReady && (r.SignIn != "" || e.session.ID != "") {
		if outcome, err = s.agree(c, e, r, outcome.SignsIn); err != nil {
			return err
		}
	}
	return s.answerOutcome(c, outcome)
}

// agree answers the question whether to sign in: by naming the person, or by being signed in as them already.
func (s *Server) agree(c *fiber.Ctx, e *exchange, r shared.OutcomeRequest, ready string) (vault.Outcome, error) {
	ctx, cancel := s.call()
	defer cancel()
	as := r.SignIn
	if as == "" {
		as = ready
	}
	outcome, first, err := s.connect.Confirm(ctx, s.confirmation(e, r.ClientState, as))
	if err != nil || !first || e.session.ID != "" {
		return outcome, err
	}
	return outcome, s.startSession(c, e, as, outcome.Framed, "launch")
}

// answerOutcome writes how an attempt ended.
func (s *Server) answerOutcome(c *fiber.Ctx, o vault.Outcome) error {
	wire := shared.Outcome{Code: shared.Code(o.Code), Connection: o.Connection, Platform: o.Platform, Clinic: o.Clinic,
		Context: shared.Context{Page: o.Context.Page, Params: o.Context.Params}, Framed: o.Framed}
	if o.Code == connect.OutcomeConnected {
		s.events.Connection(o.Practitioner, o.Connection, shared.StateConnected, "") // the other tabs have not heard of it
		if view, err := s.tokens.Get(o.Practitioner, o.Connection); err == nil {
			wire.Kind = view.Launch.Kind
		}
	}
	if chain, waits := s.tokens.Pending(o.Pending); waits {
		wire.Kind, wire.Person = chain.Launch.Kind, localReference(chain.FHIRUser)
	}
	// Whoever is somebody else is not told who it would have been.
	if who, err := s.accounts.ByID(o.SignsIn); o.Code == connect.OutcomeSignInReady && err == nil {
		wire.SignsIn = &shared.Practitioner{ID: who.ID, Login: who.Login, Name: who.Name}
	}
	return answer(c, wire)
}

// localReference is what a FHIR reference says about its server's own records: Type and id.
func localReference(reference string) string {
	segments := strings.Split(reference, "/")
	return strings.Join(segments[max(0, len(segments)-2):], "/")
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
	switch {
	case result.Known && result.Framed: // the frame asks for the outcome; this window has served
		return seeOther(c, pathDone)
	case result.Known:
		return seeOther(c, pathOutcome)
	}
	return s.showStray(c, shared.Code(result.Code))
}

// pathDone is the page at which a window ends that a frame has opened.
const pathDone = "/connect/done"

// pathOutcome is the page that explains how an attempt ended.
const pathOutcome = "/connections/outcome"

// prefetched says whether the browser only looks ahead (the Sec-Purpose header; Purpose in older browsers).
func prefetched(c *fiber.Ctx) bool {
	return strings.Contains(strings.ToLower(c.Get("Sec-Purpose")+c.Get("Purpose")), "prefetch")
}
