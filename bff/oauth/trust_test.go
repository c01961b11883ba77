package oauth_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"go/scanner"
	"go/token"
	"io"
	"io/fs"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// authority signs the certificates of this package's tests. On Linux it is the only one that this process trusts: the
// system's are read once, from SSL_CERT_FILE.
var authority *issuer

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "locum-oauth")
	if err != nil {
		log.Fatal(err)
	}
	authority = newIssuer()
	file := filepath.Join(dir, "ca.pem")
	err = os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.cert.Raw}), 0o600)
	for name, value := range map[string]string{"SSL_CERT_FILE": file, "SSL_CERT_DIR": dir, "HTTPS_PROXY": "http://proxy.test:8080", "NO_PROXY": ""} {
		err = errors.Join(err, os.Setenv(name, value)) // both are read once in the life of a process
	}
	if err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newIssuer() *issuer {
	i := &issuer{}
	c := i.issue(func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.DNSNames = true, true, x509.KeyUsageCertSign, nil
	})
	i.cert, i.key = c.Leaf, c.PrivateKey.(*ecdsa.PrivateKey)
	return i
}

// issue signs a certificate for iam.test, changed by change; an issuer without a certificate signs its own.
func (i *issuer) issue(change func(*x509.Certificate)) tls.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: fmt.Sprint("test ", serial)}, DNSNames: []string{"iam.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if change != nil {
		change(c)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	parent, signer := i.cert, i.key
	if parent == nil {
		parent, signer = c, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		log.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(raw) // some are made not to be readable
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}
}

// secure serves over TLS and says where. What it logs is dropped.
func secure(t *testing.T, config *tls.Config, handler http.Handler) string {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}

// evil is a listener that must never be reached.
type evil struct {
	url     string
	visited atomic.Int32
}

func newEvil(t *testing.T) *evil {
	t.Helper()
	e := &evil{}
	e.url = rawServer(t, func(_ int, conn net.Conn) {
		e.visited.Add(1)
		_, _ = io.WriteString(conn, "E")
	})
	return e
}

// untouched wants no visit, and that a visit would have been seen.
func (e *evil) untouched(t *testing.T) {
	t.Helper()
	if n := e.visited.Load(); n != 0 {
		t.Errorf("E had %d connections", n)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil || e.visited.Load() != 1 {
		t.Errorf("E does not count: %v", err)
	}
}

// TestT030Redirects: no endpoint leads anywhere else.
func TestT030Redirects(t *testing.T) {
	for _, status := range []int{300, 301, 302, 303, 304, 305, 307, 308} {
		for _, form := range []string{"http://E/x", "//E/x", "http://user@E", "http://E:80x/", "", "/token", "http://[::1", "https://evil.test/?E"} {
			t.Run(fmt.Sprintf("T030 %d to %s", status, form), func(t *testing.T) {
				e := newEvil(t)
				location := strings.Replace(form, "E", strings.TrimPrefix(e.url, "http://"), 1)
				var asked atomic.Int32
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					asked.Add(1)
					w.Header()["Location"] = []string{location}
					w.Header().Set("Refresh", "0; url="+e.url)
					w.Header().Set("Link", "<"+e.url+">; rel=preload")
					w.WriteHeader(status)
				}))
				defer server.Close()
				at := &wire{}
				client := newClient(t, server.URL, func(c *oauth.ClientConfig) { c.Dial, c.Server.Issuer = at.dial, testIssuer })
				var refusal *oauth.ResponseError
				for where, err := range stranger(t, client) {
					if !errors.As(err, &refusal) || refusal.Status != status || refusal.Code != "" {
						t.Errorf("%s: %v", where, err)
					}
				}
				if own := server.Listener.Addr().String(); len(at.addresses()) != 1 || !at.addresses()[own] || asked.Load() != 3 {
					t.Errorf("%d requests to %v", asked.Load(), at.addresses())
				}
				e.untouched(t)
			})
		}
	}
}

