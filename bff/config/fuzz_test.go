package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"locum/bff/config"
	"locum/bff/oauth"
	"locum/bff/platform"
)

// FuzzParse: no text panics or ends without a verdict. Findings stand at a line of the file, with a code, a cause and a
// fix. A configuration that was accepted says the same when it is written down anew and read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add(config.Example())
	f.Add([]byte(goodApps))
	f.Add([]byte("session: {idle: 5m}\nplatforms:\n  - {id: a, kind: jane, clinics: [{name: b, url: c}]}\n"))
	f.Add([]byte("public_url: http://[::1]:1\nlisten: '[::1]:1'\ntrusted_proxies: [::1, 10.0.0.0/8]\nextension: {name: \"a: #b\"}\n" +
		"platforms:\n- {id: a, kind: jane, issuer: 'http://127.0.0.1:1/r', client_id: 'null', clinics: [{name: '\"', url: 'https://a.b'}], more_scopes: []}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("dir/locum.yaml", data)
		var faults *config.Error
		switch {
		case err == nil:
			again(t, c)
			return
		case !errors.As(err, &faults) || len(faults.Findings) == 0:
			t.Fatalf("error %v", err)
		}
		lines := bytes.Count(data, []byte("\n")) + 1
		for _, f := range faults.Findings {
			if f.Line < 1 || f.Line > lines || f.Code == "" || f.Cause == "" || f.Fix == "" {
				t.Fatalf("of a file of %d lines: %+v", lines, f)
			}
		}
	})
}

// again writes a configuration down and reads it.
func again(t *testing.T, c *config.Config) {
	t.Helper()
	if c.PublicURL == nil || len(c.Platforms) == 0 {
		t.Fatalf("incomplete: %+v", c)
	}
	text := written(c)
	second, err := config.Parse(string(os.PathSeparator)+"other.yaml", []byte(text))
	if err != nil {
		t.Fatalf("it does not pass its own rules: %v\n%s", err, text)
	}
	if first, second := written(c), written(second); first != second {
		t.Fatalf("read again it says something else:\n%s\n%s", first, second)
	}
	if len(c.Platforms) != len(second.Platforms) || !reflect.DeepEqual(c.Platforms[0].Server, second.Platforms[0].Server) {
		t.Fatalf("platforms %+v, %+v", c.Platforms[0], second.Platforms[0])
	}
}

// written is a configuration as a file, every text quoted. Relative paths are written as they were resolved.
func written(c *config.Config) string {
	var b strings.Builder
	q, list := strconv.Quote, flow
	fmt.Fprintf(&b, "public_url: %s\nlisten: %s\nlog_level: %s\n", q(c.PublicURL.String()), q(c.Listen), strings.ToLower(c.LogLevel.String()))
	if c.TLS != nil {
		b.WriteString("tls: {cert_file: a, key_file: b}\n")
	}
	fmt.Fprintf(&b, "session: {idle: %s, absolute: %s}\n", c.Session.Idle, c.Session.Absolute)
	var proxies []string
	for _, p := range c.TrustedProxies {
		proxies = append(proxies, p.String())
	}
	fmt.Fprintf(&b, "trusted_proxies: %s\nextension:\n", list(proxies))
	for _, e := range []struct{ key, value string }{{"name", c.Extension.Name}, {"description", c.Extension.Description}, {"support", c.Extension.Support}} {
		if e.value != "" {
			fmt.Fprintf(&b, "  %s: %s\n", e.key, q(e.value))
		}
	}
	if c.Embedded != nil {
		fmt.Fprintf(&b, "embedded: {frame_ancestors: %s}\n", list(c.Embedded.FrameAncestors))
	}
	fmt.Fprintf(&b, "administrators: %s\n", list(c.Administrators))
	b.WriteString("platforms:\n")
	for _, p := range c.Platforms {
		if p.Kind != platform.KindJane {
			b.WriteString(writtenApp(p))
			continue
		}
		fmt.Fprintf(&b, "  - id: %s\n    kind: jane\n    name: %s\n    issuer: %s\n    client_id: %s\n    openid: %t\n", q(p.ID), q(p.Name), q(p.Server.Issuer), q(p.ClientID), p.OpenID)
		fmt.Fprintf(&b, "    scopes: %s\n    more_scopes: %s\n    clinic_domains: %s\n    clinics:\n", list(p.Scopes), list(p.MoreScopes), list(p.ClinicDomains))
		for _, link := range p.Clinics {
			fmt.Fprintf(&b, "      - {name: %s, url: %s}\n", q(link.Name), q(link.URL))
		}
		if len(p.Clinics) == 0 {
			b.WriteString("      []\n")
		}
		e, clinic := p.Limits.Endpoint, p.Limits.Clinic
		fmt.Fprintf(&b, "    limits: {endpoint: {requests: %d, window: %s}, clinic: {requests: %d, window: %s}}\n", e.N, e.Window, clinic.N, clinic.Window)
	}
	text := b.String()
	if c.Extension == (config.Extension{}) {
		text = strings.Replace(text, "extension:\n", "", 1)
	}
	return text
}

