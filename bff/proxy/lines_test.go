package proxy_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestClinicOverTLS: the clinic's certificate must be good for the clinic's name; else not a byte of the request leaves.
func TestClinicOverTLS(t *testing.T) {
	good, bad := known(), certificate("stranger.janeapp.example", "CANARY.internal") // nobody knows the second's signer
	roots := filepath.Join(t.TempDir(), "roots.pem")
	must(t, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: good.Certificates[0].Certificate[0]}), 0o600))
	t.Setenv("SSL_CERT_FILE", roots)
	t.Setenv("SSL_CERT_DIR", t.TempDir())
	f, other, stranger := newFake(t, ""), newFake(t, ""), newFake(t, "")
	named := map[string]string{}
	for name, x := range map[string]*fake{"clinic": f, "other": other, "stranger": stranger} {
		x.secured(good)
		x.origin = "https://" + name + ".janeapp.example"
		named[name+".janeapp.example:443"] = x.addr
	}
	stranger.secured(bad)
	r := newRig(t, setup{fakes: []*fake{f, other, stranger}, only: []*fake{}, dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, named[addr])
	}})
	for range 3 {
		r.mustDo(r.request("GET", patients))
	}
	if n := r.proxy.Lines(); n != 1 || len(f.seen()) != 3 {
		t.Errorf("%d connections for %d requests", n, len(f.seen()))
	}
	f.answers(func(string) string { // a second answer, in a record of its own, rides along with the first
		return jsonReply(200, ok) + andThen + jsonReply(200, `{"data":"of somebody else"}`)
	})
	for range 3 {
		if out := r.mustDo(r.request("GET", patients)); string(out.Body()) != ok {
			t.Errorf("T082: body %q", out.Body())
		}
	}
	for i, x := range []*fake{other, stranger} {
		q := r.write("POST", observations, "{}")
		q.Connection = fmt.Sprint("c", i+1)
		_, err := r.do(q)
		wantCode(t, err, "platform_unavailable")
		if text := fmt.Sprint(err, r.logged.String()); !strings.Contains(text, "the clinic's certificate is") || strings.Contains(text, "CANARY") {
			t.Errorf("T086: %s", text)
		}
		if clinic, _ := r.proxy.Budgets("jane", x.origin); len(x.seen()) != 0 || clinic.Remaining != clinic.Limit {
			t.Errorf("%s: %d requests, budget %+v", x.origin, len(x.seen()), clinic)
		}
	}
}

// known is made once, because a process reads its roots once.
var known = sync.OnceValue(func() *tls.Config { return certificate("clinic.janeapp.example", "CANARY.internal") })

// certificate makes a self-signed one.
func certificate(names ...string) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

// TestIdleConnectionsEnd: connections are shared, closed when nobody has used them for a while, and all at Close.
func TestIdleConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "127.0.0.1:7001")
		r := newRig(t, setup{fakes: []*fake{f}})
		f.answers(func(string) string {
			time.Sleep(time.Second)
			return jsonReply(200, ok)
		})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := r.do(r.request("GET", patients)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := r.proxy.Lines(); n != 8 {
			t.Errorf("%d connections for 8 calls at once", n)
		}
		time.Sleep(20 * time.Second)
		r.mustDo(r.request("GET", patients))
		time.Sleep(20 * time.Second)
		if n := r.proxy.Lines(); n != 1 {
			t.Errorf("%d connections after 7 were idle for 40 s", n)
		}
		time.Sleep(20 * time.Second)
		if n := r.proxy.Lines(); n != 0 {
			t.Errorf("%d connections after all were idle for 39 s", n)
		}
		r.mustDo(r.request("GET", patients))
		r.proxy.Close()
		if n := r.proxy.Lines(); n != 0 {
			t.Errorf("%d connections after Close", n)
		}
	})
}

// TestClinicsBounded: the clinic that was called longest ago is forgotten, and found again.
func TestClinicsBounded(t *testing.T) {
	var fakes []*fake
	for i := range 1003 {
		fakes = append(fakes, &fake{addr: fmt.Sprintf("c%d.janeapp.example:443", i), origin: fmt.Sprintf("https://c%d.janeapp.example", i)})
	}
	r := newRig(t, setup{fakes: fakes, only: []*fake{}, dial: func(context.Context, string, string) (net.Conn, error) { return nil, os.ErrNotExist }})
	var all sync.WaitGroup
	for worker := range 16 {
		all.Go(func() {
			for i := worker; i < len(fakes); i += 16 {
				q := r.request("GET", patients)
				q.Connection = fmt.Sprint("c", i)
				if _, err := r.do(q); err == nil {
					t.Error("answered")
				}
			}
		})
	}
	all.Wait()
	if n := r.proxy.Clinics(); n != 1000 {
		t.Errorf("%d clinics remembered", n)
	}
	_, err := r.do(r.request("GET", patients))
	wantCode(t, err, "platform_unavailable")
}

// TestConnectionEnds: a connection that the platform says it closes is not used again, however it says so.
func TestConnectionEnds(t *testing.T) {
	f := newFake(t, "127.0.0.1:7001")
	r := newRig(t, setup{fakes: []*fake{f}})
	for header, kept := range map[string]int{
		"X: y": 1, "Connection: keep-alive": 1, "Connection: Keep-Alive": 1, "Connection: close": 0, "Connection: Close": 0,
		"Connection: keep-alive, close": 0, "Connection: upgrade\r\nUpgrade: h2c": 0, "Connection: close\r\nConnection: keep-alive": 0,
		"Connection: keep-alive\r\nconnection : CLOSE": 0,
	} {
		f.always(reply(200, header+"\r\nContent-Type: application/json", ok))
		r.mustDo(r.request("GET", patients))
		if n := r.proxy.Lines(); n != kept {
			t.Errorf("%q: %d connections kept", header, n)
		}
	}
	for head, kept := range map[string]int{
		"HTTP/1.1 204 No Content": 1, "HTTP/1.1 204 No Content\r\nContent-Length: 0": 1, "HTTP/1.1 204 No Content\r\nContent-Length: 400": 0,
		"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked": 0, "HTTP/1.0 204 No Content": 0,
		"HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\nHTTP/1.1 204 No Content": 0,
	} {
		f.always(head + "\r\n\r\n")
		r.mustDo(r.request("GET", patients))
		if n := r.proxy.Lines(); n != kept {
			t.Errorf("T082 %q: %d connections kept", head, n)
		}
	}
}
