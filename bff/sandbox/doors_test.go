package sandbox_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"locum/bff/sandbox"
)

// TestListeners: the other door, with real sockets and the default client.
func TestListeners(t *testing.T) {
	s, err := sandbox.Start(sandbox.Options{Clients: []sandbox.Client{{ID: "locum", RedirectURIs: []string{callback}}}})
	must(t, err)
	defer s.Close()
	for _, at := range []string{s.Issuer(sandbox.RealmProduction) + "/.well-known/openid-configuration", s.Issuer("jane") + "/protocol/openid-connect/certs"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
		must(t, err)
		response, err := http.DefaultClient.Do(r)
		must(t, err)
		response.Body.Close()
		equal(t, at, response.StatusCode, 200)
	}
	http.DefaultClient.CloseIdleConnections()
	for _, c := range s.Clinics() {
		at, err := url.Parse(c.URL)
		must(t, err)
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", at.Host)
		must(t, err)
		conn.Close()
	}
	query := url.Values{
		"client_id": {"locum"}, "scope": {"patients:read"}, "resource": {s.Clinics()[0].URL}, "redirect_uri": {callback}, "state": {"x"},
		"response_type": {"code"}, "code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"},
	}
	back, err := s.Approve(s.Issuer("jane")+"/protocol/openid-connect/auth?"+query.Encode(), robin, false)
	must(t, err)
	if !strings.HasPrefix(back, callback+"?code=") {
		t.Errorf("callback is %s", back)
	}
}

// TestOptions: an address that is not literally loopback is refused, and so is a client that cannot be.
func TestOptions(t *testing.T) {
	redirects := func(uris ...string) sandbox.Options {
		return sandbox.Options{Clients: []sandbox.Client{{ID: "x", RedirectURIs: uris}}}
	}
	rows := []struct {
		name string
		o    sandbox.Options
	}{
		{"every interface", sandbox.Options{IAM: "0.0.0.0:0"}},
		{"a name", sandbox.Options{ClinicA: "localhost:0"}},
		{"no port", sandbox.Options{ClinicB: "127.0.0.1"}},
		{"client without id", sandbox.Options{Clients: []sandbox.Client{{Name: "x"}}}},
		{"client of an unknown realm", sandbox.Options{Clients: []sandbox.Client{{ID: "x", Realms: []string{"y"}}}}},
		{"Jane guide, Step 1: http elsewhere", redirects("http://locum.example/callback")},
		{"Jane guide, Step 1: a wildcard", redirects("https://locum.example/*")},
		{"Jane guide, Step 1: not fully qualified", redirects("/callback")},
		{"RFC 6749 §3.1.2 a fragment", redirects("https://locum.example/callback#x")},
		{"one good and one bad address", redirects(callback, "http://127.0.0.1.example/callback")},
		{"scope that is none", sandbox.Options{Clients: []sandbox.Client{{ID: "x", Scopes: []string{"jane:all_access"}}}}},
		{"port taken twice", sandbox.Options{IAM: "127.0.0.1:7100", ClinicA: "127.0.0.1:7100"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if s, err := sandbox.InProcess(row.o); err == nil {
				s.Close()
				t.Error("no error")
			}
		})
	}
}

// TestCloseEndsEverything: no goroutine and no port is left, and closing twice is harmless.
func TestCloseEndsEverything(t *testing.T) {
	before := runtime.NumGoroutine()
	s, err := sandbox.Start(sandbox.Options{})
	must(t, err)
	conn, err := s.Dial(t.Context(), "tcp", strings.TrimPrefix(s.Clinics()[0].URL, "http://"))
	must(t, err)
	defer conn.Close()
	must(t, s.Close())
	must(t, s.Close())
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // one that has done its last work is counted until it has left
	}
	if now := runtime.NumGoroutine(); now > before {
		t.Errorf("%d goroutines, %d before", now, before)
	}
	if _, err := s.Dial(t.Context(), "tcp", strings.TrimPrefix(s.Clinics()[0].URL, "http://")); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialling a closed sandbox: %v", err)
	}
}

