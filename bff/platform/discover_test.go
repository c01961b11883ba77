package platform_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/secret"
)

// fhirServer answers with a SMART configuration that a test changes.
type fhirServer struct {
	*httptest.Server
	mu    sync.Mutex
	alter func(map[string]any)
	down  bool
	asked int
	tags  []string // If-None-Match of each request
}

func newFHIRServer(t *testing.T) *fhirServer {
	f := &fhirServer{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.asked++
		f.tags = append(f.tags, r.Header.Get("If-None-Match"))
		switch {
		case f.down:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case r.Header.Get("If-None-Match") == `"1"` && f.alter == nil:
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"1"`)
		document := f.document()
		if f.alter != nil {
			f.alter(document)
		}
		_ = json.NewEncoder(w).Encode(document)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fhirServer) base() string { return f.URL + "/tenant/fhir" }

func (f *fhirServer) document() map[string]any {
	at := f.URL + "/auth"
	return map[string]any{
		"issuer": f.URL + "/tenant", "authorization_endpoint": at + "/authorize", "token_endpoint": at + "/token", "jwks_uri": at + "/keys",
		"revocation_endpoint": at + "/revoke", "code_challenge_methods_supported": []string{"S256", "plain"},
		"capabilities": []string{"launch-ehr", "sso-openid-connect", "authorize-post"},
		"authorization_response_iss_parameter_supported": true,
	}
}

func (f *fhirServer) change(down bool, alter func(map[string]any)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down, f.alter = down, alter
}

func (f *fhirServer) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// pins keep what a registry saves, and what it says of refused documents.
type pins struct {
	mu      sync.Mutex
	saved   map[string]platform.Pin
	refused []*platform.DiscoveryError
}

func (p *pins) sources() platform.Sources {
	return platform.Sources{
		Secret: func(string) (secret.String, error) { return secret.New("s"), nil },
		Load: func(id string) (platform.Pin, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.saved[id], nil
		},
		Save: func(pin platform.Pin) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.saved[pin.Platform] = pin
			return nil
		},
		Refused: func(err *platform.DiscoveryError) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.refused = append(p.refused, err)
		},
	}
}

// age makes the pin of id look as if it had been checked so long ago.
func (p *pins) age(id string, by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pin := p.saved[id]
	pin.CheckedAt = time.Now().Add(-by)
	p.saved[id] = pin
}

func (p *pins) pin(id string) platform.Pin {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.saved[id]
}

func (p *pins) refusals() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.refused)
}

func smartAt(t *testing.T, base string, change func(*platform.SMARTConfig)) *platform.Platform {
	t.Helper()
	c := platform.SMARTConfig{FHIRBase: base, AppConfig: platform.AppConfig{ID: "ehr", ClientID: "locum", PublicURL: "https://locum.example"}}
	if change != nil {
		change(&c)
	}
	p, err := platform.SMART(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func discovering(t *testing.T, p *platform.Platform, kept *pins) (*platform.Registry, *platform.Live) {
	t.Helper()
	r, err := platform.NewRegistry([]*platform.Platform{p}, kept.sources(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	live, err := r.Get(p.ID)
	if err != nil {
		t.Fatal(err)
	}
	return r, live
}

func newPins() *pins { return &pins{saved: map[string]platform.Pin{}} }

func TestDiscoverOnceForAll(t *testing.T) {
	f, kept := newFHIRServer(t), newPins()
	r, live := discovering(t, smartAt(t, f.base(), nil), kept)
	if _, err := live.OAuth.Refresh(t.Context(), secret.New("r"), nil); !errors.Is(err, oauth.ErrUndiscovered) {
		t.Fatalf("before the first look: %v", err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := r.Discover(t.Context(), "ehr"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	server := live.OAuth.Server()
	if f.count() != 1 || server.Token != f.URL+"/auth/token" || server.Issuer != f.URL+"/tenant" || !server.RequireIss || !server.AuthorizePost {
		t.Fatalf("%d requests, %+v", f.count(), server)
	}
	if pin := kept.pin("ehr"); pin.Base != f.base() || pin.ETag != `"1"` || !strings.Contains(pin.Document, "token_endpoint") {
		t.Fatalf("pin %+v", pin)
	}
	// The next start believes the pin, and asks after a day with its tag.
	r, live = discovering(t, smartAt(t, f.base(), nil), kept)
	if err := r.Discover(t.Context(), "ehr"); err != nil || live.OAuth.Server().Token == "" || f.count() != 1 {
		t.Fatalf("%v, %d requests", err, f.count())
	}
	kept.age("ehr", 25*time.Hour)
	r, _ = discovering(t, smartAt(t, f.base(), nil), kept)
	if err := r.Discover(t.Context(), "ehr"); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return time.Since(kept.pin("ehr").CheckedAt) < time.Hour })
	if f.tags[1] != `"1"` {
		t.Errorf("tags %q", f.tags)
	}
}

// await polls until ok, for at most ten seconds.
func await(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come to that")
		}
	}
}

// T015: a document that differs from the pinned one, or that is unsafe, changes nothing and is told of once.
func TestT015MetadataIsPinned(t *testing.T) {
	set := func(member string, value any) func(map[string]any) {
		return func(m map[string]any) { m[member] = value }
	}
	f := newFHIRServer(t)
	first := newPins()
	r, _ := discovering(t, smartAt(t, f.base(), nil), first)
	if err := r.Discover(t.Context(), "ehr"); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, code string
		alter      func(map[string]any)
	}{
		{"other issuer", platform.DiscoveryContradicts, set("issuer", "https://evil.example")},
		{"issuer with a slash more", platform.DiscoveryContradicts, set("issuer", f.URL+"/tenant/")},
		{"other host", platform.DiscoveryContradicts, set("token_endpoint", "https://evil.example/token")},
		{"other port", platform.DiscoveryContradicts, set("authorization_endpoint", "http://127.0.0.1:9/authorize")},
		{"keys elsewhere", platform.DiscoveryContradicts, set("jwks_uri", "https://evil.example/keys")},
		{"a new endpoint elsewhere", platform.DiscoveryContradicts, set("introspection_endpoint", "https://evil.example/introspect")},
		{"http", platform.DiscoveryUnusable, set("token_endpoint", "http://ehr.example/token")},
		{"javascript", platform.DiscoveryUnusable, set("authorization_endpoint", "javascript:alert(1)")},
		{"no S256", platform.DiscoveryUnusable, set("code_challenge_methods_supported", []string{"plain"})},
		{"no promise of iss", platform.DiscoveryContradicts, set("authorization_response_iss_parameter_supported", false)},
		{"no sign-in", platform.DiscoveryNoIdentity, set("capabilities", []string{"launch-ehr"})},
		{"no issuer", platform.DiscoveryNoIdentity, func(m map[string]any) { delete(m, "issuer") }},
	}
	for _, c := range cases {
		t.Run("T015 "+c.name, func(t *testing.T) {
			kept := newPins()
			maps.Copy(kept.saved, first.saved)
			kept.age("ehr", 25*time.Hour)
			f.change(false, c.alter)
			r, live := discovering(t, smartAt(t, f.base(), nil), kept)
			if err := r.Discover(t.Context(), "ehr"); err != nil {
				t.Fatalf("while a good copy is there: %v", err)
			}
			await(t, func() bool { return kept.refusals() == 1 })
			if err := r.Contradiction("ehr"); err == nil || err.Code != c.code {
				t.Errorf("refused as %v", err)
			}
			if got := live.OAuth.Server(); got.Token != f.URL+"/auth/token" || got.Issuer != f.URL+"/tenant" || got.JWKS != f.URL+"/auth/keys" {
				t.Errorf("the client speaks to %+v", got)
			}
			if pin := kept.pin("ehr"); pin.Document != first.pin("ehr").Document {
				t.Errorf("the pin changed")
			}
		})
	}
}

func TestT015FirstDocumentAgainstTheConfiguration(t *testing.T) {
	f := newFHIRServer(t)
	cases := []struct {
		name, issuer, code string
		alter              func(map[string]any)
	}{
		{"the registered issuer", f.URL + "/tenant", "", nil},
		{"another than the registered issuer", "https://issuer.example", platform.DiscoveryContradicts, nil},
		{"javascript", "", platform.DiscoveryUnusable, func(m map[string]any) { m["token_endpoint"] = "javascript:x" }},
		{"no sign-in", "", platform.DiscoveryNoIdentity, func(m map[string]any) { m["capabilities"] = []string{} }},
		{"no capabilities", "", platform.DiscoveryUnusable, func(m map[string]any) { delete(m, "capabilities") }},
	}
	for _, c := range cases {
		t.Run("T015 "+c.name, func(t *testing.T) {
			f.change(false, c.alter)
			kept := newPins()
			r, live := discovering(t, smartAt(t, f.base(), func(s *platform.SMARTConfig) { s.Issuer = c.issuer }), kept)
			err := r.Discover(t.Context(), "ehr")
			var refused *platform.DiscoveryError
			if c.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.As(err, &refused) || refused.Code != c.code || live.OAuth.Server().Token != "" || kept.pin("ehr").Document != "" {
				t.Fatalf("%v; %+v", err, live.OAuth.Server())
			}
			if kept.refusals() != 1 {
				t.Errorf("told %d times", kept.refusals())
			}
		})
	}
}

func TestDiscoverWhileTheServerIsDown(t *testing.T) {
	f, kept := newFHIRServer(t), newPins()
	f.change(true, nil)
	r, _ := discovering(t, smartAt(t, f.base(), nil), kept)
	var refused *platform.DiscoveryError
	if err := r.Discover(t.Context(), "ehr"); !errors.As(err, &refused) || refused.Code != platform.DiscoveryUnreachable || kept.refusals() != 0 {
		t.Fatalf("%v, told %d times", err, kept.refusals())
	}
	if err := r.Discover(t.Context(), "ehr"); !errors.As(err, &refused) || f.count() != 1 {
		t.Fatalf("at once again: %v, %d requests", err, f.count())
	}
	f.change(false, nil)
	r, _ = discovering(t, smartAt(t, f.base(), nil), kept)
	if err := r.Discover(t.Context(), "ehr"); err != nil {
		t.Fatal(err)
	}
	// With a good copy nobody waits for a server that is down.
	f.change(true, nil)
	kept.age("ehr", 48*time.Hour)
	r, live := discovering(t, smartAt(t, f.base(), nil), kept)
	if err := r.Discover(t.Context(), "ehr"); err != nil || live.OAuth.Server().Token == "" {
		t.Fatalf("%v", err)
	}
}

func TestDiscoverForgetsWhatTheConfigurationLeft(t *testing.T) {
	f, kept := newFHIRServer(t), newPins()
	r, _ := discovering(t, smartAt(t, f.base(), nil), kept)
	if err := r.Discover(t.Context(), "ehr"); err != nil {
		t.Fatal(err)
	}
	f.change(false, func(m map[string]any) { m["issuer"] = "https://moved.example" })
	for name, change := range map[string]func(*platform.SMARTConfig){
		"issuer":         func(c *platform.SMARTConfig) { c.Issuer = "https://moved.example" },
		"metadata since": func(c *platform.SMARTConfig) { c.MetadataSince = time.Now() },
	} {
		fresh := newPins()
		maps.Copy(fresh.saved, kept.saved)
		r, live := discovering(t, smartAt(t, f.base(), change), fresh)
		if err := r.Discover(t.Context(), "ehr"); err != nil || live.OAuth.Server().Issuer != "https://moved.example" {
			t.Errorf("%s: %v, %s", name, err, live.OAuth.Server().Issuer)
		}
	}
}

func TestDiscoverEndsWithItsCaller(t *testing.T) {
	hold := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-hold }))
	defer slow.Close()
	defer close(hold)
	r, _ := discovering(t, smartAt(t, slow.URL+"/fhir", nil), newPins())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := r.Discover(ctx, "ehr"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	r.Close() // ends the look, and waits for it
	if err := r.Discover(t.Context(), "ehr"); err == nil {
		t.Error("it looks after its end")
	}
}
