package sandbox

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// resourceScope is SMART App Launch 2.2, Scopes for requesting FHIR Resources: v2's letters in their order, or v1's words.
var resourceScope = regexp.MustCompile(`^(patient|user|system)/([A-Z][A-Za-z]*|\*)\.(read|write|\*|c?r?u?d?s?)(\?[A-Za-z0-9_.:|/=&%,-]+)?$`)

// serviceScope is "athenahealth guide, Token Endpoint", 2-legged Token Generation.
var serviceScope = regexp.MustCompile(`^athena/service/Athenanet\.MDP\.(\*|[A-Za-z]+)$`)

// plainScopes are those without a resource.
var plainScopes = []string{"openid", "fhirUser", "profile", "launch", "launch/patient", "launch/encounter", "offline_access", "online_access"}

// access is what one resource scope allows.
type access struct {
	level   string // patient, user or system
	kind    string // a resource type, or *
	letters string // of c, r, u, d and s
	query   url.Values
}

// readAccess reads a resource scope; false for any other.
func readAccessScope(scope string) (access, bool) {
	found := resourceScope.FindStringSubmatch(scope)
	if found == nil || found[3] == "" {
		return access{}, false
	}
	a := access{level: found[1], kind: found[2], letters: found[3]}
	switch a.letters {
	case "read":
		a.letters = "rs"
	case "write":
		a.letters = "cud"
	case "*":
		a.letters = "cruds"
	}
	if found[4] != "" {
		query, err := url.ParseQuery(found[4][1:])
		if err != nil {
			return access{}, false
		}
		a.query = query
	}
	return a, true
}

// known says whether a face knows the scope for this kind of app.
func (f *Face) knows(scope string, app App) bool {
	a, resource := readAccessScope(scope)
	switch {
	case app.Scopes != nil && !slices.Contains(app.Scopes, scope):
		return false
	case app.Service:
		return resource && a.level == "system" || f.athena && serviceScope.MatchString(scope)
	}
	return resource && a.level != "system" || slices.Contains(plainScopes, scope)
}

// readScopes reads a space-separated list; "" names what is wrong with it. One scope that is not registered refuses the
// whole request, as at athenahealth. The caller holds Sandbox.mu.
func (f *Face) readScopes(list string, app App) ([]string, string) {
	var scopes []string
	for scope := range strings.SplitSeq(list, " ") {
		switch {
		case !f.knows(scope, app):
			return nil, "One or more scopes are not configured for the authorization server resource."
		case strings.Contains(scope, "*") && !f.switches.wildcards:
			return nil, "Wildcard scopes are not permitted."
		case !slices.Contains(scopes, scope):
			scopes = append(scopes, scope)
		}
	}
	return scopes, ""
}

// faceWords is a scope as the consent page says it.
func faceWords(name string) string {
	a, resource := readAccessScope(name)
	if !resource {
		switch name {
		case "offline_access":
			return "Keep access while you are away"
		case "online_access":
			return "Keep access while you are here"
		case "openid", "fhirUser", "profile":
			return "Know who you are"
		}
		return "Know which record is open"
	}
	what := a.kind
	if what == "*" {
		what = "everything"
	}
	if a.level == "patient" {
		what += " of this patient"
	}
	return what
}
