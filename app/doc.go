// Package app is what a person sees: the pages of Locum and the components they are made of, compiled twice, for the
// browser (js && wasm) and for the start-up renderer in bff. A page holds no data when it is rendered on the server; in
// the browser it loads its data in OnNav, from Locum's own API and nowhere else, and client.go alone speaks HTTP. It
// never sees a token, keeps nothing in localStorage, and holds no sentence: those live in app/words. Only bff and
// cmd/wasm import it; it imports shared and app/words.
package app
