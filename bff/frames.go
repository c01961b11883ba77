package bff

import (
	"errors"
	"slices"

	"github.com/gofiber/fiber/v2"

	"locum/bff/connect"
	"locum/bff/session"
	"locum/shared"
)

// A page of Locum inside an EHR's page has cookies of its own: None and Partitioned, so that the browser sends them from
// there at all. Such cookies also come with requests that the EHR's page, or another frame in it, makes. So:
//
//   - they are set and read only where the configuration names the EHR's origins; who else shows a page of ours in a frame is
//     stopped by frame-ancestors, which is the same for every answer and depends on no request;
//   - they are believed only beside Sec-Fetch-Site: same-origin, which a browser writes and no page can, in addition to all
//     that is asked of every request (the app's header, Origin); a browser without that header has no session in a frame;
//   - the value of one place is good in no other: it is hashed with the place (session.Place);
//   - a request with both session cookies, which a browser sends only where EHR and Locum share a site, has none: the next
//     sign-in takes the other one away.
//
// That a page is loaded into a frame is what the browser says in Sec-Fetch-Dest. It only chooses which cookie a sign-in or a
// launch sets, in the very browser that says so: whoever lies gets their own session into the other cookie, and the Strict
// cookie of nobody becomes another one by it.

// place is where the request's session cookie lives, and its value; "" where there is none, or no telling which.
func (s *Server) place(e *exchange) (session.Place, string) {
	k := s.cookies
	if !k.embedded || !holds(e.cookies, k.frame) {
		return session.Top, cookieValue(e.cookies, k.session)
	}
	if holds(e.cookies, k.session) || string(e.site) != sameOrigin {
		return session.Frame, ""
	}
	return session.Frame, cookieValue(e.cookies, k.frame)
}

// browser is what a browser shows of itself. The frame's flow value is believed as its session is.
func (s *Server) browser(e *exchange) connect.Browser {
	b := connect.Browser{Flow: cookieValue(e.cookies, s.cookies.flow)}
	if s.cookies.embedded && string(e.site) == sameOrigin {
		b.Frame = cookieValue(e.cookies, s.cookies.frameFlow)
	}
	return b
}

// intoFrame says whether the browser is loading this answer into a frame that the configuration allows.
func (s *Server) intoFrame(e *exchange) bool {
	return s.cookies.embedded && (string(e.dest) == "iframe" || string(e.dest) == "frame")
}

// perhapsSignedIn lets everybody through, and knows who is signed in.
func (s *Server) perhapsSignedIn(c *fiber.Ctx) error {
	err := s.findSession(exchangeOf(c.Context()))
	if err != nil && !errors.Is(err, session.ErrSignedOut) {
		return err
	}
	return c.Next()
}

// recognised lets a browser through that is signed in, or that has begun something without being so and shows its flow
// value; whether that fits, what it asks for decides. Everybody else gets 401, as at any other path.
func (s *Server) recognised(c *fiber.Ctx) error {
	e := exchangeOf(c.Context())
	if e.session.ID == "" && s.browser(e) == (connect.Browser{}) {
		return session.ErrSignedOut
	}
	return c.Next()
}

// perhapsActive is active for whoever is signed in.
func (s *Server) perhapsActive(c *fiber.Ctx) error {
	if exchangeOf(c.Context()).session.ID == "" {
		return c.Next()
	}
	return s.active(c)
}

// findSession puts the living session of an account that may still sign in into the exchange.
func (s *Server) findSession(e *exchange) error {
	place, value := s.place(e)
	found, err := s.sessions.LookupIn(place, value)
	if err != nil {
		return err
	}
	if !s.accounts.Active(found.Practitioner) {
		return session.ErrSignedOut
	}
	e.session, e.framed = found, place == session.Frame
	return nil
}

// wireFrame is what the app is told where it runs inside an EHR.
func (s *Server) wireFrame(e *exchange) *shared.Frame {
	if !e.framed {
		return nil
	}
	return &shared.Frame{Ancestors: slices.Clone(s.ancestors())}
}

// ancestors are the origins whose pages may show ours.
func (s *Server) ancestors() []string {
	if s.cfg.Embedded == nil {
		return nil
	}
	return s.cfg.Embedded.FrameAncestors
}

// isAdministrator says whether the configuration names the login.
func (s *Server) isAdministrator(login string) bool {
	return slices.Contains(s.cfg.Administrators, login)
}
