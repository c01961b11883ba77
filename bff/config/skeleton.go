package config

import (
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"locum/bff/platform"
)

type Config struct {
	PublicURL              *url.URL
	Listen                 string
	TLS                    *TLS
	DataDir, MasterKeyFile string
	TrustedProxies         []netip.Prefix
	Session                Session
	LogLevel               slog.Level
	Platforms              []*platform.Platform
}
type TLS struct{ CertFile, KeyFile string }
type Session struct{ Idle, Absolute time.Duration }

type Finding struct {
	Line          int
	Path, Message string
}
type Error struct {
	Name     string
	Findings []Finding
}

func (e *Error) Error() string { panic("todo") }

func Load(path string) (*Config, error)               { panic("todo") }
func Parse(name string, data []byte) (*Config, error) { panic("todo") }
func Example() []byte                                 { panic("todo") }
