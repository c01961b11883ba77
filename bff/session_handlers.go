package bff

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/gofiber/fiber/v2"

	"locum/bff/audit"
	"locum/bff/session"
	"locum/shared"
)

// callTimeout is how long one request may keep the rooms below busy, whether or not its caller waits for it; turnTimeout
// how long a proxied call may wait for its turn: a person would rather be told when to come back. The platform's own
// time-out runs from the moment it is sent.
const (
	callTimeout = 40 * time.Second
	turnTimeout = 15 * time.Second
)

// signedIn lets a request through that carries a living session of an account that may still sign in; everything else
// gets 401 and never a redirect. It is no activity: an open tab that polls does not keep a session alive (T089).
func (s *Server) signedIn(c *fiber.Ctx) error {
	if err := s.findSession(exchangeOf(c.Context())); err != nil {
		return err
	}
	return c.Next()
}

// active counts as activity: what a person did, not what a page does by itself.
func (s *Server) active(c *fiber.Ctx) error {
	if err := s.sessions.Touch(exchangeOf(c.Context()).session.ID); err != nil {
		return err
	}
	return c.Next()
}

// showSession is GET /api/v1/session: who is signed in, and for how long.
func (s *Server) showSession(c *fiber.Ctx) error {
	e := exchangeOf(c.Context())
	current := e.session
	who, err := s.accounts.ByID(current.Practitioner)
	if err != nil {
		return errors.Join(session.ErrSignedOut, err)
	}
	idle, absolute := s.sessions.Remaining(current)
	return answer(c, shared.Session{
		Practitioner: shared.Practitioner{ID: who.ID, Login: who.Login, Name: who.Name},
		IdleSeconds:  int(idle / time.Second), EndsSeconds: int(absolute / time.Second),
		Administrator: s.isAdministrator(who.Login), Frame: s.wireFrame(e),
	})
}

// recordActivity is POST /api/v1/activity: the guard active has already done it.
func (s *Server) recordActivity(c *fiber.Ctx) error {
	return c.SendStatus(fiber.StatusNoContent)
}

// signOut is POST /sign-out. The session ends on the server first; then the browser is told to forget (T006, T088).
// Without a living session there is nothing to end, and the answer is the same. It waits for no record (T111): whoever
// leaves must be able to.
func (s *Server) signOut(c *fiber.Ctx) error {
	e := exchangeOf(c.Context())
	if err := s.endSession(e); err != nil {
		return err
	}
	s.cookies.clear(c)
	c.Set("Clear-Site-Data", `"cache", "storage"`)
	return seeOther(c, shared.PathSignIn)
}

// endSession ends the session whose cookie came with the request, and what it has begun at platforms. Where both a frame's
// and a page's came, both end. Its record is written when it can be.
func (s *Server) endSession(e *exchange) error {
	err := s.endOne(e, session.Top, cookieValue(e.cookies, s.cookies.session))
	if s.cookies.embedded {
		err = errors.Join(err, s.endOne(e, session.Frame, cookieValue(e.cookies, s.cookies.frame)))
	}
	return err
}

func (s *Server) endOne(e *exchange, place session.Place, cookie string) error {
	current, err := s.sessions.LookupIn(place, cookie)
	if errors.Is(err, session.ErrSignedOut) {
		return s.sessions.EndAgainIn(place, cookie)
	}
	if err != nil {
		return err
	}
	if err := s.sessions.End(current.ID); err != nil {
		return err
	}
	forgotten := s.connect.Forget(current.ID)
	return errors.Join(forgotten, s.audit.Note(audit.Event{Kind: "sign_out", RequestID: e.id, Practitioner: current.Practitioner,
		Session: current.ID, Remote: e.remote.String()}))
}

// call is the context of one call into the rooms below: it outlives a caller who leaves and ends with the server.
func (s *Server) call() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.life, callTimeout)
}

// answer writes v as JSON.
func answer(c *fiber.Ctx, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(body)
}

// read decodes the request's body into v: one JSON value, no unknown field, nothing behind it.
func read(c *fiber.Ctx, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(c.Request().Body()))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return &failure{code: shared.CodeBadRequest, err: err}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return &failure{code: shared.CodeBadRequest}
	}
	return nil
}

// seeOther redirects to a path of ours by 303, with an empty body. path is never made from a request.
func seeOther(c *fiber.Ctx, path string) error {
	c.Set(fiber.HeaderLocation, path)
	c.Status(fiber.StatusSeeOther)
	return nil
}
