package oauth_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// asks are the requests that a client authenticates, each with the error that came of it.
func asks(t *testing.T, client *oauth.Client) map[string]error {
	t.Helper()
	parsed := func(answer oauth.Answer, err error) error {
		if err == nil {
			_, err = oauth.ParseToken(answer)
		}
		return err
	}
	calls := map[string]func() error{
		"exchange": func() error {
			return parsed(client.Exchange(t.Context(), secret.New("code-value"), secret.New("verifier-value")))
		},
		"refresh": func() error {
			return parsed(client.Refresh(t.Context(), secret.New("refresh-token-value"), []string{"openid"}))
		},
		"credentials": func() error { return parsed(client.ClientCredentials(t.Context(), []string{"x"})) },
		"revoke":      func() error { return client.Revoke(t.Context(), secret.New("refresh-token-value"), "refresh_token") },
		"introspect": func() error {
			_, err := client.Introspect(t.Context(), secret.New("access-token-value"), "access_token")
			return err
		},
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	errs := map[string]error{}
	for name, call := range calls {
		all.Go(func() {
			err := call()
			mu.Lock()
			defer mu.Unlock()
			errs[name] = err
		})
	}
	all.Wait()
	return errs
}

// eachWay runs a test for each way to authenticate, and with introspection by either method where that can be.
func eachWay(t *testing.T, row string, run func(t *testing.T, change func(c *oauth.ClientConfig, base string))) {
	t.Helper()
	for method, way := range fourWays() {
		for _, by := range []string{http.MethodPost, http.MethodGet} {
			if method == oauth.AuthPost && by == http.MethodGet {
				continue
			}
			t.Run(row+" "+method+" introspecting by "+by, func(t *testing.T) {
				run(t, func(c *oauth.ClientConfig, base string) {
					way.change(c)
					c.Server.Introspection, c.Server.IntrospectionMethod = base+"/introspect", by
				})
			})
		}
	}
}

// publicHasNone takes out of asks what a public client does not even ask for.
func publicHasNone(t *testing.T, errs map[string]error) map[string]error {
	t.Helper()
	if errors.Is(errs["credentials"], oauth.ErrSecret) {
		delete(errs, "credentials")
	}
	return errs
}

// TestT030FourWaysRedirects: no request follows a redirect, nor takes its credential anywhere.
func TestT030FourWaysRedirects(t *testing.T) {
	eachWay(t, "T030", func(t *testing.T, change func(*oauth.ClientConfig, string)) {
		for _, status := range []int{301, 302, 303, 307, 308} {
			e := newEvil(t)
			requests := make(chan recorded, 8)
			base := newServer(t, requests, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", e.url)
				w.WriteHeader(status)
			})
			w := &wire{}
			client := newClient(t, base, func(c *oauth.ClientConfig) { change(c, base); c.Dial = w.dial })
			for where, err := range publicHasNone(t, asks(t, client)) {
				var refusal *oauth.ResponseError
				if !errors.As(err, &refusal) || refusal.Status != status {
					t.Errorf("%s, %d: %v", where, status, err)
				}
			}
			if len(w.addresses()) != 1 {
				t.Errorf("dialled %v", w.addresses())
			}
			e.untouched(t)
		}
	})
}

// TestT030FourWaysTLS: a server that cannot prove its name gets no request, however the client would authenticate.
func TestT030FourWaysTLS(t *testing.T) {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		t.Skip("this system verifies certificates itself and cannot be given an authority")
	}
	config := func(change func(*x509.Certificate), version uint16) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{authority.issue(change)}, MaxVersion: version, MinVersion: tls.VersionTLS10}
	}
	eachWay(t, "T030", func(t *testing.T, change func(*oauth.ClientConfig, string)) {
		for name, c := range map[string]struct {
			config *tls.Config
			good   bool
		}{
			"as it should be": {config(nil, 0), true},
			"wrong host":      {config(func(c *x509.Certificate) { c.DNSNames = []string{"evil.test"} }, 0), false},
			"expired":         {config(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, 0), false},
			"self-signed":     {&tls.Config{Certificates: []tls.Certificate{(&issuer{}).issue(nil)}}, false},
			"TLS 1.1":         {config(nil, tls.VersionTLS11), false},
		} {
			var reached atomic.Int32
			w := &wire{to: secure(t, c.config, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				reached.Add(1)
				fmt.Fprint(w, `{"access_token":"a","active":true}`)
			}))}
			client := newClient(t, "https://iam.test", func(c *oauth.ClientConfig) { change(c, "https://iam.test"); c.Dial = w.dial })
			for where, err := range publicHasNone(t, asks(t, client)) {
				var transport *oauth.TransportError
				if c.good != (err == nil) || !c.good && (!errors.As(err, &transport) || transport.Sent) {
					t.Errorf("%s, %s: %v", name, where, err)
				}
			}
			if (reached.Load() > 0) != c.good {
				t.Errorf("%s: %d requests came", name, reached.Load())
			}
		}
	})
}

