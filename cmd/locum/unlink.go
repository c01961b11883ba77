package main

import (
	"context"
	"fmt"

	"locum/bff"
	"locum/bff/account"
	"locum/bff/config"
	"locum/bff/secret"
	"locum/bff/tokens"
	"locum/bff/vault"
)

type accountUnlinkCommand struct {
	configured
	Login string `arg:"" help:"The practitioner's login."`
}

// Run takes the practitioner's links away: no launch signs them in any more, and the person there may become another's.
func (c accountUnlinkCommand) Run(ctx context.Context, std streams) error {
	says := c.Login + " is linked to nobody in a record system any more"
	order := bff.AccountOrder{Op: bff.AccountUnlink, Login: c.Login}
	served, err := c.account(ctx, std, order, secret.String{}, func(bff.Commanded) string { return says })
	if served || err != nil {
		return err
	}
	return c.withVault(ctx, std, c.Login, "unlinked", func(_ *config.Config, opened *vault.Vault) error {
		who, err := account.New(opened).ByLogin(c.Login)
		if err != nil {
			return err
		}
		if err := opened.Update(func(tx *vault.Tx) error { return tokens.Unlink(tx, who.ID) }); err != nil {
			return err
		}
		fmt.Fprintln(std.out, says)
		return nil
	})
}