// TestDial: only the sandbox's own hosts, by address or as localhost, and never longer than the context.
func TestDial(t *testing.T) {
	g := newRig(t)
	for _, at := range []string{"127.0.0.1:1", "example.test:7100", "127.0.0.2:7100", "7100"} {
		if _, err := g.Dial(t.Context(), "tcp", at); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dialling %s: %v", at, err)
		}
	}
	conn, err := g.Dial(t.Context(), "tcp", "localhost:7100")
	must(t, err)
	conn.Close()
	gone, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	for range 100 { // the listener may take it before the deadline is seen
		if conn, err = g.Dial(gone, "tcp", "127.0.0.1:7100"); err != nil {
			break
		}
		conn.Close()
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("dialling past the deadline: %v", err)
	}
}

// TestForeignHost: a page that reaches the port under a name of its own learns nothing (DNS rebinding).
func TestForeignHost(t *testing.T) {
	g := newRig(t)
	for _, at := range []string{g.ask(), g.clinic + "/api/2026-01-01/company"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
		must(t, err)
		r.Host = "rebound.test"
		equal(t, "status", g.do(r, err).StatusCode, http.StatusMisdirectedRequest)
	}
}

// TestBodyIsBounded: 64 kB for a form, 1 MB for anything.
func TestBodyIsBounded(t *testing.T) {
	g := newRig(t)
	got := g.refresh(strings.Repeat("x", 70<<10))
	g.refused(got, 400, "invalid_request", "the form is malformed or longer than 64 kB")
	got = g.refresh(strings.Repeat("x", 2<<20))
	equal(t, "status", got.StatusCode, http.StatusRequestEntityTooLarge)
}

// TestMarker: every secret that was minted contains the marker as it stands, JWTs in their encoded form too, and Minted
// lists it; what the browser may keep contains none.
func TestMarker(t *testing.T) {
	g := newRig(t)
	back := g.approve(robin, "scope", "openid patients:read")
	got := g.redeem(back.Get("code")).json
	again := g.refresh(got["refresh_token"]).json
	minted := strings.Join(g.Minted(), "\n")
	secrets := []any{
		g.client.Secret, back.Get("code"), got["access_token"], got["refresh_token"], got["id_token"], again["access_token"],
		again["refresh_token"], again["id_token"],
	}
	for i, secret := range secrets {
		text, _ := secret.(string)
		if !strings.Contains(text, g.Marker()) || !strings.Contains(minted, text) {
			t.Errorf("secret %d lacks the marker or is not listed", i)
		}
	}
	if !strings.HasPrefix(g.client.Secret, "SBX-") {
		t.Error("a generated client secret begins with SBX-")
	}
	if _, err := base64.RawURLEncoding.DecodeString(g.Marker()); err != nil {
		t.Error(err)
	}
	for _, one := range g.People() {
		if !strings.Contains(minted, one.Password) {
			t.Errorf("password of %s is not listed", one.Login)
		}
	}
	page := g.get(g.ask())
	if strings.Contains(page.text+page.Header.Get("Set-Cookie")+back.Get("session_state"), g.Marker()) {
		t.Error("a page, cookie or session_state contains the marker")
	}
}

// TestRand: the same source mints the same values, and its end is loud rather than weak.
func TestRand(t *testing.T) {
	mint := func() string {
		s, err := sandbox.InProcess(sandbox.Options{Rand: strings.NewReader(strings.Repeat("x", 1000)), Clients: []sandbox.Client{{ID: "a"}}})
		must(t, err)
		defer s.Close()
		return s.Clients()[0].Secret
	}
	equal(t, "secret", mint(), mint())
	defer func() {
		if recover() == nil {
			t.Error("an empty source did not panic")
		}
	}()
	_, _ = sandbox.InProcess(sandbox.Options{Rand: io.LimitReader(nil, 0)})
}
