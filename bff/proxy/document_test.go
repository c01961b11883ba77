package proxy_test

import (
	"slices"
	"strings"
	"testing"
)

// TestFHIRDocument: what leads to this server becomes a path of the connection, everything else stays byte for byte: numbers,
// the order of members, blanks, escapes, members that nobody knows.
func TestFHIRDocument(t *testing.T) {
	const at, own = "http://127.0.0.1:7001/fhir/r4", "/proxy/v1/c0/fhir/r4"
	for _, c := range []struct{ name, body, want string }{
		{"a relative reference", `{"subject":{"reference":"Patient/x"}}`, ""},
		{"an absolute one", `{"subject":{"reference":"` + at + `/Patient/x"}}`, `{"subject":{"reference":"` + own + `/Patient/x"}}`},
		{"with a version", `{"a":[{"reference":"` + at + `/Patient/x/_history/2"}]}`, `{"a":[{"reference":"` + own + `/Patient/x/_history/2"}]}`},
		{"in an extension", `{"extension":[{"valueReference":{"reference":"` + at + `/Patient/x"}}]}`, `{"extension":[{"valueReference":{"reference":"` + own + `/Patient/x"}}]}`},
		{"with escaped slashes", `{"a":{"reference":"` + strings.ReplaceAll(at, "/", `\/`) + `\/Patient\/x"}}`, `{"a":{"reference":"` + own + `/Patient/x"}}`},
		{"to a fragment", `{"a":{"reference":"#p1"}}`, ""},
		{"to a uuid", `{"a":{"reference":"urn:uuid:1"}}`, ""},
		{"T078 to E", `{"a":{"reference":"https://evil.example/fhir/r4/Patient/x"}}`, ""},
		{"T078 to E by a longer name", `{"a":{"reference":"` + at + `.evil.example/Patient/x"}}`, ""},
		{"T078 beside the base", `{"a":{"reference":"http://127.0.0.1:7001/v1/195900/patients"}}`, ""},
		{"T078 out of the base", `{"a":{"reference":"` + at + `/../Patient/x"}}`, ""},
		{"T078 a search", `{"a":{"reference":"` + at + `/Patient?name=x"}}`, ""},
		{"T078 a data URI", `{"content":[{"attachment":{"url":"data:text/html,<script>"}}]}`, ""},
		{"an attachment", `{"attachment":{"url":"` + at + `/Binary/b1"}}`, `{"attachment":{"url":"` + own + `/Binary/b1"}}`},
		{"T078 an attachment at E", `{"attachment":{"url":"https://evil.example/Binary/b1"}}`, ""},
		{"a name that looks like an address", `{"url":"` + at + `/StructureDefinition/x","system":"` + at + `/ids"}`, ""},
		{"fullUrl", `{"entry":[{"fullUrl":"` + at + `/Patient/x"}]}`, `{"entry":[{"fullUrl":"` + own + `/Patient/x"}]}`},
		{"numbers", `{"valueQuantity":{"value":0.10000000000000000000001,"x":1E400,"y":-0.0,"z":12345678901234567890}}`, ""},
		{"order, blanks, escapes", "{ \"z\":1 ,\n\t\"a\" : \"\\u00e9\\/é\\ud83d\" ,\"a\":[ ] , \"\":{ } }\n", ""},
		{"what nobody knows", `{"resourceType":"Future","novel":[null,true,false,"x",{"y":[[[]]]}],"_status":{"id":"1"}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, f := athena(t, setup{})
			f.always(fhirReply(200, c.body))
			out := r.mustDo(r.search(fhirRecord, ""))
			want := c.want
			if want == "" {
				want = c.body
			}
			if got := string(out.Body()); got != want || string(out.Header.ContentType()) != "application/fhir+json" {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if c.want == "" {
				return
			}
			body := strings.Replace(want, "{", `{"resourceType":"Observation",`, 1)
			r.mustDo(r.write("POST", fhirRecord, body))
			_, sent, _ := strings.Cut(f.last(t), "\r\n\r\n")
			if plain := strings.ReplaceAll(c.body, `\/`, "/"); sent != strings.Replace(plain, "{", `{"resourceType":"Observation",`, 1) {
				t.Errorf("written back: %s", sent)
			}
		})
	}
}

// TestFHIRAnswers: what is no FHIR document is no answer.
func TestFHIRAnswers(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + `1` + strings.Repeat(`}`, n) }
	for _, c := range []struct {
		name, reply string
		read        string // the code of a search; of a write it is outcome_unknown where this is not ""
	}{
		{"a resource", fhirReply(200, `{"resourceType":"Bundle"}`), ""},
		{"as plain JSON", jsonReply(200, `{"resourceType":"Bundle"}`), ""},
		{"100 levels", fhirReply(200, deep(100)), ""},
		{"101 levels", fhirReply(200, deep(101)), "platform_bad_answer"},
		{"100,000 levels", fhirReply(200, `{"a":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+`}`), "platform_bad_answer"},
		{"1,000 links", fhirReply(200, bundle("", slices.Repeat([]string{"self ?a"}, 1000)...)), ""},
		{"1,001 links", fhirReply(200, bundle("", slices.Repeat([]string{"self ?a"}, 1001)...)), "platform_bad_answer"},
		{"a list", fhirReply(200, `[]`), "platform_bad_answer"},
		{"a string", fhirReply(200, `"x"`), "platform_bad_answer"},
		{"blank", fhirReply(200, ` `), "platform_bad_answer"},
		{"cut", fhirReply(200, `{"resourceType":"Bundle"`), "platform_bad_answer"},
		{"something behind it", fhirReply(200, `{}x`), "platform_bad_answer"},
		{"bad UTF-8", fhirReply(200, "{\"a\":\"\xff\"}"), "platform_bad_answer"},
		{"a byte order mark", fhirReply(200, "\ufeff{}"), "platform_bad_answer"},
		{"XML", reply(200, "Content-Type: application/fhir+xml", "<Bundle/>"), "platform_bad_answer"},
		{"HTML", reply(200, "Content-Type: text/html", "<html>CANARY</html>"), "platform_bad_answer"},
		{"compressed", reply(200, "Content-Type: application/fhir+json\r\nContent-Encoding: gzip", "{}"), "platform_bad_answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, f := athena(t, setup{})
			f.always(c.reply)
			for _, write := range []bool{false, true} {
				q, code := r.search(fhirRecord, ""), c.read
				if write {
					q = r.write("POST", fhirRecord, observationA)
				}
				if write && code != "" {
					code = "outcome_unknown"
				}
				_, err := r.do(q)
				if code == "" {
					must(t, err)
				} else {
					wantCode(t, err, code)
				}
			}
			if len(f.seen()) != 2 {
				t.Errorf("%d requests", len(f.seen()))
			}
		})
	}
	t.Run("nothing, to a search", func(t *testing.T) {
		r, f := athena(t, setup{})
		f.always(fhirReply(200, ""))
		wantCode(t, errOf(r.do(r.search(fhirRecord, ""))), "platform_bad_answer")
	})
	t.Run("nothing, to a write", func(t *testing.T) {
		r, f := athena(t, setup{})
		f.always(reply(201, "ETag: W/\"1\"\r\nLocation: http://127.0.0.1:7001/fhir/r4/Observation/o9", ""))
		out := r.mustDo(r.write("POST", fhirRecord, observationA))
		if out.StatusCode() != 201 || string(out.Header.Peek("ETag")) != `W/"1"` || len(out.Header.Peek("Location")) > 0 {
			t.Errorf("%s", out)
		}
	})
}