// flow is a list in one line.
func flow(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = strconv.Quote(v)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// writtenApp is an entry of one of the kinds with SMART scopes.
func writtenApp(p *platform.Platform) string {
	var b strings.Builder
	line := func(indent int, key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%*s%s: %s\n", indent, "", key, value)
		}
	}
	q := func(s string) string {
		if s == "" {
			return ""
		}
		return strconv.Quote(s)
	}
	auth := func(indent int, a oauth.Auth) {
		line(indent, "method", a.Method)
		line(indent, "algorithm", a.Algorithm)
		line(indent, "audience", a.Audience)
		if a.RawBasic {
			line(indent, "encoding", "raw")
		}
	}
	fmt.Fprintf(&b, "  - id: %q\n", p.ID)
	line(4, "kind", p.Kind)
	line(4, "name", q(p.Name))
	line(4, "issuer", q(p.Server.Issuer))
	line(4, "client_id", q(p.ClientID))
	if p.Kind == platform.KindAthena {
		line(4, "base", q(platform.OriginOf(p.FHIRBase)))
		b.WriteString("    practices:\n")
		for _, link := range p.Clinics {
			fmt.Fprintf(&b, "      - {id: %s, name: %q}\n", p.Practice(link.URL), link.Name)
		}
	} else {
		line(4, "fhir_base", q(p.FHIRBase))
		line(4, "send_scope", fmt.Sprint(p.SendScope))
		if !p.MetadataSince.IsZero() {
			line(4, "metadata_since", p.MetadataSince.Format(time.RFC3339))
		}
	}
	b.WriteString("    auth:\n")
	auth(6, p.Auth)
	if p.KeysURI != "" {
		line(6, "jwks_cache", p.JWKSCache.String())
	}
	if len(p.IDAlgorithms) > 0 {
		line(4, "id_token_algorithms", flow(p.IDAlgorithms))
	}
	line(4, "scopes", flow(p.Scopes))
	line(4, "more_scopes", flow(p.MoreScopes))
	line(4, "standalone", flow(p.Standalone))
	line(4, "introspection", p.Server.IntrospectionMethod)
	line(4, "on_disconnect", p.Ending)
	fmt.Fprintf(&b, "    launch:\n      enabled: %t\n", p.Launch)
	if p.Launch {
		line(6, "scopes", flow(p.LaunchScopes))
	}
	if s := p.Service; s != nil {
		fmt.Fprintf(&b, "    service:\n      client_id: %q\n      name: %q\n      scopes: %s\n      operations: %s\n      auth:\n", s.ClientID, s.Name, flow(s.Scopes), flow(s.Operations))
		auth(8, s.Auth)
	}
	if w, n := p.Refresh.Window, p.Refresh.PerMinute; w > 0 || n > 0 {
		b.WriteString("    refresh:\n")
		if w > 0 {
			line(6, "window", w.String())
		}
		if n > 0 {
			line(6, "per_minute", fmt.Sprint(n))
		}
	}
	e, clinic := p.Limits.Endpoint, p.Limits.Clinic
	fmt.Fprintf(&b, "    limits: {endpoint: {requests: %d, window: %s}, clinic: {requests: %d, window: %s}}\n", e.N, e.Window, clinic.N, clinic.Window)
	return b.String()
}

// FuzzStart: whatever is given for a new configuration, it either becomes exactly the value of its key and nothing else, or
// it is refused.
func FuzzStart(f *testing.F) {
	f.Add("https://locum.harbour.ca", "client")
	f.Add("http://[::1]:9090", "a\"b\\c#d: {{.}}")
	f.Add("https://a.b\nlisten: 0.0.0.0:80", "x\nscopes: []")
	f.Fuzz(func(t *testing.T, public, client string) {
		text, err := config.Start{PublicURL: public, Platforms: []config.StartPlatform{{ID: config.StartSandbox, ClientID: client}}}.Text()
		if err != nil {
			return
		}
		c, err := config.Parse("locum.yaml", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if public != "" && c.PublicURL.String() != public || client != "" && c.Platforms[0].ClientID != client || len(c.Platforms) != 1 ||
			!slices.Equal(c.Platforms[0].ClinicDomains, []string{"jane.qa"}) || c.DataDir != "data" || c.TLS != nil {
			t.Fatalf("%q and %q became %+v\n%s", public, client, c, text)
		}
	})
}
