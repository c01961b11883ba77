package main

import (
	"context"
	"fmt"
	"os"

	"locum/bff"
	"locum/bff/audit"
	"locum/bff/config"
	"locum/bff/keys"
	"locum/bff/oauth"
	"locum/bff/secret"
)

type secretCommand struct {
	Set    secretSetCommand    `cmd:"" help:"Store a platform's client secret, sealed; it is read from standard input."`
	Remove secretRemoveCommand `cmd:"" help:"Forget a platform's client secret, such as one that private_key_jwt has replaced."`
}

// secretTarget names a client secret.
type secretTarget struct {
	configured
	Platform string `arg:"" help:"The platform's name in the configuration."`
	Service  bool   `help:"The secret of the platform's service, which is another application there."`
}

func (c secretTarget) target() keys.Target {
	return keys.Target{Platform: c.Platform, Service: c.Service}
}

type secretSetCommand struct {
	secretTarget
	File string `help:"Read the secret from this file instead of standard input." type:"existingfile"`
}

// Run seals the secret. It is read as one line; blanks around it are dropped.
func (c secretSetCommand) Run(ctx context.Context, std streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if err := c.secretive(cfg); err != nil {
		return err
	}
	value, err := c.read(std)
	if err != nil {
		return err
	}
	target := c.target()
	done, served, err := c.asked(ctx, bff.CommandSecret, target, value)
	switch {
	case err != nil:
		return err
	case served:
		fmt.Fprintf(std.out, "stored the client secret of %s; it is used from now on\n", target)
		anchor(std, done)
		return nil
	}
	return c.seal(ctx, std, target, value)
}

// seal stores the secret beside a stopped server.
func (c secretSetCommand) seal(ctx context.Context, std streams, target keys.Target, value secret.String) error {
	cfg, opened, err := c.vault()
	if err != nil {
		return err
	}
	defer opened.Close()
	event := func() audit.Event { return audit.Event{Kind: "secret_set", Platform: c.Platform} }
	return recorded(ctx, std, cfg, opened, event, func() error {
		if err := opened.SetClientSecret(target.ID(), value); err != nil {
			return fmt.Errorf("store the client secret: %w", err)
		}
		fmt.Fprintf(std.out, "stored the client secret of %s\n", target)
		return nil
	})
}

// known says what is wrong with the name of the platform, or with asking for its service.
func (c secretTarget) known(cfg *config.Config) error {
	if err := knownPlatform(cfg, c.Platform); err != nil || !c.Service {
		return err
	}
	for _, p := range cfg.Platforms {
		if p.ID == c.Platform && p.Service == nil {
			return fmt.Errorf("%s has no service; see service in its block of the configuration", c.Platform)
		}
	}
	return nil
}

// secretive says also what is wrong with a secret for a client that authenticates without one.
func (c secretTarget) secretive(cfg *config.Config) error {
	if err := c.known(cfg); err != nil {
		return err
	}
	for _, p := range cfg.Platforms {
		if p.ID != c.Platform {
			continue
		}
		method, where := p.Auth.Method, "auth.method"
		if c.Service {
			method, where = p.Service.Auth.Method, "service.auth.method"
		}
		if method == oauth.AuthKey || method == oauth.AuthNone {
			return fmt.Errorf("no client secret is used: %s authenticates by %s; where it has a secret, write %s: %s in its block of the configuration",
				c.target(), method, where, oauth.AuthBasic)
		}
	}
	return nil
}

func (c secretSetCommand) read(std streams) (secret.String, error) {
	if c.File == "" {
		return readSecret(std, "Client secret of "+c.Platform)
	}
	file, err := os.Open(c.File)
	if err != nil {
		return secret.String{}, err
	}
	defer file.Close()
	return readLine(file)
}

type secretRemoveCommand struct{ secretTarget }

// Run forgets the secret. A client that authenticates by it is refused from then on.
func (c secretRemoveCommand) Run(ctx context.Context, std streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if err := c.known(cfg); err != nil {
		return err
	}
	done, served, err := c.asked(ctx, bff.CommandForget, c.target(), secret.String{})
	switch {
	case err != nil:
		return err
	case served:
		fmt.Fprintf(std.out, "removed the client secret of %s\n", c.target())
		anchor(std, done)
		return nil
	}
	cfg, opened, err := c.vault()
	if err != nil {
		return err
	}
	defer opened.Close()
	event := func() audit.Event { return audit.Event{Kind: "secret_removed", Platform: c.Platform} }
	return recorded(ctx, std, cfg, opened, event, func() error {
		if err := opened.RemoveClientSecret(c.target().ID()); err != nil {
			return fmt.Errorf("remove the client secret: %w", err)
		}
		fmt.Fprintf(std.out, "removed the client secret of %s\n", c.target())
		return nil
	})
}
