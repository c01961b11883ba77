package config

import (
	"bytes"
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
	Extension      Extension            // the zero value: not stated
	Administrators []string             // logins, normalised, of those who see and use service connections
	Embedded       *Embedded            // nil: no page of Locum may be shown inside another
	Platforms      []*platform.Platform // at least one, their ids all different

	lines map[string]int // of each key read, by its path; nil for a configuration that no file holds
}

// TLS names the certificate and key files, PEM.
type TLS struct{ CertFile, KeyFile string }

// Embedded lets EHRs show Locum inside their own pages: those of exactly these https origins (CSP3, frame-ancestors).
type Embedded struct{ FrameAncestors []string }

// Session limits how long a practitioner stays signed in.
type Session struct{ Idle, Absolute time.Duration }

// Line is where the key at path stands in the file, such as platforms[1].issuer, or the nearest key above it that does;
// 1 where none does.
func (c *Config) Line(path string) int { return lineOf(c.lines, path) }

func lineOf(lines map[string]int, path string) int {
	for ; path != ""; path = parent(path) {
		if n, ok := lines[path]; ok {
			return n
		}
	}
	return 1
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
	r := &reader{lines: map[string]int{}, last: 1 + bytes.Count(data, []byte("\n"))}
	config := r.config(r.parse(data), filepath.Dir(name))
	if len(r.findings) > 0 {
		slices.SortStableFunc(r.findings, func(a, b Finding) int { return a.Line - b.Line })
		return nil, &Error{Name: name, Findings: r.findings}
	}
	config.lines = r.lines
	return config, nil
}
