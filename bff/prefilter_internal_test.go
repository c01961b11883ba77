package bff

import (
	"bytes"
	"net/url"
	"path"
	"strings"
	"testing"
)

// FuzzTarget: whatever the pre-filter lets through means the same to every reader: decoding, cleaning and splitting
// change nothing of its path.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"/", "/sign-in", "/proxy/v1/c/api/2026-01-01/patients?page[limit]=2", "//evil.test", "/../x", "/%2e", "/a;b", "*",
		"http://evil.test/", "/a?b#c", "/x/", "/a//b", "/.hidden", "/..a"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, target []byte) {
		var e exchange
		if admitTarget(target, &e) != nil {
			return
		}
		raw, _, _ := bytes.Cut(target, []byte{'?'})
		got := string(raw)
		if e.path.String() != got && got != "/" {
			t.Fatalf("%q is read as %q", got, e.path)
		}
		if decoded, err := url.PathUnescape(got); err != nil || decoded != got {
			t.Fatalf("%q decodes to %q, %v", got, decoded, err)
		}
		if path.Clean(got) != got || strings.ContainsAny(got, "%;\\#") {
			t.Fatalf("%q cleans to %q", got, path.Clean(got))
		}
		if u, err := url.ParseRequestURI(string(target)); err != nil || u.Host != "" || u.Path != got {
			t.Fatalf("%q parses to %+v, %v", target, u, err)
		}
	})
}

// FuzzCookie: a value that is believed stands exactly once in the line, whole and unquoted.
func FuzzCookie(f *testing.F) {
	for _, seed := range []string{"n=v", "n=v; n=v", `n="v"`, "a=b; n=v", "n=", "xn=v", "n=v;n=w", " n=v", "n=v ; a", "n=0;n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		value := cookieValue(line, "n")
		if value == "" {
			return
		}
		count := 0
		for pair := range strings.SplitSeq(string(line), ";") {
			name, got, _ := strings.Cut(strings.TrimLeft(pair, " "), "=")
			if name != "n" {
				continue
			}
			if count++; got != value {
				t.Fatalf("%q in %q is %q", value, line, got)
			}
		}
		if count != 1 {
			t.Fatalf("%q stands %d times in %q", value, count, line)
		}
	})
}
