package main

import (
	"context"
	"errors"
	"fmt"

	"locum/bff"
	"locum/bff/control"
	"locum/bff/secret"
)

// asked has a command obeyed by the Locum that runs on the data directory. served is false, without an error, where none runs:
// then the command is done here, with the vault open.
func (c configured) asked(ctx context.Context, command string, in any, hidden secret.String) (done bff.Commanded, served bool, err error) {
	cfg, err := c.load()
	if err != nil {
		return done, false, err
	}
	err = control.Call(ctx, cfg.DataDir, command, in, hidden, &done)
	if errors.Is(err, control.ErrNobody) {
		return done, false, nil
	}
	return done, err == nil, err
}

// anchor prints the anchor of a running Locum's last record, as recorded does for a command done here.
func anchor(std streams, done bff.Commanded) { fmt.Fprintf(std.out, "audit anchor %s\n", done.Anchor) }

// account has an operation on an account obeyed by the running Locum, and prints what say makes of it.
func (c configured) account(ctx context.Context, std streams, order bff.AccountOrder, password secret.String, say func(bff.Commanded) string) (served bool, err error) {
	done, served, err := c.asked(ctx, bff.CommandAccount, order, password)
	if !served || err != nil {
		return served, err
	}
	fmt.Fprintln(std.out, say(done))
	anchor(std, done)
	return true, nil
}
