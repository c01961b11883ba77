package bff

import (
	"slices"
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

// The methods of the table.
const (
	get   = fiber.MethodGet
	head  = fiber.MethodHead
	post  = fiber.MethodPost
	put   = fiber.MethodPut
	patch = fiber.MethodPatch
	del   = fiber.MethodDelete
)

// routes are all there are, by subject. What is not here is 404, and a method that is not here is 405, both as problems: no
// path falls through to a page.
func (s *Server) routes() []route {
	return slices.Concat(s.formRoutes(), s.apiRoutes(), s.proxyRoutes(), s.platformRoutes(), s.pageRoutes())
}

// everyone are the guards of what anybody may come for.
var everyone = []fiber.Handler{}

// reader reads data by script; person is somebody who did something, which keeps the session alive; app is the app by
// itself, which does not.
func (s *Server) reader() []fiber.Handler { return []fiber.Handler{s.reads, s.signedIn} }
func (s *Server) person() []fiber.Handler { return []fiber.Handler{s.changes, s.signedIn, s.active} }

// writer is a person who changes something at a platform.
func (s *Server) writer() []fiber.Handler {
	return []fiber.Handler{s.changesThere, s.signedIn, s.speaksThat, s.active}
}

// formRoutes are the pages outside the app, and their forms.
func (s *Server) formRoutes() []route {
	p, form := s.policies, []fiber.Handler{s.posts}
	return []route{
		{get, shared.PathSignIn, p.form, everyone, s.showSignIn},
		{head, shared.PathSignIn, p.form, everyone, s.showSignIn},
		{post, shared.PathSignIn, p.form, form, s.signIn},
		{post, shared.PathSignOut, p.api, form, s.signOut},
		{get, shared.PathSetup, p.form, everyone, s.showSetup},
		{head, shared.PathSetup, p.form, everyone, s.showSetup},
		{post, shared.PathSetup, p.form, form, s.setUp},
	}
}

// apiRoutes are what the app asks Locum itself. Where an EHR launched, nobody has to be signed in yet.
func (s *Server) apiRoutes() []route {
	p, reader, person := s.policies, s.reader(), s.person()
	launched := []fiber.Handler{s.reads, s.perhapsSignedIn}
	launcher := []fiber.Handler{s.changes, s.perhapsSignedIn, s.perhapsActive}
	asker := []fiber.Handler{s.changes, s.perhapsSignedIn, s.recognised} // the app by itself: it keeps no session alive
	connection := shared.PathConnections + "/{connection}"
	return []route{
		{get, shared.PathSession, p.api, reader, s.showSession},
		{post, shared.PathActivity, p.api, person, s.recordActivity},
		{get, shared.PathEvents, p.api, reader, s.streamEvents},
		{get, shared.PathPlatforms, p.api, reader, s.listPlatforms},
		{post, shared.PathConnect, p.api, person, s.beginConnect},
		{post, shared.PathOutcome, p.api, asker, s.showOutcome},
		{post, shared.PathLaunch, p.api, launcher, s.beginLaunch},
		{post, shared.PathLaunch + "/link", p.api, append(asker, s.perhapsActive), s.linkLaunch},
		{get, shared.PathLaunch + "/{launch}", p.api, launched, s.showLaunch},
		{get, shared.PathConnections, p.api, reader, s.listConnections},
		{get, connection, p.api, reader, s.showConnection},
		{get, connection + "/life", p.api, reader, s.showLife},
		{get, connection + "/style", p.api, reader, s.showStyle},
		{post, connection + "/diagnosis", p.api, person, s.diagnose},
		{del, connection, p.api, person, s.disconnect},
		{get, shared.PathServices, p.api, reader, s.listServices},
		{get, shared.PathOpenAPI, p.api, everyone, s.showOpenAPI},
	}
}

// proxyRoutes are the one door to a platform's own API.
func (s *Server) proxyRoutes() []route {
	p, proxied := s.policies, shared.PathProxy+"/{connection}/*"
	return []route{
		{get, proxied, p.api, s.reader(), s.callPlatform},
		{post, proxied, p.api, s.writer(), s.callPlatform},
		{put, proxied, p.api, s.writer(), s.callPlatform},
		{patch, proxied, p.api, s.writer(), s.callPlatform},
		{del, proxied, p.api, s.writer(), s.callPlatform},
	}
}

// platformRoutes are what platforms, and browsers on their way to one and back, come for.
func (s *Server) platformRoutes() []route {
	const id = "{platform}"
	p := s.policies
	return []route{
		{get, shared.CallbackPath(id), p.callback, everyone, s.callback},
		{get, shared.LaunchPath(id), p.callback, everyone, s.launch},
		{get, shared.PathTicket + "/{ticket}", p.callback, everyone, s.takeTicket},
		{get, pathDone, p.message, everyone, s.showDone},
		{post, shared.LogoutPath(id), p.callback, everyone, s.backchannelLogout},
		{get, shared.KeysPath(id), p.keys, everyone, s.showKeys},
		{head, shared.KeysPath(id), p.keys, everyone, s.showKeys},
	}
}

// pageRoutes are the app's pages and files, what browsers report, and what probes ask.
func (s *Server) pageRoutes() []route {
	p := s.policies
	table := []route{
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
