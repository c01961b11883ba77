package main

import (
	"context"
	"fmt"
	"net"

	"locum/bff"
	"locum/bff/config"
)

type serveCommand struct{ configured }

// Run serves until the context ends, then stops in order: no new requests, running ones finished, tokens stored.
func (c serveCommand) Run(ctx context.Context, std streams) error {
	cfg, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	log := logger(std, cfg.LogLevel)
	server, err := bff.Open(cfg, bff.Options{Log: log})
	if err != nil {
		return c.hint(err)
	}
	defer server.Close()
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", cfg.Listen, err)
	}
	log.Info("serving", "address", listener.Addr().String(), "public_url", cfg.PublicURL.String())
	return server.Serve(ctx, listener)
}
