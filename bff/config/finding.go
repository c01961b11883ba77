package config

import (
	"fmt"
	"strings"
)

// Codes of findings. They are stable: tools branch on them.
const (
	CodeSyntax         = "config.syntax" // not YAML, not one mapping, empty
	CodeUnknownKey     = "config.unknown-key"
	CodeRepeatedKey    = "config.repeated-key"
	CodeSecret         = "config.secret-inline"   // a secret stands in the file
	CodeMissing        = "config.missing"         // a key that is required
	CodeValue          = "config.value"           // a value of another shape, or none
	CodePublicURL      = "config.public-url"      // http, a wildcard, more than an origin
	CodeListen         = "config.listen"          // not an address
	CodeExposed        = "config.listen-exposed"  // plain http that others can reach
	CodeTLS            = "config.tls"             // half a certificate
	CodeKeyInside      = "config.key-inside-data" // the master key lies in data_dir
	CodeTrustedProxies = "config.trusted-proxies" // no network, or everyone's
	CodeSession        = "config.session"         // out of range, or idle beyond absolute
	CodeLogLevel       = "config.log-level"
	CodeExtension      = "config.extension"
	CodeKind           = "config.kind"        // a platform of a kind that this version does not know
	CodePlatformID     = "config.platform-id" // no identifier, or another platform's
	CodePlatformName   = "config.platform-name"
	CodeIssuer         = "config.issuer"
	CodeClientID       = "config.client-id"
	CodeScopes         = "config.scopes" // none, or unknown to the catalogue
	CodeClinics        = "config.clinics"
	CodeClinicDomains  = "config.clinic-domains"
	CodeLimits         = "config.limits"
	CodeRefresh        = "config.refresh"       // a policy that contradicts itself, or a value of it
	CodeEnding         = "config.on-disconnect" // no way of giving a grant back
	CodeEnvironment    = "config.environment"   // of athenahealth: none, or two
	CodePractices      = "config.practices"
	CodeFHIRBase       = "config.fhir-base"
	CodeAuth           = "config.auth"   // a way to authenticate that contradicts itself
	CodeLaunch         = "config.launch" // of EHR and standalone launches
	CodeIntrospection  = "config.introspection"
	CodeMetadata       = "config.metadata-since"
	CodeService        = "config.service" // the application's own client
	CodeAdministrators = "config.administrators"
	CodeEmbedded       = "config.embedded" // who may show Locum inside another page
)

// Error holds everything that is wrong with a file, by line.
type Error struct {
	Name     string
	Findings []Finding
}

// Finding is one thing that is wrong. Path is the key's place, such as platforms[1].issuer, and "" for the file as a
// whole. Cause says what is wrong and Fix what to do; neither repeats a value that might be a secret.
type Finding struct {
	Code       string
	Line       int
	Path       string
	Cause, Fix string
}

// Error is one line per finding: locum.yaml:12: platforms[1].issuer: what is wrong: what to do.
func (e *Error) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		where := fmt.Sprintf("%s:%d: ", e.Name, f.Line)
		if f.Path != "" {
			where += f.Path + ": "
		}
		lines[i] = where + f.Cause + ": " + f.Fix
	}
	return strings.Join(lines, "\n")
}
