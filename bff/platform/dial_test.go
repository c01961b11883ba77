package platform_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"locum/bff/platform"
	"locum/bff/secret"
)

// listen opens a loopback listener that counts nothing and answers nothing.
func listen(t *testing.T, address string) string {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

func TestT079Dial(t *testing.T) {
	issuer, clinic, stranger := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	_, clinicPort, _ := net.SplitHostPort(clinic)
	c := janeConfig()
	c.Issuer = "http://" + issuer + "/realms/jane"
	c.Clinics = []platform.ClinicLink{{Name: "Sandbox", URL: "http://" + clinic}}
	p, err := platform.Jane(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, addr string
		ok         bool
	}{
		{"configured issuer", issuer, true},
		{"configured clinic", clinic, true},
		{"another port of loopback", stranger, false},
		{"configured clinic by name", "localhost:" + clinicPort, false},
		{"another loopback address", "127.0.0.2:" + clinicPort, false},
		{"IPv6 loopback", "[::1]:" + clinicPort, false},
		{"v4-mapped loopback", "[::ffff:127.0.0.1]:" + clinicPort, false},
		{"unspecified", "0.0.0.0:" + clinicPort, false},
		{"unspecified IPv6", "[::]:" + clinicPort, false},
		{"no host", ":" + clinicPort, false},
		{"private", "10.0.0.1:443", false},
		{"metadata", "169.254.169.254:80", false},
		{"unique local", "[fd00::1]:443", false},
		{"multicast", "224.0.0.1:443", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			conn, err := p.Dial(ctx, "tcp", c.addr)
			if conn != nil {
				conn.Close()
			}
			if c.ok != (err == nil) || !c.ok && !errors.Is(err, platform.ErrAddress) {
				t.Errorf("%s: %v", c.addr, err)
			}
		})
	}
	if _, err := p.Dial(t.Context(), "udp", issuer); !errors.Is(err, platform.ErrAddress) {
		t.Errorf("udp: %v", err)
	}
}

// TestDialProductionKnowsNoLoopback: without a literal loopback origin in the configuration there is no way to loopback.
func TestDialProductionKnowsNoLoopback(t *testing.T) {
	addr := listen(t, "127.0.0.1:0")
	c := janeConfig()
	c.Clinics = nil
	p, err := platform.Jane(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Dial(t.Context(), "tcp", addr); !errors.Is(err, platform.ErrAddress) {
		t.Errorf("error %v", err)
	}
}

func TestRegistry(t *testing.T) {
	production, c := mustJane(t), janeConfig()
	c.ID, c.Issuer = "jane-sandbox", "https://login.id.janeapp.com/realms/jane_partner_sandbox"
	partner, err := platform.Jane(c)
	if err != nil {
		t.Fatal(err)
	}
	asked := ""
	secretOf := func(id string) (secret.String, error) {
		asked = id
		return secret.String{}, errors.New("none")
	}
	refuse := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }
	r, err := platform.NewRegistry([]*platform.Platform{production, partner}, platform.Sources{Secret: secretOf}, refuse)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if all := r.All(); len(all) != 2 || all[0].Platform != production || all[1].Platform != partner {
		t.Errorf("all: %v", all)
	}
	live, err := r.Get("jane-sandbox")
	if err != nil || live.Platform != partner {
		t.Fatalf("get: %v", err)
	}
	if _, err := live.OAuth.Refresh(t.Context(), secret.New("r"), nil); err == nil || asked != "jane-sandbox" {
		t.Errorf("refresh: %v; the secret of %q was asked for", err, asked)
	}
	if _, err := live.DialFunc(t.Context(), "tcp", "x:1"); err == nil || !strings.Contains(err.Error(), "no network") {
		t.Errorf("dial: %v", err)
	}
	if _, err := r.Get("other"); !errors.Is(err, platform.ErrUnknownPlatform) {
		t.Errorf("get of another: %v", err)
	}
	if _, err := platform.NewRegistry([]*platform.Platform{production, production}, platform.Sources{Secret: secretOf}, nil); err == nil {
		t.Error("one id twice")
	}
	if _, err := platform.NewRegistry([]*platform.Platform{{ID: "x"}}, platform.Sources{Secret: secretOf}, nil); err == nil {
		t.Error("a platform without endpoints")
	}
}
