package bff_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"locum/app/words"
	"locum/shared"
)

var (
	hashed = regexp.MustCompile(`"(/web/[A-Za-z0-9]{16}/[a-z0-9._-]+)"`)
	loaded = regexp.MustCompile(`(?:src|href)="([^"]+)"`)
)

// TestPagesInBothLanguages: every page in each language, the same bytes for every id, nothing from elsewhere.
func TestPagesInBothLanguages(t *testing.T) {
	b := open(t, nil)
	for _, page := range shared.Pages {
		path := strings.NewReplacer("{connection}", "c-1", "{patient}", "p-1", "{launch}", "l-1").Replace(page.Pattern)
		for _, lang := range words.Languages {
			a := b.get(path, [2]string{"Accept-Language", lang + "-CA,de;q=0.5"})
			if a.status != http.StatusOK || !bytes.Contains(a.body, []byte(`<html lang="`+lang+`">`)) || !strings.Contains(a.header.Get("Vary"), "Accept-Language") {
				t.Errorf("%s in %s: %d %s", path, lang, a.status, short(string(a.body)))
			}
			for _, address := range loaded.FindAllStringSubmatch(string(a.body), -1) {
				if !strings.HasPrefix(address[1], "/") || strings.HasPrefix(address[1], "//") {
					t.Errorf("%s loads %s", path, address[1])
				}
			}
			for _, never := range []string{"c-1", "p-1", "l-1", "githubusercontent", "og:url", "manifest", " style=", "<script>", "onclick", " aria-hidden ", " aria-hidden>"} {
				if bytes.Contains(a.body, []byte(never)) {
					t.Errorf("%s in %s holds %s", path, lang, never)
				}
			}
			again := b.get(path, [2]string{"Accept-Language", lang}, [2]string{"Cookie", "locum-dev-session=" + clientState()})
			if !bytes.Equal(a.body, again.body) {
				t.Errorf("%s in %s depends on the request", path, lang)
			}
			if etag := a.header.Get("ETag"); b.get(path, [2]string{"Accept-Language", lang}, [2]string{"If-None-Match", "W/" + etag}).status != http.StatusNotModified {
				t.Errorf("%s in %s: no 304 for %s", path, lang, etag)
			}
		}
	}
}

// TestEverythingAPageNamesIsServed, immutable where its hash is in the address, never where it is not.
func TestEverythingAPageNamesIsServed(t *testing.T) {
	b := open(t, nil)
	text := string(b.get("/").body) + string(b.get(shared.PathSignIn).body) + string(b.get("/app.js").body)
	for _, match := range hashed.FindAllStringSubmatch(text, -1) {
		if strings.HasSuffix(match[1], ".wasm") && !wasmBuilt() {
			continue
		}
		a := b.get(match[1])
		if a.status != http.StatusOK || a.header.Get("Cache-Control") != "public, max-age=31536000, immutable" || len(a.body) == 0 {
			t.Errorf("%s: %d %s", match[1], a.status, a.header.Get("Cache-Control"))
		}
	}
	for _, path := range []string{"/app.js", "/app-worker.js", "/robots.txt", "/"} {
		if got := b.get(path).header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("%s: Cache-Control %s", path, got)
		}
	}
}

// TestEncodings: brotli, gzip or plain, as asked, the same content, and told apart by ETag.
func TestEncodings(t *testing.T) {
	b := open(t, nil)
	plain := b.get("/app.js")
	gz, br := b.get("/app.js", [2]string{"Accept-Encoding", "gzip"}), b.get("/app.js", [2]string{"Accept-Encoding", "gzip, deflate, br, zstd"})
	reader, err := gzip.NewReader(bytes.NewReader(gz.body))
	must(t, err)
	unpacked, err := io.ReadAll(reader)
	must(t, err)
	if !bytes.Equal(unpacked, plain.body) || gz.header.Get("Content-Encoding") != "gzip" || br.header.Get("Content-Encoding") != "br" ||
		plain.header.Get("Content-Encoding") != "" || len(br.body) >= len(plain.body) {
		t.Error("the encodings differ in more than encoding")
	}
	if plain.header.Get("ETag") == gz.header.Get("ETag") || gz.header.Get("ETag") == br.header.Get("ETag") {
		t.Error("two encodings share an ETag")
	}
	if a := b.get("/app.js", [2]string{"Accept-Encoding", "br"}, [2]string{"If-None-Match", gz.header.Get("ETag")}); a.status != http.StatusOK {
		t.Errorf("another encoding's ETag: %d", a.status)
	}
}

