package proxy_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/audit"
)

// refusedAnswer has a platform answer a read and a write, and checks what becomes of it: an error with the code of a read, the
// unknown outcome of a write, one request each, permits given back, no connection used again, and no word of the platform's
// told. It says how long the read took.
func refusedAnswer(t *testing.T, prepare func(f *fake), read string) (took time.Duration) {
	t.Helper()
	f := newFake(t, "127.0.0.1:7001")
	r := newRig(t, setup{fakes: []*fake{f}})
	prepare(f)
	began := time.Now()
	_, err := r.do(r.request("GET", patients))
	took = time.Since(began)
	wantCode(t, err, read)
	_, errOfWrite := r.do(r.write("POST", observations, "{}"))
	wantCode(t, errOfWrite, "outcome_unknown")
	if n := len(f.seen()); n != 2 {
		t.Errorf("%d requests", n)
	}
	if n := r.proxy.Lines(); n != 0 {
		t.Errorf("%d connections are kept", n)
	}
	if text := fmt.Sprint(err, errOfWrite, r.logged.String()); strings.Contains(text, "CANARY") {
		t.Errorf("told: %s", text)
	}
	f.always(jsonReply(200, ok)) // and the next one is served as if nothing had been
	r.mustDo(r.request("GET", patients))
	if clinic, _ := r.proxy.Budgets("jane", f.origin); clinic.Limit-clinic.Remaining != 3 {
		t.Errorf("the budget counts %+v", clinic)
	}
	records := r.records()
	if len(records) != 6 || records[5]["result"] != audit.ResultAnswered {
		t.Errorf("audit: %v", records)
	}
	return took
}

// TestT084StatusLine: an answer has HTTP/1.1 or HTTP/1.0, a space, three digits from 100 to 599, and a space or the end of
// the line. Anything else is not an answer, whatever a lenient reader would make of it.
func TestT084StatusLine(t *testing.T) {
	rest := fmt.Sprintf("\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(ok), ok)
	for _, line := range []string{
		"HTTP/1.1 000 OK", "HTTP/1.1 099 OK", "HTTP/1.1 99 OK", "HTTP/1.1 1000 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 2 0 OK", "HTTP/1.1 -20 OK", "HTTP/1.1 +20 OK",
		"HTTP/1.1 -1 OK", "HTTP/1.1 600 OK", "HTTP/1.1 999 OK", "HTTP/1.1 2x0 OK", "HTTP/1.1 200OK", "HTTP/1.1  200 OK", "HTTP/1.1\t200 OK", "HTTP/1.1 200\tOK",
		"HTTP/1.1 ２００ OK", "HTTP/1.1 OK", "HTTP/1.1", "HTTP/2.0 200 OK", "HTTP/2 200 OK", "HTTP/0.9 200 OK", "HTTP/1.2 200 OK", "HTTP/9.9 200 OK", "HTTP/11 200 OK",
		"http/1.1 200 OK", "ICY 200 OK", "HTTPS/1.1 200 OK", " HTTP/1.1 200 OK", "\r\nHTTP/1.1 200 OK", "\nHTTP/1.1 200 OK", "\x00HTTP/1.1 200 OK", "CANARY", ok, "", "\r\n",
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 000 OK",
	} {
		t.Run("T084 "+line, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refusedAnswer(t, func(f *fake) { f.always(line + rest + andClose) }, "platform_bad_answer")
			})
		})
	}
	for _, line := range []string{"HTTP/1.1 200 OK", "HTTP/1.1 200 ", "HTTP/1.1 200", "HTTP/1.0 200 OK", "HTTP/1.1 200 Ça va bien: 000", "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK"} {
		t.Run("an answer, "+line, func(t *testing.T) {
			f := newFake(t, "127.0.0.1:7001")
			r := newRig(t, setup{fakes: []*fake{f}})
			f.always(line + rest)
			if out := r.mustDo(r.request("GET", patients)); out.StatusCode() != 200 || string(out.Body()) != ok || string(out.Header.Protocol()) != "HTTP/1.1" {
				t.Errorf("%d %s", out.StatusCode(), out.Body())
			}
		})
	}
}

