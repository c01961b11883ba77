package bff

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// Cache-Control of what has its content's hash in its address, and of what has not.
const (
	immutable  = "public, max-age=31536000, immutable"
	revalidate = "no-cache"
)

// Levels that keep the start short: of brotli 11 would save a tenth of a few kilobytes and cost half a second, and these two
// took a third of a start at 6 and 9.
const (
	brotliLevel = 4
	gzipLevel   = 6
)

// wasmFile is the WebAssembly half, as web/static names it.
const wasmFile = "app.wasm"

// mediaTypes of the files that Locum serves. A file of another kind is not served.
var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".wasm": "application/wasm",
	".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2",
	".txt": "text/plain; charset=utf-8", ".html": "text/html; charset=utf-8",
}

// asset is one thing served from memory, in the encodings it exists in.
type asset struct {
	mediaType string
	cache     string
	etag      string
	br, gz    []byte // nil: not in this encoding
	raw       func() []byte
	varies    string // beyond Accept-Encoding
}

// assets are the static files under addresses that hold the hash of the whole set, so that a relative address inside
// one of them works and a build never mixes with another, and a few under fixed addresses.
type assets struct {
	hash   string
	byPath map[string]*asset
	built  bool // the WebAssembly half is there
}

// newAssets takes every file below root and the generated ones. Beside a file, .br and .gz are its encodings; app.wasm
// exists only in these and is unpacked for the rare client that takes neither.
func newAssets(root fs.FS, generated map[string][]byte) (*assets, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[name], err = fs.ReadFile(root, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the static files: %w", err)
	}
	for name, content := range generated {
		files[name] = content
	}
	a := &assets{hash: hashOf(files), byPath: map[string]*asset{}}
	for name := range files {
		base := strings.TrimSuffix(strings.TrimSuffix(name, ".br"), ".gz")
		mediaType, known := mediaTypes[path.Ext(base)]
		if !known || a.byPath[a.resolve("/web/"+base)] != nil {
			continue
		}
		one, err := newAsset(files[base], files[base+".br"], files[base+".gz"])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", base, err)
		}
		one.mediaType, one.cache = mediaType, immutable
		a.byPath[a.resolve("/web/"+base)] = one
	}
	a.built = a.byPath[a.resolve("/web/"+wasmFile)] != nil
	return a, nil
}

// fixed serves content under an address without a hash.
func (a *assets) fixed(address, mediaType string, content []byte) error {
	one, err := newAsset(content, nil, nil)
	if err != nil {
		return err
	}
	one.mediaType, one.cache = mediaType, revalidate
	a.byPath[address] = one
	return nil
}

// newAsset completes the encodings: text that came without is compressed here, once.
func newAsset(raw, br, gz []byte) (*asset, error) {
	one := &asset{br: br, gz: gz, raw: func() []byte { return raw }}
	if raw == nil {
		one.raw = sync.OnceValue(func() []byte { return gunzip(gz) })
	}
	if raw != nil && br == nil && gz == nil && len(raw) > 512 {
		one.br = smaller(fasthttp.AppendBrotliBytesLevel(nil, raw, brotliLevel), raw)
		one.gz = smaller(fasthttp.AppendGzipBytesLevel(nil, raw, gzipLevel), raw)
	}
	if raw == nil && gz == nil {
		return nil, fmt.Errorf("neither the file nor its .gz is there")
	}
	sum := sha256.New()
	for _, part := range [][]byte{raw, br, gz} {
		sum.Write(part)
	}
	one.etag = `"` + base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:12]) + `"`
	return one, nil
}

func smaller(encoded, raw []byte) []byte {
	if len(encoded) < len(raw) {
		return encoded
	}
	return nil
}

// gunzip takes the memory that the end of gz says it needs (RFC 1952 §2.3.1, ISIZE), at most 64 MB, and no more.
func gunzip(gz []byte) []byte {
	reader, err := gzip.NewReader(bytes.NewReader(gz))
	if err != nil {
		return nil
	}
	size := min(int(binary.LittleEndian.Uint32(gz[len(gz)-4:])), 64<<20)
	raw := make([]byte, size)
	if _, err := io.ReadFull(reader, raw); err != nil {
		return nil
	}
	return raw
}