// TestT030Certificates: a server that cannot prove its name gets no byte of a request, and its words reach nobody.
func TestT030Certificates(t *testing.T) {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		t.Skip("this system verifies certificates itself and cannot be given an authority")
	}
	const canary = "quoted-by-the-server"
	other := newIssuer()
	with := func(change func(*x509.Certificate)) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{authority.issue(change)}}
	}
	own := func(change func(*x509.Certificate)) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{(&issuer{}).issue(change)}}
	}
	old := func(version uint16) *tls.Config {
		config := with(nil)
		config.MinVersion, config.MaxVersion = version, version
		return config
	}
	cases := []struct {
		name        string
		config      *tls.Config
		good        bool
		certificate bool   // it is the certificate that is not accepted
		says        string // part of the error
	}{
		{"as it should be", with(nil), true, false, ""},
		{"as it should be, TLS 1.2", old(tls.VersionTLS12), true, false, ""},
		{"wildcard of the domain", with(func(c *x509.Certificate) { c.DNSNames = []string{"*.test"} }), true, false, ""},
		{"wrong host", with(func(c *x509.Certificate) { c.DNSNames = []string{canary + ".test"} }), false, true, "another host"},
		{"wrong host with line breaks", with(func(c *x509.Certificate) { c.DNSNames = []string{"x\n\x1b[31m" + canary} }), false, true, ""},
		{"a parent domain", with(func(c *x509.Certificate) { c.DNSNames = []string{"test"} }), false, true, "another host"},
		{"a subdomain", with(func(c *x509.Certificate) { c.DNSNames = []string{"x.iam.test"} }), false, true, "another host"},
		{"the name as common name alone", with(func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, "iam.test" }), false, true, "another host"},
		{"the address alone", with(func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, []net.IP{net.IPv4(127, 0, 0, 1)} }), false, true, "another host"},
		{"expired", with(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), false, true, "expired"},
		{"not valid yet", with(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) }), false, true, "expired"},
		{"for clients only", with(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), false, true, ""},
		{"self-signed", own(nil), false, true, "authority"},
		{"self-signed authority", own(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid, c.Subject.CommonName = true, true, canary }), false, true, "authority"},
		{"another authority", &tls.Config{Certificates: []tls.Certificate{other.issue(nil)}}, false, true, "authority"},
		{"an authority of the same name", &tls.Config{Certificates: []tls.Certificate{(&issuer{cert: renamed(other.cert, authority.cert), key: other.key}).issue(nil)}}, false, true, "authority"},
		{"one that cannot be read", with(func(c *x509.Certificate) { c.URIs = []*url.URL{{Opaque: "%:" + canary}} }), false, false, "no TLS connection"},
		{"TLS 1.1", old(tls.VersionTLS11), false, false, "protocol version"},
		{"TLS 1.0", old(tls.VersionTLS10), false, false, "protocol version"},
	}
	for _, c := range cases {
		t.Run("T030 "+c.name, func(t *testing.T) {
			var reached atomic.Int32
			w := &wire{to: secure(t, c.config, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reached.Add(1) }))}
			client := newClient(t, "https://iam.test", func(c *oauth.ClientConfig) { c.Dial, c.Server.Issuer = w.dial, testIssuer })
			for where, err := range stranger(t, client) {
				var transport *oauth.TransportError
				switch failed := errors.As(err, &transport); {
				case c.good && failed:
					t.Fatalf("%s: %v", where, err) // on a system that does not read SSL_CERT_FILE nothing here is proven
				case !c.good && (!failed || transport.Sent || errors.Is(err, oauth.ErrCertificate) != c.certificate || !strings.Contains(err.Error(), c.says)):
					t.Errorf("%s: %v", where, err)
				case err != nil && (strings.Contains(err.Error(), canary) || strings.ContainsAny(err.Error(), "\n\x1b")):
					t.Errorf("%s: the server's words: %q", where, err)
				}
			}
			if n := reached.Load(); c.good != (n == 3) || !c.good && n > 0 {
				t.Errorf("%d requests came", n)
			}
		})
	}
}

