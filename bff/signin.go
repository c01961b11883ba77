package bff

import (
	"bytes"
	"errors"
	"net/url"
	"slices"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"locum/app/words"
	"locum/bff/account"
	"locum/bff/audit"
	"locum/bff/secret"
	"locum/bff/session"
	"locum/shared"
)

// maxLogin and maxPassword bound what the form accepts, in bytes; longer is a wrong password.
const (
	maxLogin    = 256
	maxPassword = 1024
)

// signInPage is what signin.html shows. It has no field for a password: none can be sent back.
type signInPage struct {
	Lang, Style, Icon, Wasm string
	Words                   words.SignIn
	Action, Then            string
	Login, Error            string
	Cards                   []DemoCard
	Setup, Offer, Open      string // the way to the first account, while there is none
}

// thenOutcome is the one other place that a sign-in may lead to: the page of an attempt that this tab began without a
// session. It is a word and no address, so no request can name a target.
const thenOutcome = "outcome"

// showSignIn is GET /sign-in: a plain form outside the app, so a password never enters WebAssembly's memory.
func (s *Server) showSignIn(c *fiber.Ctx) error {
	return s.renderSignIn(c, fiber.StatusOK, "", "", string(c.Request().URI().QueryString()) == "then="+thenOutcome)
}

func (s *Server) renderSignIn(c *fiber.Ctx, status int, login, problem string, outcome bool) error {
	lang := words.Pick(c.Get(fiber.HeaderAcceptLanguage))
	page := signInPage{Lang: lang, Style: s.assets.resolve("/web/app.css"), Icon: s.assets.resolve("/web/icon.svg"),
		Words: words.For(lang).SignIn, Action: shared.PathSignIn, Login: login, Error: problem, Cards: s.demoCards(c)}
	if outcome {
		page.Then = thenOutcome
	}
	if s.needsSetup() {
		say := words.For(lang).Setup
		page.Setup, page.Offer, page.Open = shared.PathSetup, say.Offer, say.Open
	}
	if s.assets.built {
		page.Wasm = s.assets.resolve("/web/" + wasmFile)
	}
	return s.renderPlain(c, status, "signin.html", page)
}

// renderPlain answers with one of the templates.
func (s *Server) renderPlain(c *fiber.Ctx, status int, name string, data any) error {
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, name, data); err != nil {
		return err
	}
	c.Set(fiber.HeaderVary, fiber.HeaderAcceptLanguage)
	c.Set(fiber.HeaderContentType, mediaTypes[".html"])
	return c.Status(status).Send(out.Bytes())
}

// demoCards are the one-click cards, for a caller on this machine and never for another.
func (s *Server) demoCards(c *fiber.Ctx) []DemoCard {
	if s.demo == nil || !exchangeOf(c.Context()).local {
		return nil
	}
	return s.demo.Cards
}

// signIn is POST /sign-in. A right password, or a demo card, starts a new session; the one whose cookie came along ends,
// so no value that somebody knew before stands for the practitioner afterwards (T022).
func (s *Server) signIn(c *fiber.Ctx) error {
	form, err := url.ParseQuery(string(c.Request().Body()))
	if err != nil {
		return &failure{code: shared.CodeBadRequest}
	}
	e := exchangeOf(c.Context())
	who, err := s.prove(c, form, e)
	if err == nil {
		err = s.startSession(c, e, who.ID, s.intoFrame(e), "")
	}
	if err != nil {
		return s.refuseSignIn(c, form, err)
	}
	if form.Get("then") == thenOutcome {
		return seeOther(c, pathOutcome)
	}
	return seeOther(c, "/")
}

// startSession ends the session whose cookie came with the request, and starts one of the practitioner, once it is on
// record: by what, where it was not the form. In a browser that brought both session cookies only the new one is left.
func (s *Server) startSession(c *fiber.Ctx, e *exchange, practitioner string, framed bool, by string) error {
	if err := s.endSession(e); err != nil {
		return err
	}
	place := session.Top
	if framed {
		place = session.Frame
	}
	cookie, started, err := s.sessions.StartIn(place, practitioner)
	if err != nil {
		return err
	}
	ctx, cancel := s.call()
	defer cancel()
	event := audit.Event{Kind: "sign_in", Code: by, RequestID: e.id, Practitioner: practitioner, Session: started.ID, Remote: e.remote.String()}
	if err := s.audit.Event(ctx, event); err != nil {
		return errors.Join(err, s.sessions.End(started.ID))
	}
	s.cookies.forgetOther(c, framed)
	s.cookies.setSession(c, cookie.Reveal(), framed)
	return nil
}

// prove says who signs in: by a demo card where those are offered, else by login and password.
func (s *Server) prove(c *fiber.Ctx, form url.Values, e *exchange) (account.Account, error) {
	if card := form.Get("card"); card != "" {
		if !slices.ContainsFunc(s.demoCards(c), func(d DemoCard) bool { return d.Login == card }) {
			return account.Account{}, account.ErrCredentials
		}
		who, err := s.accounts.ByLogin(card)
		if err == nil && who.Disabled {
			err = account.ErrCredentials
		}
		return who, err
	}
	login, password := form.Get("login"), form.Get("password")
	if len(login) > maxLogin || len(password) > maxPassword {
		return account.Account{}, account.ErrCredentials
	}
	ctx, cancel := s.call()
	defer cancel()
	return s.accounts.Verify(ctx, login, secret.New(password), e.remote.String())
}

// refuseSignIn shows the form again with one sentence. The log's line has the code; the audit trail has nothing, since
// whoever is not signed in must not be able to fill it.
func (s *Server) refuseSignIn(c *fiber.Ctx, form url.Values, err error) error {
	login := form.Get("login")
	e := exchangeOf(c.Context())
	e.failure = explain(err)
	say := words.For(words.Pick(c.Get(fiber.HeaderAcceptLanguage))).SignIn
	status, problem := meanings[e.failure.code].status, say.Unavailable
	switch e.failure.code {
	case shared.CodeCredentials:
		problem = say.Failed
	case shared.CodeTooManyAttempts:
		problem = say.Throttled
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(max(1, seconds(e.failure.retryAfter))))
	}
	if len(login) > maxLogin {
		login = ""
	}
	return s.renderSignIn(c, status, login, problem, form.Get("then") == thenOutcome)
}

// Use is the label of a card: sentence with the card's name in it.
func (d DemoCard) Use(sentence string) string { return words.Fill(sentence, "name", d.Name) }
