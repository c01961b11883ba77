package oauth_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// newClient is a client of the server at base, whose endpoints are /auth, /token, /revoke and /certs.
func newClient(t testing.TB, base string, change func(*oauth.ClientConfig)) *oauth.Client {
	t.Helper()
	config := oauth.ClientConfig{
		Server: oauth.Server{Issuer: base, Authorization: base + "/auth", Token: base + "/token", Revocation: base + "/revoke",
			JWKS: base + "/certs"},
		ID: "locum", RedirectURI: "https://locum.example.org/connect/jane/callback",
		Secret: func() (secret.String, error) { return secret.New("a:b+c%d é/&"), nil },
		Dial:   (&net.Dialer{}).DialContext,
	}
	if change != nil {
		change(&config)
	}
	client, err := oauth.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// recorded is what a server saw of one request.
type recorded struct {
	method, path, query string
	header              http.Header
	form                url.Values
}

func newServer(t *testing.T, requests chan<- recorded, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		requests <- recorded{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone(), form}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestT027RequestShapes(t *testing.T) {
	requests := make(chan recorded, 1)
	base := newServer(t, requests, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"raw":true}`) })
	client := newClient(t, base, nil)
	common := url.Values{"client_id": {"locum"}, "client_secret": {"a:b+c%d é/&"}}
	for _, c := range []struct {
		name string
		call func() (oauth.Answer, error)
		path string
		form url.Values
	}{
		{"exchange", func() (oauth.Answer, error) {
			return client.Exchange(t.Context(), secret.New("c&d"), secret.New("v"))
		}, "/token", url.Values{"grant_type": {"authorization_code"}, "code": {"c&d"}, "code_verifier": {"v"},
			"redirect_uri": {"https://locum.example.org/connect/jane/callback"}}},
		{"refresh", func() (oauth.Answer, error) { return client.Refresh(t.Context(), secret.New("r+1"), nil) },
			"/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"r+1"}}},
		{"revoke", func() (oauth.Answer, error) {
			return oauth.Answer{Status: 200, Body: secret.New(`{"raw":true}`), ReceivedAt: time.Now()},
				client.Revoke(t.Context(), secret.New("r"), "refresh_token")
		}, "/revoke", url.Values{"token": {"r"}, "token_type_hint": {"refresh_token"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, err := c.call()
			if err != nil {
				t.Fatal(err)
			}
			got := <-requests
			for name, value := range common {
				c.form[name] = value
			}
			if got.method != "POST" || got.path != c.path || got.query != "" || got.form.Encode() != c.form.Encode() {
				t.Errorf("%s %s?%s %s", got.method, got.path, got.query, got.form.Encode())
			}
			if got.header.Get("Authorization") != "" || got.header.Get("Accept-Encoding") != "" ||
				got.header.Get("Content-Type") != "application/x-www-form-urlencoded" {
				t.Errorf("headers %v", got.header)
			}
			if answer.Status != 200 || answer.Body.Reveal() != `{"raw":true}` || time.Since(answer.ReceivedAt) > time.Minute {
				t.Errorf("answer %+v", answer)
			}
		})
	}
}

func TestAnyCompleteAnswerIsAnAnswer(t *testing.T) {
	requests := make(chan recorded, 1)
	status := 0
	base := newServer(t, requests, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "https://evil.example/")
		w.WriteHeader(status)
		fmt.Fprint(w, "body")
	})
	client := newClient(t, base, nil)
	for _, status = range []int{200, 301, 302, 307, 308, 400, 401, 500, 503} {
		answer, err := client.Refresh(t.Context(), secret.New("r"), nil)
		<-requests
		if err != nil || answer.Status != status || answer.Body.Reveal() != "body" {
			t.Errorf("%d: %v %v", status, answer.Status, err)
		}
	}
	select {
	case r := <-requests:
		t.Errorf("T030 a redirect was followed: %v", r)
	default:
	}
}

func TestRevokeRefused(t *testing.T) {
	requests := make(chan recorded, 1)
	base := newServer(t, requests, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(400)
		fmt.Fprint(w, `{"error":"unsupported_token_type"}`)
	})
	err := newClient(t, base, nil).Revoke(t.Context(), secret.New("r"), "")
	var refusal *oauth.ResponseError
	if !errors.As(err, &refusal) || refusal.Code != "unsupported_token_type" {
		t.Errorf("error %v", err)
	}
	if form := (<-requests).form; form.Has("token_type_hint") {
		t.Errorf("form %v", form)
	}
	client := newClient(t, base, func(c *oauth.ClientConfig) { c.Server.Revocation = "" })
	if err := client.Revoke(t.Context(), secret.New("r"), ""); !errors.Is(err, oauth.ErrNoEndpoint) {
		t.Errorf("without an endpoint: %v", err)
	}
}

func TestNoSecretNothingSent(t *testing.T) {
	requests := make(chan recorded, 1)
	base := newServer(t, requests, func(http.ResponseWriter, *http.Request) {})
	for name, source := range map[string]func() (secret.String, error){
		"empty":      func() (secret.String, error) { return secret.String{}, nil },
		"unreadable": func() (secret.String, error) { return secret.String{}, errors.New("vault is closed") },
	} {
		client := newClient(t, base, func(c *oauth.ClientConfig) { c.Secret = source })
		if _, err := client.Refresh(t.Context(), secret.New("r"), nil); !errors.Is(err, oauth.ErrSecret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(requests) > 0 {
		t.Error("a request was sent")
	}
}

// rawServer answers each accepted connection by its own function.
func rawServer(t *testing.T, serve func(connection int, conn net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for i := 0; ; i++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(i, conn)
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

// readRequest reads one whole request.
func readRequest(conn net.Conn) error {
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, request.Body)
	return err
}

// TestTransportErrors: what is known of a request that brought no answer; hostile_test.go has the rest of T032.
func TestTransportErrors(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	answerWith := func(text string) string {
		return rawServer(t, func(_ int, conn net.Conn) {
			if readRequest(conn) == nil {
				io.WriteString(conn, text)
			}
		})
	}
	for _, c := range []struct {
		name, base string
		sent       bool
	}{
		{"connection refused", "http://" + closed.Addr().String(), false},
		{"T033 closed after the request", rawServer(t, func(_ int, conn net.Conn) { _ = readRequest(conn) }), true},
		{"T032 not HTTP", answerWith("garbage\r\n\r\n"), true},
		{"T086 our own words", answerWith("refresh-token-value\r\n\r\n"), true},
		{"T086 our own words as a status", answerWith("HTTP/1.1 refresh-token-value\r\n\r\n"), true},
		{"T086 our own words as a length", answerWith("HTTP/1.1 200 OK\r\nContent-Length: refresh-token-value\r\n\r\n"), true},
		{"T086 our own words as a chunk", answerWith("HTTP/1.1 200 OK\r\nTransfer-Encoding: refresh-token-value\r\n\r\n"), true},
		{"T032 64 kB and a byte", answerWith("HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 64<<10+1)), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, c.base, func(c *oauth.ClientConfig) { c.Timeout = 300 * time.Millisecond })
			begun := time.Now()
			_, err := client.Refresh(t.Context(), secret.New("refresh-token-value"), nil)
			var transport *oauth.TransportError
			if !errors.As(err, &transport) || transport.Sent != c.sent {
				t.Fatalf("error %#v", err)
			}
			if strings.Contains(err.Error(), "refresh-token-value") {
				t.Errorf("the error shows the token: %v", err)
			}
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestCallerWhoLeaves(t *testing.T) {
	arrived := make(chan struct{})
	base := rawServer(t, func(_ int, conn net.Conn) {
		_ = readRequest(conn)
		close(arrived)
		io.Copy(io.Discard, conn)
	})
	client := newClient(t, base, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	_, err := client.Refresh(ctx, secret.New("r"), nil)
	var transport *oauth.TransportError
	if !errors.As(err, &transport) || !transport.Sent || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client.Refresh(cancelled, secret.New("r"), nil)
	if !errors.As(err, &transport) || transport.Sent {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// TestOneWireAttempt: no request is written on a connection that has carried another, so that none meets one which the
// server has just closed; a server that takes a request and gives no answer sees it once (requirements, M7).
func TestOneWireAttempt(t *testing.T) {
	var taken atomic.Int32
	base := rawServer(t, func(connection int, conn net.Conn) {
		reader := bufio.NewReader(conn)
		for {
			request, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			io.Copy(io.Discard, request.Body)
			if n := taken.Add(1); int(n) != connection+1 {
				t.Errorf("request %d came on connection %d", n, connection+1)
			}
			if connection > 0 {
				return
			}
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	client := newClient(t, base, nil)
	if _, err := client.Refresh(t.Context(), secret.New("first"), nil); err != nil {
		t.Fatal(err)
	}
	_, err := client.Refresh(t.Context(), secret.New("second"), nil)
	var transport *oauth.TransportError
	if !errors.As(err, &transport) || !transport.Sent {
		t.Fatalf("error %v", err)
	}
	if n := taken.Load(); n != 2 {
		t.Errorf("the server saw %d requests", n)
	}
}

// TestT116RestOfAnAnswer: of an answer that is longer than it says, nothing reaches the standard log, where net/http
// would print it.
func TestT116RestOfAnAnswer(t *testing.T) {
	var printed bytes.Buffer
	log.SetOutput(&printed)
	defer log.SetOutput(os.Stderr)
	body := `{"access_token":"a","refresh_token":"refresh-token-value"}`
	closed := make(chan struct{})
	base := rawServer(t, func(_ int, conn net.Conn) {
		defer close(closed)
		if readRequest(conn) == nil {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"+body)
		}
		io.Copy(io.Discard, conn) // until the client closes
	})
	client := newClient(t, base, nil)
	answer, err := client.Refresh(t.Context(), secret.New("old"), nil)
	if err != nil || answer.Body.Reveal() != body[:20] {
		t.Fatalf("error %v", err)
	}
	client.Close()
	<-closed
	if printed.Len() > 0 {
		t.Errorf("printed: %s", &printed)
	}
}

func TestCloseEndsRequests(t *testing.T) {
	arrived := make(chan struct{})
	base := rawServer(t, func(_ int, conn net.Conn) {
		_ = readRequest(conn)
		close(arrived)
		io.Copy(io.Discard, conn)
	})
	client := newClient(t, base, nil)
	failed := make(chan error, 1)
	go func() {
		_, err := client.Refresh(context.Background(), secret.New("r"), nil)
		failed <- err
	}()
	<-arrived
	client.Close()
	var transport *oauth.TransportError
	if err := <-failed; !errors.As(err, &transport) || !transport.Sent {
		t.Errorf("the request in flight ended with %v", err)
	}
	_, err := client.Refresh(t.Context(), secret.New("r"), nil)
	if !errors.Is(err, oauth.ErrClosed) || !errors.As(err, &transport) || transport.Sent {
		t.Errorf("after Close: %v", err)
	}
	client.Close() // twice is harmless
}
