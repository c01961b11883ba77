// Command locum is the one binary: it reads flags and files, wires the backend-for-frontend and runs it. Everything a
// command does lives in the packages below; here is only how an operator asks for it. Secrets and passwords come from
// standard input or a file, never from an argument: arguments are visible to every process of the machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // for working hours, wherever Locum runs: a container may have no zones

	"github.com/alecthomas/kong"
)

// commands is the command line; each field is one command with its own help.
type commands struct {
	Demo     demoCommand     `cmd:"" help:"Try everything on this machine: Locum with simulated platforms and record systems, in a temporary directory."`
	Serve    serveCommand    `cmd:"" help:"Run Locum from a configuration file."`
	Init     initCommand     `cmd:"" help:"Write a configuration, a master key and an empty data directory; nothing is ever overwritten."`
	Check    checkCommand    `cmd:"" help:"Say what is wrong with an installation, and print the registration sheet."`
	Config   configCommand   `cmd:"" help:"Print a commented example configuration."`
	Keys     keysCommand     `cmd:"" help:"The master key that seals the vault, and the keys that sign to platforms."`
	Secret   secretCommand   `cmd:"" help:"The client secrets that platforms gave you."`
	Account  accountCommand  `cmd:"" help:"The practitioners who may sign in."`
	Audit    auditCommand    `cmd:"" help:"The audit trail."`
	Restored restoredCommand `cmd:"" help:"Say that the data directory comes out of a backup, so that no old token is used unasked."`
	Compact  compactCommand  `cmd:"" help:"Rewrite the vault under a new key, so that nothing of what was deleted is left in it."`
	Version  versionCommand  `cmd:"" help:"Print the version."`
}

// streams is where a command reads and writes, so that a command can be driven by a test.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// run parses the arguments, runs the one command they name and answers the exit code: 0 done, 1 failed, 2 misused, or one of exit.go.
func run(ctx context.Context, args []string, std streams) int {
	var cli commands
	parser, err := kong.New(&cli,
		kong.Name("locum"),
		kong.Description("Connects practitioners to their clinic's platform; no token ever reaches the browser."),
		kong.Writers(std.out, std.err),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		fmt.Fprintln(std.err, "locum:", err)
		return 1
	}
	command, err := parser.Parse(args)
	if err != nil {
		parser.Errorf("%s", withoutValues(err.Error(), args))
		usage(parser, err, std, len(args) > 0)
		return 2
	}
	if err := command.Run(); err != nil {
		fmt.Fprintln(std.err, "locum:", err)
		return exitCode(err)
	}
	return 0
}

// usage shows how the command is used that was typed, as far as it was understood: in short, or all of it.
func usage(parser *kong.Kong, err error, std streams, short bool) {
	var misused *kong.ParseError
	if parser.Stdout = std.err; errors.As(err, &misused) {
		_ = misused.Context.PrintUsage(short)
	}
}

// withoutValues takes out of a complaint about arguments what was typed behind the command: it may be a secret in the wrong
// place, and standard error is often kept.
func withoutValues(complaint string, args []string) string {
	for i, arg := range args {
		if flag, value, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(flag, "-") {
			arg = value
		}
		if i > 0 && len(arg) > 3 && !strings.HasPrefix(arg, "-") {
			complaint = strings.ReplaceAll(complaint, arg, "…")
		}
	}
	return complaint
}

type versionCommand struct{}

// Run prints the module version and the revision it was built from.
func (versionCommand) Run(std streams) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return fmt.Errorf("this binary carries no build information")
	}
	revision := "unknown revision"
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			revision = setting.Value
		}
	}
	_, err := fmt.Fprintf(std.out, "locum %s (%s, %s)\n", info.Main.Version, revision, info.GoVersion)
	return err
}
