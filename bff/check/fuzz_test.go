package check_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"locum/bff/check"
	"locum/bff/config"
	"locum/bff/oauth"
	"locum/bff/platform"
)

// FuzzSettings: any configuration that can be read can be judged: every finding stands at a line of the file, under a key,
// with a cause and a fix; a second look finds the same; and the registration sheet is as many lines as it has fields.
func FuzzSettings(f *testing.F) {
	f.Add([]byte(goodText))
	f.Add([]byte(loopbackText))
	f.Add(config.Example())
	f.Add([]byte(appsText))
	f.Add([]byte(strings.NewReplacer("  - 127.0.0.1", "  - 128.0.0.0/1\n  - ::1", "window: 30s", "window: 1h").Replace(goodText)))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := config.Parse("locum.yaml", data)
		if err != nil {
			return
		}
		found := check.Settings("locum.yaml", cfg)
		if again := check.Settings("locum.yaml", cfg); !reflect.DeepEqual(found, again) {
			t.Fatalf("%+v, then %+v", found, again)
		}
		lines := bytes.Count(data, []byte("\n")) + 1
		for _, f := range found {
			if f.Line < 1 || f.Line > lines || f.Key == "" || f.Code == "" || f.Cause == "" || f.Fix == "" {
				t.Fatalf("of a file of %d lines: %+v", lines, f)
			}
		}
		sheet, want := cfg.RegistrationSheet(), 4
		for _, p := range cfg.Platforms {
			want += sheetLines(p)
		}
		if got := strings.Count(sheet, "\n"); got != want {
			t.Fatalf("the sheet has %d lines, want %d:\n%s", got, want, sheet)
		}
	})
}

// sheetLines is how many lines of the registration sheet one platform has.
func sheetLines(p *platform.Platform) int {
	service := p.Service
	if service == nil {
		service = &platform.Service{}
	}
	n := 9
	if p.Kind != platform.KindJane {
		n = 8 // name, blank, environment, FHIR base URL, redirect URI, authentication, client id, scopes
	}
	for _, more := range []bool{
		len(p.MoreScopes) > 0, p.Kind != platform.KindJane && p.Server.Issuer != "", p.Kind == platform.KindAthena, p.LaunchURI != "", p.LaunchURI != "",
		p.Auth.Method == oauth.AuthKey, p.Service != nil, p.Service != nil, p.Service != nil, service.Auth.Method == oauth.AuthKey,
	} {
		if more {
			n++
		}
	}
	return n
}
