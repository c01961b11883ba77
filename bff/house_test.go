package bff_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayImport is the house: which of our packages a package may import. What is not listed is not allowed.
var mayImport = map[string]string{
	"shared":       "",
	"web":          "",
	"bff/secret":   "",
	"bff/throttle": "",
	"bff/audit":    "",
	"bff/events":   "",
	"bff/sandbox":  "",
	"app/words":    "shared",
	"app":          "shared app/words",
	"bff/oauth":    "bff/secret",
	"bff/vault":    "bff/secret",
	"bff/platform": "bff/oauth bff/throttle bff/secret",
	"bff/account":  "bff/vault bff/secret bff/audit",
	"bff/session":  "bff/vault bff/secret bff/audit",
	"bff/config":   "bff/platform bff/oauth bff/throttle bff/secret",
	"bff/tokens":   "bff/vault bff/oauth bff/platform bff/throttle bff/audit bff/secret",
	"bff/connect":  "bff/tokens bff/session bff/vault bff/oauth bff/platform bff/audit bff/secret",
	"bff/keys":     "bff/vault bff/platform bff/oauth bff/secret",
	"bff/control":  "bff/secret",
	"bff/service":  "bff/tokens bff/throttle bff/platform bff/oauth bff/audit bff/secret",
	"bff/proxy":    "bff/tokens bff/service bff/throttle bff/platform bff/vault bff/audit bff/secret",
	"bff": "bff/secret bff/throttle bff/audit bff/oauth bff/vault bff/platform bff/account bff/session bff/config bff/tokens " +
		"bff/connect bff/proxy bff/events bff/keys bff/control bff/service bff/ask web shared app app/words",
	"bff/check":  "shared bff/config bff/platform bff/oauth bff/account bff/audit bff/vault bff/secret bff/keys bff/ask bff/control",
	"bff/ask":    "bff/oauth bff/platform bff/tokens bff/secret",
	"bff/demo":   "bff bff/sandbox bff/account bff/config bff/keys bff/oauth bff/platform bff/secret",
	"cmd/locum":  "shared bff/config bff bff/check bff/demo bff/account bff/audit bff/vault bff/oauth bff/platform bff/secret bff/tokens bff/keys bff/control",
	"cmd/wasm":   "app",
	"cmd/assets": "",
	// cmd/wasm/nethttp stands in for net/http in the browser half, by overlay: nothing imports it.
	"cmd/wasm/nethttp": "",
	"e2e":              "bff/demo bff/sandbox shared",
	"e2e/crash":        "bff/sandbox",
	"e2e/interop":      "bff bff/config bff/platform bff/oauth bff/secret bff/sandbox shared",
	"e2e/wire":         "bff/demo bff/sandbox",
	"e2e/conformance":  "", // tests alone
	"cmd/bench":        "bff/sandbox bff/vault shared",
}

// importers says which of our packages may import an outside module: its one room in the house.
var importers = map[string]string{
	"github.com/gofiber/fiber/v2":             "bff cmd/bench",
	"github.com/valyala/fasthttp":             "bff bff/proxy cmd/bench",
	"go.etcd.io/bbolt":                        "bff/vault",
	"github.com/tink-crypto/tink-go/v2":       "bff/vault",
	"github.com/maxence-charriere/go-app/v10": "app bff cmd/wasm",
	"github.com/chromedp":                     "e2e",
	"github.com/alexedwards/argon2id":         "bff/account",
	"golang.org/x/crypto/argon2":              "bff/account",
	"github.com/goccy/go-yaml":                "bff/config",
	"github.com/golang-jwt/jwt/v5":            "bff/oauth bff/sandbox",
	"github.com/MicahParks":                   "bff/oauth",
	"golang.org/x/oauth2":                     "bff/oauth",
	"github.com/alecthomas/kong":              "cmd/locum",
	"github.com/andybalholm/brotli":           "cmd/assets",
}

// banned names what the WebAssembly half never imports by our hand: each would swell it or tempt it.
var banned = []string{
	"net/http", "regexp", "text/template", "html/template", "crypto/tls", "time/tzdata", "os/exec", "net", "database/sql",
	"encoding/gob", "math/big", "go.etcd.io/bbolt",
}

type listed struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Doc          string
	GoFiles      []string
}

func TestImportsPointDown(t *testing.T) {
	for _, pkg := range packages(t) {
		name := strings.TrimPrefix(pkg.ImportPath, "locum/")
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("%s is not a room of the house: add it to the table, with what it may import", name)
			continue
		}
		for _, imported := range pkg.Imports {
			checkImport(t, name, strings.Fields(allowed), imported)
		}
		for _, imported := range append(pkg.TestImports, pkg.XTestImports...) {
			if name == "bff/sandbox" && strings.HasPrefix(imported, "locum/") && imported != pkg.ImportPath {
				t.Errorf("the sandbox's tests import %s: it knows nothing of ours", imported)
			}
		}
	}
}

