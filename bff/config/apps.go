package config

import (
	"time"

	"github.com/goccy/go-yaml/ast"

	"locum/bff/oauth"
	"locum/bff/platform"
)

// athena reads an entry of kind athenahealth.
func (r *reader) athena() (platformEntry, []key) {
	c := &platform.AthenaConfig{}
	keys := append(r.app(&c.AppConfig),
		key{"environment", func(path string, n ast.Node) { c.Environment = r.text(path, n) }},
		key{"base", func(path string, n ast.Node) { c.Base = r.text(path, n) }},
		key{"issuer", func(path string, n ast.Node) { c.Issuer = r.text(path, n) }},
		key{"practices", func(path string, n ast.Node) { c.Practices = r.practices(path, n) }},
	)
	return platformEntry{id: &c.ID, build: func(publicURL string) (*platform.Platform, error) {
		c.PublicURL = publicURL
		return platform.Athena(*c)
	}}, keys
}

// smart reads an entry of kind smart.
func (r *reader) smart() (platformEntry, []key) {
	c := &platform.SMARTConfig{}
	keys := append(r.app(&c.AppConfig),
		key{"fhir_base", func(path string, n ast.Node) { c.FHIRBase = r.text(path, n) }},
		key{"issuer", func(path string, n ast.Node) { c.Issuer = r.text(path, n) }},
		key{"send_scope", func(path string, n ast.Node) { c.SendScope = r.yes(path, n) }},
		key{"metadata_since", func(path string, n ast.Node) { c.MetadataSince = r.day(path, n) }},
	)
	return platformEntry{id: &c.ID, build: func(publicURL string) (*platform.Platform, error) {
		c.PublicURL = publicURL
		return platform.SMART(*c)
	}}, keys
}

// app are the keys that both kinds of SMART app have.
func (r *reader) app(c *platform.AppConfig) []key {
	return []key{
		{"id", func(path string, n ast.Node) { c.ID = r.text(path, n) }},
		{"name", func(path string, n ast.Node) { c.Name = r.text(path, n) }},
		{"client_id", func(path string, n ast.Node) { c.ClientID = r.text(path, n) }},
		{"auth", func(path string, n ast.Node) {
			c.Auth = r.auth(path, n, "", key{"jwks_cache", func(path string, n ast.Node) {
				c.JWKSCache = r.duration(CodeAuth, path, n, time.Minute, 48*time.Hour)
			}})
		}},
		{"id_token_algorithms", func(path string, n ast.Node) { c.IDAlgorithms = r.texts(path, n) }},
		{"scopes", func(path string, n ast.Node) { c.Scopes = r.texts(path, n) }},
		{"more_scopes", func(path string, n ast.Node) { c.MoreScopes = r.texts(path, n) }},
		{"launch", func(path string, n ast.Node) { r.launch(path, n, c) }},
		{"standalone", func(path string, n ast.Node) { c.Standalone = r.texts(path, n) }},
		{"introspection", func(path string, n ast.Node) {
			c.IntrospectionMethod = r.oneOf(CodeIntrospection, path, n, []string{"GET", "POST"})
		}},
		{"service", func(path string, n ast.Node) { c.Service = r.service(path, n) }},
		{"limits", func(path string, n ast.Node) { c.Limits = r.limits(path, n) }},
		{"refresh", func(path string, n ast.Node) { c.Refresh = r.refresh(path, n, true) }},
		{"on_disconnect", func(path string, n ast.Node) {
			c.Ending = r.oneOf(CodeEnding, path, n, []string{platform.EndingRevoke, platform.EndingForget})
		}},
	}
}

func (r *reader) practices(path string, node ast.Node) []platform.Practice {
	var practices []platform.Practice
	r.list(path, node, func(path string, node ast.Node) {
		var practice platform.Practice
		r.mapping(path, node, nil,
			key{"id", func(path string, n ast.Node) { practice.ID = r.text(path, n) }},
			key{"name", func(path string, n ast.Node) { practice.Name = r.text(path, n) }},
		)
		practices = append(practices, practice)
	})
	return practices
}

// launch reads how EHR launches are answered.
func (r *reader) launch(path string, node ast.Node, c *platform.AppConfig) {
	r.mapping(path, node, nil,
		key{"enabled", func(path string, n ast.Node) { c.NoLaunch = !r.yes(path, n) }},
		key{"scopes", func(path string, n ast.Node) { c.LaunchScopes = r.texts(path, n) }},
	)
	if c.NoLaunch && c.LaunchScopes != nil {
		r.find(CodeLaunch, join(path, "scopes"), "no launch is answered, so they are never asked for", "leave them out, or write enabled: true")
	}
}

// encodings are the ways to write id and secret of client_secret_basic.
var encodings = []string{"form", "raw"}

// auth reads how a client authenticates, one way at a time. option is that of the command that seals its secret.
func (r *reader) auth(path string, node ast.Node, option string, more ...key) oauth.Auth {
	var a oauth.Auth
	methods := []string{oauth.AuthBasic, oauth.AuthPost, oauth.AuthKey, oauth.AuthNone}
	r.mapping(path, node, r.secretKey(option), append(more,
		key{"method", func(path string, n ast.Node) { a.Method = r.oneOf(CodeAuth, path, n, methods) }},
		key{"encoding", func(path string, n ast.Node) { a.RawBasic = r.oneOf(CodeAuth, path, n, encodings) == "raw" }},
		key{"algorithm", func(path string, n ast.Node) { a.Algorithm = r.text(path, n) }},
		key{"audience", func(path string, n ast.Node) { a.Audience = r.text(path, n) }},
	)...)
	basic := a.Method == "" || a.Method == oauth.AuthBasic
	if _, stated := r.lines[join(path, "encoding")]; stated && !basic && !a.RawBasic {
		r.find(CodeAuth, join(path, "encoding"), "contradicts the method", "it belongs to method: client_secret_basic; leave one of the two out")
	}
	return a
}

// service reads the application's own client.
func (r *reader) service(path string, node ast.Node) *platform.Service {
	s := &platform.Service{}
	r.mapping(path, node, r.secretKey(" --service"),
		key{"name", func(path string, n ast.Node) { s.Name = r.text(path, n) }},
		key{"client_id", func(path string, n ast.Node) { s.ClientID = r.text(path, n) }},
		key{"auth", func(path string, n ast.Node) { s.Auth = r.auth(path, n, " --service") }},
		key{"scopes", func(path string, n ast.Node) { s.Scopes = r.texts(path, n) }},
		key{"operations", func(path string, n ast.Node) { s.Operations = r.texts(path, n) }},
	)
	return s
}

// day reads a date, which stands for its beginning in UTC, or a date and a time.
func (r *reader) day(path string, node ast.Node) time.Time {
	text := r.text(path, node)
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		at, err = time.Parse(time.RFC3339, text)
	}
	switch {
	case text == "":
	case err != nil:
		r.find(CodeMetadata, path, "no date", "write a day, such as 2026-11-22, or a time, such as 2026-11-22T14:00:00Z")
	case at.After(time.Now().Add(24 * time.Hour)):
		r.find(CodeMetadata, path, "lies in the future, so no document would be believed until then", "write today's date")
	}
	return at
}
