//go:build js && wasm

// Command wasm is the browser's half of Locum: it registers the pages in the language that the document was served in
// and runs them until the document goes away. It never speaks HTTP itself, see app/client.go.
package main

import (
	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app"
)

func main() {
	app.Register(app.DocumentLanguage())
	ui.RunWhenOnBrowser()
}
