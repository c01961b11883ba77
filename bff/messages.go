package bff

import (
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"locum/app/words"
	"locum/shared"
)

// message is what message.html shows: one thing that happened and one next step.
type message struct {
	Lang, Style, Icon string
	Title, Text       string
	Next, NextLabel   string // where to go on; empty: nowhere
	Refresh           string // where the browser goes by itself
}

// showStray answers a callback that belongs to no attempt of this browser's: what happened, in words, and onwards to
// the app's page about it. The refresh waits for nothing, so browsers put it in place of this address in their history
// (HTML, "shared declarative refresh steps"), and code and state are gone from both. Nothing the platform sent is repeated.
func (s *Server) showStray(c *fiber.Ctx, code shared.Code) error {
	e := exchangeOf(c.Context())
	e.answer, e.failure = s.policies.message, &failure{code: code}
	lang := words.Pick(c.Get(fiber.HeaderAcceptLanguage))
	outcome := words.For(lang).Outcome(code)
	return s.renderPlain(c, fiber.StatusBadRequest, "message.html", message{
		Lang: lang, Style: s.assets.resolve("/web/app.css"), Icon: s.assets.resolve("/web/icon.svg"),
		Title: outcome.Title, Text: outcome.Text, Next: "/connections", NextLabel: words.For(lang).Callback.Back,
		Refresh: pathOutcome + "?error=" + url.QueryEscape(string(code)),
	})
}

// donePage says that a window has served.
func (s *Server) donePage(c *fiber.Ctx) message {
	lang := words.Pick(c.Get(fiber.HeaderAcceptLanguage))
	say := words.For(lang).Callback
	return message{Lang: lang, Style: s.assets.resolve("/web/app.css"), Icon: s.assets.resolve("/web/icon.svg"),
		Title: say.Done, Text: say.DoneText}
}

// leavingPage is the form on the way to a platform, without what it sends.
func (s *Server) leavingPage(c *fiber.Ctx) leaving {
	lang := words.Pick(c.Get(fiber.HeaderAcceptLanguage))
	say := words.For(lang).Callback
	return leaving{Lang: lang, Style: s.assets.resolve("/web/app.css"), Icon: s.assets.resolve("/web/icon.svg"),
		Script: pathLeave, Title: say.Leaving, Text: say.LeavingText, GoOn: say.GoOn}
}

// notFound is 404: a problem for every program, and a plain page for a person whose browser asks for a document outside
// the paths of programs. It is never a page of the app.
func (s *Server) notFound(c *fiber.Ctx) error {
	missing := &failure{code: shared.CodeNotFound}
	if c.Method() != fiber.MethodGet || string(exchangeOf(c.Context()).dest) != "document" || machinePath(c.Path()) {
		return missing
	}
	e := exchangeOf(c.Context())
	e.answer, e.failure = s.policies.form, missing
	lang := words.Pick(c.Get(fiber.HeaderAcceptLanguage))
	say := words.For(lang).NotFound
	return s.renderPlain(c, fiber.StatusNotFound, "message.html", message{
		Lang: lang, Style: s.assets.resolve("/web/app.css"), Icon: s.assets.resolve("/web/icon.svg"),
		Title: say.Title, Text: say.Text, Next: "/", NextLabel: say.Home,
	})
}

// machinePath says whether only programs have any business below path.
func machinePath(path string) bool {
	for _, prefix := range []string{"/api/", "/proxy/", "/connect/", "/web/", "/."} {
		if strings.HasPrefix(path+"/", prefix) {
			return true
		}
	}
	return false
}
