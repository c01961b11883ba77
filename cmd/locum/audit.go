package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"locum/bff"
	"locum/bff/account"
	"locum/bff/audit"
	"locum/bff/check"
	"locum/bff/config"
	"locum/bff/vault"
)

// recorded records what an operator is about to do beside a stopped server, does it, and records how it ended: no record,
// no deed. It prints the anchor of the last record, to be kept where whoever changes files on this machine cannot reach.
// event is asked for before and after, since an account has an id only once it is there; its login is never recorded.
func recorded(ctx context.Context, std streams, cfg *config.Config, opened *vault.Vault, event func() audit.Event, deed func() error) error {
	trail, err := audit.Open(trailPath(cfg), opened.DeriveKey(bff.AuditKeyPurpose), "operator")
	if err != nil {
		return err
	}
	record := func(code string) error {
		e := event()
		e.Remote, e.Code = "command line", code
		return trail.Event(context.WithoutCancel(ctx), e)
	}
	err = record("begun")
	if err == nil {
		if err = deed(); err == nil {
			err = record("done")
		} else {
			err = errors.Join(err, record("failed"))
		}
	}
	err = errors.Join(err, trail.Close())
	fmt.Fprintf(std.out, "audit anchor %s\n", trail.Anchor())
	return err
}

// withAccounts runs a deed on the accounts, recorded.
func (c configured) withAccounts(ctx context.Context, std streams, login, kind string, deed func(*account.Store) error) error {
	return c.withVault(ctx, std, login, kind, func(_ *config.Config, opened *vault.Vault) error { return deed(account.New(opened)) })
}

// withVault runs a deed on an account, and on what else there is of it, recorded.
func (c configured) withVault(ctx context.Context, std streams, login, kind string, deed func(*config.Config, *vault.Vault) error) error {
	cfg, opened, err := c.vault()
	if err != nil {
		return err
	}
	defer opened.Close()
	accounts := account.New(opened)
	event := func() audit.Event { return audit.Event{Kind: kind, Practitioner: accountID(accounts, login)} }
	return recorded(ctx, std, cfg, opened, event, func() error {
		err := deed(cfg, opened)
		if errors.Is(err, account.ErrNotFound) {
			return fmt.Errorf("%w; see: locum account list -c %s", err, check.Quote(c.Config))
		}
		return err
	})
}

// accountID is empty for a login that has no account yet.
func accountID(accounts *account.Store, login string) string {
	known, err := accounts.ByLogin(login)
	if err != nil {
		return ""
	}
	return known.ID
}

type auditCommand struct {
	Verify auditVerifyCommand `cmd:"" help:"Check that no record of the audit trail was changed, dropped, moved or added."`
}

type auditVerifyCommand struct {
	configured
	Anchor  []string `help:"A record that must be there, as Locum printed or logged it (\"audit checkpoint\"): NUMBER:MAC. Only an anchor that was kept elsewhere shows that log and head file were both replaced by older ones." placeholder:"NUMBER:MAC"`
	Anchors string   `help:"Take every anchor in this file, for example a copy of Locum's log that lies elsewhere." type:"existingfile" placeholder:"FILE"`
	Known   []int    `help:"A gap that Locum itself has recorded and that somebody has looked into, by its line: it is printed, and is no failure any more." placeholder:"LINE"`
}

// Run verifies the trail and names the first line that does not fit. It changes nothing.
func (c auditVerifyCommand) Run(std streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	anchors, err := c.anchors()
	if err != nil {
		return err
	}
	master, err := vault.ReadKeyFile(cfg.MasterKeyFile)
	if err != nil {
		return c.hint(err)
	}
	var report audit.Report
	err = vault.Look(cfg.DataDir, master, func(v *vault.Vault) error {
		report, err = audit.Verify(trailPath(cfg), v.DeriveKey(bff.AuditKeyPurpose), anchors...)
		return err
	})
	var broken *audit.VerifyError
	switch {
	case errors.As(err, &broken):
		return fmt.Errorf("%s: %w; keep this file and its head file as evidence, and compare them with a backup", trailPath(cfg), err)
	case errors.Is(err, os.ErrNotExist) && vault.Exists(cfg.DataDir):
		return fmt.Errorf("%w: either nothing was ever done with this data directory, or log and head file were taken away; look for them in a backup", err)
	case err != nil:
		return c.hint(err)
	}
	return c.print(std, trailPath(cfg), report, len(anchors))
}

func (c auditVerifyCommand) anchors() (all []audit.Anchor, err error) {
	for _, text := range c.Anchor {
		a, err := audit.ParseAnchor(text)
		if err != nil {
			return nil, fmt.Errorf("--anchor: %w", err)
		}
		all = append(all, a)
	}
	if c.Anchors == "" {
		return all, nil
	}
	file, err := os.Open(c.Anchors)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found, err := audit.FindAnchors(file)
	if err != nil {
		return nil, fmt.Errorf("read anchors from %s: %w", c.Anchors, err)
	}
	return append(all, found...), nil
}

// print says what was found; a gap that nobody has looked into is a failure.
func (c auditVerifyCommand) print(std streams, path string, r audit.Report, anchors int) error {
	fmt.Fprintf(std.out, "%s: %d lines hold together, %d calls, %d of them without an outcome\n", path, r.Lines, r.Intents, r.Open)
	if r.Torn > 0 {
		fmt.Fprintf(std.out, "%d times a crash broke off the end; what it broke off lies beside the log, in files whose names go on with .torn\n", r.Torn)
	}
	if r.Unfinished > 0 {
		fmt.Fprintf(std.out, "%d bytes at the end are no record: a crash broke them off, the next start sets them aside\n", r.Unfinished)
	}
	var failures []error
	for _, gap := range r.Gaps {
		fmt.Fprintf(std.out, "line %d: %s\n", gap.Line, gap.Reason)
		if !slices.Contains(c.Known, gap.Line) {
			failures = append(failures, fmt.Errorf("audit log, line %d: a gap; when it has been looked into: --known %d", gap.Line, gap.Line))
		}
	}
	if anchors > 0 {
		fmt.Fprintf(std.out, "anchors given: %d, all of them where they were\n", anchors)
	} else {
		fmt.Fprintln(std.out, "no anchor was given: a log that was replaced together with its head file by older ones would pass; see --anchor")
	}
	fmt.Fprintf(std.out, "audit anchor %s\n", r.Anchor)
	return errors.Join(failures...)
}

func trailPath(cfg *config.Config) string { return filepath.Join(cfg.DataDir, bff.AuditFile) }
