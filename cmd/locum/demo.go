package main

import (
	"context"
	"fmt"
	"log/slog"

	"locum/bff/demo"
)

type demoCommand struct {
	Listen  string `help:"Where Locum listens; loopback only." default:"localhost:8080"`
	Verbose bool   `short:"v" help:"Log every request."`
}

// Run starts Locum and the sandbox, says where to look, and stops both when asked to.
func (c demoCommand) Run(ctx context.Context, std streams) error {
	level := slog.LevelWarn
	if c.Verbose {
		level = slog.LevelDebug
	}
	log, flush := logger(std, level)
	defer flush()
	running, err := demo.Start(ctx, demo.Options{Listen: c.Listen, Log: log, Verbose: c.Verbose})
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "\n  Locum is at   %s\n\n  Sign in with one click on a demo card, or type:\n", running.URL)
	for _, person := range running.People {
		fmt.Fprintf(std.out, "    %-28s %s\n", person.Login, person.Password)
	}
	fmt.Fprintln(std.out, "\n  The simulated Jane has two clinics; its sign-in page shows who works there:")
	for _, clinic := range running.Sandbox.Clinics() {
		fmt.Fprintf(std.out, "    %-28s %s\n", clinic.Name, clinic.URL)
	}
	fmt.Fprintf(std.out, "\n  What can befall a connection is a button there: lost answers, repairs, logouts.\n    %s\n", running.Sandbox.Front())
	fmt.Fprintln(std.out, "\n  Two EHRs open Locum for a patient, in a window of its own or within their pages, and have such buttons too:")
	for _, ehr := range running.EHRs() {
		fmt.Fprintf(std.out, "    %-28s %s\n", ehr.Name, ehr.URL)
	}
	fmt.Fprint(std.out, "\n  Everything is fictional and forgotten when this stops. Ctrl-C stops it.\n\n")
	waited := running.Wait()
	if err := running.Close(); err != nil {
		return err
	}
	fmt.Fprintln(std.out, "\n  Stopped.")
	return waited
}
