package proxy

import (
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"locum/bff/throttle"
)

// heed obeys what an answer says of the platform's own limits, whatever its status: one that is used up stops the calls to
// the clinic until it is reset. A 503 that says when to come back is obeyed likewise (RFC 9110 §10.2.3); a 429 has its own
// way. Nothing that a platform says makes Locum send more than it would.
func (c *call) heed(permit *throttle.Permit, status int) {
	header := &c.out.Header
	now := c.platformTime()
	quota, spent := throttle.ReadQuota(limitHeaders(header), now)
	if status == fasthttp.StatusServiceUnavailable && !spent {
		quota.Reset, spent = throttle.ParseRetryAfter(string(header.Peek(fasthttp.HeaderRetryAfter)), now)
	}
	if !spent {
		return
	}
	frozen := freeze{class: c.operation.Class}
	longer := false
	if frozen.whole, frozen.long, longer = permit.Spent(quota); !longer {
		return
	}
	c.noteFreeze(frozen)
	c.proxy.log.Warn("a limit of the platform is used up", "request_id", c.request.RequestID, "platform", c.lease.Platform,
		"clinic", c.lease.Clinic, "operation", c.operation.ID, "limit", clip(quota.Name), "daily", quota.Daily, "for", frozen.long)
}

// platformTime is the platform's own clock: dates that it names are by that.
func (c *call) platformTime() time.Time {
	now, err := fasthttp.ParseHTTPDate(c.out.Header.Peek(fasthttp.HeaderDate))
	if err != nil {
		return time.Now()
	}
	return now
}

func (c *call) noteFreeze(f freeze) {
	if err := c.proxy.audit.Event(c.proxy.recorder.recording(), c.event("freeze", f.String())); err != nil {
		c.proxy.log.Error("freeze not recorded", "request_id", c.request.RequestID, "error", err)
	}
}

// limitHeaders are the headers of an answer that may speak of limits.
func limitHeaders(h *fasthttp.ResponseHeader) []throttle.Header {
	var found []throttle.Header
	for name, value := range h.All() {
		if lower := strings.ToLower(string(name)); strings.Contains(lower, "ratelimit") || strings.Contains(lower, "rate-limit") {
			found = append(found, throttle.Header{Name: lower, Value: string(value)})
		}
	}
	return found
}
