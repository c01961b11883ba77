package proxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"

	"locum/bff/platform"
)

// PathProxy is where the browser finds a connection's platform: the same words as package shared's, which this package may
// not import (a test of bff compares them).
const PathProxy = "/proxy/v1"

// base is where the FHIR API of a clinic begins (FHIR R4 §3.1.0.1.2, Service Base URL).
type base struct {
	origin string // https://api.example.org
	path   string // /fhir/r4, or "" at the root of the host
}

// baseOf reads a base URL, with or without a slash at its end.
func baseOf(address string) (base, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return base{}, false
	}
	path := strings.TrimSuffix(u.Path, "/")
	if _, err := platform.ParsePath(path); err != nil && path != "" {
		return base{}, false
	}
	return base{origin: canonicalOrigin(u.Scheme, u.Host), path: path}, true
}

func (b base) String() string { return b.origin + b.path }

// canonicalOrigin is how an origin is compared: in lower case, without the scheme's own port (RFC 3986 §6.2.2.1, §6.2.3).
func canonicalOrigin(scheme, authority string) string {
	scheme, authority = strings.ToLower(scheme), strings.ToLower(authority)
	switch scheme {
	case "https":
		authority = strings.TrimSuffix(authority, ":443")
	case "http":
		authority = strings.TrimSuffix(authority, ":80")
	}
	return scheme + "://" + authority
}

