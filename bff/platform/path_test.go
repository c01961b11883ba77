package platform_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"locum/bff/platform"
)

// hostilePaths are refused, whatever stands around them.
var hostilePaths = []struct{ name, path string }{
	{"empty", ""},
	{"no slash", "api"},
	{"T073 parent", "/api/../admin"},
	{"T073 parent at the end", "/api/.."},
	{"T073 parent at the start", "/../api"},
	{"T073 here", "/api/./x"},
	{"T073 here at the end", "/api/."},
	{"T073 double slash", "/api//x"},
	{"T073 double slash at the start", "//evil.example/api"},
	{"T073 slash at the end", "/api/"},
	{"T073 only slashes", "//"},
	{"T073 encoded parent", "/api/%2e%2e/admin"},
	{"T073 encoded parent upper case", "/api/%2E%2E/admin"},
	{"T073 encoded slash", "/api%2fadmin"},
	{"T073 double encoding", "/api/%252e%252e"},
	{"T073 encoded backslash", "/api/%5c..%5cadmin"},
	{"T073 backslash", `/api\..\admin`},
	{"T073 parent with parameter", "/api/..;/admin"},
	{"T073 matrix parameter", "/api/x;a=b"},
	{"T073 encoded NUL", "/api/x%00"},
	{"T073 NUL", "/api/x\x00"},
	{"T073 encoded CRLF", "/api/x%0d%0aX:y"},
	{"T073 CRLF", "/api/x\r\nX: y"},
	{"T073 tab", "/api/\tx"},
	{"T073 space", "/api/x y"},
	{"T073 fragment", "/api/x#y"},
	{"T073 query", "/api/x?y=z"},
	{"T073 overlong UTF-8 slash", "/api/\xc0\xafadmin"},
	{"T073 overlong UTF-8 dot", "/api/\xc0\xae\xc0\xae/admin"},
	{"T073 full-width dots", "/api/\uff0e\uff0e/admin"},
	{"T073 division slash", "/api\u2215admin"},
	{"T073 letters beyond ASCII", "/api/é"},
	{"T073 plus", "/api/a+b"},
	{"T073 comma", "/api/a,b"},
	{"T073 at", "/api/a@b"},
	{"T073 brackets", "/api/[a]"},
	{"T073 braces", "/api/{patient_id}"},
	{"T073 star", "/api/*"},
	{"T073 quote", `/api/"`},
	{"T073 8 kB", "/api/" + strings.Repeat("a", 8<<10)},
	{"T074 absolute form", "http://evil.example/api"},
	{"T074 star form", "*"},
}

func TestT073ParsePathRefuses(t *testing.T) {
	for _, c := range hostilePaths {
		t.Run(c.name, func(t *testing.T) {
			if path, err := platform.ParsePath(c.path); !errors.Is(err, platform.ErrUnsafePath) || path.String() != "" {
				t.Errorf("%q was read as %q, %v", c.path, path, err)
			}
		})
	}
}

func TestParsePath(t *testing.T) {
	for path, segments := range map[string][]string{
		"/":                              nil,
		"/api":                           {"api"},
		"/api/2026-01-01/patients/x-1_~": {"api", "2026-01-01", "patients", "x-1_~"},
		"/Patient/$everything":           {"Patient", "$everything"},
		"/a:b/...":                       {"a:b", "..."},
		"/.well-known/x":                 {".well-known", "x"},
		"/" + strings.Repeat("a", 2047):  {strings.Repeat("a", 2047)},
	} {
		got, err := platform.ParsePath(path)
		if err != nil || got.String() != path || !slices.Equal(got.Segments(), segments) {
			t.Errorf("%.50q: %q %q %v", path, got, got.Segments(), err)
		}
	}
	if got, err := platform.ParsePath("/" + strings.Repeat("a", 2048)); err == nil {
		t.Errorf("2049 bytes: %.20q", got)
	}
}

