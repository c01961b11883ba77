package proxy_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"locum/bff/audit"
)

// tcp is the socket below a fake's connection.
func tcp(w io.Writer) *net.TCPConn { return w.(*gather).Conn.(*net.TCPConn) }

// says writes text; then, where there is one, does what the case is about.
func says(text string, then func(*net.TCPConn) error) func(io.Writer) {
	return func(w io.Writer) {
		_, _ = io.WriteString(w, text)
		if then != nil {
			_ = then(tcp(w))
		}
	}
}

func reset(c *net.TCPConn) error {
	defer c.Close()
	return c.SetLinger(0)
}

// halfClose ends our side, and waits for the other's end.
func halfClose(c *net.TCPConn) error {
	defer hang(c)
	return c.CloseWrite()
}

// TestT126PlatformFaults walks the faults of a platform's API, by reads and by writes, on real sockets: one request each, the
// code, one permit, the audit trail's outcome, no connection kept after an irregularity, and the next call served. What never
// ends, and what is too large, is TestT085PlatformBounded's; who cannot be reached, TestT085ConnectBounded's and TestT079Names's.
func TestT126PlatformFaults(t *testing.T) {
	const unavailable, bad, fine = "platform_unavailable", "platform_bad_answer", ""
	html := "<html>CANARY</html>"
	for _, c := range []struct {
		name   string
		stream func(io.Writer)
		read   string // the code; a write's is outcome_unknown, or this where it is fine or budget_spent
		kept   int
	}{
		{"closed without a byte", says("", nil), unavailable, 0},
		{"RST without a byte", says("", reset), unavailable, 0},
		{"RST in the head", says("HTTP/1.1 200 OK\r\nContent-", reset), unavailable, 0},
		{"RST in the body", says(jsonHead+"Content-Length: 11\r\n\r\n{", reset), unavailable, 0},
		{"half close without a byte", says("", halfClose), unavailable, 0},
		{"half close in the head", says("HTTP/1.1 200", halfClose), unavailable, 0},
		{"half close in the body", says(jsonHead+"Content-Length: 11\r\n\r\n{", halfClose), unavailable, 0},
		{"half close in a chunk", says(chunked+"b\r\n{", halfClose), unavailable, 0},
		{"half close in a chunk's size", says(chunked+"b", halfClose), unavailable, 0},
		{"half close before the last chunk", says(chunked+"1\r\n1\r\n", halfClose), unavailable, 0},
		{"half close in the trailers", says(chunked+"1\r\n1\r\n0\r\nX: y\r\n", halfClose), unavailable, 0},
		{"500", says(reply(500, "Content-Type: application/json", `{"error":"CANARY"}`), halfClose), unavailable, -1},
		{"502 HTML", says(reply(502, "Content-Type: text/html", html), halfClose), unavailable, -1},
		{"503", says(reply(503, "Retry-After: 1", ""), halfClose), unavailable, -1},
		{"429", says(reply(429, "Retry-After: 1", ""), halfClose), "budget_spent", -1},
		{"200 HTML", says(reply(200, "Content-Type: text/html", html), halfClose), bad, -1},
		{"empty", says(reply(200, "Content-Type: application/json", ""), halfClose), fine, -1},
		{"shorter than its length", says(jsonHead+"Content-Length: 99\r\n\r\n{}", halfClose), unavailable, 0},
		{"longer than its length", says(jsonHead+"Content-Length: 2\r\n\r\n{}CANARY", halfClose), fine, 0},
		{"until close", says(jsonHead+"\r\n{}", halfClose), fine, 0},
		{"bad JSON, which the caller finds out", says(jsonHead+"Content-Length: 3\r\n\r\n{}}", halfClose), fine, -1},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run("T126 "+c.name+", "+method, func(t *testing.T) {
				f := newFake(t, "")
				r := newRig(t, setup{fakes: []*fake{f}})
				f.streams(c.stream)
				q, code := r.request("GET", patients), c.read
				if method == "POST" {
					q = r.write("POST", observations, "{}")
					if code == unavailable || code == bad {
						code = "outcome_unknown"
					}
				}
				out, err := r.do(q)
				if code == fine {
					must(t, err)
				} else {
					wantCode(t, err, code)
				}
				if n := r.proxy.Lines(); c.kept >= 0 && n != c.kept {
					t.Errorf("%d connections are kept", n)
				}
				if text := fmt.Sprint(err, r.logged.String(), out.Header.String(), string(out.Body())); strings.Contains(text, "CANARY") {
					t.Errorf("told: %s", text)
				}
				if clinic, _ := r.proxy.Budgets("jane", f.origin); len(f.seen()) != 1 || clinic.Limit-clinic.Remaining != 1 {
					t.Errorf("%d requests, budget %+v", len(f.seen()), clinic)
				}
				if code != "budget_spent" {
					f.always(jsonReply(200, ok))
					if out := r.mustDo(r.request("GET", company)); string(out.Body()) != ok {
						t.Errorf("the next call was answered %s", out.Body())
					}
				}
				records := r.records()
				want := audit.ResultAnswered
				if err != nil && c.kept == 0 {
					want = audit.ResultUnknown
				}
				if len(records) < 2 || records[1]["result"] != want {
					t.Errorf("audit: %v", records)
				}
			})
		}
	}
}
