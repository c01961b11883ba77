//go:build js && wasm

package app

import (
	"syscall/js"

	"locum/app/words"
)

// DocumentLanguage is the language that the document was served in, as words.Pick chose it; the browser's own where the
// document names none.
func DocumentLanguage() string {
	lang := js.Global().Get("document").Get("documentElement").Get("lang")
	if lang.Type() == js.TypeString && lang.String() != "" {
		return words.Pick(lang.String())
	}
	return words.Pick(js.Global().Get("navigator").Get("language").String())
}

// browserLocale is the browser's own locale: it decides how dates look when it agrees with the language.
func browserLocale() string { return js.Global().Get("navigator").Get("language").String() }

// leave navigates the whole document: it drops everything that this page held in memory.
func leave(url string) { js.Global().Get("location").Call("assign", url) }

// blank hides whatever the document shows.
func blank() { js.Global().Get("document").Get("body").Set("hidden", true) }

// turnTo replaces the current page by another of the app, without a new entry in the history: go-app listens to popstate.
func turnTo(path string) {
	js.Global().Get("history").Call("replaceState", nil, "", path)
	js.Global().Call("dispatchEvent", js.Global().Get("Event").New("popstate"))
}

// keep, kept and forget hold the one value that survives the way to a platform and back: the attempt's browser value,
// in this tab's sessionStorage and nowhere else.
func keep(name, value string) { storage().Call("setItem", name, value) }

func kept(name string) string {
	if v := storage().Call("getItem", name); v.Type() == js.TypeString {
		return v.String()
	}
	return ""
}

func forget(name string) { storage().Call("removeItem", name) }

func storage() js.Value { return js.Global().Get("sessionStorage") }

// otherTab is a tab that this page has opened; the zero one is one that the browser did not allow.
type otherTab struct{ window js.Value }

// openAside opens an empty tab. It must be called in a click.
func openAside() otherTab {
	window := js.Global().Call("open", "")
	if !window.Truthy() {
		return otherTab{}
	}
	return otherTab{window}
}

// send leads the tab to a platform, with the attempt's value in its own sessionStorage; false where there is no tab. While
// it is empty it is of this page's origin; the platform's page will not see who opened it.
func (t otherTab) send(a attempt) (sent bool) {
	defer func() {
		if recover() != nil { // closed meanwhile
			sent = false
		}
	}()
	if !t.window.Truthy() || t.window.Get("closed").Truthy() {
		return false
	}
	store := t.window.Get("sessionStorage")
	store.Call("setItem", attemptKey, a.value)
	store.Call("setItem", asideKey, "1")
	t.window.Get("location").Call("replace", a.url)
	return true
}

func (t otherTab) close() {
	if t.window.Truthy() {
		t.window.Call("close")
	}
}

// lead turns an empty tab of this page to an address, and cuts the tie between the two; false where there is no tab.
func (t otherTab) lead(url string) (led bool) {
	defer func() {
		if recover() != nil {
			led = false
		}
	}()
	if !t.window.Truthy() || t.window.Get("closed").Truthy() {
		return false
	}
	t.window.Set("opener", nil)
	t.window.Get("location").Call("replace", url)
	return true
}

// framed says whether this page runs inside another.
func framed() bool { return !js.Global().Get("parent").Equal(js.Global()) }

// listenToParent hears the page around this one, and nobody else: its origin, the event that it names, and the patient. Who
// may be believed is for the caller to say.
func listenToParent(heard func(origin, event, patient string)) {
	if !framed() {
		return
	}
	plain := func(v js.Value) string {
		switch v.Type() {
		case js.TypeString:
			return clip(v.String(), 200)
		case js.TypeNumber:
			return js.Global().Call("String", v).String()
		}
		return ""
	}
	handler := js.FuncOf(func(_ js.Value, args []js.Value) any {
		e := args[0]
		if data := e.Get("data"); e.Get("source").Equal(js.Global().Get("parent")) && data.Type() == js.TypeObject {
			heard(e.Get("origin").String(), plain(data.Get("event")), plain(data.Get("updatedPatient")))
		}
		return nil
	})
	js.Global().Call("addEventListener", "message", handler)
}

// unhide shows the document again.
func unhide() { js.Global().Get("document").Get("body").Set("hidden", false) }

// style sets CSS custom properties of the document; unstyle takes away those that were set.
func style(values map[string]string) {
	for name, value := range values {
		js.Global().Get("document").Get("documentElement").Get("style").Call("setProperty", name, value)
	}
}

func unstyle() {
	if root := js.Global().Get("document").Get("documentElement"); root.Call("hasAttribute", "style").Bool() {
		root.Call("removeAttribute", "style")
	}
}

// closeSelf closes this tab, where the browser lets a page do so.
func closeSelf() { js.Global().Call("close") }

// copyText puts a text on the clipboard. It blocks, and must be begun in a click.
func copyText(text string) (err error) {
	defer func() {
		if recover() != nil {
			err = errNetwork
		}
	}()
	_, err = await(js.Global().Get("navigator").Get("clipboard").Call("writeText", text))
	return err
}

// ready marks the document as alive, with the name of its page.
func ready(page string) {
	js.Global().Get("document").Get("body").Call("setAttribute", "data-ready", page)
}

// focus moves the keyboard to an element, if it is there.
func focus(id string) {
	if e := js.Global().Get("document").Call("getElementById", id); e.Truthy() {
		e.Call("focus")
	}
}

func scrollToTop() { js.Global().Call("scrollTo", 0, 0) }

// fieldValue reads an input of the page; uncontrolled inputs are read when they are needed and never bound.
func fieldValue(id string) string {
	if e := js.Global().Get("document").Call("getElementById", id); e.Truthy() {
		return e.Get("value").String()
	}
	return ""
}

// setField writes an input of the page; go-app's Value("") would not clear it.
func setField(id, value string) {
	if e := js.Global().Get("document").Call("getElementById", id); e.Truthy() {
		e.Set("value", value)
	}
}

// tick chooses a radio button, if it is there.
func tick(id string) {
	if e := js.Global().Get("document").Call("getElementById", id); e.Truthy() {
		e.Set("checked", true)
	}
}

// listen calls do for each of the window's events named, for the life of the document.
func listen(do func(), events ...string) {
	handler := js.FuncOf(func(js.Value, []js.Value) any { do(); return nil })
	for _, event := range events {
		js.Global().Call("addEventListener", event, handler, map[string]any{"passive": true, "capture": true})
	}
}

// neverRestored keeps the browser from showing this document again as it was left, from its memory of pages gone back to:
// a signed-out person's patients must not come back with the Back button. It is hidden when it goes and loaded anew.
func neverRestored() {
	hide := js.FuncOf(func(js.Value, []js.Value) any {
		js.Global().Get("document").Get("body").Set("hidden", true)
		return nil
	})
	renew := js.FuncOf(func(_ js.Value, args []js.Value) any {
		if args[0].Get("persisted").Truthy() {
			reload()
		}
		return nil
	})
	js.Global().Call("addEventListener", "pagehide", hide)
	js.Global().Call("addEventListener", "pageshow", renew)
}

// visible says whether a person can see the page at all.
func visible() bool {
	return js.Global().Get("document").Get("visibilityState").String() == "visible"
}

func reload() { js.Global().Get("location").Call("reload") }

// report writes what went wrong to the browser's console: a cause, never a person's data.
func report(text string) { js.Global().Get("console").Call("error", text) }
