package bff

import (
	"bytes"
	"net"
	"net/netip"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"locum/bff/platform"
	"locum/shared"
)

// Bounds of a request target, in bytes.
const (
	maxPath  = 2 << 10
	maxQuery = 8 << 10
)

// admit is the pre-filter: what fasthttp accepts and Locum does not, found in the raw bytes before any router reads
// them. Nothing is normalised: a doubtful request is refused and its connection closed, so that no two readers of the
// same bytes can disagree. It fills what later readers need of the exchange.
func (s *Server) admit(ctx *fasthttp.RequestCtx, e *exchange) *failure {
	s.findRemote(ctx, e)
	seen, refusal := s.readHeaders(ctx, e)
	if refusal != nil {
		return refusal
	}
	if refusal := admitFraming(ctx, seen); refusal != nil {
		return refusal
	}
	if !allowedMethod(ctx.Method()) {
		return &failure{code: shared.CodeMethodNotAllowed, allow: "GET, HEAD, POST, PUT, PATCH, DELETE", close: true}
	}
	return admitTarget(ctx.Request.Header.RequestURI(), e)
}

// once are the headers that decide something: a second line of one, or one spelt with underscores (which other readers
// take for dashes), is refused.
var once = [...]string{"host", "content-length", "transfer-encoding", "content-type", "origin", "locum-client",
	"sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "sec-purpose", "purpose", "authorization", "if-none-match",
	"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "content-encoding", "expect", "cookie"}

// Positions in once that admit asks for; readHeaders answers a bit set of what it saw.
const (
	onceHost             = 0
	onceContentLength    = 1
	onceTransferEncoding = 2
	onceOrigin           = 4
	onceFetchSite        = 6
	onceFetchMode        = 7
	onceFetchDest        = 8
	onceForwardedFor     = 13 // a list header: several lines are legal
	onceContentEncoding  = 16
	onceExpect           = 17
	onceCookie           = len(once) - 1
)

// readHeaders reads the raw header block line by line. RFC 9112 §5: no space before the colon (§5.1), no line folding
// (§5.2), lines end in CRLF (§2.2). Host must be the configured one (§3.2; 421 as RFC 9110 §15.5.20); what a proxy says
// about hosts is ignored.
func (s *Server) readHeaders(ctx *fasthttp.RequestCtx, e *exchange) (seen uint32, refusal *failure) {
	raw := ctx.Request.Header.RawHeaders()
	cookies := 0
	for len(raw) > 0 {
		end := bytes.IndexByte(raw, '\n')
		if end < 1 || raw[end-1] != '\r' {
			return 0, malformed("a header's line does not end in CRLF")
		}
		line := raw[:end-1]
		raw = raw[end+1:]
		if len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 1 || !isToken(line[:colon]) {
			return 0, malformed("a header has no name")
		}
		name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
		position, underscored := onceIndex(name)
		if position < 0 {
			continue
		}
		again := seen&(1<<position) != 0
		seen |= 1 << position
		switch {
		case underscored:
			return 0, malformed("a header is spelt with underscores: " + once[position])
		case position == onceCookie:
			cookies++
			e.cookies = value
		case again && position != onceForwardedFor:
			return 0, malformed("a header stands twice: " + once[position])
		case position == onceOrigin:
			e.origin = value
		case position == onceFetchSite:
			e.site = value
		case position == onceFetchMode:
			e.mode = value
		case position == onceFetchDest:
			e.dest = value
		case position == onceHost && !equalASCII(value, s.host):
			return 0, &failure{status: fiber.StatusMisdirectedRequest, code: shared.CodeBadRequest, close: true,
				why: "Host is not that of public_url; a proxy has to pass it on"}
		}
	}
	if seen&(1<<onceHost) == 0 {
		return 0, malformed("there is no Host")
	}
	if cookies > 1 { // RFC 6265 §5.4: one line. Which of several is meant is not for us to guess: none is.
		e.cookies = nil
	}
	return seen, nil
}

// equalASCII compares two hosts without regard to case. A host of a URI is ASCII (RFC 3986 §3.2.2): the folding of Unicode
// would take the Kelvin sign for a k.
func equalASCII(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		if c != b[i] && (c|0x20 != b[i]|0x20 || c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

func malformed(why string) *failure {
	return &failure{code: shared.CodeBadRequest, close: true, why: why}
}

// onceIndex finds name in once, ignoring case and taking underscores for dashes.
func onceIndex(name []byte) (position int, underscored bool) {
	for i, want := range once {
		if len(want) != len(name) || want[0]|0x20 != name[0]|0x20 {
			continue
		}
		under, equal := false, true
		for j := range want {
			c := name[j]
			if c == '_' {
				c, under = '-', true
			}
			if c|0x20 != want[j]|0x20 {
				equal = false
				break
			}
		}
		if equal {
			return i, under
		}
	}
	return -1, false
}

// isToken is RFC 9110 §5.6.2.
func isToken(name []byte) bool {
	for _, c := range name {
		if !tokenByte[c] {
			return false
		}
	}
	return true
}

var tokenByte = func() (set [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
		set[c] = true
	}
	return set
}()

// admitFraming refuses what two servers could cut into requests differently: RFC 9112 §6.1 (both lengths; the only
// transfer coding is chunked), a GET or HEAD with a body (RFC 9110 §9.3.1), and versions other than 1.0 and 1.1. A body in
// chunks is refused with 411 even where it is well formed (RFC 9112 §6.3 lets a server do so): no browser sends one, and
// fasthttp would add its trailers to the headers that have been checked here (RFC 9110 §6.5.1). fasthttp answers the one
// usual spelling of Expect itself; any other must not depend on who reads it.
func admitFraming(ctx *fasthttp.RequestCtx, seen uint32) *failure {
	header := &ctx.Request.Header
	length, chunked := seen&(1<<onceContentLength) != 0, seen&(1<<onceTransferEncoding) != 0
	protocol := string(header.Protocol())
	bodiless := header.IsGet() || header.IsHead()
	switch {
	case protocol != "HTTP/1.1" && protocol != "HTTP/1.0",
		length && chunked,
		chunked && header.ContentLength() != -1, // -1 is how fasthttp says chunked
		bodiless && (chunked || length && header.ContentLength() != 0):
		return malformed("the version, or the length of the body, can be read in two ways")
	case chunked:
		return &failure{status: fiber.StatusLengthRequired, code: shared.CodeBadRequest, close: true,
			why: "the body comes in chunks; whoever streams, or the proxy before them, has to give a Content-Length"}
	case seen&(1<<onceExpect) != 0:
		return expectationFailed()
	case seen&(1<<onceContentEncoding) != 0: // nothing unpacks a body here: 64 KiB stay 64 KiB
		return &failure{code: shared.CodeUnsupportedMedia, close: true}
	}
	return nil
}

func expectationFailed() *failure {
	return &failure{status: fiber.StatusExpectationFailed, code: shared.CodeBadRequest, close: true, why: "Expect is not met"}
}

func allowedMethod(method []byte) bool {
	switch string(method) {
	case fiber.MethodGet, fiber.MethodHead, fiber.MethodPost, fiber.MethodPut, fiber.MethodPatch, fiber.MethodDelete:
		return true
	}
	return false
}

// admitTarget takes origin-form alone (RFC 9112 §3.2.1) and reads its path with the parser that the router, the
// allow-list, the throttle and the audit trail share.
func admitTarget(target []byte, e *exchange) *failure {
	path, query, _ := bytes.Cut(target, []byte{'?'})
	if len(path) == 0 || path[0] != '/' || len(path) > maxPath || len(query) > maxQuery || !safeQuery(query) {
		return &failure{code: shared.CodeUnsafePath, close: true}
	}
	if len(path) == 1 {
		return nil
	}
	parsed, err := platform.ParsePath(string(path))
	if err != nil {
		return &failure{code: shared.CodeUnsafePath, close: true, err: err}
	}
	e.path = parsed
	return nil
}

// safeQuery: visible ASCII without the fragment mark, which no request target may hold (RFC 9112 §3.2.1).
func safeQuery(query []byte) bool {
	for _, c := range query {
		if c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	return true
}

// findRemote names the caller: the socket's other end, or behind trusted proxies the right-most address of
// X-Forwarded-For that is not one of them. What an untrusted sender claims is never read.
func (s *Server) findRemote(ctx *fasthttp.RequestCtx, e *exchange) {
	socketLocal := e.remote.IsLoopback()
	if s.trusted(e.remote) {
		e.remote = s.forwardedFor(ctx, e.remote)
	}
	e.local = socketLocal && e.remote.IsLoopback()
}

func (s *Server) forwardedFor(ctx *fasthttp.RequestCtx, peer netip.Addr) netip.Addr {
	list := bytes.Join(ctx.Request.Header.PeekAll(fiber.HeaderXForwardedFor), []byte{','})
	hops := bytes.Split(list, []byte{','})
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(string(bytes.TrimSpace(hops[i])))
		if err != nil {
			return peer
		}
		peer = hop.Unmap().WithZone("") // a zone would be the sender's own text
		if !s.trusted(peer) {
			return peer
		}
	}
	return peer
}

func (s *Server) trusted(addr netip.Addr) bool {
	for _, prefix := range s.cfg.TrustedProxies {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

func addressOf(addr net.Addr) netip.Addr {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
