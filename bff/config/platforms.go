package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"locum/bff/platform"
	"locum/bff/throttle"
)

// platformEntry is one entry of platforms, with its place in the file and what makes it a platform.
type platformEntry struct {
	path, kind string
	id         *string
	build      func(publicURL string) (*platform.Platform, error)
}

// secretKeys are keys under which people write a client secret.
var secretKeys = []string{
	"client_secret", "clientsecret", "client-secret", "secret", "partner_client_secret", "client_secret_file",
	"secret_file", "password",
}

// kinds are the kinds of platform that this version speaks to.
var kinds = []string{platform.KindJane, platform.KindAthena, platform.KindSMART}

func (r *reader) platforms(path string, node ast.Node) []platformEntry {
	var entries []platformEntry
	r.list(path, node, func(path string, node ast.Node) {
		if entry, ok := r.platform(path, node); ok {
			entries = append(entries, entry)
		}
	})
	return entries
}

// platform reads one entry of platforms by the keys of its kind; not ok when that is not supported.
func (r *reader) platform(path string, node ast.Node) (platformEntry, bool) {
	kind := plainValue(node, "kind")
	r.platformID = cmp.Or(start(plainValue(node, "id")), "PLATFORM")
	if !slices.Contains(kinds, kind) {
		r.kindless(path, node)
		return platformEntry{}, false
	}
	entry, keys := r.kind(kind)
	entry.path, entry.kind = path, kind
	keys = append(keys, key{"kind", func(string, ast.Node) {}})
	r.mapping(path, node, r.foreignKey(kind), keys...)
	return entry, true
}

// kind is what reads an entry of a kind.
func (r *reader) kind(kind string) (platformEntry, []key) {
	switch kind {
	case platform.KindAthena:
		return r.athena()
	case platform.KindSMART:
		return r.smart()
	}
	return r.jane()
}

// kindless finds that an entry has no kind, or one of another version: which keys it may have, nobody can say then.
func (r *reader) kindless(path string, node ast.Node) {
	kind, secrets := "", r.secretKey("")
	r.mapping(path, node, func(path, name string) bool { secrets(path, name); return true },
		key{"kind", func(path string, n ast.Node) { kind = r.text(path, n) }})
	if kind == "" {
		if _, is := mappingValues(node); is {
			r.find(CodeMissing, path, "has no kind", "write one of: "+strings.Join(kinds, ", "))
		}
		return
	}
	r.find(CodeKind, join(path, "kind"), fmt.Sprintf("%q is not supported by this version", start(kind)), "write one of: "+strings.Join(kinds, ", "))
}

// foreignKey explains a key of an entry that its kind does not have: a secret, or what another kind is configured by.
func (r *reader) foreignKey(kind string) func(path, name string) bool {
	secrets := r.secretKey("")
	return func(path, name string) bool {
		if secrets(path, name) {
			return true
		}
		var owners []string
		for _, other := range kinds {
			_, keys := r.kind(other)
			if slices.ContainsFunc(keys, func(k key) bool { return k.name == name }) {
				owners = append(owners, other)
			}
		}
		if owners == nil {
			return false
		}
		r.find(CodeUnknownKey, path, "is no key of kind "+kind, "it belongs to kind "+strings.Join(owners, " and ")+"; remove it, or correct the kind")
		return true
	}
}

// plainValue is the text of a plain key's value in a mapping; "" where there is none.
func plainValue(node ast.Node, name string) string {
	values, _ := mappingValues(node)
	for _, pair := range values {
		if here, _ := keyName(pair); here == name {
			if text, ok := pair.Value.(*ast.StringNode); ok {
				return text.Value
			}
		}
	}
	return ""
}

// jane reads an entry of kind jane.
func (r *reader) jane() (platformEntry, []key) {
	c := &platform.JaneConfig{}
	keys := []key{
		{"id", func(path string, n ast.Node) { c.ID = r.text(path, n) }},
		{"name", func(path string, n ast.Node) { c.Name = r.text(path, n) }},
		{"issuer", func(path string, n ast.Node) { c.Issuer = r.text(path, n) }},
		{"client_id", func(path string, n ast.Node) { c.ClientID = r.text(path, n) }},
		{"scopes", func(path string, n ast.Node) { c.Scopes = r.texts(path, n) }},
		{"more_scopes", func(path string, n ast.Node) { c.MoreScopes = r.texts(path, n) }},
		{"openid", func(path string, n ast.Node) { c.OpenID = r.yes(path, n) }},
		{"clinic_domains", func(path string, n ast.Node) { c.ClinicDomains = r.texts(path, n) }},
		{"clinics", func(path string, n ast.Node) { c.Clinics = r.clinics(path, n) }},
		{"limits", func(path string, n ast.Node) { c.Limits = r.limits(path, n) }},
		{"refresh", func(path string, n ast.Node) { c.Refresh = r.refresh(path, n, false) }},
		{"on_disconnect", func(path string, n ast.Node) { c.Ending = r.ending(path, n) }},
	}
	return platformEntry{id: &c.ID, build: func(publicURL string) (*platform.Platform, error) {
		c.PublicURL = publicURL
		return platform.Jane(*c)
	}}, keys
}

// secretKey explains a secret that stands in the file: the way in is sealed storage. option is what the command takes
// beside the platform's id.
func (r *reader) secretKey(option string) func(path, name string) bool {
	return func(path, name string) bool {
		if !slices.Contains(secretKeys, strings.ToLower(name)) {
			return false
		}
		r.find(CodeSecret, path, "no secret belongs in this file", "remove the line, then seal the client secret with "+
			"`locum secret set "+r.platformID+option+"`; a secret that has been in a file should be replaced")
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

// start is the printable beginning of a value, enough to recognise it by.
func start(s string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, s[:min(len(s), 40)])
}
