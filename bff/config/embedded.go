package config

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"locum/bff/platform"
)

// embedded reads which origins may show Locum inside their pages.
func (r *reader) embedded(path string, node ast.Node) *Embedded {
	e := &Embedded{}
	r.mapping(path, node, nil, key{"frame_ancestors", func(path string, n ast.Node) {
		r.list(path, n, func(path string, n ast.Node) {
			if origin := r.ancestor(path, n); origin != "" {
				e.FrameAncestors = append(e.FrameAncestors, origin)
			}
		})
	}})
	return e
}

// ancestor reads one origin, exactly: whoever may show Locum can lay something over it, and tell it whose record is open.
func (r *reader) ancestor(path string, node ast.Node) string {
	origin := r.text(path, node)
	switch {
	case origin == "":
	case strings.Contains(origin, "*"):
		r.find(CodeEmbedded, path, "a wildcard lets every host below it show Locum, and tell it that another patient is open",
			"write each exact origin of the EHR's pages, such as https://preview.athenahealth.com")
	case !platform.IsOrigin(origin):
		r.find(CodeEmbedded, path, "no exact origin", "write https, a lower-case host and, if unusual, a port, and nothing else: such as "+
			"https://preview.athenahealth.com (http on a literal loopback address only)")
	default:
		return origin
	}
	return ""
}

// framed compares embedded with the rest: a frame needs somebody to open it and cookies that browsers keep apart, which
// they do over https alone, this machine aside.
func (r *reader) framed(c *Config) {
	if c.Embedded == nil {
		return
	}
	launched := func(p *platform.Platform) bool { return p.Launch }
	plain := func(origin string) bool { return strings.HasPrefix(origin, "http://") }
	switch {
	case len(c.Embedded.FrameAncestors) == 0 && !r.found("embedded"):
		r.find(CodeEmbedded, "embedded", "names nobody who may show Locum",
			"write frame_ancestors: with the exact origins of the EHR's pages, or leave embedded out")
	case c.PublicURL != nil && c.PublicURL.Scheme == "http" && slices.ContainsFunc(c.Embedded.FrameAncestors, func(o string) bool { return !plain(o) }):
		r.find(CodeEmbedded, "embedded", "browsers give no cookie to a frame in plain http", "write an https public_url, or leave embedded out")
	case c.PublicURL != nil && c.PublicURL.Scheme == "https" && slices.ContainsFunc(c.Embedded.FrameAncestors, plain):
		r.find(CodeEmbedded, "embedded", "a page on this machine in plain http may show a Locum that others reach", "leave that origin out")
	case len(c.Platforms) > 0 && !slices.ContainsFunc(c.Platforms, launched) && !r.found("platforms"):
		r.find(CodeEmbedded, "embedded", "no platform here is launched from an EHR", "leave embedded out, or configure the EHR's platform")
	}
}

// found says whether something was found at a path or below.
func (r *reader) found(path string) bool {
	return slices.ContainsFunc(r.findings, func(f Finding) bool { return strings.HasPrefix(f.Path, path) })
}

// administrators reads logins as accounts have them: in small letters.
func (r *reader) administrators(path string, node ast.Node) []string {
	all := []string{}
	r.list(path, node, func(path string, n ast.Node) {
		text := r.text(path, n)
		login := strings.ToLower(strings.TrimSpace(text))
		switch {
		case text == "":
		case login == "" || strings.ContainsAny(login, " \t*"):
			r.find(CodeAdministrators, path, "no login", "write the login of an account, such as maya@harbour-physio.ca")
		case slices.Contains(all, login):
			r.find(CodeAdministrators, path, "stands twice", "keep one")
		default:
			all = append(all, login)
		}
	})
	return all
}
