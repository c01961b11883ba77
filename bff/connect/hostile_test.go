package connect_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/connect"
	"locum/bff/sandbox"
)

// authority is the only one that this process trusts, where the system's are read from SSL_CERT_FILE.
var authority tls.Certificate

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "locum-connect")
	if err != nil {
		log.Fatal(err)
	}
	authority = issue(nil, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
	file := filepath.Join(dir, "ca.pem")
	err = os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Leaf.Raw}), 0o600)
	if err = errors.Join(err, os.Setenv("SSL_CERT_FILE", file), os.Setenv("SSL_CERT_DIR", dir)); err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// issue makes a certificate for 127.0.0.1, signed by parent, or by itself where there is none.
func issue(parent *tls.Certificate, change func(*x509.Certificate)) tls.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: fmt.Sprint("test ", serial)}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if change != nil {
		change(c)
	}
	key, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	signer, by := any(key), c
	if parent != nil {
		signer, by = parent.PrivateKey, parent.Leaf
	}
	raw, err2 := x509.CreateCertificate(rand.Reader, c, by, key.Public(), signer)
	leaf, err3 := x509.ParseCertificate(raw)
	if err := errors.Join(err1, err2, err3); err != nil {
		log.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}
}

// callbackOf gives the query of a callback that is right, without anybody having approved: the token endpoint decides.
func (tb *tab) callbackOf(issuer string) string {
	tb.b.t.Helper()
	state := tb.mustBegin(nil).Query().Get("state")
	return url.Values{"state": {state}, "code": {"a-code"}, "iss": {issuer}}.Encode()
}

// TestT030BadTLS: a platform that cannot prove its name, or speaks a TLS of old, gets nothing; the practitioner is told that it
// does not answer, and the operator why.
func TestT030BadTLS(t *testing.T) {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		t.Skip("this system verifies certificates itself and cannot be given an authority")
	}
	with := func(change func(*x509.Certificate)) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{issue(&authority, change)}}
	}
	old := func(version uint16) *tls.Config {
		config := with(nil)
		config.MinVersion, config.MaxVersion = version, version
		return config
	}
	for _, c := range []struct {
		name   string
		config *tls.Config // nil: no TLS
		code   string
		says   string
	}{
		{"as it should be", with(nil), connect.OutcomeExchangeFailed, "invalid_grant"}, // what the server says to the code
		{"wrong host", with(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"quoted-by-the-server.test"} }), connect.OutcomeUnavailable, "another host"},
		{"expired", with(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), connect.OutcomeUnavailable, "expired"},
		{"self-signed", &tls.Config{Certificates: []tls.Certificate{issue(nil, nil)}}, connect.OutcomeUnavailable, "authority"},
		{"TLS 1.1", old(tls.VersionTLS11), connect.OutcomeUnavailable, "protocol version"},
		{"TLS 1.0", old(tls.VersionTLS10), connect.OutcomeUnavailable, "protocol version"},
		{"no TLS", nil, connect.OutcomeUnavailable, "does not speak TLS"},
	} {
		t.Run("T030 "+c.name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			issuer := "https://" + listener.Addr().String() + "/realms/jane"
			if c.config != nil {
				listener = tls.NewListener(listener, c.config)
			}
			var reached atomic.Int32
			server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				reached.Add(1)
				w.WriteHeader(400)
				_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
			})}
			go server.Serve(listener)
			defer server.Close()
			b := newBench(t, options{sockets: true, issuer: issuer}) // and the platform's own dial
			tab := b.signIn("u1")
			tab.wantResult(tab.finish(tab.callbackOf(issuer)), c.code)
			b.wantNothing(0)
			b.wantEvents("connect_failed", c.code)
			if logged := b.logs.String(); !strings.Contains(logged, c.says) || strings.Contains(logged, "quoted-by-the-server") {
				t.Errorf("the log says %s", logged)
			}
			if n := reached.Load(); (n == 1) != (c.says == "invalid_grant") || n > 1 {
				t.Errorf("%d requests came", n)
			}
			if !b.sessions.Alive(tab.session, tab.who) {
				t.Error("the session has ended")
			}
		})
	}
}

// TestT030Redirects: a platform that leads elsewhere leads nowhere.
func TestT030Redirects(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for where, c := range map[sandbox.Endpoint]struct {
			code, says string
			forged     forgery
		}{
			sandbox.EndpointExchange: {connect.OutcomeUnavailable, fmt.Sprint("answered with status ", status), forgery{}},
			sandbox.EndpointCerts:    {connect.OutcomeUnavailable, fmt.Sprint("answered with status ", status), forgery{}},
			sandbox.EndpointRevoke:   {connect.OutcomeBadToken, "token refused", forgery{claims: object{"iss": "x"}}},
		} {
			t.Run(fmt.Sprint("T030 ", status, " ", where), func(t *testing.T) {
				f := newForger(t)
				away := sandbox.Canned{Status: status, Header: map[string]string{"Location": f.evil + "/"}}
				if where == sandbox.EndpointCerts {
					f.sandbox.Calm()
				}
				f.sandbox.Answer(where, away, 1)
				f.refuse(t, c.code, c.says, func() string { return f.answer("access", c.forged) })
				f.wantEvents("connect_failed", c.code)
				if f.sandbox.Count(where) != 1 {
					t.Errorf("%s was asked %d times", where, f.sandbox.Count(where))
				}
				f.untouched(t)
			})
		}
	}
}

