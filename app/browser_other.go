//go:build !(js && wasm)

package app

import "locum/app/words"

// DocumentLanguage is the language that the document was served in; the first of words.Languages outside a browser.
func DocumentLanguage() string { return words.Languages[0] }

// Outside a browser there is nothing to act on: a rendered page and a component test need no document.

func leave(string)             {}
func blank()                   {}
func turnTo(string)            {}
func keep(string, string)      {}
func kept(string) string       { return "" }
func forget(string)            {}
func ready(string)             {}
func closeSelf()               {}
func copyText(string) error    { return nil }
func focus(string)             {}
func scrollToTop()             {}
func fieldValue(string) string { return "" }
func setField(string, string)  {}
func listen(func(), ...string) {}
func neverRestored()           {}
func visible() bool            { return true }
func reload()                  {}
func report(string)            {}
func framed() bool             { return false }
func unhide()                  {}
func tick(string)              {}
func style(map[string]string)  {}
func unstyle()                 {}

func listenToParent(func(origin, event, patient string)) {}

type otherTab struct{}

func openAside() otherTab          { return otherTab{} }
func (otherTab) send(attempt) bool { return false }
func (otherTab) lead(string) bool  { return false }
func (otherTab) close()            {}
