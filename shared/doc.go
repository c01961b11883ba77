// Package shared is the vocabulary that Locum's two halves speak to each other: wire types, error codes, header names
// and the table of routes. Both the WebAssembly app and the backend-for-frontend import it, so it holds only the
// standard library and plain data; it never does I/O, and no type in it can hold a token, a secret or a verifier
// (a test walks every type and says so).
package shared
