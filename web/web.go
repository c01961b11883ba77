// Package web holds the files that a browser loads besides the pages: the style sheet, the icons and, once built, the
// compressed WebAssembly half. It embeds them and does nothing else; bff alone imports it and decides names, headers
// and encodings. A fresh clone has no app.wasm yet: the committed .keep lets the package build all the same.
package web

import "embed"

// Static is the tree below static/. It may lack app.wasm.br and app.wasm.gz: then nothing was built ("run make").
//
//go:embed all:static
var Static embed.FS
