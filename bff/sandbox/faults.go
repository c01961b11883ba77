package sandbox

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Canned is an answer to give instead of the real one, for what no honest server sends. A zero Status is 200.
type Canned struct {
	Status int
	Header map[string]string
	Body   string
}

func (c *Canned) write(w http.ResponseWriter) {
	for name, value := range c.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(max(c.Status, http.StatusOK))
	_, _ = w.Write([]byte(c.Body))
}

// faults are what the controls have planned; Sandbox.mu guards them.
type faults struct {
	plans    []*plan
	next     nextGrant
	alwaysID bool // an ID token comes without openid
}

// plan is one planned fault; left counts down.
type plan struct {
	where  Endpoint
	left   int
	delay  time.Duration
	canned *Canned
	cut    bool
	lose   bool
	hang   bool // no answer; with lose, after it was processed
	every  int  // of a flapping endpoint
	seen   int
}

// down says whether a flapping endpoint fails this request.
func (p *plan) down() bool {
	if p.every == 0 {
		return true
	}
	p.seen++
	return (p.seen-1)/p.every%2 == 0
}

// take uses up what is planned for where: the first delay and the first other fault.
func (f *faults) take(s *Sandbox, where Endpoint) plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	var now plan
	var acted bool
	kept := f.plans[:0]
	for _, p := range f.plans {
		switch {
		case !p.where.covers(where):
		case p.delay > 0 && now.delay == 0:
			now.delay = p.delay
			p.left--
		case p.delay == 0 && !acted && p.down():
			acted = true
			now.canned, now.cut, now.lose, now.hang = p.canned, p.cut, p.lose, p.hang
			if p.every == 0 {
				p.left--
			}
		}
		if p.left > 0 {
			kept = append(kept, p)
		}
	}
	f.plans = kept
	return now
}

func (s *Sandbox) plan(p plan) {
	if p.left <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.plans = append(s.faults.plans, &p)
}

// Fail answers the next n requests at where with status, unprocessed. A 429 carries Retry-After: 60 and X-Throttle-Match
// as "Jane guide, Rate Limits" describes; the identity server's body is an OAuth error, the clinics' {object, code, message}.
func (s *Sandbox) Fail(where Endpoint, status, n int) {
	canned := &Canned{Status: status, Header: map[string]string{"Content-Type": "application/json"}}
	if status == http.StatusTooManyRequests {
		canned.Header["Retry-After"] = "60"
		canned.Header["X-Throttle-Match"] = "sandbox/" + string(where)
	}
	switch {
	case strings.Contains(string(where), "/fhir"):
		canned.Header["Content-Type"] = fhirType
		canned.Body = `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"exception","diagnostics":"planned by the sandbox"}]}`
	case strings.Contains(string(where), "/v1"):
		canned.Body = `{"error":"planned by the sandbox","detailedmessage":"planned by the sandbox"}`
	case EndpointAPI.covers(where):
		canned.Body = fmt.Sprintf(`{"object":"error","code":%q,"message":"planned by the sandbox"}`, strconv.Itoa(status))
	case status >= http.StatusInternalServerError:
		canned.Body = `{"error":"server_error","error_description":"planned by the sandbox"}`
	default:
		canned.Body = `{"error":"invalid_request","error_description":"planned by the sandbox"}`
	}
	s.plan(plan{where: where, left: n, canned: canned})
}

// Throttle answers the next n requests at where with 429 and this Retry-After, unprocessed.
func (s *Sandbox) Throttle(where Endpoint, wait time.Duration, n int) {
	answer := Canned{
		Status: http.StatusTooManyRequests, Header: map[string]string{"Content-Type": "application/json", "Retry-After": retryAfter(wait)},
		Body: `{"error":"temporarily_unavailable","error_description":"Too many requests"}`,
	}
	s.Answer(where, answer, n)
}

// Flap makes where fail the next every requests with 503, answer as many, fail as many, and so on until Calm.
func (s *Sandbox) Flap(where Endpoint, every int) {
	answer := &Canned{
		Status: http.StatusServiceUnavailable, Header: map[string]string{"Content-Type": "application/json"},
		Body: `{"error":"temporarily_unavailable","error_description":"planned by the sandbox"}`,
	}
	s.plan(plan{where: where, left: min(every, 1), every: every, canned: answer})
}

// Hang takes the next n requests at where and never answers: unprocessed, each stays open until the caller leaves or the
// sandbox closes.
func (s *Sandbox) Hang(where Endpoint, n int) { s.plan(plan{where: where, left: n, hang: true}) }

// HangAfter is Hang for requests that were processed: what they changed is changed, and nobody hears of it.
func (s *Sandbox) HangAfter(where Endpoint, n int) {
	s.plan(plan{where: where, left: n, hang: true, lose: true})
}

// Answer gives the next n requests at where a canned answer, unprocessed.
func (s *Sandbox) Answer(where Endpoint, answer Canned, n int) {
	answer.Header = maps.Clone(answer.Header)
	s.plan(plan{where: where, left: n, canned: &answer})
}

// Slow delays the next n requests at where by d before they are processed. A caller who leaves meanwhile is processed
// all the same, as by any server that has read the request.
func (s *Sandbox) Slow(where Endpoint, d time.Duration, n int) {
	if d > 0 {
		s.plan(plan{where: where, left: n, delay: d})
	}
}

// Cut closes the connection of the next n requests at where before anything is processed.
func (s *Sandbox) Cut(where Endpoint, n int) { s.plan(plan{where: where, left: n, cut: true}) }

// LoseNextResponse processes and commits the next request at where, then closes the connection without a byte of answer.
func (s *Sandbox) LoseNextResponse(where Endpoint) { s.plan(plan{where: where, left: 1, lose: true}) }

// Calm forgets every fault and every change of the next authorization that is still planned.
func (s *Sandbox) Calm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.plans, s.faults.next = nil, nextGrant{}
	for _, f := range s.faces() {
		f.planned = planned{}
	}
}
