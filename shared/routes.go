package shared

import "strings"

// Page is one page of the app. Pattern is its path with {names}; Sample is a path that matches it, used to render the
// page once at start-up: a page holds no data, so every /patients/{connection}/{patient} is served the same bytes.
type Page struct {
	Name    string
	Pattern string
	Sample  string
}

// Names of the pages: the closed list of places that a Context may lead back to.
const (
	PageHome        = "home"
	PageSchedule    = "schedule"
	PagePatients    = "patients"
	PagePatient     = "patient"
	PageConnections = "connections"
	PageConnect     = "connect"
	PageOutcome     = "outcome"
	PageLife        = "life"
	PageLaunch      = "launch"   // an EHR asks to open Locum
	PageLaunched    = "launched" // the patient whom a connection was launched for
	PageServices    = "services" // connections of the application itself
)

// Pages is the one table that feeds go-app's routes, Fiber's routes and the start-up renderer. The connection stands in
// the path of every page that shows a clinic's data: a link names its clinic, so no page can show the patient of one
// clinic under the name of another.
var Pages = []Page{
	{PageHome, "/", "/"},
	{PageSchedule, "/schedule/{connection}", "/schedule/x"},
	{PagePatients, "/patients/{connection}", "/patients/x"},
	{PagePatient, "/patients/{connection}/{patient}", "/patients/x/x"},
	{PageConnections, "/connections", "/connections"},
	{PageConnect, "/connections/new", "/connections/new"},
	{PageOutcome, "/connections/outcome", "/connections/outcome"},
	{PageLife, "/connections/{connection}/life", "/connections/x/life"},
	{PageLaunch, "/launch/{launch}", "/launch/x"},
	{PageLaunched, "/launched/{connection}", "/launched/x"},
	{PageServices, "/services", "/services"},
}

// Paths of Locum's own API and forms. API paths never redirect.
const (
	PathSignIn      = "/sign-in"
	PathSignOut     = "/sign-out"
	PathSetup       = "/setup" // while there is no account
	PathSession     = "/api/v1/session"
	PathActivity    = "/api/v1/activity"
	PathPlatforms   = "/api/v1/platforms"
	PathConnect     = "/api/v1/connect"
	PathOutcome     = "/api/v1/connect/outcome"
	PathConnections = "/api/v1/connections" // and /{connection}, /{connection}/life, /{connection}/diagnosis
	PathEvents      = "/api/v1/events"
	PathLaunch      = "/api/v1/launch" // and /link, /{launch}
	PathServices    = "/api/v1/services"
	PathTicket      = "/connect/go" // and /{ticket}: a window of its own begins an authorization
	PathOpenAPI     = "/api/openapi.json"
	PathProxy       = "/proxy/v1" // and /{connection}/{the platform's own path}
	PathHealth      = "/healthz"
	PathReady       = "/readyz"
)

// CallbackPath is the one redirect URI of a platform, relative to the public URL (RFC 9700 §4.4.2: distinct per
// authorization server).
func CallbackPath(platform string) string { return "/connect/" + platform + "/callback" }

// LogoutPath is where a platform tells of a login that has ended (OpenID Connect Back-Channel Logout 1.0 §2.5), relative to
// the public URL.
func LogoutPath(platform string) string { return "/connect/" + platform + "/backchannel-logout" }

// Names are the {names} of the page's pattern, in order; empty, never nil, where it has none.
func (p Page) Names() []string {
	names := []string{}
	for segment := range strings.SplitSeq(p.Pattern, "/") {
		if name, ok := placeholder(segment); ok {
			names = append(names, name)
		}
	}
	return names
}

// MatchPage finds the page whose pattern fits path and the values of the pattern's {names}. A path that fits none
// answers false. It compares segment by segment; nothing is decoded or cleaned.
func MatchPage(path string) (Page, map[string]string, bool) {
	for _, page := range Pages {
		if params, ok := match(page.Pattern, path); ok {
			return page, params, true
		}
	}
	return Page{}, nil, false
}

// PagePath builds the path of a page from its name and the values of its {names}; a missing or unsafe value, or an
// unknown name, answers false.
func PagePath(name string, params map[string]string) (string, bool) {
	for _, page := range Pages {
		if page.Name == name {
			return fill(page.Pattern, params)
		}
	}
	return "", false
}

func match(pattern, path string) (map[string]string, bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	var params map[string]string
	for i, segment := range want {
		name, isName := placeholder(segment)
		switch {
		case !isName && segment != got[i]:
			return nil, false
		case isName && !ValidID(got[i]):
			return nil, false
		case isName:
			if params == nil {
				params = map[string]string{}
			}
			params[name] = got[i]
		}
	}
	return params, true
}

func fill(pattern string, params map[string]string) (string, bool) {
	segments := strings.Split(pattern, "/")
	for i, segment := range segments {
		if name, ok := placeholder(segment); ok {
			if !ValidID(params[name]) {
				return "", false
			}
			segments[i] = params[name]
		}
	}
	return strings.Join(segments, "/"), true
}

func placeholder(segment string) (string, bool) {
	if strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}") {
		return segment[1 : len(segment)-1], true
	}
	return "", false
}

// ValidID says whether s is an opaque identifier as Locum accepts it in a path or a Context: 1 to 64 characters of
// [A-Za-z0-9._~-], not "." or "..".
func ValidID(s string) bool {
	if s == "" || len(s) > 64 || s == "." || s == ".." {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '~' || c == '-') {
			return false
		}
	}
	return true
}
