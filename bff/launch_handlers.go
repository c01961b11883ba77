package bff

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"locum/bff/audit"
	"locum/bff/connect"
	"locum/bff/session"
	"locum/bff/vault"
	"locum/shared"
)

// launch is GET /connect/{platform}/launch: an EHR opens Locum (SMART App Launch 2.2, Launch App: EHR Launch). It comes from
// another site, at the top or in a frame; nobody is asked anything and nothing begins before the person agrees on the page
// that it leads to (T026).
func (s *Server) launch(c *fiber.Ctx) error {
	e := exchangeOf(c.Context())
	if prefetched(c) {
		c.Status(fiber.StatusServiceUnavailable)
		return nil
	}
	if !navigates(e, "document", "iframe", "frame") {
		return errForbidden
	}
	framed := s.intoFrame(e)
	browser := connect.Browser{Flow: cookieValue(e.cookies, s.cookies.flow)}
	if framed {
		browser.Frame = cookieValue(e.cookies, s.cookies.frameFlow)
	}
	ctx, cancel := s.call()
	defer cancel()
	launched, err := s.connect.Launch(ctx, connect.LaunchRequest{Platform: c.Params("platform"),
		RawQuery: string(c.Request().URI().QueryString()), Browser: browser, Framed: framed, RequestID: e.id, Remote: e.remote.String()})
	var refused *connect.Error
	if errors.As(err, &refused) && refused.Code == connect.CodeLaunchRefused {
		s.noteRefusedLaunch(e, refused.Reason)
		return s.showStray(c, shared.OutcomeLaunchRefused)
	}
	if err != nil {
		return err
	}
	s.cookies.setFlow(c, launched.Flow.Reveal(), framed)
	return seeOther(c, pathLaunchPage+launched.Handle)
}

// pathLaunchPage is the app's page of a launch, without the handle.
const pathLaunchPage = "/launch/"

// navigates says whether the request is for a document in one of these places. What the browser does not say is not held
// against it.
func navigates(e *exchange, places ...string) bool {
	mode, dest := string(e.mode), string(e.dest)
	if mode != "" && mode != "navigate" {
		return false
	}
	for _, place := range places {
		if dest == "" || dest == place {
			return true
		}
	}
	return false
}

// launchFixes say what to look at if a refused launch was a real one.
var launchFixes = map[string]string{
	"iss":      "compare iss in the address that the EHR opened with the FHIR base URL of `locum check --sheet`: they have to be the same, a slash at the end included",
	"platform": "compare the launch URL that is registered with the one of `locum check --sheet`, and see launch.enabled",
}

// noteRefusedLaunch writes down, as often as a report may be, that a launch was refused. Nothing of it is repeated.
func (s *Server) noteRefusedLaunch(e *exchange, reason string) {
	if !s.refusedLaunches.take(time.Now()) {
		return
	}
	told := []any{"reason", reason, "remote", e.remote}
	if fix := launchFixes[reason]; fix != "" {
		told = append(told, "fix", fix)
	}
	s.log.Warn("launch refused", told...)
	if err := s.audit.Note(audit.Event{Kind: "launch_refused", Code: reason, RequestID: e.id, Remote: e.remote.String()}); err != nil {
		s.log.Error("audit record lost", "kind", "launch_refused", "error", err)
	}
}

// showLaunch is GET /api/v1/launch/{launch}: who asks to open Locum, for the browser that was called. Clinics are named to
// whoever is signed in alone.
func (s *Server) showLaunch(c *fiber.Ctx) error {
	e := exchangeOf(c.Context())
	launch, err := s.connect.LaunchOf(c.Params("launch"), s.browser(e))
	if err != nil {
		return err
	}
	live, err := s.platforms.Get(launch.Platform)
	if err != nil {
		return err
	}
	wire := wirePlatform(live.Platform)
	wire.Scopes, wire.Hint, wire.Standalone, wire.Ending = live.LaunchRequest(nil), "", nil, ""
	if e.session.ID == "" {
		wire.Clinics = nil
	}
	return answer(c, shared.LaunchInfo{Platform: wire, Framed: launch.Framed})
}

// beginLaunch is POST /api/v1/launch: the person agrees. Nobody has to be signed in.
func (s *Server) beginLaunch(c *fiber.Ctx) error {
	var r shared.LaunchRequest
	if err := read(c, &r); err != nil {
		return err
	}
	e := exchangeOf(c.Context())
	ctx, cancel := s.call()
	defer cancel()
	begun, err := s.connect.BeginLaunch(ctx, connect.BeginLaunchRequest{Practitioner: e.session.Practitioner, Session: e.session.ID,
		Handle: r.Launch, ClientState: r.ClientState, Clinic: r.Clinic, Scopes: r.Scopes, Browser: s.browser(e),
		RequestID: e.id, Remote: e.remote.String()})
	if err != nil {
		return err
	}
	return s.answerBegun(c, begun)
}