// renamed is a certificate that claims to be another.
func renamed(c, as *x509.Certificate) *x509.Certificate {
	next := *c
	next.RawSubject, next.Subject, next.SubjectKeyId = as.RawSubject, as.Subject, as.SubjectKeyId
	return &next
}

// TestT030NoTLS: a server that does not speak TLS, breaks it, or never comes to the end of it, gets no request.
func TestT030NoTLS(t *testing.T) {
	hello := func(version string) string { // a ServerHello
		return "\x16\x03\x03\x00\x2a\x02\x00\x00\x26" + version + strings.Repeat("r", 32) + "\x00\x00\x2f\x00"
	}
	for name, say := range map[string]func(net.Conn){
		"HTTP":          func(c net.Conn) { endless(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "{}", 1) },
		"garbage":       func(c net.Conn) { endless(c, "quoted-by-the-server\r\n", "", 0) },
		"nothing":       func(net.Conn) {},
		"an alert":      func(c net.Conn) { endless(c, "\x15\x03\x03\x00\x02\x02\x28", "", 0) },
		"TLS 1.1":       func(c net.Conn) { endless(c, hello("\x03\x02"), "", 0) },
		"SSL 3":         func(c net.Conn) { endless(c, hello("\x03\x00"), "", 0) },
		"no such TLS":   func(c net.Conn) { endless(c, hello("\x09\x09"), "", 0) },
		"silence":       func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"a byte a time": func(c net.Conn) { drip(c, "\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", "x") },
		"a message of 16 MB": func(c net.Conn) {
			endless(c, "", "\x16\x03\x03\x40\x00\x02\xff\xff\xff"+strings.Repeat("x", 1<<14-4), 200<<20)
		},
		"records for ever":  func(c net.Conn) { endless(c, "", "\x16\x03\x03\x00\x00", 200<<20) },
		"warnings for ever": func(c net.Conn) { endless(c, "", "\x15\x03\x03\x00\x02\x01\x5a", 200<<20) },
	} {
		t.Run("T030 "+name, func(t *testing.T) {
			var first atomic.Pointer[[]byte]
			base := rawServer(t, func(_ int, conn net.Conn) {
				buffer := make([]byte, 4096)
				n, _ := conn.Read(buffer)
				got := buffer[:n]
				first.Store(&got)
				say(conn)
			})
			w := &wire{to: strings.TrimPrefix(base, "http://")}
			client := newClient(t, "https://iam.test", func(c *oauth.ClientConfig) { c.Dial, c.Timeout = w.dial, 500*time.Millisecond })
			_, err := client.Refresh(t.Context(), secret.New("refresh-token-value"), nil)
			var transport *oauth.TransportError
			if !errors.As(err, &transport) || transport.Sent || strings.Contains(err.Error(), "quoted") {
				t.Errorf("error %v", err)
			}
			if got := first.Load(); got == nil || bytes.Contains(*got, []byte("refresh-token-value")) {
				t.Error("the token went out in the clear")
			}
			if n := w.read.Load(); n > 128<<10 {
				t.Errorf("%d bytes read", n)
			}
		})
	}
}

