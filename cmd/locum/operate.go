package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"locum/bff"
	"locum/bff/account"
	"locum/bff/audit"
	"locum/bff/check"
	"locum/bff/config"
	"locum/bff/secret"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// configured is what every operator's command needs: where the configuration is.
type configured struct {
	Config string `short:"c" help:"The configuration file." default:"locum.yaml" type:"path"`
}

// load reads the configuration.
func (c configured) load() (*config.Config, error) {
	cfg, err := config.Load(c.Config)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w; write one with `locum init`, or name it with -c", err)
	}
	return cfg, err
}

// vault reads the configuration and opens the vault it names. A running server holds the vault: stop it first.
func (c configured) vault() (*config.Config, *vault.Vault, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, nil, err
	}
	master, err := vault.ReadKeyFile(cfg.MasterKeyFile)
	if err != nil {
		return nil, nil, c.hint(err)
	}
	opened, err := vault.Open(cfg.DataDir, master)
	return cfg, opened, c.hint(err)
}

// hint adds the operator's next step to an error that has one.
func (c configured) hint(err error) error {
	var key *vault.KeyFileError
	switch {
	case errors.As(err, &key) && errors.Is(err, os.ErrNotExist) && c.hasVault():
		return fmt.Errorf("%w; nothing else opens the vault that is there: put the copy of the master key back, or let master_key_file in %s name it", err, c.Config)
	case errors.As(err, &key) && errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w; create it with: locum keys create -c %s", err, check.Quote(c.Config))
	case errors.As(err, &key) && errors.Is(err, os.ErrExist):
		return fmt.Errorf("%w; it stays as it is, since it may be the only key to a vault: for another one let master_key_file in %s name another file", err, c.Config)
	case errors.Is(err, vault.ErrWrongKey):
		return fmt.Errorf("%w: master_key_file in %s must name the key that was there when this data directory was made", err, c.Config)
	case errors.Is(err, vault.ErrInUse):
		return fmt.Errorf("%w: stop the running Locum, then run this again", err)
	case errors.Is(err, vault.ErrCorrupt):
		return fmt.Errorf("%w; nothing was changed: restore the data directory from a backup", err)
	}
	return err
}

// hasVault says whether there is a vault already, which a new key would not open.
func (c configured) hasVault() bool {
	cfg, err := config.Load(c.Config)
	return err == nil && vault.Exists(cfg.DataDir)
}

type configCommand struct {
	Example exampleCommand `cmd:"" help:"Print a commented configuration to start from."`
}

type exampleCommand struct{}

// Run prints the example.
func (exampleCommand) Run(std streams) error {
	_, err := std.out.Write(config.Example())
	return err
}

func knownPlatform(cfg *config.Config, id string) error {
	var names []string
	for _, p := range cfg.Platforms {
		if p.ID == id {
			return nil
		}
		names = append(names, p.ID)
	}
	if len(id) > 20 {
		id = "of that name" // it may be the secret itself, typed in the wrong place
	} else {
		id = strconv.Quote(id)
	}
	return fmt.Errorf("the configuration names no platform %s; it has: %s", id, strings.Join(names, ", "))
}

type compactCommand struct {
	configured
	DropDamaged bool `help:"Remove for good the damaged records that were set aside before."`
}

// Run compacts the vault. Damaged records are set aside and counted; those that an operator has seen counted once can be
// dropped the next time.
func (c compactCommand) Run(ctx context.Context, std streams) error {
	cfg, opened, err := c.vault()
	if err != nil {
		return err
	}
	defer opened.Close()
	event := func() audit.Event { return audit.Event{Kind: "vault_compacted"} }
	return recorded(ctx, std, cfg, opened, event, func() error { return c.compact(std, cfg, opened) })
}

func (c compactCommand) compact(std streams, cfg *config.Config, opened *vault.Vault) error {
	if c.DropDamaged {
		dropped, err := opened.DropDamaged()
		if err != nil {
			return err
		}
		fmt.Fprintf(std.out, "dropped %d damaged records\n", dropped)
	}
	if err := opened.Compact(); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "rewrote the vault in %s under a new key; what was deleted is gone from it\n", cfg.DataDir)
	return reportDamaged(std, opened)
}

// reportDamaged says which damaged records are set aside, if there are any.
func reportDamaged(std streams, opened *vault.Vault) error {
	damaged, err := opened.Damaged()
	for _, d := range damaged {
		fmt.Fprintf(std.out, "damaged and set aside: %d in %s; restore a backup, or enter them again and drop them with --drop-damaged\n",
			d.InPlace+d.SetOff, d.Collection)
	}
	return err
}

type accountCommand struct {
	Add      accountAddCommand      `cmd:"" help:"Let a practitioner sign in; the password is read from standard input."`
	Password accountPasswordCommand `cmd:"" help:"Set a practitioner's password; it is read from standard input."`
	List     accountListCommand     `cmd:"" help:"List the practitioners."`
	Disable  accountDisableCommand  `cmd:"" help:"Keep a practitioner from signing in."`
	Unlink   accountUnlinkCommand   `cmd:"" help:"Forget who a practitioner is in record systems that open Locum."`
}

type accountAddCommand struct {
	configured
	Login string `arg:"" help:"What the practitioner types to sign in, for example an e-mail address."`
	Name  string `help:"The practitioner's name, as others see it." required:""`
}

