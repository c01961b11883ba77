package proxy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"locum/bff/proxy"
)

// outcome is an OperationOutcome of one error, full of what nobody shall see.
func outcome(code, text string) string {
	return fmt.Sprintf(`{"resourceType":"OperationOutcome","text":{"div":"<div>CANARY</div>"},"issue":[{"severity":"information","code":"informational"},`+
		`{"severity":"error","code":%q,"diagnostics":"CANARY %s at db7.internal","details":{"text":"CANARY"}}]}`, code, text)
}

// TestT086RefusalsInOurWords walks what platforms answer when they refuse: one request each, the reason out of a closed list,
// the status that goes with it, and not a word of theirs, neither to the caller nor in the log.
func TestT086RefusalsInOurWords(t *testing.T) {
	one := func(text string) string { return `{"error":"CANARY ` + text + `","detailedmessage":"CANARY"}` }
	const unrouted = "Service not registered with API gateway."
	for _, c := range []struct {
		name, reply string
		reason      string
		status      int
	}{
		{"no such record", fhirReply(404, outcome("not-found", "")), "not_found", 404},
		{"no such record, said badly", fhirReply(404, outcome("processing", "")), "not_found", 404},
		{"deleted", fhirReply(410, outcome("deleted", "")), "deleted", 410},
		{"a bad value", fhirReply(400, outcome("value", "")), "invalid", 422},
		{"a bad resource", fhirReply(422, outcome("invariant", "")), "invalid", 422},
		{"not supported", fhirReply(400, outcome("not-supported", "")), "unsupported", 400},
		{"no such method there", fhirReply(405, outcome("not-supported", "")), "unsupported", 400},
		{"a search of all, as athenahealth says it", fhirReply(400, outcome("forbidden", "[[patient],[_id]]")), "global_search", 400},
		{"no practice, as athenahealth says it", fhirReply(400, outcome("invalid", "Could not determine what practice to use")), "practice_missing", 400},
		{"not for this person", fhirReply(403, outcome("forbidden", "")), "forbidden", 403},
		{"not for this person, without a word", reply(403, "", ""), "forbidden", 403},
		{"a duplicate", fhirReply(400, outcome("duplicate", "")), "conflict", 409},
		{"a conflict", fhirReply(409, outcome("conflict", "")), "conflict", 409},
		{"another version", fhirReply(412, outcome("conflict", "")), "changed", 412},
		{"locked", fhirReply(423, outcome("lock-error", "")), "conflict", 409},
		{"too much", fhirReply(400, outcome("too-costly", "")), "too_costly", 400},
		{"too large", reply(413, "", ""), "too_costly", 400},
		{"athenaOne, a bad field", jsonReply(400, one("The data provided is invalid.")), "invalid", 422},
		{"athenaOne, no such patient", jsonReply(404, one("The patient does not exist.")), "not_found", 404},
		{"athenaOne, a conflict", jsonReply(409, one("x")), "conflict", 409},
		{"athenaOne, forbidden", jsonReply(403, one("x")), "forbidden", 403},
		{"the gateway, unrouted", reply(404, "Content-Type: text/plain", unrouted), "not_registered", 403},
		{"the gateway, in HTML", reply(403, "Content-Type: text/html", "<h1>Developer Inactive</h1>"), "not_registered", 403},
		{"the gateway's words in a document", fhirReply(404, outcome("not-found", unrouted)), "not_found", 404},
		{"HTML", reply(400, "Content-Type: text/html", "<html>CANARY</html>"), "invalid", 422},
		{"broken JSON", jsonReply(400, `{"issue":[{"severity":"error","code":"CANARY`), "invalid", 422},
		{"JSON of another shape", jsonReply(400, `{"issue":"CANARY","error":{"CANARY":1}}`), "invalid", 422},
		{"a code that nobody knows", fhirReply(400, outcome("CANARY", "")), "invalid", 422},
		{"a status that nobody knows", fhirReply(418, outcome("CANARY", "")), "rejected", 400},
		{"payment", reply(402, "", ""), "rejected", 400},
		{"too early to know the version", reply(428, "", ""), "rejected", 400},
		{"very long", fhirReply(400, outcome("value", strings.Repeat("CANARY", 20<<10))), "invalid", 422},
		{"compressed", reply(400, "Content-Type: application/fhir+json\r\nContent-Encoding: gzip", "CANARY"), "invalid", 422},
	} {
		t.Run("T086 "+c.name, func(t *testing.T) {
			r, f := athena(t, setup{})
			f.always(c.reply)
			for i, q := range []*proxy.Request{r.search(fhirRecord, ""), r.write("POST", fhirRecord, observationA)} {
				out, err := r.do(q)
				own := wantCode(t, err, "call_refused")
				reason, status := c.reason, c.status
				if reason == "global_search" && i == 1 { // a write is no search
					reason, status = "forbidden", 403
				}
				if own.Params["reason"] != reason || own.Status != status || len(own.Params) != 1 || len(out.Body()) > 0 {
					t.Errorf("%v %d, want %s %d; body %q", own.Params, own.Status, reason, status, out.Body())
				}
				if strings.Contains(own.Error(), "CANARY") || strings.Contains(r.logged.String(), "CANARY") || strings.Contains(out.String(), "CANARY") {
					t.Error("the platform's words are repeated")
				}
			}
			if len(f.seen()) != 2 {
				t.Errorf("%d requests", len(f.seen()))
			}
		})
	}
}

