package sandbox

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Endpoint names a place where requests arrive, as a path of names: EndpointAPI holds "api/appointments", and so on. What
// is planned or counted for one holds for all below it.
type Endpoint string

// The endpoints. Those of a clinic's API are read off the path: "api/appointments", "api/medical-record/observations".
const (
	EndpointIAM        Endpoint = "iam" // everything of the identity server
	EndpointAuth       Endpoint = "iam/auth"
	EndpointLogin      Endpoint = "iam/login" // the login and consent forms
	EndpointToken      Endpoint = "iam/token"
	EndpointExchange   Endpoint = "iam/token/authorization_code"
	EndpointRefresh    Endpoint = "iam/token/refresh_token"
	EndpointIntrospect Endpoint = "iam/introspect"
	EndpointUserinfo   Endpoint = "iam/userinfo"
	EndpointRevoke     Endpoint = "iam/revoke"
	EndpointLogout     Endpoint = "iam/logout"
	EndpointCerts      Endpoint = "iam/certs"
	EndpointDiscovery  Endpoint = "iam/discovery"
	EndpointAPI        Endpoint = "api" // everything of both clinics
)

// covers says whether e is where or holds it.
func (e Endpoint) covers(where Endpoint) bool {
	return e == where || strings.HasPrefix(string(where), string(e)+"/")
}

// iamEndpoint reads the endpoint off a request to the identity server; body is its whole body.
func iamEndpoint(r *http.Request, body []byte) Endpoint {
	_, leaf, _ := strings.Cut(r.URL.Path, "/protocol/openid-connect/")
	switch {
	case leaf == "token":
		form, _ := url.ParseQuery(string(body))
		switch kind := Endpoint("iam/token/" + form.Get("grant_type")); kind {
		case EndpointExchange, EndpointRefresh:
			return kind
		}
		return EndpointToken
	case leaf == "token/introspect":
		return EndpointIntrospect
	case strings.HasPrefix(leaf, "logout"):
		return EndpointLogout
	case leaf == "auth", leaf == "revoke", leaf == "certs", leaf == "userinfo":
		return EndpointIAM + "/" + Endpoint(leaf)
	case strings.Contains(r.URL.Path, "/.well-known/"):
		return EndpointDiscovery
	case strings.Contains(r.URL.Path, "/login-actions/"):
		return EndpointLogin
	}
	return EndpointIAM
}

// apiEndpoint reads the endpoint off a request to a clinic: the collection behind /api/{version}/.
func apiEndpoint(r *http.Request, _ []byte) Endpoint {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) < 3 || parts[0] != "api" {
		return EndpointAPI
	}
	n := 1
	if len(parts) > 3 && (parts[2] == "medical-record" || parts[2] == "catalog") {
		n = 2
	}
	return EndpointAPI + "/" + Endpoint(strings.Join(parts[2:2+n], "/"))
}

// Request is one request as it arrived, secrets included: it is for tests to look at, never to log.
type Request struct {
	Where  Endpoint
	Time   time.Time // the sandbox's own clock
	Host   string
	Method string
	Path   string
	Query  string // raw
	Header http.Header
	Body   string
	Status int // 0 while it is being answered, or when the connection was cut
	// Inactive is why the refresh token of a token request was not good when it came, in the words of the refusal; "" when
	// it was, and for every other request. Spent says that it had been used before.
	Inactive string
	Spent    bool

	wait time.Duration // until the token endpoint takes requests again; 0: it takes this one
}

// Form is the body, read as a form.
func (r Request) Form() url.Values {
	form, _ := url.ParseQuery(r.Body)
	return form
}

const maxLog = 20_000

// requestLog keeps the latest maxLog requests and counts all of them.
type requestLog struct {
	entries []*Request
	counts  map[Endpoint]int
}

// record notes a request before anything answers it; settle adds the status.
func (s *Sandbox) record(r *http.Request, where Endpoint, body []byte) *Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := &Request{
		Where: where, Time: s.nowLocked(), Host: r.Host, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
		Header: r.Header.Clone(), Body: string(body),
	}
	if len(s.log.entries) >= maxLog {
		s.log.entries = slices.Delete(s.log.entries, 0, maxLog/10)
	}
	s.log.entries = append(s.log.entries, entry)
	s.present(entry)
	for _, f := range s.faces() {
		f.present(entry)
	}
	if s.log.counts == nil {
		s.log.counts = map[Endpoint]int{}
	}
	s.log.counts[where]++
	return entry
}

func (s *Sandbox) settle(entry *Request, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry.Status = status
}

// Requests lists what arrived at where or below it, oldest first; no argument lists everything. The latest 20,000 are kept.
func (s *Sandbox) Requests(where ...Endpoint) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Request
	for _, entry := range s.log.entries {
		if len(where) == 0 || slices.ContainsFunc(where, func(e Endpoint) bool { return e.covers(entry.Where) }) {
			found = append(found, *entry)
		}
	}
	return found
}

// Stats counts every request since the start, by endpoint.
func (s *Sandbox) Stats() map[Endpoint]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.log.counts)
}

// Count is the number of requests that ever arrived at where or below it.
func (s *Sandbox) Count(where Endpoint) int {
	n := 0
	for e, count := range s.Stats() {
		if where.covers(e) {
			n += count
		}
	}
	return n
}