// TestT031Variants: the token answers of athenahealth's guide and its neighbours.
func TestT031Variants(t *testing.T) {
	for _, c := range []struct {
		name, body string
		life       time.Duration // 0: malformed
	}{
		{"T031 2-legged, as the guide shows it", `{"access_token":"bSQeVaRd47Tnof8GWbDZTud9ghLP","expires_in":"300"}`, 300 * time.Second},
		{"T031 3-legged, as the guide shows it", `{"token_type":"Bearer","expires_in":300,"access_token":"N09411aa6CiXmdNnkp6l7V6lk5UH","scope":"openid launch/patient patient/Patient.read","refresh_token":"uw-4cwX","id_token":"a.b.c","patient":"a-123.E-4567890"}`, 300 * time.Second},
		{"T031 2-legged without a lifetime", `{"access_token":"a"}`, time.Minute},
		{"T031 opaque and as long as a JWT", `{"access_token":"` + strings.Repeat("a", 4000) + `","expires_in":"3600"}`, time.Hour},
		{"T031 an id_token that is null", `{"access_token":"a","expires_in":"300","id_token":null}`, 300 * time.Second},
		{"T031 opaque with a line break", `{"access_token":"a\nX: y","expires_in":"300"}`, 0},
		{"T031 opaque with a blank", `{"access_token":"a b","expires_in":"300"}`, 0},
		{"T031 opaque with a comma", `{"access_token":"a,b","expires_in":"300"}`, 0},
		{"T031 opaque beyond ASCII", `{"access_token":"aé","expires_in":"300"}`, 0},
		{"T031 expires_in a word", `{"access_token":"a","expires_in":"soon"}`, 0},
		{"T031 expires_in empty", `{"access_token":"a","expires_in":""}`, 0},
		{"T031 expires_in \"NaN\"", `{"access_token":"a","expires_in":"NaN"}`, 0},
		{"T031 expires_in \"-1\"", `{"access_token":"a","expires_in":"-1"}`, 0},
		{"T031 expires_in for ever", `{"access_token":"a","expires_in":"1e20"}`, 24 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, err := oauth.ParseToken(answer(200, c.body))
			switch {
			case c.life == 0 && (!errors.Is(err, oauth.ErrMalformed) || !token.Access.Empty()), c.life > 0 && (err != nil || token.ExpiresIn != c.life):
				t.Errorf("%v, %v", token.ExpiresIn, err)
			}
		})
	}
}

// TestT031Refusals: athenahealth's form of an error, and what tells its gateway's policy from other refusals.
func TestT031Refusals(t *testing.T) {
	const text = "Policy evaluation failed for this request, please check the policy configurations."
	for _, c := range []struct {
		name, body  string
		status      int
		code, words string
		policy      bool
	}{
		{"policy", `{"error":"access_denied","detailedmessage":"` + text + `"}`, 401, "access_denied", text, true},
		{"policy with 400", `{"error":"access_denied","detailedmessage":"` + text + `"}`, 400, "access_denied", text, true},
		{"policy, in the standard's words", `{"error":"access_denied","error_description":"` + text + `"}`, 400, "access_denied", text, true},
		{"both descriptions", `{"error":"access_denied","error_description":"no","detailedmessage":"` + text + `"}`, 401, "access_denied", "no", false},
		{"another code", `{"error":"invalid_scope","detailedmessage":"` + text + `"}`, 400, "invalid_scope", text, false},
		{"denied for another reason", `{"error":"access_denied","detailedmessage":"The user has refused."}`, 401, "access_denied", "The user has refused.", false},
		{"no code", `{"detailedmessage":"` + text + `"}`, 401, "", text, false},
		{"a description that is no text", `{"error":"access_denied","detailedmessage":{"a":1}}`, 401, "access_denied", "", false},
		{"control characters", `{"error":"access_denied","detailedmessage":"a\u001b[31m\nb"}`, 401, "access_denied", "a [31m b", false},
		{"the gateway's own page", "Service not registered with API gateway.", 404, "", "", false},
		{"a fault of the server's", `{"error":"access_denied","detailedmessage":"` + text + `"}`, 503, "", "", false},
	} {
		t.Run("T031 "+c.name, func(t *testing.T) {
			_, err := oauth.ParseToken(answer(c.status, c.body))
			var refused *oauth.ResponseError
			if !errors.As(err, &refused) || refused.Status != c.status || refused.Code != c.code || refused.Description != c.words || refused.Policy != c.policy {
				t.Errorf("%+v", refused)
			}
		})
	}
}