// Run adds the account.
func (c accountAddCommand) Run(ctx context.Context, std streams) error {
	password, err := readSecret(std, "Password for "+c.Login+" (at least 15 characters)")
	if err != nil {
		return err
	}
	order := bff.AccountOrder{Op: bff.AccountAdd, Login: c.Login, Name: c.Name}
	served, err := c.account(ctx, std, order, password, func(done bff.Commanded) string {
		return fmt.Sprintf("%s may sign in as %s", done.Accounts[0].Name, done.Accounts[0].Login)
	})
	if served || err != nil {
		return err
	}
	return c.withAccounts(ctx, std, c.Login, "account_added", func(accounts *account.Store) error {
		added, err := accounts.Add(c.Login, c.Name, password)
		if err != nil {
			return err
		}
		fmt.Fprintf(std.out, "%s may sign in as %s\n", added.Name, added.Login)
		return nil
	})
}

type accountPasswordCommand struct {
	configured
	Login string `arg:"" help:"The practitioner's login."`
}

// Run sets the password.
func (c accountPasswordCommand) Run(ctx context.Context, std streams) error {
	password, err := readSecret(std, "New password for "+c.Login+" (at least 15 characters)")
	if err != nil {
		return err
	}
	order := bff.AccountOrder{Op: bff.AccountPassword, Login: c.Login}
	served, err := c.account(ctx, std, order, password, func(bff.Commanded) string { return c.Login + " has a new password" })
	if served || err != nil {
		return err
	}
	return c.withAccounts(ctx, std, c.Login, "password_set", func(accounts *account.Store) error {
		if err := accounts.SetPassword(c.Login, password); err != nil {
			return err
		}
		fmt.Fprintf(std.out, "%s has a new password\n", c.Login)
		return nil
	})
}

type accountListCommand struct{ configured }

// Run lists the accounts, one a line: login, name and, where it is so, "disabled", with tabs between them.
func (c accountListCommand) Run(ctx context.Context, std streams) error {
	done, served, err := c.asked(ctx, bff.CommandAccount, bff.AccountOrder{Op: bff.AccountList}, secret.String{})
	if err != nil {
		return err
	}
	all := done.Accounts
	if !served {
		_, opened, failed := c.vault()
		if failed != nil {
			return failed
		}
		defer opened.Close()
		all, err = account.New(opened).List()
	}
	for _, one := range all {
		fmt.Fprintf(std.out, "%s\t%s%s\n", one.Login, one.Name, map[bool]string{true: "\tdisabled"}[one.Disabled])
	}
	if err == nil && len(all) == 0 {
		fmt.Fprintln(std.err, "nobody has an account yet: see locum account add --help")
	}
	return err
}

type accountDisableCommand struct {
	configured
	Login      string `arg:"" help:"The practitioner's login."`
	Undo       bool   `help:"Let them sign in again." xor:"what"`
	Disconnect bool   `help:"End their connections too; Locum tells the platforms when it runs again." xor:"what"`
}

// Run disables or enables the account.
func (c accountDisableCommand) Run(ctx context.Context, std streams) error {
	kind := "account_disabled"
	switch {
	case c.Undo:
		kind = "account_enabled"
	case c.Disconnect:
		kind = "account_disconnected"
	}
	if !c.Disconnect { // the connections of a running Locum are its own to end
		order := bff.AccountOrder{Op: bff.AccountDisable, Login: c.Login}
		if c.Undo {
			order.Op = bff.AccountEnable
		}
		served, err := c.account(ctx, std, order, secret.String{}, func(bff.Commanded) string { return c.says() })
		if served || err != nil {
			return err
		}
	}
	return c.withVault(ctx, std, c.Login, kind, func(cfg *config.Config, opened *vault.Vault) error {
		accounts := account.New(opened)
		if err := accounts.SetDisabled(c.Login, !c.Undo); err != nil {
			return err
		}
		if c.Disconnect {
			if err := disconnectAll(std, cfg, opened, accounts, c.Login); err != nil {
				return err
			}
		}
		fmt.Fprintln(std.out, c.says())
		return nil
	})
}

func (c accountDisableCommand) says() string {
	if c.Undo {
		return c.Login + " may sign in again"
	}
	return c.Login + " may not sign in any more"
}

// disconnectAll ends every connection of an account.
func disconnectAll(std streams, cfg *config.Config, opened *vault.Vault, accounts *account.Store, login string) error {
	who, err := accounts.ByLogin(login)
	if err != nil {
		return err
	}
	n, err := tokens.DisconnectAll(opened, who.ID, func(id string) string {
		for _, p := range cfg.Platforms {
			if p.ID == id {
				return p.Ending
			}
		}
		return ""
	})
	if err != nil {
		return fmt.Errorf("end the connections: %w", err)
	}
	fmt.Fprintf(std.out, "connections ended: %d; the platforms are told when Locum runs\n", n)
	return nil
}

// readSecret asks for one line: without echo at a terminal, plainly from a pipe.
func readSecret(std streams, prompt string) (secret.String, error) {
	file, ok := std.in.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return readLine(std.in)
	}
	fmt.Fprint(std.err, prompt, ": ")
	line, err := term.ReadPassword(int(file.Fd()))
	fmt.Fprintln(std.err)
	if err != nil {
		return secret.String{}, fmt.Errorf("read from the terminal: %w", err)
	}
	return notEmpty(string(line))
}

func readLine(in io.Reader) (secret.String, error) {
	const most = 64 << 10
	line, err := bufio.NewReader(io.LimitReader(in, most)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return secret.String{}, fmt.Errorf("read standard input: %w", err)
	}
	return notEmpty(strings.TrimRight(line, "\r\n"))
}

func notEmpty(line string) (secret.String, error) {
	if strings.TrimSpace(line) == "" {
		return secret.String{}, errors.New("nothing was given on standard input: pipe the value in, or run this at a terminal")
	}
	return secret.New(line), nil
}
