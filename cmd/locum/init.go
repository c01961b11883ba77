package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"locum/bff"
	"locum/bff/check"
	"locum/bff/config"
	"locum/bff/platform"
	"locum/bff/vault"
)

type initCommand struct {
	configured
	PublicURL   string   `name:"public-url" help:"The address practitioners will use, such as https://locum.harbour-physio.ca."`
	Kind        string   `help:"The kind of platform to begin with: jane, athenahealth or smart." enum:"jane,athenahealth,smart" default:"jane"`
	Platform    []string `help:"Jane's environment: jane-sandbox (if none is given) or jane; may be given twice." enum:"jane-sandbox,jane"`
	Environment string   `help:"athenahealth's environment: preview or production." enum:"preview,production" default:"preview"`
	Practice    []string `help:"The number of a practice at athenahealth; may be given several times. Preview's is 195900 if none is given."`
	Issuer      string   `help:"The issuer of athenahealth's preview, or of a SMART server, where it is known."`
	FHIRBase    string   `name:"fhir-base" help:"The FHIR base URL of a SMART server."`
	ClientID    []string `name:"client-id" help:"The client id that the platform gave; for Jane one per --platform in their order."`
}

// platforms are those that the new configuration has.
func (c initCommand) platforms() ([]config.StartPlatform, error) {
	ids := c.Platform
	switch {
	case c.Kind != platform.KindJane && len(ids) > 0:
		return nil, errors.New("--platform names Jane's environments: leave it out for --kind " + c.Kind)
	case c.Kind == platform.KindSMART:
		ids = []string{config.StartSMART}
	case c.Kind == platform.KindAthena && c.Environment == platform.AthenaProduction:
		ids = []string{config.StartAthena}
	case c.Kind == platform.KindAthena:
		ids = []string{config.StartAthenaPreview}
	case len(ids) == 0:
		ids = []string{config.StartSandbox}
	}
	for _, option := range []struct {
		name, kind string
		given      bool
	}{
		{"--practice", platform.KindAthena, len(c.Practice) > 0}, {"--fhir-base", platform.KindSMART, c.FHIRBase != ""},
		{"--environment", platform.KindAthena, c.Environment != platform.AthenaPreview},
	} {
		if option.given && c.Kind != option.kind {
			return nil, fmt.Errorf("%s is for --kind %s", option.name, option.kind)
		}
	}
	if c.Issuer != "" && c.Kind == platform.KindJane {
		return nil, errors.New("--issuer is for --kind athenahealth and smart; Jane's are known")
	}
	if len(c.ClientID) > len(ids) {
		return nil, errors.New("there are more --client-id than --platform: give one --platform before each")
	}
	var all []config.StartPlatform
	for i, id := range ids {
		p := config.StartPlatform{ID: id, Issuer: c.Issuer, Practices: c.Practice, FHIRBase: c.FHIRBase}
		if i < len(c.ClientID) {
			p.ClientID = c.ClientID[i]
		}
		all = append(all, p)
	}
	return all, nil
}

// Run writes what a new installation consists of: a configuration, a master key and an empty data directory. Where any of
// them is there already, it writes nothing.
func (c initCommand) Run(std streams) error {
	path := shown(c.Config)
	platforms, err := c.platforms()
	if err != nil {
		return err
	}
	start := config.Start{PublicURL: c.PublicURL, Platforms: platforms}
	text, err := start.Text()
	if err != nil {
		return err
	}
	cfg, err := config.Parse(path, text)
	if err != nil {
		return err
	}
	if err := nothingThere(path, cfg); err != nil {
		return err
	}
	if err := create(path, text, cfg); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "wrote %s, %s and %s%c\n", path, cfg.MasterKeyFile, cfg.DataDir, filepath.Separator)
	c.nextSteps(std, path, cfg)
	return nil
}

// nothingThere refuses to touch an installation, or half of one.
func nothingThere(path string, cfg *config.Config) error {
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no directory %[1]s: make it with `mkdir -p %[1]s`, as Locum's user; nothing was written", check.Quote(filepath.Dir(path)))
	}
	if _, err := os.Lstat(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; nothing was written", err)
	} else if err == nil {
		return fmt.Errorf("%s is there already and stays as it is: look at it with `locum check -c %s`, or name another file with -c; nothing was written",
			path, check.Quote(path))
	}
	if _, err := os.Lstat(cfg.MasterKeyFile); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already and may be the only key to a vault: keep it, and begin in an empty directory with -c; nothing was written",
			cfg.MasterKeyFile)
	}
	entries, err := os.ReadDir(cfg.DataDir)
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "lost+found" }) // a volume of its own
	if !errors.Is(err, fs.ErrNotExist) && (err != nil || len(entries) > 0) {
		return fmt.Errorf("%s is there already and is not empty: keep it, and begin in an empty directory with -c; nothing was written", cfg.DataDir)
	}
	return nil
}

// create writes the three: the key first, which one of two that run at once can make, and the configuration last, since
// without it nothing looks like an installation. What it wrote before an error it takes away again.
func create(path string, text []byte, cfg *config.Config) (err error) {
	var undo []string
	defer func() {
		for i := len(undo) - 1; err != nil && i >= 0; i-- {
			err = errors.Join(err, os.Remove(undo[i]))
		}
	}()
	if err := vault.CreateKeyFile(cfg.MasterKeyFile); err != nil {
		return err
	}
	undo = append(undo, cfg.MasterKeyFile)
	if err := os.Mkdir(cfg.DataDir, 0o700); err == nil {
		undo = append(undo, cfg.DataDir)
	} else if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the data directory: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	undo = append(undo, path)
	_, err = file.Write(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// nextSteps prints what is left to do, as commands that can be pasted.
func (c initCommand) nextSteps(std streams, path string, cfg *config.Config) {
	var b strings.Builder
	b.WriteString("\nRegister these addresses, exactly:\n")
	for _, p := range cfg.Platforms {
		fmt.Fprintf(&b, "  %-14s %s\n", p.ID, p.RedirectURI)
		if p.LaunchURI != "" {
			fmt.Fprintf(&b, "  %-14s %s (launch URL)\n", p.ID, p.LaunchURI)
		}
	}
	b.WriteString("\nNext:\n")
	for _, f := range check.Settings(path, cfg) {
		fmt.Fprintf(&b, "  # %s:%d: %s: %s\n", f.File, f.Line, f.Key, f.Fix)
	}
	step := func(words string) { fmt.Fprintf(&b, "  locum %s -c %s\n", words, check.Quote(path)) }
	for _, p := range cfg.Platforms {
		step("secret set " + p.ID)
	}
	step("check --live")
	step("serve")
	fmt.Fprintf(&b, "  then open %s/setup, and type the code that stands in %s\n", cfg.PublicURL, filepath.Join(cfg.DataDir, bff.SetupFile))
	fmt.Fprintf(&b, "\nKeep a copy of %s apart from %s: without it nothing in the vault can be read.\n", cfg.MasterKeyFile, cfg.DataDir)
	fmt.Fprint(std.out, b.String())
}

// shown is a path as a person would type it here: relative where it lies below the working directory.
func shown(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if below, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(below) {
		return below
	}
	return path
}
