package main

import (
	"context"
	"fmt"

	"locum/bff/audit"
	"locum/bff/tokens"
)

type restoredCommand struct {
	configured
	OriginalStopped bool `help:"Confirm that the Locum whose backup this is runs nowhere any more." required:""`
}

// Help says what the command does and why.
func (restoredCommand) Help() string {
	return `Run it once after a data directory was put back from a backup, before serve.

A platform that rotates refresh tokens takes an old one for a stolen one and ends the connection. So every connection
first asks its platform whether the token from the backup is still good; one that is goes on by itself, one that is not
asks its practitioner to connect again. Nothing is sent by this command.

What was sent to clinics since the backup is not known either. So calls to them begin some minutes after the next start,
when none of it can count against their limits any more; the log says when.

Two Locums on one set of connections end each other's. Stop the original for good, and disable its service, before you
confirm.`
}

// Run marks every connection as one whose token is asked about before it is used.
func (c restoredCommand) Run(ctx context.Context, std streams) error {
	cfg, opened, err := c.vault()
	if err != nil {
		return err
	}
	defer opened.Close()
	event := func() audit.Event { return audit.Event{Kind: audit.KindRestored} }
	return recorded(ctx, std, cfg, opened, event, func() error {
		n, err := tokens.MarkRestored(opened)
		if err != nil {
			return fmt.Errorf("mark the connections: %w", err)
		}
		fmt.Fprintf(std.out, "connections that ask their platform before they use a token from the backup: %d\n", n)
		return nil
	})
}
