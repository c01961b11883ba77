package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"locum/bff"
	"locum/bff/audit"
	"locum/bff/config"
	"locum/bff/keys"
	"locum/bff/secret"
	"locum/bff/vault"
	"locum/shared"
)

type keysCommand struct {
	Create keysCreateCommand `cmd:"" help:"Create the master key file that the configuration names; with a platform, a key that signs to it (private_key_jwt)."`
	List   keysListCommand   `cmd:"" help:"List the keys that sign to a platform: id, algorithm, what each does and until when."`
	Rotate keysRotateCommand `cmd:"" help:"Let another key sign to a platform, once everybody has had the time to fetch it; the old one leaves by itself."`
	Retire keysRetireCommand `cmd:"" help:"Take one key away from a platform."`
	Export keysExportCommand `cmd:"" help:"Print the public keys that sign to a platform, to be imported there by hand."`
}

// signing names the keys of one platform, or of its service.
type signing struct {
	configured
	Platform string `arg:"" help:"The platform's name in the configuration."`
	Service  bool   `help:"The keys of the platform's service, which are its own."`
}

func (c signing) target() keys.Target { return keys.Target{Platform: c.Platform, Service: c.Service} }

// run has a command obeyed: by the Locum that runs on the data directory, or else here. Whichever it is, a change is on
// record, and the anchor of the record is printed behind what say prints.
func (c signing) run(ctx context.Context, std streams, command keys.Command, say func(*config.Config, keys.Report)) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if err := knownPlatform(cfg, c.Platform); err != nil {
		return err
	}
	command.Target = c.target()
	done, served, err := c.asked(ctx, bff.CommandKeys, command, secret.String{})
	switch {
	case err != nil:
		return err
	case !served:
		return c.runHere(ctx, std, command, say)
	}
	say(cfg, done.Keys)
	if command.Changes() {
		anchor(std, done)
	}
	return nil
}

// runHere obeys a command beside a stopped server.
func (c signing) runHere(ctx context.Context, std streams, command keys.Command, say func(*config.Config, keys.Report)) error {
	cfg, opened, err := c.vault()
	if err != nil {
		return err
	}
	defer opened.Close()
	store, err := keys.New(opened, cfg.Platforms)
	if err != nil {
		return err
	}
	deed := func() error {
		report, err := store.Run(command)
		if err == nil {
			say(cfg, report)
		}
		return err
	}
	if !command.Changes() {
		return deed()
	}
	event := func() audit.Event { return audit.Event{Kind: command.Event(), Platform: command.Platform} }
	return recorded(ctx, std, cfg, opened, event, deed)
}

type keysCreateCommand struct {
	configured
	Platform string `arg:"" optional:"" help:"The platform's name in the configuration. Without one, the master key is created."`
	Service  bool   `help:"A key of the platform's service, which has its own."`
	Bits     int    `help:"The length of an RSA key: 2048 or 3072. 3072 where it is left out."`
}

// Run creates the master key file, readable by its owner only, or a signing key. An existing file is never overwritten.
func (c keysCreateCommand) Run(ctx context.Context, std streams) error {
	if c.Platform == "" {
		if c.Service || c.Bits != 0 {
			return errors.New("name the platform whose key is to be made")
		}
		return c.master(std)
	}
	command := keys.Command{Op: keys.OpCreate, Bits: c.Bits}
	target := signing{c.configured, c.Platform, c.Service}
	return target.run(ctx, std, command, func(cfg *config.Config, report keys.Report) {
		fmt.Fprintf(std.out, "created %s (%s)\n", report.Key.ID, report.Key.Algorithm)
		target.explain(std, cfg, *report.Key)
	})
}

func (c keysCreateCommand) master(std streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if err := vault.CreateKeyFile(cfg.MasterKeyFile); err != nil {
		return c.hint(err)
	}
	fmt.Fprintf(std.out, "created %s. Keep a copy apart from the data directory: without it nothing in the vault can be read.\n", cfg.MasterKeyFile)
	return nil
}

