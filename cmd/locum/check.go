package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"locum/bff/check"
	"locum/bff/config"
)

type checkCommand struct {
	configured
	Live   bool `help:"Also ask the platforms: metadata, clock, registration, scopes, secret or keys, ping. Nothing is changed there."`
	JSON   bool `name:"json" help:"Print the findings and the registration as JSON."`
	Strict bool `help:"Warnings count as errors."`
	Sheet  bool `help:"Print the registration sheet alone."`
}

// Help says what the exit code means.
func (checkCommand) Help() string {
	return "Changes nothing. Exit code 0: no errors, warnings and notes are printed; 1: errors (with --strict: or warnings). " +
		"While Locum runs it holds the vault, and accounts, client secrets and the audit trail are not looked at; " +
		"athenahealth and SMART servers are then asked by it, and a file that it was not started with is said to be one."
}

// Run prints what is wrong with the installation, then the sheet that a registration needs.
func (c checkCommand) Run(ctx context.Context, std streams) error {
	if c.Sheet {
		c.Config = shown(c.Config)
		cfg, err := c.load()
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(std.out, cfg.RegistrationSheet())
		return err
	}
	report := check.Run(ctx, shown(c.Config), check.Options{Live: c.Live})
	if err := c.print(std, report); err != nil {
		return err
	}
	if report.Count(check.Error) > 0 || c.Strict && report.Count(check.Warning) > 0 {
		return errors.New(report.Summary())
	}
	return nil
}

func (c checkCommand) print(std streams, report *check.Report) error {
	if c.JSON {
		return report.WriteJSON(std.out)
	}
	if err := report.Write(std.out); err != nil || report.Config == nil {
		return err
	}
	_, err := fmt.Fprint(std.out, "\n", report.Config.RegistrationSheet())
	return err
}

// explain prints what a check finds where Locum could not start because of err: what keeps it from starting, and nothing
// that only keeps it from being of use. A configuration that cannot be read says there all that it would say here.
func (c configured) explain(ctx context.Context, std streams, err error) error {
	report := check.Run(ctx, shown(c.Config), check.Options{})
	report.Findings = slices.DeleteFunc(report.Findings, func(f check.Finding) bool {
		return f.Severity != check.Error || strings.HasPrefix(f.Code, "settings.") || strings.HasPrefix(f.Code, "secrets.")
	})
	if len(report.Findings) == 0 {
		return err
	}
	if err := report.Write(std.err); err != nil {
		return err
	}
	var faults *config.Error
	if errors.As(err, &faults) {
		return fmt.Errorf("%s cannot be used: %s", faults.Name, report.Summary())
	}
	return err
}
