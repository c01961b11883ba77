package platform_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/platform"
)

// pipes is a listener whose connections stay in memory, so that a bubble's clock can run ahead.
type pipes struct {
	next chan net.Conn
	done chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.next <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.next:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { close(p.done); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// T015: a good copy is looked after once a day; a refused document is told of once, as long as it is the same, and looked for
// again every ten minutes.
func TestT015DailyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		var issuer atomic.Value
		issuer.Store("https://iam.test")
		listener := newPipes()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			_ = json.NewEncoder(w).Encode(map[string]any{
				"issuer": issuer.Load(), "authorization_endpoint": "https://iam.test/a", "token_endpoint": "https://iam.test/t", "jwks_uri": "https://iam.test/k",
				"code_challenge_methods_supported": []string{"S256"}, "capabilities": []string{"sso-openid-connect"},
			})
		})}
		served := make(chan struct{})
		go func() { defer close(served); _ = server.Serve(listener) }()
		defer func() { _ = server.Close(); <-served }()

		kept := newPins()
		r, err := platform.NewRegistry([]*platform.Platform{smartAt(t, "http://127.0.0.1:7/fhir", nil)}, kept.sources(), listener.dial)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		after := func(d time.Duration, looks, told int) {
			t.Helper()
			time.Sleep(d)
			if err := r.Discover(t.Context(), "ehr"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if int(asked.Load()) != looks || kept.refusals() != told {
				t.Fatalf("%d looks, told %d times; want %d, %d", asked.Load(), kept.refusals(), looks, told)
			}
		}
		after(0, 1, 0)
		after(23*time.Hour, 1, 0)
		after(time.Hour+time.Second, 2, 0)
		issuer.Store("https://evil.test")
		after(25*time.Hour, 3, 1)
		after(time.Minute, 3, 1)
		after(10*time.Minute, 4, 1)
		issuer.Store("https://worse.test")
		after(11*time.Minute, 5, 1) // the same refusal: another issuer
		issuer.Store("https://iam.test")
		after(11*time.Minute, 6, 1)
		if r.Contradiction("ehr") != nil {
			t.Error("what is right again still counts as a contradiction")
		}
		after(23*time.Hour, 6, 1)
		issuer.Store("https://evil.test")
		after(2*time.Hour, 7, 2)
	})
}
