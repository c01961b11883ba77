package bff

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"regexp"

	"github.com/gofiber/fiber/v2"
	goapp "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app"
	"locum/app/words"
	"locum/shared"
)

//go:embed boot.js worker.js leave.js *.html
var own embed.FS

// templates are the pages outside go-app: they work without WebAssembly and hold no script; one names a file of ours.
var templates = template.Must(template.ParseFS(own, "*.html"))

// pages are the app's pages by language and pattern, rendered once: a page depends on no request and holds no data, so
// go-app's own handler never meets the network, and with it none of its holes (server-side fetches by Host, markup from
// the path, 304 for anything).
type pages map[string]map[string]*asset

// renderPages runs go-app's handler over every page in every language. Without the WebAssembly half every page says how
// to build it.
func renderPages(a *assets) (pages, error) {
	all := pages{}
	for _, lang := range words.Languages {
		app.Register(lang)
		handler := newAppHandler(a, lang)
		all[lang] = map[string]*asset{}
		for _, page := range shared.Pages {
			html, err := renderPage(handler, a, lang, page)
			if err != nil {
				return nil, fmt.Errorf("render page %s in %s: %w", page.Name, lang, err)
			}
			one, err := newAsset(html, nil, nil)
			if err != nil {
				return nil, err
			}
			one.mediaType, one.cache, one.varies = mediaTypes[".html"], revalidate, fiber.HeaderAcceptLanguage
			all[lang][page.Pattern] = one
		}
	}
	return all, nil
}

// newAppHandler describes the app to go-app. Every icon is set: an unset one would load from another site.
func newAppHandler(a *assets, lang string) *goapp.Handler {
	return &goapp.Handler{
		Name: "Locum", ShortName: "Locum", Title: "Locum", Lang: lang, Version: a.hash, Resources: a,
		Icon:   goapp.Icon{Default: "/web/icon-192.png", Large: "/web/icon-512.png", Maskable: "/web/icon-512.png", SVG: "/web/icon.svg"},
		Styles: []string{"/web/app.css"}, LoadingLabel: words.For(lang).Common.Loading,
	}
}

func renderPage(handler http.Handler, a *assets, lang string, page shared.Page) ([]byte, error) {
	if !a.built {
		var out bytes.Buffer
		say := words.For(lang).Unbuilt
		err := templates.ExecuteTemplate(&out, "message.html", message{Lang: lang, Style: a.resolve("/web/app.css"),
			Icon: a.resolve("/web/icon.svg"), Title: say.Title, Text: say.Text})
		return out.Bytes(), err
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, page.Sample, nil))
	if recorder.Code != http.StatusOK {
		return nil, fmt.Errorf("go-app answered %d", recorder.Code)
	}
	return finishPage(recorder.Body.Bytes(), a), nil
}

// unwanted is what go-app writes into every page and Locum does not serve: the manifest, its full-screen loader's style,
// and what social networks would read.
var unwanted = regexp.MustCompile(`<(link|meta)\b[^>]*("manifest"|"/app\.css"|"og:[^"]*"|"twitter:[^"]*"|"author"|"description"|"theme-color")[^>]*>\s*`)

// bareARIA is how go-app writes aria-hidden="true" and its like. For ARIA an empty value is not true (WAI-ARIA 1.2 §6.2.4).
var bareARIA = regexp.MustCompile(`( aria-[a-z]+)([ >])`)

// finishPage takes out what is unwanted, repairs what is bare, gives wasm_exec.js its hashed address, and starts fetching the WebAssembly
// with the page.
func finishPage(html []byte, a *assets) []byte {
	html = unwanted.ReplaceAll(html, nil)
	html = bareARIA.ReplaceAll(html, []byte(`$1="true"$2`))
	html = bytes.ReplaceAll(html, []byte(`"/wasm_exec.js"`), []byte(`"`+a.resolve("/web/"+wasmExec)+`"`))
	preload := `<link rel="preload" as="fetch" type="application/wasm" crossorigin href="` + a.resolve("/web/"+wasmFile) + `"></head>`
	return bytes.Replace(html, []byte("</head>"), []byte(preload), 1)
}

// wasmExec is Go's own glue between a browser and a Go program; go-app carries the text of the toolchain's.
const wasmExec = "wasm_exec.js"

// goappFile takes a file that go-app generates.
func goappFile(name string) ([]byte, error) {
	recorder := httptest.NewRecorder()
	(&goapp.Handler{Resources: &assets{}, Version: "none"}).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/"+name, nil))
	if recorder.Code != http.StatusOK {
		return nil, fmt.Errorf("go-app has no %s", name)
	}
	return recorder.Body.Bytes(), nil
}

// showPage answers one page in the language that the browser asks for. It never looks at the session: the page's own
// fetches decide what there is to see.
func (s *Server) showPage(page shared.Page) fiber.Handler {
	return func(c *fiber.Ctx) error {
		return s.pages[words.Pick(c.Get(fiber.HeaderAcceptLanguage))][page.Pattern].send(c)
	}
}
