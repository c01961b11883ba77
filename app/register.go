package app

// Register gives go-app a component for every entry of shared.Pages, in the language asked for. The renderer calls it
// once per language of words.Languages and renders all pages in between; cmd/wasm calls it once.
func Register(lang string) { panic("todo") }

// DocumentLanguage is the language that the document was served in, as words.Pick chose it; "en" outside a browser.
func DocumentLanguage() string { panic("todo") }