func checkImport(t *testing.T, name string, allowed []string, imported string) {
	t.Helper()
	if ours, is := strings.CutPrefix(imported, "locum/"); is {
		if !slices.Contains(allowed, ours) {
			t.Errorf("%s imports %s: imports point down only", name, ours)
		}
		return
	}
	for module, rooms := range importers {
		if (imported == module || strings.HasPrefix(imported, module+"/")) && !slices.Contains(strings.Fields(rooms), name) {
			t.Errorf("%s imports %s, which has its room in %s", name, imported, rooms)
		}
	}
}

// TestEveryPackageSaysWhatItIs keeps the package comments readable as one story.
func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, pkg := range packages(t) {
		if len(pkg.GoFiles) > 0 && len(pkg.Doc) < 30 {
			t.Errorf("%s has no package comment that says what it is", pkg.ImportPath)
		}
	}
}

func TestTheBrowserHalfIsLean(t *testing.T) {
	for _, pkg := range golist(t, []string{"GOOS=js", "GOARCH=wasm"}, "./cmd/wasm", "./app/...", "./shared") {
		for _, imported := range pkg.Imports {
			if slices.Contains(banned, imported) {
				t.Errorf("%s imports %s, which is banned from the browser half", pkg.ImportPath, imported)
			}
		}
	}
	deps := run(t, []string{"GOOS=js", "GOARCH=wasm"}, "go", "list", "-deps", "./cmd/wasm")
	for _, dep := range strings.Fields(deps) {
		for _, never := range []string{"go.etcd.io/bbolt", "github.com/gofiber/fiber/v2", "time/tzdata", "html/template", "locum/bff"} {
			if dep == never || strings.HasPrefix(dep, never+"/") {
				t.Errorf("the browser half depends on %s", dep)
			}
		}
	}
}

// TestTheBrowserHalfIsSmall holds the transfer a first visit costs: at most 1.5 MB as brotli.
func TestTheBrowserHalfIsSmall(t *testing.T) {
	info, err := os.Stat(filepath.Join(root(t), "web", "static", "app.wasm.br"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("web/static/app.wasm.br is not built: run make")
	}
	if err != nil {
		t.Fatal(err)
	}
	const budget = 1_500_000
	t.Logf("app.wasm.br is %d bytes of %d", info.Size(), budget)
	if info.Size() > budget {
		t.Errorf("app.wasm.br is %d bytes, more than %d", info.Size(), budget)
	}
}

// TestPinnedModules keeps the versions that were measured: Fiber alone would choose a fasthttp of 2023, which takes two
// Content-Lengths (T083).
func TestPinnedModules(t *testing.T) {
	for module, version := range map[string]string{
		"github.com/valyala/fasthttp":             "v1.74.0",
		"github.com/gofiber/fiber/v2":             "v2.52.15",
		"github.com/maxence-charriere/go-app/v10": "v10.1.11",
		"github.com/golang-jwt/jwt/v5":            "v5.3.1",
		"go.etcd.io/bbolt":                        "v1.5.0",
		"github.com/chromedp/chromedp":            "v0.23.0",
	} {
		if got := strings.TrimSpace(run(t, nil, "go", "list", "-m", "-f", "{{.Version}}", module)); got != version {
			t.Errorf("%s is %s, want %s", module, got, version)
		}
	}
}

// TestFilesFitTheHead holds the length of a file.
func TestFilesFitTheHead(t *testing.T) {
	err := filepath.WalkDir(root(t), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		data, err := os.ReadFile(path)
		if lines := strings.Count(string(data), "\n"); lines > 400 {
			t.Errorf("%s has %d lines, more than 400", path, lines)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func packages(t *testing.T) []listed {
	t.Helper()
	return append(golist(t, nil, "./..."), golist(t, []string{"GOOS=js", "GOARCH=wasm"}, "./cmd/wasm")...)
}

func golist(t *testing.T, env []string, patterns ...string) []listed {
	t.Helper()
	out := run(t, env, "go", append([]string{"list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports,Doc,GoFiles"}, patterns...)...)
	var all []listed
	for decoder := json.NewDecoder(strings.NewReader(out)); ; {
		var pkg listed
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, pkg)
	}
}

func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	command := exec.Command(name, args...)
	command.Dir = root(t)
	command.Env = append(os.Environ(), env...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return string(out)
}

// root is the top of the checkout: the tests of a package run in its folder.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
