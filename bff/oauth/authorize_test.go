package oauth_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// newOffline is a client for Jane's production realm that never dials.
func newOffline(t *testing.T) *oauth.Client {
	t.Helper()
	base := "https://login.id.janeapp.com/realms/jane/protocol/openid-connect"
	client, err := oauth.NewClient(oauth.ClientConfig{
		Server: oauth.Server{Issuer: "https://login.id.janeapp.com/realms/jane", Authorization: base + "/auth",
			Token: base + "/token", JWKS: base + "/certs"},
		ID: "locum", RedirectURI: "https://locum.example.org/connect/jane/callback",
		Secret: func() (secret.String, error) { return secret.New("s3cret-value"), nil },
		Dial: func(context.Context, string, string) (net.Conn, error) {
			t.Error("dialled")
			return nil, errors.New("no network")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestT008AuthorizationURL(t *testing.T) {
	client := newOffline(t)
	verifier := oauth.NewVerifier()
	raw := client.AuthorizationURL(oauth.AuthorizationRequest{
		State: "browser.server", Challenge: oauth.Challenge(verifier), Nonce: "n-1",
		Scopes: []string{"openid", "appointments:read"}, Resource: "https://clinic.janeapp.com",
	})
	address, query, _ := strings.Cut(raw, "?")
	if address != "https://login.id.janeapp.com/realms/jane/protocol/openid-connect/auth" {
		t.Errorf("address %s", address)
	}
	if strings.Contains(query, "+") || strings.ContainsAny(query, " :/") {
		t.Errorf("not fully encoded: %s", query)
	}
	got, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"response_type": {"code"}, "client_id": {"locum"}, "state": {"browser.server"}, "nonce": {"n-1"},
		"redirect_uri": {"https://locum.example.org/connect/jane/callback"}, "scope": {"openid appointments:read"},
		"resource": {"https://clinic.janeapp.com"}, "code_challenge": {oauth.Challenge(verifier)},
		"code_challenge_method": {"S256"},
	}
	if got.Encode() != want.Encode() {
		t.Errorf("parameters\n%s\nwant\n%s", got.Encode(), want.Encode())
	}
	if strings.Contains(raw, verifier.Reveal()) || strings.Contains(raw, "s3cret") {
		t.Error("verifier or secret in the URL")
	}
}

func TestAuthorizationURLPromptOnlyWhenAsked(t *testing.T) {
	client := newOffline(t)
	request := oauth.AuthorizationRequest{State: "s", Challenge: oauth.Challenge(oauth.NewVerifier())}
	if raw := client.AuthorizationURL(request); strings.Contains(raw, "prompt") || strings.Contains(raw, "nonce") ||
		strings.Contains(raw, "resource") || strings.Contains(raw, "scope") {
		t.Errorf("unasked parameter in %s", raw)
	}
	request.Prompt = "consent"
	if raw := client.AuthorizationURL(request); !strings.HasSuffix(raw, "&prompt=consent") {
		t.Errorf("no prompt in %s", raw)
	}
}

func TestAuthorizationURLNeverWithoutStateOrChallenge(t *testing.T) {
	client := newOffline(t)
	challenge := oauth.Challenge(oauth.NewVerifier())
	for name, r := range map[string]oauth.AuthorizationRequest{
		"no state":        {Challenge: challenge},
		"no challenge":    {State: "s"},
		"short challenge": {State: "s", Challenge: challenge[1:]},
	} {
		if raw := client.AuthorizationURL(r); raw != "" {
			t.Errorf("%s: %s", name, raw)
		}
	}
}

func TestT013AuthorizationURLInjection(t *testing.T) {
	client := newOffline(t)
	for _, evil := range []string{"x&redirect_uri=https://evil.example", "x%26a=b", "x#f", "x\r\nLocation: y", "x y+z", "é"} {
		raw := client.AuthorizationURL(oauth.AuthorizationRequest{
			State: evil, Challenge: oauth.Challenge(oauth.NewVerifier()), Nonce: evil, Scopes: []string{evil}, Resource: evil, Prompt: evil,
		})
		u, err := url.Parse(raw)
		if err != nil || u.Fragment != "" {
			t.Fatalf("%q: %v", evil, err)
		}
		for name, values := range u.Query() {
			if len(values) != 1 {
				t.Errorf("%q: %s stands %d times", evil, name, len(values))
			}
		}
		if got := u.Query(); got.Get("state") != evil || got.Get("scope") != evil || got.Get("resource") != evil ||
			got.Get("redirect_uri") != "https://locum.example.org/connect/jane/callback" {
			t.Errorf("%q: read back as %v", evil, got)
		}
	}
}

func TestT009Challenge(t *testing.T) {
	// RFC 7636, Appendix B.
	if got := oauth.Challenge(secret.New("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("challenge of the RFC's verifier is %s", got)
	}
	form := regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
	seen := map[string]bool{}
	for range 10_000 {
		verifier := oauth.NewVerifier()
		challenge := oauth.Challenge(verifier)
		if !form.MatchString(verifier.Reveal()) || !form.MatchString(challenge) {
			t.Fatalf("not 43 base64url characters: %d, %s", len(verifier.Reveal()), challenge)
		}
		if seen[challenge] {
			t.Fatal("a challenge came twice")
		}
		seen[challenge] = true
	}
}

func TestAcceptsIss(t *testing.T) {
	strict := oauth.Server{Issuer: "https://login.id.janeapp.com/realms/jane", RequireIss: true}
	lenient := strict
	lenient.RequireIss = false
	for _, c := range []struct {
		name, iss string
		strict    bool
		lenient   bool
	}{
		{"exact", "https://login.id.janeapp.com/realms/jane", true, true},
		{"T019 missing", "", false, true},
		{"T019 trailing slash", "https://login.id.janeapp.com/realms/jane/", false, false},
		{"T019 other case", "https://login.id.janeapp.com/realms/Jane", false, false},
		{"T019 other realm", "https://login.id.janeapp.com/realms/jane_partner_sandbox", false, false},
		{"T019 percent-encoded", "https%3A%2F%2Flogin.id.janeapp.com%2Frealms%2Fjane", false, false},
	} {
		if strict.AcceptsIss(c.iss) != c.strict || lenient.AcceptsIss(c.iss) != c.lenient {
			t.Errorf("%s: strict %v, lenient %v", c.name, strict.AcceptsIss(c.iss), lenient.AcceptsIss(c.iss))
		}
	}
}

func TestNewClientRefuses(t *testing.T) {
	good := func() oauth.ClientConfig {
		return oauth.ClientConfig{
			Server: oauth.Server{Issuer: "https://iam.example/r", Authorization: "https://iam.example/r/auth",
				Token: "https://iam.example/r/token", JWKS: "https://iam.example/r/certs"},
			ID: "locum", RedirectURI: "https://locum.example/cb",
			Secret: func() (secret.String, error) { return secret.String{}, nil },
			Dial:   (&net.Dialer{}).DialContext,
		}
	}
	for name, change := range map[string]func(*oauth.ClientConfig){
		"nothing wrong":          func(*oauth.ClientConfig) {},
		"loopback http":          func(c *oauth.ClientConfig) { c.Server.Token = "http://127.0.0.1:8123/token" },
		"no id":                  func(c *oauth.ClientConfig) { c.ID = "" },
		"no secret":              func(c *oauth.ClientConfig) { c.Secret = nil },
		"no dial":                func(c *oauth.ClientConfig) { c.Dial = nil },
		"no token endpoint":      func(c *oauth.ClientConfig) { c.Server.Token = "" },
		"no keys":                func(c *oauth.ClientConfig) { c.Server.JWKS = "" },
		"http":                   func(c *oauth.ClientConfig) { c.Server.Token = "http://iam.example/token" },
		"http to private":        func(c *oauth.ClientConfig) { c.Server.Token = "http://10.0.0.1/token" },
		"javascript":             func(c *oauth.ClientConfig) { c.Server.Authorization = "javascript:alert(1)" },
		"userinfo":               func(c *oauth.ClientConfig) { c.Server.Token = "https://a:b@iam.example/token" },
		"query":                  func(c *oauth.ClientConfig) { c.Server.Authorization += "?a=b" },
		"fragment in revocation": func(c *oauth.ClientConfig) { c.Server.Revocation = "https://iam.example/revoke#x" },
		"relative":               func(c *oauth.ClientConfig) { c.RedirectURI = "/cb" },
	} {
		config := good()
		change(&config)
		client, err := oauth.NewClient(config)
		if want := slices.Contains([]string{"nothing wrong", "loopback http"}, name); want != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if client != nil {
			client.Close()
		}
	}
}
