package proxy_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/throttle"
)

// TestT105Quota: a limit that an answer calls used up, of whatever status, stops the calls to that clinic until it is reset; the
// answer itself is passed on, another practice at the same host flows, and the freeze is on record once.
func TestT105Quota(t *testing.T) {
	const spent = "\r\nX-RateLimit-Limit: 50\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 30"
	for _, c := range []struct {
		name, answer string
		code         string
		frozen       time.Duration // 0: not
	}{
		{"200", reply(200, "Content-Type: application/fhir+json"+spent, emptyBundle), "", 31 * time.Second},
		{"404", reply(404, "Content-Type: text/plain"+spent, "x"), "call_refused", 31 * time.Second},
		{"500", reply(500, "Content-Type: text/plain"+spent, "x"), "platform_unavailable", 31 * time.Second},
		{"429 without Retry-After", reply(429, "Content-Type: text/plain"+spent, "x"), "budget_spent", 31 * time.Second},
		{"503 with Retry-After", reply(503, "Retry-After: 20", ""), "platform_unavailable", 21 * time.Second},
		{"the platform's clock", reply(200, "Content-Type: application/fhir+json\r\nDate: Thu, 01 Jan 1998 00:00:00 GMT\r\nRateLimit-Remaining: 0\r\nRateLimit-Reset: Thu, 01 Jan 1998 00:00:30 GMT", emptyBundle), "", 31 * time.Second},
		{"until midnight GMT", reply(200, "Content-Type: application/fhir+json\r\nDate: Thu, 01 Jan 1998 20:00:00 GMT\r\nX-RateLimit-Remaining-Day: 0", emptyBundle), "", 4*time.Hour + time.Second},
		{"200 with Retry-After, which says nothing", reply(200, "Content-Type: application/fhir+json\r\nRetry-After: 30", emptyBundle), "", 0},
		{"something left", reply(200, "Content-Type: application/fhir+json\r\nX-RateLimit-Remaining: 1\r\nX-RateLimit-Reset: 30", emptyBundle), "", 0},
	} {
		t.Run("T105 "+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, f := athena(t, setup{limits: throttle.Limits{
					Endpoint: throttle.Limit{N: 100, Window: time.Second}, Clinic: throttle.Limit{N: 100, Window: time.Second}}})
				f.always(c.answer)
				for range 2 { // two answers that say the same
					out, err := r.do(r.search(fhirRecord, ""))
					if c.code == "" {
						must(t, err)
						for _, name := range []string{"X-RateLimit-Remaining", "X-RateLimit-Remaining-Day", "RateLimit-Remaining", "Retry-After"} {
							if len(out.Header.Peek(name)) > 0 {
								t.Errorf("%s is passed on", name)
							}
						}
					} else {
						wantCode(t, err, c.code)
					}
					if c.frozen > 0 {
						break
					}
				}
				f.always(fhirReply(200, emptyBundle))
				began, n := time.Now(), len(f.seen())
				second := r.search("/v1/195901/patients/1", "")
				second.Connection = "c1"
				r.mustDo(second)
				_, err := r.do(r.search("/fhir/r4/Encounter", ""))
				if c.frozen == 0 {
					must(t, err)
					return
				}
				var refused *throttle.RefusedError
				if !errors.As(err, &refused) || refused.RetryAfter != c.frozen || len(f.seen()) != n+1 {
					t.Fatalf("%v after %d requests, want a refusal for %s", err, len(f.seen())-n, c.frozen)
				}
				time.Sleep(c.frozen - 5*time.Second)
				r.mustDo(r.search(fhirRecord, ""))
				if got := time.Since(began); got != c.frozen {
					t.Errorf("the next request came after %s, want %s", got, c.frozen)
				}
				frozen := 0
				for _, m := range r.records() {
					if m["kind"] == "freeze" {
						frozen++
					}
				}
				if frozen != 1 && c.name != "429 without Retry-After" {
					t.Errorf("%d freezes on record", frozen)
				}
			})
		})
	}
}

// TestQuotaHeadersOfJane: Jane names its limits in its guide; what its answers might say beside them changes nothing.
func TestQuotaHeadersOfJane(t *testing.T) {
	f := newFake(t, "127.0.0.1:7001")
	r := newRig(t, setup{fakes: []*fake{f}})
	f.always(reply(200, "Content-Type: application/json\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 30", ok))
	r.mustDo(r.request("GET", patients))
	r.mustDo(r.request("GET", patients))
}