// TestT030Addresses: an address in an odd form is refused, or verified like any other: no form of it turns verification off
// (fasthttp #2274).
func TestT030Addresses(t *testing.T) {
	var reached atomic.Int32
	config := &tls.Config{Certificates: []tls.Certificate{(&issuer{}).issue(func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = []string{"iam.test", "localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	})}}
	w := &wire{to: secure(t, config, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))}
	for _, base := range []string{
		"https://iam.test:443:443", "https://iam.test:443:", "https://iam.test:", "https://iam.test:0", "https://iam.test:65536",
		"https://iam.test:-1", "https://iam.test:x", "https://iam.test:443443443443443443443", "https://:443", "https://", "https:///x",
		"https:iam.test", "https:/iam.test", "//iam.test", "iam.test", "iam.test:443", "https//iam.test", " https://iam.test",
		"https://iam.test ", "https://iam.test\x00", "https://iam.test%00.example", "https://iam.test%2eexample", "https://iam test",
		"https://[::1", "https://::1", "https://[::1]443", "https://[::1]:443", "https://[::1%25lo]", "https://[iam.test]", "https://[]",
		"https://[::ffff:127.0.0.1]", "https://iam.test.", "https://.iam.test", "https://iam..test", "https://*.test", "https://iam_x.test",
		"https://-", "https://.", "https://127.1", "https://2130706433", "https://0x7f.1", "https://0177.0.0.1", "https://127.0.0.1:443",
		"https://user@iam.test", "https://iam.test@example", "https://iam.test\\@example", "https://iam.test\\example", "https://ｉａｍ.test",
		"https://iam。test", "https://xn--", "HTTPS://IAM.TEST", "https://" + strings.Repeat("a", 300) + ".test", "https://iam.test?", "https://iam.test#",
		"http://localhost", "http://localhost:80", "http://iam.test", "http://127.0.0.1.iam.test", "http://127.1", "http://[::ffff:10.0.0.1]", "ftp://127.0.0.1",
	} {
		server := oauth.Server{Issuer: testIssuer, Authorization: base + "/auth", Token: base + "/token", Revocation: base + "/revoke", JWKS: base + "/certs"}
		client, err := oauth.NewClient(oauth.ClientConfig{
			Server: server, ID: "locum", RedirectURI: "https://locum.example.org/cb", Dial: w.dial,
			Secret: func() (secret.String, error) { return secret.New("s"), nil },
		})
		if err != nil {
			continue
		}
		if !strings.HasPrefix(strings.ToLower(base), "https://") {
			t.Errorf("%q is accepted", base)
		}
		for where, err := range stranger(t, client) {
			var transport *oauth.TransportError
			if !errors.As(err, &transport) || transport.Sent {
				t.Errorf("%q, %s: %v", base, where, err)
			}
		}
		client.Close()
	}
	if reached.Load() > 0 {
		t.Errorf("%d requests came", reached.Load())
	}
}

// TestT030NoProxy: a proxy in the environment is not used; the operator's own address check would not see behind it.
func TestT030NoProxy(t *testing.T) {
	request, err := http.NewRequest(http.MethodGet, "https://iam.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if to, err := http.ProxyFromEnvironment(request); err != nil || to == nil {
		t.Fatalf("the environment has no proxy: %v, %v", to, err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{authority.issue(nil)}}
	w := &wire{to: secure(t, config, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))}
	client := newClient(t, "https://iam.test", func(c *oauth.ClientConfig) { c.Dial, c.Server.Issuer = w.dial, testIssuer })
	stranger(t, client)
	if all := w.addresses(); len(all) != 1 || !all["iam.test:443"] {
		t.Errorf("dialled %v", all)
	}
}

// TestT030NoSwitch: nothing in the program turns verification off, or writes a session's keys to a file.
func TestT030NoSwitch(t *testing.T) {
	forbidden := []string{"InsecureSkipVerify", "VerifyPeerCertificate", "VerifyConnection", "KeyLogWriter", "EncryptedClientHelloRejectionVerify"}
	files := 0
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		var s scanner.Scanner
		set := token.NewFileSet()
		s.Init(set.AddFile(path, -1, len(source)), source, nil, 0)
		for {
			at, kind, text := s.Scan()
			if kind == token.EOF {
				return nil
			}
			if kind == token.IDENT && slices.Contains(forbidden, text) {
				t.Errorf("%s: %s", set.Position(at), text)
			}
		}
	})
	if err != nil || files < 100 {
		t.Errorf("%d files read: %v", files, err)
	}
}
