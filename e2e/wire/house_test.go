package wire_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"locum/bff/demo"
	"locum/bff/sandbox"
	"locum/shared"
)

// longest is how long a test waits for what has to come; nothing is timed.
const longest = 20 * time.Second

// house is Locum with two practitioners signed in, the first of them connected to a clinic, and all that it logs.
type house struct {
	t      *testing.T
	demo   *demo.Demo
	log    *recorder
	addr   string // of the socket
	host   string
	people [2]person

	connection string // the first practitioner's

	marker string // the request that nobody sent: a proxied call of the first practitioner's
	second string // another, which no clinic limits
}

// person is a browser's worth of a practitioner.
type person struct {
	name, cookies string
	client        *http.Client
}

const patients = "/api/2026-01-01/patients"

func open(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, log: &recorder{}}
	d, err := demo.Start(context.Background(), demo.Options{Listen: "127.0.0.1:0", Log: slog.New(h.log)})
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	h.demo, h.host = d, strings.TrimPrefix(d.URL, "http://")
	h.addr = strings.Replace(h.host, "localhost", "127.0.0.1", 1)
	for i := range h.people {
		h.people[i] = h.signIn(d.People[i])
	}
	h.connection = h.connect()
	h.marker = "GET " + h.proxyPrefix() + patients + " HTTP/1.1\r\nHost: " + h.host + "\r\nCookie: " + h.people[0].cookies + "\r\n"
	h.second = "GET " + shared.PathSession + " HTTP/1.1\r\nHost: " + h.host + "\r\nCookie: " + h.people[0].cookies + "\r\n"
	return h
}

func (h *house) signIn(who demo.Person) person {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	must(h.t, err)
	p := person{name: who.Name, client: &http.Client{Jar: jar, Timeout: longest,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	h.t.Cleanup(p.client.CloseIdleConnections)
	h.again(&p, who)
	return p
}

// again signs a practitioner in by the browser of p.
func (h *house) again(p *person, who demo.Person) {
	h.t.Helper()
	form := url.Values{"card": {who.Login}}.Encode()
	if status, _ := h.ask(*p, "POST", shared.PathSignIn, "application/x-www-form-urlencoded", form); status != http.StatusSeeOther {
		h.t.Fatalf("sign-in: %d", status)
	}
	p.cookies = "locum-dev-session=" + h.cookie(*p, "locum-dev-session")
}

func (h *house) cookie(p person, name string) string {
	own, err := url.Parse(h.demo.URL)
	must(h.t, err)
	for _, cookie := range p.client.Jar.Cookies(own) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

// ask is what the app's own page sends.
func (h *house) ask(p person, method, target, media, body string) (status int, answer []byte) {
	h.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, h.demo.URL+target, strings.NewReader(body))
	must(h.t, err)
	request.Header.Set("Content-Type", media)
	request.Header.Set("Origin", h.demo.URL)
	request.Header.Set(shared.HeaderClient, shared.ClientApp)
	response, err := p.client.Do(request)
	must(h.t, err)
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	must(h.t, err)
	return response.StatusCode, answer
}

// connect gives the id of a connection of the first practitioner's.
func (h *house) connect() string {
	h.t.Helper()
	return h.connected(h.t, h.people[0], "jane", h.demo.Sandbox.Clinics()[0].URL, "robin@example.test")
}

func (h *house) json(v any) string {
	text, err := json.Marshal(v)
	must(h.t, err)
	return string(text)
}

func (h *house) proxyPrefix() string { return shared.PathProxy + "/" + h.connection }

// hits is how often the clinic was asked for its patients.
func (h *house) hits() int { return h.demo.Sandbox.Count(sandbox.EndpointAPI) }

// answer is one answer as it came.
type answer struct {
	status int
	header http.Header
	body   string
}

// exchange sends the parts one after the other on a connection of their own and reads until the other side ends it; ended
// is false where it does not within the time. An answer that is no HTTP/1 has status 0.
func exchange(t *testing.T, addr string, half bool, parts ...string) (answers []answer, ended bool) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(longest)))
	for _, part := range parts {
		if _, err := io.WriteString(conn, part); err != nil {
			break // it has answered and left already
		}
	}
	if half {
		_ = conn.(*net.TCPConn).CloseWrite()
	}
	in, request := bufio.NewReader(conn), &http.Request{Method: "GET"}
	if strings.HasPrefix(strings.TrimLeft(strings.Join(parts, ""), "\r\n"), "HEAD ") {
		request.Method = "HEAD"
	}
	for {
		if _, err := in.Peek(1); err != nil {
			timeout, is := err.(net.Error)
			return answers, !is || !timeout.Timeout()
		}
		response, err := http.ReadResponse(in, request)
		if err != nil { // bytes without a head: HTTP/0.9, or nonsense
			_, _ = io.Copy(io.Discard, in) // whoever leaves early is no evidence of anything
			return append(answers, answer{body: err.Error()}), true
		}
		body, err := io.ReadAll(response.Body)
		must(t, err)
		if request != nil && request.Method == "HEAD" && response.Close {
			_, _ = io.Copy(io.Discard, in) // who could not read the request line does not know that no body is wanted
		}
		request = nil
		answers = append(answers, answer{response.StatusCode, response.Header, string(body)})
	}
}

// seen is one line of Locum's log about a request.
type seen struct {
	id, route string
	status    int
}

// recorder is the log: every line as text, and those about requests in pieces.
type recorder struct {
	mu   sync.Mutex
	text bytes.Buffer
	list []seen
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r *recorder) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *recorder) WithGroup(string) slog.Handler            { return r }

func (r *recorder) Handle(ctx context.Context, record slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := slog.NewTextHandler(&r.text, &slog.HandlerOptions{Level: slog.LevelDebug}).Handle(ctx, record); err != nil {
		return err
	}
	if record.Message != "request" {
		return nil
	}
	var one seen
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "request_id":
			one.id = a.Value.String()
		case "route":
			one.route = a.Value.String()
		case "status":
			one.status = int(a.Value.Int64())
		}
		return true
	})
	r.list = append(r.list, one)
	return nil
}

// since gives the lines from the n-th on.
func (r *recorder) since(n int) []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]seen(nil), r.list[n:]...)
}

// mutants is how many generated requests a test sends: LOCUM_MUTANTS, or few enough for every day.
func mutants(t *testing.T, few int) uint64 {
	t.Helper()
	text := os.Getenv("LOCUM_MUTANTS")
	if text == "" {
		return uint64(few)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	must(t, err)
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
