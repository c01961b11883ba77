package config_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"locum/bff/config"
)

// TestStart: what a new installation begins with parses, is short, and says the truth about the defaults that it shows.
func TestStart(t *testing.T) {
	both := []config.StartPlatform{{ID: config.StartSandbox, ClientID: "a-client"}, {ID: config.StartProduction, ClientID: `od"d\#`}}
	for _, c := range []struct {
		name   string
		start  config.Start
		listen string
		needs  []string
	}{
		{"nothing given", config.Start{Platforms: []config.StartPlatform{{ID: config.StartSandbox}}}, "127.0.0.1:8080", []string{"https://locum.example.org", "your-sandbox-client-id"}},
		{"both environments", config.Start{PublicURL: "https://locum.harbour.ca", Platforms: both}, "127.0.0.1:8080", []string{`"a-client"`, "realms/jane\n", "locum.harbour.ca/connect/jane/callback"}},
		{"athenahealth's preview", config.Start{Platforms: []config.StartPlatform{{ID: config.StartAthenaPreview}}}, "127.0.0.1:8080",
			[]string{"environment: preview", "your-preview-issuer", "- id: 195900", "locum.example.org/connect/athena-preview/launch"}},
		{"athenahealth and another server", config.Start{Platforms: []config.StartPlatform{{ID: config.StartAthena, ClientID: "0oa1", Practices: []string{"7001", "7002"}},
			{ID: config.StartSMART, FHIRBase: "https://ehr.harbour.ca/fhir"}}}, "127.0.0.1:8080", []string{`"7002"`, `fhir_base: "https://ehr.harbour.ca/fhir"`, `client_id: "0oa1"`}},
		{"this machine", config.Start{PublicURL: "http://localhost:9090", Platforms: both[:1]}, "localhost:9090", nil},
		{"IPv6 loopback", config.Start{PublicURL: "http://[::1]:9090", Platforms: both[:1]}, "[::1]:9090", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := c.start.Text()
			if err != nil {
				t.Fatal(err)
			}
			got, err := config.Parse("locum.yaml", text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if got.Listen != c.listen || len(got.Platforms) != len(c.start.Platforms) {
				t.Errorf("%+v", got)
			}
			for _, want := range c.needs {
				if !strings.Contains(string(text), want) {
					t.Errorf("it lacks %q:\n%s", want, text)
				}
			}
			if n := strings.Count(string(text), "\n"); n > 70 {
				t.Errorf("it has %d lines", n)
			}
			sameWithDefaults(t, got, string(text))
		})
	}
}

// sameWithDefaults removes the comment signs before the keys that show a default, which must change nothing.
func sameWithDefaults(t *testing.T, got *config.Config, text string) {
	t.Helper()
	shown := regexp.MustCompile(`(?m)^# ((?:listen|data_dir|master_key_file|session|log_level):.*|  (?:idle|absolute):.*)$`)
	if len(shown.FindAllString(text, -1)) < 5 {
		t.Fatalf("it shows too few defaults:\n%s", text)
	}
	full, err := config.Parse("locum.yaml", []byte(shown.ReplaceAllString(text, "$1")))
	if err != nil {
		t.Fatal(err)
	}
	if full.Listen != got.Listen || full.DataDir != got.DataDir || full.MasterKeyFile != got.MasterKeyFile || full.Session != got.Session ||
		!reflect.DeepEqual(full.TrustedProxies, got.TrustedProxies) {
		t.Errorf("with what it shows as defaults %+v, without %+v", full, got)
	}
}

func TestStartRefuses(t *testing.T) {
	sandbox := []config.StartPlatform{{ID: config.StartSandbox}}
	for _, c := range []struct {
		name  string
		start config.Start
		part  string
	}{
		{"http", config.Start{PublicURL: "http://locum.harbour.ca", Platforms: sandbox}, "write https"},
		{"a path", config.Start{PublicURL: "https://locum.harbour.ca/x", Platforms: sandbox}, "origin alone"},
		{"a line of its own", config.Start{PublicURL: "https://locum.harbour.ca\nlisten: x", Platforms: sandbox}, "origin"},
		{"unknown platform", config.Start{Platforms: []config.StartPlatform{{ID: "epic"}}}, "choose one of athena, athena-preview, ehr, jane"},
		{"a client id with a line", config.Start{Platforms: []config.StartPlatform{{ID: config.StartSandbox, ClientID: "a\nb"}}}, "client_id"},
		{"production without a practice", config.Start{Platforms: []config.StartPlatform{{ID: config.StartAthena}}}, "at least one practice"},
		{"a practice with a line", config.Start{Platforms: []config.StartPlatform{{ID: config.StartAthena, Practices: []string{"1\n2"}}}}, "practices"},
		{"a server that is no address", config.Start{Platforms: []config.StartPlatform{{ID: config.StartSMART, FHIRBase: "ehr"}}}, "fhir_base"},
		{"the same twice", config.Start{Platforms: append(sandbox, sandbox...)}, "different one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if text, err := c.start.Text(); err == nil || !strings.Contains(err.Error(), c.part) {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
}
