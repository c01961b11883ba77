package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"
)

// answer turns the platform's answer, which is in out, into the caller's: a status, a body of JSON, an ETag, and nothing
// else that the platform sent. An error says why it cannot be used.
func (c *call) answer(status int) error {
	switch {
	case status == fasthttp.StatusNotModified && isFieldValue(c.request.IfNoneMatch):
		c.out.ResetBody()
		return c.pass(status)
	case status < 200:
		return c.unusable(fmt.Errorf("status %d", status))
	case status < 300:
		return c.success(status)
	case status < 400: // never followed: the token is for this host alone
		return c.unusable(fmt.Errorf("status %d", status))
	case browserRepeats(status):
		return c.broken(status)
	case status < 500 && c.upstream.face != nil:
		return c.explained(status)
	case status < 500:
		if faults := c.faults(status); faults != nil {
			c.out.SetBodyRaw(faults)
		} else {
			c.out.ResetBody()
		}
		return c.pass(status)
	}
	return c.broken(status)
}

const statusTooEarly = 425 // RFC 8470 §5.2; fasthttp has no name for it

// browserRepeats says of a refusal that a browser takes it for the connection's, and not the request's: it then asks for a
// password of a proxy's (407), or sends the request once more by itself, a write too (RFC 9110 §15.5.9 and §15.5.20, RFC
// 8470 §5.2). That would cost a second permit, and could do a thing twice (T084). What became of the request is unknown.
func browserRepeats(status int) bool {
	switch status {
	case fasthttp.StatusProxyAuthRequired, fasthttp.StatusRequestTimeout, fasthttp.StatusMisdirectedRequest, statusTooEarly:
		return true
	}
	return false
}

// success passes on JSON, and answers without a body.
func (c *call) success(status int) error {
	if c.operation.FHIR {
		if err := c.wholeFHIR(); err != nil {
			return err
		}
	}
	if len(c.out.Body()) == 0 {
		return c.pass(status)
	}
	if encoding := c.out.Header.ContentEncoding(); len(encoding) > 0 && string(encoding) != "identity" {
		return c.unusable(errors.New("a content encoding that was not asked for"))
	}
	if !isJSON(string(c.out.Header.ContentType())) {
		return c.unusable(errors.New("not JSON"))
	}
	if c.operation.FHIR {
		if err := c.incoming(); err != nil {
			return err
		}
	}
	return c.pass(status)
}

// pass leaves the body and an ETag in out, and drops all other headers.
func (c *call) pass(status int) error {
	var space [maxFieldValue + 1]byte
	etag := space[:copy(space[:], c.out.Header.Peek(fasthttp.HeaderETag))]
	c.out.Header.Reset()
	c.out.SetStatusCode(status)
	if isFieldValue(etag) {
		c.out.Header.SetBytesV(fasthttp.HeaderETag, etag)
	}
	c.out.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	switch {
	case len(c.out.Body()) > 0 && c.operation.FHIR:
		c.out.Header.SetContentType(contentFHIR)
	case len(c.out.Body()) > 0:
		c.out.Header.SetContentType(contentJSON)
	default:
		c.out.Header.SetNoDefaultContentType(true)
	}
	return nil
}

// unusable is an answer that says nothing of use. A write may have been done all the same.
func (c *call) unusable(why error) error {
	code := codeBadAnswer
	if c.operation.Write {
		code = codeUnknown
	}
	return c.failed(code, why)
}

// broken is a 5xx. Its text is never passed on or logged. A write that ended so may have been done or not: 503 too, which
// by RFC 9110 §15.6.4 was not tried, is what routers answer when they lose patience with a platform that is at work.
func (c *call) broken(status int) error {
	code := codeUnavailable
	if c.operation.Write {
		code = codeUnknown
	}
	return c.failed(code, fmt.Errorf("status %d", status))
}

// Bounds of what is passed on of a refusal.
const (
	maxFaults    = 50
	maxFaultText = 300
	maxRefusal   = 64 << 10
)

// refusal is what is passed on of a platform's 4xx: the fields of Jane's four error shapes, and no others.
type refusal struct {
	Object   string   `json:"object,omitempty"`
	Code     string   `json:"code,omitempty"`
	Message  string   `json:"message,omitempty"`
	Error    string   `json:"error,omitempty"`
	Messages []string `json:"messages,omitempty"`
	Errors   []fault  `json:"errors,omitempty"`
}

type fault struct {
	ID      string `json:"id,omitempty"`
	Path    string `json:"path,omitempty"` // a JSON pointer into the caller's own request
	Message string `json:"message,omitempty"`
}

// faults is the body that goes with a platform's refusal: where the request itself was at fault, what was wrong with
// which field. All other refusals, and what is not of a known shape, pass without a body: it may hold anything.
func (c *call) faults(status int) []byte {
	switch status {
	case fasthttp.StatusBadRequest, fasthttp.StatusConflict, fasthttp.StatusUnprocessableEntity:
	default:
		return nil
	}
	body := c.out.Body()
	encoded := len(c.out.Header.ContentEncoding()) > 0
	if encoded || len(body) > maxRefusal || !isJSON(string(c.out.Header.ContentType())) {
		return nil
	}
	var r refusal
	if json.Unmarshal(body, &r) != nil {
		return nil
	}
	secret := c.lease.Access.Reveal()
	keep := func(s string) string {
		if len(s) > maxFaultText || strings.Contains(s, secret) || strings.Contains(s, c.upstream.host) || !isPlainText(s) {
			return ""
		}
		return s
	}
	r = refusal{keep(r.Object), keep(r.Code), keep(r.Message), keep(r.Error), r.Messages, r.Errors}
	r.Messages = r.Messages[:min(len(r.Messages), maxFaults)]
	for i, m := range r.Messages {
		r.Messages[i] = keep(m)
	}
	r.Errors = r.Errors[:min(len(r.Errors), maxFaults)]
	for i, f := range r.Errors {
		r.Errors[i] = fault{keep(f.ID), keep(f.Path), keep(f.Message)}
	}
	filtered, err := json.Marshal(r)
	if err != nil || string(filtered) == "{}" {
		return nil
	}
	return filtered
}

// isPlainText refuses what no message for a person holds: several lines, as a stack trace has, a URL, or a token.
func isPlainText(s string) bool {
	if strings.Contains(s, "://") || strings.Contains(s, "eyJ") || strings.Contains(strings.ToLower(s), "bearer ") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 })
}
