package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"locum/bff/platform"
	"locum/bff/throttle"
)

// janeEntry is one entry of platforms, with its place in the file.
type janeEntry struct {
	path   string
	config platform.JaneConfig
}

// secretKeys are keys under which people write a client secret.
var secretKeys = []string{
	"client_secret", "clientsecret", "client-secret", "secret", "partner_client_secret", "client_secret_file",
	"secret_file", "password",
}

// kinds are the kinds of platform that this version speaks to.
var kinds = []string{"jane"}

func (r *reader) platforms(path string, node ast.Node) []janeEntry {
	var entries []janeEntry
	r.list(path, node, func(path string, node ast.Node) {
		if entry, ok := r.platform(path, node); ok {
			entries = append(entries, entry)
		}
	})
	return entries
}

// platform reads one entry of platforms; not ok when its kind is not supported.
func (r *reader) platform(path string, node ast.Node) (janeEntry, bool) {
	kind, c := "", platform.JaneConfig{}
	r.mapping(path, node, r.secretKey(node),
		key{"id", func(path string, n ast.Node) { c.ID = r.text(path, n) }},
		key{"kind", func(path string, n ast.Node) { kind = r.text(path, n) }},
		key{"name", func(path string, n ast.Node) { c.Name = r.text(path, n) }},
		key{"issuer", func(path string, n ast.Node) { c.Issuer = r.text(path, n) }},
		key{"client_id", func(path string, n ast.Node) { c.ClientID = r.text(path, n) }},
		key{"scopes", func(path string, n ast.Node) { c.Scopes = r.texts(path, n) }},
		key{"more_scopes", func(path string, n ast.Node) { c.MoreScopes = r.texts(path, n) }},
		key{"openid", func(path string, n ast.Node) { c.OpenID = r.yes(path, n) }},
		key{"clinic_domains", func(path string, n ast.Node) { c.ClinicDomains = r.texts(path, n) }},
		key{"clinics", func(path string, n ast.Node) { c.Clinics = r.clinics(path, n) }},
		key{"limits", func(path string, n ast.Node) { c.Limits = r.limits(path, n) }},
		key{"refresh", func(path string, n ast.Node) { c.Refresh = r.refresh(path, n) }},
		key{"on_disconnect", func(path string, n ast.Node) { c.Ending = r.ending(path, n) }},
	)
	switch {
	case kind == "":
		r.find(CodeMissing, path, "has no kind", "write one of: "+strings.Join(kinds, ", "))
	case !slices.Contains(kinds, kind):
		r.find(CodeKind, join(path, "kind"), fmt.Sprintf("%q is not supported by this version", start(kind)), "write one of: "+strings.Join(kinds, ", "))
	default:
		return janeEntry{path, c}, true
	}
	return janeEntry{}, false
}

// secretKey explains a secret that stands in the file: the way in is sealed storage.
func (r *reader) secretKey(node ast.Node) func(path, name string) bool {
	id := "PLATFORM"
	values, _ := mappingValues(node)
	for _, pair := range values {
		if name, _ := keyName(pair); name == "id" {
			if text, ok := pair.Value.(*ast.StringNode); ok && text.Value != "" {
				id = start(text.Value)
			}
		}
	}
	return func(path, name string) bool {
		if !slices.Contains(secretKeys, strings.ToLower(name)) {
			return false
		}
		r.find(CodeSecret, path, "no secret belongs in this file", "remove the line, then seal the client secret with "+
			"`locum secret set "+id+"`; a secret that has been in a file should be replaced")
		return true
	}
}

func (r *reader) clinics(path string, node ast.Node) []platform.ClinicLink {
	var links []platform.ClinicLink
	r.list(path, node, func(path string, node ast.Node) {
		var link platform.ClinicLink
		r.mapping(path, node, nil,
			key{"name", func(path string, n ast.Node) { link.Name = r.text(path, n) }},
			key{"url", func(path string, n ast.Node) { link.URL = r.text(path, n) }},
		)
		links = append(links, link)
	})
	return links
}