// explain says when a key signs, and how the platform gets to know it.
func (c signing) explain(std streams, cfg *config.Config, key keys.Status) {
	switch key.State {
	case keys.StateSigning:
		fmt.Fprintln(std.out, "it signs from now on")
	case keys.StateNext:
		fmt.Fprintf(std.out, "it signs from %s on\n", moment(key.SignsFrom))
	case keys.StateSpare:
		fmt.Fprintf(std.out, "it is a spare: the next `locum keys rotate %s` takes it\n", c.target())
	}
	fmt.Fprintf(std.out, "the platform reads the public keys at %s, or imports what `locum keys export %s` prints\n",
		cfg.PublicURL.JoinPath(shared.KeysPath(c.Platform)), c.target())
}

type keysListCommand struct{ signing }

// Run lists the keys, one a line: id, algorithm, state and the moment that belongs to it, with tabs between them.
func (c keysListCommand) Run(ctx context.Context, std streams) error {
	return c.run(ctx, std, keys.Command{Op: keys.OpList}, func(_ *config.Config, report keys.Report) {
		for _, key := range report.Keys {
			fmt.Fprintf(std.out, "%s\t%s\t%s\n", key.ID, key.Algorithm, does(key))
		}
		if len(report.Keys) == 0 {
			fmt.Fprintf(std.err, "there is none yet: see locum keys create %s\n", c.target())
		}
	})
}

// does says in words what a key does.
func does(key keys.Status) string {
	switch key.State {
	case keys.StateNext:
		return "signs from " + moment(key.SignsFrom)
	case keys.StateSpare:
		return "spare since " + moment(key.CreatedAt)
	case keys.StateLeaving:
		return "leaves at " + moment(key.RetireAt)
	}
	if !key.RetireAt.IsZero() {
		return "signs, leaves at " + moment(key.RetireAt)
	}
	return "signs since " + moment(key.SignsFrom)
}

func moment(t time.Time) string { return t.Local().Format(time.RFC3339) }

type keysRotateCommand struct {
	signing
	Bits   int            `help:"The length of a new RSA key: 2048 or 3072."`
	SignIn *time.Duration `help:"When the next key signs, such as 24h: for keys that are imported at the platform by hand. 0s is at once. Without it, when every copy of the public keys has expired (auth.jwks_cache)." placeholder:"DURATION"`
}

// Run begins a rotation, or moves the one that is under way.
func (c keysRotateCommand) Run(ctx context.Context, std streams) error {
	if c.SignIn != nil && *c.SignIn < 0 {
		return errors.New("--sign-in lies in the past")
	}
	command := keys.Command{Op: keys.OpRotate, Bits: c.Bits, SignIn: c.SignIn}
	return c.run(ctx, std, command, func(cfg *config.Config, report keys.Report) {
		fmt.Fprintf(std.out, "next is %s (%s)\n", report.Key.ID, report.Key.Algorithm)
		c.explain(std, cfg, *report.Key)
	})
}

type keysRetireCommand struct {
	signing
	Key string `arg:"" help:"The key's id, as locum keys list prints it."`
	Now bool   `help:"It is published no longer, from this moment on: for a key that somebody else may have. What it has signed a moment ago is refused then."`
}

// Run retires a key. The last one stays.
func (c keysRetireCommand) Run(ctx context.Context, std streams) error {
	command := keys.Command{Op: keys.OpRetire, Key: c.Key, AtOnce: c.Now}
	return c.run(ctx, std, command, func(_ *config.Config, report keys.Report) {
		if report.Key.RetireAt.After(time.Now()) {
			fmt.Fprintf(std.out, "%s signs no more and is published until %s\n", report.Key.ID, moment(report.Key.RetireAt))
			return
		}
		fmt.Fprintf(std.out, "%s is gone\n", report.Key.ID)
	})
}

type keysExportCommand struct{ signing }

// Run prints the public set, indented.
func (c keysExportCommand) Run(ctx context.Context, std streams) error {
	return c.run(ctx, std, keys.Command{Op: keys.OpExport}, func(_ *config.Config, report keys.Report) {
		var out bytes.Buffer
		if json.Indent(&out, report.Set, "", "  ") == nil {
			fmt.Fprintln(std.out, out.String())
		}
	})
}