// TestT083AmbiguousAnswer: an answer whose end two readers of HTTP could see in two places is refused.
func TestT083AmbiguousAnswer(t *testing.T) {
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(ok), ok)
	for name, c := range map[string]struct{ version, head, body string }{
		"length, then chunks":           {"1.1", "Content-Length: 5\r\nTransfer-Encoding: chunked", chunks},
		"chunks, then length":           {"1.1", "Transfer-Encoding: chunked\r\nContent-Length: 5", chunks},
		"length 0 and chunks":           {"1.1", "Content-Length: 0\r\nTransfer-Encoding: chunked", chunks},
		"length of odd form and chunks": {"1.1", "content-LENGTH \t: 5\r\nTransfer-Encoding: chunked", chunks},
		"chunks in HTTP/1.0":            {"1.0", "Transfer-Encoding: chunked", chunks},
		"chunks and length in HTTP/1.0": {"1.0", fmt.Sprintf("Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nContent-Length: %d", len(ok)), ok},
		"two lengths":                   {"1.1", "Content-Length: 11\r\nContent-Length: 12", ok},
		"one length twice":              {"1.1", "Content-Length: 11\r\nContent-Length: 11", ok},
		"a list of lengths":             {"1.1", "Content-Length: 11, 11", ok},
		"a negative length":             {"1.1", "Content-Length: -1", ok},
		"a length with a sign":          {"1.1", "Content-Length: +11", ok},
		"a hexadecimal length":          {"1.1", "Content-Length: 0xb", ok},
		"a length beyond 64 bits":       {"1.1", "Content-Length: 18446744073709551627", ok},
		"gzip, chunked":                 {"1.1", "Transfer-Encoding: gzip, chunked", chunks},
		"identity":                      {"1.1", "Transfer-Encoding: identity", ok},
		"chunked twice":                 {"1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", chunks},
		"a chunk beyond 64 bits":        {"1.1", "Transfer-Encoding: chunked", "fffffffffffffffff\r\n" + ok + "\r\n0\r\n\r\n"},
		"a chunk of -1":                 {"1.1", "Transfer-Encoding: chunked", "-1\r\n" + ok + "\r\n0\r\n\r\n"},
		"a chunk without a size":        {"1.1", "Transfer-Encoding: chunked", "\r\n" + ok + "\r\n0\r\n\r\n"},
		"a chunk that is longer":        {"1.1", "Transfer-Encoding: chunked", "5\r\n" + ok + "\r\n0\r\n\r\n"},
		"a newline in an extension":     {"1.1", "Transfer-Encoding: chunked", "b;a\nb\r\n" + ok + "\r\n0\r\n\r\n"},
		"a name with a NUL":             {"1.1", "Content-Length: 11\r\nX\x00: y", ok},
		"a value with a NUL":            {"1.1", "Content-Length: 11\r\nX: \x00", ok},
		"a line without a name":         {"1.1", "Content-Length: 11\r\n: y", ok},
		"a line without a colon":        {"1.1", "Content-Length: 11\r\nCANARY", ok},
	} {
		t.Run("T083 "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refusedAnswer(t, func(f *fake) {
					f.always("HTTP/" + c.version + " 200 OK\r\nContent-Type: application/json\r\n" + c.head + "\r\n\r\n" + c.body + andClose)
				}, "platform_bad_answer")
			})
		})
	}
}

// TestT084NoBrowserRepeats: a status that makes browsers send a request again by themselves does not reach them.
func TestT084NoBrowserRepeats(t *testing.T) {
	for _, status := range []int{407, 408, 421, 425} {
		f := newFake(t, "127.0.0.1:7001")
		r := newRig(t, setup{fakes: []*fake{f}})
		f.always(jsonReply(status, `{"error":"x"}`))
		_, err := r.do(r.request("GET", patients))
		wantCode(t, err, "platform_unavailable")
		_, err = r.do(r.write("POST", observations, "{}"))
		wantCode(t, err, "outcome_unknown")
		if n := len(f.seen()); n != 2 {
			t.Errorf("%d: %d requests", status, n)
		}
	}
}