// TestWasmForEveryClient: a client without br and gzip gets it unpacked.
func TestWasmForEveryClient(t *testing.T) {
	if !wasmBuilt() {
		t.Skip("web/static/app.wasm.gz is not built: run make")
	}
	b := open(t, nil)
	path := regexp.MustCompile(`/web/[A-Za-z0-9]{16}/app\.wasm`).FindString(string(b.get("/app.js").body))
	for encoding, magic := range map[string]string{"": "\x00asm", "gzip": "\x1f\x8b"} {
		a := b.get(path, [2]string{"Accept-Encoding", encoding})
		if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/wasm" || !bytes.HasPrefix(a.body, []byte(magic)) {
			t.Errorf("%q: %d %s %q", encoding, a.status, a.header.Get("Content-Type"), short(string(a.body[:min(8, len(a.body))])))
		}
	}
}

func wasmBuilt() bool {
	_, err := os.Stat(filepath.Join("..", "web", "static", "app.wasm.gz"))
	return err == nil
}

// TestWasmExecIsTheToolchains: go-app carries the text of Go's own glue; the two must not drift apart.
func TestWasmExecIsTheToolchains(t *testing.T) {
	want, err := os.ReadFile(filepath.Join(strings.TrimSpace(run(t, nil, "go", "env", "GOROOT")), "lib", "wasm", "wasm_exec.js"))
	must(t, err)
	b := open(t, nil)
	path := regexp.MustCompile(`/web/[A-Za-z0-9]{16}/`).FindString(string(b.get(shared.PathSignIn).body)) + "wasm_exec.js"
	if a := b.get(path); !bytes.Equal(bytes.TrimSpace(a.body), bytes.TrimSpace(want)) {
		t.Errorf("%s differs from the toolchain's (%d and %d bytes)", path, len(a.body), len(want))
	}
}

// TestT005TheBundleHoldsNoConfiguration: nothing of the environment, the configuration or the data reaches the files that
// everybody may load.
func TestT005TheBundleHoldsNoConfiguration(t *testing.T) {
	t.Setenv("LOCUM_CANARY", "CANARY-environment")
	t.Setenv("GOAPP_CANARY", "CANARY-goapp")
	b := open(t, nil)
	secrets := []string{"CANARY", b.sandbox.Marker(), b.cfg.DataDir, b.cfg.MasterKeyFile, password, b.sandbox.Issuer("jane")}
	for _, client := range b.sandbox.Clients() {
		secrets = append(secrets, client.Secret)
	}
	for _, r := range b.server.Routes() {
		if r[0] != http.MethodGet || strings.HasPrefix(r[1], "/api/") || strings.HasPrefix(r[1], "/proxy/") || strings.HasPrefix(r[1], "/connect/") {
			continue
		}
		body := string(b.get(strings.NewReplacer("{connection}", "x", "{patient}", "x", "{launch}", "x").Replace(r[1])).body)
		for _, secret := range secrets {
			if strings.Contains(body, secret) {
				t.Errorf("%s holds %q", r[1], short(secret))
			}
		}
	}
	env := regexp.MustCompile(`goappEnv = (\{[^}]*\})`).FindStringSubmatch(string(b.get("/app.js").body))
	if build := b.get(shared.PathSession).header.Get(shared.HeaderBuild); build == "" || !strings.Contains(env[1], `"GOAPP_VERSION":"`+build+`"`) {
		t.Errorf("the app is %s, the API says %s", env[1], build)
	}
	names := regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(env[1], -1)
	if len(names) != 4 {
		t.Errorf("goappEnv is %s", env[1])
	}
	for _, name := range names {
		if !strings.Contains("GOAPP_VERSION GOAPP_STATIC_RESOURCES_URL GOAPP_ROOT_PREFIX GOAPP_INTERNAL_URLS", name[1]) {
			t.Errorf("goappEnv holds %s", name[1])
		}
	}
}
