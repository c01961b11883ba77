//go:build !(js && wasm)

package app

import "errors"

var errNetwork = errors.New("no browser here")

// fetch answers an error outside a browser: a page that is rendered on the server loads nothing.
func fetch(request) (response, error) { return response{}, errNetwork }