func (r *reader) limits(path string, node ast.Node) *throttle.Limits {
	limits := &throttle.Limits{}
	r.mapping(path, node, nil,
		key{"endpoint", func(path string, n ast.Node) { limits.Endpoint = r.limit(path, n) }},
		key{"clinic", func(path string, n ast.Node) { limits.Clinic = r.limit(path, n) }},
	)
	return limits
}

func (r *reader) limit(path string, node ast.Node) throttle.Limit {
	var limit throttle.Limit
	r.mapping(path, node, nil,
		key{"requests", func(path string, n ast.Node) { limit.N = r.count(path, n) }},
		key{"window", func(path string, n ast.Node) { limit.Window = r.duration(CodeLimits, path, n, time.Second, time.Hour) }},
	)
	return limit
}

// fields are the keys that hold the fields of a JaneConfig, with the code and the cause of what their constructor finds.
var fields = map[string]struct{ key, code, cause string }{
	"ID":            {"id", CodePlatformID, "cannot be an id"},
	"Name":          {"name", CodePlatformName, "cannot be a name"},
	"Issuer":        {"issuer", CodeIssuer, "no issuer"},
	"ClientID":      {"client_id", CodeClientID, "no client id"},
	"Scopes":        {"scopes", CodeScopes, "cannot be asked for"},
	"MoreScopes":    {"more_scopes", CodeScopes, "cannot be asked for"},
	"ClinicDomains": {"clinic_domains", CodeClinicDomains, "no clinic can be found by this"},
	"Clinics":       {"clinics", CodeClinics, "no clinic can be found by this"},
	"Limits":        {"limits", CodeLimits, "no limits"},

	"Refresh.Kind":       {"refresh.rotation", CodeRefresh, "is not known"},
	"Refresh.Reuse":      {"refresh.reuse", CodeRefresh, "does not fit the rotation"},
	"Refresh.Leeway":     {"refresh.leeway", CodeRefresh, "does not fit the rotation"},
	"Refresh.PerMinute":  {"refresh.per_minute", CodeRefresh, "no budget"},
	"Refresh.KeepAlive":  {"refresh.keep_alive", CodeRefresh, "is not known"},
	"Refresh.Hours":      {"refresh.hours", CodeRefresh, "no working hours"},
	"Refresh.SessionMax": {"refresh.session_max", CodeRefresh, "no length of a login"},
	"Ending":             {"on_disconnect", CodeEnding, "is not known"},
}

// build makes the platforms and turns what their constructor finds into findings.
func (r *reader) build(c *Config, entries []janeEntry) {
	if _, present := r.lines["platforms"]; !present {
		r.find(CodeMissing, "platforms", "is missing", "list at least one platform")
	} else if len(entries) == 0 && len(r.findings) == 0 {
		r.find(CodeMissing, "platforms", "is empty", "list at least one platform")
	}
	seen := map[string]bool{}
	for _, entry := range entries {
		// A public_url that is missing or wrong has been found already, and once is enough.
		entry.config.PublicURL = "https://locum.invalid"
		if c.PublicURL != nil {
			entry.config.PublicURL = c.PublicURL.String()
		}
		p, err := platform.Jane(entry.config)
		for _, fault := range faults(err) {
			field := fields[fault.Field]
			r.find(field.code, join(entry.path, field.key), field.cause, fault.Message)
		}
		if id := entry.config.ID; id != "" && seen[id] {
			r.find(CodePlatformID, join(entry.path, "id"), "another platform has this id", "choose a different one")
		}
		seen[entry.config.ID] = true
		if err == nil {
			c.Platforms = append(c.Platforms, p)
		}
	}
}

// faults are the *platform.FieldError values in an error of a constructor.
func faults(err error) []*platform.FieldError {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var all []*platform.FieldError
	for _, err := range joined.Unwrap() {
		var fault *platform.FieldError
		if errors.As(err, &fault) {
			all = append(all, fault)
		}
	}
	return all
}

// start is the printable beginning of a value, enough to recognise it by.
func start(s string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, s[:min(len(s), 40)])
}
