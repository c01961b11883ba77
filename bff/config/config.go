package config

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"locum/bff/platform"
)

// Config is everything that an operator decides. Paths are absolute or relative to the working directory, as the file
// was named; everything is checked.
type Config struct {
	PublicURL      *url.URL // an origin: no path
	Listen         string   // host:port
	TLS            *TLS     // nil: plain http, behind a proxy or on loopback
	DataDir        string
	MasterKeyFile  string
	TrustedProxies []netip.Prefix
	Session        Session
	LogLevel       slog.Level
	Platforms      []*platform.Platform // at least one, their ids all different
}

// TLS names the certificate and key files, PEM.
type TLS struct{ CertFile, KeyFile string }

// Session limits how long a practitioner stays signed in.
type Session struct{ Idle, Absolute time.Duration }

// Error holds everything that is wrong with a file, by line.
type Error struct {
	Name     string
	Findings []Finding
}

// Finding is one thing that is wrong. Path is the key's place, such as platforms[1].issuer, and "" for the file as a
// whole. Message says what is wrong and what to do; it never repeats a value that might be a secret.
type Finding struct {
	Line          int
	Path, Message string
}

// Error is one line per finding: locum.yaml:12: platforms[1].issuer: write …
func (e *Error) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = fmt.Sprintf("%s:%d: %s", e.Name, f.Line, f.Message)
		if f.Path != "" {
			lines[i] = fmt.Sprintf("%s:%d: %s: %s", e.Name, f.Line, f.Path, f.Message)
		}
	}
	return strings.Join(lines, "\n")
}

// Defaults of keys that may be left out; example.yaml documents them.
const (
	defaultListen   = "127.0.0.1:8080"
	defaultDataDir  = "data"
	defaultKeyFile  = "master.key"
	defaultIdle     = 15 * time.Minute
	defaultAbsolute = 12 * time.Hour
)

const maxFile = 1 << 20

//go:embed example.yaml
var example []byte

// Example is a complete configuration file with comments, for Jane's sandbox and production. It parses as it stands.
func Example() []byte { return slices.Clone(example) }

// Load reads a configuration file. A file that cannot be read is an error of the os package, wrapped; a file that
// cannot be used is an *Error.
func Load(path string) (*Config, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("configuration: %w", err)
	case len(data) > maxFile:
		return nil, fmt.Errorf("configuration: %s: %w", path, errors.New("larger than 1 MB"))
	}
	return Parse(path, data)
}

// Parse reads the text of a configuration file. Relative paths in it are relative to the directory of name, which is
// also what findings are reported under. The error is an *Error.
func Parse(name string, data []byte) (*Config, error) {
	r := &reader{lines: map[string]int{}}
	config := r.config(r.parse(data), filepath.Dir(name))
	if len(r.findings) > 0 {
		slices.SortStableFunc(r.findings, func(a, b Finding) int { return a.Line - b.Line })
		return nil, &Error{Name: name, Findings: r.findings}
	}
	return config, nil
}

// RegistrationSheet is what an operator registers with each platform: one block per platform with the exact redirect
// URI ("Jane guide, Step 1": redirect URIs must match exactly).
func (c *Config) RegistrationSheet() string {
	var b strings.Builder
	for _, p := range c.Platforms {
		fmt.Fprintf(&b, "%s (%s)\n  issuer        %s\n  client id     %s\n  redirect URI  %s\n  scopes        %s\n",
			p.Name, p.ID, p.Server.Issuer, p.ClientID, p.RedirectURI, strings.Join(p.RequestScopes(nil), " "))
	}
	return b.String()
}
