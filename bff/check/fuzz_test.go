package check_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"locum/bff/check"
	"locum/bff/config"
)

// FuzzSettings: any configuration that can be read can be judged: every finding stands at a line of the file, under a key,
// with a cause and a fix; a second look finds the same; and the registration sheet is as many lines as it has fields.
func FuzzSettings(f *testing.F) {
	f.Add([]byte(goodText))
	f.Add([]byte(loopbackText))
	f.Add(config.Example())
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
			if want += 9; len(p.MoreScopes) > 0 {
				want++
			}
		}
		if got := strings.Count(sheet, "\n"); got != want {
			t.Fatalf("the sheet has %d lines, want %d:\n%s", got, want, sheet)
		}
	})
}
