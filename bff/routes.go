package bff

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"locum/shared"
)

// route is one line of the table: who may come, what they find, and the policy of the answer.
type route struct {
	method  string
	path    string // with {names}, as in shared; a last segment of "*" takes the rest
	answer  *policy
	guards  []fiber.Handler
	handler fiber.Handler
}

// routes are all there are. What is not here is 404, and a method that is not here is 405, both as problems: no path
// falls through to a page.
func (s *Server) routes() []route {
	const get, head, post, put, patch, del = "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"
	p := s.policies
	everyone := []fiber.Handler{}
	reader := []fiber.Handler{s.reads, s.signedIn}
	person := []fiber.Handler{s.changes, s.signedIn, s.active} // what a person did: it keeps the session alive
	app := []fiber.Handler{s.changes, s.signedIn}              // what the app does by itself: it does not
	form := []fiber.Handler{s.posts}
	connection, proxied := shared.PathConnections+"/{connection}", shared.PathProxy+"/{connection}/*"
	callback := shared.CallbackPath("{platform}")

	table := []route{
		{get, shared.PathSignIn, p.form, everyone, s.showSignIn},
		{head, shared.PathSignIn, p.form, everyone, s.showSignIn},
		{post, shared.PathSignIn, p.form, form, s.signIn},
		{post, shared.PathSignOut, p.api, form, s.signOut},
		{get, shared.PathSetup, p.form, everyone, s.showSetup},
		{head, shared.PathSetup, p.form, everyone, s.showSetup},
		{post, shared.PathSetup, p.form, form, s.setUp},

		{get, shared.PathSession, p.api, reader, s.showSession},
		{post, shared.PathActivity, p.api, person, s.recordActivity},
		{get, shared.PathEvents, p.api, reader, s.streamEvents},
		{get, shared.PathPlatforms, p.api, reader, s.listPlatforms},
		{post, shared.PathConnect, p.api, person, s.beginConnect},
		{post, shared.PathOutcome, p.api, app, s.showOutcome},
		{get, shared.PathConnections, p.api, reader, s.listConnections},
		{get, connection, p.api, reader, s.showConnection},
		{get, connection + "/life", p.api, reader, s.showLife},
		{post, connection + "/diagnosis", p.api, person, s.diagnose},
		{del, connection, p.api, person, s.disconnect},
		{get, shared.PathOpenAPI, p.api, everyone, s.showOpenAPI},

		{get, proxied, p.api, reader, s.callPlatform},
		{post, proxied, p.api, person, s.callPlatform},
		{put, proxied, p.api, person, s.callPlatform},
		{patch, proxied, p.api, person, s.callPlatform},
		{del, proxied, p.api, person, s.callPlatform},

		{get, callback, p.callback, everyone, s.callback},
		{post, shared.LogoutPath("{platform}"), p.callback, everyone, s.backchannelLogout},
		{get, shared.KeysPath("{platform}"), p.keys, everyone, s.showKeys},
		{head, shared.KeysPath("{platform}"), p.keys, everyone, s.showKeys},
		{post, pathReports, p.api, everyone, s.takeReports},

		{get, shared.PathHealth, p.api, everyone, s.health},
		{head, shared.PathHealth, p.api, everyone, s.health},
		{get, shared.PathReady, p.api, everyone, s.ready},
		{head, shared.PathReady, p.api, everyone, s.ready},
	}
	for _, page := range shared.Pages {
		table = append(table, route{get, page.Pattern, p.page, everyone, s.showPage(page)},
			route{head, page.Pattern, p.page, everyone, s.showPage(page)})
	}
	for _, path := range s.assets.paths() {
		table = append(table, route{get, path, p.asset, everyone, s.showAsset(path)},
			route{head, path, p.asset, everyone, s.showAsset(path)})
	}
	return table
}

// mount hands the table to Fiber: each route behind its guards, then 405 for each known path, then 404.
func (s *Server) mount(app *fiber.App, table []route) {
	allowed := map[string][]string{}
	var order []string
	for _, r := range table {
		if allowed[r.path] == nil {
			order = append(order, r.path)
		}
		allowed[r.path] = append(allowed[r.path], r.method)
		handlers := append([]fiber.Handler{s.enter(r.path, r.answer)}, r.guards...)
		app.Add(r.method, fiberPath(r.path), append(handlers, r.handler)...)
	}
	for _, path := range order {
		wrong := &failure{code: shared.CodeMethodNotAllowed, allow: strings.Join(allowed[path], ", ")}
		app.All(fiberPath(path), s.enter(path, s.policies.api), func(*fiber.Ctx) error { return wrong })
	}
	app.Use(s.enter("none", s.policies.api), s.notFound)
}

// enter notes which route answers, by its pattern, and with which policy.
func (s *Server) enter(pattern string, answer *policy) fiber.Handler {
	return func(c *fiber.Ctx) error {
		e := exchangeOf(c.Context())
		e.pattern, e.answer = pattern, answer
		return c.Next()
	}
}

// fiberPath writes {name} as :name.
func fiberPath(pattern string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(pattern)
}
