package proxy

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"locum/bff/throttle"
)

// Headers of Locum's own API: the same words as package shared's, which this package may not import (a test of bff
// compares them).
const (
	HeaderBudgetEndpoint = "Locum-Budget-Endpoint"
	HeaderBudgetClinic   = "Locum-Budget-Clinic"
)

// contentJSON is the one type that is sent and passed on ("Jane guide, Making a Request": on every request).
const contentJSON = "application/json"

const userAgent = "Locum"

// buffers are for lines that are put together for one request.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// write fills a new request. What stands here is all that Jane ever receives (for others see writeForeign): target, Host, Authorization,
// Content-Type, Accept, Accept-Encoding, User-Agent, and where given Accept-Language, If-None-Match and a body.
func (c *call) write(req *fasthttp.Request) {
	held, _ := buffers.Get().(*[]byte)
	defer func() {
		clear(*held) // it held the token
		buffers.Put(held)
	}()
	b := (*held)[:0]
	if c.target != "" {
		b = append(b, c.target...)
	} else {
		b = append(b, c.operation.Path...)
	}
	if c.query != "" {
		b = append(b, '?')
		b = append(b, c.query...)
	}
	req.Header.SetRequestURIBytes(b) // goes out as it stands: no URI is parsed or normalised here
	req.Header.SetHost(c.upstream.host)
	req.Header.SetMethod(c.operation.Method)
	b = append(b[:0], "Bearer "...)
	b = append(b, c.lease.Access.Reveal()...)
	req.Header.SetBytesV(fasthttp.HeaderAuthorization, b)
	*held = b[:0:cap(b)]
	if c.upstream.face != nil {
		c.writeForeign(req)
	} else {
		req.Header.SetContentType(contentJSON)
		req.Header.Set(fasthttp.HeaderAccept, contentJSON)
		if len(c.request.Body) > 0 {
			req.SetBodyRaw(c.request.Body)
		}
	}
	req.Header.Set(fasthttp.HeaderAcceptEncoding, "identity")
	req.Header.SetUserAgent(userAgent)
	if v := c.request.AcceptLanguage; isFieldValue(v) {
		req.Header.Set(fasthttp.HeaderAcceptLanguage, v)
	}
	if v := c.request.IfNoneMatch; isFieldValue(v) {
		req.Header.Set(fasthttp.HeaderIfNoneMatch, v)
	}
}

const maxFieldValue = 256

// isFieldValue says whether s is a header value worth passing on: short and printable ASCII.
func isFieldValue[T string | []byte](s T) bool {
	if len(s) == 0 || len(s) > maxFieldValue {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// isJSON says whether a media type is application/json or application/…+json, in UTF-8 where it names a charset: a
// browser that was made to read UTF-7 could find script in it.
func isJSON(contentType string) bool {
	media, params, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	if media != contentJSON && !(strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")) {
		return false
	}
	params = strings.ToLower(strings.ReplaceAll(params, " ", ""))
	name, charset, found := strings.Cut(params, "=")
	return params == "" || found && name == "charset" && strings.Trim(charset, `"`) == "utf-8"
}

// clip is a platform's word for a log, where it is the name of a limit such as "marketing_api/ip/clinic": nothing else that
// a platform says is repeated (T114).
func clip(s string) string {
	if len(s) > 64 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_/-") != "" {
		return "unreadable"
	}
	return s
}

// budget is what is left for the operation's endpoint and for the clinic.
func (c *call) budget() (endpoint, clinic throttle.Allowance) {
	return c.proxy.limiter.Budget(c.upstream.key, c.operation.Class, c.upstream.live.Limits)
}

// writeBudget puts the budget on whatever answer the caller gets, once it is known which budget that is.
func (c *call) writeBudget() {
	if c.operation.Operation == nil || c.upstream == nil {
		return
	}
	endpoint, clinic := c.budget()
	var space [64]byte
	c.out.Header.SetBytesV(HeaderBudgetEndpoint, allowance(space[:0], endpoint))
	c.out.Header.SetBytesV(HeaderBudgetClinic, allowance(space[:0], clinic))
}

// allowance writes "limit=100, remaining=97, reset=34"; reset in whole seconds, rounded up.
func allowance(b []byte, a throttle.Allowance) []byte {
	b = strconv.AppendInt(append(b, "limit="...), int64(a.Limit), 10)
	b = strconv.AppendInt(append(b, ", remaining="...), int64(a.Remaining), 10)
	return strconv.AppendInt(append(b, ", reset="...), int64((a.Reset+time.Second-1)/time.Second), 10)
}
