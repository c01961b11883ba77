package sandbox

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clinicState is what a clinic remembers behind its API.
type clinicState struct {
	data  *clinicData
	meter *meter
	pages pageLimit
}

// call is one request to a clinic on its way through the checks.
type call struct {
	s     *Sandbox
	c     *clinic
	w     http.ResponseWriter
	r     *http.Request
	route *route
	ids   []string // values of the path's placeholders, in order
	grant grant
	now   time.Time
}

// arrivals serves one clinic's API. A request is counted when it arrives (a
// throttle stands before the application, and before its faults); when it is
// answered, its route is looked at, then its media type, its token and its
// scope.
func (s *Sandbox) arrivals(c *clinic) func(*http.Request) http.Handler {
	return func(r *http.Request) http.Handler {
		x := &call{s: s, c: c, r: r}
		allowed := x.find()
		match, wait := c.meter.arrive(x.class(), s.now())
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			x.w, x.now = w, s.now()
			switch {
			case match != "":
				x.throttled(match, wait)
			case x.route == nil && allowed != nil:
				w.Header().Set("Allow", strings.Join(allowed, ", "))
				x.write(http.StatusMethodNotAllowed, plainError{"Method not allowed"})
			case x.route == nil:
				x.write(http.StatusNotFound, plainError{"Not found"})
			case x.admit():
				x.route.serve(x)
			}
		})
	}
}

// class is the endpoint class that the request counts for.
func (x *call) class() string {
	if x.route == nil {
		return "other"
	}
	return x.route.class
}

// find looks the route up. allowed lists the methods of the path if only the
// method is wrong. Paths match segment by segment; nothing is decoded or
// cleaned, so a path with an escape, an empty or a dot segment is unknown.
func (x *call) find() (allowed []string) {
	path, ok := strings.CutPrefix(x.r.URL.EscapedPath(), "/api/")
	if !ok || strings.Contains(path, "%") {
		return nil
	}
	segments := strings.Split(path, "/")
	for i := range routes {
		rt := &routes[i]
		ids, ok := rt.match(segments)
		if !ok {
			continue
		}
		if rt.method == x.r.Method {
			x.route, x.ids = rt, ids
			return nil
		}
		allowed = append(allowed, rt.method)
	}
	slices.Sort(allowed)
	return allowed
}

// match compares version and segments. A placeholder takes any segment but the
// fixed words that stand in its place elsewhere.
func (rt *route) match(segments []string) (ids []string, ok bool) {
	pattern := strings.Split(rt.path, "/")
	if len(segments) != len(pattern)+1 || !slices.Contains(rt.versions, segments[0]) {
		return nil, false
	}
	for i, want := range pattern {
		switch got := segments[i+1]; {
		case want != "{}":
			if got != want {
				return nil, false
			}
		case got == "" || got == "." || got == ".." || got == "search":
			return nil, false
		default:
			ids = append(ids, got)
		}
	}
	return ids, true
}

// throttled answers 429 as "Jane guide, Rate Limits" and the reference's
// `errors` schema do. Retry-After is in whole seconds, rounded up.
func (x *call) throttled(match string, wait time.Duration) {
	x.w.Header().Set("Retry-After", retryAfter(wait))
	x.w.Header().Set("X-Throttle-Match", match)
	x.write(http.StatusTooManyRequests, objectError{"error", "rate_limit_exceeded", "Rate limit exceeded. Retry later."})
}

// retryAfter is a wait as the header says it, never less than it is.
func retryAfter(wait time.Duration) string {
	return strconv.Itoa(int((wait + time.Second - 1) / time.Second))
}

// admit checks media type, token and scope, and answers if one is wrong.
//
// The guide says that Content-Type must be application/json on a request,
// GET included, and not what happens otherwise; the sandbox answers 415
// (RFC 9110 §15.5.16) in the shape of the endpoint's 400.
func (x *call) admit() bool {
	if !x.mediaType() {
		x.refuse(http.StatusUnsupportedMediaType, issue{ID: "UNSUPPORTED_MEDIA_TYPE", Message: "Content-Type must be " + x.route.media()})
		return false
	}
	token, ok := x.bearer()
	if !ok {
		x.w.Header().Set("WWW-Authenticate", "Bearer")
		x.refuse(http.StatusUnauthorized, issue{ID: "UNAUTHORIZED", Message: "Unauthorized"})
		return false
	}
	grant, err := x.s.authenticate(token, x.c.url)
	if err != nil {
		x.w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`) // RFC 6750 §3
		x.refuse(http.StatusUnauthorized, issue{ID: "UNAUTHORIZED", Message: "Unauthorized"})
		return false
	}
	if scope := x.route.scope; scope != "" && !grant.Scopes[scope] {
		x.w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+scope+`"`) // RFC 6750 §3.1
		x.refuse(http.StatusForbidden, issue{ID: "FORBIDDEN", Message: "Forbidden"})
		return false
	}
	x.grant = grant
	return true
}

func (x *call) mediaType() bool {
	values := x.r.Header.Values("Content-Type")
	if len(values) != 1 {
		return false
	}
	got, _, err := mime.ParseMediaType(values[0])
	return err == nil && got == x.route.media()
}

// bearer reads the one Authorization header (RFC 6750 §2.1); a token anywhere
// else is not looked at.
func (x *call) bearer() (string, bool) {
	values := x.r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", false
	}
	return token, true
}

// write answers with JSON. Clinic data is nobody's to keep (RFC 9111 §5.2.2.5).
func (x *call) write(status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // only types of this package are written
	}
	h := x.w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	x.w.WriteHeader(status)
	_, _ = x.w.Write(raw)
}
