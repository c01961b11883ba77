package config

import (
	_ "embed"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"text/template"

	"locum/bff/platform"
)

// Start is what a new configuration is made from. Zero values become stand-ins, which a check finds.
type Start struct {
	PublicURL string
	Platforms []StartPlatform // at least one, each at most once
}

// StartPlatform is one of Jane's environments.
type StartPlatform struct{ ID, ClientID string }

// The environments that a configuration can start with.
const (
	StartSandbox    = "jane-sandbox"
	StartProduction = "jane"
)

//go:embed start.yaml
var startText string

// startEntry is one entry of platforms as start.yaml fills it in.
type startEntry struct{ ID, Name, Comment, Issuer, ClientID, ClinicName, ClinicURL string }

var startEntries = map[string]startEntry{
	StartSandbox: {ID: StartSandbox, Name: "Jane (sandbox)", Comment: "Jane's partner development environment", Issuer: platform.JaneSandboxIssuer,
		ClientID: "your-sandbox-client-id", ClinicName: "Jane's playground clinic", ClinicURL: "https://jdpdocsdemo.jane.qa"},
	StartProduction: {ID: StartProduction, Name: "Jane", Comment: "Jane's production: real patients", Issuer: platform.JaneIssuer,
		ClientID: "your-client-id", ClinicName: "Harbour Physiotherapy", ClinicURL: "https://harbour.janeapp.com"},
}

// Text is a short configuration file with comments: what a new installation needs, and the defaults commented out. The
// error says which value cannot stand in a configuration, and what to give instead.
func (s Start) Text() ([]byte, error) {
	if s.PublicURL == "" {
		s.PublicURL = "https://locum.example.org"
	}
	public, err := platform.ParsePublicURL(s.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("public URL: %w", err)
	}
	form, err := template.New("start").Parse(startText)
	if err != nil {
		return nil, err
	}
	values := struct {
		PublicURL, Loopback string
		Platforms           []startEntry
	}{PublicURL: s.PublicURL, Loopback: loopback(public)}
	for _, p := range s.Platforms {
		entry, known := startEntries[p.ID]
		if !known {
			return nil, fmt.Errorf("platform %q: choose %s or %s", p.ID, StartSandbox, StartProduction)
		}
		if p.ClientID != "" {
			entry.ClientID = strconv.Quote(p.ClientID)
		}
		values.Platforms = append(values.Platforms, entry)
	}
	var b strings.Builder
	if err := form.Execute(&b, values); err != nil {
		return nil, err
	}
	text := []byte(b.String())
	if _, err := Parse("locum.yaml", text); err != nil {
		return nil, fmt.Errorf("these values make no configuration: %w", err)
	}
	return text, nil
}

// loopback is where to listen for an http public URL, which is this machine's; "" for any other.
func loopback(public *url.URL) string {
	if public.Scheme != "http" {
		return ""
	}
	port := public.Port()
	if port == "" {
		port = "80"
	}
	return strconv.Quote(net.JoinHostPort(public.Hostname(), port))
}