// hashOf names a set of files: 16 characters that change with any name or byte.
func hashOf(files map[string][]byte) string {
	sum := sha256.New()
	for _, name := range sortedKeys(files) {
		fmt.Fprintf(sum, "%s %d\n", name, len(files[name]))
		sum.Write(files[name])
	}
	return strings.NewReplacer("-", "0", "_", "1").Replace(base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:12]))
}

func sortedKeys(files map[string][]byte) []string {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// resolve gives the address of "/web/name". Anything else, and what is resolved already, stays as it is. go-app calls
// it for every address it writes.
func (a *assets) resolve(address string) string {
	rest, ours := strings.CutPrefix(address, "/web")
	if !ours || rest != "" && rest[0] != '/' || strings.HasPrefix(rest, "/"+a.hash) {
		return address
	}
	return "/web/" + a.hash + rest
}

// Resolve makes assets go-app's ResourceResolver.
func (a *assets) Resolve(address string) string { return a.resolve(address) }

// paths are all addresses served, in order.
func (a *assets) paths() []string {
	list := make([]string, 0, len(a.byPath))
	for address := range a.byPath {
		list = append(list, address)
	}
	slices.Sort(list)
	return list
}

// showAsset answers one of them.
func (s *Server) showAsset(address string) fiber.Handler {
	one := s.assets.byPath[address]
	return func(c *fiber.Ctx) error { return one.send(c) }
}

// send answers in the best encoding that the request accepts, or 304 (RFC 9110 §13.1.2). The ETag is told apart by
// encoding, so no cache mixes two.
func (a *asset) send(c *fiber.Ctx) error {
	accept := &c.Request().Header
	body, encoding := []byte(nil), ""
	switch {
	case a.br != nil && accept.HasAcceptEncoding("br"):
		body, encoding = a.br, "br"
	case a.gz != nil && accept.HasAcceptEncoding("gzip"):
		body, encoding = a.gz, "gzip"
	default:
		body = a.raw()
	}
	etag := a.etag
	if encoding != "" {
		etag = a.etag[:len(a.etag)-1] + "-" + encoding + `"`
		c.Set(fiber.HeaderContentEncoding, encoding)
	}
	c.Set(fiber.HeaderETag, etag)
	c.Set(fiber.HeaderCacheControl, a.cache)
	c.Set(fiber.HeaderVary, strings.TrimSuffix(fiber.HeaderAcceptEncoding+", "+a.varies, ", "))
	c.Set(fiber.HeaderContentType, a.mediaType)
	if noneMatch(c.Get(fiber.HeaderIfNoneMatch), etag) {
		c.Response().Header.Del(fiber.HeaderContentEncoding)
		c.Status(fiber.StatusNotModified)
		return nil
	}
	c.Response().SetBodyRaw(body)
	return nil
}

// noneMatch compares weakly, as RFC 9110 §13.1.2 wants.
func noneMatch(header, etag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == etag {
			return true
		}
	}
	return false
}

// pathLeave is the script of the page that posts a form to a platform.
const pathLeave = "/leave.js"

// addFixed adds what browsers ask for by a name of its own: go-app's boot file, replaced by ours, the worker that ends
// itself, the sender of a form, and robots.txt.
func (a *assets) addFixed() error {
	boot, err := own.ReadFile("boot.js")
	if err != nil {
		return err
	}
	env, err := json.Marshal(map[string]string{"GOAPP_VERSION": a.hash, "GOAPP_STATIC_RESOURCES_URL": a.resolve("/web"),
		"GOAPP_ROOT_PREFIX": "/", "GOAPP_INTERNAL_URLS": "null"})
	if err != nil {
		return err
	}
	boot = []byte(strings.NewReplacer("{{env}}", string(env), "{{wasm}}", a.resolve("/web/"+wasmFile)).Replace(string(boot)))
	worker, err := own.ReadFile("worker.js")
	if err != nil {
		return err
	}
	leave, err := own.ReadFile("leave.js")
	if err != nil {
		return err
	}
	return errors.Join(a.fixed("/app.js", mediaTypes[".js"], boot), a.fixed("/app-worker.js", mediaTypes[".js"], worker),
		a.fixed(pathLeave, mediaTypes[".js"], leave),
		a.fixed("/robots.txt", mediaTypes[".txt"], []byte("User-agent: *\nDisallow: /\n")))
}
