// Package demo is Locum wired to a sandbox on loopback in a temporary directory: what `locum demo` runs and what e2e
// drives. It never listens beyond loopback and never keeps anything. Only cmd/locum and e2e may import it.
package demo

import (
	"context"
	"log/slog"

	"locum/bff"
	"locum/bff/sandbox"
)

// Options of a demo. Listen is Locum's own address, "localhost:8080" when empty; port 0 picks one. Dir holds the data
// and is kept; empty means a temporary directory that Close removes. Verbose logs at debug level.
type Options struct {
	Listen  string
	Dir     string
	Log     *slog.Logger
	Verbose bool
}

// Person is a demo practitioner who may sign in to Locum.
type Person struct{ Login, Password, Name string }

// Demo is a running Locum and the sandbox behind it.
type Demo struct {
	URL     string
	Server  *bff.Server
	Sandbox *sandbox.Sandbox
	People  []Person
}

// Start opens and serves everything; it returns when the address answers.
func Start(ctx context.Context, o Options) (*Demo, error) { panic("todo") }

// Wait returns when the server has stopped, with its error if that was not asked for.
func (d *Demo) Wait() error { panic("todo") }

// Close stops Locum, then the sandbox, and removes the temporary directory.
func (d *Demo) Close() error { panic("todo") }
