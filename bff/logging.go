package bff

import (
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// logExchange writes one line per answer. It names the route's pattern, never the path, the query, a header or a body:
// those may hold an identifier of a patient, a code or a state.
func (s *Server) logExchange(ctx *fasthttp.RequestCtx, e *exchange) {
	status := ctx.Response.StatusCode()
	level := slog.LevelInfo
	attributes := []slog.Attr{
		slog.String("request_id", e.id),
		slog.String("method", methodName(ctx.Method())),
		slog.String("route", e.pattern),
		slog.Int("status", status),
		slog.Duration("took", time.Since(e.start)),
		slog.String("remote", e.caller()),
	}
	if e.failure != nil {
		attributes = append(attributes, slog.String("code", string(e.failure.code)))
		if e.failure.why != "" {
			attributes = append(attributes, slog.String("why", e.failure.why))
		}
		if e.failure.err != nil && status >= fiber.StatusInternalServerError {
			attributes = append(attributes, slog.String("error", e.failure.err.Error()))
			level = slog.LevelWarn
		}
	}
	s.log.LogAttrs(ctx, level, "request", attributes...)
}

// transportLog takes what fasthttp says about connections, which it would print past the structured log. Only its own
// sentences go in, never what they are filled with: an error there may quote the request. Each unreadable request has its
// line from onUnreadable already.
type transportLog struct{ log *slog.Logger }

// Printf is fasthttp's Logger.
func (l transportLog) Printf(format string, _ ...any) {
	l.log.Debug("connection", "about", format)
}

// methodName is the method where it is one that Locum answers; a strange one is a caller's text and stays out.
func methodName(method []byte) string {
	if allowedMethod(method) {
		return string(method)
	}
	return "other"
}