// onHost gives the path and query of a URL reference that leads to the base's own host; relative ones are read as FHIR has
// it, from the base (RFC 3986 §5). What has a fragment, another scheme, host, port or user, or bytes that two readers could
// take differently, leads elsewhere.
func (b base) onHost(ref string) (target string, is bool) {
	for i := range len(ref) {
		if c := ref[i]; c <= ' ' || c == 0x7f || c == '\\' || c == '#' {
			return "", false
		}
	}
	switch {
	case ref == "", strings.HasPrefix(ref, "//"):
		return "", false
	case ref[0] == '/':
		return ref, true
	case ref[0] == '?':
		return b.path + ref, true
	}
	colon, slash := strings.IndexByte(ref, ':'), strings.IndexAny(ref, "/?")
	if colon < 0 || slash >= 0 && slash < colon {
		return b.path + "/" + ref, true
	}
	rest, absolute := strings.CutPrefix(ref[colon:], "://")
	if !absolute {
		return "", false
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	return rest[end:], canonicalOrigin(ref[:colon], rest[:end]) == b.origin
}

// resource gives Type/id of an absolute URL or path of a resource under the base, with its version where one is named
// (FHIR R4 §2.3.0.1, literal references).
func (b base) resource(ref string) (resource string, is bool) {
	target, is := b.onHost(ref)
	if !is || target == "" {
		return "", false
	}
	resource, is = strings.CutPrefix(target, b.path+"/")
	return resource, is && isLiteral(resource)
}

// isLiteral says whether s is Type/id or Type/id/_history/version.
func isLiteral(s string) bool {
	parts := strings.Split(s, "/")
	switch {
	case len(parts) == 4 && parts[2] == "_history" && platform.ValidID(parts[3]), len(parts) == 2:
		return isType(parts[0]) && platform.ValidID(parts[1])
	}
	return false
}

// isType says whether s has the form of a resource type.
func isType(s string) bool {
	if s == "" || len(s) > 64 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// patientIn gives the id of the patient that a reference names: relative, absolute, versioned, or Locum's own path.
func patientIn(ref string) (id string, is bool) {
	ref, _, _ = strings.Cut(ref, "?")
	ref, _, _ = strings.Cut(ref, "#")
	ref, _, _ = strings.Cut(ref, "|")
	for {
		at := strings.Index(ref, "Patient/")
		if at < 0 {
			return "", false
		}
		whole := at == 0 || ref[at-1] == '/'
		if ref = ref[at+len("Patient/"):]; whole {
			id, rest, more := strings.Cut(ref, "/")
			if more && !strings.HasPrefix(rest, "_history/") { // some read the end of it: it is nobody's alone
				id = ref
			}
			return id, true
		}
	}
}

// A page is a link of a Bundle to a part of the same search, as the platform wrote it (FHIR R4 §3.1.0.11, Paging). What
// stands in its query only the platform knows, so no list of parameters can allow it: what lets it pass is that Locum has
// read it in an answer to this connection, and signed it. It may be used as often as the platform allows.
type page struct {
	at       byte   // where it leads: one of the at constants
	confined bool   // the search was about one patient
	query    string // canonical
}

const (
	atType      = 'a' // base/Type
	atTypeSlash = 'b' // base/Type/
	atBase      = 'c' // base
	atBaseSlash = 'd' // base/
)

// linkParam is the query parameter that a signed page ends with.
const linkParam = "locum-link="

// maxPageQuery keeps a page's request target within what Locum itself takes from a browser.
const maxPageQuery = 6 << 10

// links signs and checks pages.
type links struct{ key []byte }

func (l links) sign(connection, path string, p page) string {
	mac := hmac.New(sha256.New, l.key)
	for _, part := range []string{connection, path, string(p.flag()), p.query} {
		mac.Write([]byte(part))
		mac.Write([]byte{0}) // stands in none of them
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

func (p page) flag() byte {
	if p.confined {
		return p.at - 'a' + 'A'
	}
	return p.at
}

// page reads a link of a Bundle in an answer to a search of one type.
func (b base) page(ref, resource string) (page, bool) {
	target, is := b.onHost(ref)
	if !is {
		return page{}, false
	}
	path, query, _ := strings.Cut(target, "?")
	var p page
	switch path {
	case b.path + "/" + resource:
		p.at = atType
	case b.path + "/" + resource + "/":
		p.at = atTypeSlash
	case b.path:
		p.at = atBase
	case b.path + "/":
		p.at = atBaseSlash
	default:
		return page{}, false
	}
	p.query, is = canonicalQuery(query)
	return p, is && len(p.query) <= maxPageQuery && !strings.Contains(p.query, linkParam)
}

// target is the request target that a page stands for.
func (p page) target(b base, resource string) string {
	path := b.path
	switch p.at {
	case atType:
		path += "/" + resource
	case atTypeSlash:
		path += "/" + resource + "/"
	case atBaseSlash:
		path += "/"
	}
	if path == "" {
		path = "/"
	}
	if p.query == "" {
		return path
	}
	return path + "?" + p.query
}

// opened reads the query of a signed page; found says whether it has the form of one, ok whether the signature holds.
func (l links) opened(connection, path, query string) (p page, found, ok bool) {
	at := strings.LastIndex(query, linkParam)
	if at < 0 || at > 0 && query[at-1] != '&' {
		return page{}, false, false
	}
	token := query[at+len(linkParam):]
	p.query = strings.TrimSuffix(query[:at], "&")
	if len(token) < 2 {
		return page{}, true, false
	}
	p.at, p.confined = token[0]|0x20, token[0] < 'a'
	if p.at < atType || p.at > atBaseSlash {
		return page{}, true, false
	}
	return p, true, hmac.Equal([]byte(token[1:]), []byte(l.sign(connection, path, p)))
}

// canonicalQuery writes a platform's query so that no reader on its way changes it: what a browser would percent-encode is
// encoded already. Control characters, spaces and broken percent-encoding make it unfit.
func canonicalQuery(query string) (string, bool) {
	const hexDigits = "0123456789ABCDEF"
	out := make([]byte, 0, len(query)+16)
	for i := range len(query) {
		switch c := query[i]; {
		case c <= ' ' || c == 0x7f:
			return "", false
		case c == '%':
			if i+2 >= len(query) || !isHex(query[i+1]) || !isHex(query[i+2]) {
				return "", false
			}
			out = append(out, c)
		case queryByte(c):
			out = append(out, c)
		default:
			out = append(out, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return string(out), true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

// queryByte says which bytes stand in a query for themselves (RFC 3986 §3.4), but for the apostrophe, which browsers encode.
func queryByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("-._~!$&()*+,;=:@/?", c) >= 0
}