// TestT126FHIRFaults: faults of a platform that speaks FHIR, by a search and by writes of both kinds, on real sockets. Each is
// sent exactly once; a write whose answer says nothing is unknown, never repeated.
func TestT126FHIRFaults(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n"
	for _, c := range []struct {
		name, text string
		read       string // the code of a search; that of a write is outcome_unknown
	}{
		{"closed without a byte", "", "platform_unavailable"},
		{"closed in the head", "HTTP/1.1 200 OK\r\nContent-", "platform_unavailable"},
		{"closed in the body", head + "Content-Length: 99\r\n\r\n{", "platform_unavailable"},
		{"no HTTP", "SSH-2.0\r\n\r\n", "platform_bad_answer"},
		{"500", fhirReply(500, outcome("exception", "")), "platform_unavailable"},
		{"503", reply(503, "", ""), "platform_unavailable"},
		{"408", reply(408, "", ""), "platform_unavailable"},
		{"421", reply(421, "", ""), "platform_unavailable"},
		{"302", reply(302, "Location: /x", ""), "platform_bad_answer"},
		{"HTML", reply(200, "Content-Type: text/html", "CANARY"), "platform_bad_answer"},
		{"too large", fhirReply(200, `{"a":"`+strings.Repeat("x", 2<<20)+`"}`), "platform_bad_answer"},
	} {
		t.Run("T126 "+c.name, func(t *testing.T) {
			for _, kind := range []string{"search", "create", "form"} {
				r, f := athena(t, setup{})
				f.always(c.text + andClose)
				q, code := r.search(fhirRecord, ""), c.read
				switch kind {
				case "create":
					q, code = r.write("POST", fhirRecord, observationA), "outcome_unknown"
				case "form":
					q, code = r.form("POST", "/v1/195900/appointments/7/notes", "notetext=x"), "outcome_unknown"
				}
				_, err := r.do(q)
				wantCode(t, err, code)
				if n := len(f.seen()); n != 1 {
					t.Errorf("%s: sent %d times", kind, n)
				}
				f.always(fhirReply(200, emptyBundle))
				if _, err := r.do(r.search(fhirRecord, "")); err != nil {
					t.Errorf("%s: the next call: %v", kind, err)
				}
				records := r.records()
				if records[0]["kind"] != "intent" || records[1]["kind"] != "outcome" {
					t.Errorf("%s: %v", kind, records[:2])
				}
			}
		})
	}
}

// TestT084FHIRWriteAfter401: a platform that did not authorise a write has not done it; with a fresh token it is sent once more,
// and never a third time.
func TestT084FHIRWriteAfter401(t *testing.T) {
	r, f := athena(t, setup{})
	f.always(reply(401, "Content-Type: text/html", "<h1>Developer Inactive</h1>"))
	for _, q := range []*proxy.Request{r.write("POST", fhirRecord, observationA), r.form("PUT", onePatients+"/60178", "email=a")} {
		if _, err := r.do(q); err == nil {
			t.Error("it was answered")
		}
	}
	if n := len(f.seen()); n != 2 { // this rig's platform has no token endpoint to give another token
		t.Errorf("%d requests", n)
	}
}

// TestT110WhomARecordIsAbout: the trail says of a search whose record it was about, as a fingerprint.
func TestT110WhomARecordIsAbout(t *testing.T) {
	r, _ := athena(t, setup{})
	for _, q := range []*proxy.Request{
		r.search(fhirPatient+"/"+ada, ""), r.search(fhirRecord, "patient=Patient/"+ada), r.search(fhirRecord, "subject=Patient/"+ada+"&code=x"),
		r.search(fhirRecord, "patient="+grace), r.search(fhirRecord, "patient="+ada+","+grace), r.search(fhirRecord, "code=x"),
	} {
		r.mustDo(q)
	}
	var about []any
	for _, record := range r.records() {
		if record["kind"] == "intent" {
			about = append(about, record["record"])
			if strings.Contains(fmt.Sprint(record), "E-6017") {
				t.Errorf("an id in the clear: %v", record)
			}
		}
	}
	if len(about) != 6 || about[0] == nil || about[0] != about[1] || about[1] != about[2] || about[3] == about[0] || about[4] != nil && about[4] != "" ||
		!slices.Equal(about[4:5], about[5:6]) {
		t.Errorf("%v", about)
	}
}