// answerBegun tells the tab where to navigate: to the platform, or over a ticket.
func (s *Server) answerBegun(c *fiber.Ctx, begun connect.BeginAnswer) error {
	if !begun.Flow.Empty() {
		s.cookies.setFlow(c, begun.Flow.Reveal(), false)
	}
	if !begun.Ticket.Empty() {
		return answer(c, shared.ConnectAnswer{TicketURL: shared.PathTicket + "/" + begun.Ticket.Reveal()})
	}
	return answer(c, shared.ConnectAnswer{AuthorizationURL: begun.AuthorizationURL})
}

// linkLaunch is POST /api/v1/launch/link: the person who signed in at the platform is, or is not, who is signed in here. To
// say no nobody has to be.
func (s *Server) linkLaunch(c *fiber.Ctx) error {
	var r shared.LinkRequest
	if err := read(c, &r); err != nil {
		return err
	}
	e := exchangeOf(c.Context())
	ctx, cancel := s.call()
	defer cancel()
	confirmation := s.confirmation(e, r.ClientState, e.session.Practitioner)
	var outcome vault.Outcome
	var err error
	switch {
	case r.Decline:
		outcome, err = s.connect.Decline(ctx, confirmation)
	case e.session.ID == "":
		return session.ErrSignedOut
	case r.Practitioner != "" && r.Practitioner != e.session.Practitioner:
		return &failure{code: shared.CodeConflict}
	default:
		outcome, err = s.connect.Link(ctx, confirmation)
	}
	if err != nil {
		return s.unfound(e, err)
	}
	return s.answerOutcome(c, outcome)
}

func (s *Server) confirmation(e *exchange, clientState, practitioner string) connect.Confirmation {
	return connect.Confirmation{By: s.asker(e), ClientState: clientState, Practitioner: practitioner, RequestID: e.id,
		Remote: e.remote.String()}
}

func (s *Server) asker(e *exchange) connect.Asker {
	return connect.Asker{Practitioner: e.session.Practitioner, Session: e.session.ID, Browser: s.browser(e)}
}

// unfound answers whoever is not signed in, and asks for what no browser of theirs began, as any other path would.
func (s *Server) unfound(e *exchange, err error) error {
	if e.session.ID == "" && explain(err).code == shared.CodeNotFound {
		return session.ErrSignedOut
	}
	return err
}

// takeTicket is GET /connect/go/{ticket}: the window that a page of ours opened goes on to the platform, once. Only a page of
// ours may have opened it: whoever could send somebody such an address would have them allow access in their own name.
func (s *Server) takeTicket(c *fiber.Ctx) error {
	e := exchangeOf(c.Context())
	if prefetched(c) {
		c.Status(fiber.StatusServiceUnavailable)
		return nil
	}
	if string(e.site) != sameOrigin || string(e.mode) != "navigate" || string(e.dest) != "document" {
		return errForbidden
	}
	departure, err := s.connect.Ticket(c.Params("ticket"), cookieValue(e.cookies, s.cookies.flow))
	if err != nil {
		return s.showStray(c, shared.OutcomeUnknownAttempt)
	}
	s.cookies.setFlow(c, departure.Flow.Reveal(), false)
	to := departure.URL.Reveal()
	if departure.Post {
		return s.showLeaving(c, to)
	}
	c.Set(fiber.HeaderLocation, to)
	c.Status(fiber.StatusSeeOther)
	return nil
}

// leaving is what leaving.html shows: a form that its script sends at once.
type leaving struct {
	Lang, Style, Icon, Script string
	Title, Text, GoOn         string
	Action                    string
	Fields                    []field
}

type field struct{ Name, Value string }

// showLeaving answers with the page that posts an authorization request (SMART App Launch 2.2, authorize-post). to is an
// authorization URL of ours; its query becomes the form.
func (s *Server) showLeaving(c *fiber.Ctx, to string) error {
	e := exchangeOf(c.Context())
	endpoint, query, _ := strings.Cut(to, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return err
	}
	e.answer = s.policies.leaving
	if strings.HasPrefix(endpoint, "http://") {
		e.answer = s.policies.rehearse
	}
	page := s.leavingPage(c)
	page.Action = endpoint
	for _, name := range slices.Sorted(maps.Keys(values)) {
		page.Fields = append(page.Fields, field{name, values.Get(name)})
	}
	return s.renderPlain(c, fiber.StatusOK, "leaving.html", page)
}

// showDone is GET /connect/done: where a window ends that was opened for the way to a platform and back.
func (s *Server) showDone(c *fiber.Ctx) error {
	return s.renderPlain(c, fiber.StatusOK, "message.html", s.donePage(c))
}
