//go:build js && wasm

package app

import (
	"errors"
	"syscall/js"

	"locum/shared"
)

// patience is how long an answer may take before the browser gives up: longer than any deadline of the server.
const patience = 60_000 // milliseconds

var errNetwork = errors.New("no answer")

// fetch sends one request to Locum's own origin by the browser's fetch and blocks its goroutine until the answer is
// complete. A redirect is an error: API paths never redirect.
func fetch(r request) (response, error) {
	headers := map[string]any{"Accept": "application/json"}
	options := map[string]any{
		"method": r.method, "headers": headers, "credentials": "same-origin", "cache": "no-store", "redirect": "error",
		"signal": js.Global().Get("AbortSignal").Call("timeout", patience),
	}
	if r.method != "GET" {
		headers[shared.HeaderClient] = shared.ClientApp
		headers["Content-Type"] = "application/json"
	}
	if r.body != nil {
		options["body"] = string(r.body)
	}
	answer, err := await(js.Global().Call("fetch", r.path, options))
	if err != nil {
		return response{}, err
	}
	content, err := await(answer.Call("arrayBuffer"))
	if err != nil {
		return response{}, err
	}
	bytes := js.Global().Get("Uint8Array").New(content)
	body := make([]byte, bytes.Get("byteLength").Int())
	js.CopyBytesToGo(body, bytes)
	header := func(name string) string {
		if v := answer.Get("headers").Call("get", name); v.Type() == js.TypeString {
			return v.String()
		}
		return ""
	}
	return response{
		status: answer.Get("status").Int(), kind: header("Content-Type"), build: header(shared.HeaderBuild),
		budgets: [2]string{header(shared.HeaderBudgetEndpoint), header(shared.HeaderBudgetClinic)},
		retry:   header("Retry-After"), body: body,
	}, nil
}

// await blocks the calling goroutine until a promise settles. It must never be called in a callback of JavaScript.
func await(promise js.Value) (js.Value, error) {
	settled := make(chan js.Value, 1)
	refused := make(chan struct{}, 1)
	resolve := js.FuncOf(func(_ js.Value, args []js.Value) any { settled <- args[0]; return nil })
	reject := js.FuncOf(func(js.Value, []js.Value) any { refused <- struct{}{}; return nil })
	defer resolve.Release()
	defer reject.Release()
	promise.Call("then", resolve, reject)
	select {
	case value := <-settled:
		return value, nil
	case <-refused:
		return js.Value{}, errNetwork
	}
}
