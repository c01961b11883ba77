package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"locum/bff/platform"
)

// config reads the whole document; dir is what relative paths are relative to. A nil node reads as an empty document
// that has been found fault with already.
func (r *reader) config(node ast.Node, dir string) *Config {
	if node == nil {
		return nil
	}
	c := &Config{
		Listen: defaultListen, DataDir: defaultDataDir, MasterKeyFile: defaultKeyFile,
		Session: Session{Idle: defaultIdle, Absolute: defaultAbsolute}, LogLevel: slog.LevelInfo,
	}
	var publicURL string
	var entries []platformEntry
	r.mapping("", node, nil,
		key{"public_url", func(path string, n ast.Node) { publicURL = r.text(path, n) }},
		key{"listen", func(path string, n ast.Node) { c.Listen = r.listen(path, n) }},
		key{"tls", func(path string, n ast.Node) { c.TLS = r.tls(path, n) }},
		key{"data_dir", func(path string, n ast.Node) { c.DataDir = r.text(path, n) }},
		key{"master_key_file", func(path string, n ast.Node) { c.MasterKeyFile = r.text(path, n) }},
		key{"trusted_proxies", func(path string, n ast.Node) { c.TrustedProxies = r.prefixes(path, n) }},
		key{"session", func(path string, n ast.Node) { r.session(path, n, &c.Session) }},
		key{"log_level", func(path string, n ast.Node) { c.LogLevel = r.level(path, n) }},
		key{"extension", func(path string, n ast.Node) { c.Extension = r.extension(path, n) }},
		key{"administrators", func(path string, n ast.Node) { c.Administrators = r.administrators(path, n) }},
		key{"embedded", func(path string, n ast.Node) { c.Embedded = r.embedded(path, n) }},
		key{"platforms", func(path string, n ast.Node) { entries = r.platforms(path, n) }},
	)
	r.publicURL(c, publicURL)
	r.reach(c)
	r.paths(c, dir)
	r.build(c, entries)
	r.framed(c)
	return c
}

func (r *reader) publicURL(c *Config, raw string) {
	if raw == "" {
		if _, present := r.lines["public_url"]; !present {
			r.find(CodeMissing, "public_url", "is missing", "write the address under which practitioners reach Locum, "+
				"such as https://locum.example.org")
		}
		return
	}
	u, err := platform.ParsePublicURL(raw)
	if err != nil {
		r.find(CodePublicURL, "public_url", "no address that practitioners can use", err.Error())
		return
	}
	c.PublicURL = u
}

// listen reads an address to listen on: a literal address or localhost, so that it cannot change with a name.
func (r *reader) listen(path string, node ast.Node) string {
	value := r.text(path, node)
	if host, _, _ := net.SplitHostPort(value); value != "" && host != "localhost" {
		if _, err := netip.ParseAddrPort(value); err != nil {
			r.find(CodeListen, path, "no address to listen on", "write a literal address and a port, such as "+defaultListen)
		}
	}
	return value
}

// reach checks that what is served in plain http stays on this machine or behind a proxy.
func (r *reader) reach(c *Config) {
	addr, err := netip.ParseAddrPort(c.Listen)
	local := err != nil || addr.Addr().IsLoopback() // unreadable: found already, or localhost
	switch {
	case local || c.PublicURL == nil:
	case c.PublicURL.Scheme == "http":
		r.find(CodeExposed, "listen", "an http public_url is for this machine alone", "listen on a loopback address, such as "+defaultListen)
	case c.TLS == nil && len(c.TrustedProxies) == 0:
		r.find(CodeExposed, "listen", "this address is reachable from outside in plain http", "set tls, name the TLS proxy in "+
			"trusted_proxies, or listen on a loopback address")
	}
}

func (r *reader) tls(path string, node ast.Node) *TLS {
	t := &TLS{}
	r.mapping(path, node, nil,
		key{"cert_file", func(path string, n ast.Node) { t.CertFile = r.text(path, n) }},
		key{"key_file", func(path string, n ast.Node) { t.KeyFile = r.text(path, n) }},
	)
	if t.CertFile == "" || t.KeyFile == "" {
		r.find(CodeTLS, path, "half a certificate", "needs both cert_file and key_file")
	}
	return t
}

// prefixes reads networks; a bare address is a network of one.
func (r *reader) prefixes(path string, node ast.Node) []netip.Prefix {
	var prefixes []netip.Prefix
	r.list(path, node, func(path string, node ast.Node) {
		value := r.text(path, node)
		if value == "" {
			return
		}
		prefix, err := netip.ParsePrefix(value)
		if addr, errAddr := netip.ParseAddr(value); errAddr == nil {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		switch {
		case err != nil || prefix.Addr().Zone() != "" || prefix.Masked() != prefix:
			r.find(CodeTrustedProxies, path, "no network", "write an address or a network, such as 10.0.0.5 or 10.0.0.0/24")
		case prefix.Bits() == 0:
			r.find(CodeTrustedProxies, path, "trusts every address there is", "name the proxy's own")
		default:
			prefixes = append(prefixes, prefix)
		}
	})
	return prefixes
}

func (r *reader) session(path string, node ast.Node, s *Session) {
	r.mapping(path, node, nil,
		key{"idle", func(path string, n ast.Node) { s.Idle = r.duration(CodeSession, path, n, time.Minute, time.Hour) }},
		key{"absolute", func(path string, n ast.Node) {
			s.Absolute = r.duration(CodeSession, path, n, 5*time.Minute, 24*time.Hour)
		}},
	)
	if s.Idle > 0 && s.Absolute > 0 && s.Idle > s.Absolute {
		r.find(CodeSession, path, "idle is longer than absolute", "write a shorter one")
	}
}

func (r *reader) level(path string, node ast.Node) slog.Level {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	text := r.text(path, node)
	level, ok := levels[text]
	if !ok && text != "" {
		r.find(CodeLogLevel, path, "no such level", "write debug, info, warn or error")
	}
	return level
}

// extension reads the words for the registration sheet.
func (r *reader) extension(path string, node ast.Node) Extension {
	e := Extension{}
	r.mapping(path, node, nil,
		key{"name", func(path string, n ast.Node) { e.Name = r.sentence(path, n, 80) }},
		key{"description", func(path string, n ast.Node) { e.Description = r.sentence(path, n, 500) }},
		key{"support", func(path string, n ast.Node) { e.Support = r.sentence(path, n, 200) }},
	)
	return e
}

// sentence reads one line of printable text.
func (r *reader) sentence(path string, node ast.Node, most int) string {
	value := r.text(path, node)
	if len(value) > most || strings.ContainsFunc(value, func(c rune) bool { return !strconv.IsPrint(c) }) {
		r.find(CodeExtension, path, "too long, or not one line of text", fmt.Sprintf("write at most %d printable characters", most))
	}
	return value
}

// paths resolves relative paths and keeps the master key away from what it seals.
func (r *reader) paths(c *Config, dir string) {
	paths := []*string{&c.DataDir, &c.MasterKeyFile}
	if c.TLS != nil {
		paths = append(paths, &c.TLS.CertFile, &c.TLS.KeyFile)
	}
	for _, path := range paths {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
		*path = filepath.Clean(*path)
	}
	inside, err := filepath.Rel(c.DataDir, c.MasterKeyFile)
	if err == nil && inside != ".." && !strings.HasPrefix(inside, ".."+string(filepath.Separator)) {
		r.find(CodeKeyInside, "master_key_file", "lies inside data_dir", "keep it elsewhere, so that no copy of the data carries its own key")
	}
}
