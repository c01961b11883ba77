package bff

import (
	"context"
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"

	"locum/bff/audit"
	"locum/bff/oauth"
	"locum/bff/tokens"
	"locum/shared"
)

// logoutPatience bounds the check of a logout token: the platform waits for the answer, and its person for the platform.
const logoutPatience = 5 * time.Second

// reasonReplayed is why a logout token that was obeyed before is refused; other reasons are oauth's.
const reasonReplayed = "replayed"

// backchannelLogout is POST /connect/{platform}/backchannel-logout (OpenID Connect Back-Channel Logout 1.0 §2.5 to §2.8):
// the platform says that a login there is over. What came of it ends here before the answer: the connections, and every
// session of the practitioners they belong to, with its streams and tabs. Nothing but the token's signature says who sends
// it: cookies are not read, and what a stranger sends costs one signature at most.
func (s *Server) backchannelLogout(c *fiber.Ctx) error {
	live, err := s.platforms.Get(c.Params("platform"))
	if err != nil {
		return &failure{code: shared.CodeNotFound, err: err}
	}
	if mediaType(c.Get(fiber.HeaderContentType)) != fiber.MIMEApplicationForm {
		return s.refuseLogout(c, live.ID, &oauth.TokenError{Code: oauth.TokenMalformed})
	}
	token, err := oauth.ParseLogoutForm(string(c.Request().Body()))
	if err != nil {
		return s.refuseLogout(c, live.ID, err)
	}
	ctx, cancel := context.WithTimeout(s.life, logoutPatience)
	defer cancel()
	out, err := live.OAuth.VerifyLogout(ctx, token)
	if err != nil {
		return s.refuseLogout(c, live.ID, err)
	}
	e := exchangeOf(c.Context())
	concerned, err := s.tokens.LoggedOut(live.ID, out, func(practitioner string) error {
		_, err := s.sessions.EndAll(practitioner)
		return err
	})
	if errors.Is(err, tokens.ErrReplayed) {
		return s.refuseLogout(c, live.ID, err)
	}
	for _, practitioner := range concerned {
		err = errors.Join(err, s.audit.Note(audit.Event{Kind: "sign_out", Code: "backchannel", RequestID: e.id,
			Practitioner: practitioner, Platform: live.ID, Remote: e.remote.String()}))
	}
	if err != nil {
		return err
	}
	s.log.Info("a login has ended at the platform", "platform", live.ID, "practitioners", len(concerned))
	c.Status(fiber.StatusOK) // without a body: nobody reads it
	return nil
}

// refuseLogout answers 400 (§2.8) and says why: in the answer, the log and the audit trail, the last two as often as a report
// may. A token that could not be judged is no worse for it: 503.
func (s *Server) refuseLogout(c *fiber.Ctx, platformID string, err error) error {
	var refused *oauth.TokenError
	reason := reasonReplayed
	if errors.As(err, &refused) {
		reason = refused.Code
	}
	if s.refusedLogouts.take(time.Now()) {
		e := exchangeOf(c.Context())
		s.log.Warn("logout token refused", "platform", platformID, "reason", reason, "remote", e.remote)
		if err := s.audit.Note(audit.Event{Kind: "logout_refused", Code: reason, RequestID: e.id, Platform: platformID,
			Remote: e.remote.String()}); err != nil {
			s.log.Error("audit record lost", "kind", "logout_refused", "error", err)
		}
	}
	if refused != nil && refused.Temporary() {
		return &failure{code: shared.CodePlatformUnavailable, retryAfter: logoutPatience, err: err}
	}
	return &failure{code: shared.CodeBadRequest, params: map[string]string{"reason": reason}, err: err}
}
