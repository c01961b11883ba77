package bff_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"locum/bff"
	"locum/bff/config"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/bff/throttle"
	"locum/shared"
)

// TestT127StopBeginsNoCall: when the server is told to stop, a call that waits for its turn is answered at once and not sent,
// while one that was sent is finished. So no call outlives the wait for answers, which is as long as a platform may take.
func TestT127StopBeginsNoCall(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	for _, p := range b.cfg.Platforms {
		p.Limits.Endpoint = throttle.Limit{N: 1, Window: 7 * time.Second}
	}
	b.sandbox.Slow(sandbox.EndpointAPI, 2*time.Second, 1)
	sent, waits := make(chan answer, 1), make(chan answer, 1)
	ask := func(answers chan<- answer) {
		defer close(answers) // where it fails, too
		answers <- one.read("/proxy/v1/" + id + patientsPath)
	}
	go ask(sent)
	until(t, func() bool { return b.sandbox.Count(sandbox.EndpointAPI) == 1 })
	go ask(waits)
	until(t, func() bool {
		stacks := make([]byte, 1<<20)
		return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "throttle.(*Limiter).Acquire")
	})
	b.stop()
	if a := <-waits; a.status != http.StatusServiceUnavailable || a.code(t) != shared.CodePlatformUnavailable {
		t.Errorf("the call that waited: %d %s", a.status, a.body)
	}
	if a := <-sent; a.status != http.StatusOK {
		t.Errorf("the call that was sent: %d %s", a.status, a.body)
	}
	if n := b.sandbox.Count(sandbox.EndpointAPI); n != 1 {
		t.Errorf("%d calls were sent", n)
	}
}

// until polls for what has to come.
func until(t *testing.T, done func() bool) {
	t.Helper()
	for began := time.Now(); !done(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatal("it does not come")
		}
	}
}

// TestServeOverTLS: HTTP/1.1 alone is offered, since fasthttp speaks nothing else and a browser would choose better.
func TestServeOverTLS(t *testing.T) {
	certificate, key := writeCertificate(t)
	b := open(t, func(cfg *config.Config, _ *bff.Options) {
		cfg.PublicURL.Scheme = "https"
		cfg.TLS = &config.TLS{CertFile: certificate, KeyFile: key}
	})
	pool := x509.NewCertPool()
	text, err := os.ReadFile(certificate)
	must(t, err)
	pool.AppendCertsFromPEM(text)
	conn, err := tls.Dial("tcp", b.addr, &tls.Config{RootCAs: pool, ServerName: "localhost", NextProtos: []string{"h2", "http/1.1"}})
	must(t, err)
	defer conn.Close()
	if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("negotiated %q", got)
	}
	_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: "+b.cfg.PublicURL.Host+"\r\n\r\n")
	must(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
	if _, err := tls.Dial("tcp", b.addr, &tls.Config{RootCAs: pool, ServerName: "localhost", MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

func writeCertificate(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	must(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	certificate, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	must(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600))
	return certificate, key
}

// TestServeFinishesWhatWasBegun: a call under way when the server is told to stop is answered, and new callers are not.
func TestServeFinishesWhatWasBegun(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	before := b.sandbox.Count(sandbox.EndpointAPI)
	b.sandbox.Slow(sandbox.EndpointAPI, 300*time.Millisecond, 1)
	answered := make(chan answer, 1)
	go func() { answered <- one.read("/proxy/v1/" + id + "/api/2026-01-01/patients") }()
	for b.sandbox.Count(sandbox.EndpointAPI) == before {
		time.Sleep(time.Millisecond) // until the call has arrived
	}
	b.stop()
	if a := <-answered; a.status != http.StatusOK {
		t.Errorf("the call under way: %d %s", a.status, a.body)
	}
	if conn, err := net.Dial("tcp", b.addr); err == nil {
		conn.Close()
		t.Error("the address still answers")
	}
}

// TestServeEndsWithAContextThatHasEnded, whatever had begun by then.
func TestServeEndsWithAContextThatHasEnded(t *testing.T) {
	b := open(t, nil)
	b.stop()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for range 50 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		must(t, b.server.Serve(ended, ln))
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("the listener is open: %v", err)
		}
	}
}

// TestReadyTellsWhetherCallsCanBeMade; health only that the process answers.
func TestReadyTellsWhetherCallsCanBeMade(t *testing.T) {
	b := open(t, nil)
	if a := b.get(shared.PathReady); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	must(t, b.server.Close())
	if a := b.get(shared.PathReady); a.status != http.StatusServiceUnavailable || a.code(t) != shared.CodeStorage {
		t.Errorf("ready: %d %s", a.status, a.body)
	}
	if a := b.get(shared.PathHealth); a.status != http.StatusOK {
		t.Errorf("health: %d %s", a.status, a.body)
	}
}

// TestOpenSaysWhatIsWrong and leaves nothing open behind it.
func TestOpenSaysWhatIsWrong(t *testing.T) {
	b := open(t, nil)
	if server, err := bff.Open(b.cfg, bff.Options{}); err == nil {
		must(t, server.Close())
		t.Error("the same data directory opens twice")
	}
	missing := *b.cfg
	missing.MasterKeyFile = filepath.Join(t.TempDir(), "none")
	if _, err := bff.Open(&missing, bff.Options{}); err == nil {
		t.Error("no master key is needed")
	}
	none := filepath.Join(t.TempDir(), "none.pem")
	tlsless := *b.cfg
	tlsless.TLS = &config.TLS{CertFile: none, KeyFile: none}
	if _, err := bff.Open(&tlsless, bff.Options{}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "tls in the configuration") {
		t.Errorf("no certificate: %v", err)
	}
	if a := b.get(shared.PathReady); a.status != http.StatusOK {
		t.Errorf("the first one is harmed: %d %s", a.status, a.body)
	}
	if err := b.server.SetClientSecret("nowhere", secret.New("x")); err == nil {
		t.Error("an unknown platform gets a secret")
	}
}

// TestARestartKeepsSessions and connections.
func TestARestartKeepsSessions(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	b.stop()
	must(t, b.server.Close())
	ln, err := net.Listen("tcp", b.addr)
	must(t, err)
	again, err := bff.Open(b.cfg, bff.Options{Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- again.Serve(ctx, ln) }()
	if a := one.read("/proxy/v1/" + id + "/api/2026-01-01/patients"); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	stop()
	must(t, <-served)
	must(t, again.Close())
}
