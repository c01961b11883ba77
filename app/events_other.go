//go:build !(js && wasm)

package app

// browserOutside is of no use outside a browser: nothing there listens.
func browserOutside() outside { return outside{} }
