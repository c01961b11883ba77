//go:build js && wasm

package app

import (
	"syscall/js"

	"locum/shared"
)

// eventsName is what the tabs of this origin call their lock and their channel.
const eventsName = "locum.events"

// eventNames are what a stream may say.
var eventNames = []string{shared.EventHello, shared.EventConnection, shared.EventBudget, shared.EventSession, shared.EventBye}

func browserOutside() outside {
	return outside{open: openStream, lead: lead, join: join, visible: visible, online: online}
}

// online says whether the browser believes that there is a network; where it does not know, there is.
func online() bool {
	known := js.Global().Get("navigator").Get("onLine")
	return known.Type() != js.TypeBoolean || known.Bool()
}

// openStream opens an EventSource (HTML §9.2). Its own way of trying again is not used: the first error ends it.
func openStream(heard func(name, id, data string), lost func(refused bool)) func() {
	source := js.Global().Get("EventSource").New(shared.PathEvents)
	hear := js.FuncOf(func(_ js.Value, args []js.Value) any {
		heard(args[0].Get("type").String(), args[0].Get("lastEventId").String(), args[0].Get("data").String())
		return nil
	})
	fail := js.FuncOf(func(js.Value, []js.Value) any {
		closed := source.Get("readyState").Int() == 2 // CLOSED: an answer that is no stream
		source.Call("close")
		lost(closed)
		return nil
	})
	for _, name := range eventNames {
		source.Call("addEventListener", name, hear)
	}
	source.Call("addEventListener", "error", fail)
	return func() {
		source.Call("close")
		for _, name := range eventNames {
			source.Call("removeEventListener", name, hear)
		}
		source.Call("removeEventListener", "error", fail)
		hear.Release()
		fail.Release()
	}
}

// lead asks for the one lock of the tabs (Web Locks) and keeps it until resign; nil where the browser has no locks.
func lead(won func()) (resign func()) {
	locks := js.Global().Get("navigator").Get("locks")
	if !locks.Truthy() {
		return nil
	}
	var release js.Value // of the promise that keeps the lock
	abort := js.Global().Get("AbortController").New()
	keep := js.FuncOf(func(_ js.Value, args []js.Value) any { release = args[0]; return nil })
	granted := js.FuncOf(func(js.Value, []js.Value) any {
		won()
		return js.Global().Get("Promise").New(keep)
	})
	ignore := js.FuncOf(func(js.Value, []js.Value) any { return nil }) // being told to stop waiting is no error
	locks.Call("request", eventsName, map[string]any{"signal": abort.Get("signal")}, granted).Call("then", ignore, ignore)
	return func() { // The functions live as long as the document: it is about to go.
		abort.Call("abort")
		if release.Truthy() {
			release.Invoke()
		}
	}
}

// join opens the channel between the tabs of this origin; nil where the browser has none.
func join(heard func(text string)) (repeat func(text string), leave func()) {
	kind := js.Global().Get("BroadcastChannel")
	if !kind.Truthy() {
		return nil, nil
	}
	channel := kind.New(eventsName)
	hear := js.FuncOf(func(_ js.Value, args []js.Value) any {
		if data := args[0].Get("data"); data.Type() == js.TypeString {
			heard(data.String())
		}
		return nil
	})
	channel.Call("addEventListener", "message", hear)
	return func(text string) { channel.Call("postMessage", text) },
		func() {
			channel.Call("removeEventListener", "message", hear)
			channel.Call("close")
			hear.Release()
		}
}
