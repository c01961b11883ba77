package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"locum/bff"
	"locum/bff/check"
)

type serveCommand struct{ configured }

// Run serves until the context ends, then stops in order: no new requests, running ones finished, tokens stored.
func (c serveCommand) Run(ctx context.Context, std streams) (err error) {
	cfg, err := c.load()
	if err != nil {
		return c.explain(ctx, std, err)
	}
	log, flush := logger(std, cfg.LogLevel)
	defer flush()
	server, err := bff.Open(cfg, bff.Options{Log: log, Setup: true, Control: true})
	if err != nil {
		return c.explain(ctx, std, c.hint(err))
	}
	for _, f := range check.Settings(c.Config, cfg) {
		if f.Severity == check.Error {
			log.Warn("the configuration will not work as it is; see locum check", "code", f.Code, "line", f.Line, "key", f.Key, "cause", f.Cause, "fix", f.Fix)
		}
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("%w; free the address, or choose another by listen: in %s", err, c.Config)
	}
	log.Info("serving", "address", listener.Addr().String(), "public_url", cfg.PublicURL.String())
	return server.Serve(ctx, listener)
}