func TestPathAfter(t *testing.T) {
	for _, c := range []struct {
		path string
		n    int
		want string
	}{
		{"/proxy/v1/abc/api/2026-01-01/company", 3, "/api/2026-01-01/company"},
		{"/a/b", 0, "/a/b"}, {"/a/b", 1, "/b"}, {"/a/b", 2, "/"}, {"/a/b", 3, ""}, {"/a/b", 9, ""},
		{"/", 0, "/"}, {"/", 1, ""},
	} {
		path, err := platform.ParsePath(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := path.After(c.n); got.String() != c.want {
			t.Errorf("%s after %d: %q", c.path, c.n, got)
		}
	}
	if (platform.Path{}).After(1).String() != "" || (platform.Path{}).Segments() != nil {
		t.Error("the zero path is not empty")
	}
}

// FuzzParsePath: an accepted path joined again is byte-equal, holds none of the forbidden, and so do its tails.
func FuzzParsePath(f *testing.F) {
	for _, c := range hostilePaths {
		f.Add(c.path)
	}
	f.Add("/proxy/v1/abc/api/2026-01-01/patients/search")
	f.Fuzz(func(t *testing.T, raw string) {
		path, err := platform.ParsePath(raw)
		if err != nil {
			return
		}
		if path.String() != raw || "/"+strings.Join(path.Segments(), "/") != raw {
			t.Fatalf("%q became %q", raw, path)
		}
		for _, segment := range path.Segments() {
			if segment == "" || segment == "." || segment == ".." {
				t.Fatalf("%q has the segment %q", raw, segment)
			}
		}
		if strings.ContainsAny(raw, "%\\;#?@ \t\r\n\x00") || strings.Contains(raw, "//") || len(raw) > 2048 {
			t.Fatalf("%q was accepted", raw)
		}
		for n := range len(path.Segments()) {
			if tail, err := platform.ParsePath(path.After(n).String()); err != nil || len(tail.Segments()) != len(path.Segments())-n {
				t.Fatalf("%q after %d is %q", raw, n, path.After(n))
			}
		}
	})
}

// TestT072OnlyDeclared tries ten thousand paths, most of them near misses of real ones, with each of twelve methods:
// what is matched is byte-equal to a template with ids in it, and has the template's method.
func TestT072OnlyDeclared(t *testing.T) {
	p := mustJane(t)
	methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "X-HTTP-Method-Override"}
	pieces := []string{"api", "2026-01-01", "2025-02-28-beta", "patients", "search", "medical-record", "observations",
		"care-plans", "activities", "admin", "x", "..", "%2e%2e", "", "Patients", "patients%2f", "a:b", "$x", strings.Repeat("i", 65)}
	random := rand.New(rand.NewPCG(1, 2))
	matched := 0
	for range 10_000 {
		base := strings.Split(p.Operations[random.IntN(len(p.Operations))].FullPath(), "/")
		for i := range base {
			if strings.HasPrefix(base[i], "{") {
				base[i] = "019d8e34-8307-7b0e-b6c2-5d03ca0bfb37"
			}
		}
		for range random.IntN(3) {
			i := 1 + random.IntN(len(base)-1)
			switch random.IntN(3) {
			case 0:
				base[i] = pieces[random.IntN(len(pieces))]
			case 1:
				base = slices.Insert(base, i, pieces[random.IntN(len(pieces))])
			case 2:
				base = append(base, pieces[random.IntN(len(pieces))])
			}
		}
		raw := strings.Join(base, "/")
		path, err := platform.ParsePath(raw)
		if err != nil {
			continue
		}
		for _, method := range methods {
			call, err := p.Match(method, path)
			var wrong *platform.MethodError
			switch {
			case errors.As(err, &wrong):
				if len(wrong.Allow) == 0 || slices.Contains(wrong.Allow, method) {
					t.Fatalf("%s %s: allowed %v", method, raw, wrong.Allow)
				}
			case err != nil:
				if !errors.Is(err, platform.ErrNoOperation) {
					t.Fatalf("%s %s: %v", method, raw, err)
				}
			default:
				matched++
				if call.Path != raw || call.Method != method || !fits(call.FullPath(), raw) {
					t.Fatalf("%s %s matched %s %s as %s", method, raw, call.Method, call.FullPath(), call.Path)
				}
			}
		}
	}
	if matched < 1000 {
		t.Errorf("only %d calls matched at all: the test tries too little", matched)
	}
}

// fits compares a path with a template by another way than the package does.
func fits(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(want, got, func(w, g string) bool {
		if strings.HasPrefix(w, "{") {
			return len(g) >= 1 && len(g) <= 64 && strings.Trim(g, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-") == ""
		}
		return w == g
	})
}
