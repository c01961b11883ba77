// Package bff is the HTTP half of the house: it turns requests into calls on the rooms below and their results into
// answers. It holds the routes, the guards in front of them, the one table from errors to statuses, the pages rendered
// at start, and the wiring that opens every room in order. It never holds a rule of OAuth, of a platform or of storage,
// never lets Fiber's types out, and never sends a token, a secret or the caller's own bytes back. Only bff/demo and
// cmd/locum may import it.
package bff