// TestT032HostileAnswers: whatever a platform answers, to the code or when asked for its keys, the flow ends within the deadline
// of ten seconds for each, on a clock of its own, and the code has been sent once.
func TestT032HostileAnswers(t *testing.T) {
	const ok, much = "HTTP/1.1 200 OK\r\n", 200 << 20
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	_, err := io.Copy(zip, strings.NewReader(strings.Repeat(" ", 16<<20)))
	must(t, errors.Join(err, zip.Close()))
	block := strings.Repeat("x", 32<<10)
	for name, serve := range map[string]func(io.Writer){
		"200 MB":                                 func(w io.Writer) { flood(w, fmt.Sprintf(ok+"Content-Length: %d\r\n\r\n", much), block, much) },
		"1 byte a second for ever":               func(w io.Writer) { trickle(w, ok+"\r\n", "x") },
		"1 byte a second of header for ever":     func(w io.Writer) { trickle(w, ok+"X: ", "x") },
		"1 chunk a second for ever":              func(w io.Writer) { trickle(w, ok+"Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n") },
		"an interim answer each second for ever": func(w io.Writer) { trickle(w, "", "HTTP/1.1 102 Processing\r\n\r\n") },
		"gzip bomb as content": func(w io.Writer) {
			flood(w, fmt.Sprintf(ok+"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", bomb.Len()), bomb.String(), 1)
		},
		"gzip bomb as transfer": func(w io.Writer) {
			flood(w, fmt.Sprintf(ok+"Transfer-Encoding: gzip, chunked\r\n\r\n%x\r\n", bomb.Len()), bomb.String(), 1)
		},
		"100,000 levels": func(w io.Writer) { flood(w, ok+"\r\n", strings.Repeat("[", 100_000), 1) },
		"5,000 levels": func(w io.Writer) {
			flood(w, ok+"Content-Length: 10000\r\n\r\n", strings.Repeat("[", 5000)+strings.Repeat("]", 5000), 1)
		},
		"text/html":             func(w io.Writer) { flood(w, ok+"Content-Type: text/html\r\nContent-Length: 6\r\n\r\n", "<html>", 1) },
		"cut chunk":             func(w io.Writer) { flood(w, ok+"Transfer-Encoding: chunked\r\n\r\n14\r\n", `{"access_token":`, 1) },
		"headers for ever":      func(w io.Writer) { flood(w, ok, "X: y\r\n", much) },
		"a header of 1 MB":      func(w io.Writer) { flood(w, ok+"X: ", strings.Repeat("x", 1<<20), 1) },
		"a flood of 100":        func(w io.Writer) { flood(w, "", "HTTP/1.1 100 Continue\r\n\r\n", much) },
		"101 and then nothing":  func(w io.Writer) { silence(w, "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n") },
		"trailers for ever":     func(w io.Writer) { flood(w, ok+"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", "X: y\r\n", much) },
		"nothing for ever":      func(w io.Writer) { silence(w, "") },
		"T033 nothing, at once": func(io.Writer) {},
	} {
		for _, where := range []string{"token", "certs"} {
			t.Run("T032 "+name+", "+where, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { hostile(t, where, serve) })
			})
		}
	}
}

// hostile is one flow with a platform that answers by serve at one endpoint, and at the others as it should.
func hostile(t *testing.T, where string, serve func(io.Writer)) {
	var asked atomic.Int32
	var serving sync.WaitGroup
	defer serving.Wait()
	f := &forger{issuer: "http://127.0.0.1:7099/realms/jane"}
	f.key, f.other = forgersKeys()
	f.bench = newBench(t, options{issuer: f.issuer, dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		serving.Go(func() {
			defer far.Close()
			request, err := http.ReadRequest(bufio.NewReader(far))
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, request.Body)
			leaf := request.URL.Path[strings.LastIndexByte(request.URL.Path, '/')+1:]
			if leaf == "token" {
				asked.Add(1)
			}
			if leaf == where {
				serve(far)
				return
			}
			body := f.answer("", forgery{})
			_, _ = fmt.Fprintf(far, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		})
		return near, nil
	}})
	tab := f.signIn("u1")
	query := tab.callbackOf(f.issuer)
	begun := time.Now()
	code, most := connect.OutcomeExchangeFailed, 10*time.Second
	if where == "certs" {
		code = connect.OutcomeUnavailable
	}
	tab.wantResult(tab.finish(query), code)
	if took := time.Since(begun); took > most {
		t.Errorf("took %v", took)
	}
	f.wantNothing(0)
	f.wantEvents("connect_failed", code)
	if n := asked.Load(); n != 1 {
		t.Errorf("the code was sent %d times", n)
	}
	if r := tab.finish(query); r.Code != connect.OutcomeUnknownAttempt || asked.Load() != 1 {
		t.Errorf("the same callback again: %+v, sent %d times", r, asked.Load())
	}
}

// flood writes head, and chunk until limit or until the other side has left.
func flood(w io.Writer, head, chunk string, limit int) {
	_, err := io.WriteString(w, head)
	for n := 0; err == nil && n < limit; n += len(chunk) {
		_, err = io.WriteString(w, chunk)
	}
}

// trickle writes head, and chunk each second until the other side has left.
func trickle(w io.Writer, head, chunk string) {
	_, err := io.WriteString(w, head)
	for ; err == nil; pass(time.Second) {
		_, err = io.WriteString(w, chunk)
	}
}

// silence writes head and waits for the other side to leave.
func silence(w io.Writer, head string) {
	_, _ = io.WriteString(w, head)
	if conn, ok := w.(net.Conn); ok {
		_, _ = io.Copy(io.Discard, conn)
	}
}
