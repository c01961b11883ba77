package config

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"locum/bff/platform"
)

// Start is what a new configuration is made from. Zero values become stand-ins, which a check finds.
type Start struct {
	PublicURL string
	Platforms []StartPlatform // at least one, each id at most once
}

// StartPlatform is one platform of those below. Zero values become stand-ins here too. The last three fields are those of
// athenahealth and of SMART servers.
type StartPlatform struct {
	ID, ClientID string
	Issuer       string
	Practices    []string // athenahealth's, at least one in production
	FHIRBase     string
}

// The platforms that a configuration can start with.
const (
	StartSandbox       = "jane-sandbox"
	StartProduction    = "jane"
	StartAthenaPreview = "athena-preview"
	StartAthena        = "athena"
	StartSMART         = "ehr"
)

//go:embed start.yaml
var startText string

// startEntry is one entry of platforms as start.yaml fills it in.
type startEntry struct {
	ID, Kind, Name, Comment, Issuer, ClientID, ClinicName, ClinicURL string
	Environment, FHIRBase                                            string
	Practices                                                        []string
}

var startEntries = map[string]startEntry{
	StartSandbox: {ID: StartSandbox, Kind: platform.KindJane, Name: "Jane (sandbox)", Comment: "Jane's partner development environment", Issuer: platform.JaneSandboxIssuer,
		ClientID: "your-sandbox-client-id", ClinicName: "Jane's playground clinic", ClinicURL: "https://jdpdocsdemo.jane.qa"},
	StartProduction: {ID: StartProduction, Kind: platform.KindJane, Name: "Jane", Comment: "Jane's production: real patients", Issuer: platform.JaneIssuer,
		ClientID: "your-client-id", ClinicName: "Harbour Physiotherapy", ClinicURL: "https://harbour.janeapp.com"},
	StartAthenaPreview: {ID: StartAthenaPreview, Kind: platform.KindAthena, Name: "athenahealth (preview)", Comment: "athenahealth's preview environment",
		Environment: platform.AthenaPreview, Issuer: "https://athena.okta.com/oauth2/your-preview-issuer", ClientID: "your-preview-client-id", Practices: []string{"195900"}},
	StartAthena: {ID: StartAthena, Kind: platform.KindAthena, Name: "athenahealth", Comment: "athenahealth's production: real patients",
		Environment: platform.AthenaProduction, ClientID: "your-client-id"},
	StartSMART: {ID: StartSMART, Kind: platform.KindSMART, Name: "EHR", Comment: "A server of SMART App Launch 2.2", FHIRBase: "https://ehr.example.org/fhir/r4",
		ClientID: "your-client-id"},
}

// filled is an entry with what is known of it.
func (p StartPlatform) filled() (startEntry, error) {
	entry, known := startEntries[p.ID]
	if !known {
		return entry, fmt.Errorf("platform %q: choose one of %s", p.ID, strings.Join(slices.Sorted(maps.Keys(startEntries)), ", "))
	}
	for _, one := range []struct {
		given string
		to    *string
	}{{p.ClientID, &entry.ClientID}, {p.Issuer, &entry.Issuer}, {p.FHIRBase, &entry.FHIRBase}} {
		if one.given != "" {
			*one.to = strconv.Quote(one.given)
		}
	}
	if len(p.Practices) > 0 {
		entry.Practices = make([]string, len(p.Practices))
		for i, id := range p.Practices {
			entry.Practices[i] = strconv.Quote(id)
		}
	}
	if entry.Kind == platform.KindAthena && len(entry.Practices) == 0 {
		return entry, errors.New("athenahealth's production needs at least one practice: give its number")
	}
	return entry, nil
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
		entry, err := p.filled()
		if err != nil {
			return nil, err
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
