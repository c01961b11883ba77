package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"locum/bff/config"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/secret"
)

// checker is one look at one installation.
type checker struct {
	report  *Report
	cfg     *config.Config
	secrets map[string]secret.String    // by client; what could be read of them
	signing map[string]oauth.SigningKey // the key that signs now, by client
	pins    map[string]platform.Pin     // the metadata that is believed, by platform
	held    bool                        // the running Locum holds the vault
}

// look goes from what the rest stands on upwards: where one step fails, those above it would only say so again.
func (c *checker) look(ctx context.Context, o Options) {
	c.configMode()
	if !c.load() {
		return
	}
	c.settings()
	c.certificate()
	c.dataDir()
	c.vault()
	if o.Live {
		c.live(ctx)
	}
}

// load reads the configuration; its own findings are taken over as they are.
func (c *checker) load() bool {
	cfg, err := config.Load(c.report.File)
	var faults *config.Error
	switch {
	case err == nil:
		c.cfg, c.report.Config = cfg, cfg
		return true
	case errors.As(err, &faults):
		for _, f := range faults.Findings {
			c.add(Finding{Code: f.Code, Severity: Error, File: c.report.File, Line: f.Line, Key: f.Path, Cause: f.Cause, Fix: f.Fix})
		}
	case errors.Is(err, fs.ErrNotExist):
		c.file(Error, "files.config-missing", c.report.File, "there is no such file", "write one with `locum init`, or name it with -c")
	default:
		c.file(Error, "files.config-unreadable", c.report.File, plain(err), "make it a file that Locum's user can read, of at most 1 MB")
	}
	c.unseen("everything but the configuration file", "it has to be read first")
	return false
}

func (c *checker) add(f Finding) { c.report.Findings = append(c.report.Findings, f) }

func (c *checker) unseen(what, why string) {
	c.report.Unseen = append(c.report.Unseen, Unseen{what, why})
}

// setting adds a finding about a key of the configuration.
func (c *checker) setting(s Severity, code, key, cause, fix string) {
	f := Finding{Code: code, Severity: s, File: c.report.File, Line: c.cfg.Line(key), Key: key, Cause: cause, Fix: fix}
	for i, p := range c.cfg.Platforms {
		if strings.HasPrefix(key+".", entry(i)+".") {
			f.Platform = p.ID
		}
	}
	c.add(f)
}

// file adds a finding about a file or directory.
func (c *checker) file(s Severity, code, path, cause, fix string) {
	c.add(Finding{Code: code, Severity: s, File: path, Cause: cause, Fix: fix})
}

// entry is the path of a platform's entry: what is read keeps the order of the file.
func entry(i int) string { return fmt.Sprintf("platforms[%d]", i) }

// command is a command line on this installation that can be pasted into a shell.
func (c *checker) command(words string) string {
	return "`locum " + words + " -c " + Quote(c.report.File) + "`"
}

// Quote writes a word as a POSIX shell reads it back.
func Quote(word string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+=,-"
	if word != "" && strings.Trim(word, safe) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// plain is an error of the system without the path, which stands beside it.
func plain(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Op + ": " + path.Err.Error()
	}
	return err.Error()
}