// TestT032FourWays: hostile answers end each request as errors within its deadline, with little read.
func TestT032FourWays(t *testing.T) {
	block := strings.Repeat("x", 64<<10)
	for name, serve := range map[string]func(net.Conn){
		"200 MB":                func(c net.Conn) { endless(c, ok+"\r\n", block, 200<<20) },
		"a byte a time":         func(c net.Conn) { drip(c, ok+"\r\n", "x") },
		"headers for ever":      func(c net.Conn) { endless(c, ok, "X: y\r\n", 200<<20) },
		"30,000 levels":         func(c net.Conn) { endless(c, ok+"\r\n", strings.Repeat("[", 30_000), 1) },
		"text/html":             func(c net.Conn) { endless(c, ok+"Content-Type: text/html\r\n\r\n", "<p>active", 1) },
		"a chunk that is cut":   func(c net.Conn) { endless(c, ok+"Transfer-Encoding: chunked\r\n\r\n", "14\r\n{\"active\":true", 1) },
		"an object that is cut": func(c net.Conn) { endless(c, ok+"\r\n", `{"active":true,"access_token":"a"`, 1) },
	} {
		eachWay(t, "T032 "+name, func(t *testing.T, change func(*oauth.ClientConfig, string)) {
			base := rawServer(t, func(_ int, conn net.Conn) {
				if readRequest(conn) == nil {
					serve(conn)
				}
			})
			w := &wire{}
			client := newClient(t, base, func(c *oauth.ClientConfig) {
				change(c, base)
				c.Timeout, c.Dial = 100*time.Millisecond, w.dial
			})
			for where, err := range publicHasNone(t, asks(t, client)) {
				var transport *oauth.TransportError
				if where == "revoke" && err == nil { // whose answer is not read (RFC 7009 §2.2)
					continue
				}
				if !errors.Is(err, oauth.ErrMalformed) && !errors.As(err, &transport) {
					t.Errorf("%s: %v", where, err)
				}
			}
			if n := w.read.Load(); n > 5*128<<10 {
				t.Errorf("%d bytes read by five requests", n)
			}
		})
	}
}

// TestT033FourWays: an answer that is lost after the server has acted is not asked for again, by any way to authenticate;
// and of what was sent nothing is in the error or in a log, though a GET has the token in its URL.
func TestT033FourWays(t *testing.T) {
	var printed bytes.Buffer
	log.SetOutput(&printed)
	defer log.SetOutput(os.Stderr)
	eachWay(t, "T033", func(t *testing.T, change func(*oauth.ClientConfig, string)) {
		var taken atomic.Int32
		base := rawServer(t, func(_ int, conn net.Conn) {
			if readRequest(conn) == nil {
				taken.Add(1)
				_, _ = io.WriteString(conn, "HTTP/1.1 access-token-value\r\n")
			}
		})
		client := newClient(t, base, func(c *oauth.ClientConfig) { change(c, base) })
		errs := publicHasNone(t, asks(t, client))
		for where, err := range errs {
			var transport *oauth.TransportError
			if !errors.As(err, &transport) || !transport.Sent {
				t.Errorf("%s: %v", where, err)
			}
			for _, sent := range []string{"token-value", "code-value", "verifier-value", url.QueryEscape(awkward), "introspect?"} {
				if strings.Contains(err.Error(), sent) {
					t.Errorf("%s: the error shows %s: %v", where, sent, err)
				}
			}
		}
		if int(taken.Load()) != len(errs) {
			t.Errorf("%d requests came of %d", taken.Load(), len(errs))
		}
	})
	if printed.Len() > 0 {
		t.Errorf("printed: %s", &printed)
	}
}
